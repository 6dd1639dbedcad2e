"""What passes a link while nothing is impaired: the same bytes, the same ends, and no more of them kept than fits."""

from __future__ import annotations

import asyncio
import hashlib
import random
import shutil
import ssl
import subprocess
from pathlib import Path
from typing import Any

import pytest
from links_support import until

from seatrial.links.lanes import MOST_HELD

MANY = 6 << 20


async def test_megabytes_pass_both_ways_as_they_are_with_readers_that_are_slow(net: Any) -> None:
    data = random.Random(1).randbytes(MANY)
    client = await net.connect(limit=1 << 14)
    said = asyncio.create_task(client.says(data))
    heard = hashlib.sha256()
    for n in range(MANY >> 12):
        heard.update(await client.hears(1 << 12))
        if n % 64 == 0:
            await asyncio.sleep(0)
    await said
    assert heard.digest() == hashlib.sha256(data).digest()
    assert net.service.received == data
    traffic = await net.traffic()
    assert (traffic["bytes_to"], traffic["bytes_from"], traffic["requests"]) == (MANY, MANY, None)


LATE = ("latency", {"delay_ns": 1_000_000})


@pytest.mark.parametrize("kind", [None, LATE, ("bandwidth", {"rate": 1 << 33}), ("hold", {"direction": "to"})])
async def test_what_a_service_does_not_read_is_not_kept_without_bound(net: Any, kind: Any) -> None:
    stop = asyncio.Event()

    async def deaf(peer: Any) -> None:
        peer.writer.transport.pause_reading()
        await stop.wait()

    net.service.serve = deaf
    client = await net.connect()
    await net.peer()
    if kind:
        await net.impair(kind[0], **kind[1])
    sent, block = 0, bytes(1 << 16)

    async def send() -> None:
        nonlocal sent
        while True:
            await client.says(block)
            sent += len(block)

    sending = asyncio.create_task(send())
    seen, same = -1, 0
    while same < 20:  # until it stands still
        await asyncio.sleep(0.02)
        seen, same = sent, same + 1 if sent == seen else 0
    (connection,) = net.route.connections
    kept = connection.service.transport.get_write_buffer_size() + (await net.traffic())["held"]
    assert kept <= MOST_HELD + (1 << 20)
    assert sent < 64 << 20
    sending.cancel()
    await asyncio.gather(sending, return_exceptions=True)
    stop.set()


async def test_a_client_that_has_said_all_is_still_answered(net: Any) -> None:
    async def late(peer: Any) -> None:
        peer.received += await peer.reader.read()
        peer.writer.write(b"thank you")

    net.service.serve = late
    client = await net.connect()
    await client.says(b"all")
    client.writer.write_eof()
    assert await client.ends() == "thank youfin"
    assert net.service.received == b"all"


async def test_a_client_that_says_nothing_and_hangs_up_is_seen_to(net: Any) -> None:
    client = await net.connect()
    client.writer.close()
    peer = await net.peer()
    await until(lambda: peer.ended == "fin")


async def test_a_service_that_has_said_all_still_hears(net: Any) -> None:
    async def early(peer: Any) -> None:
        peer.writer.write(b"hello")
        peer.writer.write_eof()
        await net.service.swallow(peer)

    net.service.serve = early
    client = await net.connect()
    assert await client.ends() == "hellofin"
    await client.says(b"more")
    client.writer.write_eof()
    peer = await net.peer()
    await until(lambda: peer.ended == "fin")
    assert peer.received == b"more"


async def test_a_client_that_resets_resets_the_service(net: Any) -> None:
    client = await net.connect()
    await client.says(b"x")
    await client.hears(1)
    client.reset()
    peer = net.service.peers[0]
    await until(lambda: peer.ended == "reset")


async def test_a_service_that_resets_resets_the_client(net: Any) -> None:
    client = await net.connect()
    await client.says(b"x")
    await client.hears(1)
    type(client).reset(net.service.peers[0])
    assert await client.ends() == "reset"


async def test_a_service_that_closes_closes_the_client_behind_all_that_it_said(net: Any) -> None:
    async def short(peer: Any) -> None:
        peer.writer.write(b"x" * MANY)
        await peer.writer.drain()

    net.service.serve = short
    client = await net.connect()
    assert await client.ends() == "x" * MANY + "fin"


async def test_a_service_that_is_not_there_resets_and_is_reached_when_it_has_come(net: Any) -> None:
    await net.service.stop()
    client = await net.connect()
    await client.says(b"x")
    assert await client.ends() == "reset"
    traffic = await net.traffic()
    assert (traffic["connections"], traffic["turned_away"], traffic["reached"], traffic["bytes_to"]) == (1, 1, 0, 0)
    await net.service.start()
    client = await net.connect()
    await client.says(b"x")
    assert await client.hears(1) == b"x"
    traffic = await net.traffic()
    assert (traffic["connections"], traffic["turned_away"], traffic["reached"]) == (2, 1, 1)


async def test_a_client_that_vanishes_at_once_leaves_nothing(net: Any) -> None:
    for _ in range(50):
        (await net.connect()).reset()
    client = await net.connect()
    await client.says(b"x")
    assert await client.hears(1) == b"x"
    traffic = await net.traffic()
    assert traffic["connections"] == 51
    client.writer.close()
    await until(lambda: not net.route.connections)
    assert (await net.traffic())["open"] == 0


async def test_what_is_over_stays_counted(web: Any) -> None:
    for n in range(3):
        client = await web.connect()
        await client.asks("/a")
        await client.asks("/b", "POST", b"body")
        client.writer.close()
        await until(lambda: not web.route.connections)
        traffic = await web.traffic()
        assert (traffic["connections"], traffic["reached"], traffic["open"]) == (n + 1, n + 1, 0)
        assert traffic["requests"] == 2 * (n + 1)
        assert traffic["bytes_to"] == len(web.service.received)


async def test_many_connections_at_once(net: Any) -> None:
    async def one(n: int) -> None:
        client = await net.connect()
        await client.says(words := str(n).encode() * 100)
        assert await client.hears(len(words)) == words

    await asyncio.gather(*(one(n) for n in range(200)))
    assert (await net.traffic())["reached"] == 200


@pytest.mark.skipif(shutil.which("openssl") is None, reason="no openssl")
@pytest.mark.parametrize("kind", [None, LATE])
async def test_tls_passes_untouched(make_net: Any, tmp_path: Path, kind: Any) -> None:
    key, cert = tmp_path / "key.pem", tmp_path / "cert.pem"
    names = "-subj /CN=localhost -addext subjectAltName=DNS:localhost"
    argv = f"openssl req -x509 -newkey rsa:2048 -nodes -days 2 {names} -keyout {key} -out {cert}".split()
    await (await asyncio.create_subprocess_exec(*argv, stderr=subprocess.DEVNULL)).wait()
    net = await make_net("https")
    await net.service.stop()
    net.service.tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    net.service.tls.load_cert_chain(cert, key)
    await net.service.start()
    if kind:
        await net.impair(kind[0], **kind[1])
    context = ssl.create_default_context(cafile=str(cert))
    client = await net.connect(ssl=context, server_hostname="localhost")
    await client.says(b"secret" * 1000)
    assert await client.hears(6000) == b"secret" * 1000
    assert (await net.traffic())["requests"] is None
