"""Answers are the same however their bytes are cut, and whatever was answered before."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from seatrial.clients.http1 import CLOSED, EXCESS, PROTOCOL, RESET, Connection, Head, Likenesses, ReadingConnection, Way

DATE = b"HTTP/1.1 200 OK\r\nDate: Thu, 26 Nov 2026 09:18:%02d GMT\r\nContent-Length: 2\r\n\r\n"
ANSWERS: list[tuple[bytes, int, bytes]] = [
    (DATE % 1 + b"ok", 200, b"ok"),
    (DATE % 2 + b"no", 200, b"no"),
    (b"HTTP/1.1 201 OK\r\nContent-Length: 3\r\nX: y\r\n\r\nyes", 201, b"yes"),
    (b"HTTP/1.1 500 OK\r\nContent-Length: 3\r\nX: y\r\n\r\nyes", 500, b"yes"),
    (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n3\r\nyes\r\n0\r\n\r\n", 200, b"okyes"),
    (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nno\r\n3\r\nyes\r\n0\r\n\r\n", 200, b"noyes"),
    (b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n1", 200, b"1"),
    (b"HTTP/1.1 204 No Content\r\n\r\n", 204, b""),
    (b"HTTP/1.1 304 Not Modified\r\nContent-Length: 9\r\n\r\n", 304, b""),
]
HEADS = (
    (b"HTTP/1.1 200 OK\r\nContent-Length: 7\r\n\r\n", 200, b""),
    (b"HTTP/1.1 404 OK\r\nTransfer-Encoding: chunked\r\n\r\n", 404, b""),
    (b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\n\r\n", 200, b""),
)


class Transport:
    def __init__(self) -> None:
        self.aborted = False

    def write(self, data: bytes) -> None: ...

    def abort(self) -> None:
        self.aborted = True


class Driver:
    """Notes what a connection reports."""

    def __init__(self) -> None:
        self.likenesses = Likenesses()
        self.seen: list[tuple[int, bytes]] = []
        self.headers: list[dict[str, str]] = []
        self.errors: list[int] = []
        self.kept: list[bool] = []

    def ready(self, connection: Connection) -> None: ...

    def answered(self, connection: Connection, last: bytes) -> None:
        status, connection.status = connection.status, 0
        self.kept.append(connection.keep)
        if isinstance(connection, ReadingConnection):
            answer = connection.take(status, last)
            self.seen.append((answer.status, answer.body))
            self.headers.append(dict(answer.headers))
        else:
            self.seen.append((status, b""))

    def lost(self, connection: Connection, error: int) -> None:
        self.errors.append(error)


def connection(driver: Driver, kind: type[Connection] = ReadingConnection) -> Connection:
    made = kind(driver)
    made.connection_made(Transport())  # type: ignore[arg-type]
    made.busy = True
    return made


def pieces(data: bytes, cuts: list[int]) -> list[bytes]:
    edges = sorted({0, len(data), *(c % (len(data) + 1) for c in cuts)})
    return [data[a:b] for a, b in pairwise(edges)]


CUTS = st.lists(st.integers(0, 10_000), max_size=6)
EITHER = pytest.mark.parametrize("kind", [Connection, ReadingConnection])


@EITHER
@given(chosen=st.lists(st.tuples(st.sampled_from(ANSWERS), CUTS), min_size=1, max_size=12))
def test_any_sequence_in_any_pieces(
    kind: type[Connection], chosen: list[tuple[tuple[bytes, int, bytes], list[int]]]
) -> None:
    driver = Driver()
    one = connection(driver, kind)
    for (data, _, _), cuts in chosen:
        for piece in pieces(data, cuts):
            one.data_received(piece)
    reads = kind is ReadingConnection
    assert driver.seen == [(status, body if reads else b"") for (_, status, body), _ in chosen]
    assert driver.errors == []
    assert all(driver.kept)
    assert one.size == sum(len(data) for (data, _, _), _ in chosen)


@EITHER
@given(chosen=st.lists(st.tuples(st.sampled_from((*HEADS, *ANSWERS)), CUTS), min_size=1, max_size=8))
def test_heads_among_others(kind: type[Connection], chosen: list[tuple[tuple[bytes, int, bytes], list[int]]]) -> None:
    driver = Driver()
    one = connection(driver, kind)
    for answer, cuts in chosen:
        one.bodiless = answer in HEADS
        for piece in pieces(answer[0], cuts):
            one.data_received(piece)
    assert [status for status, _ in driver.seen] == [status for (_, status, _), _ in chosen]
    assert driver.errors == []


@given(CUTS)
def test_headers_are_there_for_who_asks(cuts: list[int]) -> None:
    driver = Driver()
    one = connection(driver)
    for piece in pieces(ANSWERS[6][0] + b"", cuts):
        one.data_received(piece)
    one.data_received(ANSWERS[2][0])
    one.data_received(ANSWERS[2][0])
    assert driver.headers == [{"content-length": "1"}, *2 * [{"content-length": "3", "x": "y"}]]


def test_what_is_like_before_is_not_parsed_again() -> None:
    driver = Driver()
    one = connection(driver)
    one.data_received(ANSWERS[0][0])
    one._feed = lambda _: pytest.fail("parsed")
    one.data_received(ANSWERS[1][0])
    one.data_received(ANSWERS[0][0])
    assert driver.seen == [(200, b"ok"), (200, b"no"), (200, b"ok")]


@pytest.mark.parametrize("other", [
    b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nok",  # as long, but there is more to come
    b"HTTP/1.1 500 OK\r\nContent-Length: 2\r\n\r\nok",
    b"HTTP/1.1 200 OK\r\nContent-Lengtx: 2\r\n\r\nok",
])  # fmt: skip
def test_an_answer_of_the_same_length_with_another_head_is_parsed(other: bytes) -> None:
    driver = Driver()
    one = connection(driver)
    like = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
    one.data_received(like)
    assert len(other) == len(like)
    one.data_received(other)
    assert driver.seen[1:] == ([(500, b"ok")] if b"500" in other else [])


def test_learning_ends_where_heads_always_differ() -> None:
    driver = Driver()
    one = connection(driver)
    for number in range(3000):
        one.data_received(b"HTTP/1.1 200 OK\r\nX-Id: %d\r\nContent-Length: 1\r\n\r\n1" % (number + 10_000))
    assert len(driver.seen) == 3000
    assert len(driver.likenesses.by_length) == 1


def test_a_chunked_answer_is_never_taken_for_like_another() -> None:
    driver = Driver()
    connection(driver).data_received(ANSWERS[4][0])
    assert not driver.likenesses.by_length


def test_connection_close_is_not_kept() -> None:
    driver = Driver()
    connection(driver).data_received(b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok")
    assert driver.kept == [False]
    assert not driver.likenesses.by_length


@pytest.mark.parametrize("after", [b"", b"more"])
def test_an_answer_without_a_length_ends_with_its_connection(after: bytes) -> None:
    driver = Driver()
    one = connection(driver)
    one.data_received(b"HTTP/1.1 200 OK\r\n\r\nall" + after)
    assert driver.seen == []
    one.connection_lost(None)
    assert driver.seen == [(200, b"all" + after)]
    assert driver.kept == [False]


@pytest.mark.parametrize("data", [b"", b"HTTP/1.1 200 OK\r\n", b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf"])
@pytest.mark.parametrize(("error", "code"), [(None, CLOSED), (ConnectionResetError(), RESET)])
def test_an_end_in_the_middle_is_no_answer(data: bytes, error: Exception | None, code: int) -> None:
    driver = Driver()
    one = connection(driver)
    if data:
        one.data_received(data)
    one.connection_lost(error)
    assert driver.seen == []
    assert driver.errors == [code]


def test_two_answers_at_once_are_too_many() -> None:
    driver = Driver()
    connection(driver).data_received(ANSWERS[0][0] + ANSWERS[1][0])
    assert [status for status, _ in driver.seen] == [EXCESS]


@pytest.mark.parametrize("data", [b"HTTP/1.1 200 OK\r\n", b"nonsense"])
def test_a_part_of_an_answer_that_nobody_asked_for_ends_the_connection(data: bytes) -> None:
    driver = Driver()
    one = connection(driver)
    one.busy = False
    one.data_received(data)
    assert driver.errors == [PROTOCOL]
    transport: Any = one.transport
    assert transport.aborted


@pytest.mark.parametrize(
    ("raw", "whole"), [(b"HTTP/1.1 200 OK\r\nA: b\r\n", False), (b"HTTP/1.1 200 OK\r\nA: b\r\n\r\n", True)]
)
def test_a_head_is_whole_at_its_empty_line(raw: bytes, whole: bool) -> None:
    head = Head.of(raw)
    assert head.whole is whole
    assert head.until_close is whole


@pytest.mark.parametrize(("url", "host", "port", "authority"), [
    ("http://localhost", "localhost", 80, "localhost"),
    ("http://127.0.0.1:8080", "127.0.0.1", 8080, "127.0.0.1:8080"),
    ("https://a.example", "a.example", 443, "a.example"),
    ("http://[::1]:81", "::1", 81, "[::1]:81"),
    ("http://user:word@h:1", "h", 1, "h:1"),
])  # fmt: skip
def test_ways_in(url: str, host: str, port: int, authority: str) -> None:
    way = Way.of(url)
    assert (way.host, way.port, way.authority) == (host, port, authority)
    assert (way.context is not None) == url.startswith("https")


@pytest.mark.parametrize("url", ["ftp://a", "a:1", "http://", ""])
def test_no_way_in(url: str) -> None:
    with pytest.raises(ValueError, match="no http"):
        Way.of(url)


def test_a_unix_socket_is_a_way_in() -> None:
    assert Way.of("unix:/run/a.sock").unix == "/run/a.sock"
