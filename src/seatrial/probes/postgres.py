"""What the probe `sql` does with psycopg: connections that are found at once, given up at once, and never left behind."""

from __future__ import annotations

import asyncio
import datetime
import decimal
import os
import socket
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import psycopg

from ..core.stack import Endpoint

Connection = psycopg.AsyncConnection[tuple[Any, ...]]


class StatementError(Exception):
    """The server gave no answer to the statement. `ours`: by our own fault; `word` as in an observation's `error`."""

    def __init__(self, word: str, message: str, sqlstate: str = "", ours: bool = False) -> None:
        self.word = word
        self.sqlstate = sqlstate
        self.ours = ours
        super().__init__(message)


@dataclass(frozen=True, kw_only=True, slots=True)
class Statement:
    """What to send, and how: `settings` are set in the session before it."""

    text: str
    parameters: Sequence[object] = ()
    settings: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True, slots=True)
class Result:
    """The last result of a statement; `count` are rows returned, or affected where none can be returned."""

    columns: list[str]
    rows: list[list[Any]]
    count: int
    endpoint: Endpoint


async def answer(
    endpoints: Sequence[Endpoint], options: Mapping[str, Any], statement: Statement, timeout_ns: int
) -> Result:
    """The result of a statement. Raises StatementError, TimeoutError.

    Several endpoints are tried at the same time, and the first that takes writes answers: a paused server keeps nobody
    waiting. A connection that is given up is cut, not asked: psycopg would ask the server first, which may be silent.
    """
    held: list[Connection] = []
    task = asyncio.create_task(_answer(endpoints, options, statement, held))
    try:
        async with asyncio.timeout(timeout_ns / 1e9):
            return await asyncio.shield(task)
    except psycopg.Error as error:
        raise _explained([error]) from None
    finally:
        if not task.done():
            for connection in held:
                _cut(connection)
            if not held:
                task.cancel()
            await asyncio.wait([task])
        if not task.cancelled():
            task.exception()  # looked at: what was given up fails


async def _answer(
    endpoints: Sequence[Endpoint], options: Mapping[str, Any], statement: Statement, held: list[Connection]
) -> Result:
    connection, endpoint = await _connected(endpoints, options, held)
    try:
        if statement.settings:
            setting = "; ".join(f"SET {name} = {text}" for name, text in statement.settings.items())
            await connection.execute(setting)
        cursor = await connection.execute(statement.text, list(statement.parameters) or None)
        while cursor.nextset():
            pass
        if cursor.description is None:
            return Result(columns=[], rows=[], count=max(0, cursor.rowcount), endpoint=endpoint)
        rows = [[plain(v) for v in row] for row in await cursor.fetchall()]
        return Result(columns=[c.name for c in cursor.description], rows=rows, count=len(rows), endpoint=endpoint)
    finally:
        await connection.close()


async def _connected(
    endpoints: Sequence[Endpoint], options: Mapping[str, Any], held: list[Connection]
) -> tuple[Connection, Endpoint]:
    """To the only endpoint, or to the first that takes writes; `held` knows it from its first moment."""
    attributes = {"target_session_attrs": "read-write"} if len(endpoints) > 1 else {}
    tasks = {asyncio.create_task(_connect(e, {**options, **attributes})): e for e in endpoints}
    chosen: asyncio.Task[Connection] | None = None
    pending = set(tasks)
    try:
        while pending and chosen is None:
            done, pending = await asyncio.wait(pending, return_when=asyncio.FIRST_COMPLETED)
            chosen = next((t for t in done if t.exception() is None), None)
        if chosen is not None:
            held.append(chosen.result())
    finally:
        others = [t for t in tasks if t is not chosen]
        for task in others:
            task.cancel()
        results = await asyncio.gather(*others, return_exceptions=True)
        for late in results:
            if isinstance(late, psycopg.AsyncConnection):
                await late.close()
    if chosen is None:
        raise _explained([r for r in results if isinstance(r, psycopg.Error)])
    return chosen.result(), tasks[chosen]


async def _connect(endpoint: Endpoint, options: Mapping[str, Any]) -> Connection:
    return await psycopg.AsyncConnection.connect(
        host=endpoint.host, port=endpoint.port, autocommit=True, gssencmode="disable", **options
    )


def _cut(connection: Connection) -> None:
    try:
        duplicate = os.dup(connection.fileno())
    except (OSError, psycopg.Error):
        return  # closed already
    with socket.socket(fileno=duplicate) as line:
        try:
            line.shutdown(socket.SHUT_RDWR)
        except OSError:
            return


# Words

_OURS = ("credentials", "statement")
_BY_STATE = (
    ("28", "credentials"),
    ("42601", "statement"),
    ("42", "sql"),
    ("57P03", "starting"),
    ("57014", "timeout"),
    ("57P", "shutdown"),
    ("25006", "read-only"),
    ("53", "busy"),
    ("08", "reset"),
)
_BY_TEXT = (  # libpq gives no SQLSTATE for a connection that failed
    ("password authentication failed", "credentials"),
    ("no password supplied", "credentials"),
    ("no pg_hba.conf entry", "credentials"),
    ("starting up", "starting"),
    ("not yet accepting connections", "starting"),
    ("not accepting connections", "starting"),
    ("shutting down", "shutdown"),
    ("terminating connection", "shutdown"),
    ("too many clients", "busy"),
    ("remaining connection slots", "busy"),
    ("session is read-only", "read-only"),
    ("hot standby mode", "read-only"),
    ("timeout expired", "timeout"),
    ("resolve", "name"),
    ("translate host name", "name"),
    ("invalid response", "protocol"),
    ("lost synchronization", "protocol"),
    ("unexpected", "protocol"),
    ("ssl", "tls"),
    ("certificate", "tls"),
    ("refused", "refused"),
    ("does not exist", "absent"),
)
_CLOSED = "server closed the connection unexpectedly"
_TELLING = ("credentials", "read-only", "starting", "shutdown", "busy", "protocol", "tls", "timeout", "reset")


def _explained(errors: Sequence[psycopg.Error]) -> StatementError:
    """The most telling of the errors, with what all of them say."""
    if not errors:
        return StatementError("refused", "no server could be asked")
    words = [_word(e) for e in errors]
    best = min(range(len(words)), key=lambda i: _TELLING.index(words[i]) if words[i] in _TELLING else len(_TELLING))
    text = "; ".join(dict.fromkeys(" ".join(str(e).split()) for e in errors))
    return StatementError(words[best], text, errors[best].sqlstate or "", ours=words[best] in _OURS)


def _word(error: psycopg.Error) -> str:
    state, text = error.sqlstate or "", str(error).lower()
    if isinstance(error, psycopg.ProgrammingError) and not state:
        return "statement"  # parameters that do not fit
    if _CLOSED in text:
        return "reset"
    found = next((word for start, word in _BY_STATE if state.startswith(start)), None) if state else None
    if found is None:
        found = next((word for part, word in _BY_TEXT if part in text), None)
    return found or ("sql" if state else "reset")


def plain(value: object) -> Any:
    """A column's value as JSON would have it."""
    match value:
        case None | bool() | int() | float() | str():
            return value
        case decimal.Decimal():
            return int(value) if value.is_finite() and value == value.to_integral_value() else float(value)
        case datetime.datetime() | datetime.date() | datetime.time():
            return value.isoformat()
        case list() | tuple():
            return [plain(v) for v in value]
        case dict():
            return {str(k): plain(v) for k, v in value.items()}
        case bytes() | memoryview():
            return bytes(value).hex()
    return str(value)
