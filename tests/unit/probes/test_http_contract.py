"""Probe http against real sockets: what is observed, which word each failure has, and what does not leak."""

from __future__ import annotations

import asyncio
import json

import pytest

from seatrial.core.expressions import Missing, parse
from seatrial.core.observations import Seen
from seatrial.core.quantities import Dimension, Quantity
from seatrial.core.templates import Template
from seatrial.probes import VERBS


async def test_an_answer_whatever_its_status_is_a_value(kit, serve):
    port = await serve(web := kit.Web())
    seen = await kit.observe("http", "GET /broken", port)
    assert seen.seen is Seen.VALUE
    assert seen.values["status"] == 503
    assert seen.values["json"] == {"start": "GET /broken", "body": ""}
    assert seen.values["headers"]["x-instance"] in web.names
    assert seen.values["latency"].dimension is Dimension.DURATION
    assert seen.values["size"] == Quantity(len(seen.values["text"]), Dimension.SIZE)
    assert seen.record["status"] == 503
    assert f"GET http://127.0.0.1:{port}/broken" in str(seen.record["request"])


async def test_what_is_no_json_is_missing_not_null(kit, serve):
    seen = await kit.observe("http", "/plain", await serve(kit.Web()))
    assert seen.values["text"] == "plain words"
    assert isinstance(seen.values["json"], Missing)


async def test_json_query_headers_and_credentials_are_sent(kit, serve):
    port = await serve(web := kit.Web())
    await kit.observe(
        "http", "POST /x", port, json={"a": 1}, query={"q": "1 2"}, headers={"Authorization": "Bearer t"}
    )  # fmt: skip
    start, headers, body = web.requests[0]
    assert start in ("POST /x?q=1+2", "POST /x?q=1%202")
    assert headers["authorization"] == "Bearer t"
    assert headers["content-type"] == "application/json"
    assert body.replace(" ", "") == '{"a":1}'


async def test_a_whole_address_needs_no_target(kit, serve):
    port = await serve(kit.Web())
    seen = await kit.observe("http", f"GET http://127.0.0.1:{port}/ok", target="")
    assert seen.values["status"] == 200


async def test_redirects_are_followed_only_when_asked(kit, serve):
    port = await serve(kit.Web())
    assert (await kit.observe("http", "/moved", port)).values["status"] == 302
    assert (await kit.observe("http", "/moved", port, redirects=True)).values["status"] == 200


async def test_no_identity_gets_the_cookies_of_another(kit, serve):
    port = await serve(web := kit.Web())
    for token in ("one", "two"):
        await kit.observe("http", "/ok", port, headers={"Authorization": token})
    assert len(web.requests) == 2
    assert not any("cookie" in headers for _, headers, _ in web.requests)


async def _silent(reader, writer):
    await reader.read()
    writer.close()


async def _trickle(reader, writer):
    writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n")
    while not reader.at_eof() and not writer.is_closing():
        writer.write(b".")
        await asyncio.sleep(0.05)


async def _nonsense(reader, writer):
    await reader.readline()
    writer.write(b"SSH-2.0-OpenSSH\r\n\r\n")
    writer.close()


async def _reset(reader, writer):
    await reader.readline()
    writer.transport.abort()


@pytest.mark.parametrize(
    ("handler", "words"),
    [
        (_silent, {"timeout"}),
        (_trickle, {"timeout"}),
        (_nonsense, {"protocol"}),
        (_reset, {"reset", "closed"}),
    ],
)
async def test_each_failure_has_its_word_and_is_the_targets(kit, serve, handler, words):
    port = await serve(handler)
    async with asyncio.timeout(3):
        seen = await kit.observe("http", "/", port, timeout_s=0.4)
    assert seen.seen is Seen.TARGET_ERROR
    assert seen.error in words
    assert f"127.0.0.1:{port}" in seen.message


async def test_refused_absent_name_and_tls(kit, serve, closed_port):
    assert (await kit.observe("http", "/", closed_port)).error == "refused"
    assert (await kit.observe("http", "/")).error == "absent"
    assert (await kit.observe("http", "GET http://" + "x" * 64 + "/")).error == "name"
    assert (await kit.observe("http", "/", await serve(_nonsense), scheme="https")).error == "tls"


async def test_our_own_mistakes_are_probe_errors(kit, serve):
    port = await serve(kit.Web())
    for arguments in ({"verify": "/no/such/file.pem"},):
        seen = await kit.observe("http", f"GET https://127.0.0.1:{port}/", **arguments)
        assert seen.seen is Seen.PROBE_ERROR
    assert (await kit.observe("http", "GET http://[/", target="")).seen is Seen.PROBE_ERROR


async def test_many_requests_are_counted_by_what_answers(kit, serve):
    port = await serve(web := kit.Web())
    seen = await kit.observe("http", "/livez", port, times=100, concurrency=4, group_by='headers["x-instance"]')
    assert len(web.requests) == 100
    assert seen.values["groups"] == 2
    assert seen.values["counts"] == {"a": 50, "b": 50}
    assert seen.values["share"] == {n: Quantity(0.5, Dimension.RATIO) for n in ("min", "max")}
    assert seen.values["statuses"] == {"200": 100}
    assert seen.values["errors"] == 0
    for words in ("counts.a == 50 and counts.c == 0", 'statuses["500"] == 0'):
        assert parse(words).evaluate(seen.values).truth is True
    bare = await kit.observe("http", "/livez", port, times=2)
    assert parse("counts.a == 0").evaluate(bare.values).truth is None


async def test_each_of_many_requests_has_its_number(kit, serve):
    port = await serve(web := kit.Web())
    place = Template.parse("{{ op.n }}")
    seen = await kit.observe(
        "http", Template.parse("POST /x/{{ op.n }}"), port, times=12, concurrency=3, json={"n": place, "key": "k"}
    )  # fmt: skip
    assert seen.values["statuses"] == {"200": 12}
    assert sorted((start, json.loads(body)["n"]) for start, _, body in web.requests) == sorted(
        (f"POST /x/{n}", n) for n in range(1, 13)
    )
    assert str(seen.record["request"]).endswith("/x/1")
    whole = await kit.observe("http", Template.parse(f"GET http://127.0.0.1:{port}/{{{{ op.n }}}}"), target="", times=2)
    assert whole.values["statuses"] == {"200": 2}
    assert [start for start, *_ in web.requests[-2:]] == ["GET /1", "GET /2"]


async def test_of_many_requests_the_failed_are_errors_not_answers(kit, serve):
    web, connections = kit.Web(names=["a"]), iter(range(1000))

    async def every_other(reader, writer):
        if next(connections) % 2:
            await _reset(reader, writer)
        else:
            await web(reader, writer)

    port = await serve(every_other)
    seen = await kit.observe("http", "POST /x", port, times=20, concurrency=4, group_by='headers["x-instance"]')
    assert 0 < seen.values["errors"] < 20
    assert seen.values["counts"] == {"a": 20 - seen.values["errors"]}
    assert seen.values["share"]["min"] == Quantity(1.0, Dimension.RATIO)


async def test_many_requests_that_nobody_answers_are_a_target_error(kit, closed_port):
    seen = await kit.observe("http", "/livez", closed_port, times=20)
    assert (seen.seen, seen.error) == (Seen.TARGET_ERROR, "refused")


async def test_many_requests_end_with_their_time(kit, serve):
    port = await serve(_silent)
    async with asyncio.timeout(3):
        seen = await kit.observe("http", "/", port, times=500, concurrency=2, timeout_s=0.3)
    assert seen.values.get("errors", 0) or seen.error == "timeout"


@pytest.mark.parametrize(
    ("what", "problem"),
    [("GET /x", None), ("/x", None), ("POST http://h/x", None), ("GTE /x", 'unknown method "GTE"; methods: GET')],
)
def test_the_method_is_checked_before_anything_runs(what, problem):
    found = VERBS["http"].check_what(what)
    assert found == problem or (problem and found.startswith(problem))
