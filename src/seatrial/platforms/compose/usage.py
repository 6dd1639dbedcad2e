"""What a container uses: from its control groups where they can be seen, else from the engine's own statistics."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from ...core import procfs
from ...core.errors import PlatformError
from ...core.stack import Usage
from .containers import Container
from .engine import Engine
from .places import UNIFIED, directories, number_in, text_of

_NS = 1e9


def fields_of(text: str) -> Mapping[str, int]:
    """``name number`` a line, as cpu.stat and memory.stat have them."""
    words = (line.split() for line in text.splitlines())
    return {w[0]: int(w[1]) for w in words if len(w) == 2 and w[1].isdecimal()}


def from_cgroups(pid: int) -> Usage | None:
    """Of the control group of a process, version 1 or 2; None where it cannot be seen.

    Memory is without file pages that were not used lately (as ``docker stats`` has it). Processor time is that of the present run.
    """
    places = directories(pid)
    if "cpuacct" in places and "memory" in places:
        cpu, memory = _version_1(places)
    elif UNIFIED in places:
        cpu, memory = _version_2(places[UNIFIED])
    else:
        return None
    if cpu is None or memory is None:
        return None
    listed = places.get("pids") or places.get(UNIFIED)
    group = listed or places["memory"]
    pids = [int(p) for p in text_of(group / "cgroup.procs").split() if p.isdecimal()]
    tasks = number_in(group / "pids.current")
    return Usage(
        cpu_seconds=cpu,
        memory_bytes=memory,
        descriptors=sum(_descriptors(p) for p in pids),
        threads=tasks if tasks is not None else sum(_threads(p) for p in pids),
        processes=len(pids),
    )


def _version_1(places: Mapping[str, Path]) -> tuple[float | None, int | None]:
    ns = number_in(places["cpuacct"] / "cpuacct.usage")
    used = number_in(places["memory"] / "memory.usage_in_bytes")
    idle = fields_of(text_of(places["memory"] / "memory.stat")).get("total_inactive_file", 0)
    return (None if ns is None else ns / _NS), (None if used is None else max(0, used - idle))


def _version_2(place: Path) -> tuple[float | None, int | None]:
    us = fields_of(text_of(place / "cpu.stat")).get("usage_usec")
    used = number_in(place / "memory.current")
    idle = fields_of(text_of(place / "memory.stat")).get("inactive_file", 0)
    return (None if us is None else us / 1e6), (None if used is None else max(0, used - idle))


def from_statistics(stats: Mapping[str, Any], processes: int) -> Usage:
    """From an answer of /containers/ID/stats. Descriptors are not in it: they count as none."""
    memory = stats.get("memory_stats") or {}
    more = memory.get("stats") or {}
    idle = more.get("total_inactive_file", more.get("inactive_file", 0))
    cpu = (stats.get("cpu_stats") or {}).get("cpu_usage") or {}
    return Usage(
        cpu_seconds=int(cpu.get("total_usage") or 0) / _NS,
        memory_bytes=max(0, int(memory.get("usage") or 0) - int(idle or 0)),
        descriptors=0,
        threads=int((stats.get("pids_stats") or {}).get("current") or 0),
        processes=processes,
    )


def frozen(pid: int) -> bool | None:
    """Whether the freezer holds a process's control group, by the kernel's own word; None where it cannot be seen."""
    places = directories(pid)
    if "freezer" in places and (word := text_of(places["freezer"] / "freezer.state").strip()):
        return word == "FROZEN"
    if UNIFIED in places and (text := text_of(places[UNIFIED] / "cgroup.events")):
        return fields_of(text).get("frozen") == 1
    return None


def _descriptors(pid: int) -> int:
    with suppress(OSError), os.scandir(f"/proc/{pid}/fd") as entries:
        return sum(1 for _ in entries)
    return 0


def _threads(pid: int) -> int:
    stat = procfs.read_stat(pid)
    return stat.threads if stat is not None else 0


async def of(container: Container, engine: Engine) -> Usage:
    """Of an instance. Raises PlatformError for one that is down."""
    if container.status not in ("running", "paused"):
        raise PlatformError(f"{container.name} is down ({container.detail()}): nothing to measure")
    if container.process is not None and (found := from_cgroups(container.process.pid)) is not None:
        return found
    stats, top = await asyncio.gather(
        engine.get(f"/containers/{container.id}/stats", **{"stream": 0, "one-shot": 1}),
        engine.get(f"/containers/{container.id}/top"),
    )
    return from_statistics(stats, len(top.get("Processes") or []))


def sockets_of(containers: Sequence[Container]) -> dict[str, tuple[int, int]]:
    """By instance: connections at its ports, and those that wait to be accepted; those that cannot be looked at are left out."""
    found = {}
    for container in containers:
        if container.process is None:
            continue
        ports = [p.number for p in container.service.endpoints.values()]
        seen = procfs.tcp_connections(ports, of=str(container.process.pid))
        if seen:
            found[container.name] = (sum(s[0] for s in seen.values()), sum(s[1] for s in seen.values()))
    return found
