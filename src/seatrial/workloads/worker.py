"""The process of a workload: sends what is due, when it is due, and records what became of it.

Its configuration is the first line of standard input, orders are further lines (`stop`); events go to standard output as JSON lines.
When standard input ends, whoever started it is gone, and so is this.
"""

from __future__ import annotations

import asyncio
import gc
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from ..arrivals.errors import ERRORS
from ..arrivals.records import FAIL, NOT_SENT, OK, RESENT, UNKNOWN, Recorder, seal
from ..arrivals.schedules import of
from ..arrivals.timer import AbsoluteTimer
from ..arrivals.workers import say, serve, told_to_stop
from .clients import ClientDriver
from .driving import Driver
from .http_driver import HttpDriver

_CAPACITY = ERRORS.index("capacity")
_FINAL = (ERRORS.index("status-4xx"), ERRORS.index("timeout"))  # no further attempt changes anything
_SWEEP_S = 0.05
_DRAIN_NS = 2_000_000_000  # beyond the time of an operation
_RETRY_S = 0.1
_BEGIN_NS = 20_000_000


class Worker:
    """One workload."""

    def __init__(self, config: Mapping[str, Any]) -> None:
        self._path = Path(config["file"])
        self._timeout: int = config["timeout_ns"]
        self._cap: int = config["in_flight"]
        self._retries: int = config["retries"]
        self._resend: float = config["resend"]
        self._driver = driver_of(config)
        self._recorder = Recorder(self._path)
        if isinstance(self._driver, HttpDriver):
            self._driver.tell = self._recorder.answered
        self._chunks: Iterator[Any] = of(config["schedule"], config["seed"])
        self._due: list[int] = []
        self._next = 0
        self._in_flight = 0
        self._open: dict[int, int] = {}  # number -> retries left
        self._doubt: set[int] = set()  # an attempt of theirs may have happened
        self._timer: AbsoluteTimer | None = None
        self._stopping = False
        self._start = 0

    async def run(self, orders: asyncio.StreamReader) -> None:
        """Until the order to stop, or the end of the orders."""
        await self._driver.prepare()
        gc.collect()
        gc.freeze()
        self._start = time.monotonic_ns() + _BEGIN_NS
        self._timer = AbsoluteTimer(self._tick)
        say({"event": "started", "at_ns": self._start, "file": str(self._path)})
        self._more()
        self._timer.at(self._due[0] if self._due else self._start)
        sweeper = asyncio.create_task(self._sweep())
        try:
            await told_to_stop(orders)
        finally:
            self._stopping = True
            self._timer.close()
            await self._drain()
            sweeper.cancel()
            await self._driver.close()
            self._recorder.close()
            rows, digest = seal(self._path)
            say({"event": "stopped", "rows": rows, "sha256": digest, "complaints": self._driver.complaints})

    async def _drain(self) -> None:
        """What is in flight may end; its time-outs see to it that it does. What has not by then stays unknown: nothing is waited for
        for ever.
        """
        deadline = time.monotonic_ns() + self._timeout + _DRAIN_NS
        while self._in_flight > 0 and time.monotonic_ns() < deadline:  # noqa: ASYNC110 - once, at the end
            await asyncio.sleep(_SWEEP_S)

    def _more(self) -> None:
        """Arrivals of the next chunk."""
        chunk = next(self._chunks, None)
        while chunk is not None and not len(chunk):
            chunk = next(self._chunks, None)
        self._due = (np.asarray(chunk) + self._start).tolist() if chunk is not None else []
        self._next = 0

    def _tick(self) -> None:
        """Send everything that is due."""
        if self._stopping or self._timer is None:
            return
        now = time.monotonic_ns()
        while self._due and self._due[self._next] <= now:
            self._begin(self._due[self._next])
            self._next += 1
            if self._next >= len(self._due):
                self._more()
        if self._due:
            self._timer.at(self._due[self._next])

    def _begin(self, intended: int) -> None:
        number = self._recorder.invoke(intended)
        if self._in_flight >= self._cap:
            self._recorder.done(number, time.monotonic_ns(), NOT_SENT, _CAPACITY)
            return
        self._in_flight += 1
        self._open[number] = self._retries
        self._attempt(number, intended + self._timeout)

    def _attempt(self, number: int, deadline: int) -> None:
        self._recorder.sent(number, time.monotonic_ns())
        self._driver.attempt(
            number, deadline, lambda status, error, http: self._ended(number, deadline, status, error, http)
        )

    def _ended(self, number: int, deadline: int, status: int, error: int, http: int) -> None:
        """An attempt is over: the operation too, unless it is tried again."""
        now = time.monotonic_ns()
        if status == OK:
            self._finish(number, now, OK, 0, http)
            return
        if status == UNKNOWN:
            self._doubt.add(number)
        retry_at = now + int(_RETRY_S * 1e9)
        if self._open[number] > 0 and error not in _FINAL and retry_at < deadline and not self._stopping:
            self._open[number] -= 1
            asyncio.get_running_loop().call_later(_RETRY_S, self._attempt, number, deadline)
            return
        self._finish(number, now, UNKNOWN if number in self._doubt else FAIL, error, http)

    def _finish(self, number: int, now: int, status: int, error: int, http: int) -> None:
        self._recorder.done(number, now, status, error, http)
        self._in_flight -= 1
        self._open.pop(number, None)
        self._doubt.discard(number)
        if (
            status == OK
            and self._resend
            and not self._stopping
            and (number * 2654435761 % 2**32) / 2**32 < self._resend
        ):
            self._send_again(number)

    def _send_again(self, number: int) -> None:
        """As a client would that has lost the answer: the same key once more. Its own answer counts for nothing."""
        self._recorder.flag(number, RESENT)
        self._in_flight += 1

        def over(_status: int, _error: int, _http: int) -> None:
            self._in_flight -= 1

        self._driver.attempt(number, time.monotonic_ns() + self._timeout, over)

    async def _sweep(self) -> None:
        while True:
            await asyncio.sleep(_SWEEP_S)
            self._driver.sweep(time.monotonic_ns())


def driver_of(config: Mapping[str, Any]) -> Driver:
    """Of the verb that the operations are made with; ends the process where its library is not installed."""
    if config["verb"] == "http":
        return HttpDriver(config)
    try:
        return ClientDriver(config)
    except ImportError as error:
        raise SystemExit(str(error)) from None


async def work(config: Mapping[str, Any], orders: asyncio.StreamReader) -> None:
    """Run as configured."""
    await Worker(config).run(orders)


if __name__ == "__main__":
    serve(work)
