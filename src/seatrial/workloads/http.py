"""The connections of a workload over HTTP/1.1: one request in flight on each; the last one used is used first."""

from __future__ import annotations

import asyncio
import time
import zlib
from collections.abc import Callable
from typing import cast

from ..clients.http1 import EXCESS, PROTOCOL, TIMEOUT, Connection, Likenesses, ReadingConnection, Way, connect

Answered = Callable[[int, int, bool], None]  # HTTP status (0: none), error code, whether the request had been written


class Line(Connection):
    """A connection, and what to call, once, when its request has ended."""

    __slots__ = ("deadline_ns", "finished")

    def __init__(self, pool: Pool) -> None:
        super().__init__(pool)
        self.deadline_ns = 0
        self.finished: Answered | None = None


class ReadingLine(ReadingConnection):
    """The same, and the bodies of its answers are looked at."""

    __slots__ = ("deadline_ns", "finished")

    def __init__(self, pool: Pool) -> None:
        super().__init__(pool)
        self.deadline_ns = 0
        self.finished: Answered | None = None


class Pool:
    """clients.http1.Driver of the connections to one address. `reading`: `answer` stands for the body of the answer that came last."""

    def __init__(self, way: Way, *, reading: bool = False) -> None:
        self.likenesses = Likenesses()
        self.answer = 0
        self._line: type[Line | ReadingLine] = ReadingLine if reading else Line
        self._way = way
        self._idle: list[Line | ReadingLine] = []
        self._busy: set[Line | ReadingLine] = set()
        self._tasks: set[asyncio.Task[None]] = set()

    def request(self, data: bytes, deadline_ns: int, finished: Answered) -> None:
        """Send on an idle connection, or on a new one."""
        while self._idle:
            line = self._idle.pop()
            if line.alive and line.transport is not None and not line.transport.is_closing():
                self._send(line, data, deadline_ns, finished)
                return
        task = asyncio.get_running_loop().create_task(self._connect(data, deadline_ns, finished))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _connect(self, data: bytes, deadline_ns: int, finished: Answered) -> None:
        line = self._line(self)
        error = await connect(self._way, line, max(0, deadline_ns - time.monotonic_ns()))
        if line.alive and not error:
            self._send(line, data, deadline_ns, finished)
            return
        line.close()
        finished(0, error or PROTOCOL, False)

    def _send(self, line: Line | ReadingLine, data: bytes, deadline_ns: int, finished: Answered) -> None:
        line.finished, line.deadline_ns = finished, deadline_ns
        line.busy, line.bodiless = True, data.startswith(b"HEAD ")
        self._busy.add(line)
        line.write(data)

    # -- clients.http1.Driver

    @property
    def answered(self) -> Callable[[Connection, bytes], None]:
        """An answer is whole; who it is of needs its status only."""
        return self._answered

    def _answered(self, connection: Connection, last: bytes) -> None:
        line = cast("Line | ReadingLine", connection)
        status, line.status = line.status, 0
        if isinstance(line, ReadingLine):
            self.answer = zlib.crc32(line.take(status, last).body) or 1
        if not line.busy or status == EXCESS:
            line.fail(PROTOCOL)
            return
        if line.keep:
            self._idle.append(line)
        self._end(line, status, 0)
        if not line.keep:
            line.close()

    def ready(self, connection: Connection) -> None:
        """A connection is there."""
        connection.alive = True

    def lost(self, connection: Connection, error: int) -> None:
        """It is gone, and what was in flight on it has failed."""
        connection.alive = False
        if connection.busy:
            self._end(cast("Line | ReadingLine", connection), 0, error)

    def _end(self, line: Line | ReadingLine, status: int, error: int) -> None:
        line.busy = False
        self._busy.discard(line)
        finished, line.finished = line.finished, None
        if finished is not None:
            finished(status, error, True)

    def sweep(self, now_ns: int) -> None:
        """End what is over its time; one pass for all is cheaper than a timer for each."""
        for line in [line for line in self._busy if line.deadline_ns <= now_ns]:
            line.fail(TIMEOUT)

    def close(self) -> None:
        """Close everything."""
        for line in [*self._idle, *self._busy]:
            line.close()
        for task in self._tasks:
            task.cancel()
