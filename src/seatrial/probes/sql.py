"""Probe `sql`: a statement against PostgreSQL."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from ..core.answers import gives_one_row
from ..core.expressions import Type
from ..core.observations import Observation, ProbeRequest, probe_error, target_error, value
from ..core.shapes import ANY, BOOLEAN, TEXT, Field, list_of
from ..core.vocabulary import Verb
from ..core.writing import sql_writes
from .aiming import endpoints, located

SCHEMES = ("postgres", "postgresql")
_SHOWN = 20


def one_row(text: str, arguments: Mapping[str, object]) -> Mapping[str, Sequence[object]]:
    """What sums up what it finds answers with one row, whatever it finds."""
    del arguments
    return {"rows": ([[None]], [[0]], [[1]], [["text"]]), "count": (1,)} if gives_one_row(text) else {}


VERB = Verb(
    name="sql",
    doc="A statement, on a connection of its own, committed by itself. A service as a whole: at the server that takes writes.",
    what=TEXT,
    observes={"rows": Type.list_of(Type.list_of(Type.ANY)), "count": Type.NUMBER, "columns": Type.list_of(Type.TEXT)},
    run="seatrial.probes.sql:run",
    arguments={
        "parameters": Field(shape=list_of(ANY), doc="For the statement's %s places."),
        "database": Field(shape=TEXT, doc="Another database than the service's own."),
        "read-only": Field(shape=BOOLEAN, doc="The server refuses to change anything (false)."),
    },
    extra="postgres",
    client="sql",
    sent=("parameters", "database"),
    schemes=SCHEMES,
    example="sql: select 1",
    writes=sql_writes,
    can_be=one_row,
)


async def run(request: ProbeRequest) -> Observation:
    """One attempt."""
    try:
        from .postgres import Statement, StatementError, answer
    except ImportError:
        return probe_error("no-client", "psycopg is not installed: pip install 'seatrial[postgres]'")
    found = endpoints(request, SCHEMES)
    if isinstance(found, Observation):
        return found
    text = str(request.what)
    record: dict[str, object] = {"statement": text, "servers": [f"{e.host}:{e.port}" for e in found]}
    arguments, parameters = request.arguments, request.reach.parameters
    given = arguments.get("parameters")
    # The server ends it as well: a statement of a client that is gone would run on.
    settings = {"statement_timeout": str(max(1, request.timeout_ns // 1_000_000))}
    if arguments.get("read-only"):
        settings["default_transaction_read_only"] = "on"
    options = {
        "user": parameters.get("user", "postgres"),
        "password": parameters.get("password"),
        "dbname": arguments.get("database") or parameters.get("dbname", "postgres"),
        "application_name": "seatrial",
    }
    statement = Statement(
        text=text,
        parameters=given if isinstance(given, Sequence) and not isinstance(given, str) else (),
        settings=settings,
    )
    try:
        result = await answer(found, options, statement, request.timeout_ns)
    except TimeoutError:
        return target_error("timeout", f"{text[:80]}: no answer in time", record)
    except StatementError as error:
        record["sqlstate"] = error.sqlstate
        return (probe_error if error.ours else target_error)(error.word, str(error), record)
    record |= {"columns": result.columns, "rows": result.rows[:_SHOWN], "count": result.count}
    values = {"rows": result.rows, "count": result.count, "columns": result.columns}
    shown = result.rows[:3] if result.columns else f"{result.count} rows"
    return located(value(values, record, f"{text[:80]}: {shown}"), request, result.endpoint)
