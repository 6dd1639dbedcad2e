"""What comes back over HTTP/1.1 while some requests are answered by the link itself: each answer in its turn (RFC 9112, 9.3.2).

Only what comes after the first request that is told apart is read: what comes before passes as it is. A client that had sent a request
ahead of an answer when a fault began (pipelining) may see the link's own answer before that one.
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass

from .http1 import Messages
from .impairments.gates import Request, Section
from .lanes import Piece

_UNTIL_CLOSE = 1 << 62
Given = tuple[Piece, bool]  # to the client, and whether it is the link's own


@dataclass(slots=True, eq=False)
class Turn:
    """An answer that is owed: the service's, to a request of that method, or the link's own, when there is one."""

    method: str = ""
    own: bool = False
    answer: Piece | None = None


class Http1Answers:
    """One connection's answers, in the order of its requests."""

    def __init__(self) -> None:
        self._owed: deque[Turn] = deque()
        self._reader = _Reader()
        self._waiting = b""  # of the service: not whole, or not its turn

    @property
    def busy(self) -> bool:
        """Whether something waits for its turn."""
        return bool(self._waiting) or any(turn.own for turn in self._owed)

    def asked(self, request: Request) -> None:
        """The service is to answer a request."""
        self._owed.append(Turn(method=request.method))

    def reserve(self) -> Turn:
        """The link itself is to answer one."""
        self._owed.append(turn := Turn(own=True))
        return turn

    def fill(self, turn: Turn, answer: Piece) -> Iterator[Given]:
        """It does; what can be given now."""
        turn.answer = answer
        return self._flush()

    def pass_on(self, data: bytes) -> Iterator[Given]:
        """The service has sent something; what can be given now."""
        self._waiting += data
        return self._flush()

    def rest(self) -> Iterator[Given]:
        """The service will send no more: what has waited."""
        if self._waiting:
            yield self._waiting, False
        self._waiting = b""

    def _flush(self) -> Iterator[Given]:
        while True:
            turn = self._owed[0] if self._owed else None
            if turn is not None and turn.own:
                if turn.answer is None:
                    return
                self._owed.popleft()
                yield turn.answer, True
            elif turn is None or self._reader.lost:
                yield from self.rest()
                if turn is None:
                    return
                self._owed.popleft()  # it cannot be told any more where that one ends
            else:
                end = self._reader.end_of(self._waiting, turn.method)
                if end is None:
                    continue
                if not end:
                    return
                part, self._waiting = self._waiting[:end], self._waiting[end:]
                if self._reader.section(part).last:
                    self._owed.popleft()
                yield part, False


class _Reader(Messages):
    """Where answers begin and end. `method`: of the request that the present one answers."""

    BEGIN = re.compile(rb"HTTP/|HTTP\Z|HTT\Z|HT\Z|H\Z")

    def __init__(self) -> None:
        super().__init__()
        self.method = ""

    def end_of(self, data: bytes, method: str) -> int | None:
        """Where the section of an answer to such a request ends; 0 where that is not known yet, None where it cannot be known."""
        self.method = method
        end = self.end(data) if data else 0
        return end if end or not self.lost else None

    def _head(self, data: bytes) -> Section:
        line, *fields = (each.rstrip(b"\r") for each in data.split(b"\n"))
        words = line.split(b" ", 2)
        if len(words) < 2 or not words[0].startswith(b"HTTP/1.") or not words[1].isdigit():
            self.lost = True
            return Section(data)
        status = int(words[1])
        if status == 101 or (self.method == "CONNECT" and status < 300):
            self.lost = True  # what follows is another protocol
            return Section(data)
        if status < 200:
            return Section(data)  # there is more to come
        said = self._framed(fields)
        if self.method == "HEAD" or status in (204, 304):
            self._body, self._chunked = 0, False
            return Section(data, last=True)
        if not said:
            self._body = _UNTIL_CLOSE
        return Section(data, last=not self._body and not self._chunked)
