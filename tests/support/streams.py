"""A server of a test, over streams, of which nothing is left when it ends."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable

Handler = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@contextlib.asynccontextmanager
async def accepting(
    handler: Handler, host: str = "127.0.0.1", port: int = 0, *, tls: ssl.SSLContext | None = None, backlog: int = 100
) -> AsyncIterator[int]:
    """The port. A connection is closed when its handler returns, fails or finds its peer gone; who is there at the end is cut off.

    Raises what a handler raised that is no end of a connection.
    asyncio's own server leaves open whom it has just accepted, and whose handler has not begun: connections are accepted here instead.
    """
    loop = asyncio.get_running_loop()
    talks: dict[asyncio.Task[None], socket.socket] = {}

    def accept() -> None:
        with contextlib.suppress(OSError):  # nobody is there any more
            for _ in range(backlog):
                connection, _peer = listener.accept()
                connection.setblocking(False)
                talks[loop.create_task(_talk(handler, connection, tls))] = connection

    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.create_server((host, port), family=family, backlog=backlog) as listener:
        listener.setblocking(False)
        loop.add_reader(listener, accept)
        try:
            yield listener.getsockname()[1]
        finally:
            loop.remove_reader(listener)
            for task in talks:
                task.cancel()
            await asyncio.gather(*talks, return_exceptions=True)
            for connection in talks.values():
                connection.close()  # of a task that was cancelled before it began
    for task in talks:
        if not task.cancelled() and (error := task.exception()) is not None:
            raise error


async def _talk(handler: Handler, connection: socket.socket, tls: ssl.SSLContext | None) -> None:
    loop = asyncio.get_running_loop()
    reader = asyncio.StreamReader()
    protocol = asyncio.StreamReaderProtocol(reader)
    with contextlib.suppress(OSError, EOFError):
        transport, _ = await loop.connect_accepted_socket(lambda: protocol, connection, ssl=tls)
        writer = asyncio.StreamWriter(transport, protocol, reader, loop)
        try:
            await handler(reader, writer)
            writer.close()
            await writer.wait_closed()
        finally:
            transport.abort()
            await writer.wait_closed()
