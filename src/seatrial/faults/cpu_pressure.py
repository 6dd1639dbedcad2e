"""Fault `cpu-pressure`: other work wants the same processors."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from ..core import cgroups, procfs
from ..core.faults import Testimony
from ..core.platforms import Platform
from ..core.processes import ProcessId
from ..core.quantities import NS_PER_S, format_duration
from ..core.stack import Instance
from .constraining import Constraint, constrainer_of

_WINDOW_S = 0.3
_WANTED = 0.8  # of what was asked for
_GOT = 0.05  # on a machine with much other work it may have to wait
_TICK_NS = NS_PER_S // os.sysconf("SC_CLK_TCK")


class CpuPressure(Constraint):
    """core.faults.Fault. `share` or `cores`."""

    KIND = "cpu-pressure"

    async def seen(self, platform: Platform, victim: Instance, leader: ProcessId) -> Testimony:
        """What the other work got and waited for in a while, on which processors, and how long the victim's processes waited."""
        presser = constrainer_of(platform).presser(self.numbers.get(victim.name, 0))
        others = [p for p in procfs.descendants([presser]) if p != presser] if presser is not None else []
        cpus = _processors(leader.pid)
        if not others or not cpus:
            return self.testify(victim, "no other work is seen on its processors", acted=False)
        asked = self.number("cores") or (self.number("share") or 1.0) * _usable(leader.pid, len(cpus))
        began_ns, before, own = time.monotonic_ns(), _times(others), _times(procfs.descendants([leader]))
        await asyncio.sleep(_WINDOW_S)
        window = time.monotonic_ns() - began_ns
        got, waited = _since(before, _times(others))
        _, delayed = _since(own, _times(procfs.descendants([leader])))
        here = all(_processors(p.pid) <= cpus for p in others)
        acted = here and got >= _GOT * asked * window and got + waited >= _WANTED * asked * window
        told = f"other work got {got / window:.2f} processors in {format_duration(window)} and waited for {waited / window:.2f} more"
        where = "those that it may use" if here else "others than it may use"
        what = f"{told}, of {asked:.3g} asked for, on {where}; its own processes waited {format_duration(delayed)}"
        return self.testify(victim, what, acted=acted)


def _usable(pid: int, cpus: int) -> float:
    group = cgroups.group_of(pid, "cpu")
    limit = cgroups.cpu_limit(group) if group is not None else None
    return min(cpus, limit or cpus)


def _processors(pid: int) -> set[int]:
    try:
        return set(os.sched_getaffinity(pid))
    except OSError:
        return set()


def _times(processes: Sequence[ProcessId]) -> Mapping[tuple[int, str], tuple[int, int]]:
    """By thread: ns that it ran, and that it was ready to run and waited, as /proc/PID/task/TID/schedstat has it."""
    found = {}
    for process in processes:
        try:
            threads = [path.name for path in Path(f"/proc/{process.pid}/task").iterdir()]
        except OSError:
            continue
        for thread in threads:
            try:
                words = Path(f"/proc/{process.pid}/task/{thread}/schedstat").read_text("ascii").split()
            except OSError:  # it has ended, or the kernel does not count
                stat = procfs.stat_of(process)
                words = [str(stat.cpu_ticks * _TICK_NS), "0"] if stat is not None and thread == str(process.pid) else []
            if words:
                found[process.pid, thread] = int(words[0]), int(words[1])
    return found


def _since(
    before: Mapping[tuple[int, str], tuple[int, int]], after: Mapping[tuple[int, str], tuple[int, int]]
) -> tuple[int, int]:
    """What came to it meanwhile, of all together."""
    pairs = [(before.get(key, (0, 0)), now) for key, now in after.items()]
    return sum(n[0] - b[0] for b, n in pairs), sum(n[1] - b[1] for b, n in pairs)
