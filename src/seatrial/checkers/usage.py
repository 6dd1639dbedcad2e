"""What services used in a window, from looks at their instances: CPU, memory, descriptors, threads, connections; and whether it grows.

Growth is a straight line through the means of blocks (which take out what a collector does within a block), with Student's interval
for its slope: a leak is a growth whose whole interval is above a bound. An instance that was started anew in the window makes it
missing.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..core.expressions import Missing
from ..core.intervals import Interval
from ..core.quantities import Dimension, Quantity
from ..core.shares import regularized_beta
from ..core.usage import Looks, PoolSample, SocketSample, UsageSample
from ..core.workloads import Window

LEAST = 15  # looks
BLOCKS = 15
TEN_MINUTES_NS = 600e9
Floats = NDArray[np.float64]


def usage_figures(looks: Looks, window: Window) -> dict[str, Any]:
    """Service to its figures, by the names of core.usage.USAGE_METRICS; services that were not looked at have none."""
    services: dict[str, dict[str, list[UsageSample]]] = defaultdict(lambda: defaultdict(list))
    for sample in looks.usage:
        if window.from_ns <= sample.at_ns < window.to_ns:
            services[sample.service][sample.instance].append(sample)
    sockets = [s for s in looks.sockets if window.from_ns <= s.at_ns < window.to_ns]
    pools = [s for s in looks.pools if window.from_ns <= s.at_ns < window.to_ns]
    return {
        name: {
            **_of(list(instances.values())),
            **_sockets([s for s in sockets if s.service == name]),
            "pool": _pool([s for s in pools if s.service == name]),
        }
        for name, instances in services.items()
    }


def _sockets(looks: Sequence[SocketSample]) -> dict[str, Any]:
    if not looks:
        return dict.fromkeys(("connections", "backlog"), Missing("it was not seen to listen on a port"))
    return {"connections": max(s.connections for s in looks), "backlog": max(s.backlog for s in looks)}


def _pool(looks: Sequence[PoolSample]) -> Quantity | Interval | Missing:
    """At worst. A look without an answer may have been the worst one: who has no connection left may have no time either."""
    shares = [s.share for s in looks if s.share is not None]
    if not shares:
        return Missing(f"its pool could not be asked: {looks[-1].why}" if looks else "its pool was not looked at")
    most = max(shares)
    if any(s.share is None or s.why for s in looks):
        return Interval(most, max(1.0, most), Dimension.RATIO)
    return Quantity(most, Dimension.RATIO)


def _of(instances: Sequence[Sequence[UsageSample]]) -> dict[str, Any]:
    cpu_mean, cpu_max = _cpu(instances)
    memory = _sum(instances, lambda s: s.usage.memory_bytes)
    descriptors = _sum(instances, lambda s: s.usage.descriptors)
    threads = _sum(instances, lambda s: s.usage.threads)
    restarted = any(len({s.identity for s in looks}) > 1 for looks in instances)
    times = _times(instances)
    return {
        "cpu": {"max": cpu_max, "mean": cpu_mean},
        "memory": {
            "max": Quantity(float(memory.max()), Dimension.SIZE),
            "growth": growth(times, memory, Dimension.SIZE, restarted),
        },
        "descriptors": {
            "max": int(descriptors.max()),
            "growth": growth(times, descriptors, Dimension.NUMBER, restarted),
        },
        "threads": {"max": int(threads.max())},
    }


def _times(instances: Sequence[Sequence[UsageSample]]) -> Floats:
    length = min(len(looks) for looks in instances)
    times: Floats = np.array([[s.at_ns for s in looks[-length:]] for looks in instances], np.float64).mean(axis=0)
    return times


def _sum(instances: Sequence[Sequence[UsageSample]], pick: Any) -> Floats:
    """All instances together, look by look; they are looked at in the same rounds."""
    length = min(len(looks) for looks in instances)
    total: Floats = np.array([[pick(s) for s in looks[-length:]] for looks in instances], np.float64).sum(axis=0)
    return total


def _cpu(instances: Sequence[Sequence[UsageSample]]) -> tuple[Quantity | Missing, Quantity | Missing]:
    """(mean, max) cores; what an instance that was started anew had used before is not known, so that step is left out."""
    if any(len(looks) < 2 for looks in instances):
        missing = Missing("it was looked at once only")
        return missing, missing
    steps = []
    for looks in instances:
        cpu = np.array([s.usage.cpu_seconds for s in looks])
        at = np.array([s.at_ns for s in looks]) / 1e9
        steps.append(np.maximum(0.0, np.diff(cpu)) / np.maximum(1e-9, np.diff(at)))
    length = min(len(s) for s in steps)
    total = np.array([s[-length:] for s in steps]).sum(axis=0)
    return Quantity(float(total.mean()), Dimension.RATIO), Quantity(float(total.max()), Dimension.RATIO)


def growth(at_ns: Floats, values: Floats, dimension: Dimension, restarted: bool = False) -> Interval | Missing:
    """Growth in ten minutes at the slope of a line through block means, with its two-sided 95 % interval."""
    if restarted:
        return Missing("an instance was started anew in this window")
    if len(values) < LEAST:
        return Missing(f"{len(values)} looks are too few to tell a slope, {LEAST} are needed")
    blocks = min(BLOCKS, len(values) // 3)
    x = np.array([b.mean() for b in np.array_split((at_ns - at_ns[0]) / TEN_MINUTES_NS, blocks)])
    y = np.array([b.mean() for b in np.array_split(values, blocks)])
    spread = float(((x - x.mean()) ** 2).sum())
    slope = float(((x - x.mean()) * (y - y.mean())).sum()) / spread
    rest = y - y.mean() - slope * (x - x.mean())
    error = math.sqrt(max(0.0, float((rest**2).sum())) / (blocks - 2) / spread)
    half = student(blocks - 2) * error
    return Interval(slope - half, slope + half, dimension, point=slope)


@lru_cache(maxsize=64)
def student(degrees: int) -> float:
    """The 97.5 % point of Student's t, by bisection of its distribution function."""
    low, high = 0.0, 1000.0
    for _ in range(80):
        t = (low + high) / 2
        below = 1 - regularized_beta(degrees / (degrees + t * t), degrees / 2, 0.5) / 2
        low, high = (t, high) if below < 0.975 else (low, t)
    return (low + high) / 2
