"""Both models for clients of any protocol, and for coroutines: each user is a task.

Several times as costly a request as connections that are driven by hand (`open_model`, `closed_model`), and as honest: due, sent and done
are told apart in the same way.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Awaitable, Callable, Collection, Coroutine, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..arrivals.errors import ERRORS
from ..arrivals.timer import AbsoluteTimer
from ..clients.protocol import Connect, Failure
from .arriving import Arrivals
from .closed_model import GRACE_NS
from .complaints import Complaints
from .recording import Recorder
from .users import TIMEOUT, Halted, User

CAPACITY = ERRORS.index("capacity")
_RETRY_S = 0.01
_RETRIES_A_SECOND = 1000


@dataclass(frozen=True, kw_only=True)
class TaskOrders:
    """What users do. `act`: once through; `connections`: at most so many users at once; times in ns."""

    act: Callable[[User], Awaitable[object]]
    connect: Connect
    tag: Callable[[str], int]
    timeout_ns: int
    connections: int
    accept: Collection[int] = ()
    think_ns: int = 0
    lifo: bool = True


class Tasks:
    """Base of both models: users, what became of their visits, and the end."""

    def __init__(self, orders: TaskOrders, recorder: Recorder) -> None:
        self.orders = orders
        self.recorder = recorder
        self.timeout_ns = orders.timeout_ns
        self.accept = orders.accept
        self.tag = orders.tag
        self.halted = False
        self.complaints = Complaints()
        self.crowd: list[User] = []
        # Of a closed model: asked for now; the most that were; the most that were connected.
        self.users = self.asked = self.reached = 0
        self._tasks: set[asyncio.Task[None]] = set()

    def further(self, due: int) -> None:
        """A script asks for more: counted where arrivals are."""

    def _new(self) -> User:
        user = User(len(self.crowd), self.orders.connect(), self)
        self.crowd.append(user)
        return user

    def over(self, user: User) -> bool:
        """It asks nothing further."""
        return self.halted

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _visit(self, user: User, due: int) -> bool:
        """Once through; whether it went well."""
        user.begin(due)
        began = due or time.monotonic_ns()
        try:
            await self.orders.act(user)
            if not user.asked:
                raise ValueError("the script asked nothing")
        except Failure:
            return False  # counted where it happened
        except (Halted, asyncio.CancelledError) as end:
            user.settle()  # its last answer was good
            if not user.asked and due:
                self.recorder.error(TIMEOUT, due)
            if not isinstance(end, Halted):
                raise
            return True
        except Exception as error:  # noqa: BLE001 - its assertion, or its bug
            self.complaints.keep(error)
            user.spoil(began)
            return False
        finally:
            user.busy = False  # also where nothing was asked
        user.settle()
        return True

    def sweep(self) -> None:
        """Fold the figures; each 100 ms."""
        self.recorder.fold(time.monotonic_ns(), self.in_flight)

    @property
    def in_flight(self) -> int:
        """Requests that have not ended."""
        return sum(u.busy for u in self.crowd)

    @property
    def connected(self) -> int:
        """Users with a connection."""
        return sum(u.connected for u in self.crowd)

    async def close(self) -> None:
        """End all; what has not ended by now has failed."""
        self.halted = True
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await asyncio.gather(*(u.client.close() for u in self.crowd), return_exceptions=True)


class OpenTasks(Tasks):
    """A user for each arrival: one that is idle, or a new one, or the arrival waits for one, and its response time with it."""

    def __init__(
        self, orders: TaskOrders, recorder: Recorder, schedule: Iterator[NDArray[np.int64]], start_ns: int, rate: float
    ) -> None:
        super().__init__(orders, recorder)
        self._idle: deque[User] = deque()
        self._take_idle = self._idle.pop if orders.lifo else self._idle.popleft
        self._backlog: deque[int] = deque()
        self._arrivals = Arrivals(schedule, start_ns, rate, recorder, self._arrive)

    def connect(self) -> None:
        """Nothing: users come with their arrivals."""

    def start(self) -> None:
        """Begin with the first arrival."""
        self._arrivals.start()

    def halt(self) -> None:
        """No further arrival after what is due by now."""
        self._arrivals.halt()
        self.halted = True

    def further(self, due: int) -> None:
        self.recorder.further.append(due)

    def _arrive(self, due: int, now: int) -> None:
        if self._idle:
            user = self._take_idle()
        elif len(self.crowd) < self.orders.connections:
            user = self._new()
        else:
            self._backlog.append(due)
            return
        user.busy = True  # its task has yet to begin
        self._spawn(self._serve(user, due))

    async def _serve(self, user: User, due: int) -> None:
        while True:
            await self._visit(user, due)
            if not self._backlog:
                self._idle.append(user)
                return
            due = self._backlog.popleft()

    def sweep(self) -> None:
        self._arrivals.count()
        self._overdue(time.monotonic_ns() - self.timeout_ns)
        super().sweep()

    def _overdue(self, late: int) -> None:
        while self._backlog and self._backlog[0] <= late:
            self.recorder.error(CAPACITY, self._backlog.popleft())

    @property
    def in_flight(self) -> int:
        return super().in_flight + len(self._backlog)

    async def close(self) -> None:
        await super().close()
        self._overdue(time.monotonic_ns())


class ClosedTasks(Tasks):
    """N users, who ask, think, and ask again. After a failure a user waits 10 ms, or longer where there are many.

    `changes`: as ClosedModel has it. Who is to leave ends a request first; who comes back is the same user.
    """

    def __init__(
        self, orders: TaskOrders, recorder: Recorder, users: int, changes: Sequence[tuple[int, int]] = ()
    ) -> None:
        super().__init__(orders, recorder)
        self.users = self.asked = changes[0][1] if changes else users
        self._changes = deque(changes[1:])
        self._timer = AbsoluteTimer(self._change) if self._changes else None
        self._rises: deque[tuple[int, int]] = deque()  # as in ClosedModel
        self._here: set[int] = set()  # numbers of users whose task runs
        self._go = asyncio.Event()
        self._retry_s = max(_RETRY_S, users / _RETRIES_A_SECOND)

    def over(self, user: User) -> bool:
        return self.halted or user.number >= self.users

    def connect(self) -> None:
        """Have all users connect, and wait."""
        self._come(self.users)

    def start(self) -> None:
        """Let all begin: at once, or spread over the time that they think, as people are."""
        self._go.set()
        if self._timer is not None:
            self._timer.at(self._changes[0][0])

    def halt(self) -> None:
        """Nobody asks anything new."""
        self.halted = True
        self._rises.clear()
        self._go.set()
        if self._timer is not None:
            self._timer.close()
            self._timer = None

    def _change(self) -> None:
        """As many users as there are to be now."""
        now = time.monotonic_ns()
        while self._changes and self._changes[0][0] <= now:
            _, users = self._changes.popleft()
            before, self.users = self.users, users
            if users > before:
                self._rises.append((now, users))
                self._come(users - before)
            else:
                self.asked = max(self.asked, before)
                self._rises.clear()
        if self._changes and self._timer is not None:
            self._timer.at(self._changes[0][0])

    def _come(self, more: int) -> None:
        missing = [n for n in range(self.users) if n not in self._here]
        for place, number in enumerate(missing):
            while number >= len(self.crowd):
                self._new()
            self._here.add(number)
            self._spawn(self._live(self.crowd[number], place / max(1, more)))

    async def _live(self, user: User, place: float) -> None:
        """`place`: in the time that they think, 0 to 1."""
        think = self.orders.think_ns / 1e9
        try:
            async with asyncio.timeout(self.timeout_ns / 1e9):
                await user.client.connect()
            user.connected = user.client.connected
        except (Failure, TimeoutError):
            await user.client.close()  # its first request will say so
        await self._go.wait()
        await asyncio.sleep(think * place)
        while not self.over(user):
            well = await self._visit(user, 0)
            await asyncio.sleep(think if well else max(think, self._retry_s))
        self._here.discard(user.number)
        if not self.halted:
            user.connected = False
            await user.client.close()

    def sweep(self) -> None:
        self.reached = max(self.reached, min(self.connected, self.users))
        late = time.monotonic_ns() - GRACE_NS
        while self._rises and self._rises[0][0] <= late:
            self.asked = max(self.asked, self._rises.popleft()[1])
        super().sweep()
