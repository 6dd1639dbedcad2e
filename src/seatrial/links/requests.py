"""Requests on their way to a service: where each begins and ends, for counting them and for those that a link answers itself.

HTTP/1.1 by RFC 9112, as far as framing goes; HTTP/2 by RFC 9113, frame by frame, without looking into headers. What cannot be read is no
longer counted: `lost` says so.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

_MOST_HEAD = 64 << 10
_PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
_HEADERS = 1


@dataclass(frozen=True, slots=True)
class Head:
    """The beginning of a request."""

    method: str
    path: str


@dataclass(frozen=True, slots=True)
class Part:
    """Bytes of one request: `head` where it begins, `last` where it ends."""

    data: bytes
    head: Head | None = None
    last: bool = False


class Http1Requests:
    """One connection's requests. `count` of those whose head has passed; `lost` when the rest of the connection cannot be told apart."""

    def __init__(self) -> None:
        self.count = 0
        self.lost = False
        self._pending = b""  # of a head that has not arrived as a whole
        self._already = 0  # bytes of it that were passed on
        self._body = 0  # bytes that are left of it; of the present chunk where it is chunked
        self._chunked = False

    def sent(self) -> None:
        """What is kept of a head was passed on: it is not to come again."""
        self._already = len(self._pending)

    def unsent(self) -> bytes:
        """What is kept of a head, and was not passed on."""
        return self._pending[self._already :]

    def split(self, data: bytes) -> Iterator[Part]:
        """The same bytes, part by part. A head that is not there as a whole is kept until it is."""
        for part in self._split(data):
            if self._already:
                cut = min(self._already, len(part.data))
                self._already -= cut
                yield Part(part.data[cut:], last=part.last)
            else:
                yield part

    def _split(self, data: bytes) -> Iterator[Part]:
        data, self._pending = self._pending + data, b""
        while data:
            if self.lost:
                yield Part(data)
                return
            if self._body:
                part, data = data[: self._body], data[self._body :]
                self._body -= len(part)
                yield Part(part, last=not self._body and not self._chunked)
            elif self._chunked:
                end = data.find(b"\r\n", 2 if data.startswith(b"\r\n") else 0)
                if end < 0:
                    self._pending = data
                    return
                part, data = data[: end + 2], data[end + 2 :]
                yield self._chunk(part)
            else:
                end = data.find(b"\r\n\r\n")
                if end < 0:
                    self.lost = len(data) > _MOST_HEAD
                    if self.lost:
                        continue
                    self._pending = data
                    return
                part, data = data[: end + 4], data[end + 4 :]
                yield self._head(part)

    def _chunk(self, line: bytes) -> Part:
        """The line before a chunk; the last one is followed by trailers, which end with an empty line."""
        try:
            size = int(line.strip().partition(b";")[0], 16)
        except ValueError:
            self.lost = True
            return Part(line)
        if size:
            self._body = size
            return Part(line)
        self._chunked = False
        self._body = 2  # without trailers, which clients do not send
        return Part(line)

    def _head(self, data: bytes) -> Part:
        line, _, rest = data.lstrip(b"\r\n").partition(b"\r\n")
        words = line.split(b" ")
        if len(words) != 3 or not words[2].startswith(b"HTTP/1."):
            self.lost = True
            return Part(data)
        self.count += 1
        for field in rest.lower().split(b"\r\n"):
            name, _, value = field.partition(b":")
            if name == b"content-length" and value.strip().isdigit():
                self._body = int(value)
            elif name == b"transfer-encoding":
                self._chunked = b"chunked" in value
            elif name == b"upgrade":
                self.lost = True  # what follows is another protocol
        if words[0] == b"CONNECT":
            self.lost = True
        self._body = 0 if self._chunked else self._body
        head = Head(words[0].decode("latin-1"), words[1].decode("latin-1"))
        return Part(data, head=head, last=not self._body and not self._chunked)


class Http2Requests:
    """One connection's streams, counted by their HEADERS frames."""

    def __init__(self) -> None:
        self.count = 0
        self.lost = False
        self._skip = len(_PREFACE)
        self._begun = False
        self._pending = b""
        self._stream = 0

    def sent(self) -> None:
        """Nothing is ever kept."""

    def unsent(self) -> bytes:
        """Nothing."""
        return b""

    def split(self, data: bytes) -> Iterator[Part]:
        """The same bytes in one piece; trailers of a stream that is known are no request."""
        if not self.lost:
            self._count(data)
        yield Part(data)

    def _count(self, data: bytes) -> None:
        if not self._begun:
            self._begun = True
            self.lost = not _PREFACE.startswith(data[: len(_PREFACE)])
        if self._pending:
            data, self._pending = self._pending + data, b""
        place, size = 0, len(data)
        while place < size and not self.lost:
            if self._skip:
                step = min(self._skip, size - place)
                self._skip -= step
                place += step
                continue
            if size - place < 9:
                self._pending = data[place:]
                return
            if data[place + 3] == _HEADERS:
                stream = int.from_bytes(data[place + 5 : place + 9]) & 0x7FFFFFFF
                if stream > self._stream:
                    self._stream = stream
                    self.count += 1
            self._skip = int.from_bytes(data[place : place + 3])
            place += 9


Requests = Http1Requests | Http2Requests
READERS: Mapping[str, type[Requests]] = {"http": Http1Requests, "ws": Http1Requests, "grpc": Http2Requests}
"""By the scheme of an endpoint."""
