"""Fault `memory-pressure`: others take memory."""

from __future__ import annotations

from ..core import cgroups, procfs
from ..core.faults import Testimony
from ..core.platforms import Platform
from ..core.processes import ProcessId
from ..core.stack import Instance
from .constraining import Constraint, constrainer_of, size

_SLACK = 16 << 20
_SLACK_SHARE = 0.05
_OWN = 1 << 20


class MemoryPressure(Constraint):
    """core.faults.Fault. `leave` or `size`."""

    KIND = "memory-pressure"

    async def seen(self, platform: Platform, victim: Instance, leader: ProcessId) -> Testimony:
        """What is left, and what the other process really has."""
        presser = constrainer_of(platform).presser(self.numbers.get(victim.name, 0))
        taken = _resident(presser) if presser is not None else 0
        left, whose = _left(leader)
        what = f"{size(left)} of memory {whose} is left, {size(taken)} is taken by other work"
        if "leave" in self.arguments:
            leave = self.number("leave")
            return self.testify(victim, what, acted=taken > _OWN and left <= leave + max(_SLACK, leave * _SLACK_SHARE))
        return self.testify(victim, what, acted=taken >= self.number("size") - _OWN)


def _left(leader: ProcessId) -> tuple[int, str]:
    """Bytes, and of what."""
    group = cgroups.group_of(leader.pid, "memory")
    left = cgroups.memory_left(group) if group is not None else None
    return (procfs.machine_memory()[1], "of the machine") if left is None else (left, "of its control group")


def _resident(process: ProcessId) -> int:
    """Of a process and all beneath it."""
    return sum(procfs.own_memory(each) for each in procfs.descendants([process]))
