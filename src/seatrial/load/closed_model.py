"""The closed model: users who wait for their answers."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Callable, Sequence
from typing import cast

from ..arrivals.timer import AbsoluteTimer
from ..clients.http1 import CLOSED, TIMEOUT, Connection, ReadingConnection, Visit
from .driving import Generator, Orders, Waiting
from .recording import Recorder
from .scripts import Pause, Prepared

_RETRY_S = 0.01
_RETRIES_A_SECOND = 1000
GRACE_NS = 1_000_000_000  # so long a user who was asked for later on may take to connect


class ClosedModel(Generator):
    """N users, each with a connection of its own, who send, wait for the answer, think, and send again.

    A user whose connection failed tries again after 10 ms, or later where there are many: all together 1,000 times a second.
    Where their number changes, `changes` says when (ns of CLOCK_MONOTONIC, the first at the start) and how many there are from then on;
    who has to leave ends a request first.
    """

    def __init__(self, orders: Orders, recorder: Recorder, users: int, changes: Sequence[tuple[int, int]] = ()) -> None:
        super().__init__(orders, recorder)
        self.users = changes[0][1] if changes else users
        self._changes = deque(changes[1:])
        self._timer = AbsoluteTimer(self._change) if self._changes else None
        self._running = False
        self._retry_s = max(_RETRY_S, users / _RETRIES_A_SECOND)
        self._standing: list[Connection] = []
        self._resting = 0  # users who try again later
        self._newcomers: deque[float] = deque()  # when each begins (s from when it is connected), where users think
        self._pending: deque[Waiting] = deque()  # scripts that go on when there is a connection again
        self._bereft = 0  # users who pause, and whose connection is gone meanwhile
        self._spare: list[Connection] = []  # new ones for them
        self._rises: deque[tuple[int, int]] = deque()  # when more were asked for lately, and how many there were to be
        self.asked = self.users
        if orders.take is not None and not orders.think_ns and not orders.bodiless:
            recorder.prompt = True
            self.answered = self._brisk(orders.take)
        elif orders.take is None and not orders.think_ns:
            self._crew.pause = False
            self.answered = self._brisk_script()

    def _brisk(self, take: Callable[[], Prepared]) -> Callable[[Connection, bytes], None]:
        """The hot path, of users who do not think: they ask again at once. It does what `_answer`, `_judge`, `free` and `send` do, in
        one call and for good answers only.
        """
        good, sent, done, now_ns = self._good, self._sent, self._done, time.monotonic_ns
        tag = self._recorder.tags.append if self._tagged else None
        only = None if self._tagged else take()

        def answered(connection: Connection, last: bytes) -> None:
            status = connection.status
            if not (status == 200 or good[status]) or not connection.keep or not connection.busy or self.leaving:
                self._answer(connection, last)
                return
            now = now_ns()
            connection.status = 0
            sent(connection.sent)
            done(now)
            if tag is not None:
                tag(connection.tag)
            connection.intended = connection.sent = now
            data, connection.tag = only or take()
            write = connection.write
            write(data)

        return answered

    def _brisk_script(self) -> Callable[[Connection, bytes], None]:
        """The same for users with a script: `_follow` in addition, one time through the script after the other."""
        good, due, sent, done, now_ns = self._good, self._due, self._sent, self._done, time.monotonic_ns
        tag, prepare = self._recorder.tags.append, self._orders.write

        def answered(connection: ReadingConnection, last: bytes) -> None:
            status, visit = connection.status, connection.visit
            if (
                not (status == 200 or good[status])
                or visit is None
                or not connection.keep
                or not connection.busy
                or self.leaving
            ):
                self._answer(connection, last)
                return
            now = now_ns()
            connection.status = 0
            try:
                send = visit.send
                asked = send(connection.take(status, last))
                data = asked.data
                if not data:
                    if isinstance(asked, Pause):
                        self._judge(connection, now, 0)
                        self.rest(connection, visit, asked.ns)
                        return
                    data = prepare(asked)[0]
            except Exception as raised:  # noqa: BLE001 - its assertion, or its bug
                self._broke(connection, visit, raised, 0, now)
                return
            visit.asked = asked
            due(connection.intended)
            sent(connection.sent)
            done(now)
            tag(connection.tag)
            connection.intended = connection.sent = now
            connection.tag, connection.bodiless = asked.tag_number, asked.bodiless
            write = connection.write
            write(data)

        return cast("Callable[[Connection, bytes], None]", answered)

    def connect(self) -> None:
        """Open a connection for each user."""
        for _ in range(self.users):
            self.open()

    def start(self) -> None:
        """Let all begin: at once, or spread over the time that they think, as people are."""
        self._running = True
        if self._timer is not None:
            self._timer.at(self._changes[0][0])
        standing, self._standing = self._standing, []
        loop, think = asyncio.get_running_loop(), self._orders.think_ns / 1e9
        for number, connection in enumerate(standing):
            if think:
                loop.call_later(think * number / len(standing), self._act, connection)
            else:
                self._act(connection)

    def halt(self) -> None:
        """Nobody sends anything new."""
        self.halted = self.leaving = True
        while self._pending:
            self._back(self._pending.popleft()[3])  # nothing was sent
        self._rises.clear()
        if self._timer is not None:
            self._timer.close()
            self._timer = None

    def _change(self) -> None:
        """As many users as there are to be now."""
        now = time.monotonic_ns()
        while self._changes and self._changes[0][0] <= now:
            _, users = self._changes.popleft()
            more, self.users = users - self.users, users
            if more > 0:
                self._rises.append((now, users))
                self._come(more)
            else:
                self.asked = max(self.asked, users - more)
                self._rises.clear()
                self._go()
        if self._changes and self._timer is not None:
            self._timer.at(self._changes[0][0])

    def _come(self, more: int) -> None:
        """Those who were about to leave stay; the others connect, and begin as at the start."""
        missing = min(more, self.users - len(self._all) - self._opening - self._resting)
        think = self._orders.think_ns / 1e9
        self._newcomers.extend(think * n / missing for n in range(missing if think else 0))
        self.leaving = len(self._all) > self.users
        for _ in range(missing):
            self.open()

    def _go(self) -> None:
        """Who has no request goes at once, the others when theirs has ended."""
        self._newcomers.clear()
        surplus = len(self._all) + self._opening + self._resting - self.users
        for _ in range(min(surplus, len(self._pending))):
            self._back(self._pending.popleft()[3])
        idle = [
            c for c in self._all if not c.busy and c.visit is None and c not in self._spare
        ]  # who pauses asks once more
        for connection in idle[: max(0, len(self._all) - self.users)]:
            self._retire(connection)
        self.leaving = len(self._all) > self.users

    def _retire(self, connection: Connection) -> None:
        connection.alive = False
        self._all.discard(connection)
        self._recorder.size += connection.size
        connection.close()
        self.leaving = self.halted or len(self._all) > self.users

    def ready(self, connection: Connection) -> None:
        super().ready(connection)
        self.reached = max(self.reached, min(len(self._all), self.users))

    def free(self, connection: Connection) -> None:
        if not self._running:
            self._standing.append(connection)
        elif len(self._all) > self.users:
            self._retire(connection)
        elif self._pending:
            self.send(connection, self._pending.popleft(), time.monotonic_ns())
        elif self._bereft:
            self._bereft -= 1
            self._spare.append(connection)
        elif self._newcomers:
            asyncio.get_running_loop().call_later(self._newcomers.popleft(), self._act, connection)
        elif self._orders.think_ns:
            asyncio.get_running_loop().call_later(self._orders.think_ns / 1e9, self._act, connection)
        else:
            self._act(connection)

    def _act(self, connection: Connection) -> None:
        if self.halted or not connection.alive:
            return
        now = time.monotonic_ns()
        waiting = self.begin(now)
        if waiting is not None:
            self.send(connection, waiting, now)
        else:
            asyncio.get_running_loop().call_later(self._retry_s, self._act, connection)

    def elsewhere(self, waiting: Waiting) -> None:
        self._pending.append(waiting)

    def rest(self, connection: Connection, visit: Visit, ns: int) -> None:
        """The connection waits with its user."""
        connection.visit, connection.busy = visit, False
        if not connection.keep:
            connection.fail(CLOSED)
        asyncio.get_running_loop().call_later(ns / 1e9, self._wake, connection, visit)

    def _wake(self, connection: Connection, visit: Visit) -> None:
        if self.halted:
            return
        own: Connection | None = connection if connection.alive and connection.visit is visit else None
        if own is None and self._spare:
            own = self._spare.pop()
        if (
            own is None and self._bereft > self._opening + self._resting
        ):  # none comes for it: it is one of those who leave
            self._bereft -= 1
            self._back(visit)
            return
        waiting = self.resume(visit, time.monotonic_ns())
        if own is not None and waiting is not None and waiting[1]:
            self.send(own, waiting, waiting[0])
        elif own is not None and waiting is not None:
            self.rest(own, visit, waiting[0] - time.monotonic_ns())
        elif own is not None:
            self._leave(own)
        elif waiting is not None and not waiting[1]:
            asyncio.get_running_loop().call_later(waiting[0] / 1e9 - time.monotonic(), self._wake, connection, visit)
        else:
            self._bereft -= 1
            if waiting is not None:
                self._pending.append(waiting)

    def lost(self, connection: Connection, error: int) -> None:
        if connection.alive and connection in self._spare:
            self._spare.remove(connection)
            self._bereft += 1
        elif connection.alive and connection.visit is not None and not connection.busy:
            self._bereft += 1
        super().lost(connection, error)

    def gone(self, connection: Connection, failed: bool) -> None:
        self.leaving = self.halted or len(self._all) > self.users
        if failed:
            self._rest()
        else:
            self._fill()

    def unreachable(self, error: int, began: int) -> None:
        """The user tries again soon: each try that fails is a request that failed."""
        if self._pending:
            self.drop(self._pending.popleft(), error)
        elif self._running and not self.halted:
            self._recorder.error(error, began)
        self._rest()

    def _rest(self) -> None:
        self._resting += 1
        asyncio.get_running_loop().call_later(self._retry_s, self._rested)

    def _rested(self) -> None:
        self._resting -= 1
        self._fill()

    def _fill(self) -> None:
        if not self.halted and len(self._all) + self._opening + self._resting < self.users:
            self.open()

    def sweep(self) -> None:
        late = time.monotonic_ns() - GRACE_NS
        while self._rises and self._rises[0][0] <= late:
            self.asked = max(self.asked, self._rises.popleft()[1])
        super().sweep()

    def overdue(self, late: int) -> None:
        while self._pending and self._pending[0][0] <= late:
            self.drop(self._pending.popleft(), TIMEOUT)

    async def close(self) -> None:
        await super().close()
        self.overdue(time.monotonic_ns())

    @property
    def in_flight(self) -> int:
        return super().in_flight + len(self._pending)
