"""Constraints: what an instance may use is cut down, or others take it, while it runs.

Each is one file; all of them act on an instance whose first process is to be seen in this machine's /proc. Nothing of it survives whoever
ordered it: it is a process of theirs, or a remedy was recorded before.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from .clock import ClockOffset
from .common import Case, Constraint, Constraints
from .descriptors import DescriptorsLimit
from .disk import DiskFull
from .groups import CpuLimit, MemoryLimit, PidsLimit
from .pressure import CpuPressure, MemoryPressure

Make = Callable[[Case], Constraint]
# For whatever runs on this machine.
EVERYWHERE: Mapping[str, Make] = {
    "clock": ClockOffset,
    "cpu-pressure": CpuPressure,
    "descriptors": DescriptorsLimit,
    "disk": DiskFull,
    "memory-pressure": MemoryPressure,
}
# And for what no engine holds to limits of its own.
LOCAL: Mapping[str, Make] = {**EVERYWHERE, "cpu": CpuLimit, "memory": MemoryLimit, "pids": PidsLimit}

__all__ = ["EVERYWHERE", "LOCAL", "Case", "Constraint", "Constraints", "Make"]
