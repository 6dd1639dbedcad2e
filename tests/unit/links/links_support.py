"""A proxy in this process, between real services and clients, over both event loops."""

from __future__ import annotations

import asyncio
import socket
import struct
import time
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from typing import Any

from ports import free_port
from streams import accepting

from seatrial.links.control import LinkControl
from seatrial.links.proxy import Proxy
from seatrial.links.route import Route, RouteOrder

TOKEN = "the token of the stack"
LINK = "web -> service#1"
DEADLINE_S = 30.0


async def accepts(port: int) -> bool:
    """Whether somebody takes connections there."""
    try:
        _, writer = await asyncio.open_connection("127.0.0.1", port)
    except OSError:
        return False
    writer.transport.abort()
    return True


async def until(holds: Callable[[], Any], what: str = "it holds") -> None:
    """Wait for a condition."""
    deadline = time.monotonic() + DEADLINE_S
    while not (await found if isinstance(found := holds(), Awaitable) else found):
        assert time.monotonic() < deadline, f"not within {DEADLINE_S} s: {what}"
        await asyncio.sleep(0.005)


@dataclass
class Peer:
    """One connection of a service: what it received, and how that ended (fin, reset)."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    received: bytearray = field(default_factory=bytearray)
    ended: str = ""


class Service:
    """Answers with what it receives, unless another way is given: what a connection of it does."""

    def __init__(self) -> None:
        self.port = free_port()
        self.peers: list[Peer] = []
        self.serve: Callable[[Peer], Awaitable[None]] = self.echo
        self.tls: Any = None
        self._served = AsyncExitStack()

    async def start(self) -> None:
        await self._served.enter_async_context(accepting(self._accepted, port=self.port, tls=self.tls))

    async def stop(self) -> None:
        """Nobody listens, and who was there is gone."""
        await self._served.aclose()

    @property
    def received(self) -> bytes:
        return b"".join(bytes(p.received) for p in self.peers)

    async def _accepted(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        peer = Peer(reader, writer)
        self.peers.append(peer)
        try:
            await self.serve(peer)
        except OSError:
            peer.ended = "reset"
        except EOFError:
            peer.ended = "fin"

    @staticmethod
    async def echo(peer: Peer) -> None:
        while data := await peer.reader.read(1 << 16):
            peer.received += data
            peer.writer.write(data)
            await peer.writer.drain()
        peer.ended = "fin"

    @staticmethod
    async def swallow(peer: Peer) -> None:
        while data := await peer.reader.read(1 << 16):
            peer.received += data
        peer.ended = "fin"

    @staticmethod
    async def http(peer: Peer) -> None:
        """Its own answer to each request; keeps connections."""
        while True:
            head = await peer.reader.readuntil(b"\r\n\r\n")
            peer.received += head
            fields = dict(line.lower().split(b": ", 1) for line in head.split(b"\r\n")[1:-2])
            peer.received += await peer.reader.readexactly(int(fields.get(b"content-length", b"0")))
            path = head.split(b" ")[1]
            peer.writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(path), path))


@dataclass
class Client:
    """A connection through the link."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter

    async def says(self, data: bytes) -> None:
        self.writer.write(data)
        await self.writer.drain()

    async def hears(self, count: int) -> bytes:
        """So many bytes."""
        async with asyncio.timeout(DEADLINE_S):
            return await self.reader.readexactly(count)

    async def ends(self) -> str:
        """How it ends: what came last, and fin or reset."""
        async with asyncio.timeout(DEADLINE_S):
            try:
                return f"{(await self.reader.read()).decode()}fin"
            except ConnectionError:
                return "reset"

    async def silent(self, for_s: float = 0.15) -> bool:
        """Whether nothing comes for a while."""
        try:
            async with asyncio.timeout(for_s):
                return not await self.reader.read(1) and False
        except TimeoutError:
            return True

    async def asks(self, path: str, method: str = "GET", body: bytes = b"") -> tuple[int, bytes]:
        """One request, and its answer."""
        await self.says(f"{method} {path} HTTP/1.1\r\nHost: x\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body)
        return await self.answer(empty=method == "HEAD")

    async def answer(self, *, empty: bool = False) -> tuple[int, bytes]:
        async with asyncio.timeout(DEADLINE_S):
            head = (await self.reader.readuntil(b"\r\n\r\n")).lower()
            length = int(head.partition(b"content-length: ")[2].partition(b"\r\n")[0] or 0)
            return int(head.split()[1]), b"" if empty else await self.reader.readexactly(length)

    def reset(self) -> None:
        """Gone, as a process that crashes with data unread."""
        connected = self.writer.get_extra_info("socket")
        connected.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.writer.transport.abort()


class Net:
    """One link, `LINK`, to `service`; and one to nothing that is known, to see that it is let be."""

    def __init__(self, scheme: str = "tcp", silence_s: float = 30.0) -> None:
        self.service = Service()
        self.port, self.control_port = free_port(), free_port()
        to = ("127.0.0.1", self.service.port)
        orders = [
            RouteOrder(link=LINK, listen=("127.0.0.1", self.port), to=to, scheme=scheme),
            RouteOrder(link="other -> service#1", listen=("127.0.0.1", free_port()), to=to, scheme=scheme),
        ]
        self.proxy = Proxy(orders, TOKEN, silence_s=silence_s)
        self.clients: list[Client] = []
        self.controls: list[LinkControl] = []
        self.complaints: list[str] = []
        self._task: asyncio.Task[None] | None = None

    @property
    def route(self) -> Route:
        return self.proxy._routes[LINK][0]

    async def start(self) -> None:
        asyncio.get_running_loop().set_exception_handler(lambda _, said: self.complaints.append(str(said)))
        await self.service.start()
        await self.start_proxy()
        self.control = self.controller()

    async def start_proxy(self) -> None:
        self._task = asyncio.create_task(self.proxy.serve(("127.0.0.1", self.control_port)))
        await until(lambda: accepts(self.control_port), "the proxy listens")

    async def stop_proxy(self) -> None:
        assert self._task is not None
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)

    def controller(self, token: str = TOKEN) -> LinkControl:
        self.controls.append(LinkControl(("127.0.0.1", self.control_port), token))
        return self.controls[-1]

    async def connect(self, **options: Any) -> Client:
        self.clients.append(Client(*await asyncio.open_connection("127.0.0.1", self.port, **options)))
        return self.clients[-1]

    async def peer(self, number: int = 0) -> Peer:
        """A connection at the service, when it is there."""
        await until(lambda: len(self.service.peers) > number, "the service is reached")
        return self.service.peers[number]

    async def impair(self, kind: str, **arguments: Any) -> int:
        return await self.control.impair(LINK, kind, arguments)

    async def mend(self, number: int) -> None:
        await self.control.ask("mend", number=number)

    async def traffic(self) -> dict[str, Any]:
        (found,) = await self.control.ask("traffic", link=LINK)
        return dict(found)

    async def close(self) -> None:
        """And see that nothing is left."""
        for client in self.clients:
            client.writer.transport.abort()
        for control in self.controls:
            await control.close()
        await self.service.stop()
        await until(lambda: not self.route.impairments, "all that was ordered is mended")
        await until(lambda: not self.route.connections, "no connection is left")
        await self.stop_proxy()


async def echoes(client: Client, words: bytes = b"words") -> None:
    await client.says(words)
    assert await client.hears(len(words)) == words
