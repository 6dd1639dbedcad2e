"""Requests are written as HTTP wants them, mixes follow their weights, scripts are found."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from seatrial.clients.http1 import Way
from seatrial.load.scripts import ENDED, Request, flow_of, mix, visit_of, written

WAY = Way.of("http://h:1")


def test_a_plain_request() -> None:
    assert written(WAY, Request("GET", "/a?b"), {}) == (
        b"GET /a?b HTTP/1.1\r\nHost: h:1\r\nUser-Agent: seatrial\r\nAccept: */*\r\n\r\n"
    )


def test_own_headers_win_whatever_their_case() -> None:
    request = Request("GET", "/", headers={"host": "other", "X-A": "1"})
    lines = written(WAY, request, {"x-a": "0", "X-B": "2"}).decode().split("\r\n")
    assert "host: other" in lines
    assert "X-A: 1" in lines
    assert "X-B: 2" in lines
    assert not any(line.startswith(("Host:", "x-a:")) for line in lines)


@pytest.mark.parametrize(("request_", "end"), [
    (Request("POST", "/", json={"a": 1}), b'Content-Type: application/json\r\nContent-Length: 7\r\n\r\n{"a":1}'),
    (Request("POST", "/", body="ü"), "Content-Length: 2\r\n\r\nü".encode()),
    (Request("PUT", "/", body=b"x"), b"Content-Length: 1\r\n\r\nx"),
    (Request("POST", "/"), b"Content-Length: 0\r\n\r\n"),
])  # fmt: skip
def test_bodies_have_their_length(request_: Request, end: bytes) -> None:
    assert written(WAY, request_, {}).endswith(end)


@pytest.mark.parametrize("request_", [
    Request("GET", "/a\r\nX: y"), Request("GET", "/", headers={"A": "b\nc"}), Request("GET", "/", headers={"A\0": "b"}),
])  # fmt: skip
def test_a_line_break_is_refused(request_: Request) -> None:
    with pytest.raises(ValueError, match="line break"):
        written(WAY, request_, {})


def test_a_mix_repeats_with_its_seed_and_follows_its_weights() -> None:
    prepared = [(b"a", 0), (b"b", 1), (b"c", 2)]
    first, again, other = (mix(prepared, [5, 3, 2], seed) for seed in (1, 1, 2))
    drawn = [first() for _ in range(10_000)]
    assert drawn == [again() for _ in range(10_000)]
    assert drawn != [other() for _ in range(10_000)]
    counts = Counter(tag for _, tag in drawn)
    for tag, share in enumerate((0.5, 0.3, 0.2)):
        assert abs(counts[tag] / 10_000 - share) < 4 * (share * (1 - share) / 10_000) ** 0.5


def test_a_script_is_found_by_file_and_name(tmp_path: Path) -> None:
    (tmp_path / "users.py").write_text("def user():\n    yield 1\n")
    assert list(flow_of("users.py:user", tmp_path)()) == [1]


@pytest.mark.parametrize("reference", ["users.py", "users.py:nobody", "none.py:user", ":user", ""])
def test_what_is_no_script_is_refused(tmp_path: Path, reference: str) -> None:
    (tmp_path / "users.py").write_text("def user():\n    yield 1\n")
    with pytest.raises(ValueError):
        flow_of(reference, tmp_path)


def test_a_script_is_followed_again_and_again() -> None:
    seen = []

    def user():  # type: ignore[no-untyped-def]
        seen.append((yield 1))
        seen.append((yield 2))

    visit = visit_of(user, pause=True)
    asked = []
    for answer in (None, "a", "b", None, "c"):
        asked.append(visit.send(answer))
        visit.asked = asked[-1]
    assert asked == [1, 2, ENDED, 1, 2]
    assert seen == ["a", "b", "c"]
    brisk = visit_of(user, pause=False)
    asked = []
    for answer in (None, "a", "b", "c"):
        asked.append(brisk.send(answer))
        brisk.asked = asked[-1]
    assert asked == [1, 2, 1, 2]
