"""Probe `sql`: a statement against PostgreSQL."""

from __future__ import annotations

import datetime
import decimal
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from ..core.expressions import Type
from ..core.observations import Observation, ProbeRequest, probe_error, target_error, value
from ..core.shapes import ANY, TEXT, Field, list_of
from ..core.vocabulary import Verb

if TYPE_CHECKING:
    import psycopg

_SHOWN = 20
_REFUSED = ("connection refused", "no such file", "server closed the connection", "connection to server")
_OURS = ("28P01", "28000")  # invalid password, invalid authorization: our credentials are wrong

VERB = Verb(
    name="sql",
    doc="A statement, on a connection of its own, committed by itself.",
    what=TEXT,
    observes={"rows": Type.list_of(Type.list_of(Type.ANY)), "count": Type.NUMBER, "columns": Type.list_of(Type.TEXT)},
    run="seatrial.probes.sql:run",
    arguments={
        "parameters": Field(shape=list_of(ANY), doc="For the statement's %s places."),
        "database": Field(shape=TEXT, doc="Another database than the service's own."),
    },
    extra="postgres",
    example="sql: select 1",
)


async def run(request: ProbeRequest) -> Observation:
    """One attempt."""
    try:
        import psycopg
    except ImportError:
        return probe_error("no-client", "psycopg is not installed: pip install 'seatrial[postgres]'")
    endpoints = [e for e in request.reach.endpoints.values() if e.scheme in ("postgres", "postgresql")]
    endpoints = endpoints or [e for e in request.reach.endpoints.values() if e.scheme == "tcp"][:1]
    if not endpoints:
        return target_error("absent", f"{request.reach.name} has no postgres endpoint that is running")
    statement = str(request.what)
    record: dict[str, object] = {"statement": statement, "servers": [f"{e.host}:{e.port}" for e in endpoints]}
    parameters = request.reach.parameters
    options: dict[str, Any] = {
        "host": ",".join(e.host for e in endpoints),
        "port": ",".join(str(e.port) for e in endpoints),
        "user": parameters.get("user", "postgres"),
        "password": parameters.get("password"),
        "dbname": request.arguments.get("database") or parameters.get("dbname", "postgres"),
        "connect_timeout": max(2, round(request.timeout_ns / 1e9)),
        "application_name": "seatrial",
    }
    if len(endpoints) > 1:
        options["target_session_attrs"] = "read-write"
    try:
        connection = await psycopg.AsyncConnection.connect(**options, autocommit=True)
        try:
            given = request.arguments.get("parameters")
            cursor = await connection.execute(statement, list(given) if isinstance(given, Sequence) and given else None)
            rows = [[plain(v) for v in row] for row in await cursor.fetchall()] if cursor.description else []
            columns = [c.name for c in cursor.description or []]
            count = len(rows) if cursor.description else cursor.rowcount
        finally:
            await connection.close()
    except psycopg.Error as error:
        return _failed(error, record)
    shown = {**record, "columns": columns, "rows": rows[:_SHOWN], "count": count}
    return value(
        {"rows": rows, "count": count, "columns": columns},
        shown,
        f"{statement[:80]}: {rows[:3] if rows else f'{count} rows'}",
    )


def _failed(error: psycopg.Error, record: dict[str, object]) -> Observation:
    import psycopg

    text = " ".join(str(error).split())
    state = error.sqlstate or ""
    record["sqlstate"] = state
    if state in _OURS or "password authentication failed" in text:
        return probe_error("credentials", text, record)
    if state.startswith("42"):
        return target_error("sql", text, record)
    if isinstance(error, psycopg.errors.ConnectionTimeout) or "timeout expired" in text:
        return target_error("timeout", text, record)
    if state == "57P03" or "starting up" in text:
        return target_error("starting", text, record)
    if state.startswith("57P") or "terminating connection" in text:
        return target_error("shutdown", text, record)
    if state == "25006" or "read-only" in text:
        return target_error("read-only", text, record)
    if any(word in text.lower() for word in _REFUSED):
        return target_error("refused", text, record)
    return target_error("sql", text, record)


def plain(value: object) -> object:
    """A column's value as JSON would have it."""
    match value:
        case None | bool() | int() | float() | str():
            return value
        case decimal.Decimal():
            return int(value) if value == value.to_integral_value() and abs(value) < 2**63 else float(value)
        case datetime.datetime() | datetime.date() | datetime.time():
            return value.isoformat()
        case list() | tuple():
            return [plain(v) for v in value]
        case dict():
            return {str(k): plain(v) for k, v in value.items()}
        case bytes() | memoryview():
            return bytes(value).hex()
    return str(value)
