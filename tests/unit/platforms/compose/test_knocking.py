"""Who answers, who only accepts, and who does neither: real sockets."""

from __future__ import annotations

import pytest
from streams import Handler, accepting

from seatrial.core.stack import Endpoint
from seatrial.platforms.compose.knocking import knock

WITHIN_NS = 500_000_000


async def ask(scheme: str, serve: Handler | None) -> tuple[bool, bool]:
    async with accepting(serve or silent) as port:
        at = Endpoint(name="x", scheme=scheme, host="127.0.0.1", port=port)
        if serve is not None:
            return await knock(at, WITHIN_NS)
    return await knock(at, WITHIN_NS)


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
