"""A lean HTTP/1.1 client for workloads: keep-alive connections, one request in flight on each, times in ns.

Kept small on purpose: what it measures is the system, so it must cost little and hide nothing. No redirects, no retries, no pipelining.
"""

from __future__ import annotations

import asyncio
import ssl
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import cast
from urllib.parse import urlsplit

import httptools

from ..clients import tls

REFUSED, RESET, TIMEOUT, NAME, TLS, PROTOCOL, CLOSED = 1, 2, 3, 4, 5, 6, 7
Answered = Callable[[int, int, bool], None]  # HTTP status (0: none), error code, whether the request had been written


@dataclass(frozen=True, kw_only=True, slots=True)
class Address:
    """Where requests go."""

    host: str
    port: int
    tls: bool
    authority: str

    @classmethod
    def of(cls, url: str) -> Address:
        """From scheme://host:port."""
        parts = urlsplit(url)
        tls = parts.scheme == "https"
        host, port = parts.hostname or "", parts.port or (443 if tls else 80)
        return cls(host=host, port=port, tls=tls, authority=parts.netloc)


class Connection(asyncio.Protocol):
    """One connection; `finished` of the request in flight is called exactly once."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool
        self._transport: asyncio.Transport | None = None
        self._parser: httptools.HttpResponseParser | None = None
        self._finished: Answered | None = None
        self.deadline_ns = 0
        self._keep = True

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """asyncio: connected."""
        self._transport = cast("asyncio.Transport", transport)  # uvloop's is one in all but its bases

    def send(self, data: bytes, deadline_ns: int, finished: Answered) -> None:
        """Write a request; its answer goes to `finished`."""
        if self._transport is None or self._transport.is_closing():
            finished(0, CLOSED, False)
            return
        self._parser = httptools.HttpResponseParser(self)
        self._finished = finished
        self.deadline_ns = deadline_ns
        self._pool.busy.add(self)
        self._transport.write(data)

    def data_received(self, data: bytes) -> None:
        """asyncio: part of an answer, or something nobody asked for."""
        if self._parser is None:
            self.abort()
            return
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserError:
            self._end(0, PROTOCOL)
            self.abort()

    def on_message_complete(self) -> None:
        """httptools: an answer is whole."""
        parser = self._parser
        if parser is None:
            return
        status = parser.get_status_code()
        if status < 200:
            return
        self._keep = parser.should_keep_alive()
        self._end(status, 0)

    def connection_lost(self, error: Exception | None) -> None:
        """asyncio: gone."""
        self._pool.forget(self)
        self._end(0, RESET if error is not None else CLOSED)

    def expire(self) -> None:
        """The request's time is over."""
        self._end(0, TIMEOUT)
        self.abort()

    def abort(self) -> None:
        """Close without waiting."""
        self._pool.forget(self)
        if self._transport is not None:
            self._transport.abort()

    def _end(self, status: int, error: int) -> None:
        finished, self._finished, self._parser = self._finished, None, None
        if finished is None:
            return
        self._pool.busy.discard(self)
        if status and self._keep:
            self._pool.put(self)
        elif status:
            self.abort()
        finished(status, error, True)


class Pool:
    """Connections to one address; the last one used is used first."""

    def __init__(self, address: Address, verify: bool | str = True) -> None:
        self._address = address
        self._idle: list[Connection] = []
        self.busy: set[Connection] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._tls: ssl.SSLContext | None = None
        if address.tls:
            self._tls = tls.context(verify)

    def request(self, data: bytes, deadline_ns: int, finished: Answered) -> None:
        """Send on an idle connection, or on a new one."""
        if self._idle:
            self._idle.pop().send(data, deadline_ns, finished)
            return
        task = asyncio.get_running_loop().create_task(self._connect(data, deadline_ns, finished))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _connect(self, data: bytes, deadline_ns: int, finished: Answered) -> None:
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(max(0.0, (deadline_ns - time.monotonic_ns()) / 1e9)):
                _, connection = await loop.create_connection(
                    lambda: Connection(self), self._address.host, self._address.port, ssl=self._tls
                )
        except TimeoutError:
            finished(0, TIMEOUT, False)
        except ssl.SSLError:
            finished(0, TLS, False)
        except ConnectionRefusedError:
            finished(0, REFUSED, False)
        except OSError as error:
            finished(0, NAME if getattr(error, "errno", 0) is not None and (error.errno or 0) < 0 else RESET, False)
        else:
            connection.send(data, deadline_ns, finished)

    def put(self, connection: Connection) -> None:
        """Back among the idle ones."""
        self._idle.append(connection)

    def forget(self, connection: Connection) -> None:
        """It is of no use any more."""
        self.busy.discard(connection)
        if connection in self._idle:
            self._idle.remove(connection)

    def sweep(self, now_ns: int) -> None:
        """End what is over its time; one pass for all is cheaper than a timer for each."""
        for connection in [c for c in self.busy if c.deadline_ns <= now_ns]:
            connection.expire()

    def close(self) -> None:
        """Close everything."""
        for connection in [*self._idle, *self.busy]:
            connection.abort()
        for task in self._tasks:
            task.cancel()
