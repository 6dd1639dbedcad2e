"""What tests and what is tested, side by side: neither is to starve the other of processor time.

An engine without systemd puts all containers into one control group beside whatever else its machine runs, and there that group weighs no
more than each single process: five busy clients leave a stack a sixth of the machine. So the trial's own processes get one group, too, of
the same weight. Under systemd each has a slice already, and nothing is done. Scheduler: sched(7), "nice value and group scheduling".
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterable
from pathlib import Path

from ...core import cgroups, procfs
from ...core.cgroups import Group
from ...core.processes import ProcessId, Supervisor
from ..constraints.groups import leaving

_LOOKS = 20


def crowded(own: Group | None, containers: Group | None) -> bool:
    """Whether processes of ours weigh, each by itself, as much as a group that all containers are in."""
    if own is None or containers is None or own.root != containers.root:
        return False
    above = [group.path for group in containers.upwards()]
    return own.path in above[2:]


async def step_aside(
    supervisor: Supervisor, keeper: ProcessId | None, name: str, containers: Iterable[ProcessId]
) -> str:
    """Give this process, the keeper and all that they run a control group, where they would crowd out the containers; a remedy ends it.

    What was done, or what it would take, in words; empty where nothing is to be done. One that joins a stack that is kept enters its group.
    """
    own = cgroups.group_of(os.getpid(), "cpu")
    there = next((cgroups.group_of(process.pid, "cpu") for process in containers), None)
    if own is None or not crowded(own, there):
        return ""
    if not os.access(own.path, os.W_OK):
        return "all containers together weigh no more than one process of the trial, and root is needed to change that"
    room = own.path / f"seatrial-{name}"
    remedy = f"processor time beside {name}"
    try:
        if not room.exists():
            await supervisor.remedy(remedy, [leaving([(own.path, room)])], stays=True)
            room.mkdir()
        _enter(room, keeper)
    except OSError as error:
        await supervisor.settle(remedy)
        return f"all containers together weigh no more than one process of the trial: {room}: {error.strerror}"
    return f"the trial weighs as much as all containers, by {room}"


def _enter(room: Path, keeper: ProcessId | None) -> None:
    """Move everything in: again until a look shows nothing new, for what was forking meanwhile has a child outside. One that forks faster
    than that stays where it is.
    """
    moved: set[ProcessId] = set()
    for _ in range(_LOOKS):
        ours = [p for p in (procfs.identify(os.getpid()), keeper) if p is not None]
        fresh = [p for p in procfs.descendants(ours) if p not in moved]
        for process in fresh:
            with contextlib.suppress(ProcessLookupError):  # it has ended
                (room / "cgroup.procs").write_text(str(process.pid), "ascii")
            moved.add(process)
        if not fresh:
            return
