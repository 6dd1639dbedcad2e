"""What counts as an answer to a knock."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from streams import Handler, accepting

from seatrial.core.stack import Endpoint
from seatrial.faults.knocking import knock

SETTINGS = bytes([0, 0, 6, 4, 0, 0, 0, 0, 0, 0, 3, 0, 0, 0, 100])
ACKNOWLEDGED = bytes([0, 0, 0, 4, 1, 0, 0, 0, 0])
S = 1_000_000_000


@asynccontextmanager
async def listening(serve: Handler) -> AsyncIterator[Endpoint]:
    async with accepting(serve) as port:
        yield Endpoint(name="grpc", scheme="grpc", host="127.0.0.1", port=port)


async def test_over_http2_a_server_that_speaks_first_has_not_answered_yet() -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(SETTINGS)
        await reader.read(100)
        await asyncio.sleep(0.2)
        writer.write(ACKNOWLEDGED)
        await writer.drain()

    async with listening(serve) as endpoint:
        seen = await knock(endpoint, 5 * S)
    assert seen.answered
    assert seen.took_ns >= 0.2 * S
    assert seen.answer == SETTINGS + ACKNOWLEDGED


async def test_what_is_no_http2_is_an_answer() -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(10)
        writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        await writer.drain()
        await reader.read()

    async with listening(serve) as endpoint:
        assert (await knock(endpoint, S)).answered


async def test_a_server_that_never_acknowledges_is_silent() -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(SETTINGS)
        await reader.read()

    async with listening(serve) as endpoint:
        assert (await knock(endpoint, S // 5)).outcome == "silent"
