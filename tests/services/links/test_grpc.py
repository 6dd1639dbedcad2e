"""Calls over gRPC through a link: counted, and kept from the service where a gate hits them; on channels that were there before."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator

import grpc
import grpc.aio
import pytest
from ports import free_port

from seatrial.core.faults import FaultOrder
from seatrial.core.links import LinkEnd, Tried
from seatrial.core.quantities import Dimension, Quantity
from seatrial.core.stack import Endpoint, Instance, InstanceState
from seatrial.core.vocabulary import load
from seatrial.faults import FAULTS
from seatrial.links.control import LinkControl
from seatrial.links.proxy import Proxy
from seatrial.links.route import RouteOrder

LINK = "clients -> echo#1"
TOKEN = "token"


class Echo(grpc.GenericRpcHandler):
    """Any unary method of /echo.*, and a stream of as many as were sent."""

    def __init__(self) -> None:
        self.seen: list[str] = []

    def service(self, details: grpc.HandlerCallDetails):
        self.seen.append(details.method)
        if details.method == "/echo.Echo/Chat":
            return grpc.stream_stream_rpc_method_handler(self.chat)
        if details.method.startswith("/echo."):
            return grpc.unary_unary_rpc_method_handler(self.say)
        return None

    async def say(self, message: bytes, context: grpc.aio.ServicerContext) -> bytes:
        metadata = dict(context.invocation_metadata() or ())
        return message + str(metadata.get("who", "")).encode()

    async def chat(self, messages: AsyncIterator[bytes], context: grpc.aio.ServicerContext) -> AsyncIterator[bytes]:
        async for message in messages:
            yield message


class Setting:
    """A server, a link to it, a channel through the link that has been used, and control of the link."""

    def __init__(self, echo: Echo, port: int, link: int, channel: grpc.aio.Channel, control: LinkControl) -> None:
        self.echo, self.port, self.link, self.channel, self.control = echo, port, link, channel, control

    async def say(self, message: bytes, method: str = "/echo.Echo/Say", who: str = "ann") -> bytes:
        return await self.channel.unary_unary(method)(message, metadata=(("who", who),), timeout=5)

    async def refused(self, method: str = "/echo.Echo/Say") -> grpc.StatusCode:
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await self.say(b"x", method)
        return caught.value.code()

    async def traffic(self) -> dict[str, int]:
        return (await self.control.ask("traffic", link=LINK))[0]


@pytest.fixture
async def setting() -> AsyncIterator[Setting]:
    echo, server = Echo(), grpc.aio.server()
    server.add_generic_rpc_handlers((echo,))
    port, link, control_port = server.add_insecure_port("127.0.0.1:0"), free_port(), free_port()
    await server.start()
    order = RouteOrder(link=LINK, listen=("127.0.0.1", link), to=("127.0.0.1", port), scheme="grpc")
    proxy = asyncio.create_task(Proxy([order], TOKEN).serve(("127.0.0.1", control_port)))
    await _accepting(control_port)
    control = LinkControl(("127.0.0.1", control_port), TOKEN)
    async with grpc.aio.insecure_channel(f"127.0.0.1:{link}") as channel:
        found = Setting(echo, port, link, channel, control)
        for number in range(3):  # both ends remember headers by now
            assert await found.say(b"hi ", who=f"u{number}") == f"hi u{number}".encode()
        yield found
    await control.close()
    await server.stop(0)
    proxy.cancel()
    await asyncio.gather(proxy, return_exceptions=True)


async def _accepting(port: int) -> None:
    async with asyncio.timeout(10):
        while True:
            with contextlib.suppress(OSError):
                (await asyncio.open_connection("127.0.0.1", port))[1].close()
                return
            await asyncio.sleep(0.01)


async def test_calls_are_counted_on_one_connection(setting: Setting) -> None:
    before = await setting.traffic()
    await asyncio.gather(*(setting.say(b"x" * 50_000) for _ in range(20)))
    after = await setting.traffic()
    assert (after["requests"] - before["requests"], after["connections"]) == (20, 1)
    assert after["bytes_to"] > 1_000_000 < after["bytes_from"]


async def test_the_deadlines_of_callers_are_seen_whether_a_call_is_passed_on_or_kept(setting: Setting) -> None:
    since = time.monotonic_ns()
    await setting.say(b"x")
    await setting.channel.unary_unary("/echo.Echo/Say")(b"x", timeout=0.5)
    await setting.channel.unary_unary("/echo.Echo/Say")(b"x")
    await setting.control.impair(LINK, "grpc", {"code": 14})
    assert await setting.refused() is grpc.StatusCode.UNAVAILABLE
    tried = await setting.control.ask("tries", link=LINK, since=since)
    assert all(since < at < time.monotonic_ns() for at, _ in tried)
    five, half, none, kept = (deadline for _, deadline in tried)
    assert none is None
    for deadline, asked in ((five, 5e9), (half, 0.5e9), (kept, 5e9)):  # which grpcio rounds up
        assert 0.8 * asked < deadline <= 1.02 * asked


async def test_a_refusal_takes_as_long_as_all_that_comes_back(setting: Setting) -> None:
    late = await setting.control.impair(LINK, "latency", {"delay_ns": 150_000_000, "direction": "from"})
    number = await setting.control.impair(LINK, "grpc", {"code": 14})
    began = time.monotonic()
    assert await setting.refused() is grpc.StatusCode.UNAVAILABLE
    assert time.monotonic() - began >= 0.149
    await setting.control.ask("mend", link=LINK, number=number)
    await setting.control.ask("mend", link=LINK, number=late)
    assert await setting.say(b"hi ") == b"hi ann"


async def test_a_status_in_place_of_the_service_on_a_channel_that_was_there(setting: Setting) -> None:
    seen = len(setting.echo.seen)
    number = await setting.control.impair(LINK, "grpc", {"code": 14, "path": "/echo.Echo/*"})
    assert await setting.refused() is grpc.StatusCode.UNAVAILABLE
    assert await setting.refused("/echo.Echo/Other") is grpc.StatusCode.UNAVAILABLE
    assert len(setting.echo.seen) == seen
    # others pass, with headers that only the client remembers; and so do all when it is mended
    assert await setting.say(b"a ", "/echo.Second/Say", who="u1") == b"a u1"
    await setting.control.ask("mend", link=LINK, number=number)
    assert await setting.say(b"b ", who="u2") == b"b u2"
    assert await setting.say(b"c ", who="somebody new") == b"c somebody new"
    after = await setting.traffic()
    assert (after["connections"], after["kept"], after["requests"]) == (1, 2, 6)


async def test_a_share_of_calls_at_the_same_time(setting: Setting) -> None:
    number = await setting.control.impair(LINK, "grpc", {"code": 8, "share": 0.5})
    found = await asyncio.gather(
        *(setting.say(bytes([n]) * 20_000, who=f"u{n}") for n in range(100)), return_exceptions=True
    )
    good = {n: answer for n, answer in enumerate(found) if isinstance(answer, bytes)}
    assert all(answer == bytes([n]) * 20_000 + f"u{n}".encode() for n, answer in good.items())
    bad = [error.code() for error in found if isinstance(error, grpc.aio.AioRpcError)]
    assert set(bad) == {grpc.StatusCode.RESOURCE_EXHAUSTED}
    assert 20 < len(bad) < 80
    assert (await setting.traffic())["kept"] == len(bad)
    # the window of the connection was given back for what was kept: large messages still pass
    await setting.control.ask("mend", link=LINK, number=number)
    assert await setting.say(b"z" * 3_000_000) == b"z" * 3_000_000 + b"ann"


async def test_streams_are_reset(setting: Setting) -> None:
    await setting.control.impair(LINK, "grpc", {"abort": True, "path": "/echo.Echo/Say"})
    assert await setting.refused() in (grpc.StatusCode.CANCELLED, grpc.StatusCode.UNAVAILABLE)
    chat = setting.channel.stream_stream("/echo.Echo/Chat")(timeout=10)
    for n in range(5):
        await chat.write(bytes([n]))
        assert await chat.read() == bytes([n])
    await chat.done_writing()
    assert await chat.read() is grpc.aio.EOF


async def test_a_stream_that_began_before_goes_on(setting: Setting) -> None:
    chat = setting.channel.stream_stream("/echo.Echo/Chat")(timeout=10)
    await chat.write(b"before")
    assert await chat.read() == b"before"
    await setting.control.impair(LINK, "grpc", {"code": 14})
    await chat.write(b"after")
    assert await chat.read() == b"after"
    assert await setting.refused() is grpc.StatusCode.UNAVAILABLE
    await chat.done_writing()
    assert await chat.read() is grpc.aio.EOF


async def test_the_witness_sees_calls_that_are_kept_and_only_those(setting: Setting) -> None:
    listens, to = (Endpoint(name="grpc", scheme="grpc", host="127.0.0.1", port=p) for p in (setting.link, setting.port))
    victim = Instance(
        name=LINK, service=LINK.partition("#")[0], ordinal=1, state=InstanceState.RUNNING, ready=True,
        endpoints={"grpc": listens}, identity=None, restarts=0, since_ns=0,
    )  # fmt: skip

    class Links:
        name, lies = "test", True

        def ends(self, link: Instance) -> list[LinkEnd]:
            return [LinkEnd(listens=listens, to=to)]

        async def impair(self, link: Instance, kind: str, arguments: dict[str, object]) -> int:
            return 0 if self.lies else await setting.control.impair(LINK, kind, arguments)

        async def mend(self, link: Instance, number: int) -> None:
            await setting.control.ask("mend", link=LINK, number=number)

        async def traffic(self, link: Instance) -> None: ...

        async def tries(self, link: Instance, since_ns: int) -> list[Tried]:
            return []

    for name, arguments in (
        ("grpc-status", {"code": "ABORTED", "share": Quantity(1.0, Dimension.RATIO)}),
        ("grpc-abort", {}),
    ):
        links, fault = Links(), load(FAULTS[name].make)(FaultOrder(hold_ns=None, arguments=arguments))
        await fault.inject(links, [victim])
        assert not (await fault.witness(links, victim)).acted
        links.lies = False
        await fault.inject(links, [victim])
        testimony = await fault.witness(links, victim)
        assert testimony.acted, testimony.detail
        await fault.heal(links, [victim])
        assert not (await fault.witness(links, victim)).acted
    assert (
        "/SeatrialWitness" in setting.echo.seen
    )  # past its healing it does reach the service, which has no such method
