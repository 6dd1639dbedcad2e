"""What processes run: their programs, as the kernel has them, with digest and version; of interpreters also what they interpret.

Each is hashed once, and again when it changed.
"""

from __future__ import annotations

import hashlib
import os
import re
import subprocess
from collections.abc import Container, Iterator, Mapping
from pathlib import Path

from ..core import procfs
from ..core.fingerprints import Part
from ..core.processes import ProcessId
from .interpreters import Program, program_of

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
_read: dict[tuple[tuple[str, int, int, int, int], ...], str] = {}  # likewise, and of what is interpreted -> digest


def parts_of(processes: Mapping[str, ProcessId]) -> Iterator[Part]:
    """By instance, from its leader: its program, and those of its unit by their names, with what they interpret.

    A unit is all that descends from its guardian: PostgreSQL, which leaves Patroni for a session of its own, is of it, too.
    """
    for instance, leader in processes.items():
        seen: set[str] = set()
        for process in [leader, *(p for p in procfs.unit(leader) if p != leader)]:
            part = _part(instance if process == leader else "", instance, process.pid)
            if part is not None and (process == leader or part.name not in seen):
                seen.add(part.name)
                yield part
            told = _interpreted(instance, process.pid, seen)
            if told is not None:
                seen.add(told.name)
                yield told


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


def _interpreted(instance: str, pid: int, seen: Container[str]) -> Part | None:
    """None where it cannot be told, or was told already."""
    try:
        program = program_of(pid, str(Path(f"/proc/{pid}/exe").readlink()))
        if program is None or program.name in seen:
            return None
        digest = digest_of(program)
    except OSError:
        return None
    return Part(subject=f"{instance} {program.name}", name=program.name, digest=digest, version=program.version)


def digest_of(program: Program) -> str:
    """Of its file, without the line that `pip` makes for each machine; of several over their names and digests, the first one first.

    Raises OSError.
    """
    found = [(str(p), p.stat()) for p in program.files]
    key = tuple((path, s.st_ino, s.st_size, s.st_mtime_ns, s.st_ctime_ns) for path, s in found)
    if key not in _read:
        each = []
        for path in program.files:
            with path.open("rb") as file:
                if program.installed and file.peek(2).startswith(b"#!"):
                    file.readline()
                each.append(hashlib.file_digest(file, "sha256").hexdigest())
        root = program.files[0].parent
        lines = (f"{os.path.relpath(p, root)}\0{d}\n" for p, d in zip(program.files, each, strict=True))
        whole = each[0] if len(each) == 1 else hashlib.sha256("".join(lines).encode()).hexdigest()
        _read[key] = f"sha256:{whole}"
    return _read[key]


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
