"""The Engine API, spoken over its socket.

httpx rather than aiodocker: it is here already, and aiodocker's exec cannot end a command's input and go on reading its output.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import tempfile
from collections.abc import AsyncGenerator, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode

import httpx

from ...core.errors import PlatformError
from .address import EngineAddress

TIMEOUT_S = 30.0
_CHUNK = 1 << 16
Answer = Any  # what the engine answers: JSON


class Engine:
    """One engine. All methods raise PlatformError in the engine's own words; `close` ends it."""

    def __init__(self, address: EngineAddress) -> None:
        self.address = address
        self._forwarder: _Forwarder | None = None
        self._client: httpx.AsyncClient | None = None
        self._opening = asyncio.Lock()

    async def get(self, path: str, **query: object) -> Answer:
        """What there is at a path."""
        return await self._ask("GET", path, query)

    async def post(
        self, path: str, body: Mapping[str, object] | None = None, timeout_s: float = TIMEOUT_S, **query: object
    ) -> Answer:
        """Order something. What is so already (304) is no error."""
        return await self._ask("POST", path, query, body, timeout_s)

    async def stream(self, path: str, **query: object) -> AsyncGenerator[bytes]:
        """What a path goes on sending, until the engine ends it."""
        client = await self._open()
        timeout = httpx.Timeout(TIMEOUT_S, read=None)
        try:
            async with client.stream("GET", _url(path, query), timeout=timeout) as answer:
                if answer.status_code >= 400:
                    raise PlatformError(_complaint(answer.status_code, await answer.aread()))
                async for part in answer.aiter_raw():
                    yield part
        except httpx.HTTPError as error:
            raise PlatformError(self._unreached(error)) from error

    async def lines(self, path: str, **query: object) -> AsyncGenerator[Answer]:
        """The same where each line is JSON."""
        rest = b""
        async with contextlib.aclosing(self.stream(path, **query)) as parts:
            async for part in parts:
                *whole, rest = (rest + part).split(b"\n")
                for line in whole:
                    if line.strip():
                        yield json.loads(line)

    async def hijack(
        self, path: str, body: Mapping[str, object]
    ) -> tuple[asyncio.StreamReader, asyncio.StreamWriter, bool]:
        """A connection of its own that becomes a stream both ways; whether the answer has frames (no terminal)."""
        await self._open()
        content = json.dumps(body).encode()
        head = (
            f"POST {path} HTTP/1.1\r\nHost: docker\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n"
            f"Content-Type: application/json\r\nContent-Length: {len(content)}\r\n\r\n"
        )
        try:
            reader, writer = await asyncio.open_unix_connection(self._socket())
            writer.write(head.encode() + content)
            await writer.drain()
            answer = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
        except (OSError, asyncio.IncompleteReadError) as error:
            raise PlatformError(self._unreached(error)) from error
        status = int(answer.split(" ", 2)[1])
        if status not in (101, 200):
            said = await reader.read(_CHUNK)
            writer.close()
            raise PlatformError(_complaint(status, said))
        return reader, writer, "raw-stream" not in answer.lower() or "multiplexed" in answer.lower()

    async def close(self) -> None:
        """End it."""
        if self._client is not None:
            await self._client.aclose()
            self._client = None
        if self._forwarder is not None:
            await self._forwarder.close()
            self._forwarder = None

    async def _ask(
        self,
        method: str,
        path: str,
        query: Mapping[str, object],
        body: Mapping[str, object] | None = None,
        timeout_s: float = TIMEOUT_S,
    ) -> Answer:
        client = await self._open()
        try:
            answer = await client.request(method, _url(path, query), json=body, timeout=timeout_s)
        except httpx.HTTPError as error:
            raise PlatformError(self._unreached(error)) from error
        if answer.status_code >= 400:
            raise PlatformError(_complaint(answer.status_code, answer.content))
        return answer.json() if answer.content and "json" in answer.headers.get("content-type", "") else None

    async def _open(self) -> httpx.AsyncClient:
        async with self._opening:
            if self._client is None:
                if self.address.socket is None:
                    self._forwarder = await _Forwarder.start(self.address)
                limits = httpx.Limits(max_connections=None, max_keepalive_connections=8)
                transport = httpx.AsyncHTTPTransport(uds=self._socket(), limits=limits)
                self._client = httpx.AsyncClient(transport=transport, base_url="http://docker", trust_env=False)
            return self._client

    def _socket(self) -> str:
        return str(self._forwarder.path if self._forwarder is not None else self.address.socket)

    def _unreached(self, error: Exception) -> str:
        why = str(error) or type(error).__name__
        return f"the Docker engine at {self.address.url} cannot be reached: {why} (does `docker version` work?)"


class _Forwarder:
    """A unix socket of our own; each connection to it is one that the docker CLI dials."""

    def __init__(self, address: EngineAddress) -> None:
        self._address = address
        self._directory = tempfile.TemporaryDirectory(prefix="seatrial-")
        self.path = Path(self._directory.name) / "engine.sock"
        self._server: asyncio.Server | None = None
        self._serving: dict[asyncio.Task[None], asyncio.StreamWriter] = {}
        self._killed: set[asyncio.Task[int]] = set()
        self._closed = False

    @classmethod
    async def start(cls, address: EngineAddress) -> _Forwarder:
        """Listen."""
        forwarder = cls(address)
        forwarder._server = await asyncio.start_unix_server(forwarder._begin, forwarder.path)
        return forwarder

    async def close(self) -> None:
        """End all connections, and wait until the commands behind them are gone."""
        self._closed = True
        if self._server is not None:
            self._server.close()
        for task in self._serving:
            task.cancel()
        await asyncio.gather(*self._serving, return_exceptions=True)
        await asyncio.gather(*self._killed)
        self._directory.cleanup()

    def _begin(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self._closed:  # it was accepted just before
            writer.transport.abort()
            return
        task = asyncio.create_task(self._serve(reader, writer))
        self._serving[task] = writer
        task.add_done_callback(self._ended)  # also of one that was cancelled before it began

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._serving.pop(task).close()
        if not task.cancelled():
            task.exception()  # whoever is connected sees the end, and says so

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        process = await asyncio.create_subprocess_exec(
            *self._address.dial(),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,
        )
        assert process.stdin is not None
        assert process.stdout is not None
        forth = asyncio.ensure_future(_pour(reader, process.stdin))
        try:
            await _pour(process.stdout, writer)
        finally:
            forth.cancel()
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            killed = asyncio.create_task(process.wait())
            self._killed.add(killed)
            killed.add_done_callback(self._killed.discard)
            await asyncio.shield(killed)  # `close` waits for it when it cancels this


async def _pour(source: asyncio.StreamReader, to: asyncio.StreamWriter) -> None:
    """Pass on everything, the end included."""
    with contextlib.suppress(OSError):
        while part := await source.read(_CHUNK):
            to.write(part)
            await to.drain()
        if to.can_write_eof():
            to.write_eof()


def _url(path: str, query: Mapping[str, object]) -> str:
    given = {k: json.dumps(v) if isinstance(v, dict) else str(v) for k, v in query.items()}
    return path + (f"?{urlencode(given, quote_via=quote)}" if given else "")


def _complaint(status: int, content: bytes) -> str:
    try:
        said = json.loads(content)["message"]
    except (ValueError, KeyError, TypeError):
        said = content.decode("utf-8", "replace").strip()
    return f"the Docker engine: {said or status}"
