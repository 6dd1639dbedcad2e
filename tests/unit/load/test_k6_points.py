"""The reader of k6's points: the lines of its documentation, and whatever they are cut into."""

from __future__ import annotations

import itertools
import json
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from seatrial.arrivals.errors import ERRORS
from seatrial.load.k6_points import Count, Point, Points
from seatrial.load.k6_tool import last_words, thresholds_of, verdict

# From https://grafana.com/docs/k6/latest/results-output/real-time/json/ (the older order of keys), and as k6 2 writes them.
DOCUMENTED = b"""\
{"type":"Metric","data":{"type":"gauge","contains":"default","tainted":null,"thresholds":[],"submetrics":null},"metric":"vus"}
{"type":"Point","data":{"time":"2017-05-09T14:34:45.625742514+02:00","value":5,"tags":null},"metric":"vus"}
{"type":"Metric","data":{"type":"trend","contains":"time","tainted":null,"thresholds":["avg<1000"],"submetrics":null},"metric":"http_req_duration"}
{"type":"Point","data":{"time":"2017-05-09T14:34:45.239531499+02:00","value":459.865729,"tags":{"group":"::my group::json","method":"GET","status":"200","url":"https://quickpizza.grafana.com/api/tools"}},"metric":"http_req_duration"}
"""
LATER = b"""\
{"metric":"http_req_duration","type":"Metric","data":{"name":"http_req_duration","type":"trend","contains":"time","thresholds":["p(95)<500"],"submetrics":null}}
{"metric":"http_reqs","type":"Point","data":{"time":"2026-08-21T10:00:00.5Z","value":1,"tags":{"method":"GET","name":"http://127.0.0.1:8000/a","status":"200"}}}
{"metric":"http_req_duration","type":"Point","data":{"time":"2026-08-21T10:00:00.5Z","value":20.25,"tags":{"expected_response":"true","group":"","method":"GET","name":"http://127.0.0.1:8000/a","proto":"HTTP/1.1","scenario":"default","status":"200","url":"http://127.0.0.1:8000/a"}}}
{"metric":"http_req_duration","type":"Point","data":{"time":"2026-08-21T10:00:01Z","value":1.5,"tags":{"error_code":"1503","expected_response":"false","method":"POST","name":"sale","status":"503"}}}
{"metric":"http_req_failed","type":"Point","data":{"time":"2026-08-21T10:00:01Z","value":1,"tags":{"method":"POST","name":"sale"}}}
{"metric":"data_received","type":"Point","data":{"time":"2026-08-21T10:00:01Z","value":512,"tags":{"scenario":"default"}}}
{"metric":"checks","type":"Point","data":{"time":"2026-08-21T10:00:01Z","value":0,"tags":{"check":"status is 200"}}}
{"metric":"iterations","type":"Point","data":{"time":"2026-08-21T10:00:01Z","value":1,"tags":{}}}
{"metric":"grpc_req_duration","type":"Point","data":{"time":"2026-08-21T10:00:02Z","value":3,"tags":{"method":"Buy","name":"127.0.0.1:8000/shop.Shop/Buy","service":"shop.Shop","status":"14"}}}
{"metric":"ws_connecting","type":"Point","data":{"time":"2026-08-21T10:00:03Z","value":7,"tags":{"status":"101","url":"ws://127.0.0.1:8000/feed"}}}
"""


def ns(text: str) -> int:
    return int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp() * 1e9)


def code(word: str) -> int:
    return ERRORS.index(word)


def test_the_lines_of_the_documentation() -> None:
    vus, request = Points().feed(DOCUMENTED)
    assert vus == Count("vus", 5.0)
    assert isinstance(request, Point)
    assert (request.tag, request.took, request.error) == (
        "GET https://quickpizza.grafana.com/api/tools",
        459_865_729,
        0,
    )
    assert request.began == pytest.approx(ns("2017-05-09T12:34:45.239531") - 459_865_729, abs=1000)


def test_what_later_versions_write() -> None:
    found = list(Points("http://127.0.0.1:8000").feed(LATER))
    assert found == [
        Point("GET /a", ns("2026-08-21T10:00:00.5") - 20_250_000, 20_250_000, 0),
        Point("POST sale", ns("2026-08-21T10:00:01") - 1_500_000, 1_500_000, code("status-5xx")),
        Count("data_received", 512.0),
        Count("checks", 0.0),
        Count("iterations", 1.0),
        Point("GRPC /shop.Shop/Buy", ns("2026-08-21T10:00:02") - 3_000_000, 3_000_000, code("script")),
        Point(
            "WS ws://127.0.0.1:8000/feed", ns("2026-08-21T10:00:03"), 7_000_000, 0
        ),  # it has the time of its beginning
    ]


@given(st.lists(st.integers(0, len(DOCUMENTED + LATER)), max_size=20))
def test_it_does_not_matter_what_they_are_cut_into(cuts: list[int]) -> None:
    whole = DOCUMENTED + LATER
    places = [0, *sorted(cuts), len(whole)]
    points, found = Points(), list[object]()
    for a, b in itertools.pairwise(places):
        found += points.feed(whole[a:b])
    assert found == Points().feed(whole)


@given(st.lists(st.one_of(st.binary(max_size=80), st.sampled_from(LATER.splitlines())), max_size=20))
def test_what_is_no_point_is_passed_over(lines: list[bytes]) -> None:
    good = [line for line in lines if line in LATER.splitlines()]
    spoilt = b"\n".join(line if line in good else line.replace(b'"', b"'") for line in lines)
    assert Points().feed(spoilt + b"\n") == Points().feed(b"\n".join(good) + b"\n")


@pytest.mark.parametrize(
    "line",
    [
        b'{"metric":"http_req_duration","type":"Point","data":{"time":"yesterday","value":1,"tags":{}}}',
        b'{"metric":"http_req_duration","type":"Point","data":{"time":"2026-08-21T10:00:01Z","value":"fast","tags":{}}}',
        b'{"metric":"http_req_duration","type":"Point","data":null}',
        b'{"metric":"http_req_duration","type":"Point"',
    ],
)
def test_a_point_that_cannot_be_read_is_none(line: bytes) -> None:
    assert Points().feed(line + b"\n") == []


@pytest.mark.parametrize(
    ("tags", "word"),
    [
        ({"status": "200", "expected_response": "true"}, ""),
        ({"status": "404", "expected_response": "true"}, ""),  # the script's setResponseCallback says so
        ({"status": "200", "expected_response": "false"}, "script"),
        ({"status": "404", "expected_response": "false", "error_code": "1404"}, "status-4xx"),
        ({"status": "200"}, ""),
        ({"status": "500"}, "status-5xx"),
        ({"status": "0", "error_code": "1050", "expected_response": "false"}, "timeout"),
        ({"status": "0", "error_code": "1101"}, "name"),
        ({"status": "0", "error_code": "1210"}, "closed"),
        ({"status": "0", "error_code": "1211"}, "timeout"),
        ({"status": "0", "error_code": "1212"}, "refused"),
        ({"status": "0", "error_code": "1220"}, "reset"),
        ({"status": "0", "error_code": "1310"}, "tls"),
        ({"status": "0", "error_code": "1632"}, "protocol"),
        ({"status": "0"}, "closed"),
        ({}, "closed"),
    ],
)
def test_a_request_fails_by_its_tags(tags: dict[str, str], word: str) -> None:
    data = {"time": "2026-08-21T10:00:01Z", "value": 1, "tags": {"method": "GET", **tags}}
    line = json.dumps({"metric": "http_req_duration", "type": "Point", "data": data}).encode()
    (found,) = Points().feed(line + b"\n")
    assert isinstance(found, Point)
    assert ERRORS[found.error] == word


def test_thresholds_from_both_forms_of_the_summary() -> None:
    exported = {
        "metrics": {
            "http_req_duration": {"p(95)": 7, "thresholds": {"p(95)<500": False, "avg<1": True}},
            "vus": {"value": 1},
        }
    }
    newer = {
        "metrics": {"checks": {"type": "rate", "thresholds": {"rate>0.9": {"ok": True}, "rate>0.99": {"ok": False}}}}
    }
    assert thresholds_of(exported) == {"http_req_duration: p(95)<500": True, "http_req_duration: avg<1": False}
    assert thresholds_of(newer) == {"checks: rate>0.9": True, "checks: rate>0.99": False}
    assert thresholds_of([]) == thresholds_of({"metrics": None}) == thresholds_of({"metrics": {"a": 1}}) == {}


HELD, CROSSED = {"checks: rate>0.9": True}, {"checks: rate>0.9": True, "http_req_duration: p(95)<1": False}


@pytest.mark.parametrize(
    ("status", "stopped", "thresholds", "passed", "words"),
    [
        (0, False, HELD, True, "1 thresholds held"),
        (0, False, {}, True, "there are no thresholds"),
        (99, False, CROSSED, False, "thresholds were crossed: http_req_duration: p(95)<1 (exit status 99)"),
        (99, False, None, False, "said (exit status 99)"),
        (110, False, HELD, False, "said (exit status 110)"),
        (107, False, HELD, None, "k6 ended with 107: said"),
        (104, False, None, None, "k6 ended with 104: said"),
        (105, True, HELD, True, "k6 was stopped as ordered; 1 thresholds held"),
        (105, True, CROSSED, False, "thresholds were crossed"),
        (105, True, None, None, "k6 ended with 105: said"),
        (105, False, HELD, None, "k6 ended with 105: said"),  # somebody else stopped it
        (-9, True, HELD, None, "k6 was ended by SIGKILL: said"),
    ],
)
def test_its_exit_status_and_its_summary_are_its_verdict(
    status: int, stopped: bool, thresholds: dict[str, bool] | None, passed: bool | None, words: str
) -> None:
    found = verdict(status, stopped, thresholds, "said")
    assert (found[0], words in found[1]) == (passed, True), found


def test_its_last_words() -> None:
    log = (
        'time="2026-08-21T10:00:01Z" level=warning msg="Request Failed"\n'
        'time="2026-08-21T10:00:02Z" level=error msg="ReferenceError: nothing is not defined\\n\\tat file:///s.js:3:1(1)" hint="x"\n'
        'time="2026-08-21T10:00:03Z" level=info msg=done\n'
    )
    assert last_words(log) == "ReferenceError: nothing is not defined at file:///s.js:3:1(1)"
    assert last_words("k6: cannot execute\n") == "k6: cannot execute"
    assert last_words("") == ""
