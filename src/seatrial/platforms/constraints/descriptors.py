"""A limit of open files and sockets, on each process of an instance as it runs (prlimit). What it has open stays open.

The soft limit alone is lowered, so that it can be raised again without rights; a process could do that itself.
"""

from __future__ import annotations

import resource
import sys
from collections.abc import Sequence

from ...core import procfs
from ...core.errors import NotExercised, PlatformError
from ...core.processes import ProcessId
from .common import Case


class DescriptorsLimit:
    """A Constraint. `count`: a process that has as many gets no more. What is started anew later is free of it."""

    presser: ProcessId | None = None

    def __init__(self, case: Case) -> None:
        self.case = case
        self._count = round(case.number("count"))
        self._name = f"descriptors-limit {case.label}"
        self._began = False

    async def begin(self) -> None:
        """Lower it, of children before parents: who forks meanwhile hands on what it has, and is seen at the next look."""
        former = _limit(self.case.leader.pid, self.case.instance)[0]
        if former != resource.RLIM_INFINITY and former <= self._count:
            raise NotExercised(f"{self.case.instance} is held to {former} descriptors already")
        leader = self.case.leader
        undo = [
            sys.executable,
            "-P",
            "-m",
            __name__,
            str(leader.pid),
            str(leader.started),
            str(self._count),
            str(former),
        ]
        await self.case.supervisor.remedy(self._name, [undo], leader)
        self._began = True
        while fresh := _with_another(leader, self._count):
            for process, hard in fresh:
                _set(process, self._count, hard, self.case.instance)

    async def end(self) -> None:
        """Raise it again. Raises PlatformError where the process has gone, and its limit with it."""
        if not self._began:
            return
        self._began = False
        gone = not procfs.is_alive(self.case.leader)
        await self.case.supervisor.settle(self._name)
        if gone:
            raise PlatformError(f"{self.case.instance} was started anew meanwhile, without its limit")


def lift(leader: ProcessId, count: int, former: int) -> None:
    """Undo it: every process beneath the leader that has the lowered limit, started since or not, has the former one."""
    while lowered := [(p, hard) for p, soft, hard in _limits(leader) if soft == count]:
        for process, hard in lowered:
            _set(process, former, hard, f"pid {process.pid}")


def _with_another(leader: ProcessId, count: int) -> Sequence[tuple[ProcessId, int]]:
    return [(p, hard) for p, soft, hard in _limits(leader) if soft == resource.RLIM_INFINITY or soft > count]


def _limits(leader: ProcessId) -> Sequence[tuple[ProcessId, int, int]]:
    """Of all processes that are still there: soft and hard."""
    found = []
    for process in reversed(procfs.descendants([leader])):
        try:
            found.append((process, *resource.prlimit(process.pid, resource.RLIMIT_NOFILE)))
        except ProcessLookupError:
            continue
    return found


def _limit(pid: int, whose: str) -> tuple[int, int]:
    try:
        return resource.prlimit(pid, resource.RLIMIT_NOFILE)
    except PermissionError as error:
        raise NotExercised(
            f"the limits of {whose} may not be touched: it runs as another user, so root is needed"
        ) from error
    except ProcessLookupError as error:
        raise PlatformError(f"{whose} has just ended") from error


def _set(process: ProcessId, soft: int, hard: int, whose: str) -> None:
    if procfs.stat_of(process) is None:
        return
    try:
        resource.prlimit(process.pid, resource.RLIMIT_NOFILE, (soft, hard))
    except ProcessLookupError:
        return
    except PermissionError as error:
        raise NotExercised(
            f"the limits of {whose} may not be touched: it runs as another user, so root is needed"
        ) from error


if __name__ == "__main__":
    pid, started, lowered, before = map(int, sys.argv[1:])
    lift(ProcessId(boot=procfs.boot_id(), pid=pid, started=started), lowered, before)
