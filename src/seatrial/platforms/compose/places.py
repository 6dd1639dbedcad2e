"""Where the kernel shows a container: its control groups, and the files in them."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from pathlib import Path

UNIFIED = ""  # the name of the one hierarchy of version 2


def cgroup_of(pid: int) -> str | None:
    """/proc/PID/cgroup; None where there is no such process here."""
    try:
        return Path(f"/proc/{pid}/cgroup").read_text("ascii", "replace")
    except OSError:
        return None


def parse_cgroup(text: str) -> Mapping[str, str]:
    """Controller to path inside its hierarchy. Of version 2 there is one, by the name of UNIFIED.

    A line is ``12:cpu,cpuacct:/docker/abc`` in version 1 and ``0::/system.slice/docker-abc.scope`` in version 2.
    """
    found: dict[str, str] = {}
    for line in text.splitlines():
        _, _, rest = line.partition(":")
        controllers, _, path = rest.partition(":")
        if not path.startswith("/"):
            continue
        for controller in controllers.split(",") if controllers else [UNIFIED]:
            found[controller.removeprefix("name=")] = path
    return found


def parse_mounts(text: str) -> Mapping[str, Path]:
    """Controller to where its hierarchy is mounted, from /proc/self/mountinfo."""
    found: dict[str, Path] = {}
    for line in text.splitlines():
        before, dash, after = line.partition(" - ")
        fields, options = before.split(" "), after.split(" ")
        if not dash or len(fields) < 5 or len(options) < 3:
            continue
        where = Path(fields[4].replace("\\040", " "))
        if options[0] == "cgroup2":
            found.setdefault(UNIFIED, where)
        elif options[0] == "cgroup":
            for controller in options[2].split(","):
                found.setdefault(controller.removeprefix("name="), where)
    return found


@cache
def mounts() -> Mapping[str, Path]:
    """Of this machine."""
    try:
        return parse_mounts(Path("/proc/self/mountinfo").read_text("utf-8", "replace"))
    except OSError:
        return {}


def directories(pid: int) -> Mapping[str, Path]:
    """Controller to the directory of a process's control group; empty where it cannot be seen."""
    found = {}
    for controller, path in parse_cgroup(cgroup_of(pid) or "").items():
        if controller in mounts():
            found[controller] = mounts()[controller] / path.lstrip("/")
    return found


def text_of(path: Path) -> str:
    """What stands in a file; nothing where it cannot be read."""
    try:
        return path.read_text("ascii", "replace")
    except OSError:
        return ""


def number_in(path: Path) -> int | None:
    """The number in a file; None for ``max``, and where there is none."""
    text = text_of(path).strip()
    return int(text) if text.isdecimal() else None
