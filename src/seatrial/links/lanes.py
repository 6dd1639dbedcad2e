"""One way through one connection while something is impaired: pieces that wait for their time, in order."""

from __future__ import annotations

import asyncio
import enum
import math
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from itertools import pairwise
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


class _Stop:
    """Where pieces wait for what one stage does to them; without a stage they go on at the time that they were given."""

    __slots__ = ("last", "stage", "waiting")

    def __init__(self, stage: Stage | None) -> None:
        self.stage = stage
        self.waiting: deque[Timed] = deque()
        self.last = 0.0

    def take(self, piece: Piece, at: float) -> int:
        """A piece that gets here; how many bytes wait for it now."""
        size = 0
        for then, each in self.stage.carry(piece, at) if self.stage is not None else ((at, piece),):
            self.last = max(self.last, then)
            self.waiting.append((self.last, each))
            size += _size(each)
        return size


class Lane:
    """Pieces on their way through stages to `deliver`; `throttle(True)` when too much waits, `throttle(False)` when it no longer does."""

    __slots__ = ("_deliver", "_due", "_held", "_loop", "_stops", "_throttle", "_throttled", "_timer")

    def __init__(
        self, stages: Sequence[Stage], deliver: Callable[[Piece], None], throttle: Callable[[bool], None]
    ) -> None:
        self._loop = asyncio.get_running_loop()
        self._stops = [_Stop(None), *(_Stop(stage) for stage in stages), _Stop(None)]
        self._deliver = deliver
        self._throttle = throttle
        self._held = 0
        self._throttled = False
        self._timer: asyncio.TimerHandle | None = None
        self._due = NEVER  # what the timer is set to

    @property
    def held(self) -> int:
        """Bytes that wait."""
        return self._held

    @property
    def idle(self) -> bool:
        """Whether nothing waits and nothing would make it wait."""
        return len(self._stops) == 2 and not any(stop.waiting for stop in self._stops)

    def put(self, piece: Piece, not_before: float = 0.0) -> None:
        """Send a piece on its way."""
        self._held += self._stops[0].take(piece, max(self._loop.time(), not_before))
        self._release()

    def change(self, stages: Sequence[Stage], *, at_once: bool = False) -> None:
        """Other stages from now on, new ones last: what waits at one that is gone goes on to the next, what waits at one that stays goes
        on waiting there. `at_once`: so does not what was not to go before a time.
        """
        now = self._loop.time()
        first, *old, out = self._stops
        kept = {stop.stage: stop for stop in old}
        new = [kept.get(stage) or _Stop(stage) for stage in stages]
        follows = next((stop for stop in new if stop not in old), out)
        for stop in reversed(old):
            if stop in new:
                follows = stop
                continue
            for _, piece in stop.waiting:
                self._held += follows.take(piece, now) - _size(piece)
        if at_once:
            first.last = 0.0
            first.waiting = deque((0.0, piece) for _, piece in first.waiting)
        self._stops = [first, *new, out]
        self._release()

    def drop(self) -> None:
        """Forget what waits: nobody is there any more who could take it."""
        for stop in self._stops:
            stop.waiting.clear()
        self._held = 0
        self._release()

    def _release(self) -> None:
        now = self._loop.time()
        for stop, following in pairwise(self._stops):
            while stop.waiting and stop.waiting[0][0] <= now:
                at, piece = stop.waiting.popleft()
                self._held += following.take(piece, at) - _size(piece)
        out = self._stops[-1].waiting
        while out:
            _, piece = out.popleft()
            self._held -= _size(piece)
            self._deliver(piece)
        due = min((stop.waiting[0][0] for stop in self._stops if stop.waiting), default=NEVER)
        if due != self._due:
            self._set(due)
        if self._throttled != (self._held > MOST_HELD):
            self._throttled = not self._throttled
            self._throttle(self._throttled)

    def _set(self, due: float) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._due, self._timer = due, None
        if due != NEVER:
            self._timer = self._loop.call_at(due, self._ring)

    def _ring(self) -> None:
        self._due, self._timer = NEVER, None
        self._release()


def _size(piece: Piece) -> int:
    return len(piece) if isinstance(piece, bytes) else 0
