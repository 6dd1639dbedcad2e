"""What this machine is, for reports and `seatrial doctor`."""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path

from .ports import candidate_ports

# In an interpreter of its own: a process with threads cannot enter a user namespace, and must not try by forking.
_TRIAL = """
import ctypes, sys
sys.exit(0 if ctypes.CDLL(None).unshare(int(sys.argv[1])) == 0 else 1)
"""
_NEW_USER = 0x10000000
_NEW_USER_AND_MOUNTS = 0x10020000


def describe() -> Mapping[str, str | int | bool]:
    """Facts by name. `cpus` are those this process may use; `memory_*` and `disk_free` in bytes.

    `user_namespaces`: root can be dropped, and services given names, by an ordinary user; `private_names`: services can be
    given names. `ports`: those that stacks are given (first-last).
    """
    memory = _memory()
    ports = candidate_ports()
    root = os.geteuid() == 0
    namespaces = _allowed(_NEW_USER)
    return {
        "system": platform.system(),
        "kernel": platform.release(),
        "architecture": platform.machine(),
        "cpus": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1,
        "memory_total": memory.get("MemTotal", 0),
        "memory_available": memory.get("MemAvailable", 0),
        "disk_free": shutil.disk_usage(tempfile.gettempdir()).free,
        "python": platform.python_version(),
        "python_implementation": platform.python_implementation(),
        "root": root,
        "user_namespaces": namespaces,
        "private_names": _allowed(_NEW_USER_AND_MOUNTS),
        "ports": f"{ports[0]}-{ports[-1]}",
        "open_files": _open_files(),
    }


def _memory() -> dict[str, int]:
    """/proc/meminfo in bytes; empty where there is none."""
    try:
        lines = Path("/proc/meminfo").read_text("ascii").splitlines()
    except OSError:
        return {}
    fields = (line.split() for line in lines)
    return {words[0].rstrip(":"): int(words[1]) * 1024 for words in fields if len(words) == 3}


def _allowed(namespaces: int) -> bool:
    if not sys.platform.startswith("linux"):
        return False
    command = [sys.executable, "-I", "-S", "-c", _TRIAL, str(namespaces)]
    try:
        return subprocess.run(command, capture_output=True, timeout=10, check=False).returncode == 0
    except (OSError, subprocess.TimeoutExpired):
        return False


def _open_files() -> int:
    """How many descriptors a process may have (soft limit); -1 without limit."""
    import resource

    return resource.getrlimit(resource.RLIMIT_NOFILE)[0]
