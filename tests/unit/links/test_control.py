"""Who may order what, and that it ends with them, however they end."""

from __future__ import annotations

import asyncio
import json
import math
import os
import signal
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from links_support import DEADLINE_S, LINK, TOKEN, Client, Net, accepts, until
from ports import free_port

from seatrial.core.errors import PlatformError
from seatrial.links.control import LinkControl
from seatrial.links.proxy import Proxy, orders_of, written
from seatrial.links.route import RouteOrder

MS = 1_000_000


async def refused(net: Net) -> bool:
    return not await accepts(net.port)


async def raw(net: Net, *lines: bytes) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """A control connection by hand."""
    reader, writer = await asyncio.open_connection("127.0.0.1", net.control_port, limit=1 << 20)
    net.clients.append(Client(reader, writer))
    writer.writelines(line + b"\n" for line in lines)
    return reader, writer


async def ended(reader: asyncio.StreamReader) -> bool:
    """Whether it hangs up, without a word."""
    async with asyncio.timeout(DEADLINE_S):
        try:
            return await reader.read() == b""
        except ConnectionError:
            return True


ORDER = {"id": 1, "do": "impair", "number": 1, "link": LINK, "kind": "refuse", "arguments": {}}


@pytest.mark.parametrize(
    "token", [b"", b"wrong", TOKEN.encode() + b"!", TOKEN.encode()[:-1], b"\xff\xfe", b"x" * 200_000]
)
async def test_without_the_token_nothing_is_obeyed(net: Any, token: bytes) -> None:
    reader, writer = await raw(net, token, json.dumps(ORDER).encode())
    assert await ended(reader)
    writer.close()
    assert net.route.impairments == {}


async def test_a_controller_with_a_wrong_token_is_told_that_nobody_answers(net: Any) -> None:
    with pytest.raises(PlatformError, match="has gone"):
        await net.controller("wrong").impair(LINK, "refuse", {})
    assert not await refused(net)


@pytest.mark.parametrize(
    "line",
    [b"garbage", b"[]", b"1", b"null", b'"do"', b"[" * 50_000, b"\xff", b"{" + b" " * 100_000 + b"}", b"{}\x00"],
    ids=lambda line: str(line[:8]),
)
async def test_garbage_ends_the_connection_and_what_it_ordered_and_nothing_else(net: Any, line: bytes) -> None:
    other = await net.control.impair(LINK, "latency", {"delay_ns": MS})
    reader, writer = await raw(net, TOKEN.encode(), json.dumps(ORDER).encode())
    assert json.loads(await reader.readline()) == {"id": 1, "result": None}
    assert await refused(net)
    writer.write(line + b"\n")
    assert await ended(reader)
    writer.close()
    await until(lambda: len(net.route.impairments) == 1)
    await until(lambda: accepts(net.port), "it listens again")
    await net.control.ask("mend", number=other)


@pytest.mark.parametrize(
    ("order", "words"),
    [
        ({}, "id"),
        ({"id": 7}, "do"),
        ({"id": 7, "do": "dance"}, "nobody here can dance"),
        ({"id": 7, "do": ["impair"]}, "nobody here can"),
        ({"id": 7, "do": "traffic"}, "link"),
        ({"id": 7, "do": "traffic", "link": "web -> moon#1"}, "no link web -> moon#1; there are web -> service#1"),
        ({"id": 7, "do": "traffic", "link": ["x"]}, "unhashable"),
        ({"id": 7, "do": "mend", "number": 99}, "had ended before"),
        ({"id": 7, "do": "mend", "number": [1]}, "had ended before|unhashable"),
        ({**ORDER, "kind": "rain"}, "no impairment rain; there are bandwidth, close-after"),
        ({**ORDER, "kind": ["rain"]}, "unhashable"),
        ({**ORDER, "kind": "latency"}, "latency: .*delay_ns"),
        ({**ORDER, "arguments": [1]}, "arguments are an object"),
        ({**ORDER, "arguments": None}, "arguments are an object"),
        ({**ORDER, "link": "web -> moon#1"}, "no link web -> moon#1"),
        ({**ORDER, "number": "x"}, "invalid literal"),
        ({**ORDER, "kind": "latency", "arguments": {"delay_ns": math.inf}}, "delay_ns is at least 0"),
        ({**ORDER, "kind": "latency", "arguments": {"delay_ns": math.nan}}, "delay_ns is at least 0"),
        ({**ORDER, "kind": "latency", "arguments": {"delay_ns": -1}}, "delay_ns is at least 0"),
        ({**ORDER, "kind": "latency", "arguments": {"delay_ns": "1"}}, "delay_ns"),
        ({**ORDER, "kind": "latency", "arguments": {"delay_ns": 1, "direction": "up"}}, "up is no direction"),
        ({**ORDER, "kind": "latency", "arguments": {"delay_ns": 1, "distribution": "odd"}}, "odd is no distribution"),
        ({**ORDER, "kind": "bandwidth", "arguments": {"rate": 0}}, "rate is at least 1"),
        ({**ORDER, "kind": "stall", "arguments": {"share": 2, "stall_ns": 1}}, "share is more than 0%"),
        ({**ORDER, "kind": "close-after", "arguments": {"bytes": 1, "how": "loud"}}, "loud"),
        ({**ORDER, "kind": "http", "arguments": {"status": 503}}, "needs requests over HTTP/1.1 without TLS"),
    ],
)
async def test_an_order_that_makes_no_sense_is_answered_and_changes_nothing(net: Any, order: Any, words: str) -> None:
    reader, writer = await raw(net, TOKEN.encode(), json.dumps(order).encode(), b'{"id": 8, "do": "beat"}')
    async with asyncio.timeout(DEADLINE_S):
        answer = json.loads(await reader.readline())
        assert json.loads(await reader.readline()) == {"id": 8, "result": None}, "it goes on listening"
    assert answer["id"] == order.get("id")
    with pytest.raises(AssertionError, match=words):
        raise AssertionError(answer["error"])
    assert net.route.impairments == {}
    assert not await refused(net)
    writer.close()


async def test_nothing_at_all_is_an_http_impairment_that_does_nothing(web: Any) -> None:
    with pytest.raises(PlatformError, match="does nothing"):
        await web.impair("http", share=0.5)


async def test_what_was_ordered_ends_with_the_connection_that_ordered_it(net: Any) -> None:
    one, two = net.controller(), net.controller()
    await one.impair(LINK, "refuse", {})
    await one.impair(LINK, "latency", {"delay_ns": MS})
    await two.impair(LINK, "latency", {"delay_ns": MS})
    await one.close()
    await until(lambda: len(net.route.impairments) == 1)
    await until(lambda: accepts(net.port), "it listens again")
    await two.close()
    await until(lambda: not net.route.impairments)


async def test_nobody_mends_what_another_has_ordered(net: Any) -> None:
    one, two = net.controller(), net.controller()
    number = await one.impair(LINK, "refuse", {})
    with pytest.raises(PlatformError, match="had ended before"):
        await two.ask("mend", number=number)
    three = net.controller()
    assert await three.impair(LINK, "latency", {"delay_ns": MS}) == number  # each counts for itself
    await three.ask("mend", number=number)
    assert await refused(net)
    await one.ask("mend", number=number)
    with pytest.raises(PlatformError, match="had ended before"):
        await one.ask("mend", number=number)
    assert not await refused(net)


async def test_what_was_ordered_ends_with_the_silence_of_who_ordered_it(make_net: Any) -> None:
    net = await make_net(silence_s=0.3)
    reader, writer = await raw(net, TOKEN.encode(), json.dumps(ORDER).encode())
    await reader.readline()
    assert await refused(net)
    await until(lambda: not net.route.impairments)
    assert await ended(reader)
    writer.close()


async def test_a_beat_is_no_silence(make_net: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("seatrial.links.control.BEAT_S", 0.05)
    net = await make_net(silence_s=5.0)
    seen: list[float] = []
    heard = net.proxy._heard

    async def listen(reader: asyncio.StreamReader) -> bytes:
        line: bytes = await heard(reader)
        seen.append(b'"beat"' in line)
        return line

    net.proxy._heard = listen
    number = await net.impair("refuse")
    await until(lambda: sum(seen) >= 5)
    assert await refused(net)
    await net.mend(number)


async def test_an_order_that_is_given_up_is_mended(net: Any) -> None:
    """Nobody but the one who gave up knows its number."""
    assert await net.control.ask("beat") is None
    order = asyncio.create_task(net.impair("refuse"))
    await asyncio.sleep(0)  # it is written, and not answered
    await asyncio.sleep(0)
    order.cancel()
    assert isinstance((await asyncio.gather(order, return_exceptions=True))[0], asyncio.CancelledError)
    await net.control.ask("beat")  # after all that was said before
    assert net.route.impairments == {}
    assert not await refused(net)


async def test_after_a_new_start_of_the_proxy_a_mending_says_so_and_mends_nothing_else(net: Any) -> None:
    old = await net.impair("refuse")
    await net.stop_proxy()
    with pytest.raises(PlatformError, match=r"cannot be reached|has gone"):
        await net.control.ask("beat")
    net.proxy = Proxy([RouteOrder(link=LINK, listen=("127.0.0.1", net.port), to=net.route.to, scheme="tcp")], TOKEN)
    await net.start_proxy()
    assert not await refused(net)
    new = await net.impair("refuse")
    with pytest.raises(PlatformError, match="started anew"):
        await net.mend(old)
    assert await refused(net)
    await net.mend(new)
    assert not await refused(net)


async def test_an_address_that_was_taken_meanwhile_is_an_error_and_the_others_are_mended(net: Any) -> None:
    number = await net.impair("refuse")
    thief = await asyncio.start_server(lambda _, w: w.close(), "127.0.0.1", net.port)
    with pytest.raises(PlatformError, match=r"[Aa]ddress already in use"):
        await net.mend(number)
    thief.close()
    again = await net.impair("latency", delay_ns=MS)
    assert not await refused(net)
    await net.mend(again)
    reader, writer = await raw(net, TOKEN.encode(), json.dumps(ORDER).encode())
    await reader.readline()
    thief = await asyncio.start_server(lambda _, w: w.close(), "127.0.0.1", net.port)
    writer.close()
    await until(lambda: not net.route.impairments)
    thief.close()


async def test_a_controller_that_was_closed_says_so_to_who_still_waits(net: Any) -> None:
    control = net.controller()
    await control.ask("beat")
    waiting = asyncio.create_task(control.ask("traffic", link=LINK))
    await asyncio.sleep(0)
    await control.close()
    (answer,) = await asyncio.gather(waiting, return_exceptions=True)
    assert isinstance(answer, PlatformError | list)


async def test_many_who_ask_at_the_same_time_have_one_connection(net: Any) -> None:
    answers = await asyncio.gather(*(net.control.ask("traffic", link=LINK) for _ in range(50)))
    assert len(answers) == 50
    await until(lambda: len(net.proxy._ordering) == 1)


# -- as a process


class Process:
    """`python -m seatrial.links`, with one link to somebody who takes connections."""

    def __init__(self, directory: Path) -> None:
        self.port, self.control_port = free_port(), free_port()
        self.file = directory / "links.json"
        self.service = socket.create_server(("127.0.0.1", 0))
        order = RouteOrder(link=LINK, listen=("127.0.0.1", self.port), to=self.service.getsockname(), scheme="tcp")
        self.file.write_text(written([order], ("127.0.0.1", self.control_port), TOKEN))
        self.process = subprocess.Popen(
            [sys.executable, "-m", "seatrial.links", str(self.file)], stderr=subprocess.PIPE, text=True
        )

    async def refuses(self) -> bool:
        return not await accepts(self.port)


@pytest.fixture
async def process(tmp_path: Path) -> Any:
    made = Process(tmp_path)
    try:
        await until(lambda: accepts(made.control_port), "the proxy listens")
        yield made
    finally:
        made.process.kill()
        made.process.communicate()
        made.service.close()


ORDERER = """\
import asyncio, sys
from seatrial.links.control import LinkControl

async def main():
    control = LinkControl(("127.0.0.1", int(sys.argv[1])), sys.argv[2])
    await control.impair(sys.argv[3], "refuse", {})
    print("ordered", flush=True)
    await asyncio.sleep(1000)

asyncio.run(main())
"""


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
async def test_what_a_process_ordered_ends_when_it_is_killed(process: Any, number: signal.Signals) -> None:
    argv = [sys.executable, "-c", ORDERER, str(process.control_port), TOKEN, LINK]
    orderer = await asyncio.create_subprocess_exec(*argv, stdout=subprocess.PIPE)
    assert orderer.stdout is not None
    assert await orderer.stdout.readline() == b"ordered\n"
    assert await process.refuses()
    os.kill(orderer.pid, number)
    await orderer.communicate()
    await until(lambda: accepts(process.port), "the link works again")


async def test_a_proxy_that_is_to_end_ends_though_others_are_there(process: Any) -> None:
    control = LinkControl(("127.0.0.1", process.control_port), TOKEN)
    _, writer = await asyncio.open_connection("127.0.0.1", process.port)
    await control.impair(LINK, "latency", {"delay_ns": MS})
    process.process.send_signal(signal.SIGTERM)
    assert await asyncio.to_thread(process.process.wait, DEADLINE_S) == 0
    assert process.process.stderr.read() == ""
    with pytest.raises(PlatformError):
        await control.ask("beat")
    await control.close()
    writer.transport.abort()


def test_orders_are_read_as_they_were_written(tmp_path: Path) -> None:
    order = RouteOrder(link="a -> b#1", listen=("127.0.0.1", 1), to=("127.0.0.1", 2), scheme="http")
    file = tmp_path / "links.json"
    file.write_text(written([order], ("127.0.0.1", 3), "token"))
    assert orders_of(file) == ([order], ("127.0.0.1", 3), "token")
