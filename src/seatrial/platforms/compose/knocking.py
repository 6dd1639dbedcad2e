"""Whether somebody answers at an endpoint. That a connection is accepted says nothing here: the kernel accepts for a frozen program,
and the engine's own proxy for one that has gone.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress

from ...core.stack import Endpoint

# What makes each of them say something, with or without credentials.
_WORDS = {
    "http": b"HEAD / HTTP/1.0\r\nUser-Agent: seatrial\r\n\r\n",
    "ws": b"HEAD / HTTP/1.0\r\nUser-Agent: seatrial\r\n\r\n",
    "redis": b"PING\r\n",
    "postgres": b"\x00\x00\x00\x08\x04\xd2\x16\x2f",  # may we speak TLS? one letter comes back
}
_SILENT_S = 0.05


async def answers(endpoint: Endpoint, timeout_ns: int) -> bool:
    """Whether a connection of our own is answered in time."""
    return (await knock(endpoint, timeout_ns))[1]


async def knock(endpoint: Endpoint, timeout_ns: int) -> tuple[bool, bool]:
    """Whether a connection of our own is accepted, and whether it is answered in time.

    Where nothing is known that has to be answered (tls, grpc, tcp), one that is accepted and not closed at once counts as answered.
    """
    writer = None
    accepted = False
    try:
        async with asyncio.timeout(timeout_ns / 1e9):
            reader, writer = await asyncio.open_connection(endpoint.host, endpoint.port)
            accepted = True
            word = _WORDS.get(endpoint.scheme)
            if word is not None:
                writer.write(word)
                return True, bool(await reader.read(1))
            with suppress(TimeoutError):
                async with asyncio.timeout(_SILENT_S):
                    return True, bool(await reader.read(1))
            return True, True
    except (OSError, TimeoutError):
        return accepted, False
    finally:
        if writer is not None:
            writer.close()
