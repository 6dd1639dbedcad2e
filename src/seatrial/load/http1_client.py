"""HTTP/1.1 for users whose steps are awaited: a connection of the generator's own, one request at a time."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from typing import cast

from ..arrivals.errors import ERRORS
from ..clients.http1 import CLOSED, EXCESS, PROTOCOL, Connection, Likenesses, ReadingConnection, Way, connect
from ..clients.protocol import Access, Client, Connect, Failure, Operation, Reply
from .scripts import Request, written

CONNECT_NS = 60_000_000_000  # whoever asks bounds the time


class Http1Client:
    """clients.protocol.Client, and the driver of its connection: "GET /x", with `headers`, `json` or `body`."""

    def __init__(self, way: Way, headers: Mapping[str, str], likenesses: Likenesses) -> None:
        self.likenesses = likenesses
        self._way, self._headers = way, headers
        self._connection: ReadingConnection | None = None
        self._answer: asyncio.Future[Reply] | None = None

    # -- http1.Driver

    @property
    def answered(self) -> Callable[[Connection, bytes], None]:
        """An answer is whole."""
        return self._answered

    def _answered(self, connection: Connection, last: bytes) -> None:
        status, connection.status = connection.status, 0
        if not connection.busy or status == EXCESS:
            connection.fail(PROTOCOL)
            return
        connection.busy = False
        answer = cast("ReadingConnection", connection).take(status, last)
        size, connection.size = connection.size, 0
        if self._answer is not None and not self._answer.done():
            self._answer.set_result(Reply(answer.body, status, answer.headers, size))
        if not connection.keep:
            connection.fail(CLOSED)

    def ready(self, connection: Connection) -> None:
        """A connection is there."""
        connection.alive = True

    def lost(self, connection: Connection, error: int) -> None:
        """It is gone, and the request on it failed."""
        connection.alive = False
        if connection is not self._connection:
            return
        self._connection = None
        if self._answer is not None and not self._answer.done():
            self._answer.set_exception(Failure(error, ERRORS[error]))

    # -- clients.protocol.Client

    @property
    def connected(self) -> bool:
        """clients.protocol.Client."""
        return self._connection is not None

    async def connect(self) -> None:
        """Raises Failure."""
        if self._connection is not None:
            return
        connection = ReadingConnection(self)
        error = await connect(self._way, connection, CONNECT_NS)
        if error or not connection.alive:
            raise Failure(error or CLOSED, ERRORS[error or CLOSED], happened=False)
        self._connection = connection

    async def call(self, operation: Operation) -> Reply:
        """One request. Raises Failure; ValueError for what cannot be sent."""
        method, _, path = operation.what.partition(" ")
        more = operation.arguments
        headers = more.get("headers")
        request = Request(
            method, path.strip() or "/", headers=headers if isinstance(headers, Mapping) else None, json=more.get("json"),
            body=cast("str | bytes | None", more.get("body")),
        )  # fmt: skip
        data = written(self._way, request, self._headers)
        await self.connect()
        connection = self._connection
        if connection is None:
            raise Failure(CLOSED, ERRORS[CLOSED], happened=False)
        self._answer = asyncio.get_running_loop().create_future()
        connection.busy, connection.bodiless = True, request.bodiless
        connection.write(data)
        return await self._answer

    async def close(self) -> None:
        """At once."""
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()


def connector(access: Access) -> Connect:
    """clients.protocol.Connector: the ways in take turns."""
    ways: Sequence[Way] = [Way.of(u, verify=access.verify, cert=access.cert, key=access.key) for u in access.urls]
    turn = iter(range(1 << 62))
    likenesses = Likenesses()

    def make() -> Client:
        return Http1Client(ways[next(turn) % len(ways)], access.headers, likenesses)

    return make
