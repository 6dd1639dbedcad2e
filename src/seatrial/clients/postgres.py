"""PostgreSQL by psycopg: connections that are found at once and given up at once, values as JSON has them, words for what went wrong."""

from __future__ import annotations

import asyncio
import datetime
import decimal
from collections.abc import Mapping, Sequence
from typing import Any

import psycopg
from psycopg.waiting import wait_async

from ..core.stack import Endpoint
from .postgres_words import word

_LOOK_S = 0.1  # how often psycopg looks for an interrupt of its own; a cancelled task does not wait for that


class StatementError(Exception):
    """The server gave no answer to the statement. `ours`: by our own fault; `word` as in an observation's `error`."""

    def __init__(self, word: str, message: str, sqlstate: str = "", ours: bool = False) -> None:
        self.word = word
        self.sqlstate = sqlstate
        self.ours = ours
        super().__init__(message)


class Connection(psycopg.AsyncConnection[tuple[Any, ...]]):
    """One that is cut when its call is cancelled: psycopg would ask the server first, which may be silent."""

    async def wait(self, gen: Any, interval: float = _LOOK_S, timeout: float | None = None) -> Any:
        """psycopg: until the generator is done. `timeout` is for calls that are not made here."""
        try:
            return await wait_async(gen, self.pgconn.socket, interval=interval)
        except asyncio.CancelledError:
            self.pgconn.finish()
            raise


async def connected(endpoints: Sequence[Endpoint], options: Mapping[str, Any]) -> tuple[Connection, Endpoint]:
    """To the only endpoint, or to the first that takes writes. Raises StatementError.

    Several are tried at the same time: a paused server keeps nobody waiting.
    """
    if len(endpoints) == 1:
        try:
            return await _connect(endpoints[0], options), endpoints[0]
        except psycopg.Error as error:
            raise explained([error]) from None
    chosen, errors = await _race(endpoints, {**options, "target_session_attrs": "read-write"})
    if chosen is None:
        raise explained(errors)
    return chosen


async def _race(
    endpoints: Sequence[Endpoint], options: Mapping[str, Any]
) -> tuple[tuple[Connection, Endpoint] | None, list[psycopg.Error]]:
    tasks = {asyncio.create_task(_connect(e, options)): e for e in endpoints}
    chosen: asyncio.Task[Connection] | None = None
    try:
        pending = set(tasks)
        while pending and chosen is None:
            done, pending = await asyncio.wait(pending, return_when=asyncio.FIRST_COMPLETED)
            chosen = next((t for t in done if t.exception() is None), None)
        errors = await _give_up([t for t in tasks if t is not chosen])
    except BaseException:
        await _give_up(list(tasks))
        raise
    return (chosen.result(), tasks[chosen]) if chosen is not None else None, errors


async def _give_up(tasks: Sequence[asyncio.Task[Connection]]) -> list[psycopg.Error]:
    """Leave no connection behind; what went wrong with the others."""
    for task in tasks:
        task.cancel()
    results = await asyncio.gather(*tasks, return_exceptions=True)
    for late in results:
        if isinstance(late, Connection):
            await late.close()
    return [r for r in results if isinstance(r, psycopg.Error)]


async def _connect(endpoint: Endpoint, options: Mapping[str, Any]) -> Connection:
    return await Connection.connect(
        host=endpoint.host, port=endpoint.port, autocommit=True, gssencmode="disable", **options
    )


async def fetched(cursor: psycopg.AsyncCursor[tuple[Any, ...]]) -> tuple[list[str], list[list[Any]], int]:
    """(columns, rows, count) of a statement's last result; the count is of rows returned, or affected where none can be returned."""
    while cursor.nextset():
        pass
    if cursor.description is None:
        return [], [], max(0, cursor.rowcount)
    rows = [[plain(v) for v in row] for row in await cursor.fetchall()]
    return [c.name for c in cursor.description], rows, len(rows)


# Words

_OURS = ("credentials", "statement")
_TELLING = ("credentials", "read-only", "starting", "shutdown", "busy", "protocol", "tls", "timeout", "reset")


def explained(errors: Sequence[psycopg.Error]) -> StatementError:
    """The most telling of the errors, with what all of them say."""
    if not errors:
        return StatementError("refused", "no server could be asked")
    words = [word_of(e) for e in errors]
    best = min(range(len(words)), key=lambda i: _TELLING.index(words[i]) if words[i] in _TELLING else len(_TELLING))
    text = "; ".join(dict.fromkeys(" ".join(str(e).split()) for e in errors))
    return StatementError(words[best], text, errors[best].sqlstate or "", ours=words[best] in _OURS)


def word_of(error: psycopg.Error) -> str:
    """A word for what went wrong."""
    if isinstance(error, psycopg.ProgrammingError) and not error.sqlstate:
        return "statement"  # parameters that do not fit
    return word(error.sqlstate or "", str(error))


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
