"""Requests are told apart and counted the same however their bytes are cut, and whatever comes instead of them passes as it is."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from seatrial.links.http1 import Http1Requests
from seatrial.links.http2 import Http2Requests
from seatrial.links.impairments.gates import Section
from seatrial.links.readers import READERS, Requests

TOKEN = st.text("ABCDEFGHIJKLMNOPQRSTUVWXYZ", min_size=1, max_size=7).filter(lambda m: m != "CONNECT")
PATH = st.text("abc/*?=%.-_", max_size=30).map(lambda p: f"/{p}")
FIELD = st.tuples(st.text("abcxyz-", min_size=1, max_size=9), st.text("abc:;,= \t", max_size=20))
PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"


@st.composite
def request(draw: st.DrawFn) -> bytes:
    """A request as a client may send it: without a body, with one of known length, or in chunks, with trailers or not."""
    fields = [f"x-{n}:{v}" for n, v in draw(st.lists(FIELD, max_size=3))]
    kind = draw(st.sampled_from(["none", "length", "chunked"]))
    if kind == "length":
        body = draw(st.binary(max_size=60))
        fields.append(f"{draw(st.sampled_from(['Content-Length', 'content-length', 'CONTENT-LENGTH']))}: {len(body)}")
    elif kind == "chunked":
        body = b"".join(
            f"{len(c):{draw(st.sampled_from(['x', 'X', '04x']))}}{draw(st.sampled_from(['', ';a=b', ' ']))}\r\n".encode()
            + c
            + b"\r\n"
            for c in draw(st.lists(st.binary(min_size=1, max_size=30), max_size=4))
        )
        trailers = "".join(f"x-{n}:{v}\r\n" for n, v in draw(st.lists(FIELD, max_size=2)))
        body += f"0\r\n{trailers}\r\n".encode()
        fields.append(draw(st.sampled_from(["Transfer-Encoding: chunked", "transfer-encoding:  Chunked"])))
    else:
        body = b""
    draw(st.randoms()).shuffle(fields)
    begin = "\r\n" * draw(st.integers(0, 2))
    head = f"{begin}{draw(TOKEN)} {draw(PATH)} HTTP/1.{draw(st.integers(0, 1))}\r\n" + "".join(
        f"{f}\r\n" for f in fields
    )
    return head.encode() + b"\r\n" + body


CUTS = st.lists(st.integers(0, 10_000), max_size=40)


def pieces(data: bytes, cuts: Sequence[int]) -> list[bytes]:
    edges = sorted({0, len(data), *(c % (len(data) + 1) for c in cuts)})
    return [data[a:b] for a, b in pairwise(edges)]


def told(reader: Requests, data: Sequence[bytes]) -> list[Section]:
    return [part for piece in data for part in reader.split(piece)]


def bytes_of(parts: Sequence[Section]) -> bytes:
    return b"".join(p.data for p in parts)


# -- HTTP/1.1


@given(st.lists(request(), max_size=5), CUTS)
def test_any_cut_gives_back_the_same_bytes_and_the_same_requests(requests: list[bytes], cuts: list[int]) -> None:
    stream, reader = b"".join(requests), Http1Requests()
    parts = told(reader, pieces(stream, cuts))
    assert bytes_of(parts) == stream
    assert reader.unsent() == b""
    assert reader.count == len(requests)
    assert not reader.lost
    # Each begins with a head and ends with a last part, and between the two there are its own bytes alone.
    whole: list[bytes] = []
    for part in parts:
        if part.head is not None:
            whole.append(b"")
        elif not whole:
            whole.append(b"")  # an empty line before the first
        whole[-1] += part.data
    assert [w.strip(b"\r\n") for w in whole if w.strip(b"\r\n")] == [r.strip(b"\r\n") for r in requests]
    assert sum(p.head is not None for p in parts) == sum(p.last for p in parts) == len(requests)


@given(request(), st.integers(0, 10_000), st.lists(request(), max_size=2), CUTS)
def test_what_was_passed_on_of_a_head_does_not_come_again(
    begun: bytes, place: int, more: list[bytes], cuts: list[int]
) -> None:
    stream = begun + b"".join(more)
    place %= len(stream) + 1
    reader = Http1Requests()
    before = bytes_of(told(reader, [stream[:place]]))
    before += reader.unsent()  # as it is
    reader.sent()
    assert before == stream[:place]
    assert reader.unsent() == b""
    other = reader.fork()  # as a connection does, which has two
    for each in (reader, other):
        assert bytes_of(told(each, pieces(stream[place:], cuts))) == stream[place:]
        assert each.unsent() == b""
        assert each.count == 1 + len(more)


@given(request(), st.integers(0, 10_000), st.lists(request(), min_size=1, max_size=2), st.integers(1, 10_000))
def test_a_head_that_was_begun_elsewhere_is_not_given_out_as_one(
    begun: bytes, place: int, more: list[bytes], more_at: int
) -> None:
    """Who answers requests in place of the service must not answer one whose beginning it has."""
    end = begun.index(b"HTTP/1") + 1
    place, reader = begun.index(b"/") + place % (end - begun.index(b"/")), Http1Requests()
    told(reader, [begun[:place]])
    reader.sent()
    rest = begun[place:] + b"".join(more)
    parts = told(reader, pieces(rest, [more_at]))
    assert bytes_of(parts) == rest
    assert sum(p.head is not None for p in parts) == len(more)
    assert sum(p.last for p in parts) == 1 + len(more)


def test_the_path_and_the_method_are_those_that_were_sent() -> None:
    (part,) = Http1Requests().split(b"PATCH /a/b?c=d HTTP/1.1\r\nHost: x\r\n\r\n")
    assert part.head is not None
    assert (part.head.method, part.head.path) == ("PATCH", "/a/b?c=d")


@pytest.mark.parametrize(
    "head",
    [
        b"CONNECT host:1 HTTP/1.1\r\nHost: host:1\r\n\r\n",
        b"GET /chat HTTP/1.1\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n",
    ],
)
@given(st.binary(max_size=200), CUTS)
def test_what_follows_a_change_of_protocol_is_no_request_and_is_not_kept(
    head: bytes, rest: bytes, cuts: list[int]
) -> None:
    reader = Http1Requests()
    assert [p.head is not None for p in told(reader, [head])] == [True]
    for piece in pieces(rest + b"GET / HTTP/1.1\r\n\r\n", cuts):
        assert bytes_of(told(reader, [piece])) == piece
    assert reader.count == 1
    assert reader.lost


@given(st.lists(request(), min_size=1, max_size=3), CUTS)
def test_an_offer_of_http2_that_is_not_taken_leaves_a_connection_of_requests(
    requests: list[bytes], cuts: list[int]
) -> None:
    """Clients offer it with their first request (Java's, curl --http2), and go on as before when the server says nothing of it."""
    offer = b"GET / HTTP/1.1\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AA\r\n\r\n"
    reader = Http1Requests()
    told(reader, pieces(offer + b"".join(requests), cuts))
    assert reader.count == 1 + len(requests)
    assert not reader.lost


def test_an_offer_of_http2_that_is_taken_is_the_end_of_requests() -> None:
    reader = Http1Requests()
    told(reader, [b"GET / HTTP/1.1\r\nUpgrade: h2c\r\n\r\n", PREFACE[:7]])
    assert bytes_of(told(reader, [PREFACE[7:]])).endswith(b"SM\r\n\r\n")
    assert reader.lost


@given(st.lists(st.one_of(request(), st.binary(max_size=40)), max_size=6), CUTS)
def test_garbage_passes_and_loses_no_byte(stream: list[bytes], cuts: list[int]) -> None:
    reader, data = Http1Requests(), b"".join(stream)
    assert bytes_of(told(reader, pieces(data, cuts))) + reader.unsent() == data


@pytest.mark.parametrize("scheme", READERS)
@given(st.lists(st.binary(max_size=80), max_size=8))
def test_hostile_input_never_raises(scheme: str, data: list[bytes]) -> None:
    reader = READERS[scheme]()
    assert bytes_of(told(reader, data)) + reader.unsent() == b"".join(data)


HEAD = b"POST / HTTP/1.1\r\n"
CHUNKED = HEAD + b"Transfer-Encoding: chunked\r\n\r\n"


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(CHUNKED + b"-5\r\nabcdefghij\r\n0\r\n\r\n", id="a chunk of negative size"),
        pytest.param(CHUNKED + b"+5\r\nabcde\r\n0\r\n\r\n", id="a size with a sign"),
        pytest.param(CHUNKED + b"0x5\r\nabcde\r\n0\r\n\r\n", id="a size with a prefix"),
        pytest.param(CHUNKED + b"1_0\r\nabcde\r\n0\r\n\r\n", id="a size with an underscore"),
        pytest.param(CHUNKED + b"\r\n\r\n", id="no size"),
        pytest.param(HEAD + b"Content-Length: " + b"9" * 5000 + b"\r\n\r\n", id="a length of 5000 digits"),
        pytest.param(CHUNKED + b"f" * 200_000, id="a size that does not end"),
        pytest.param(CHUNKED + b"0\r\nx:" + b"y" * 200_000, id="trailers that do not end"),
        pytest.param(HEAD + b"x:" + b"y" * 200_000, id="a head that does not end"),
    ],
)
@pytest.mark.parametrize("step", [1 << 20, 997])
def test_what_cannot_be_a_request_is_passed_on_and_no_longer_kept(data: bytes, step: int) -> None:
    reader = Http1Requests()
    parts = told(reader, [data[i : i + step] for i in range(0, len(data), step)])
    assert bytes_of(parts) == data
    assert reader.lost
    assert bytes_of(told(reader, [b"GET / HTTP/1.1\r\n\r\n"])) == b"GET / HTTP/1.1\r\n\r\n"
    assert reader.count <= 1


@pytest.mark.parametrize("data", [b"\x16\x03\x01", b"\x00\x00\x00\x08", b"*1\r\n$4\r\nPING\r\n", b"hello\n", b"@ / "])
def test_what_does_not_begin_as_a_request_does_is_not_waited_for(data: bytes) -> None:
    reader = Http1Requests()
    assert bytes_of(told(reader, [data])) == data
    assert reader.lost


def test_lines_may_end_with_a_line_feed_alone() -> None:
    """As servers take them (RFC 9112, 2.2), and people type them."""
    reader = Http1Requests()
    parts = told(reader, [b"GET /a HTTP/1.0\n", b"\nPOST /b HTTP/1.1\nContent-Length: 2\n\nhi"])
    assert [p.head.path for p in parts if p.head is not None] == ["/a", "/b"]
    assert reader.count == sum(p.last for p in parts) == 2


# -- HTTP/2

DATA, HEADERS, PRIORITY, SETTINGS, CONTINUATION = 0, 1, 2, 4, 9
END_STREAM, END_HEADERS, PADDED, WITH_PRIORITY = 1, 4, 8, 32


def frame(kind: int, flags: int, stream: int, payload: bytes) -> bytes:
    return len(payload).to_bytes(3) + bytes([kind, flags]) + stream.to_bytes(4) + payload


@st.composite
def streams(draw: st.DrawFn) -> tuple[bytes, int]:
    """Frames of several streams, mixed, and how many requests they are."""
    count = draw(st.integers(0, 5))
    left: list[list[bytes]] = []
    for number in range(count):
        stream = 2 * number + 1
        flags = draw(st.integers(0, 255)) & ~(END_STREAM | END_HEADERS)
        whole = draw(st.booleans())  # else the block goes on in a frame that comes next (RFC 9113, 6.10)
        reserved = draw(st.sampled_from([0, 1 << 31]))
        begin = frame(HEADERS, flags | (END_HEADERS * whole), stream | reserved, draw(st.binary(max_size=30)))
        frames = [begin + (b"" if whole else frame(CONTINUATION, END_HEADERS, stream, b"c"))]
        frames += [frame(DATA, draw(st.sampled_from([0, PADDED])), stream, draw(st.binary(max_size=60)))]
        frames += [frame(PRIORITY, 0, stream, bytes(5))] * draw(st.integers(0, 1))
        if draw(st.booleans()):
            frames.append(frame(HEADERS, END_STREAM | END_HEADERS, stream, b"trailers"))  # no request
        left.append(frames)
    mixed, begun = [frame(SETTINGS, 0, 0, bytes(6 * draw(st.integers(0, 2))))], 0
    while any(left):
        # Streams are begun in the order of their numbers (RFC 9113, 5.1.1).
        choices = [n for n, frames in enumerate(left) if frames and n <= begun]
        chosen = draw(st.sampled_from(choices))
        begun = max(begun, chosen + 1)
        mixed.append(left[chosen].pop(0))
    return PREFACE + b"".join(mixed), count


@given(streams(), CUTS)
def test_streams_are_counted_however_their_frames_are_cut(given_: tuple[bytes, int], cuts: list[int]) -> None:
    stream, count = given_
    reader = Http2Requests()
    assert bytes_of(told(reader, pieces(stream, cuts))) == stream
    assert reader.count == count
    assert not reader.lost
    assert reader.unsent() == b""


@given(st.binary(max_size=300), CUTS)
def test_what_is_no_http2_counts_nothing(data: bytes, cuts: list[int]) -> None:
    reader = Http2Requests()
    data = b"X" + data
    assert bytes_of(told(reader, pieces(data, cuts))) == data
    assert reader.count == 0
    assert reader.lost


def test_what_only_begins_as_http2_does_counts_nothing() -> None:
    reader = Http2Requests()
    told(reader, [b"PRI * HT", b"TP/1.1\r\n" + frame(HEADERS, 4, 1, b"") * 9])
    assert reader.count == 0
    assert reader.lost
