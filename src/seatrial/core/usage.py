"""What instances used over time, and who judges it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from .quantities import Dimension
from .stack import Usage
from .workloads import Window


@dataclass(frozen=True, kw_only=True, slots=True)
class UsageSample:
    """One look at an instance; `identity` tells whether it is still the same process. `at_ns` CLOCK_MONOTONIC."""

    at_ns: int
    instance: str
    service: str
    identity: str | None
    usage: Usage


JudgeUsage = Callable[[Sequence[UsageSample], Window], Mapping[str, object]]

USAGE_METRICS: Mapping[str, tuple[Dimension, str]] = {
    "cpu.max": (Dimension.RATIO, "of a core, all instances together, at worst between two looks"),
    "cpu.mean": (Dimension.RATIO, "of a core, on average"),
    "memory.max": (Dimension.SIZE, "at worst"),
    "memory.growth": (Dimension.SIZE, "in ten minutes at the slope that was seen, with its 95 % interval"),
    "descriptors.max": (Dimension.NUMBER, "open files and sockets, at worst"),
    "descriptors.growth": (Dimension.NUMBER, "in ten minutes at the slope that was seen, with its 95 % interval"),
    "threads.max": (Dimension.NUMBER, "at worst"),
}
