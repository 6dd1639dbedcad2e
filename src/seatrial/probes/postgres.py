"""What the probe `sql` does with a connection: one statement, with settings of its own."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import psycopg

from ..clients.postgres import StatementError, connected, explained, fetched
from ..core.stack import Endpoint


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
    """The result of a statement. Raises StatementError, TimeoutError."""
    async with asyncio.timeout(timeout_ns / 1e9):
        connection, endpoint = await connected(endpoints, options)
        try:
            if statement.settings:
                await connection.execute("; ".join(f"SET {n} = {text}" for n, text in statement.settings.items()))
            cursor = await connection.execute(statement.text, list(statement.parameters) or None)
            columns, rows, count = await fetched(cursor)
        except psycopg.Error as error:
            raise explained([error]) from None
        finally:
            await connection.close()
    return Result(columns=columns, rows=rows, count=count, endpoint=endpoint)


__all__ = ["Result", "Statement", "StatementError", "answer"]
