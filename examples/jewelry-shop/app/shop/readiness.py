"""Readiness: can this instance serve? Each dependency is asked on the side, with little time."""

import time
from concurrent.futures import Future, ThreadPoolExecutor
from concurrent.futures import TimeoutError as TooLate

from django.db import connection, connections
from django.db.migrations.executor import MigrationExecutor

from shop import cache
from shop.watchdog import limited

LIMIT_SECONDS = 1.0
# One thread for each: a dependency that hangs keeps nobody else from answering.
_aside = {name: ThreadPoolExecutor(1, f"ready-{name}") for name in ("database", "cache", "migrations")}
_asked: dict[str, Future] = {}
_schema: dict = {}


def _database() -> None:
    with limited(), connection.cursor() as cursor:
        cursor.execute("select 1")


def unapplied() -> list[str]:
    """Migrations that the code expects and the database has not."""
    executor = MigrationExecutor(connection)
    return [f"{m.app_label}.{m.name}" for m, _ in executor.migration_plan(executor.loader.graph.leaf_nodes())]


def _migrations() -> None:
    if _schema.get("applied"):
        return
    with limited():
        missing = unapplied()
    if missing:
        raise LookupError(f"unapplied: {', '.join(missing)}")
    _schema["applied"] = True


def _cache() -> None:
    cache.ask(lambda r: r.ping())


def _fresh(check) -> None:
    """A connection of its own, closed again: readiness says nothing about an old one."""
    try:
        check()
    finally:
        connections.close_all()


def check() -> dict[str, str]:
    """Dependency to "ok" or what is wrong with it, within about a second."""
    until = time.monotonic() + LIMIT_SECONDS
    for name, question in (("database", _database), ("cache", _cache), ("migrations", _migrations)):
        if name not in _asked or _asked[name].done():  # one that still hangs is not asked again
            _asked[name] = _aside[name].submit(_fresh, question)
    return {name: _outcome(future, until) for name, future in list(_asked.items())}


def _outcome(future: Future, until: float) -> str:
    try:
        future.result(timeout=max(0.0, until - time.monotonic()))
    except TooLate:
        return f"no answer within {LIMIT_SECONDS:g} s"
    except Exception as error:  # noqa: BLE001 - whatever it is, it is not ready
        return f"{type(error).__name__}: {(str(error).splitlines() or [''])[0]}"[:200]
    return "ok"
