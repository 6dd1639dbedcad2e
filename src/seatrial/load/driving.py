"""Drives connections: an open model (a schedule that asks nobody) and a closed one (users who wait for their answers)."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..arrivals.timer import AbsoluteTimer
from .http1 import TIMEOUT, Connection, Flow, ReadingConnection, Way, connect
from .recording import Recorder
from .scripts import Prepared, Request

CLIENT_ERROR, SERVER_ERROR, CAPACITY, SCRIPT = 8, 9, 10, 12
SWEEP_S = 0.1
_QUANTUM_NS = (
    250_000  # from 2,000/s on, arrivals are sent in batches of this length: a timer for each costs more than it shows
)
_FAST = 2000.0
_RETRY_S = 0.01
Waiting = tuple[int, bytes, int, "Flow | None"]  # when it was due, the request, its tag, its flow


@dataclass(frozen=True, kw_only=True)
class Orders:
    """What a generator is to do. Times in ns of CLOCK_MONOTONIC.

    `take` draws the next request; `begin`, instead, starts a user's flow. `connections`: at most so many.
    """

    ways: tuple[Way, ...]
    take: Callable[[], Prepared] | None
    begin: Callable[[], Flow] | None
    write: Callable[[Request], Prepared]
    timeout_ns: int
    connections: int
    accept: Collection[int] = ()
    lifo: bool = True
    think_ns: int = 0


class Generator:
    """Base of both models: connections, what to do with an answer, time-outs. `idle` holds connections without a request."""

    def __init__(self, orders: Orders, recorder: Recorder) -> None:
        self._orders = orders
        self._recorder = recorder
        self._all: set[Connection] = set()
        self._opening = 0
        self._next_way = 0
        self._reading = orders.begin is not None
        self._good = bytearray(1000)
        for status in (*range(200, 400), *orders.accept):
            self._good[status] = 1
        self._due, self._sent, self._done = recorder.due_at.append, recorder.sent_at.append, recorder.done_at.append
        self._tag = recorder.tags.append
        self._tagged = recorder.tagged
        self._tasks: set[asyncio.Task[None]] = set()
        self.stopping = False

    # -- connections

    def open(self) -> None:
        """Open one more connection."""
        self._opening += 1
        task = asyncio.get_running_loop().create_task(self._open())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _open(self) -> None:
        ways = self._orders.ways
        way = ways[self._next_way % len(ways)]
        self._next_way += 1
        made = ReadingConnection if self._reading else Connection
        error = await connect(way, lambda: made(self))
        if error:
            self._opening -= 1
            self.unreachable(error)

    def ready(self, connection: Connection) -> None:
        """A connection is there."""
        self._opening -= 1
        self._all.add(connection)
        self.free(connection)

    def lost(self, connection: Connection, error: int) -> None:
        """A connection is gone; what was in flight on it failed."""
        if connection not in self._all:
            return
        self._all.discard(connection)
        if connection.busy:
            connection.busy = False
            self._recorder.error(error, connection.intended, connection.tag)
        connection.flow = None
        self.gone(connection)

    # -- requests

    def begin(self) -> tuple[bytes, int, Flow | None]:
        """What the next user, or arrival, sends first."""
        if self._orders.take is not None:
            data, tag = self._orders.take()
            return data, tag, None
        if self._orders.begin is None:
            raise ValueError("nothing to send")
        flow = self._orders.begin()
        data, tag = self._orders.write(next(flow))
        return data, tag, flow

    def answered(self, connection: Connection, status: int, keep: bool) -> None:
        """An answer is whole."""
        if not connection.busy:
            connection.close()
            return
        now = time.monotonic_ns()
        recorder = self._recorder
        recorder.size += connection.size
        connection.size = 0
        if connection.flow is not None:
            self._follow(connection, status, now, keep)
            return
        self._judge(connection, now, 0 if self._good[status] else CLIENT_ERROR if status < 500 else SERVER_ERROR)
        connection.busy = False
        if keep and not self.stopping:
            self.free(connection)
        else:
            connection.close()

    def _judge(self, connection: Connection, now: int, error: int) -> None:
        if error:
            self._recorder.error(error, connection.intended, connection.tag)
            return
        self._due(connection.intended)
        self._sent(connection.sent)
        self._done(now)
        if self._tagged:
            self._tag(connection.tag)

    def _follow(self, connection: Connection, status: int, now: int, keep: bool) -> None:
        """The flow looks at the answer, and says what comes next on the same connection."""
        following: Request | None = None
        error = 0 if self._good[status] else CLIENT_ERROR if status < 500 else SERVER_ERROR
        if connection.flow is not None and isinstance(connection, ReadingConnection):
            try:
                following = connection.flow.send(connection.take(status))
            except StopIteration:
                pass
            except Exception:  # noqa: BLE001 - a script's assertion, or its bug: this request failed
                error = SCRIPT
        self._judge(connection, now, error)
        if following is not None and keep and not self.stopping:
            data, connection.tag = self._orders.write(following)
            connection.intended = connection.sent = now
            connection.write(data)
            return
        connection.flow = None
        connection.busy = False
        if keep and not self.stopping:
            self.free(connection)
        else:
            connection.close()

    def send(self, connection: Connection, waiting: Waiting, now: int) -> None:
        """Send on a free connection."""
        connection.intended, data, connection.tag, connection.flow = waiting
        connection.sent = now
        connection.busy = True
        connection.write(data)

    def sweep(self) -> None:
        """End what is over its time, fold the figures; each 100 ms."""
        now = time.monotonic_ns()
        late = now - self._orders.timeout_ns
        for connection in [c for c in self._all if c.busy and c.intended <= late]:
            connection.close()
            self.lost(connection, TIMEOUT)
        self.overdue(late)
        self._recorder.fold(now, self.in_flight)

    @property
    def in_flight(self) -> int:
        """Requests on the way."""
        return sum(c.busy for c in self._all)

    @property
    def connected(self) -> int:
        """Connections that are open."""
        return len(self._all)

    def close(self) -> None:
        """Close everything."""
        for connection in list(self._all):
            connection.close()
        for task in self._tasks:
            task.cancel()

    # -- what the models decide

    def free(self, connection: Connection) -> None:
        """A connection has nothing to do."""
        raise NotImplementedError

    def gone(self, connection: Connection) -> None:
        """A connection was lost."""

    def unreachable(self, error: int) -> None:
        """A connection could not be made."""

    def overdue(self, late_ns: int) -> None:
        """What was due before that and waits for a connection has failed."""


class OpenModel(Generator):
    """Sends when the schedule says so. A slow answer delays nothing: the next arrival takes another connection, or waits for one, and
    its response time counts from when it was due.
    """

    def __init__(
        self, orders: Orders, recorder: Recorder, schedule: Iterator[NDArray[np.int64]], start_ns: int, rate: float
    ) -> None:
        super().__init__(orders, recorder)
        self._idle: deque[Connection] = deque()
        self._take_idle = self._idle.pop if orders.lifo else self._idle.popleft
        self._backlog: deque[Waiting] = deque()
        self._schedule = schedule
        self._start = start_ns
        self._quantum = _QUANTUM_NS if rate >= _FAST else 0
        self._times: list[int] = []
        self._chunk: NDArray[np.int64] = np.empty(0, np.int64)
        self._next = self._counted = 0
        self._lag = recorder.lags.append
        self._timer = AbsoluteTimer(self._tick)
        self.exhausted = not self._more()

    def start(self) -> None:
        """Begin with the first arrival."""
        if not self.exhausted:
            self._timer.at(self._times[0])

    def halt(self) -> None:
        """No further arrival; what is in flight goes on."""
        self.exhausted = True
        self._timer.close()
        self._count()

    def _more(self) -> bool:
        self._count()
        for chunk in self._schedule:
            if len(chunk):
                self._chunk = chunk + self._start
                self._times = self._chunk.tolist()
                self._next = self._counted = 0
                return True
        self._times, self._next, self._counted = [], 0, 0
        self._chunk = np.empty(0, np.int64)
        return False

    def _count(self) -> None:
        self._recorder.expected(self._chunk[self._counted : self._next])
        self._counted = self._next

    def _tick(self) -> None:
        """Send everything that is due."""
        if self.exhausted:
            return
        now = time.monotonic_ns()
        times, at = self._times, self._next
        idle = self._idle
        while times[at] <= now:
            due = times[at]
            at += 1
            self._lag(now - due)
            waiting = (due, *self.begin())
            if idle:
                self.send(self._take_idle(), waiting, now)
            else:
                self._backlog.append(waiting)
                if self._opening < len(self._backlog) and len(self._all) + self._opening < self._orders.connections:
                    self.open()
            if at == len(times):
                self._next = at
                if not self._more():
                    self.exhausted = True
                    return
                times, at = self._times, 0
        self._next = at
        self._timer.at(max(times[at], now + self._quantum) if self._quantum else times[at])

    def sweep(self) -> None:
        self._count()
        super().sweep()

    def free(self, connection: Connection) -> None:
        if self._backlog:
            self.send(connection, self._backlog.popleft(), time.monotonic_ns())
        else:
            self._idle.append(connection)

    def gone(self, connection: Connection) -> None:
        if connection in self._idle:
            self._idle.remove(connection)
        if self._backlog and not self._opening:
            self.open()

    def unreachable(self, error: int) -> None:
        if self._backlog:
            due, _, tag, _ = self._backlog.popleft()
            self._recorder.error(error, due, tag)
        if self._backlog and self._opening < len(self._backlog):
            self.open()

    def overdue(self, late_ns: int) -> None:
        while self._backlog and self._backlog[0][0] <= late_ns:
            due, _, tag, _ = self._backlog.popleft()
            self._recorder.error(CAPACITY, due, tag)

    @property
    def in_flight(self) -> int:
        return super().in_flight + len(self._backlog)


class ClosedModel(Generator):
    """N users, each with a connection of its own, who send, wait for the answer, think, and send again."""

    def __init__(self, orders: Orders, recorder: Recorder, users: int) -> None:
        super().__init__(orders, recorder)
        self._users = users
        self._running = False
        self._standing: list[Connection] = []
        self.reached = 0  # the most users that had a connection at once

    def connect(self) -> None:
        """Open a connection for each user."""
        for _ in range(self._users):
            self.open()

    def start(self) -> None:
        """Let all begin."""
        self._running = True
        standing, self._standing = self._standing, []
        loop, think = asyncio.get_running_loop(), self._orders.think_ns / 1e9
        for number, connection in enumerate(standing):
            if think:  # users who think do not all begin at once
                loop.call_later(think * number / len(standing), self._act, connection)
            else:
                self._act(connection)

    def halt(self) -> None:
        """Nobody sends anything new."""
        self.stopping = True

    def ready(self, connection: Connection) -> None:
        super().ready(connection)
        self.reached = max(self.reached, len(self._all))

    def free(self, connection: Connection) -> None:
        if not self._running:
            self._standing.append(connection)
        elif self._orders.think_ns:
            asyncio.get_running_loop().call_later(self._orders.think_ns / 1e9, self._act, connection)
        else:
            self._act(connection)

    def _act(self, connection: Connection) -> None:
        if self.stopping or connection not in self._all:
            return
        now = time.monotonic_ns()
        self.send(connection, (now, *self.begin()), now)

    def gone(self, connection: Connection) -> None:
        if not self.stopping and self._running:
            self.open()

    def unreachable(self, error: int) -> None:
        """The user tries again soon: each try that fails is a request that failed."""
        if self._running and not self.stopping:
            self._recorder.error(error, time.monotonic_ns())
        if not self.stopping:
            asyncio.get_running_loop().call_later(_RETRY_S, self._again)

    def _again(self) -> None:
        if not self.stopping and len(self._all) + self._opening < self._users:
            self.open()
