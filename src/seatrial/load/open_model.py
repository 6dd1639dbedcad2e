"""The open model: requests are sent when a schedule says so, whatever the system does."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from ..clients.http1 import TIMEOUT, Connection, Visit
from .arriving import Arrivals
from .driving import CAPACITY, Generator, Orders, Waiting
from .recording import Recorder

_RETRY_S = 0.001


class OpenModel(Generator):
    """Sends when the schedule says so. A slow answer delays nothing: the next arrival takes another connection, or waits for one, and
    its response time counts from when it was due.

    Each arrival that finds no connection makes one. While that fails there are at most 1,000 attempts a second, and all that waited
    when one began share its fate.
    """

    def __init__(
        self, orders: Orders, recorder: Recorder, schedule: Iterator[NDArray[np.int64]], start_ns: int, rate: float
    ) -> None:
        super().__init__(orders, recorder)
        self._idle: deque[Connection] = deque()  # lost ones stay in it until their turn
        self._take_idle = self._idle.pop if orders.lifo else self._idle.popleft
        self._backlog: deque[Waiting] = deque()
        self._failing = self._resting = False
        self._arrivals = Arrivals(schedule, start_ns, rate, recorder, self._arrive)

    def connect(self) -> None:
        """When connections take turns, one to each way in, so that each is touched."""
        if not self._orders.lifo:
            for _ in self._orders.ways[: self._orders.connections]:
                self.open()

    def start(self) -> None:
        """Begin with the first arrival."""
        self._arrivals.start()

    def halt(self) -> None:
        """No further arrival after what is due by now; what is in flight goes on, scripts up to their next answer."""
        self._arrivals.halt()
        self.halted = True

    def _arrive(self, due: int, now: int) -> None:
        waiting = self.begin(due)
        if waiting is not None:
            self._give(waiting, now)

    def _give(self, waiting: Waiting, now: int) -> None:
        """To a connection that is free, or to wait for one."""
        idle = self._idle
        while idle:
            connection = self._take_idle()
            if connection.alive:
                self.send(connection, waiting, now)
                return
        self._backlog.append(waiting)
        self._grow()

    def _grow(self) -> None:
        """Open connections for those that wait, one for each."""
        limit = self._orders.connections - len(self._all)
        while self._opening < min(len(self._backlog), limit) and not self._resting and not self._closed:
            self.open()
            if self._failing:
                self._rest()

    def _rest(self) -> None:
        self._resting = True
        asyncio.get_running_loop().call_later(_RETRY_S, self._rested)

    def _rested(self) -> None:
        self._resting = False
        self._grow()

    def sweep(self) -> None:
        self._arrivals.count()
        super().sweep()

    def free(self, connection: Connection) -> None:
        if self._backlog:
            self.send(connection, self._backlog.popleft(), time.monotonic_ns())
        else:
            self._idle.append(connection)

    def elsewhere(self, waiting: Waiting) -> None:
        self._give(waiting, waiting[0])

    def rest(self, connection: Connection, visit: Visit, ns: int) -> None:
        """The connection serves others meanwhile."""
        self._leave(connection)
        asyncio.get_running_loop().call_later(ns / 1e9, self._wake, visit)

    def _wake(self, visit: Visit) -> None:
        if self.halted:
            return
        now = time.monotonic_ns()
        waiting = self.resume(visit, now)
        if waiting is not None and waiting[1]:
            self._give(waiting, now)
        elif waiting is not None:
            asyncio.get_running_loop().call_later((waiting[0] - now) / 1e9, self._wake, visit)

    def further(self, due: int) -> None:
        self._recorder.further.append(due)

    def ready(self, connection: Connection) -> None:
        self._failing = False
        super().ready(connection)
        self._grow()

    def gone(self, connection: Connection, failed: bool) -> None:
        self._grow()

    def unreachable(self, error: int, began: int) -> None:
        backlog = self._backlog
        shared, self._failing = self._failing, True
        while backlog and backlog[0][0] <= began:
            self.drop(backlog.popleft(), error)
            if not shared:
                break
        if not self._resting:
            self._rest()

    def overdue(self, late: int) -> None:
        full = len(self._all) + self._opening >= self._orders.connections
        while self._backlog and self._backlog[0][0] <= late:
            self.drop(self._backlog.popleft(), CAPACITY if full else TIMEOUT)

    async def close(self) -> None:
        await super().close()
        self.overdue(time.monotonic_ns())

    @property
    def in_flight(self) -> int:
        return super().in_flight + len(self._backlog)
