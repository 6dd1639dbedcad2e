"""Limits by control groups: one of ours beneath the instance's own, with a limit, that all its processes are moved into and back.

In version 2 a group with processes may have no others beneath it: ours lies beside the instance's. Memory that a process had
before stays charged to where it was: of a limit on it the group gets what is left, and what is started later gets a group with
all of it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from ...core import cgroups, procfs
from ...core.cgroups import Group
from ...core.errors import NotExercised, PlatformError
from ...core.processes import ProcessId
from ...core.quantities import Dimension, format_quantity
from .common import Case

_PERIOD_US = 100_000
_LEAST_BYTES = 64 << 10
# For each pair of home and group: all processes go home, again until the group can be removed.
_LEAVE = """
while [ $# -gt 1 ]; do
  tries=0
  while [ -d "$2" ] && ! rmdir "$2" 2>/dev/null; do
    tries=$((tries + 1))
    [ $tries -gt 1000 ] && { echo "$2 still has processes" >&2; exit 1; }
    { while read -r process; do
        echo "$process" > "$1/cgroup.procs" || echo "$process" > "${2%/*}/cgroup.procs"
      done < "$2/cgroup.procs"; } 2>/dev/null
    [ $tries -gt 3 ] && sleep 0.01
  done
  shift 2
done
"""


@dataclass(frozen=True, kw_only=True, slots=True)
class Room:
    """A group of ours to be: its path, and what is written to which of its files."""

    path: Path
    settings: Sequence[tuple[str, str]]


class Limit:
    """A Constraint by control groups, for a subclass that says which limit: `rooms` of it, for what runs and for what is started later."""

    CONTROLLER: str
    presser: ProcessId | None = None

    def __init__(self, case: Case) -> None:
        self.case = case
        self._began = False
        self._name = f"{self.CONTROLLER}-limit {case.label}"

    def rooms(self, own: Group, parent: Path) -> tuple[Room, Room]:
        """The group for what runs, and the one for what is started later; may be the same."""
        raise NotImplementedError

    async def begin(self) -> None:
        """Make the groups and move everything in."""
        own = _own(self.case, self.CONTROLLER)
        now, later = self.rooms(own, _parent(own))
        rooms = [now] if now.path == later.path else [now, later]
        pairs = [(own.path, room.path) for room in reversed(rooms)]
        await self.case.supervisor.remedy(self._name, [leaving(pairs)])
        self._began = True
        for room in rooms:
            _make(room)
        await self.case.supervisor.confine(self.case.instance, [now.path], [later.path])

    async def end(self) -> None:
        """Move everything back, and remove the groups."""
        if self._began:
            await self.case.supervisor.confine(self.case.instance, (), ())
            await self.case.supervisor.settle(self._name)

    def room(self, parent: Path, suffix: str, *settings: tuple[str, object]) -> Room:
        """One below a parent."""
        path = parent / f"seatrial-{self.case.label}-{self.CONTROLLER}{suffix}"
        return Room(path=path, settings=[(name, str(value)) for name, value in settings])

    def tighter(self, asked: float, present: float | None, dimension: Dimension = Dimension.NUMBER) -> None:
        """Raises NotExercised for a limit that holds already."""
        if present is not None and present <= asked:
            held, wanted = format_quantity(present, dimension), format_quantity(asked, dimension)
            raise NotExercised(
                f"{self.case.instance} is held to {held} already: a limit of {wanted} would change nothing"
            )


class CpuLimit(Limit):
    """`cores`: so many processors' time, in every tenth of a second."""

    CONTROLLER = "cpu"

    def rooms(self, own: Group, parent: Path) -> tuple[Room, Room]:
        cores = self.case.number("cores")
        self.tighter(cores, cgroups.cpu_limit(own))
        quota = max(1000, round(cores * _PERIOD_US))
        settings: Sequence[tuple[str, object]] = (
            [("cpu.max", f"{quota} {_PERIOD_US}")]
            if own.unified
            else [("cpu.cfs_period_us", _PERIOD_US), ("cpu.cfs_quota_us", quota)]
        )
        room = self.room(parent, "", *settings)
        return room, room


class MemoryLimit(Limit):
    """`size`: all its processes together, what they have now included; or `above` what they have now. Swap is none beyond it."""

    CONTROLLER = "memory"

    def rooms(self, own: Group, parent: Path) -> tuple[Room, Room]:
        has = sum(procfs.own_memory(process) for process in procfs.descendants([self.case.leader]))
        size = self.case.number("size") or has + self.case.number("above")
        self.tighter(size, cgroups.memory_limit(own), Dimension.SIZE)
        now = self.room(parent, "-now", *_memory(own, max(_LEAST_BYTES, round(size) - has)))
        return now, self.room(parent, "", *_memory(own, max(_LEAST_BYTES, round(size))))


class PidsLimit(Limit):
    """`count`: processes and threads, all together; those that are there stay."""

    CONTROLLER = "pids"

    def rooms(self, own: Group, parent: Path) -> tuple[Room, Room]:
        count = round(self.case.number("count"))
        self.tighter(count, cgroups.pids_limit(own))
        room = self.room(parent, "", ("pids.max", count))
        return room, room


def leaving(pairs: Sequence[tuple[Path, Path]]) -> list[str]:
    """A command that moves all processes of each second group into the first, and removes the second; none is there: nothing."""
    return ["sh", "-c", _LEAVE, "sh", *(str(path) for pair in pairs for path in pair)]


def _memory(own: Group, size: int) -> Sequence[tuple[str, object]]:
    size -= size % 4096
    if own.unified:
        return [("memory.max", size), ("memory.swap.max?", 0)]
    return [("memory.limit_in_bytes", size), ("memory.memsw.limit_in_bytes?", size)]


def _own(case: Case, controller: str) -> Group:
    """The group that all its processes are in."""
    groups = {cgroups.group_of(process.pid, controller) for process in procfs.descendants([case.leader])} - {None}
    if not groups:
        raise NotExercised(f"there is no control group for {controller} here: Linux with control groups is needed")
    if len(groups) > 1:
        raise NotExercised(f"the processes of {case.instance} are in several control groups for {controller}")
    own = groups.pop()
    assert own is not None
    if own.path.name.startswith("seatrial-"):
        raise NotExercised(f"{case.instance} has a limit of ours already: heal that one first")
    return own


def _parent(own: Group) -> Path:
    """Where a group of ours can be made so that all limits go on holding. Raises NotExercised where there is no such place."""
    if not own.unified:
        return own.path
    for name, read in _LIMITS.items():
        if name != own.controller and read(Group(controller=name, path=own.path, root=own.path, unified=True)):
            raise NotExercised(f"{own.path} has a limit of {name}, which would not hold in a group beside it")
    for group in list(own.upwards())[1:]:
        if own.controller in (group.text("cgroup.subtree_control") or "").split():
            return group.path
    raise NotExercised(f"no group above {own.path} hands on {own.controller} (cgroup.subtree_control)")


_LIMITS: dict[str, Callable[[Group], float | int | None]] = {
    "cpu": cgroups.cpu_limit,
    "memory": cgroups.memory_limit,
    "pids": cgroups.pids_limit,
}


def _make(room: Room) -> None:
    try:
        room.path.mkdir()
    except OSError as error:
        raise NotExercised(
            f"a control group cannot be made in {room.path.parent} ({error.strerror}): root, or a group handed over, is needed"
        ) from error
    for name, value in room.settings:
        file = room.path / name.rstrip("?")
        if name.endswith("?") and not file.exists():
            continue  # a kernel without swap accounting
        try:
            file.write_text(value, "ascii")
        except OSError as error:
            raise PlatformError(f"{file} does not take {value}: {error.strerror}") from error
