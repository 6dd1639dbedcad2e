"""Who answers, who only accepts, and who does neither: real sockets."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from seatrial.core.stack import Endpoint
from seatrial.platforms.compose.knocking import knock

Serve = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]
WITHIN_NS = 500_000_000


async def ask(scheme: str, serve: Serve | None) -> tuple[bool, bool]:
    served = asyncio.Event()

    async def one(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await (serve or silent)(reader, writer)
        writer.close()
        await writer.wait_closed()
        served.set()

    server = await asyncio.start_server(one, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    if serve is None:
        server.close()
    try:
        seen = await knock(Endpoint(name="x", scheme=scheme, host="127.0.0.1", port=port), WITHIN_NS)
        if serve is not None:
            await served.wait()
        return seen
    finally:
        server.close()


async def silent(reader, _writer):
    await reader.read()


async def gone(_reader, _writer):
    return


async def http(reader, writer):
    await reader.readuntil(b"\r\n\r\n")
    writer.write(b"HTTP/1.0 404 Not Found\r\n\r\n")


async def redis(reader, writer):
    await reader.readline()
    writer.write(b"-NOAUTH Authentication required.\r\n")


async def postgres(reader, writer):
    assert await reader.readexactly(8) == b"\x00\x00\x00\x08\x04\xd2\x16\x2f"
    writer.write(b"N")


@pytest.mark.parametrize(
    ("scheme", "serve", "seen"),
    [
        ("http", http, (True, True)),
        ("redis", redis, (True, True)),
        ("postgres", postgres, (True, True)),
        ("http", silent, (True, False)),  # frozen: the kernel accepts
        ("http", gone, (True, False)),  # the engine's proxy accepts for what is down
        ("tcp", gone, (True, False)),
        ("tcp", silent, (True, True)),  # nobody knows what it would have to say
        ("http", None, (False, False)),
    ],
)
async def test_a_knock(scheme, serve, seen):
    assert await ask(scheme, serve) == seen
