"""Fault `disk-full`: a file system of its own has no room."""

from __future__ import annotations

import os

from ..core.faults import Testimony
from ..core.platforms import Platform
from ..core.processes import ProcessId
from ..core.stack import Instance
from .constraining import Constraint, size

_SLACK = 64 << 10  # a page or two of its own


class DiskFull(Constraint):
    """core.faults.Fault. `path`, and what to `leave`."""

    KIND = "disk"

    async def seen(self, platform: Platform, victim: Instance, leader: ProcessId) -> Testimony:
        """What is free there, as its processes see it."""
        path = str(self.arguments.get("path", "/"))
        try:
            found = os.statvfs(f"/proc/{leader.pid}/root/{path.lstrip('/')}")
        except OSError as error:
            return self.testify(victim, f"{path} cannot be looked at: {error.strerror}", acted=False)
        free, whole = found.f_bavail * found.f_frsize, found.f_blocks * found.f_frsize
        acted = free <= self.number("leave") + _SLACK
        return self.testify(victim, f"{size(free)} of {size(whole)} at {path} is free", acted=acted)
