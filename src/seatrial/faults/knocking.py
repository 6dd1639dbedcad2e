"""Knocking at an address: the least that one can say in its protocol to be answered, and how long that took.

What a witness of a broken link compares: the same knock through the link and past it. Greetings by protocol: an SSLRequest (PostgreSQL's
frontend/backend protocol), an inline PING (Redis), OPTIONS * (HTTP/1.1), the preface and empty SETTINGS (HTTP/2), a ClientHello (TLS),
the protocol header (AMQP 0-9-1). Over HTTP/2 a server speaks first, so that only its acknowledgement is an answer.
"""

from __future__ import annotations

import asyncio
import contextlib
import ssl
import struct
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass

from ..core.stack import Endpoint

_PADDING = 6 << 10  # most servers take 8 KiB of headers


@dataclass(frozen=True, kw_only=True, slots=True)
class Knock:
    """What came of it: answered, silent, refused, reset, closed. `said` and `heard` in bytes; `answer` is what was heard at first."""

    outcome: str
    began_ns: int
    took_ns: int
    said: int = 0
    heard: int = 0
    answer: bytes = b""

    @property
    def answered(self) -> bool:
        """Whether somebody is there."""
        return self.outcome == "answered"


def greeting(scheme: str, *, large: bool = False) -> bytes | None:
    """What makes a server of this scheme say something; None where nothing is known that does. `large`: with padding, where it can be."""
    make = _GREETINGS.get(scheme)
    return make(large) if make is not None else None


async def knock(endpoint: Endpoint, timeout_ns: int, *, say: bytes | None = None) -> Knock:
    """Connect, say it (the greeting of the scheme), and wait for the first bytes that come back and answer it."""
    began = time.monotonic_ns()
    words = greeting(endpoint.scheme) if say is None else say
    outcome, answer = "silent", b""
    try:
        async with asyncio.timeout(timeout_ns / 1e9), opened(endpoint) as (reader, writer):
            if words:
                writer.write(words)
            answer = await reader.read(1 << 16)
            while endpoint.scheme == "grpc" and words and answer and not _acknowledged(answer):
                more = await reader.read(1 << 16)
                if not more:
                    break
                answer += more
            outcome = "answered" if answer else "closed"
    except TimeoutError:
        outcome = "silent"
    except ConnectionRefusedError:
        outcome = "refused"
    except OSError:
        outcome = "reset"
    took = time.monotonic_ns() - began
    return Knock(
        outcome=outcome, began_ns=began, took_ns=took, said=len(words or b""), heard=len(answer), answer=answer[:1024]
    )


@contextlib.asynccontextmanager
async def opened(endpoint: Endpoint) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    """A connection that is closed afterwards, without waiting for the other side."""
    reader, writer = await asyncio.open_connection(endpoint.host, endpoint.port)
    try:
        yield reader, writer
    finally:
        writer.transport.abort()


def _http(large: bool) -> bytes:
    padding = f"X-Padding: {'.' * _PADDING}\r\n" if large else ""
    return f"OPTIONS * HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n{padding}\r\n".encode()


def _http2(large: bool) -> bytes:
    del large
    return b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes([0, 0, 0, 4, 0, 0, 0, 0, 0])


def _acknowledged(heard: bytes) -> bool:
    """Whether there is an acknowledgement of SETTINGS among the frames of HTTP/2; what is no such frame is an answer of another kind."""
    at = 0
    while len(heard) >= at + 9:
        kind, flags = heard[at + 3], heard[at + 4]
        if kind == 4 and flags & 1:
            return True
        if kind > 9 or heard[at + 5] & 0x80:
            return True
        at += 9 + int.from_bytes(heard[at : at + 3], "big")
    return False


def _postgres(large: bool) -> bytes:
    # What is behind the code of an SSLRequest is read, as its length says, and not looked at.
    padding = bytes(_PADDING if large else 0)
    return struct.pack("!ii", 8 + len(padding), 80877103) + padding


def _redis(large: bool) -> bytes:
    return b"PING " + b"." * _PADDING + b"\r\n" if large else b"PING\r\n"


def _amqp(large: bool) -> bytes:
    del large
    return b"AMQP\x00\x00\x09\x01"


def _tls(large: bool) -> bytes:
    del large
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    with contextlib.suppress(ssl.SSLWantReadError):
        context.wrap_bio(incoming, outgoing).do_handshake()
    return outgoing.read()


_GREETINGS: dict[str, Callable[[bool], bytes]] = {
    "http": _http,
    "ws": _http,
    "grpc": _http2,
    "postgres": _postgres,
    "redis": _redis,
    "amqp": _amqp,
    **dict.fromkeys(("https", "wss", "rediss", "amqps", "grpcs"), _tls),
}
