"""A client of Redis: a command an operation.

`database` is the operation's argument; its reply is what redis-cli would show. A service with several addresses is connected to at
its master, and found anew after that moved.
"""

from __future__ import annotations

from redis.asyncio import Connection
from redis.exceptions import RedisError, ResponseError

from ..arrivals.errors import ERRORS
from .addresses import endpoints_of
from .protocol import Access, Connect, Failure, Operation, Reply
from .redis_wire import NotConnectedError, connected, structured, word_of, words

_TURNED_AWAY = ("refused", "name", "readonly", "loading", "masterdown")  # it cannot have acted
_OF_CONNECTION = ("refused", "closed", "name", "tls", "protocol", "reset", "timeout")
_SCRIPTS = ("EVAL", "EVALSHA", "FCALL")  # an error in the middle leaves what was done before it


class RedisClient:
    """clients.protocol.Client."""

    def __init__(self, access: Access) -> None:
        self._parameters = access.parameters
        self._endpoints = endpoints_of(access.urls, ("redis", "rediss"), 6379)
        self._database = _database(access.parameters.get("database"))
        self._connection: Connection | None = None
        self._connected_to = 0

    @property
    def connected(self) -> bool:
        """clients.protocol.Client."""
        return self._connection is not None and not _ended(self._connection)

    async def connect(self) -> None:
        """clients.protocol.Client: to the master, where several addresses are known."""
        await self._at(self._database)

    async def _at(self, database: int) -> Connection:
        connection = self._connection
        if connection is not None and self._connected_to == database and not _ended(connection):
            return connection
        await self.close()
        try:
            found, _ = await connected(self._endpoints, database, self._parameters)
        except NotConnectedError as error:
            word = error.word
            code = word if word in _OF_CONNECTION else "refused" if word in _TURNED_AWAY else "reply"
            raise Failure(ERRORS.index(code), str(error), happened=False, word=word.upper()) from None
        self._connection, self._connected_to = found, database
        return found

    async def call(self, operation: Operation) -> Reply:
        """clients.protocol.Client."""
        try:
            command = words(operation.what)
        except ValueError as error:
            message = f"{operation.what}: {error}"
            raise Failure(ERRORS.index("reply"), message, happened=False, lost=False) from None
        given = operation.arguments.get("database")
        connection = await self._at(self._database if given is None else _database(given))
        try:
            await connection.send_command(*command)
            raw = await connection.read_response()
        except ResponseError as error:
            word = word_of(error)
            if word in _TURNED_AWAY:
                await self.close()
                raise Failure(ERRORS.index("refused"), str(error), happened=False, word=word.upper()) from None
            changed = happened(command[0])
            raise Failure(ERRORS.index("reply"), str(error), happened=changed, lost=False, word=word.upper()) from None
        except (RedisError, OSError) as error:
            await self.close()
            word = word_of(error) if isinstance(error, RedisError) else "reset"
            if word == "loading":  # an answer, though redis-py has it as an error of the connection
                raise Failure(ERRORS.index("refused"), str(error), happened=False, word="LOADING") from None
            code = word if word in _OF_CONNECTION else "reply"
            raise Failure(ERRORS.index(code), str(error), happened=None) from None
        except BaseException:
            await self.close()
            raise
        return Reply(value=structured(command, raw))

    async def close(self) -> None:
        """clients.protocol.Client."""
        connection, self._connection = self._connection, None
        if connection is not None:
            await connection.disconnect(nowait=True)


def connector(access: Access) -> Connect:
    """clients.protocol.Connector."""
    return lambda: RedisClient(access)


def happened(command: str) -> bool | None:
    """Whether a command that got an error for an answer may have changed something: False (no), None (unknown)."""
    return None if command.upper() in _SCRIPTS else False


def _ended(connection: Connection) -> bool:
    """Whether an idle connection was ended by the server."""
    reader = connection._reader
    return reader is None or reader.at_eof() or reader.exception() is not None


def _database(given: object) -> int:
    return int(given) if isinstance(given, int | str) else 0
