"""Streams of HTTP/2 on their way to a service (RFC 9113), and the frames that come back.

Headers are read all the time (HPACK, RFC 7541, has a memory), and passed on as they are until the first call is kept from the service: from
then on they are written anew, without any memory, because the service's has not seen what it was kept from.
"""

from __future__ import annotations

import copy
import re
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Self

from .impairments.gates import Decide, Fate, Part, Request, Section

if TYPE_CHECKING:
    import hpack

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
_DATA, _HEADERS, _RST_STREAM, _WINDOW_UPDATE, _CONTINUATION = 0, 1, 3, 8, 9
_END_STREAM, _END_HEADERS, _PADDED, _PRIORITY = 1, 4, 8, 32
_CANCEL = 8
_HEAD = 9
_TABLE = 1 << 16  # what a service may let a client remember
_MOST_BLOCK = 1 << 20  # of headers in one frame: what is more is no request
_Headers = list[tuple[bytes, bytes]]
_TIMEOUT = re.compile(rb"([0-9]{1,8})([HMSmun])")
_UNITS_NS = {
    b"H": 3_600_000_000_000, b"M": 60_000_000_000, b"S": 1_000_000_000, b"m": 1_000_000, b"u": 1000, b"n": 1,
}  # fmt: skip


class Http2Requests:
    """One connection's streams. `count` of those whose headers have passed; `lost` when it is not HTTP/2 or cannot be read."""

    NAME = "HTTP/2"

    def __init__(self) -> None:
        self.count = 0
        self.lost = False
        self.busy = False  # headers are written anew
        self._preface = PREFACE  # what is left of it
        self._skip = 0  # bytes to the next frame, which were passed on, or will be as they are
        self._pending = b""  # of a frame that has not arrived as a whole
        self._already = 0  # bytes of it that were passed on
        self._block: list[bytes] = []  # frames of a header block that has not arrived as a whole
        self._block_passed = False  # they were passed on
        self._last = 0  # the highest stream so far
        self._begun: list[int | None] = []  # deadlines of the streams that began in what is read now
        self._kept: set[int] = set()  # streams that the service is kept from
        self._decoder = _decoder()

    def fork(self) -> Self:
        """Another reader at the same place, for what has arrived and was not passed on yet; what this one kept was passed on."""
        other = copy.copy(self)
        other._block, other._kept, other._decoder = list(self._block), set(self._kept), copy.deepcopy(self._decoder)
        other._begun = []
        other.sent()
        return other

    def sent(self) -> None:
        """What is kept was passed on: it is not to come again."""
        self._already, self._block_passed = len(self._pending), bool(self._block)

    def unsent(self) -> bytes:
        """What is kept of a frame, and was not passed on."""
        return self._pending[self._already :]

    def read(self, data: bytes) -> Sequence[int | None]:
        """Count, and remember headers; the bytes were, or will be, passed on as they are. The deadline (ns) of each request that begins
        in them, where it has one.
        """
        self._begun.clear()
        for _ in self.split(data, headers=True):
            pass
        self.sent()
        return tuple(self._begun)

    def split(self, data: bytes, *, headers: bool = False) -> Iterator[Section]:
        """The same bytes, frame by frame; `headers`: of other frames not whole ones, which are not looked at."""
        for frame, looked in self._frames(data, headers):
            already = min(self._already, len(frame))
            self._already -= already
            if looked:
                self._look(frame)
            yield Section(frame[already:])

    def pick(self, data: bytes, decide: Decide) -> Iterator[Part]:
        """What is to be passed on, frame by frame; calls that are hit are answered, and their frames kept."""
        for frame, looked in self._frames(data, False):
            already = min(self._already, len(frame))
            self._already -= already
            yield self._judge(frame, already, decide) if looked else Part(frame[already:])

    def _frames(self, data: bytes, headers: bool) -> Iterator[tuple[bytes, bool]]:
        """Bytes, and whether they are a whole frame."""
        if self._preface and data:
            begin, data = data[: len(self._preface)], data[len(self._preface) :]
            self.lost = not self._preface.startswith(begin)
            self._preface = self._preface[len(begin) :]
            yield begin, False
        data, self._pending = self._pending + data, b""
        place = 0
        while place < len(data) and not self.lost:
            if self._skip:
                end = min(place + self._skip, len(data))
                self._skip -= end - place
                yield data[place:end], False
                place = end
                continue
            if len(data) - place < _HEAD:
                break
            size, of_headers = int.from_bytes(data[place : place + 3]), data[place + 3] in (_HEADERS, _CONTINUATION)
            end = place + _HEAD + size
            if headers and not of_headers:
                self._skip = _HEAD + size
            elif end > len(data):
                self.lost = of_headers and size > _MOST_BLOCK
                break
            else:
                yield data[place:end], True
                place = end
        if self.lost and place < len(data):
            yield data[place:], False
        else:
            self._pending = data[place:]

    def _look(self, frame: bytes) -> tuple[int, _Headers | None, bool]:
        """The stream of a frame, the headers that are whole with it, and whether a request begins with them."""
        kind, flags, stream = frame[3], frame[4], int.from_bytes(frame[5:9]) & 0x7FFFFFFF
        if kind not in (_HEADERS, _CONTINUATION):
            return stream, None, False
        self._block.append(frame)
        if not flags & _END_HEADERS:
            return stream, None, False
        frames, self._block = self._block, []
        headers = self._decode(b"".join(_fragment(f) for f in frames))
        new = stream > self._last
        self._last = max(self._last, stream)
        self.count += new
        if new:
            self._begun.append(_deadline(headers))
        return stream, headers, new

    def _decode(self, block: bytes) -> _Headers | None:
        if self._decoder is None:
            return None
        try:
            return [(bytes(n), bytes(v)) for n, v in self._decoder.decode(block, raw=True)]
        except Exception:  # noqa: BLE001 - whatever a stranger's bytes make of a decoder: they are passed on as they are
            self._decoder = None
            return None

    def _judge(self, frame: bytes, already: int, decide: Decide) -> Part:
        self._begun.clear()
        before, passed = list(self._block), self._block_passed or already > 0
        stream, headers, new = self._look(frame)
        if self._block:  # passed on with what completes it, unless a part of it has gone
            self._block_passed = passed
            return Part(frame[already:] if passed else b"")
        self._block_passed = False
        if stream in self._kept:
            return Part(b"", answer=_window(len(frame) - _HEAD) if frame[3:4] == bytes([_DATA]) else b"")
        fate = decide(_request(headers)) if headers is not None and new and not passed else None
        if fate is not None and fate.keeps and self._decoder is not None:
            self.busy = True
            self._kept.add(stream)
            self.count -= 1
            return Part(b"", fate, _refusal(stream, fate))
        if self.busy and headers is not None:
            return Part(_written(stream, [*before, frame][0][4] & _END_STREAM, headers))
        return Part(frame[already:] if passed else b"".join([*before, frame]))


class Http2Answers:
    """What comes back: passed on as it is, with frames of our own between its frames. Bytes to the client, and whether they are ours."""

    busy = True  # where a frame ends has to be known at any time

    def __init__(self) -> None:
        self._skip = 0
        self._head = b""
        self._begun = False
        self._waiting: list[bytes] = []

    def pass_on(self, data: bytes) -> Iterator[tuple[bytes, bool]]:
        """The same bytes, and what waits for the end of a frame."""
        if not self._waiting:
            self._walk(data)
            yield data, False
            return
        while data:
            step = min(len(data), self._skip or _HEAD - len(self._head))
            part, data = data[:step], data[step:]
            self._walk(part)
            yield part, False
            if self._between and self._waiting:
                yield b"".join(self._waiting), True
                self._waiting.clear()

    def put(self, frame: bytes) -> Iterator[tuple[bytes, bool]]:
        """A frame of our own: what of it can be sent now. The first frame of a connection is the service's."""
        if self._between and self._begun:
            yield frame, True
        else:
            self._waiting.append(frame)

    @property
    def _between(self) -> bool:
        return not self._skip and not self._head

    def _walk(self, data: bytes) -> None:
        place, size = 0, len(data)
        while place < size:
            if self._skip:
                step = min(self._skip, size - place)
                self._skip -= step
                place += step
                continue
            need = _HEAD - len(self._head)
            self._head += data[place : place + need]
            place += need
            if len(self._head) == _HEAD:
                self._skip, self._head, self._begun = int.from_bytes(self._head[:3]), b"", True


def _decoder() -> hpack.Decoder | None:
    try:
        import hpack
    except ImportError:
        return None
    decoder = hpack.Decoder()
    decoder.max_allowed_table_size = _TABLE
    return decoder


def _fragment(frame: bytes) -> bytes:
    """The part of a header block that a frame has, without padding and priority."""
    flags, body = frame[4], frame[_HEAD:]
    if frame[3] == _HEADERS and flags & _PADDED:
        body = body[1 : max(1, len(body) - body[0])] if body else body
    if frame[3] == _HEADERS and flags & _PRIORITY:
        body = body[5:]
    return body


def _frame(kind: int, flags: int, stream: int, body: bytes) -> bytes:
    return len(body).to_bytes(3, "big") + bytes([kind, flags]) + stream.to_bytes(4, "big") + body


def _written(stream: int, end: int, headers: _Headers) -> bytes:
    import hpack

    plain = [hpack.NeverIndexedHeaderTuple(name, value) for name, value in headers]
    return _frame(_HEADERS, _END_HEADERS | end, stream, hpack.Encoder().encode(plain))


def _request(headers: _Headers) -> Request:
    fields = dict(headers)
    method, path = (fields.get(name, b"").decode("latin-1") for name in (b":method", b":path"))
    return Request(method, path, _deadline(headers))


def _deadline(headers: _Headers | None) -> int | None:
    """How long the caller waits, ns, by grpc/doc/PROTOCOL-HTTP2.md: up to eight digits and a unit."""
    said = dict(headers or ()).get(b"grpc-timeout", b"")
    found = _TIMEOUT.fullmatch(said)
    return int(found[1]) * _UNITS_NS[found[2]] if found is not None else None


def _refusal(stream: int, fate: Fate) -> bytes:
    """The end of a call, as a response of trailers alone; or of its stream."""
    if fate.abort:
        return _frame(_RST_STREAM, 0, stream, _CANCEL.to_bytes(4, "big"))
    headers = [
        (b":status", b"200"),
        (b"content-type", b"application/grpc"),
        (b"grpc-status", str(fate.code).encode()),
        (b"grpc-message", b"seatrial: this call was kept from the service"),
    ]
    return _written(stream, _END_STREAM, headers)


def _window(size: int) -> bytes:
    """So much of the connection's window is free again: nobody else will say so of a frame that was kept."""
    return _frame(_WINDOW_UPDATE, 0, 0, size.to_bytes(4, "big")) if size else b""
