"""The driver over `seatrial.clients`: a task for each connection, which takes one operation after another."""

from __future__ import annotations

import asyncio
import time
from collections import Counter, deque
from collections.abc import Mapping
from typing import Any

from ..arrivals.errors import ERRORS
from ..arrivals.records import FAIL, OK, UNKNOWN
from ..clients import connector
from ..clients.protocol import Access, Client, Failure
from .driving import Finished
from .requests import OperationPattern

_TIMEOUT, _PROTOCOL = ERRORS.index("timeout"), ERRORS.index("protocol")
_SPACE_NS = 2_000_000  # between two connections that are begun: one may cost milliseconds of CPU
_SPACE_FAILING_NS = 20_000_000
FINDING_NS = 50_000_000  # a service that is back is found so much later at most: that space, and connecting
_FIRST, _FIRST_S = 4, 2.0
_MESSAGES, _TOLD = 50, 3
_Wanted = tuple[int, int, Finished, int]  # number, deadline, whom to tell, since when


class ClientDriver:
    """workloads.driving.Driver. The connection used last is used first; what finds none waits for one that is free, or for a new one.

    Not begun when its time is over: FAIL. Begun, and not answered in time: UNKNOWN, and the connection is closed. While nobody can be
    connected to there are at most 50 attempts a second, and all that waited when one began share its fate.
    """

    def __init__(self, config: Mapping[str, Any]) -> None:
        """Raises ImportError, saying what to install."""
        arguments, prefix = dict(config["arguments"]), config["prefix"]
        known = dict(config["parameters"])
        if "database" in arguments:
            known["database"] = str(arguments.pop("database"))
        self._connect = connector(config["verb"])(Access(urls=tuple(config["urls"]), parameters=known))
        self._pattern = OperationPattern(config["what"], arguments, prefix)
        self._most: int = config["in_flight"]
        self._idle: list[asyncio.Future[_Wanted]] = []
        self._waiting: deque[_Wanted] = deque()
        self._seats: set[asyncio.Task[None]] = set()
        self._failing = False
        self._next_ns = 0
        self._growing: asyncio.Handle | None = None
        self._messages: Counter[str] = Counter()

    def attempt(self, number: int, deadline_ns: int, finished: Finished) -> None:
        """workloads.driving.Driver."""
        wanted = (number, deadline_ns, finished, time.monotonic_ns())
        if self._idle:
            self._idle.pop().set_result(wanted)
            return
        self._waiting.append(wanted)
        if self._growing is None:
            self._growing = asyncio.get_running_loop().call_soon(self._grow)

    def _grow(self) -> None:
        """A new connection for what waits longest; the next one a little later."""
        self._growing = None
        if not self._waiting or len(self._seats) >= self._most:
            return
        now = time.monotonic_ns()
        if now >= self._next_ns:
            self._next_ns = now + (_SPACE_FAILING_NS if self._failing else _SPACE_NS)
            self._seat(self._connect(), self._waiting.popleft())
        if self._waiting:
            left = max(0.0, (self._next_ns - time.monotonic_ns()) / 1e9)
            self._growing = asyncio.get_running_loop().call_later(left, self._grow)

    def _seat(self, client: Client, wanted: _Wanted | None) -> None:
        seat = asyncio.create_task(self._serve(client, wanted))
        self._seats.add(seat)
        seat.add_done_callback(self._ended)

    async def prepare(self) -> None:
        """workloads.driving.Driver: a few connections, each of which waits for its first operation."""
        clients = [self._connect() for _ in range(min(_FIRST, self._most))]
        connecting = [asyncio.create_task(c.connect()) for c in clients]
        await asyncio.wait(connecting, timeout=_FIRST_S)
        for client, task in zip(clients, connecting, strict=True):
            if task.done() and task.exception() is None:
                self._seat(client, None)
            else:
                task.cancel()
                await asyncio.gather(task, return_exceptions=True)
                await client.close()

    def _ended(self, seat: asyncio.Task[None]) -> None:
        self._seats.discard(seat)
        if self._waiting and self._growing is None:
            self._grow()

    async def _serve(self, client: Client, wanted: _Wanted | None) -> None:
        try:
            while wanted is None or await self._one(client, wanted):
                wanted = self._waiting.popleft() if self._waiting else await self._given()
        finally:
            await client.close()

    def _given(self) -> asyncio.Future[_Wanted]:
        future: asyncio.Future[_Wanted] = asyncio.get_running_loop().create_future()
        self._idle.append(future)
        return future

    async def _one(self, client: Client, wanted: _Wanted) -> bool:
        """One operation; whether the client is of further use."""
        number, deadline_ns, finished, _ = wanted
        sent, began = False, time.monotonic_ns()
        try:
            async with asyncio.timeout((deadline_ns - time.monotonic_ns()) / 1e9):
                await client.connect()
                sent = True
                await client.call(self._pattern.of(number))
        except TimeoutError:
            self._note("no answer in time" if sent else "no connection in time")
            self._failing = self._failing or not sent
            finished(UNKNOWN if sent else FAIL, _TIMEOUT, 0)
            return False
        except Failure as failure:
            self._note(str(failure))
            finished(FAIL if failure.happened is False else UNKNOWN, failure.code, 0)
            if not sent:
                self._unreachable(failure, began)
            return not failure.lost
        except Exception as error:  # noqa: BLE001 - a library's mistake is no reason to lose the record
            self._note(f"{type(error).__name__}: {error}")
            finished(UNKNOWN if sent else FAIL, _PROTOCOL, 0)
            return False
        self._failing = False
        finished(OK, 0, 0)
        return True

    def _unreachable(self, failure: Failure, began: int) -> None:
        shared, self._failing = self._failing, True
        waiting = self._waiting
        while shared and waiting and waiting[0][3] <= began:
            self._note(str(failure))
            waiting.popleft()[2](FAIL, failure.code, 0)

    def _note(self, message: str) -> None:
        if message in self._messages or len(self._messages) < _MESSAGES:
            self._messages[message] += 1

    def sweep(self, now_ns: int) -> None:
        """workloads.driving.Driver: what never got a connection."""
        waiting = self._waiting
        while waiting and waiting[0][1] <= now_ns:
            self._note("no connection in time")
            waiting.popleft()[2](FAIL, _TIMEOUT, 0)

    async def close(self) -> None:
        """workloads.driving.Driver."""
        if self._growing is not None:
            self._growing.cancel()
        self._waiting.clear()
        for seat in self._seats:
            seat.cancel()
        await asyncio.gather(*self._seats, return_exceptions=True)

    @property
    def complaints(self) -> list[str]:
        """workloads.driving.Driver."""
        return [f"{count}x {message[:200]}" for message, count in self._messages.most_common(_TOLD)]
