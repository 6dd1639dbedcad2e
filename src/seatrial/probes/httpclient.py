"""A lean HTTP/1.1 client: one request in flight on a connection, whole answers, a word for every failure.

Ours because a check must show what happened and nothing else: no cookies that one identity leaves to the next, no proxies
out of the environment, nothing sent twice that may have acted; and it costs a tenth of a general client's processor time.
"""

from __future__ import annotations

import asyncio
import socket
import ssl
import time
import zlib
from dataclasses import dataclass, field
from typing import Final, cast

import httptools

MOST_BYTES: Final = 64 * 1024 * 1024
_IDLE_NS = 5_000_000_000
_IDLE_MOST = 64


class ExchangeError(Exception):
    """No answer. `word`: refused, timeout, reset, name, tls, protocol, closed."""

    def __init__(self, word: str, message: str) -> None:
        self.word = word
        super().__init__(message)


class _Stale(Exception):  # noqa: N818 - a state of affairs
    """A kept connection ended before a byte of the answer: the server had let go of it already."""


@dataclass(frozen=True, slots=True)
class Origin:
    """Whom to talk to. `verify`: "true", "false", or a file with the authority's certificates."""

    host: str
    port: int
    tls: bool
    verify: str = "true"


@dataclass(kw_only=True, slots=True)
class Answer:
    """A whole answer; header names are lower-case, repeated ones in order."""

    status: int = 0
    headers: list[tuple[str, str]] = field(default_factory=list)
    content: bytes = b""

    def header(self, name: str) -> str:
        """A header's value, or nothing."""
        return next((v for n, v in self.headers if n == name), "")

    @property
    def text(self) -> str:
        """The content in the character set that it says it has."""
        charset = "utf-8"
        for part in self.header("content-type").split(";")[1:]:
            name, _, given = part.strip().partition("=")
            if name.lower() == "charset":
                charset = given.strip("\"' ")
        try:
            return self.content.decode(charset, "replace")
        except (LookupError, ValueError):
            return self.content.decode("utf-8", "replace")


class _Connection(asyncio.Protocol):
    """One connection; httptools calls back from within `data_received`."""

    def __init__(self) -> None:
        self._transport: asyncio.Transport | None = None
        self._parser: httptools.HttpResponseParser | None = None
        self._waiter: asyncio.Future[Answer] | None = None
        self._answer = Answer()
        self._parts: list[bytes] = []
        self._size = 0
        self._bodiless = False  # an answer to HEAD
        self._framed = False  # its length is known, or it comes in chunks
        self._begun = False
        self._used = 0
        self.reusable = False
        self.idle_since_ns = 0

    # -- asyncio

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Connected."""
        self._transport = cast("asyncio.Transport", transport)  # uvloop's is one in all but its bases

    def data_received(self, data: bytes) -> None:
        """Part of an answer, or something that nobody asked for."""
        parser = self._parser
        if parser is None:
            self.abort()
            return
        first, self._begun = not self._begun, True
        try:
            parser.feed_data(data)
        except httptools.HttpParserUpgrade:
            self._complete(keep=False)
        except httptools.HttpParserError as error:
            self._fail("protocol", f"no HTTP: {error}" + (f" ({data[:40]!r})" if first else ""))

    def connection_lost(self, error: Exception | None) -> None:
        """Gone: the end of an answer without a length, or of our hopes."""
        self.reusable = False
        waiter = self._waiter
        if waiter is None or waiter.done():
            return
        if self._used > 1 and not self._begun:
            self._end(_Stale())
        elif isinstance(error, ssl.SSLError):
            self._fail("tls", str(error))
        elif error is not None:
            self._fail("reset", "the connection was reset")
        elif self._answer.status >= 200 and not self._framed:
            self._complete(keep=False)
        else:
            where = "in the middle of the answer" if self._begun else "without an answer"
            self._fail("closed", f"the connection was closed {where}")

    # -- httptools

    def on_message_begin(self) -> None:
        """An answer begins; one that nobody asked for ends the connection."""
        if self._parser is None:
            self.abort()

    def on_header(self, name: bytes, value: bytes) -> None:
        """One header; also a trailer, which counts as one."""
        self._answer.headers.append((name.decode("latin-1").lower(), value.decode("latin-1")))

    def on_headers_complete(self) -> None:
        """The head of an answer."""
        answer, parser = self._answer, self._parser
        if parser is None:
            return
        answer.status = parser.get_status_code()
        names = {n for n, _ in answer.headers}
        self._framed = bool(names & {"content-length", "transfer-encoding"}) or answer.status in (204, 304)
        if self._bodiless and answer.status >= 200:
            self._complete(keep=parser.should_keep_alive())

    def on_body(self, body: bytes) -> None:
        """Part of the content."""
        self._size += len(body)
        if self._size > MOST_BYTES:
            self._fail("protocol", f"an answer of more than {MOST_BYTES >> 20} MiB")
            return
        self._parts.append(body)

    def on_message_complete(self) -> None:
        """An answer is whole, or an interim one (100 Continue) is over."""
        if self._parser is None:
            return
        if self._answer.status < 200 and self._answer.status != 101:
            self._answer = Answer()
            return
        self._complete(keep=self._parser.should_keep_alive())

    # -- ours

    async def exchange(self, request: bytes, bodiless: bool) -> Answer:
        """Send a request and wait for its answer. Raises ExchangeError, _Stale."""
        if self._transport is None or self._transport.is_closing():
            raise _Stale
        self._parser = httptools.HttpResponseParser(self)
        self._answer, self._parts, self._size = Answer(), [], 0
        self._bodiless, self._begun, self.reusable = bodiless, False, False
        self._used += 1
        waiter: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
        self._waiter = waiter
        self._transport.write(request)
        try:
            return await waiter
        except asyncio.CancelledError:
            self.abort()
            raise

    def abort(self) -> None:
        """Close without waiting."""
        self.reusable = False
        self._parser = None
        if self._transport is not None:
            self._transport.abort()

    def _complete(self, keep: bool) -> None:
        answer, self._answer = self._answer, Answer()
        answer.content = b"".join(self._parts)
        self._parser = None
        self.reusable = keep and self._transport is not None and not self._transport.is_closing()
        if not self.reusable:
            self.abort()
        self._end(answer)

    def _fail(self, word: str, message: str) -> None:
        self.abort()
        self._end(ExchangeError(word, message))

    def _end(self, result: Answer | Exception) -> None:
        waiter, self._waiter = self._waiter, None
        if waiter is None or waiter.done():
            return
        if isinstance(result, Answer):
            waiter.set_result(result)
        else:
            waiter.set_exception(result)


class Client:
    """Connections of one event loop, kept alive between requests; the one used last is used first."""

    def __init__(self) -> None:
        self._idle: dict[Origin, list[_Connection]] = {}
        self._contexts: dict[str, ssl.SSLContext] = {}

    async def send(self, origin: Origin, request: bytes, *, bodiless: bool = False, repeatable: bool = False) -> Answer:
        """One exchange, without a time-out of its own.

        `repeatable`: on a kept connection, and once more on a fresh one if the server had let go of it. What may act is
        sent once, on a fresh connection, so that "closed" always means this request. Raises ExchangeError, and OSError
        for a file of certificates that cannot be read.
        """
        answer: Answer | None = None
        connection = self._kept(origin) if repeatable else None
        if connection is not None:
            try:
                answer = await connection.exchange(request, bodiless)
            except _Stale:
                connection = None
        if connection is None or answer is None:
            connection = await self._connect(origin)
            try:
                answer = await connection.exchange(request, bodiless)
            except _Stale:
                raise ExchangeError("closed", "the connection was closed without an answer") from None
        if connection.reusable:
            connection.idle_since_ns = time.monotonic_ns()
            idle = self._idle.setdefault(origin, [])
            idle.append(connection)
            if len(idle) > _IDLE_MOST:
                idle.pop(0).abort()
        answer.content = _decoded(answer)
        return answer

    async def close(self) -> None:
        """Close everything that is kept."""
        kept = [c for connections in self._idle.values() for c in connections]
        self._idle.clear()
        for connection in kept:
            connection.abort()
        await asyncio.sleep(0)  # the loop closes what was aborted in its next turn

    def _kept(self, origin: Origin) -> _Connection | None:
        idle = self._idle.get(origin, [])
        while idle:
            connection = idle.pop()
            if connection.reusable and time.monotonic_ns() - connection.idle_since_ns < _IDLE_NS:
                return connection
            connection.abort()
        return None

    async def _connect(self, origin: Origin) -> _Connection:
        context = self._context(origin.verify) if origin.tls else None
        loop = asyncio.get_running_loop()
        try:
            _, connection = await loop.create_connection(_Connection, origin.host, origin.port, ssl=context)
        except (OSError, UnicodeError) as error:
            raise connecting(error) from None
        return connection

    def _context(self, verify: str) -> ssl.SSLContext:
        if verify not in self._contexts:
            context = ssl.create_default_context(cafile=None if verify in ("true", "false") else verify)
            if verify == "false":
                context.check_hostname = False
                context.verify_mode = ssl.CERT_NONE
            self._contexts[verify] = context
        return self._contexts[verify]


def connecting(error: OSError | UnicodeError) -> ExchangeError:
    """Why there is no connection."""
    match error:
        case UnicodeError() | socket.gaierror():
            return ExchangeError("name", f"the name does not resolve ({getattr(error, 'strerror', None) or error})")
        case ssl.SSLCertVerificationError():
            return ExchangeError("tls", f"the certificate is not trusted: {error.verify_message}")
        case ssl.SSLError():
            return ExchangeError("tls", f"no TLS: {error.reason or error}")
        case ConnectionRefusedError():
            return ExchangeError("refused", "connection refused")
        case ConnectionError():
            return ExchangeError("reset", "the connection was reset while it was made")
        case TimeoutError():
            return ExchangeError("timeout", "no connection in time")
    text = error.strerror or str(error)  # several addresses were tried: one error for all of them
    return ExchangeError("refused", "connection refused" if "refused" in text.lower() or "111" in text else text)


def _decoded(answer: Answer) -> bytes:
    """The content without its compression. Raises ExchangeError for what says that it is compressed and is not."""
    coding = answer.header("content-encoding").strip().lower()
    if coding not in ("gzip", "x-gzip", "deflate") or not answer.content:
        return answer.content
    windows = (47,) if coding != "deflate" else (15, -15)  # 47: gzip or zlib; -15: deflate without its envelope
    for window in windows:
        decoder = zlib.decompressobj(window)
        try:
            content = decoder.decompress(answer.content, MOST_BYTES)
        except zlib.error:
            continue
        if decoder.eof:
            return content
    raise ExchangeError("protocol", f"the content is not {coding}, or is cut")
