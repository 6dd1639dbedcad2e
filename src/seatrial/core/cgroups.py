"""Control groups: where a process is held to what, and what the kernel counted there. Versions 1 and 2, read only.

A group that has gone, or may not be read, is an ordinary answer (None), never an error: it ends with its processes. Formats: cgroups(7) and
the kernel's admin-guide/cgroup-v1 and cgroup-v2.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

UNLIMITED = 1 << 60  # version 1 has no word for it, but a number of pages that no machine has
_V2 = ""
_MEMORY = {True: "memory.max", False: "memory.limit_in_bytes"}


@dataclass(frozen=True, kw_only=True, slots=True)
class Group:
    """A control group in which a controller (cpu, memory, pids) acts. `root`: of its hierarchy, as mounted here."""

    controller: str
    path: Path
    root: Path
    unified: bool  # version 2

    def upwards(self) -> Iterator[Group]:
        """Itself and what it lies in: the limits of all of them hold."""
        path = self.path
        while path.is_relative_to(self.root):
            yield Group(controller=self.controller, path=path, root=self.root, unified=self.unified)
            path = path.parent

    def text(self, name: str) -> str | None:
        """What a file of it says."""
        return _text(self.path / name)

    def number(self, name: str) -> int | None:
        """A file with a number in it; None for ``max``, too."""
        return _number(self.text(name))

    def counts(self, name: str) -> Mapping[str, int]:
        """A file with a name and a number a line."""
        lines = (line.split() for line in (self.text(name) or "").splitlines())
        return {words[0]: int(words[1]) for words in lines if len(words) == 2 and words[1].isdecimal()}


def group_of(pid: int, controller: str) -> Group | None:
    """The group in which a controller holds a process; None where there is none, or not as seen from here."""
    mounts = _mounts()
    own: dict[str, str] = {}
    for line in (_text(Path(f"/proc/{pid}/cgroup")) or "").splitlines():
        _, controllers, path = line.split(":", 2)
        own.update(dict.fromkeys(controllers.split(","), path))
    for key in (controller, _V2):
        if key not in own or key not in mounts:
            continue
        place, within = mounts[key]
        path = own[key]
        if within != "/":
            if not (path + "/").startswith(within + "/"):
                return None
            path = path[len(within) :]
        found = place / path.lstrip("/")
        if ".." in found.parts or not found.is_dir():
            return None
        return Group(controller=controller, path=found, root=place, unified=key == _V2)
    return None


def acts(group: Group) -> bool:
    """Whether the controller acts in this very group: in version 2 a group may be without it."""
    return not group.unified or group.controller in (group.text("cgroup.controllers") or "").split()


def cpu_limit(group: Group) -> float | None:
    """Processors that it may use at most (1.5), by the tightest of all that it lies in."""
    return min((found for each in group.upwards() if (found := _cpus(each)) is not None), default=None)


def memory_limit(group: Group) -> int | None:
    """Bytes that it may use at most, likewise."""
    return _tightest(group, _MEMORY[group.unified])


def pids_limit(group: Group) -> int | None:
    """Processes and threads that it may have at most, likewise."""
    return _tightest(group, "pids.max")


def memory_used(group: Group) -> int | None:
    """Bytes that are charged to it now, the page cache included."""
    return group.number("memory.current" if group.unified else "memory.usage_in_bytes")


def memory_needed(group: Group) -> int | None:
    """The same without files that the kernel would drop first."""
    used = memory_used(group)
    dropped = group.counts("memory.stat").get("inactive_file" if group.unified else "total_inactive_file", 0)
    return None if used is None else max(0, used - dropped)


def memory_left(group: Group) -> int | None:
    """Bytes that could be had within its limits and those of what it lies in; None where there is none."""
    lefts = [
        limit - (memory_needed(each) or 0)
        for each in group.upwards()
        if (limit := each.number(_MEMORY[each.unified])) is not None and limit < UNLIMITED
    ]
    return min(lefts, default=None)


def oom_kills(group: Group) -> int | None:
    """Processes that the kernel killed there because the memory did not suffice."""
    return group.counts("memory.events" if group.unified else "memory.oom_control").get("oom_kill")


def pids_now(group: Group) -> int | None:
    """Processes and threads that it has."""
    return group.number("pids.current")


def pids_refused(group: Group) -> int | None:
    """How often a process or thread was not made because of its limit."""
    return group.counts("pids.events").get("max")


def throttled(group: Group) -> int | None:
    """Periods in which it was stopped, because it had used up its processor time."""
    return group.counts("cpu.stat").get("nr_throttled")


def _cpus(group: Group) -> float | None:
    if group.unified:
        words = (group.text("cpu.max") or "max").split()
        return int(words[0]) / int(words[1]) if len(words) == 2 and words[0] != "max" else None
    quota, period = group.number("cpu.cfs_quota_us"), group.number("cpu.cfs_period_us")
    return quota / period if quota is not None and quota > 0 and period else None


def _tightest(group: Group, name: str) -> int | None:
    found = [n for each in group.upwards() if (n := each.number(name)) is not None and n < UNLIMITED]
    return min(found, default=None)


def _mounts() -> Mapping[str, tuple[Path, str]]:
    """By controller (version 2: ""): where its hierarchy is mounted, and what of it."""
    found: dict[str, tuple[Path, str]] = {}
    for line in (_text(Path("/proc/self/mountinfo")) or "").splitlines():
        head, _, tail = line.partition(" - ")
        fields, kind = head.split(), tail.split()
        if len(fields) < 5 or len(kind) < 3:
            continue
        if kind[0] == "cgroup2":
            found.setdefault(_V2, (Path(fields[4]), fields[3]))
        elif kind[0] == "cgroup":
            for option in kind[2].split(","):
                found.setdefault(option, (Path(fields[4]), fields[3]))
    return found


def _number(text: str | None) -> int | None:
    word = (text or "").strip()
    return int(word) if word.lstrip("-").isdecimal() else None


def _text(path: Path) -> str | None:
    try:
        return path.read_text("ascii", "replace")
    except OSError:
        return None
