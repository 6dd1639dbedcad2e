"""Requests over HTTP/1.1 on their way to a service (RFC 9112, as far as framing goes): where each begins and ends.

What cannot be told apart any more is passed on as it comes, and no longer counted: `lost` says so.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator
from typing import Self

from .impairments.gates import Gate, Hit, Part, Request

_MOST_HEAD = 64 << 10


class Http1Requests:
    """One connection's requests. `count` of those whose head has passed."""

    NAME = "HTTP/1.1"
    rewrites = False

    def __init__(self) -> None:
        self.count = 0
        self.lost = False
        self._pending = b""  # of a head that has not arrived as a whole
        self._already = 0  # bytes of it that were passed on
        self._body = 0  # bytes that are left of it; of the present chunk where it is chunked
        self._chunked = False
        self._hit: Gate | None = None  # of the present request

    def fork(self) -> Self:
        """Another reader at the same place, for what has arrived and was not passed on yet; what this one kept was passed on."""
        other = copy.copy(self)
        other._already = len(self._pending)
        return other

    def unsent(self) -> bytes:
        """What is kept of a head, and was not passed on."""
        return self._pending[self._already :]

    def read(self, data: bytes) -> None:
        """Count."""
        for _ in self._parts(data):
            pass

    def pick(self, data: bytes, hit: Hit) -> Iterator[Part]:
        """What is to be passed on, request by request, each as the gate that hits it wants; a head is kept until it is whole."""
        for raw, request, last in self._parts(data):
            already = min(self._already, len(raw))
            self._already -= already
            if request is not None:
                self._hit = hit(request) if not already else None
            gate, answer = self._hit, b""
            if gate is not None and request is not None:
                answer = gate.answer
            if gate is not None and last:
                self._hit = None
            passed = b"" if gate is not None and (gate.answer or gate.abort) else raw[already:]
            yield Part(passed, gate if request is not None else None, answer, gate.delay if gate is not None else 0.0)

    def _parts(self, data: bytes) -> Iterator[tuple[bytes, Request | None, bool]]:
        """Bytes, the request where it begins, and whether it ends."""
        data, self._pending = self._pending + data, b""
        while data:
            if self.lost:
                yield data, None, False
                return
            if self._body:
                part, data = data[: self._body], data[self._body :]
                self._body -= len(part)
                yield part, None, not self._body and not self._chunked
            elif self._chunked:
                end = data.find(b"\r\n", 2 if data.startswith(b"\r\n") else 0)
                if end < 0:
                    self._pending = data
                    return
                part, data = data[: end + 2], data[end + 2 :]
                self._chunk(part)
                yield part, None, False
            else:
                end = data.find(b"\r\n\r\n")
                if end < 0 and len(data) <= _MOST_HEAD:
                    self._pending = data
                    return
                self.lost = end < 0
                if not self.lost:
                    part, data = data[: end + 4], data[end + 4 :]
                    request = self._head(part)
                    yield part, request, not self._body and not self._chunked

    def _chunk(self, line: bytes) -> None:
        """The line before a chunk; the last one is followed by trailers, which end with an empty line."""
        try:
            size = int(line.strip().partition(b";")[0], 16)
        except ValueError:
            self.lost = True
            return
        self._chunked = size > 0
        self._body = size or 2  # without trailers, which clients do not send

    def _head(self, data: bytes) -> Request | None:
        line, _, rest = data.lstrip(b"\r\n").partition(b"\r\n")
        words = line.split(b" ")
        if len(words) != 3 or not words[2].startswith(b"HTTP/1."):
            self.lost = True
            return None
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
        return Request(words[0].decode("latin-1"), words[1].decode("latin-1"))
