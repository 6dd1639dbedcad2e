"""Fault `memory-limit`: less memory; the kernel kills what wants more."""

from __future__ import annotations

from ..core import cgroups
from ..core.faults import Testimony
from ..core.platforms import Platform
from ..core.processes import ProcessId
from ..core.stack import Instance
from .constraining import Constraint, held_by, size


class MemoryLimit(Constraint):
    """core.faults.Fault. `size`."""

    KIND = "memory"

    async def seen(self, platform: Platform, victim: Instance, leader: ProcessId) -> Testimony:
        """The limit that holds for its processes now."""
        group = held_by(leader, "memory")
        limit = cgroups.memory_limit(group)
        if limit is None:
            return self.testify(victim, "its processes have no limit of memory", acted=False)
        used, killed = cgroups.memory_used(group) or 0, cgroups.oom_kills(group) or 0
        what = f"its processes may take {size(limit)}, have taken {size(used)} of it, and {killed} were killed for it so far"
        return self.testify(victim, what, acted=limit <= self.number("size"))
