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


@dataclass(frozen=True, kw_only=True, slots=True)
class SocketSample:
    """One look at the ports of a service's instances, all together: established connections, and those that nobody accepted yet."""

    at_ns: int
    service: str
    connections: int
    backlog: int


@dataclass(frozen=True, kw_only=True, slots=True)
class PoolSample:
    """One look at a server's pool of connections: the share of it that was taken, of the instance whose pool is the fullest.

    Not all was answered: `why`, and the share is the least there was; None where no instance answered.
    """

    at_ns: int
    service: str
    share: float | None
    why: str = ""


@dataclass(frozen=True, kw_only=True)
class Looks:
    """Everything that was seen of what instances use, in the order of looking."""

    usage: Sequence[UsageSample] = ()
    sockets: Sequence[SocketSample] = ()
    pools: Sequence[PoolSample] = ()


JudgeUsage = Callable[[Looks, Window], Mapping[str, object]]

USAGE_METRICS: Mapping[str, tuple[Dimension, str]] = {
    "cpu.max": (Dimension.RATIO, "of a core, all instances together, at worst between two looks"),
    "cpu.mean": (Dimension.RATIO, "of a core, on average"),
    "memory.max": (Dimension.SIZE, "at worst"),
    "memory.growth": (Dimension.SIZE, "in ten minutes at the slope that was seen, with its 95 % interval"),
    "descriptors.max": (Dimension.NUMBER, "open files and sockets, at worst"),
    "descriptors.growth": (Dimension.NUMBER, "in ten minutes at the slope that was seen, with its 95 % interval"),
    "threads.max": (Dimension.NUMBER, "at worst"),
    "connections": (Dimension.NUMBER, "established TCP connections at its ports, at worst"),
    "backlog": (Dimension.NUMBER, "connections that waited to be accepted, at worst"),
}
# What services of a kind have beside these.
KIND_METRICS: Mapping[str, Mapping[str, tuple[Dimension, str]]] = {
    "postgres": {"pool": (Dimension.RATIO, "of max_connections that clients had taken, at worst")}
}
