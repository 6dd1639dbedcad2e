"""What processes run: their programs, as the kernel has them, with digest and version. Each is hashed once, and again when it changed."""

from __future__ import annotations

import hashlib
import re
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path

from ..core import procfs
from ..core.fingerprints import Part
from ..core.processes import ProcessId

# How a program is asked for its version; others are not asked: who knows what they would do.
_ASKED = {
    "postgres": "--version",
    "etcd": "--version",
    "caddy": "version",
    "redis-server": "--version",
    "valkey-server": "--version",
    "nginx": "-v",
    "node": "--version",
}
_VERSION = re.compile(r"\d+(?:\.\d+)+")
_TIMEOUT_S = 5
_known: dict[tuple[str, int, int, int], tuple[str, str]] = {}  # path, inode, size, mtime -> digest, version


def parts_of(processes: Mapping[str, ProcessId]) -> Iterator[Part]:
    """By instance, from its leader: its program, and those of its descendants by their names."""
    for instance, leader in processes.items():
        seen: set[str] = set()
        for process in [leader, *(p for p in procfs.descendants([leader]) if p != leader)]:
            part = _part(instance if process == leader else "", instance, process.pid)
            if part is not None and (process == leader or part.name not in seen):
                seen.add(part.name)
                yield part


def _part(subject: str, instance: str, pid: int) -> Part | None:
    """None for a process that has gone, or that may not be looked at."""
    exe = Path(f"/proc/{pid}/exe")
    try:
        path = str(exe.readlink())
        found = exe.stat()
        key = (path, found.st_ino, found.st_size, found.st_mtime_ns)
        if key not in _known:
            with exe.open("rb") as file:
                digest = hashlib.file_digest(file, "sha256").hexdigest()
            _known[key] = f"sha256:{digest}", _version(path)
    except OSError:
        return None
    name = path.removesuffix(" (deleted)").rpartition("/")[2]
    digest, version = _known[key]
    return Part(subject=subject or f"{instance} {name}", name=name, digest=digest, version=version)


def _version(path: str) -> str:
    name = path.rpartition("/")[2]
    if name.startswith("python3"):
        option: str | None = "--version"
    else:
        option = _ASKED.get(name)
    if option is None:
        return ""
    try:
        said = subprocess.run(
            [path, option], capture_output=True, text=True, timeout=_TIMEOUT_S, check=False, stdin=subprocess.DEVNULL
        )
    except (OSError, subprocess.SubprocessError, UnicodeDecodeError):
        return ""
    found = _VERSION.search(said.stdout + said.stderr)
    return found[0] if found else ""
