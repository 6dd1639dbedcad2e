"""HTTP/1.1 connections of a generator: one request in flight on each, no pipelining, no redirects, nothing hidden.

The hot path is `write` of prebuilt bytes and httptools' parser, which is kept with its connection. What a driver needs to know of a
request stands on the connection itself, so that nothing is made for a request.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Callable, Generator, Mapping
from dataclasses import dataclass
from typing import Any, Protocol, cast
from urllib.parse import urlsplit

import httptools

REFUSED, RESET, TIMEOUT, NAME, TLS, PROTOCOL, CLOSED = 1, 2, 3, 4, 5, 6, 7


@dataclass(frozen=True, kw_only=True, slots=True)
class Way:
    """One way in: scheme://host:port, or a unix socket; `context` for TLS."""

    host: str
    port: int
    authority: str
    unix: str = ""
    context: ssl.SSLContext | None = None

    @classmethod
    def of(cls, url: str, *, verify: bool | str = True, cert: str = "", key: str = "") -> Way:
        """From http://, https:// or unix:/path. Raises ValueError for anything else, OSError for files that cannot be read."""
        parts = urlsplit(url)
        if parts.scheme == "unix":
            return cls(host="", port=0, authority="localhost", unix=parts.path)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ValueError(f"{url!r} is no http, https or unix address")
        context = tls(verify, cert, key) if parts.scheme == "https" else None
        port = parts.port or (443 if context else 80)
        return cls(host=parts.hostname, port=port, authority=parts.netloc.rpartition("@")[2], context=context)


def tls(verify: bool | str, cert: str = "", key: str = "") -> ssl.SSLContext:
    """How certificates are checked (True, False, or a file with the authority), and the client's own."""
    context = ssl.create_default_context(cafile=verify if isinstance(verify, str) else None)
    if verify is False:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    if cert:
        context.load_cert_chain(cert, key or None)
    return context


class Answer:
    """What a user's script sees of an answer: status, body, headers (names in lower case)."""

    __slots__ = ("body", "headers", "status")

    def __init__(self, status: int, body: bytes, headers: Mapping[str, str]) -> None:
        self.status = status
        self.body = body
        self.headers = headers


Flow = Generator[Any, Answer, None]


class Driver(Protocol):
    """Decides what a connection sends next."""

    def ready(self, connection: Connection) -> None: ...

    def answered(self, connection: Connection, status: int, keep: bool) -> None: ...

    def lost(self, connection: Connection, error: int) -> None: ...


class Connection(asyncio.Protocol):
    """One connection and the request that is in flight on it; times in ns of CLOCK_MONOTONIC. Bodies are counted, not kept."""

    __slots__ = ("_driver", "_parser", "busy", "flow", "intended", "sent", "size", "tag", "transport", "write")

    def __init__(self, driver: Driver) -> None:
        self._driver = driver
        self._parser = httptools.HttpResponseParser(self)
        self.transport: asyncio.Transport | None = None
        self.write: Callable[[bytes], None]
        self.busy = False
        self.flow: Flow | None = None
        self.intended = self.sent = self.size = self.tag = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """asyncio: connected."""
        self.transport = cast("asyncio.Transport", transport)
        self.write = self.transport.write
        self._driver.ready(self)

    def data_received(self, data: bytes) -> None:
        """asyncio: part of an answer, or something nobody asked for."""
        self.size += len(data)
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserError:
            self.close()
            self._driver.lost(self, PROTOCOL)

    def on_message_complete(self) -> None:
        """httptools: an answer is whole; an interim one (100 Continue) is passed over."""
        parser = self._parser
        status = parser.get_status_code()
        if status >= 200:
            self._driver.answered(self, status, parser.should_keep_alive())

    def connection_lost(self, error: Exception | None) -> None:
        """asyncio: gone."""
        self._driver.lost(self, RESET if error is not None else CLOSED)

    def close(self) -> None:
        """Close without waiting."""
        if self.transport is not None:
            self.transport.abort()


class ReadingConnection(Connection):
    """Keeps bodies and headers, for scripts that look at them."""

    __slots__ = ("_body", "_headers")

    def __init__(self, driver: Driver) -> None:
        super().__init__(driver)
        self._body: list[bytes] = []
        self._headers: list[tuple[bytes, bytes]] = []

    def on_header(self, name: bytes, value: bytes) -> None:
        """httptools: a header."""
        self._headers.append((name, value))

    def on_body(self, body: bytes) -> None:
        """httptools: part of a body."""
        self._body.append(body)

    def take(self, status: int) -> Answer:
        """The answer that is whole; the next one begins empty."""
        body = self._body[0] if len(self._body) == 1 else b"".join(self._body)
        headers = {n.decode("latin-1").lower(): v.decode("latin-1") for n, v in self._headers}
        self._body.clear()
        self._headers.clear()
        return Answer(status, body, headers)


async def connect(way: Way, made: Callable[[], Connection]) -> int:
    """Open a connection, which reports itself ready; returns 0, or the code of what went wrong."""
    loop = asyncio.get_running_loop()
    try:
        if way.unix:
            await loop.create_unix_connection(made, way.unix)
        else:
            await loop.create_connection(made, way.host, way.port, ssl=way.context)
    except ssl.SSLError:
        return TLS
    except ConnectionRefusedError:
        return REFUSED
    except TimeoutError:
        return TIMEOUT
    except OSError as error:
        if "refused" in str(error).lower() or "Errno 111" in str(error):
            return REFUSED
        return NAME if (error.errno or 0) < 0 else RESET
    return 0
