"""What a container may use is cut down by its engine, and what is beside that as on any machine (see constraints).

The engine keeps its own limits over restarts. Lifted, they are what the project says; where it says nothing, the kernel has no limit of
memory again, as before, but the engine shows a number for it (HostConfig.Memory) that no machine has: it knows no way back to 0.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from ...core import cgroups, procfs
from ...core.errors import NotExercised, PlatformError
from ...core.processes import ProcessId, Supervisor
from ...core.quantities import Dimension, format_quantity
from ...core.stack import Instance
from ..constraints import EVERYWHERE, Case, Constraint, Constraints
from . import removal
from .containers import Container
from .engine import Engine
from .fleet import Fleet
from .holding import Settings, group_of, noted, tight
from .orders import WATCH_S, Orders

_PERIOD_US = 100_000
_SETTLED_S = 5.0
_LOOK_S = 0.05
_LEAST_BYTES = 6 << 20  # the engine takes no less
# An update takes 0 for "as it is", refuses -1 for memory, and keeps -1 for swap to itself (20.10, and moby's issue 22516 is open): what a
# kernel shows where there is no limit, the most pages that it can count, is handed on. In version 2 swap is what is beyond memory.
_NONE = 0x7FFF_FFFF_FFFF_F000
Host = Mapping[str, Any]  # HostConfig of an inspection


class EngineLimit:
    """A Constraint by ``docker update``; `settings` says what is set, and what it was."""

    presser: ProcessId | None = None

    def __init__(self, case: Case, kind: str, engine: Engine, container: Container) -> None:
        self.case = case
        self._kind, self._engine, self._container = kind, engine, container.id
        self._former: Settings | None = None
        self._asked: Settings = {}
        self._words: dict[str, Settings] = {}
        self._name = f"{kind}-limit {container.name} ({container.id[:12]})"
        self._orders = Orders()

    async def begin(self) -> None:
        """Set it. Raises NotExercised for a limit that holds already."""
        details = await self._engine.get(f"/containers/{self._container}/json")
        host: Host = details.get("HostConfig") or {}
        new, former = SETTINGS[self._kind](self.case, host)
        self._words = {"asked": new, "back": former}
        undo, watch = removal.both(self._engine.address, WATCH_S, "update", self._container, json.dumps(self._words))
        await self.case.supervisor.remedy(self._name, [undo], watch=[watch])
        self._former, self._asked = former, new
        await self._orders.give(self._name, self._set(new))

    async def end(self) -> None:
        """Set what it was."""
        if self._former is not None:
            await self._orders.over(self._name)
            former, self._former = self._former, None
            try:
                await self._restore(former)
            except PlatformError:
                await self.case.supervisor.settle(self._name)  # it says what resists, if anything does
            else:
                await self.case.supervisor.settle(self._name, run=False)

    async def _restore(self, settings: Settings) -> None:
        """Set it until it is seen to hold: an engine takes nothing for a container that is just dying, and one that is just being started
        may have got the limit from before. Raises PlatformError where it does not hold in time.
        """
        deadline, wanted, said = time.monotonic() + _SETTLED_S, True, ""
        while True:
            if wanted:
                try:
                    await self._set(settings)
                except PlatformError as error:
                    said = str(error)
            details = await self._engine.get(f"/containers/{self._container}/json")
            group = group_of(details, self._asked)
            wanted = noted(details, self._words) or (group is not None and tight(group, self._asked))
            comes = details["State"].get("Restarting") or details["State"].get("Running")
            if not wanted and (group is not None or not comes):
                return
            if time.monotonic() >= deadline:
                if wanted:
                    raise PlatformError(said or f"{self._name} could not be lifted")
                return
            await asyncio.sleep(_LOOK_S)

    async def _set(self, settings: Settings) -> None:
        await self._engine.post(f"/containers/{self._container}/update", settings)


def _cpu(case: Case, host: Host) -> tuple[Settings, Settings]:
    cores = case.number("cores")
    if nano := int(host.get("NanoCpus") or 0):
        _tighter(case, cores, nano / 1e9)
        return {"NanoCpus": round(cores * 1e9)}, {"NanoCpus": nano}
    quota, period = int(host.get("CpuQuota") or 0), int(host.get("CpuPeriod") or 0) or _PERIOD_US
    if quota > 0:
        _tighter(case, cores, quota / period)
    return {"CpuPeriod": _PERIOD_US, "CpuQuota": max(1000, round(cores * _PERIOD_US))}, {
        "CpuPeriod": period,
        "CpuQuota": quota or -1,
    }


def _memory(case: Case, host: Host) -> tuple[Settings, Settings]:
    size = case.number("size") or _used(case) + case.number("above")
    limit, swap = int(host.get("Memory") or 0), int(host.get("MemorySwap") or 0)
    if limit:
        _tighter(case, size, limit, Dimension.SIZE)
    if size < _LEAST_BYTES:
        raise NotExercised(f"an engine takes no limit of memory below {format_quantity(_LEAST_BYTES, Dimension.SIZE)}")
    asked = round(size) // 4096 * 4096
    group = cgroups.group_of(case.leader.pid, "memory")
    none = _NONE // 8192 * 4096 if group is not None and group.unified else _NONE
    beyond = swap if swap > 0 else 2 * limit if limit and not swap else _NONE
    return {"Memory": asked, "MemorySwap": asked}, {"Memory": limit or none, "MemorySwap": beyond}


def _pids(case: Case, host: Host) -> tuple[Settings, Settings]:
    count, former = round(case.number("count")), int(host.get("PidsLimit") or 0)
    if former > 0:
        _tighter(case, count, former)
    return {"PidsLimit": count}, {"PidsLimit": former if former > 0 else -1}


SETTINGS: Mapping[str, Callable[[Case, Host], tuple[Settings, Settings]]] = {
    "cpu": _cpu,
    "memory": _memory,
    "pids": _pids,
}


def _used(case: Case) -> int:
    group = cgroups.group_of(case.leader.pid, "memory")
    used = cgroups.memory_used(group) if group is not None else None
    if used is None:
        raise NotExercised(f"what {case.instance} uses cannot be read from its control group")
    return used


def _tighter(case: Case, asked: float, present: float, dimension: Dimension = Dimension.NUMBER) -> None:
    if present <= asked:
        held, wanted = format_quantity(present, dimension), format_quantity(asked, dimension)
        raise NotExercised(f"{case.instance} is held to {held} already: a limit of {wanted} would change nothing")


class Limiter:
    """All constraints of one platform. `local`: the containers' processes are this machine's."""

    def __init__(self, engine: Engine, fleet: Fleet, supervisor: Supervisor, directory: Path, *, local: bool) -> None:
        self._engine, self._fleet, self._local = engine, fleet, local
        self._constraints = Constraints(supervisor, directory)
        self._limited: dict[int, tuple[str, str]] = {}  # containers and what of theirs has a limit of ours, by number

    async def begin(self, instance: Instance, kind: str, arguments: Mapping[str, object]) -> int:
        """CanConstrain."""
        container = self._fleet.get(instance)
        leader = self.leader(instance)
        if leader is None:
            raise PlatformError(f"{instance.name} is down ({container.detail()}): nothing to constrain")
        if kind not in SETTINGS:
            return await self._constraints.begin(EVERYWHERE[kind], instance.name, leader, arguments)
        if (container.id, kind) in self._limited.values():
            raise NotExercised(f"{instance.name} has a limit of {kind} of ours already: heal that one first")

        def make(case: Case) -> Constraint:
            return EngineLimit(case, kind, self._engine, container)

        number = await self._constraints.begin(make, instance.name, leader, arguments)
        self._limited[number] = (container.id, kind)
        return number

    async def end(self, number: int) -> None:
        """CanConstrain."""
        self._limited.pop(number, None)
        await self._constraints.end(number)

    async def close(self) -> None:
        """End all."""
        self._limited.clear()
        await self._constraints.end_all()

    def presser(self, number: int) -> ProcessId | None:
        """CanConstrain."""
        return self._constraints.presser(number)

    def leader(self, instance: Instance) -> ProcessId | None:
        """CanLocate."""
        if not self._local:
            raise NotExercised(
                f"the processes of {instance.name} are not to be seen from here, for its engine ({self._engine.address.url}) runs "
                "elsewhere: run seatrial on that machine"
            )
        process = self._fleet.get(instance).process
        return process if process is not None and procfs.is_alive(process) else None
