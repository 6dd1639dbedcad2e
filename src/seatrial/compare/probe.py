"""What the verb `compare` does: two stores, of the stack or by their addresses, held against each other in a thread of their own."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from ..core.errors import SeatrialError, UsageError
from ..core.observations import Observation, ProbeRequest, Reach, probe_error, value
from ..core.stores import POSTGRES, Store, is_file_name, read_store
from .results import Comparison, SourceError, no_client
from .stating import as_row, lines, options_of, shortened

if TYPE_CHECKING:
    from .running import Task

_LONGEST = 200  # characters of a value in a record
_MARGIN_S = 0.05  # that a comparison ends before its attempt does, so that it can say how far it came


async def run(request: ProbeRequest) -> Observation:
    """One attempt. What keeps a store from being read says nothing about its rows: a probe error, never equal."""
    try:
        from .running import run as compare
        from .tables import Stop
    except ImportError as error:
        return probe_error("no-client", no_client(error).message)
    stop, read = Stop(), [0, 0]
    try:
        task = _task(request)
    except UsageError as error:
        return probe_error(
            "spec", "; ".join(f"{p.message} ({p.hint})" if p.hint else p.message for p in error.problems)
        )
    record: dict[str, Any] = {"a": task.stores[0].label, "b": task.stores[1].label}

    def progress(side: int, rows: int) -> None:
        read[side] += rows

    loop = asyncio.get_running_loop()
    working = loop.run_in_executor(None, lambda: compare(task, stop, progress))
    ending = loop.call_later(
        max(0.01, request.timeout_ns / 1e9 - _MARGIN_S), lambda: loop.run_in_executor(None, stop.set)
    )
    try:
        found = await asyncio.shield(working)
    except asyncio.CancelledError:
        working.add_done_callback(lambda w: w.cancelled() or w.exception())  # nobody waits for it any more
        loop.run_in_executor(None, stop.set)
        raise
    except SourceError as error:
        if error.word == "timeout" and stop.is_set:
            far = f"{sum(read):,} rows were read; " if sum(read) else ""
            return probe_error("timeout", f"not compared in time: {far}give it longer (timeout: 5m)", record)
        return probe_error(error.word, error.message, record)
    except SeatrialError as error:
        return probe_error("spec", str(error), record)
    finally:
        ending.cancel()
    return _observed(found, record)


def _observed(found: Comparison, record: Mapping[str, Any]) -> Observation:
    differences = [shortened(as_row(d), _LONGEST) for d in found.first]
    values: dict[str, object] = {
        "difference": found.words,
        "rows": found.a.rows,
        "other_rows": found.b.rows,
        "equal": found.equal,
        "missing": found.missing,
        "extra": found.extra,
        "different": found.different,
        "orphans": found.orphans,
        "columns": {c.column: sum(c.kinds.values()) for c in found.by_column},
        "differences": differences,
    }
    shown = {
        **record,
        "rows": [found.a.rows, found.b.rows],
        "taken": [found.a.taken, found.b.taken],
        "equal": found.equal,
        "difference": found.said,
        "columns": {c.column: {**c.kinds, **({"farthest": c.farthest} if c.farthest else {})} for c in found.by_column},
        "differences": differences,
        "notes": list(lines(found)),
        "how": found.how,
    }
    rows = f"{found.a.rows:,} rows of {found.a.label}, {found.b.rows:,} of {found.b.label}"
    return value(values, {n: v for n, v in shown.items() if v}, f"{rows}: {found.said}")


def _task(request: ProbeRequest) -> Task:
    from .running import Task

    arguments = request.arguments
    what = str(request.what)
    first = _store(what, request.reach, arguments.get("where"), arguments.get("database"))
    other = arguments.get("with")
    if isinstance(other, Mapping):
        reach = other.get("at")
        known = reach if isinstance(reach, Reach) else None
        second = _store(str(other.get("of") or what), known, other.get("where"), other.get("database"))
    else:
        second = _store(str(other), None, None)
    directory = arguments.get("directory")
    return Task(
        stores=(first, second),
        options=options_of(arguments),
        headers=request.headers,
        directory=Path(str(directory)) if directory else Path(),
    )


def _store(what: str, reach: Reach | None, where: object, database: object = None) -> Store:
    """A store by its own name, or a table, query, path or index of a service; its `where` and `database`."""
    condition, other = str(where or ""), str(database or "")
    if "://" in what.split("#")[0].split(" ")[0] or (is_file_name(what) and (reach is None or not reach.name)):
        _no_database(what.split("#")[0].rpartition("@")[2], other)
        return read_store(what, condition)
    if reach is None or not reach.name:
        raise UsageError.simple(f"{what[:60]}: of which service?", "at: names it; or give a whole address, or a file")
    endpoints = [e for e in reach.endpoints.values() if e.scheme in (*POSTGRES, "http", "https")]
    if not endpoints:
        known = ", ".join(e.scheme for e in reach.endpoints.values()) or "none that runs"
        raise UsageError.simple(
            f"{reach.name} is no store that can be read", f"PostgreSQL or HTTP; its endpoints: {known}"
        )
    databases = [e for e in endpoints if e.scheme in POSTGRES]
    if not databases:
        _no_database(reach.name, other)
        return read_store(_web(what, endpoints[0].url), condition)
    known_ = reach.parameters
    account = quote(known_.get("user", "postgres"), safe="")
    if known_.get("password"):
        account += f":{quote(known_['password'], safe='')}"
    places = ",".join(e.url.partition("://")[2] for e in databases)
    attributes = "?target_session_attrs=read-write" if len(databases) > 1 else ""
    name = quote(other or known_.get("dbname", "postgres"), safe="")
    kind = (
        "query"
        if what.split(None, 1)[0].lower() in ("select", "with", "values", "table") and " " in what.strip()
        else "table"
    )
    text = f"postgres://{account}@{places}/{name}{attributes}#{kind}={what if kind == 'query' else quote(what)}"
    return read_store(text, condition)


def _no_database(name: str, database: str) -> None:
    if database:
        raise UsageError.simple(
            f"{name} has no database {database} beside its own",
            "`database` is of a PostgreSQL service; an address names its own",
        )


def _web(what: str, root: str) -> str:
    """An API's path begins with /; anything else is an index of a search engine."""
    if what.startswith("/"):
        return f"{root}{what}"
    scheme, _, place = root.partition("://")
    return f"opensearch{'+https' if scheme == 'https' else ''}://{place}/{what}"
