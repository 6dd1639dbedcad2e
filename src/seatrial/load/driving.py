"""Drives connections: what both models share. They are in `open_model` and `closed_model`."""

from __future__ import annotations

import asyncio
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Collection
from dataclasses import dataclass

from ..arrivals.errors import ERRORS
from ..clients.http1 import (
    CLOSED,
    EXCESS,
    PROTOCOL,
    TIMEOUT,
    Answer,
    Connection,
    Flow,
    Likenesses,
    ReadingConnection,
    Visit,
    Way,
    connect,
)
from .complaints import Complaints
from .recording import Recorder
from .scripts import ENDED, Crew, Pause, Prepared, Ready, Scripted

CLIENT_ERROR, SERVER_ERROR, CAPACITY = (ERRORS.index(e) for e in ("status-4xx", "status-5xx", "capacity"))
SWEEP_S = 0.1
Waiting = tuple[
    int, bytes, int, "Visit | None"
]  # when it was due, the request (b"": a pause until then), its tag, its script


@dataclass(frozen=True, kw_only=True)
class Orders:
    """What a generator is to do. Times in ns of CLOCK_MONOTONIC.

    `take` draws the next request; `crew`, instead, are those who follow a script, and `write` makes the bytes of what that asks.
    `connections`: at most so many. `bodiless`: a request may be a HEAD.
    """

    ways: tuple[Way, ...]
    take: Callable[[], Prepared] | None
    crew: Crew | None
    write: Callable[[Ready], Prepared]
    timeout_ns: int
    connections: int
    accept: Collection[int] = ()
    lifo: bool = True
    think_ns: int = 0
    bodiless: bool = False


def _nothing() -> Flow:
    raise ValueError("neither requests nor a script")


class Generator(ABC):
    """Base of both models: connections, what to do with an answer, time-outs.

    Every request ends once: `_judge` or `fail` counts it. `answered` is what a connection calls.
    """

    def __init__(self, orders: Orders, recorder: Recorder) -> None:
        self._orders = orders
        self._recorder = recorder
        self._all: set[Connection] = set()
        self._opening = 0
        self._next_way = 0
        self._good = bytearray(EXCESS + 1)
        for status in (*range(200, 400), *orders.accept):
            self._good[status] = 1
        self._made = ReadingConnection if orders.crew is not None else Connection
        self._heads = orders.bodiless or orders.crew is not None
        self._due, self._sent, self._done = recorder.due_at.append, recorder.sent_at.append, recorder.done_at.append
        self._tagged = recorder.tagged
        self._crew: Crew = orders.crew or Scripted(_nothing)
        self._tasks: set[asyncio.Task[None]] = set()
        self.likenesses = Likenesses()
        self.complaints = Complaints()
        self.answered: Callable[[Connection, bytes], None] = self._answer
        self.halted = False  # nothing new begins
        self.leaving = False  # there are more users than asked for: the next ones that have their answer go
        # Of a closed model: asked for now; the most that were; the most that were connected.
        self.users = self.asked = self.reached = 0
        self._closed = False

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
        began = time.monotonic_ns()
        connection = self._made(self)
        error = await connect(way, connection, self._orders.timeout_ns)
        if connection.transport is None:  # else it has reported itself ready
            self._opening -= 1
            self.unreachable(error or CLOSED, began)
        elif error:
            connection.fail(error)

    def ready(self, connection: Connection) -> None:
        """A connection is there."""
        self._opening -= 1
        if self._closed:
            connection.close()
            return
        connection.alive = True
        self._all.add(connection)
        self.free(connection)

    def lost(self, connection: Connection, error: int) -> None:
        """A connection is gone; what was in flight on it failed."""
        if not connection.alive:
            return
        connection.alive = False
        self._all.discard(connection)
        self._recorder.size += connection.size
        failed, connection.busy = connection.busy, False
        visit, connection.visit = connection.visit, None
        if failed:
            self._recorder.error(error, connection.intended, connection.tag)
            self._back(visit)
        self.gone(connection, failed)

    # -- requests

    def begin(self, due: int) -> Waiting | None:
        """What the next user, or arrival, asks first. None: its script failed, or asks nothing; that is counted."""
        take = self._orders.take
        if take is not None:
            data, tag = take()
            return due, data, tag, None
        visit = self._crew.next()
        try:
            asked = visit.send(None)
            if isinstance(asked, Pause):
                raise ValueError("a script begins with a request")
            data, tag = self._orders.write(asked)
        except Exception as error:  # noqa: BLE001 - a script may do anything
            self._recorder.error(self.complaints.keep(error), due)
            self._back(visit)
            return None
        visit.asked = asked
        return due, data, tag, visit

    def resume(self, visit: Visit, now: int) -> Waiting | None:
        """What comes after a pause: a request, another pause (without bytes), or None: it has ended, or failed, and that is counted."""
        try:
            asked = visit.send(None)
            if isinstance(asked, Pause):
                return now + asked.ns, b"", 0, visit
            if asked is not ENDED:
                data, tag = self._orders.write(asked)
        except Exception as error:  # noqa: BLE001 - a script may do anything
            self.further(now)
            self._recorder.error(self.complaints.keep(error), now)
            self._back(visit)
            return None
        if asked is ENDED:
            self._crew.back(visit, failed=False)
            return None
        visit.asked = asked
        self.further(now)
        return now, data, tag, visit

    def drop(self, waiting: Waiting, error: int) -> None:
        """What waited for a connection has failed."""
        due, _, tag, visit = waiting
        self._recorder.error(error, due, tag)
        self._back(visit)

    def _back(self, visit: Visit | None) -> None:
        if visit is not None:
            self._crew.back(visit, failed=True)

    def send(self, connection: Connection, waiting: Waiting, now: int) -> None:
        """Send on a free connection."""
        connection.intended, data, connection.tag, connection.visit = waiting
        connection.sent = now
        connection.busy = True
        if self._heads:
            connection.bodiless = data.startswith(b"HEAD ")
        write = connection.write
        write(data)

    def _answer(self, connection: Connection, last: bytes) -> None:
        """An answer is whole."""
        status, connection.status = connection.status, 0
        if not connection.busy or status == EXCESS:
            connection.fail(PROTOCOL)
            return
        now = time.monotonic_ns()
        error = 0 if self._good[status] else CLIENT_ERROR if status < 500 else SERVER_ERROR
        if connection.visit is not None and isinstance(connection, ReadingConnection):
            self._follow(connection, connection.visit, connection.take(status, last), error, now)
            return
        self._judge(connection, now, error)
        self._leave(connection)

    def _judge(self, connection: Connection, now: int, error: int) -> None:
        if error:
            self._recorder.error(error, connection.intended, connection.tag)
            return
        due, sent, done = self._due, self._sent, self._done
        if not self._recorder.prompt:
            due(connection.intended)
        sent(connection.sent)
        done(now)
        if self._tagged:
            self._recorder.tags.append(connection.tag)

    def _leave(self, connection: Connection) -> None:
        """Its request has ended."""
        connection.visit = None
        connection.busy = False
        if connection.keep:
            self.free(connection)
        else:
            connection.fail(CLOSED)

    def _follow(self, connection: Connection, visit: Visit, answer: Answer, error: int, now: int) -> None:
        """The script looks at the answer, and says what comes next."""
        if answer.status in visit.asked.accept:
            error = 0
        try:
            asked = visit.send(answer)
            pause = asked.ns if isinstance(asked, Pause) else None
            if asked is not ENDED and pause is None:
                data, tag = self._orders.write(asked)
        except Exception as raised:  # noqa: BLE001 - its assertion, or its bug
            self._broke(connection, visit, raised, error, now)
            return
        self._judge(connection, now, error)
        if asked is ENDED or self.halted or self.leaving:
            self._crew.back(visit, failed=asked is not ENDED)
            self._leave(connection)
            return
        if pause is not None:
            self.rest(connection, visit, pause)
            return
        visit.asked = asked
        self.further(now)
        if connection.keep:
            self.send(connection, (now, data, tag, visit), now)
        else:
            self._leave(connection)
            self.elsewhere((now, data, tag, visit))

    def _broke(self, connection: Connection, visit: Visit, raised: Exception, error: int, now: int) -> None:
        """A script failed: with it the request whose answer it saw, or, when it had begun anew, one that was never sent."""
        code = self.complaints.keep(raised)
        if visit.asked is None:
            self._judge(connection, now, error)
            self.further(now)
            self._recorder.error(code, now)
        else:
            self._judge(connection, now, code)
        self._back(visit)
        self._leave(connection)

    def sweep(self) -> None:
        """End what is over its time, fold the figures; each 100 ms."""
        now = time.monotonic_ns()
        late = now - self._orders.timeout_ns
        for connection in [c for c in self._all if c.busy and c.intended <= late]:
            connection.fail(TIMEOUT)
        self.overdue(late)
        for connection in self._all:
            self._recorder.size += connection.size
            connection.size = 0
        self._recorder.fold(now, self.in_flight)

    @property
    def in_flight(self) -> int:
        """Requests that have not ended."""
        return sum(c.busy for c in self._all)

    @property
    def connected(self) -> int:
        """Connections that are open."""
        return len(self._all)

    async def close(self) -> None:
        """Close everything; what has not ended by now has failed."""
        self._closed = self.halted = True
        for connection in list(self._all):
            connection.fail(TIMEOUT)
        for task in self._tasks:
            task.cancel()

    # -- what the models decide

    @abstractmethod
    def free(self, connection: Connection) -> None:
        """A connection has nothing to do."""

    @abstractmethod
    def elsewhere(self, waiting: Waiting) -> None:
        """A script goes on, but not on the connection that it had."""

    @abstractmethod
    def rest(self, connection: Connection, visit: Visit, ns: int) -> None:
        """A script pauses, after an answer on this connection."""

    def further(self, due: int) -> None:  # noqa: B027 - a closed model counts no arrivals
        """A script asks for more."""

    @abstractmethod
    def gone(self, connection: Connection, failed: bool) -> None:
        """A connection was lost, and a request with it if `failed`."""

    @abstractmethod
    def unreachable(self, error: int, began: int) -> None:
        """A connection that was tried at a moment could not be made."""

    @abstractmethod
    def overdue(self, late: int) -> None:
        """What was due before that and waits for a connection has failed."""
