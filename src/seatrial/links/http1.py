"""Requests over HTTP/1.1 on their way to a service (RFC 9112, as far as framing goes): where each begins and ends.

What cannot be told apart any more is passed on as it comes, and no longer counted: `lost` says so.
"""

from __future__ import annotations

import copy
import re
from collections.abc import Iterable, Iterator, Sequence
from typing import Self

from .impairments.gates import Decide, Fate, Part, Request, Section

_MOST_HEAD = 64 << 10
_MOST_SIZE = 4 << 10  # of a line that says how long a chunk is
_END = re.compile(rb"\n\r?\n")  # of a head
_LENGTH = re.compile(rb"[0-9]{1,18}")
_SIZE = re.compile(rb"[0-9A-Fa-f]{1,16}")


class Messages:
    """Where messages that come one way begin and end. `lost` when what comes cannot be told apart any more."""

    BEGIN: re.Pattern[bytes]  # of a message, as far as it is there

    def __init__(self) -> None:
        self.lost = False
        self._body = 0  # bytes that are left of it; of the present chunk where it is chunked
        self._chunked = False
        self._trailing = False  # behind the last chunk

    def end(self, data: bytes) -> int:
        """Where the section that begins here ends; 0 where that is not known yet, or where it is none (`lost`)."""
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
        self.lost = found is None and (len(data) > _MOST_HEAD or self.BEGIN.match(data) is None)
        return found.end() if found is not None else 0

    def section(self, data: bytes) -> Section:
        """What a section that is there as a whole is."""
        if self._body:
            self._body -= len(data)
            return Section(data, last=not self._body and not self._chunked)
        if self._chunked:
            return self._chunk(data)
        if self._trailing:
            self._trailing = bool(data.strip(b"\r\n"))
            return Section(data, last=not self._trailing)
        return self._head(data) if data.strip(b"\r\n") else Section(data)

    def _chunk(self, line: bytes) -> Section:
        """The line before a chunk; behind the last one there are trailers, which end with an empty line."""
        size = line.partition(b";")[0].strip()
        if _SIZE.fullmatch(size) is None:
            self.lost = True
            return Section(line)
        self._body = int(size, 16)
        self._chunked, self._trailing = self._body > 0, self._body == 0
        return Section(line)

    def _head(self, data: bytes) -> Section:
        raise NotImplementedError

    def _framed(self, fields: Iterable[bytes]) -> bool:
        """Read how the body is framed; whether it is said at all."""
        said = False
        for field in fields:
            name, _, value = field.lower().partition(b":")
            value = value.strip()
            if name == b"content-length":
                said = True
                if _LENGTH.fullmatch(value) is None:
                    self.lost = True
                else:
                    self._body = int(value)
            elif name == b"transfer-encoding":
                self._chunked = b"chunked" in value
        self._body = 0 if self._chunked else self._body
        return said or self._chunked


class Http1Requests(Messages):
    """One connection's requests. `count` of those whose head has passed; `lost` when the rest of the connection cannot be told apart."""

    NAME = "HTTP/1.1"
    BEGIN = re.compile(rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+(?:\Z| )")

    def __init__(self) -> None:
        super().__init__()
        self.count = 0
        self._pending = b""  # of a head that has not arrived as a whole
        self._already = 0  # bytes of it that were passed on
        self._fate: Fate | None = None  # of the present request

    @property
    def busy(self) -> bool:
        """Whether what comes is not to be passed on as it is, whatever gates there are now."""
        return self._fate is not None

    def fork(self) -> Self:
        """Another reader at the same place, for what has arrived and was not passed on yet; what this one kept was passed on."""
        other = copy.copy(self)
        other.sent()
        return other

    def sent(self) -> None:
        """What is kept of a head was passed on: it is not to come again."""
        self._already = len(self._pending)

    def unsent(self) -> bytes:
        """What is kept of a head, and was not passed on."""
        return self._pending[self._already :]

    def read(self, data: bytes) -> Sequence[int | None]:
        """Count; the bytes were, or will be, passed on as they are. Of each request that begins in them nothing, as it has no deadline."""
        before = self.count
        for _ in self.split(data):
            pass
        self.sent()
        return (None,) * (self.count - before)

    def pick(self, data: bytes, decide: Decide) -> Iterator[Part]:
        """What is to be passed on, request by request, each as was decided; a head is kept until it is whole."""
        for section in self.split(data):
            fate = self._fate
            if section.head is not None:
                fate = self._fate = decide(section.head)
            if section.last:
                self._fate = None
            if fate is None:
                yield Part(section.data, head=section.head)
            else:
                begins = section.head is not None
                yield Part(
                    b"" if fate.keeps else section.data,
                    fate if begins else None,
                    fate.answer if begins else b"",
                    fate.delay,
                    section.head,
                )

    def split(self, data: bytes) -> Iterator[Section]:
        """The same bytes, section by section. A head that is not there as a whole is kept until it is."""
        for section in self._split(data):
            if self._already:
                cut = min(self._already, len(section.data))
                self._already -= cut
                yield Section(section.data[cut:], last=section.last)
            else:
                yield section

    def _split(self, data: bytes) -> Iterator[Section]:
        data, self._pending = self._pending + data, b""
        while data and not self.lost:
            end = self.end(data)
            if not end:
                break
            part, data = data[:end], data[end:]
            yield self.section(part)
        if data and self.lost:
            yield Section(data)
        else:
            self._pending = data

    def _head(self, data: bytes) -> Section:
        line, *fields = (each.rstrip(b"\r") for each in data.split(b"\n"))
        words = line.split(b" ")
        if len(words) != 3 or not words[2].startswith(b"HTTP/1."):
            self.lost = True
            return Section(data)
        self.count += 1
        self._framed(fields)
        if any(n == b"upgrade" and v.strip() != b"h2c" for n, _, v in (f.lower().partition(b":") for f in fields)):
            self.lost = True  # what follows is another protocol; h2c is offered on the way, and seldom taken
        if words[0] == b"CONNECT":
            self.lost = True
        head = Request(words[0].decode("latin-1"), words[1].decode("latin-1"))
        return Section(data, head=head, last=not self._body and not self._chunked)
