"""Streams of HTTP/2 on their way to a service (RFC 9113), and the frames that come back.

Headers are read all the time (HPACK, RFC 7541, has a memory), and passed on as they are until the first call is kept from the service: from
then on they are written anew, without any memory, because the service's has not seen what it was kept from.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator
from typing import TYPE_CHECKING, Self

from .impairments.gates import Gate, Hit, Part, Request
from .impairments.grpc import Grpc

if TYPE_CHECKING:
    import hpack

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
_DATA, _HEADERS, _RST_STREAM, _WINDOW_UPDATE, _CONTINUATION = 0, 1, 3, 8, 9
_END_STREAM, _END_HEADERS, _PADDED, _PRIORITY = 1, 4, 8, 32
_CANCEL = 8
_HEAD = 9
_TABLE = 1 << 16  # what a service may let a client remember
_Headers = list[tuple[bytes, bytes]]


class Http2Requests:
    """One connection's streams. `count` of those whose headers have passed; `lost` when it is not HTTP/2 or cannot be read."""

    NAME = "HTTP/2"

    def __init__(self) -> None:
        self.count = 0
        self.lost = False
        self.rewrites = False
        self._begun = False
        self._pending = b""  # of a frame that has not arrived as a whole
        self._already = 0  # bytes of it that were passed on
        self._block: list[bytes] = []  # frames of a header block that has not arrived as a whole
        self._block_passed = False  # they were passed on
        self._last = 0  # the highest stream so far
        self._kept: set[int] = set()  # streams that the service is kept from
        self._decoder = _decoder()

    def fork(self) -> Self:
        """Another reader at the same place, for what has arrived and was not passed on yet; what this one kept was passed on."""
        other = copy.copy(self)
        other._block, other._kept, other._decoder = list(self._block), set(self._kept), copy.deepcopy(self._decoder)
        other._already, other._block_passed = len(self._pending), bool(self._block)
        return other

    def unsent(self) -> bytes:
        """What is kept of a frame, and was not passed on."""
        return self._pending[self._already :]

    def read(self, data: bytes) -> None:
        """Count, and remember headers."""
        for frame in self._frames(data):
            self._look(frame)

    def pick(self, data: bytes, hit: Hit) -> Iterator[Part]:
        """What is to be passed on, frame by frame; calls that a gate hits are answered, and their frames kept."""
        for frame in self._frames(data):
            already = min(self._already, len(frame))
            self._already -= already
            yield self._judge(frame, already, hit)

    def _frames(self, data: bytes) -> Iterator[bytes]:
        data, self._pending = self._pending + data, b""
        place = 0
        if not self._begun and data and not self.lost:
            if len(data) < len(PREFACE) and PREFACE.startswith(data):
                self._pending = data
                return
            self._begun, self.lost = True, not data.startswith(PREFACE)
            place = 0 if self.lost else len(PREFACE)
            if place:
                yield PREFACE
        while not self.lost and len(data) - place >= _HEAD:
            end = place + _HEAD + int.from_bytes(data[place : place + 3])
            if end > len(data):
                break
            yield data[place:end]
            place = end
        if self.lost and place < len(data):
            yield data[place:]
        else:
            self._pending = data[place:]

    def _look(self, frame: bytes) -> tuple[int, _Headers | None, bool]:
        """The stream of a frame, the headers that are whole with it, and whether a request begins with them."""
        if self.lost or frame is PREFACE:
            return 0, None, False
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
        return stream, headers, new

    def _decode(self, block: bytes) -> _Headers | None:
        if self._decoder is None:
            return None
        try:
            return [(bytes(n), bytes(v)) for n, v in self._decoder.decode(block, raw=True)]
        except Exception:  # noqa: BLE001 - whatever a stranger's bytes make of a decoder: they are passed on as they are
            self._decoder = None
            return None

    def _judge(self, frame: bytes, already: int, hit: Hit) -> Part:
        before, passed = list(self._block), self._block_passed or already > 0
        stream, headers, new = self._look(frame)
        if self._block:  # passed on with what completes it, unless a part of it has gone
            self._block_passed = passed
            return Part(frame[already:] if passed else b"")
        self._block_passed = False
        if stream in self._kept:
            return Part(b"", answer=_window(len(frame) - _HEAD) if frame[3:4] == bytes([_DATA]) else b"")
        whole = frame[already:] if passed else b"".join([*before, frame])
        gate = None
        if headers is not None and new and not passed:
            fields = dict(headers)
            request = Request(
                fields.get(b":method", b"").decode("latin-1"), fields.get(b":path", b"").decode("latin-1")
            )
            gate = hit(request)
        if isinstance(gate, Grpc) and self._decoder is not None:
            self.rewrites = True
            self._kept.add(stream)
            self.count -= 1
            return Part(b"", gate, _refusal(stream, gate))
        if self.rewrites and headers is not None:
            return Part(_written(stream, [*before, frame][0][4] & _END_STREAM, headers))
        return Part(whole)


class Http2Answers:
    """What comes back: passed on as it is, with frames of our own between its frames."""

    def __init__(self) -> None:
        self._skip = 0
        self._head = b""
        self._begun = False
        self._waiting: list[bytes] = []

    def pass_on(self, data: bytes) -> Iterator[bytes]:
        """The same bytes, and what waits for the end of a frame."""
        if not self._waiting:
            self._walk(data)
            yield data
            return
        while data:
            step = min(len(data), self._skip or _HEAD - len(self._head))
            part, data = data[:step], data[step:]
            self._walk(part)
            yield part
            if self._between and self._waiting:
                yield b"".join(self._waiting)
                self._waiting.clear()

    def put(self, frame: bytes) -> bytes:
        """A frame of our own: what of it can be sent now. The first frame of a connection is the service's."""
        if self._between and self._begun:
            return frame
        self._waiting.append(frame)
        return b""

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


def _refusal(stream: int, gate: Gate) -> bytes:
    """The end of a call, as a response of trailers alone; or of its stream."""
    if gate.abort or not isinstance(gate, Grpc):
        return _frame(_RST_STREAM, 0, stream, _CANCEL.to_bytes(4, "big"))
    headers = [
        (b":status", b"200"),
        (b"content-type", b"application/grpc"),
        (b"grpc-status", str(gate.code).encode()),
        (b"grpc-message", b"seatrial: this call was kept from the service"),
    ]
    return _written(stream, _END_STREAM, headers)


def _window(size: int) -> bytes:
    """So much of the connection's window is free again: nobody else will say so of a frame that was kept."""
    return _frame(_WINDOW_UPDATE, 0, 0, size.to_bytes(4, "big")) if size else b""
