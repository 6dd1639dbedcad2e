"""When a generator's arrivals are due: one absolute timer, and the accounts of what was due and how late it was sent."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator

import numpy as np
from numpy.typing import NDArray

from ..arrivals.timer import AbsoluteTimer
from .recording import Recorder

_QUANTUM_NS = 250_000  # from _FAST on arrivals go in batches of this length: a timer for each costs more than it shows
_FAST = 2000.0


class Arrivals:
    """Calls `arrive(due, now)` for each arrival of a schedule; `rate` is its highest, per second. Times in ns of CLOCK_MONOTONIC."""

    def __init__(
        self,
        schedule: Iterator[NDArray[np.int64]],
        start_ns: int,
        rate: float,
        recorder: Recorder,
        arrive: Callable[[int, int], None],
    ) -> None:
        self._schedule = schedule
        self._start = start_ns
        self._quantum = _QUANTUM_NS if rate >= _FAST else 0
        self._recorder = recorder
        self._lag = recorder.lags.append
        self._arrive = arrive
        self._times: list[int] = []
        self._chunk: NDArray[np.int64] = np.empty(0, np.int64)
        self._next = self._counted = 0
        self._timer = AbsoluteTimer(self._tick)
        self.exhausted = not self._more()

    def start(self) -> None:
        """Begin with the first one."""
        if not self.exhausted:
            self._timer.at(self._times[0])

    def halt(self) -> None:
        """No further one after what is due by now."""
        self._tick()
        self.exhausted = True
        self._timer.close()
        self.count()

    def count(self) -> None:
        """Tell the recorder what was due so far."""
        self._recorder.expected(self._chunk[self._counted : self._next])
        self._counted = self._next

    def _more(self) -> bool:
        self.count()
        for chunk in self._schedule:
            if len(chunk):
                self._chunk = chunk + self._start
                self._times = self._chunk.tolist()
                self._next = self._counted = 0
                return True
        self._times, self._next, self._counted = [], 0, 0
        self._chunk = np.empty(0, np.int64)
        return False

    def _tick(self) -> None:
        if self.exhausted:
            return
        now = time.monotonic_ns()
        times, at = self._times, self._next
        while times[at] <= now:
            due = times[at]
            at += 1
            self._lag(now - due)
            self._arrive(due, now)
            if at == len(times):
                self._next = at
                if not self._more():
                    self.exhausted = True
                    return
                times, at = self._times, 0
        self._next = at
        self._timer.at(max(times[at], now + self._quantum) if self._quantum else times[at])
