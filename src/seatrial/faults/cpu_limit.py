"""Fault `cpu-limit`: less processor time."""

from __future__ import annotations

from ..core import cgroups
from ..core.faults import Testimony
from ..core.platforms import Platform
from ..core.processes import ProcessId
from ..core.stack import Instance
from .constraining import Constraint, held_by

_NEAR = 1.01  # as it is rounded on the way to the kernel


class CpuLimit(Constraint):
    """core.faults.Fault. `cores`."""

    KIND = "cpu"

    async def seen(self, platform: Platform, victim: Instance, leader: ProcessId) -> Testimony:
        """The limit that holds for its processes now, and how often it has been felt."""
        group = held_by(leader, "cpu")
        limit = cgroups.cpu_limit(group)
        if limit is None:
            return self.testify(victim, "its processes have no limit of processor time", acted=False)
        felt = cgroups.throttled(group)
        what = (
            f"its processes have {limit:.3g} of a processor at most, and were stopped for it {felt or 0} times so far"
        )
        return self.testify(victim, what, acted=limit <= self.number("cores") * _NEAR)
