"""A part of a load on another machine: what a Dask worker does there, and is asked. It needs no Dask.

A task (`hold`) waits for its orders, starts generator processes, and keeps their samples until they were fetched. Everything else goes
past the queue of tasks: `give` brings the orders, `look` fetches what is new and is the sign that whoever ordered is still there. A task
that Dask runs a second time gets no orders, so nothing is sent twice.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import platform
import shutil
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from .. import __version__
from ..core.errors import SeatrialError
from .packing import unpack
from .process import GeneratorProcess

GONE_S = 5.0  # nobody has looked for so long: they are gone
ORDERS_S = 60.0
FETCH_BYTES = 1 << 20  # of a generator's samples at once
ABSENT, WAITING, STARTING, SENDING, FAILED = "absent", "waiting", "starting", "sending", "failed"
STOP, END = "stop", "end"

_held: dict[str, Held] = {}


def about(dask_worker: Any = None) -> dict[str, str]:
    """What has to be the same here and there; which machine this is (its processes share loopback), and where a worker may write."""
    boot = Path("/proc/sys/kernel/random/boot_id")
    network = Path("/proc/self/ns/net")
    machine = f"{boot.read_text().strip()} {network.stat().st_ino}" if boot.exists() else platform.node()
    return {
        "seatrial": __version__,
        "python": platform.python_version(),
        "machine": machine,
        "directory": str(getattr(dask_worker, "local_directory", "")),
    }


def clock() -> int:
    """CLOCK_MONOTONIC here, ns."""
    return time.monotonic_ns()


def hold(token: str, directory: str) -> None:
    """The task: until it is told to end, or nobody has looked for GONE_S. Files are below `directory`, and go with it."""
    if token in _held:
        return
    held = _held[token] = Held()
    try:
        with _quiet():
            asyncio.run(held.run(directory))
    finally:
        del _held[token]


def give(token: str, orders: Mapping[str, Any]) -> str:
    """Orders for a task that waits: `configs` of generators, whose files are names, and `files` that go with them (name to bytes).

    Returns what is wrong: an exception would have Dask log the orders.
    """
    held = _held.get(token)
    if held is None:
        return "its task is not there"
    return held.give(orders)


def look(token: str, sizes: Sequence[int], order: str = "") -> dict[str, Any]:
    """What is new: each generator's state, and the bytes of its samples after the first `sizes[n]`.

    `order`: STOP the generators, or END all.
    """
    held = _held.get(token)
    return {"state": ABSENT, "said": "", "generators": []} if held is None else held.look(sizes, order)


class Held:
    """The part of one load on this machine. `give` and `look` are called from another thread than `run`."""

    def __init__(self) -> None:
        self._state, self._said = WAITING, ""
        self._orders: Mapping[str, Any] | None = None
        self._order = ""
        self._generators: list[GeneratorProcess] = []
        self._begun: list[int] = []
        self._loop: asyncio.AbstractEventLoop | None = None
        self._looked = asyncio.Event()

    def give(self, orders: Mapping[str, Any]) -> str:
        """Once."""
        if self._orders is not None:
            return "it has its orders already"
        self._orders = orders
        self._wake()
        return ""

    def look(self, sizes: Sequence[int], order: str) -> dict[str, Any]:
        """See the function `look`."""
        self._order = order or self._order
        self._wake()
        sending = self._state == SENDING
        pairs = zip(self._generators, self._begun, sizes, strict=True) if sending and sizes else ()
        generators = [_seen(g, begun, size) for g, begun, size in pairs]
        return {"state": self._state, "said": self._said, "generators": generators}

    def _wake(self) -> None:
        if self._loop is not None:
            with contextlib.suppress(RuntimeError):  # it has ended in between
                self._loop.call_soon_threadsafe(self._looked.set)

    async def _asked(self, within_s: float) -> bool:
        """Wait until somebody looks or gives; False when nobody did."""
        try:
            async with asyncio.timeout(within_s):
                await self._looked.wait()
        except TimeoutError:
            return False
        self._looked.clear()
        return True

    async def run(self, directory: str) -> None:
        """See `hold`."""
        self._loop = asyncio.get_running_loop()
        place = Path(await asyncio.to_thread(tempfile.mkdtemp, prefix="seatrial-", dir=directory or None))
        try:
            there = True
            while there and self._orders is None and self._order != END:
                there = await self._asked(ORDERS_S)
            if self._orders is not None and there:
                await self._work(self._orders, place)
        finally:
            for generator in self._generators:
                if generator.process.returncode is None:
                    await generator.kill()
            shutil.rmtree(place, ignore_errors=True)

    async def _work(self, orders: Mapping[str, Any], place: Path) -> None:
        tasks: list[asyncio.Future[Any]] = [asyncio.create_task(self._start(orders, place))]
        try:
            while self._order != END and await self._asked(GONE_S):
                if self._order == STOP and len(tasks) == 1:
                    tasks.append(asyncio.gather(*(g.stop() for g in self._generators)))
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _start(self, orders: Mapping[str, Any], place: Path) -> None:
        self._state = STARTING
        try:
            for name, content in orders["files"].items():
                file = place / name
                file.parent.mkdir(parents=True, exist_ok=True)
                file.write_bytes(content)
            for config in orders["configs"]:
                given = unpack({**config, "file": str(place / config["file"])}, orders["files"], place)
                self._generators.append(await GeneratorProcess.start(given, None))
            self._begun = [await generator.begun() for generator in self._generators]
            self._state = SENDING
        except (SeatrialError, OSError) as error:
            self._said, self._state = str(error), FAILED


def _seen(generator: GeneratorProcess, begun: int, size: int) -> dict[str, Any]:
    ended = generator.over  # before the file is read: what it wrote last is in what is read
    with generator.file.open("rb") as file:
        file.seek(size)
        rows = file.read(FETCH_BYTES)
    return {
        "at_ns": begun,
        "live": dict(generator.live),
        "rate": generator.rate,
        "connected": generator.connected,
        "result": dict(generator.result),
        "ended": ended and len(rows) < FETCH_BYTES,
        "rows": rows,
    }


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Dask logs each call past its queue: not those that come twice a second."""

    def wanted(record: logging.LogRecord) -> bool:
        return record.args not in (("look",), ("clock",))

    logger = logging.getLogger("distributed.worker")
    logger.addFilter(wanted)
    try:
        yield
    finally:
        logger.removeFilter(wanted)
