"""What works on this machine, and what each thing is needed for."""

from __future__ import annotations

import ctypes
import importlib.util
import os
import platform
import subprocess
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
_ASK_S = 10.0
_PROGRAMS = ("postgres", "etcd", "redis-server", "caddy", "patroni")


def diagnose() -> list[dict[str, Any]]:
    """Facts, each {name, works, detail}."""
    from ..embedded import opensearch
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
    facts.append(_fact("server opensearch", not (why := opensearch.lacks()), why or opensearch.found()))
    facts += _compose()
    there = importlib.util.find_spec("uvloop") is not None
    facts.append(_fact("uvloop", there, "finer timers for workloads" if there else "missing: workloads use asyncio"))
    return facts


def _fact(name: str, works: bool, detail: str) -> dict[str, Any]:
    return {"name": name, "works": works, "detail": detail}


def _compose() -> list[dict[str, Any]]:
    """What stacks of Docker Compose need: the CLI with its plugin, and an engine."""
    from ..core.errors import PlatformError
    from ..platforms.compose import removal
    from ..platforms.compose.address import resolve

    try:
        asked = subprocess.run(
            ["docker", "compose", "version", "--short"], capture_output=True, text=True, timeout=_ASK_S, check=False
        )
        plugin = asked.stdout.strip() if asked.returncode == 0 else ""
    except (OSError, subprocess.TimeoutExpired):
        plugin = ""
    try:
        address = resolve()
        version = removal.call(address, "GET", "/version")["Version"]
        crash = "" if os.geteuid() == 0 else "; crashes of containers need root"
        engine = _fact("docker engine", True, f"{version} at {address.url}{crash}")
    except (OSError, removal.Refused, PlatformError) as error:
        engine = _fact("docker engine", False, f"not reached: {error}")
    words = plugin or "missing: docker compose (v2) reads compose files"
    return [_fact("docker compose", bool(plugin), words), engine]


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
