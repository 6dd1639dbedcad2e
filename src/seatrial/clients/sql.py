"""A client of PostgreSQL: a statement an operation, each committed by itself.

`database` and `parameters` are the operation's arguments; its reply is {"rows", "count", "columns"}. A service with several addresses
is connected to where it takes writes, and found anew after that moved.
"""

from __future__ import annotations

import asyncio
import re
import select
from collections.abc import Sequence

import psycopg
from psycopg.pq import TransactionStatus

from ..arrivals.errors import ERRORS
from .addresses import endpoints_of
from .postgres import Connection, StatementError, connected, explained, fetched
from .protocol import Access, Connect, Failure, Operation, Reply

# Words of clients.postgres as codes of a record. What turns everybody away refuses: it did nothing.
_CODES = {
    "refused": "refused", "starting": "refused", "shutdown": "refused", "busy": "refused", "read-only": "refused",
    "reset": "reset", "timeout": "timeout", "name": "name", "tls": "tls", "protocol": "protocol",
}  # fmt: skip
# A text whose parts may be committed before its end is reached: an error then says nothing of what came before.
_COMMITS = re.compile(
    r"(?:^|;)(?:\s|--[^\n]*(?:\n|$)|/\*.*?\*/)*(?:commit|end|call|do|prepare)\b", re.IGNORECASE | re.DOTALL
)
_READ_ONLY = "25006"


def happened(sqlstate: str, severity: str, statement: str) -> bool | None:
    """Whether a statement that was sent may have changed something, by the error that came of it: False (no), None (unknown).

    An ERROR ends the transaction that it is in, which is the statement's own. FATAL and PANIC end the session, after a commit too:
    an administrator's shutdown (57P01), a crash (57P02), a broken connection (class 08); 40003 and 08007 say that they do not know.
    """
    if severity != "ERROR" or sqlstate.startswith(("08", "57P")) or sqlstate == "40003":
        return None
    return None if _COMMITS.search(statement) else False


class SqlClient:
    """clients.protocol.Client."""

    def __init__(self, access: Access) -> None:
        known = access.parameters
        self._endpoints = endpoints_of(access.urls, ("postgres", "postgresql"), 5432)
        self._database = known.get("database") or known.get("dbname") or "postgres"
        # Nothing is prepared: a pooler between may give each statement another session. And no statement_timeout: the server would
        # acknowledge a commit that it gave up to replicate.
        self._options = {
            "user": known.get("user", "postgres"),
            "password": known.get("password"),
            "application_name": "seatrial",
            "prepare_threshold": None,
        }
        self._connection: Connection | None = None
        self._connected_to = ""

    @property
    def connected(self) -> bool:
        """clients.protocol.Client."""
        return self._connection is not None and _quiet(self._connection)

    async def connect(self) -> None:
        """clients.protocol.Client: to where writes are taken."""
        await self._at(self._database)

    async def _at(self, database: str) -> Connection:
        connection = self._connection
        if connection is not None and self._connected_to == database and _quiet(connection):
            return connection
        await self.close()
        try:
            found, _ = await connected(self._endpoints, {**self._options, "dbname": database})
        except StatementError as error:
            code = _CODES.get(error.word, "reply")
            raise Failure(ERRORS.index(code), str(error), happened=False, word=error.sqlstate) from None
        self._connection, self._connected_to = found, database
        return found

    async def call(self, operation: Operation) -> Reply:
        """clients.protocol.Client."""
        arguments = operation.arguments
        connection = await self._at(str(arguments.get("database") or self._database))
        given = arguments.get("parameters")
        parameters = list(given) if isinstance(given, Sequence) and not isinstance(given, str) else []
        try:
            cursor = await connection.execute(operation.what, parameters or None)
        except psycopg.Error as error:
            raise await self._failure(error, connection, operation.what) from None
        except asyncio.CancelledError:
            await self.close()
            raise
        if connection.pgconn.transaction_status != TransactionStatus.IDLE:
            await self.close()
            message = "it leaves a transaction open: nothing is committed"
            raise Failure(ERRORS.index("reply"), message, happened=happened("", "ERROR", operation.what))
        try:
            columns, rows, count = await fetched(cursor)
        except psycopg.Error as error:
            message = f"its result cannot be read: {error}"
            raise Failure(ERRORS.index("reply"), message, happened=None, lost=False) from None
        return Reply(value={"rows": rows, "count": count, "columns": columns})

    async def _failure(self, error: psycopg.Error, connection: Connection, statement: str) -> Failure:
        """What became of a statement, and of the connection."""
        told = explained([error])
        if error.sqlstate is None and connection.pgconn.transaction_status == TransactionStatus.IDLE:
            return Failure(ERRORS.index("reply"), str(told), happened=False, lost=False)  # psycopg did not send it
        severity = error.diag.severity_nonlocalized or error.diag.severity or ""
        changed = happened(error.sqlstate or "", severity, statement)
        lost = severity != "ERROR" or error.sqlstate == _READ_ONLY or connection.closed
        if lost:
            await self.close()
        code = _CODES.get(told.word, "reply")
        if severity != "ERROR":  # the connection ended
            code = "closed" if error.sqlstate is None else "reset"
        return Failure(ERRORS.index(code), str(told), happened=changed, lost=lost, word=error.sqlstate or "")

    async def close(self) -> None:
        """clients.protocol.Client."""
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.pgconn.finish()


def connector(access: Access) -> Connect:
    """clients.protocol.Connector."""
    return lambda: SqlClient(access)


def _quiet(connection: Connection) -> bool:
    """Whether an idle connection is still one: a server that went says so, or ends it, and nobody has read that."""
    if connection.closed:
        return False
    looked = select.poll()
    looked.register(connection.fileno(), select.POLLIN)
    return not looked.poll(0)
