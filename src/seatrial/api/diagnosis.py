"""What works on this machine, and what each thing is needed for."""

from __future__ import annotations

import ctypes
import importlib.util
import os
import platform
import sys
from typing import Any

_CLIENTS = {
    "psycopg": "postgres",
    "redis": "redis",
    "celery": "celery",
    "dns": "dns",
    "distributed": "dask",
    "adbc_driver_postgresql": "compare",
}
_PROGRAMS = ("postgres", "etcd", "redis-server", "caddy", "patroni")


def diagnose() -> list[dict[str, Any]]:
    """Facts, each {name, works, detail}."""
    from ..embedded.binaries import find
    from ..platforms.namespaces.trying import told

    facts = [
        _fact("python", sys.version_info >= (3, 11), f"{platform.python_version()} ({sys.executable})"),
        _fact(
            "platform",
            sys.platform == "linux",
            f"{platform.system()} {platform.release()}, {os.cpu_count()} processors",
        ),
        _fact(
            "user",
            True,
            "root (servers that refuse it run in a user namespace)" if os.geteuid() == 0 else "ordinary user",
        ),
        _namespaces(),
        *(_fact(what, works, detail) for what, works, detail in told()),
    ]
    for module, extra in _CLIENTS.items():
        there = importlib.util.find_spec(module) is not None
        facts.append(
            _fact(f"client {module}", there, "installed" if there else f"missing: pip install 'seatrial[{extra}]'")
        )
    for program in _PROGRAMS:
        where = find(program)
        facts.append(
            _fact(f"server {program}", where is not None, str(where or "missing: pip install 'seatrial[embedded]'"))
        )
    there = importlib.util.find_spec("uvloop") is not None
    facts.append(_fact("uvloop", there, "finer timers for workloads" if there else "missing: workloads use asyncio"))
    return facts


def _fact(name: str, works: bool, detail: str) -> dict[str, Any]:
    return {"name": name, "works": works, "detail": detail}


def _namespaces() -> dict[str, Any]:
    """Tried in a child, so that this process stays where it is."""
    child = os.fork()
    if child == 0:
        libc = ctypes.CDLL(None, use_errno=True)
        os._exit(0 if libc.unshare(0x10000000 | 0x20000) == 0 else 1)
    _, status = os.waitpid(child, 0)
    works = os.waitstatus_to_exitcode(status) == 0
    return _fact(
        "user namespaces",
        works,
        "services resolve each other by name" if works else "refused: services get 127.0.0.1 for names",
    )
