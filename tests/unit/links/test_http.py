"""Impairments of HTTP/1.1: whole requests are hit or let be, wherever they begin and end."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from links_support import Client, echoes, until

MS = 1_000_000
S = 1000 * MS


async def test_a_status_comes_from_the_link_and_nothing_reaches_the_service(web: Any) -> None:
    client = await web.connect()
    assert await client.asks("/a") == (200, b"/a")
    number = await web.impair("http", status=503)
    assert (await client.asks("/b"))[0] == 503
    assert (await client.asks("/c", "POST", bytes(100_000)))[0] == 503
    assert await client.asks("/d", "HEAD") == (503, b"")
    assert (await client.asks("/e"))[0] == 503
    assert web.service.received.count(b"HTTP/1.1") == 1
    traffic = await web.traffic()
    assert (traffic["requests"], traffic["bytes_to"]) == (1, len(web.service.received))
    await web.mend(number)
    assert await client.asks("/f") == (200, b"/f")
    assert (await web.traffic())["requests"] == 2


@pytest.mark.parametrize(
    ("arguments", "hit"),
    [
        ({"path": "/api/*"}, {"GET /api/a", "POST /api/b?c=d"}),
        ({"path": "/api/a"}, {"GET /api/a"}),
        ({"method": "POST"}, {"POST /api/b?c=d", "POST /other"}),
        ({"method": "POST", "path": "/api/*"}, {"POST /api/b?c=d"}),
        ({}, {"GET /api/a", "POST /api/b?c=d", "POST /other", "GET /other?x=/api/"}),
    ],
)
async def test_a_path_and_a_method_say_which_are_hit(web: Any, arguments: Any, hit: set[str]) -> None:
    await web.impair("http", status=418, **arguments)
    client = await web.connect()
    for words in ("GET /api/a", "POST /api/b?c=d", "POST /other", "GET /other?x=/api/"):
        method, path = words.split()
        assert (await client.asks(path, method))[0] == (418 if words in hit else 200), words


async def test_a_share_is_hit_of_each_connection_anew(web: Any) -> None:
    await web.impair("http", status=500, share=0.3)
    client = await web.connect()
    seen = [(await client.asks("/"))[0] for _ in range(1000)]
    assert set(seen) == {200, 500}
    assert 220 <= seen.count(500) <= 380  # more than five standard deviations
    assert (await web.traffic())["requests"] == seen.count(200)


async def test_a_delay_makes_requests_reach_the_service_late(web: Any) -> None:
    loop, client = asyncio.get_running_loop(), await web.connect()
    number = await web.impair("http", delay_ns=150 * MS, path="/slow")
    began = loop.time()
    assert await client.asks("/slow", "POST", bytes(50_000)) == (200, b"/slow")
    assert loop.time() - began >= 0.145
    assert await client.asks("/fast") == (200, b"/fast")
    await web.mend(number)
    number = await web.impair("http", delay_ns=3600 * S)
    asked = asyncio.create_task(client.asks("/held"))
    await until(lambda: any(c.client.lane.held for c in web.route.connections))
    other = await web.impair("latency", delay_ns=MS)  # has nothing to do with it
    await asyncio.sleep(0.05)  # seatrial: allow pause because nothing is to happen meanwhile
    assert not asked.done()
    assert (await web.traffic())["requests"] == 2
    await web.mend(number)
    assert await asked == (200, b"/held")
    await web.mend(other)


async def test_an_abort_resets_both_sides_and_nothing_reaches_the_service(web: Any) -> None:
    client = await web.connect()
    assert await client.asks("/a") == (200, b"/a")
    number = await web.impair("http", abort=True, path="/b")
    assert await client.asks("/c") == (200, b"/c")
    await client.says(b"GET /b HTTP/1.1\r\n\r\n")
    assert await client.ends() == "reset"
    await until(lambda: web.service.peers[0].ended == "reset")
    assert b"/b" not in web.service.received
    await web.mend(number)
    assert await (await web.connect()).asks("/b") == (200, b"/b")


async def test_delay_and_status_together_are_a_status_that_comes_late(web: Any) -> None:
    loop = asyncio.get_running_loop()
    await web.impair("http", delay_ns=100 * MS)
    await web.impair("http", status=503)
    client = await web.connect()
    began = loop.time()
    assert (await client.asks("/"))[0] == 503
    assert loop.time() - began >= 0.095


@pytest.mark.parametrize("beside", [False, True])
async def test_begun_and_ended_in_the_middle_of_requests_nothing_is_torn(web: Any, beside: bool) -> None:
    """Wherever a status begins or ends between the bytes of a request, the service sees whole requests or none."""
    words = b"POST /x HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\nsome body"
    other = None
    for begin in range(0, len(words), 7):
        for end in range(begin, len(words) + 1, 11):
            client = await web.connect()
            if beside:
                other = await web.impair("latency", delay_ns=1000)
            await client.says(words[:begin])
            await settled(web, client, begin)
            number = await web.impair("http", status=503)
            await client.says(words[begin:end])
            await settled(web, client, end)
            await web.mend(number)
            await client.says(words[end:])
            status, _ = await client.answer()
            # Its head was there while the status was, and none of it before: then it is hit.
            assert status == (503 if begin == 0 and end >= words.index(b"some") else 200), (begin, end)
            assert await client.asks("/next") == (200, b"/next"), (begin, end)
            if other is not None:
                await web.mend(other)
            client.writer.close()
            await until(lambda: not web.route.connections)
    assert {bytes(p.received).partition(b"POST /x")[0] for p in web.service.peers} <= {b"", AFTER}
    assert web.service.received.replace(words, b"").replace(AFTER, b"") == b""
    traffic = await web.traffic()
    assert traffic["requests"] == web.service.received.count(b"HTTP/1.1")
    assert traffic["bytes_to"] == len(web.service.received)


AFTER = b"GET /next HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n"


async def settled(net: Any, client: Client, count: int) -> None:
    """Until the proxy has read so many bytes of the connection."""

    def arrived() -> bool:
        for connection in net.route.connections:
            if connection.client.transport.get_extra_info("peername") == client.writer.get_extra_info("sockname"):
                reader = connection._arriving
                swallowed = count if reader.busy else 0
                held = connection.client.lane.held if connection.client.lane is not None else 0
                return bool(connection.client.passed + held + len(reader.unsent()) + swallowed >= count)
        return False

    await until(arrived, f"{count} bytes arrive")


async def test_http_needs_http(net: Any, make_net: Any) -> None:
    with pytest.raises(Exception, match=r"needs requests over HTTP/1.1 without TLS, and this link carries tcp"):
        await net.impair("http", status=503)
    secure = await make_net("https")
    with pytest.raises(Exception, match="this link carries https"):
        await secure.impair("http", status=503)
    assert net.route.impairments == secure.route.impairments == {}


async def test_a_connection_that_speaks_another_protocol_passes_while_requests_are_hit(web: Any) -> None:
    web.service.serve = web.service.echo
    await web.impair("http", status=503)
    client = await web.connect()
    await echoes(client, b"\x16\x03\x01 not http at all")
    await echoes(client, b"GET / HTTP/1.1\r\n\r\n")
    half = await web.connect()
    await half.says(b"GET / HT")
    half.writer.write_eof()
    assert await half.ends() == "GET / HTfin"
