"""Fault `pids-limit`: fewer processes and threads."""

from __future__ import annotations

from ..core import cgroups
from ..core.faults import Testimony
from ..core.platforms import Platform
from ..core.processes import ProcessId
from ..core.stack import Instance
from .constraining import Constraint, held_by


class PidsLimit(Constraint):
    """core.faults.Fault. `count`."""

    KIND = "pids"

    async def seen(self, platform: Platform, victim: Instance, leader: ProcessId) -> Testimony:
        """The limit that holds for its processes now, how many there are, and how often it has been felt."""
        group = held_by(leader, "pids")
        limit = cgroups.pids_limit(group)
        if limit is None:
            return self.testify(victim, "its processes have no limit of their number", acted=False)
        now, refused = cgroups.pids_now(group), cgroups.pids_refused(group)
        what = f"{now} processes and threads of {limit} at most, and {refused or 0} were refused so far"
        return self.testify(victim, what, acted=limit <= self.number("count"))
