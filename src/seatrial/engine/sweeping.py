"""A trial that goes through services and faults, and records what clients saw of each. It judges nothing beyond its own stack."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ..core.errors import NotExercised, SeatrialError
from ..core.events import CellStarted, CellSwept, Noted, SweepPlanned
from ..core.plan import FaultStep
from ..core.quantities import NS_PER_S
from ..core.stack import Instance, InstanceState
from ..core.sweeps import BEFORE_NS, QUIET_NS, TIME_ALONE, Cell, Impact, Moments, Onlooker, Seen, Swept, hit_most
from ..core.targets import parse_target
from .faulting import LiveFault
from .health import NOT_OF_NOW, health_of
from .steady import unready
from .trial import Trial

_LOOK_S = 0.2
_LATELY_NS = 500_000_000  # what was due so shortly before need not have been answered
_STEADY_NS = 30 * NS_PER_S
_MENDED_NS = 20 * NS_PER_S
_WITNESS_NS = 15 * NS_PER_S


@dataclass(frozen=True, kw_only=True)
class SweepPlan:
    """What is gone through. `hold_ns`: how long a fault lives; `recover_ns`: how long clients have after it."""

    cells: Sequence[Cell]
    services: tuple[str, ...]
    faults: tuple[str, ...]
    clients: Mapping[str, str]  # name to what it asks, for people
    hold_ns: int
    recover_ns: int
    notes: tuple[str, ...] = ()


class SweepTrial(Trial):
    """Its scenarios are the cells of a sweep, each between two steady states."""

    def __init__(self, *arguments: Any, sweep: SweepPlan, onlooker: Onlooker, **more: Any) -> None:
        super().__init__(*arguments, **more)
        self._sweep = sweep
        self._onlooker = onlooker
        self._beyond = ""  # the cell after which nothing helped

    async def _scenarios(self) -> str:
        sweep = self._sweep
        self.journal.write(
            SweepPlanned(
                services=sweep.services,
                faults=sweep.faults,
                cells=tuple(c.id for c in sweep.cells),
                clients=sweep.clients,
                hold_ns=sweep.hold_ns,
                notes=sweep.notes,
            )
        )
        why = await self._until(lambda: self._whole(BEFORE_NS), _STEADY_NS)
        if why:
            said = await asyncio.to_thread(self._complaints)
            why = f"clients have no steady state before the first fault: {why}{said}"
            for cell in sweep.cells:
                self.journal.write(CellSwept(swept=_not_exercised(cell, why)))
            return why
        for cell in sweep.cells:
            self.journal.write(CellStarted(cell=cell.id, target=cell.target))
            try:
                swept = await self._cell(cell)
            except SeatrialError as error:
                swept = _not_exercised(cell, str(error))
            finally:
                await self.crew.faults.heal_all(cell.id, "end of the cell")
            self.journal.write(CellSwept(swept=swept))
        return ""

    # -- one cell

    def _complaints(self) -> str:
        """How operations end that are not answered well."""
        files = {n: self.crew.workloads.running[n].workload.file for n in self._sweep.clients}
        told = {n: words for n, f in files.items() if (words := self._onlooker.complaint(f))}
        return "".join(f"; {self._sweep.clients[n]}: {words}" for n, words in told.items())

    async def _cell(self, cell: Cell) -> Swept:
        if self._beyond:
            return _not_exercised(cell, f"the stack was not well after {self._beyond}, and no restart mended it")
        why = await self._until(lambda: self._whole(BEFORE_NS), _STEADY_NS)
        if why:
            return _not_exercised(cell, f"no steady state before it: {why}")
        from_ns = time.monotonic_ns() - BEFORE_NS - _LATELY_NS
        step = FaultStep(
            id=cell.fault,
            title=cell.id,
            fault=cell.kind,
            at=parse_target(cell.target),
            arguments=cell.arguments,
            within_ns=_WITNESS_NS,
        )
        try:
            live = await self.crew.faults.inject(cell.id, step)
        except NotExercised as error:
            return _not_exercised(cell, str(error))
        await self._sleep_until(live.began_ns + self._sweep.hold_ns)
        down = await self._down(live)
        await self.crew.faults.heal(live, "its time was over")
        healed_ns = live.healed_ns or time.monotonic_ns()
        told = "; ".join(t.detail for t in live.testimony)
        why = await self._until(lambda: self._whole(QUIET_NS, healed_ns), self._sweep.recover_ns)
        unwell = await self._unwell() if why else {}
        moments = Moments(
            from_ns=from_ns,
            began_ns=live.began_ns,
            witnessed_ns=live.span().witnessed_ns,
            healed_ns=healed_ns,
            ended_ns=time.monotonic_ns() - (0 if why else _LATELY_NS),
            mending=live.lasting or bool(down),
        )
        seen = await self._seen(moments)
        mended = await self._mend(unwell) if why else ""
        self._beyond = cell.id if why and not mended else ""
        who = hit_most(seen)
        impact = seen[who].impact if who is not None else Impact.NOT_EXERCISED
        words = seen[who].words if who is not None else "there is no client"
        if who is not None and len(seen) > 1 and impact.rank > 0:
            words = f"{self._sweep.clients[who]}: {words}"
        if not live.witnessed:
            impact, words = Impact.NOT_EXERCISED, f"no witness saw it act: {told}"
        elif live.unhealed:
            impact, words = Impact.NOT_EXERCISED, f"it is not known how long it acted: {live.unhealed}"
        return Swept(
            service=cell.service,
            fault=cell.fault,
            target=cell.target,
            impact=impact,
            words=words,
            witness=told,
            victims=tuple(v.name for v in live.victims),
            seen=seen,
            unwell=unwell,
            stayed_down=down,
            late=why,
            mended_by=mended,
            began_ns=live.began_ns,
            healed_ns=healed_ns,
            ended_ns=moments.ended_ns,
        )

    async def _down(self, live: LiveFault) -> tuple[str, ...]:
        """Victims of a crash that nobody has started again."""
        if live.lasting:
            return ()
        return tuple(i.name for i in await self._now(live.victims) if i.state is InstanceState.DOWN)

    async def _now(self, of: Iterable[Instance]) -> list[Instance]:
        names = {i.name for i in of}
        views = await self.platform.survey()
        return [i for v in views.values() for i in v.instances if i.name in names]

    async def _seen(self, moments: Moments) -> dict[str, Seen]:
        found = {}
        for name in self._sweep.clients:
            plan = self.plan.workloads[name]
            file = self.crew.workloads.running[name].workload.file
            found[name] = await asyncio.to_thread(self._onlooker.seen, file, moments, plan.timeout_ns + NS_PER_S)
        return found

    # -- what is waited for

    async def _until(self, asked: Callable[[], Any], within_ns: int) -> str:
        """Empty once it is so; else what was missing when the time was over."""
        deadline = time.monotonic_ns() + within_ns
        while True:
            why: str = await asked()
            if not why or time.monotonic_ns() >= deadline:
                return why
            await asyncio.sleep(_LOOK_S)

    async def _whole(self, quiet_ns: int, since_ns: int = 0) -> str:
        """Why not all is well: clients who were not served all that time, instances, what services say of themselves."""
        to_ns = time.monotonic_ns() - _LATELY_NS
        from_ns = max(to_ns - quiet_ns, since_ns)
        if to_ns - from_ns < quiet_ns:
            return "not long enough yet"
        for name in self._sweep.clients:
            file = self.crew.workloads.running[name].workload.file
            if not await asyncio.to_thread(self._onlooker.served, file, from_ns, to_ns):
                return f"{name} is not served"
        return "; ".join(f"{n}: {w}" for n, w in (await self._unwell()).items())

    async def _unwell(self) -> dict[str, str]:
        """Services that are not whole, or say so themselves."""
        views = await self.platform.survey()
        found = {n: why for n, v in views.items() if (why := unready(v))}
        for name, view in views.items():
            if name in found or view.ready is None or view.ready.call.verb in NOT_OF_NOW:
                continue
            told = await health_of(self.platform, self.prober, view.instances)
            ill = [f"{i}: {words}" for i, (well, words) in told.items() if not well]
            if ill:
                found[name] = "; ".join(ill)
        return found

    async def _mend(self, unwell: Mapping[str, str]) -> str:
        """Wait once more, restart what is not well, then all, until all is: the next cell begins as the first one did. Returns what it
        took, if anything did.
        """
        if not await self._until(lambda: self._whole(QUIET_NS), self._sweep.recover_ns):
            return TIME_ALONE
        order = list(self._sweep.services)
        first = [n for n in order if n in unwell]
        tried: list[str] = []
        for name in [*first, *(n for n in reversed(order) if n not in first)]:
            step = FaultStep(
                id=f"mend-{name}",
                title=f"restart {name}",
                fault="restart",
                at=parse_target(f"{name} *"),
                within_ns=_WITNESS_NS,
            )
            tried.append(name)
            try:
                live = await self.crew.faults.inject("mending", step)
                await self.crew.faults.heal(live, "mending")
            except SeatrialError as error:
                self.journal.write(Noted(level="warning", message=f"{name} could not be restarted: {error}"))
                continue
            if not await self._until(lambda: self._whole(QUIET_NS), _MENDED_NS):
                return f"a restart of {', '.join(tried)}"
        return ""

    async def _sleep_until(self, ns: int) -> None:
        await asyncio.sleep(max(0, ns - time.monotonic_ns()) / NS_PER_S)


def _not_exercised(cell: Cell, why: str) -> Swept:
    now = time.monotonic_ns()
    return Swept(
        service=cell.service,
        fault=cell.fault,
        target=cell.target,
        impact=Impact.NOT_EXERCISED,
        words=why,
        began_ns=now,
        healed_ns=now,
        ended_ns=now,
    )


__all__ = ["SweepPlan", "SweepTrial"]
