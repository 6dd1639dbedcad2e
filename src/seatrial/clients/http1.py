"""HTTP/1.1 connections of a generator: one request in flight on each, no pipelining, no redirects, nothing hidden.

The hot path is `write` of prebuilt bytes and httptools' parser, which is kept with its connection. What a driver needs to know of a
request stands on the connection itself, so that nothing is made for a request.
"""

from __future__ import annotations

import asyncio
import contextlib
import re
import ssl
from collections.abc import Callable, Generator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, cast
from urllib.parse import urlsplit

import httptools

from ..arrivals.errors import ERRORS
from . import tls
from .protocol import code_of

RESET, TIMEOUT, TLS, PROTOCOL, CLOSED = (ERRORS.index(e) for e in ("reset", "timeout", "tls", "protocol", "closed"))
EXCESS = 1000  # in place of a status: more was answered than was asked
HEAD_BYTES = 1 << 17
_LENGTH = re.compile(rb"\r\ncontent-length: *([0-9]+) *\r\n", re.IGNORECASE)
_CODED = re.compile(rb"\r\ntransfer-encoding *:", re.IGNORECASE)


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
        context = tls.context(verify, cert, key) if parts.scheme == "https" else None
        port = parts.port or (443 if context else 80)
        return cls(host=parts.hostname, port=port, authority=parts.netloc.rpartition("@")[2], context=context)


class Answer:
    """What a user's script sees of an answer: status, body, headers (names in lower case, of several the last one counts)."""

    __slots__ = ("_headers", "_raw", "body", "status")

    def __init__(self, status: int, body: bytes, raw: bytes) -> None:
        self.status = status
        self.body = body
        self._raw = raw
        self._headers: Mapping[str, str] | None = None

    @property
    def headers(self) -> Mapping[str, str]:
        """Read when they are asked for: most scripts never do."""
        if self._headers is None:
            self._headers = Head.of(self._raw).headers
        return self._headers

    @property
    def cookies(self) -> Sequence[str]:
        """What Set-Cookie says, each time it is there."""
        raw = self._raw
        if b"\nset-cookie:" not in raw[: raw.find(b"\r\n\r\n")].lower() and not raw.startswith(b"HTTP/1.1 1"):
            return ()  # most answers; less than to parse their heads
        return Head.of(raw).cookies


class Head:
    """The head of an answer, interim ones (1xx) passed over. `whole`: up to its empty line; `keep`: the connection stays."""

    def __init__(self) -> None:
        self.headers: dict[str, str] = {}
        self.cookies: list[str] = []
        self.status = 0
        self.whole = False
        self._parser = httptools.HttpResponseParser(self)

    @classmethod
    def of(cls, raw: bytes) -> Head:
        """From the first bytes of what came, which may hold less or more than the head."""
        head = cls()
        with contextlib.suppress(httptools.HttpParserError, httptools.HttpParserUpgrade):
            head._parser.feed_data(raw)
        return head

    @property
    def keep(self) -> bool:
        """The server does not say that it closes."""
        return self._parser.get_http_version() != "1.0" and "close" not in self.headers.get("connection", "").lower()

    @property
    def until_close(self) -> bool:
        """Nothing but the end of the connection ends the body."""
        return self.whole and "content-length" not in self.headers and "transfer-encoding" not in self.headers

    def on_header(self, name: bytes, value: bytes) -> None:
        """httptools: a header; trailers are none."""
        if self.whole:
            return
        lower = name.decode("latin-1").lower()
        self.headers[lower] = value.decode("latin-1")
        if lower == "set-cookie":
            self.cookies.append(self.headers[lower])

    def on_headers_complete(self) -> None:
        """httptools: the empty line."""
        status = self._parser.get_status_code()
        if self.whole:
            return
        if status < 200:
            self.headers.clear()
            self.cookies.clear()
        else:
            self.status, self.whole = status, True


Flow = Generator[Any, Answer, None]


class Visit:
    """Someone who follows a script: `send` gives an answer and returns the next request (a scripts.Request), `asked` is the last one;
    while that is None the script has begun and not asked anything yet.
    """

    __slots__ = ("asked", "send")

    def __init__(self) -> None:
        self.asked: Any = None
        self.send: Callable[[Any], Any]


class Likeness:
    """An answer that came whole and in one piece. One of the same length with the same head is whole, too, and means the same.

    `head`: the bytes up to the body, which begins at `end`. The value of Date may differ: what is before it and after it is compared.
    """

    __slots__ = ("_date", "_rest", "end", "head", "status")

    def __init__(self, data: bytes, end: int, status: int) -> None:
        self.head, self.end, self.status = data[:end], end, status
        found = self.head.lower().find(b"\r\ndate: ")
        self._date = found + 8 if found >= 0 else end
        self._rest = data.find(b"\r\n", self._date) if found >= 0 else end

    def renewed(self, data: bytes) -> bool:
        """It is the same at another date; from now on that is the head."""
        date, rest = self._date, self._rest
        if data[:date] != self.head[:date] or data[rest : self.end] != self.head[rest:]:
            return False
        self.head = data[: self.end]
        return True


class Likenesses:
    """Answers by their length: most are like one before, and to compare is several times as fast as to parse. Learning ends after
    1,000: where heads always differ it helps nobody.
    """

    def __init__(self) -> None:
        self.by_length: dict[int, Likeness] = {}
        self._left = 1000

    def learn(self, data: bytes, status: int) -> None:
        """An answer that was parsed, whole, and leaves its connection open. Only its head may say how long it is."""
        if not self._left:
            return
        self._left -= 1
        end = data.find(b"\r\n\r\n") + 4
        length = _LENGTH.findall(data, 0, end)
        if len(length) == 1 and int(length[0]) == len(data) - end and not _CODED.search(data, 0, end):
            self.by_length[len(data)] = Likeness(data, end, status)


class Driver(Protocol):
    """Decides what a connection sends next."""

    @property
    def likenesses(self) -> Likenesses:
        """Shared by all its connections."""

    @property
    def answered(self) -> Callable[[Connection, bytes], None]:
        """To be called when an answer is whole, with the bytes that came last; its `status`, and `keep`: the connection may be
        used again.
        """

    def ready(self, connection: Connection) -> None: ...

    def lost(self, connection: Connection, error: int) -> None: ...


class Connection(asyncio.Protocol):
    """One connection and the request that is in flight on it; times in ns of CLOCK_MONOTONIC. Bodies are counted, not kept.

    `status`: of an answer that is whole and was not looked at, else 0; EXCESS: more was answered than was asked. `body_at`: where its
    body begins in what came last, 0 where it was parsed. `bodiless`: set by
    who sends a HEAD. `alive`: the driver has it.
    """

    __slots__ = (
        "_answered", "_by_length", "_driver", "_feed", "_head", "_parser", "_raw", "alive", "bodiless", "body_at", "busy", "intended",
        "keep", "sent", "size", "status", "tag", "transport", "visit", "write",
    )  # fmt: skip

    def __init__(self, driver: Driver) -> None:
        self._driver = driver
        self._answered = driver.answered
        self._by_length = driver.likenesses.by_length
        self._renew()
        self.transport: asyncio.Transport | None = None
        self.write: Callable[[bytes], None]
        self.busy = self.bodiless = self.alive = False
        self.keep = True
        self.visit: Visit | None = None
        self.intended = self.sent = self.size = self.tag = self.status = self.body_at = 0

    def _renew(self) -> None:
        self._parser = httptools.HttpResponseParser(self)
        self._feed = self._parser.feed_data
        self._raw = b""
        self._head: Head | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """asyncio: connected."""
        self.transport = cast("asyncio.Transport", transport)
        self.write = self.transport.write
        self._driver.ready(self)

    def data_received(self, data: bytes) -> None:
        """asyncio: an answer, a part of one, or something nobody asked for."""
        self.size += len(data)
        by_length = self._by_length
        known = by_length.get(len(data))
        if known is not None and self._head is None and (data[: known.end] == known.head or known.renewed(data)):
            self.status = known.status
            self.body_at = known.end
            answered = self._answered  # read, then called: `self._answered(...)` would look for a method first
            answered(self, data)
        else:
            self._parse(data)

    def _parse(self, data: bytes) -> None:
        self.body_at = 0
        try:
            self._feed(data)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade):
            self.fail(PROTOCOL)
            return
        if not self.status:
            self._partial(data)
            return
        if self._head is None and self.keep:
            self._driver.likenesses.learn(data, self.status)
        self._answered(self, data)
        self._raw, self._head = b"", None

    def on_message_complete(self) -> None:
        """httptools: an answer is whole; an interim one (100 Continue) is passed over."""
        parser = self._parser
        status = parser.get_status_code()
        if status >= 200:
            self.status = EXCESS if self.status else status
            self.keep = parser.should_keep_alive()

    def _partial(self, data: bytes) -> None:
        """Not whole yet: a long answer, or one of which llhttp cannot know the end (to a HEAD; up to the end of the connection)."""
        if not self.busy:
            self.fail(PROTOCOL)
            return
        if self._head is None or not self._head.whole:
            self._raw += data
            self._head = Head.of(self._raw)
            if len(self._raw) > HEAD_BYTES and not self._head.whole:
                self.fail(PROTOCOL)
                return
        if self.bodiless and self._head.whole:
            self.status, self.keep = self._head.status, self._head.keep
            self._answered(self, data)
            self._renew()  # the old parser still waits for a body

    def connection_lost(self, error: Exception | None) -> None:
        """asyncio: gone. For an answer without a length that is its end."""
        head = self._head
        if error is None and self.busy and head is not None and head.until_close:
            self.status, self.keep = head.status, False
            self._answered(self, b"")
        self._driver.lost(self, CLOSED if error is None else TLS if isinstance(error, ssl.SSLError) else RESET)

    def fail(self, error: int) -> None:
        """Close, and say why."""
        self.close()
        self._driver.lost(self, error)

    def close(self) -> None:
        """Close without waiting."""
        if self.transport is not None:
            self.transport.abort()


class ReadingConnection(Connection):
    """Keeps bodies, for scripts that look at them."""

    __slots__ = ("_body", "on_body")

    def __init__(self, driver: Driver) -> None:
        self._body: list[bytes] = []
        self.on_body = self._body.append  # httptools: part of a body; a Python call less
        super().__init__(driver)

    def take(self, status: int, last: bytes) -> Answer:
        """The answer that is whole, of which these bytes came last; the next one begins empty."""
        if self.body_at:
            return Answer(status, last[self.body_at :], last)
        body = b"".join(self._body)
        self._body.clear()
        seen = self._head is not None and self._head.whole
        return Answer(status, body, self._raw if seen else self._raw + last)


async def connect(way: Way, connection: Connection, timeout_ns: int) -> int:
    """Open a connection, which reports itself ready; returns 0, or the code of what went wrong."""
    loop = asyncio.get_running_loop()
    try:
        async with asyncio.timeout(timeout_ns / 1e9):
            if way.unix:
                await loop.create_unix_connection(lambda: connection, way.unix)
            else:
                await loop.create_connection(lambda: connection, way.host, way.port, ssl=way.context)
    except (OSError, UnicodeError) as error:
        return code_of(error)
    return 0
