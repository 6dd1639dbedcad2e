"""WebSocket with websockets: a connection that stays; an operation sends something and waits for messages.

Operation: the path, with `send` (text, or JSON of anything else; nothing is sent without it) and `messages` (how many are waited for,
1). Reply.value: the last message, as JSON where it is that.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from websockets.asyncio.client import ClientConnection
from websockets.asyncio.client import connect as open_connection
from websockets.exceptions import ConnectionClosed, InvalidHandshake, InvalidURI, WebSocketException

from ..arrivals.errors import ERRORS
from .protocol import Access, Client, Connect, Failure, Operation, Reply, code_of
from .tls import context

RESET, PROTOCOL, CLOSED = (ERRORS.index(e) for e in ("reset", "protocol", "closed"))
_SCHEMES = {"http": "ws", "https": "wss", "ws": "ws", "wss": "wss"}


class WebSocketClient:
    """clients.protocol.Client. Another path, or other headers, is another connection."""

    def __init__(self, url: str, access: Access) -> None:
        scheme, _, rest = url.partition("://")
        self._root = f"{_SCHEMES.get(scheme, 'ws')}://{rest.rstrip('/')}"
        self._access = access
        self._connection: ClientConnection | None = None
        self._opened: tuple[str, tuple[tuple[str, str], ...]] | None = None

    @property
    def connected(self) -> bool:
        """clients.protocol.Client."""
        return self._connection is not None and self._connection.close_code is None

    async def connect(self) -> None:
        """Nothing yet: the path is said by the first operation."""

    async def call(self, operation: Operation) -> Reply:
        """Send, and wait for the messages. Raises Failure."""
        headers = operation.arguments.get("headers")
        given = {**self._access.headers, **(headers if isinstance(headers, Mapping) else {})}
        connection = await self._open(operation.what, {n: str(v) for n, v in given.items()})
        send = operation.arguments.get("send")
        count = operation.arguments.get("messages", 1)
        last: str | bytes = ""
        size = 0
        try:
            if send is not None:
                await connection.send(send if isinstance(send, str) else json.dumps(send, separators=(",", ":")))
            for _ in range(count if isinstance(count, int) else 1):
                last = await connection.recv()
                size += len(last)
        except ConnectionClosed as error:
            self._drop()
            raise Failure(CLOSED, f"closed: {error}") from error
        except OSError as error:
            self._drop()
            raise Failure(RESET, str(error)) from error
        except BaseException:
            self._drop()  # a message that is not waited for any more would be taken for the next answer
            raise
        return Reply(_structured(last), size=size)

    async def _open(self, path: str, headers: Mapping[str, str]) -> ClientConnection:
        wanted = path, tuple(sorted(headers.items()))
        if self._connection is not None and self._opened == wanted and self._connection.close_code is None:
            return self._connection
        self._drop()
        secure = self._root.startswith("wss")
        more: dict[str, Any] = {}
        if secure:
            more["ssl"] = context(self._access.verify, self._access.cert, self._access.key)
        try:
            self._connection = await open_connection(
                self._root + path,
                additional_headers=dict(headers),
                compression=None,
                open_timeout=None,
                ping_interval=None,
                max_size=None,
                proxy=None,
                **more,
            )
        except (InvalidHandshake, InvalidURI) as error:
            raise Failure(PROTOCOL, str(error), happened=False) from error
        except WebSocketException as error:
            raise Failure(CLOSED, str(error), happened=False) from error
        except (OSError, UnicodeError) as error:
            raise Failure(code_of(error), str(error), happened=False) from error
        self._opened = wanted
        return self._connection

    def _drop(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.transport.abort()

    async def close(self) -> None:
        """At once."""
        self._drop()


def connector(access: Access) -> Connect:
    """clients.protocol.Connector: the ways in take turns."""
    turn = iter(range(1 << 62))

    def connect() -> Client:
        return WebSocketClient(access.urls[next(turn) % len(access.urls)], access)

    return connect


def _structured(message: str | bytes) -> object:
    try:
        return json.loads(message)
    except ValueError:
        return message if isinstance(message, str) else message.decode(errors="replace")
