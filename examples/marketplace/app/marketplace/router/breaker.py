"""A circuit breaker: whom nobody answers is left alone for a while."""

import logging
import time
from collections.abc import Callable
from enum import IntEnum

from marketplace.router.settings import Breaker as Bounds

log = logging.getLogger("breaker")


class State(IntEnum):
    """As the metrics show it."""

    CLOSED = 0
    HALF_OPEN = 1
    OPEN = 2


class Breaker:
    """Counts requests, whatever attempts they took. Half-open, one request at a time is let through."""

    def __init__(self, bounds: Callable[[], Bounds], told: Callable[[State], None]) -> None:
        self._bounds, self._told = bounds, told
        self.state = State.CLOSED
        self._failures = self._successes = 0
        self._opened = 0.0
        self._trying = False
        self._era = 0  # an answer to a question of an earlier state says nothing of this one

    def admits(self) -> int | None:
        """None: leave it alone. Else whoever asks tells `ended` how it went, with this number."""
        if self.state is State.OPEN and time.monotonic() - self._opened >= self._bounds().open_s:
            self._to(State.HALF_OPEN)
        if self.state is State.OPEN or (self.state is State.HALF_OPEN and self._trying):
            return None
        self._trying = self.state is State.HALF_OPEN
        return self._era

    def ended(self, era: int, good: bool | None) -> None:
        """How it went; None: nobody waited for it."""
        if era != self._era:
            return
        self._trying = False
        if good is None:
            return
        if good:
            self._failures = 0
            self._successes += 1
            if self.state is State.HALF_OPEN and self._successes >= self._bounds().successes:
                self._to(State.CLOSED)
            return
        self._failures += 1
        if self.state is State.HALF_OPEN or self._failures >= self._bounds().failures:
            self._to(State.OPEN)

    def reset(self) -> None:
        """Closed, as at the start."""
        self._to(State.CLOSED)

    def _to(self, state: State) -> None:
        log.info("%s -> %s", self.state.name, state.name)
        self.state = state
        self._era += 1
        self._failures = self._successes = 0
        self._trying = False
        self._opened = time.monotonic()
        self._told(state)
