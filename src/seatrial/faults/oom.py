"""Fault `oom`: the kernel kills it for its memory."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence

from ..core import cgroups, procfs
from ..core.cgroups import Group
from ..core.errors import NotExercised, PlatformError
from ..core.faults import FaultOrder, Testimony
from ..core.platforms import CanConstrain, Platform
from ..core.processes import ProcessId
from ..core.quantities import NS_PER_S
from ..core.stack import Instance
from .acting import each, look
from .constraining import KERNEL, constrainer_of, held_by, leader_of

_ABOVE = 8 << 20
_KILLED_WITHIN_NS = 20 * NS_PER_S
_LOOK_S = 0.001


class OutOfMemory:
    """core.faults.Fault. A limit just above what it uses, and other work in the same control group that takes the rest.

    The kernel chooses whom it kills: the process that uses the most. All is lifted as soon as its counter has risen.
    """

    def __init__(self, order: FaultOrder) -> None:
        del order  # nothing about it can be chosen
        self._numbers: dict[str, list[int]] = {}
        self._processes: dict[str, Sequence[ProcessId]] = {}
        self._counted: dict[str, tuple[int, int]] = {}

    async def inject(self, platform: Platform, victims: Sequence[Instance]) -> None:
        """All at the same time."""
        constrainer = constrainer_of(platform)
        await each(self._one(platform, constrainer, v) for v in victims)

    async def _one(self, platform: Platform, constrainer: CanConstrain, victim: Instance) -> None:
        leader = await leader_of(platform, victim)
        if leader is None:
            raise PlatformError(f"{victim.name} is down: nothing to kill")
        self._processes[victim.name] = procfs.descendants([leader])
        numbers = self._numbers[victim.name] = []
        try:
            numbers.append(await constrainer.constrain(victim, "memory", {"above": _ABOVE}))
            group = held_by(leader, "memory")
            before = cgroups.oom_kills(group)
            if before is None:
                raise NotExercised("this kernel does not count whom it kills in a control group")
            pressure = {"relentless": True}
            numbers.append(await constrainer.constrain(victim, "memory-pressure", pressure))
            self._counted[victim.name] = before, await self._risen(group, before)
        finally:
            await asyncio.shield(asyncio.ensure_future(self._lift(constrainer, victim)))

    async def _risen(self, group: Group, before: int) -> int:
        """The counter when it has risen; as it was last when the group has gone, or nothing came of it."""
        deadline_ns, last = time.monotonic_ns() + _KILLED_WITHIN_NS, before
        while time.monotonic_ns() < deadline_ns:
            now = cgroups.oom_kills(group)
            if now is None:
                break
            last = now
            if last > before:
                break
            await asyncio.sleep(_LOOK_S)
        return last

    async def _lift(self, constrainer: CanConstrain, victim: Instance) -> None:
        numbers = self._numbers.pop(victim.name, [])
        for number in reversed(numbers):
            await constrainer.relax(victim, number)

    async def witness(self, platform: Platform, victim: Instance) -> Testimony:
        """The kernel's counter rose, and a process that was there is gone."""
        seen = await look(platform, victim)
        before, after = self._counted.get(victim.name, (0, 0))
        gone = [p for p in self._processes.get(victim.name, ()) if not procfs.is_alive(p)]
        leads = seen.alive and seen.identity == victim.identity
        pids = ", ".join(str(p.pid) for p in gone) or "none"
        what = (
            f"{victim.name}: the kernel killed {after - before} of its processes for want of memory; gone: pid {pids}; its first process "
            f"{'is there' if leads else 'is gone' if not seen.alive else 'is another'}"
        )
        return Testimony(acted=after > before and bool(gone), at_ns=seen.at_ns, witness=KERNEL, detail=what)

    async def heal(self, platform: Platform, victims: Sequence[Instance]) -> None:
        """Lift what a cancelled injection left."""
        constrainer = constrainer_of(platform)
        await each(self._lift(constrainer, v) for v in victims)
