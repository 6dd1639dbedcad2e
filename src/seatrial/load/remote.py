"""A load whose generators are on other machines, as seen from here: it looks after them twice a second, keeps their samples in our time,
and says which machines it lost.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from ..arrivals.samples import HEADER, header
from ..core.errors import SeatrialError
from ..core.quantities import format_duration
from ..core.workloads import Sealed
from . import machines as there
from .clocks import UNKNOWN_NS, Clock
from .process import LoadProcess

Call = Callable[..., Awaitable[Any]]  # runs a function of load.machines over there: it, its arguments
LOOK_S = 0.5
TRIPS = 20  # at least so many, and more until one is short
SHORT_NS = 4_000_000
MEASURE_S = 3.0
_MEASURE_LOOKS = 20  # ten seconds
_AGAIN_S = 1.0  # while it sends, at most so long: it wants to be asked how it is, too
LOST_S = 3.0  # no answer for so long: the machine is lost
READY_S = 20.0  # until a machine's task waits for its orders
BEGUN_S = 60.0
_RETRY_S = 0.1
_END_S = 0.02
_GONE_S = 0.5  # for what was lost before
_STOP_S = 15.0


class RemoteGenerator:
    """load.process.Generator: its samples come to `file` piece by piece, with the start in our time."""

    def __init__(self, machine: Machine, file: Path) -> None:
        self.file = file
        self.live: Mapping[str, Any] = {}
        self.rate = 0.0
        self.connected = 0
        self.result: Mapping[str, Any] = {}
        self.size = 0  # bytes of its file that have come
        self.at_ns = 0
        self.all_there = False
        self._machine = machine
        self._digest = hashlib.sha256()
        self._ended = asyncio.Event()

    def expect(self, start_ns: int) -> None:
        """It is to begin then, and nothing of it has come."""
        self.at_ns = start_ns
        self.file.parent.mkdir(parents=True, exist_ok=True)
        self.file.write_bytes(header(start_ns))

    def take(self, seen: Mapping[str, Any]) -> None:
        """What was seen of it, of which the samples are what comes after `size`."""
        self.live, self.rate, self.connected = seen["live"], seen["rate"], seen["connected"]
        rows: bytes = seen["rows"]
        self._digest.update(rows)
        if self.size < HEADER and rows:
            self.expect(self._machine.clock.here(seen["at_ns"]))  # in place of the header, which is in its time
        with self.file.open("ab") as file:
            file.write(rows[max(0, HEADER - self.size) :])
        self.size += len(rows)
        if seen["ended"]:
            self.all_there = True
            self.result = seen["result"]

    @property
    def torn(self) -> bool:
        """It ended well, and what came is not what it wrote."""
        return bool(self.result) and self._digest.hexdigest() != self.result["sha256"]

    @property
    def died(self) -> bool:
        return self.all_there and not self.result

    def over(self) -> None:
        """Nothing more will come."""
        self._ended.set()

    async def ended(self) -> None:
        await self._ended.wait()

    async def stop(self) -> Mapping[str, Any] | None:
        await self._machine.stop()
        return self.result or None


class Machine:
    """One machine that sends. Made, then `ready`, then `give`; from then on it is watched until nothing more will come."""

    def __init__(self, name: str, call: Call, token: str, patience_s: float) -> None:
        self.name = name
        self.clock = Clock()
        self.generators: list[RemoteGenerator] = []
        self.lost_ns: int | None = None  # when it was last heard of
        self.why = ""
        self._call = call
        self._token = token
        self._patience_s = patience_s
        self._order = ""
        self._nudge = asyncio.Event()
        self._heard = time.monotonic_ns()
        self._watching: asyncio.Task[None] | None = None

    async def measure(self, within_s: float = MEASURE_S) -> None:
        """Ask for its clock, one time after the other, for so long at most. Raises what keeps us from it."""
        trips, best = 0, SHORT_NS
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(within_s):
                while trips < TRIPS or best > SHORT_NS:
                    sent = time.monotonic_ns()
                    best = self.clock.add(sent, await self._call(there.clock), time.monotonic_ns())
                    self._heard = time.monotonic_ns()
                    trips += 1
        self.clock.settle()

    async def _look(self, sizes: Sequence[int], order: str = "") -> Mapping[str, Any]:
        seen: Mapping[str, Any] = await self._call(there.look, self._token, sizes, order)
        self._heard = time.monotonic_ns()
        return seen

    async def ready(self) -> None:
        """Its clock is known and its task waits for orders. Raises SeatrialError when that takes too long."""
        await self.measure()
        if self.clock.uncertainty_ns == UNKNOWN_NS:
            raise SeatrialError(f"{self.name} does not answer")
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(READY_S):
                while (await self._look(()))["state"] != there.WAITING:  # noqa: ASYNC110 - nothing announces it
                    await asyncio.sleep(_RETRY_S)
                return
        raise SeatrialError(f"{self.name} is busy: it did not take up its part of the load in {READY_S:.0f} s")

    async def give(self, configs: Sequence[Mapping[str, Any]], files: Mapping[str, bytes], start_ns: int) -> None:
        """Its orders: generators that begin then, by our clock. Raises SeatrialError when they do not begin."""
        begin = self.clock.there(start_ns)
        given = [
            {**config, "file": f"{n}{generator.file.suffix}", "start_ns": begin}
            for n, (config, generator) in enumerate(zip(configs, self.generators, strict=True))
        ]
        wrong = await self._call(there.give, self._token, {"files": files, "configs": given})
        for generator in self.generators:
            generator.expect(start_ns)
        seen: Mapping[str, Any] = {"state": there.WAITING, "said": ""}
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(BEGUN_S):
                while not wrong and seen["state"] in (there.WAITING, there.STARTING):
                    await asyncio.sleep(_RETRY_S)
                    seen = await self._look(())
        if wrong or seen["state"] != there.SENDING:
            raise SeatrialError(f"{self.name} did not begin: {wrong or seen['said'] or seen['state']}")
        self._watching = asyncio.create_task(self._watch())

    async def _watch(self) -> None:
        try:
            looks = 0
            while not await self._looked():
                looks += 1
                if looks % _MEASURE_LOOKS == 0:
                    with contextlib.suppress(Exception):  # the next look tells
                        await self.measure(_AGAIN_S)
            await self.measure(_AGAIN_S)
        except Exception as error:  # noqa: BLE001 - whatever it is that keeps us from hearing of it
            if not all(g.all_there for g in self.generators):
                late = f"no answer for {LOST_S:.0f} s" if isinstance(error, TimeoutError) else ""
                self.lost_ns, self.why = self._heard, late or str(error) or type(error).__name__
        finally:
            for generator in self.generators:
                generator.over()

    async def _looked(self) -> bool:
        """One look, and until the next one is due; True when all has come. Raises what keeps us from it for LOST_S."""
        pieces = [g.size for g in self.generators]
        while True:
            left = LOST_S - (time.monotonic_ns() - self._heard) / 1e9
            try:
                async with asyncio.timeout(max(_RETRY_S, left)):
                    seen = await self._look(pieces, self._order)
                break
            except Exception:
                if (time.monotonic_ns() - self._heard) / 1e9 >= LOST_S:
                    raise
                await asyncio.sleep(_RETRY_S)
        if seen["state"] != there.SENDING:
            raise SeatrialError("its worker was started anew")
        more = False
        for generator, one in zip(self.generators, seen["generators"], strict=True):
            generator.take(one)
            more = more or len(one["rows"]) == there.FETCH_BYTES
        over = all(g.all_there for g in self.generators)
        if not over and not more:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(LOOK_S):
                    await self._nudge.wait()
                    self._nudge.clear()
        return over

    async def stop(self) -> None:
        """End its generators; returns when all of their samples are here, or the machine is lost."""
        self._order = self._order or there.STOP
        self._nudge.set()
        if self._watching is None:
            return
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(self._patience_s + _STOP_S):
                await asyncio.shield(self._watching)
        if not self._watching.done():
            self.lost_ns, self.why = self._heard, "its generators did not end"
            self._watching.cancel()

    async def release(self) -> None:
        """Let it go: whatever it has of the load ends; returns when it has, or the machine does not answer."""
        if self._watching is not None:
            self._watching.cancel()
            await asyncio.gather(self._watching, return_exceptions=True)
        with contextlib.suppress(Exception):  # gone, and then its generators end by themselves
            async with asyncio.timeout(LOST_S if self.lost_ns is None else _GONE_S):
                while (await self._look((), there.END))["state"] != there.ABSENT:  # noqa: ASYNC110 - nothing announces it
                    await asyncio.sleep(_END_S)


class RemoteLoad(LoadProcess):
    """A running load of several machines."""

    def __init__(
        self, config: Mapping[str, Any], found: Sequence[Machine], started_ns: int, close: Callable[[], Awaitable[None]]
    ) -> None:
        generators = [g for m in found for g in m.generators]
        super().__init__(config["name"], generators, Path(config["file"]), started_ns, config["tags"])
        self._machines = found
        self._close = close

    @property
    def machines(self) -> int:
        return len(self._machines)

    @property
    def clock_ns(self) -> int:
        return max(m.clock.uncertainty_ns for m in self._machines)

    @property
    def doubt(self) -> str:
        lost = [m for m in self._machines if m.lost_ns is not None]
        torn = sum(g.torn for m in self._machines for g in m.generators)
        doubts = (
            self._lost(lost) if lost else "",
            super().doubt,
            f"the samples of {torn} of its {self.generators} generators did not come whole" if torn else "",
        )
        return "; ".join(d for d in doubts if d)

    def _lost(self, lost: Sequence[Machine]) -> str:
        first = min(lost, key=lambda m: m.lost_ns or 0)
        after = max(0, (first.lost_ns or 0) - self.started_ns)
        share = sum(not g.all_there for m in lost for g in m.generators) / self.generators
        were = "was lost" if len(lost) == 1 else "were lost, the first"
        who = ", ".join(f"{m.name}: {m.why}" for m in lost)
        return (
            f"{len(lost)} of {self.machines} machines {were} {format_duration(after, 2)} after the start: "
            f"{share:.0%} of the load is missing from there on ({who})"
        )

    async def stop(self) -> Sealed:
        """As LoadProcess; and the machines are let go."""
        if self._sealed is not None:
            return self._sealed
        try:
            return await super().stop()
        finally:
            await self._close()
