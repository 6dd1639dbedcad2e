"""Pressure: a process of ours (see `press`) takes processor time or memory beside an instance, and ends with whoever ordered it."""

from __future__ import annotations

import asyncio
import json
import os
import sys
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from ...core import cgroups, procfs
from ...core.cgroups import Group
from ...core.errors import NotExercised, PlatformError, SupervisorError
from ...core.processes import CommandResult, ProcessId, Surroundings
from ...core.quantities import NS_PER_S, Dimension, format_quantity
from .common import MEGABYTE, Case

_PROGRAM = Path(__file__).with_name("press.py")
_FOREVER_NS = 10 * 365 * 24 * 3600 * NS_PER_S
_BEGUN_WITHIN_NS = 20 * NS_PER_S
_GONE_WITHIN_NS = 5 * NS_PER_S
_LOOK_S = 0.005
_FLOOR_BYTES = 256 * MEGABYTE
_FLOOR_SHARE = 0.03  # of the machine's memory: never less than this is left of it


class Pressure:
    """A Constraint by a process; a subclass says what it takes."""

    def __init__(self, case: Case) -> None:
        self.case = case
        self.presser: ProcessId | None = None
        self._running: asyncio.Task[CommandResult | SupervisorError] | None = None
        self._ready = case.directory / f"pressure-{case.label}"

    def order(self) -> Mapping[str, object]:
        """What the process is told. Raises NotExercised."""
        raise NotImplementedError

    async def begin(self) -> None:
        """Start it, and wait until it has begun."""
        order = {**self.order(), "ready": str(self._ready)}
        self._ready.unlink(missing_ok=True)
        self._running = asyncio.create_task(self._run(order))
        deadline_ns = time.monotonic_ns() + _BEGUN_WITHIN_NS
        while not self._ready.exists():
            if self._running.done():
                raise PlatformError(f"the pressure on {self.case.instance} did not begin: {self._last_words()}")
            if time.monotonic_ns() > deadline_ns:
                raise PlatformError(f"the pressure on {self.case.instance} did not begin within 20s")
            await asyncio.sleep(_LOOK_S)
        self.presser = procfs.identify(int(self._ready.read_text("ascii")))

    async def end(self) -> None:
        """End it, and see that it has gone. Raises PlatformError where it had before."""
        running, self._running = self._running, None
        if running is None:
            return
        ended_before = running.done() or (self.presser is not None and not procfs.is_alive(self.presser))
        if ended_before:
            await asyncio.wait({running}, timeout=_GONE_WITHIN_NS / NS_PER_S)
        words = self._words(running)
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
        with suppress(OSError):
            self._ready.unlink(missing_ok=True)
        deadline_ns = time.monotonic_ns() + _GONE_WITHIN_NS
        while self.presser is not None and procfs.is_alive(self.presser):
            if time.monotonic_ns() > deadline_ns:
                raise PlatformError(f"the pressure on {self.case.instance}, pid {self.presser.pid}, did not end")
            await asyncio.sleep(_LOOK_S)
        self.presser = None
        if ended_before and not self.case.arguments.get("relentless"):
            raise PlatformError(f"the pressure on {self.case.instance} had ended by itself: {words}")

    async def _run(self, order: Mapping[str, object]) -> CommandResult | SupervisorError:
        surroundings = Surroundings(
            directory=self.case.directory, environment={"PATH": os.environ.get("PATH", os.defpath)}
        )
        argv = [sys.executable, "-I", "-S", str(_PROGRAM), json.dumps(order)]
        try:
            return await self.case.supervisor.run(argv, surroundings, _FOREVER_NS)
        except SupervisorError as error:
            return error

    def _last_words(self) -> str:
        return self._words(self._running) if self._running is not None else ""

    @staticmethod
    def _words(running: asyncio.Task[CommandResult | SupervisorError]) -> str:
        if not running.done() or running.cancelled():
            return ""
        result = running.result()
        if isinstance(result, SupervisorError):
            return str(result)
        lines = result.stderr.strip().splitlines()
        return lines[-1] if lines else f"exit status {result.exit_status}; its instance, or the kernel, ended it"


class CpuPressure(Pressure):
    """`cores` or a `share` of those that the instance may use: work of ordinary priority that wants as much, on the same processors."""

    def order(self) -> Mapping[str, object]:
        pid = self.case.leader.pid
        try:
            cpus = sorted(os.sched_getaffinity(pid))
        except OSError as error:
            raise PlatformError(f"{self.case.instance} has just ended: {error.strerror}") from error
        group = cgroups.group_of(pid, "cpu")
        limit = cgroups.cpu_limit(group) if group is not None else None
        usable = min(len(cpus), limit or len(cpus))
        cores = self.case.number("cores") or self.case.number("share", 1.0) * usable
        return {"kind": "cpu", "cores": cores, "cpus": cpus, **joining(self.case, group)}


class MemoryPressure(Pressure):
    """Takes `size`, or as much as leaves `leave`: of the instance's control group where that has a limit, else of the machine.

    `relentless`: until the kernel kills one of the group for it.
    """

    def order(self) -> Mapping[str, object]:
        group = cgroups.group_of(self.case.leader.pid, "memory")
        if self.case.arguments.get("relentless"):
            return self._relentless(group)
        machine, floor = procfs.machine_memory()[1], machine_floor()
        limited = [g for g in group.upwards() if _limit(g) is not None] if group is not None else []
        within = cgroups.memory_left(group) if group is not None else None
        whose = f"the control group of {self.case.instance}" if limited else "the machine"
        left = machine if within is None else min(within, machine - floor)
        floor = MEGABYTE if limited else floor
        wanted = {
            name: round(self.case.number(name))
            for name in ("size", "leave")
            if self.case.arguments.get(name) is not None
        }
        least, size = wanted.get("leave", floor), wanted.get("size", 0)
        if least < floor or left - size < floor:
            wrong = f"leave: {_size(least)} is too little" if least < floor else f"size: {_size(size)} is too much"
            raise NotExercised(f"{whose} has {_size(left)} left, of which {_size(floor)} always stay: {wrong}")
        if left < least:
            raise NotExercised(f"{whose} has {_size(left)} left: less than {_size(least)} already")
        order = {"kind": "memory", "floor": floor, "machine": machine_floor(), **wanted}
        if not limited:
            return order
        return {**order, "within": [_files(g) for g in limited], **joining(self.case, group)}

    def _relentless(self, group: Group | None) -> Mapping[str, object]:
        if group is None or _limit(group) is None:
            raise NotExercised(
                f"the control group of {self.case.instance} has no limit of memory: the machine's is not tried"
            )
        counter = group.path / ("memory.events" if group.unified else "memory.oom_control")
        return {"kind": "memory", "relentless": True, "counter": str(counter), **joining(self.case, group)}


def joining(case: Case, group: Group | None) -> Mapping[str, object]:
    """To enter the control group of an instance, where it is not the trial's own; and to leave it as soon as the instance has ended."""
    own = cgroups.group_of(os.getpid(), group.controller) if group is not None else None
    if group is None or group == own:
        return {}
    file = group.path / "cgroup.procs"
    if not os.access(file, os.W_OK):
        raise NotExercised(f"{case.instance} is in the control group {group.path}, which root alone can enter")
    return {"join": [str(file)], "while": case.leader.pid}


def machine_floor() -> int:
    """Bytes of the machine's memory that are left whatever is asked for."""
    return max(_FLOOR_BYTES, round(procfs.machine_memory()[0] * _FLOOR_SHARE))


def _limit(group: Group) -> int | None:
    """Its own, without what it lies in."""
    return cgroups.memory_limit(Group(controller="memory", path=group.path, root=group.path, unified=group.unified))


def _files(group: Group) -> tuple[str, str, str, str]:
    names = (
        ("memory.max", "memory.current", "memory.stat", "inactive_file ")
        if group.unified
        else ("memory.limit_in_bytes", "memory.usage_in_bytes", "memory.stat", "total_inactive_file ")
    )
    return (*(str(group.path / name) for name in names[:3]), names[3])  # type: ignore[return-value]


def _size(size: float) -> str:
    return format_quantity(size, Dimension.SIZE)
