"""One way through one connection while something is impaired: pieces that wait for their time, in order."""

from __future__ import annotations

import asyncio
import enum
import math
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from typing import Protocol

NEVER = math.inf  # until the impairment ends
MOST_HELD = 4 << 20  # bytes that wait before the sender is made to wait, too


class Signal(enum.Enum):
    """What travels beside data."""

    FIN = "fin"  # nothing more comes this way
    RESET = "reset"  # the connection is gone


Piece = bytes | Signal
Timed = tuple[float, Piece]


class Stage(Protocol):
    """What one impairment does to one way through one connection. Times are those of the event loop, in seconds."""

    def carry(self, piece: Piece, at: float) -> Iterable[Timed]:
        """A piece that gets here at a time: what leaves, and when. Times never go back."""
        ...


class Lane:
    """Pieces on their way through stages to `deliver`; `throttle(True)` when too much waits, `throttle(False)` when it no longer does."""

    __slots__ = ("_deliver", "_held", "_loop", "_queue", "_stages", "_throttle", "_throttled", "_timer")

    def __init__(
        self, stages: Sequence[Stage], deliver: Callable[[Piece], None], throttle: Callable[[bool], None]
    ) -> None:
        self._loop = asyncio.get_running_loop()
        self._stages = stages
        self._deliver = deliver
        self._throttle = throttle
        self._queue: deque[Timed] = deque()
        self._held = 0
        self._throttled = False
        self._timer: asyncio.TimerHandle | None = None

    @property
    def held(self) -> int:
        """Bytes that wait."""
        return self._held

    @property
    def idle(self) -> bool:
        """Whether nothing waits and nothing would make it wait."""
        return not self._queue and not self._stages

    def put(self, piece: Piece, not_before: float = 0.0) -> None:
        """Send a piece on its way."""
        now = self._loop.time()
        pieces: list[Timed] = [(max(now, not_before), piece)]
        for stage in self._stages:
            pieces = [timed for at, each in pieces for timed in stage.carry(each, at)]
        last = self._queue[-1][0] if self._queue else 0.0
        for at, each in pieces:
            last = max(last, at)
            self._queue.append((last, each))
            self._held += len(each) if isinstance(each, bytes) else 0
        self._release()

    def change(self, stages: Sequence[Stage]) -> None:
        """Other stages from now on: what waits goes through them, at once where there are none."""
        self._stages = stages
        waiting, self._queue, self._held = self._queue, deque(), 0
        for _, piece in waiting:
            self.put(piece)
        self._release()

    def drop(self) -> None:
        """Forget what waits: nobody is there any more who could take it."""
        self._queue.clear()
        self._held = 0
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _release(self) -> None:
        now = self._loop.time()
        while self._queue and self._queue[0][0] <= now:
            _, piece = self._queue.popleft()
            self._held -= len(piece) if isinstance(piece, bytes) else 0
            self._deliver(piece)
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._queue and self._queue[0][0] != NEVER:
            self._timer = self._loop.call_at(self._queue[0][0], self._release)
        if self._throttled != (self._held > MOST_HELD):
            self._throttled = not self._throttled
            self._throttle(self._throttled)
