"""Requests on their way to a service: where each begins and ends, for counting them and for those that a link answers itself.

HTTP/1.1 by RFC 9112, as far as framing goes; HTTP/2 by RFC 9113, frame by frame, without looking into headers. What cannot be read is no
longer counted: `lost` says so.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

_MOST_HEAD = 64 << 10
_MOST_SIZE = 4 << 10  # of a line that says how long a chunk is
_END = re.compile(rb"\n\r?\n")  # of a head
_BEGIN = re.compile(rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+(?:\Z| )")  # of a request, as far as it is there
_LENGTH = re.compile(rb"[0-9]{1,18}")
_SIZE = re.compile(rb"[0-9A-Fa-f]{1,16}")
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
        self._trailing = False  # behind the last chunk

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
        while data and not self.lost:
            end = self._end(data)
            if not end:
                break
            part, data = data[:end], data[end:]
            yield self._part(part)
        if data and self.lost:
            yield Part(data)
        else:
            self._pending = data

    def _end(self, data: bytes) -> int:
        """Where the part that begins here ends; 0 where that is not known yet, or where it is none (`lost`)."""
        if self._body:
            return min(self._body, len(data))
        if self._chunked or self._trailing:
            # Behind a chunk there is the end of its line.
            end = data.find(b"\n", 2 if self._chunked and data.startswith(b"\r\n") else 0) + 1
            self.lost = not end and len(data) > (_MOST_SIZE if self._chunked else _MOST_HEAD)
            return end
        if lines := len(data) - len(data.lstrip(b"\r\n")):
            return lines
        found = _END.search(data)
        self.lost = found is None and (len(data) > _MOST_HEAD or _BEGIN.match(data) is None)
        return found.end() if found is not None else 0

    def _part(self, data: bytes) -> Part:
        if self._body:
            self._body -= len(data)
            return Part(data, last=not self._body and not self._chunked)
        if self._chunked:
            return self._chunk(data)
        if self._trailing:
            self._trailing = bool(data.strip(b"\r\n"))
            return Part(data, last=not self._trailing)
        return self._head(data) if data.strip(b"\r\n") else Part(data)

    def _chunk(self, line: bytes) -> Part:
        """The line before a chunk; behind the last one there are trailers, which end with an empty line."""
        size = line.partition(b";")[0].strip()
        if _SIZE.fullmatch(size) is None:
            self.lost = True
            return Part(line)
        self._body = int(size, 16)
        self._chunked, self._trailing = self._body > 0, self._body == 0
        return Part(line)

    def _head(self, data: bytes) -> Part:
        line, *fields = (each.rstrip(b"\r") for each in data.split(b"\n"))
        words = line.split(b" ")
        if len(words) != 3 or not words[2].startswith(b"HTTP/1."):
            self.lost = True
            return Part(data)
        self.count += 1
        for field in fields:
            name, _, value = field.lower().partition(b":")
            value = value.strip()
            if name == b"content-length":
                if _LENGTH.fullmatch(value) is None:
                    self.lost = True
                else:
                    self._body = int(value)
            elif name == b"transfer-encoding":
                self._chunked = b"chunked" in value
            elif name == b"upgrade" and value != b"h2c":
                self.lost = True  # what follows is another protocol; h2c is offered on the way, and seldom taken
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
        self._preface = _PREFACE  # what is left of it
        self._skip = 0  # bytes to the next frame
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
        if self._preface:
            begin, data = data[: len(self._preface)], data[len(self._preface) :]
            self.lost = not self._preface.startswith(begin)
            self._preface = self._preface[len(begin) :]
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
