"""Fault `descriptors-limit`: fewer open files and sockets."""

from __future__ import annotations

from pathlib import Path

from ..core import procfs
from ..core.faults import Testimony
from ..core.platforms import Platform
from ..core.processes import ProcessId
from ..core.stack import Instance
from .constraining import Constraint

_LINE = "Max open files"


class DescriptorsLimit(Constraint):
    """core.faults.Fault. `count`, of each process."""

    KIND = "descriptors"

    async def seen(self, platform: Platform, victim: Instance, leader: ProcessId) -> Testimony:
        """The limits of all its processes, and how much the fullest has open."""
        found = {p.pid: limit for p in procfs.descendants([leader]) if (limit := _limit(p.pid)) is not None}
        if not found:
            return self.testify(victim, "the limits of its processes cannot be read", acted=False)
        opened = max(_opened(pid) for pid in found)
        most, count = max(found.values()), len(found)
        what = (
            f"its {count} process{'es' * (count > 1)} may have {most:.0f} files open at most, and have up to {opened}"
        )
        return self.testify(victim, what, acted=most <= self.number("count"))


def _limit(pid: int) -> float | None:
    """The soft limit, as /proc/PID/limits has it."""
    try:
        lines = Path(f"/proc/{pid}/limits").read_text("ascii", "replace").splitlines()
    except OSError:
        return None
    words = next((line[len(_LINE) :].split() for line in lines if line.startswith(_LINE)), ["0"])
    return float("inf") if words[0] == "unlimited" else float(words[0])


def _opened(pid: int) -> int:
    try:
        return sum(1 for _ in Path(f"/proc/{pid}/fd").iterdir())
    except OSError:
        return 0
