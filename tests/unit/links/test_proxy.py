"""Each impairment, alone and beside others, begun and ended with connections there; what it counts is what reached the service."""

from __future__ import annotations

import asyncio
import random
from typing import Any

import pytest
from links_support import DEADLINE_S, Client, accepts, echoes, until

from seatrial.links.lanes import MOST_HELD

MS = 1_000_000
S = 1000 * MS


async def took(client: Client, words: bytes = b"words") -> float:
    """How long they took to come back."""
    began = asyncio.get_running_loop().time()
    await echoes(client, words)
    return asyncio.get_running_loop().time() - began


async def refused(net: Any) -> bool:
    return not await accepts(net.port)


# -- refuse, reset


async def test_refuse_refuses_and_resets_and_listens_again_at_the_same_port(net: Any) -> None:
    before = await net.connect()
    await echoes(before)
    for _ in range(3):
        number = await net.impair("refuse")
        assert await refused(net)
        assert await before.ends() == "reset"
        assert (await net.traffic())["open"] == 0
        await net.mend(number)
        before = await net.connect()
        await echoes(before)
    traffic = await net.traffic()
    assert (traffic["connections"], traffic["reached"], traffic["turned_away"]) == (4, 4, 0)
    assert traffic["bytes_to"] == len(net.service.received)


async def test_reset_accepts_and_resets_and_nothing_reaches_the_service(net: Any) -> None:
    before = await net.connect()
    await echoes(before)
    number = await net.impair("reset")
    assert await before.ends() == "reset"
    await until(lambda: net.service.peers[0].ended == "reset")
    for _ in range(5):
        try:
            client = await net.connect()
            client.writer.write(b"nothing of it")
            assert await client.ends() == "reset"
        except ConnectionError:
            pass  # before it knew that it was accepted
    await until(lambda: not net.route.connections)
    traffic = await net.traffic()
    assert (traffic["connections"], traffic["reached"], traffic["turned_away"], traffic["bytes_to"]) == (6, 1, 5, 5)
    assert len(net.service.peers) == 1
    await net.mend(number)
    await echoes(await net.connect())


async def test_two_that_refuse_refuse_until_both_are_over(net: Any) -> None:
    one, two = await net.impair("refuse"), await net.impair("refuse")
    await net.mend(one)
    assert await refused(net)
    three = await net.impair("reset")
    await net.mend(two)
    assert not await refused(net)
    await net.mend(three)
    await echoes(await net.connect())


async def test_orders_of_many_at_the_same_time_end_as_if_one_came_after_the_other(net: Any) -> None:
    controls = [net.controller() for _ in range(8)]

    async def one(control: Any) -> None:
        for _ in range(10):
            number = await control.impair("web -> service#1", "refuse", {})
            assert await refused(net)
            await control.ask("mend", number=number)

    await asyncio.gather(*(one(c) for c in controls))
    assert net.route.impairments == {}
    await echoes(await net.connect())


# -- hold


@pytest.mark.parametrize("direction", ["both", "to", "from"])
async def test_what_is_held_arrives_when_it_is_mended(net: Any, direction: str) -> None:
    client = await net.connect()
    await echoes(client)
    number = await net.impair("hold", direction=direction)
    words = random.Random(2).randbytes(300_000)
    await client.says(words)
    assert await client.silent()
    before = await net.traffic()
    if direction == "from":
        await until(lambda: net.service.peers[0].received == b"words" + words)
        assert before["bytes_from"] == 5
    else:
        assert net.service.received == b"words"
        assert (before["bytes_to"], before["bytes_from"], before["held"]) == (5, 5, len(words))
    await net.mend(number)
    assert await client.hears(len(words)) == words
    await echoes(client)
    traffic = await net.traffic()
    assert traffic["held"] == 0
    assert traffic["bytes_to"] == traffic["bytes_from"] == len(words) + 10


async def test_a_connection_into_a_black_hole_reaches_the_service_when_it_is_mended(net: Any) -> None:
    number = await net.impair("hold")
    client = await net.connect()
    await client.says(b"words")
    assert await client.silent()
    traffic = await net.traffic()
    assert (traffic["connections"], traffic["reached"], traffic["turned_away"], traffic["bytes_to"]) == (1, 0, 1, 0)
    assert net.service.peers == []
    await net.mend(number)
    assert await client.hears(5) == b"words"
    traffic = await net.traffic()
    assert (traffic["connections"], traffic["reached"], traffic["turned_away"]) == (1, 1, 0)


async def test_answers_that_are_held_leave_requests_that_arrive(net: Any) -> None:
    number = await net.impair("hold", direction="from")
    client = await net.connect()
    await client.says(b"words")
    peer = await net.peer()
    await until(lambda: peer.received == b"words")
    assert await client.silent()
    await net.mend(number)
    assert await client.hears(5) == b"words"


async def test_an_end_is_held_as_data_is(net: Any) -> None:
    client = await net.connect()
    await echoes(client)
    number = await net.impair("hold")
    await client.says(b"last words")
    client.writer.write_eof()
    peer = net.service.peers[0]
    assert await client.silent()
    assert peer.ended == ""
    await net.mend(number)
    assert await client.ends() == "last wordsfin"
    assert peer.ended == "fin"


async def test_connections_that_end_in_a_black_hole_are_gone_when_it_is_mended(net: Any) -> None:
    gone, reset, stays = [await net.connect() for _ in range(3)]
    for client in (gone, reset, stays):
        await echoes(client)
    number = await net.impair("hold")
    await gone.says(b"bye")
    gone.writer.close()
    reset.reset()
    assert await stays.silent()
    assert [p.ended for p in net.service.peers] == [""] * 3
    await net.mend(number)
    first, second, _ = net.service.peers
    await until(lambda: first.ended and second.ended)
    assert first.received == b"wordsbye"
    assert second.ended == "reset"
    await echoes(stays)
    await until(lambda: len(net.route.connections) == 1)


# -- latency, stall, bandwidth


@pytest.mark.parametrize(("direction", "least"), [("both", 0.2), ("to", 0.1), ("from", 0.1)])
async def test_latency_is_of_each_way(net: Any, direction: str, least: float) -> None:
    client = await net.connect()
    await echoes(client)
    number = await net.impair("latency", delay_ns=100 * MS, direction=direction)
    assert await took(client) >= least - 0.005
    assert await took(await net.connect()) >= least - 0.005
    await net.mend(number)
    await echoes(client)
    assert not any(s.lane for c in net.route.connections for s in (c.client, c.service))


async def test_latency_is_no_limit_to_what_passes(net: Any) -> None:
    await net.impair("latency", delay_ns=50 * MS, jitter_ns=20 * MS, distribution="normal")
    client, data = await net.connect(), random.Random(3).randbytes(3 << 20)
    saying = asyncio.create_task(client.says(data))
    assert await client.hears(len(data)) == data
    await saying


async def test_what_latency_delays_arrives_when_it_is_mended(net: Any) -> None:
    client = await net.connect()
    number = await net.impair("latency", delay_ns=3600 * S)
    await client.says(b"words")
    assert await client.silent()
    await net.mend(number)
    assert await client.hears(5) == b"words"


async def test_a_loss_is_a_wait(net: Any) -> None:
    number = await net.impair("stall", share=1.0, stall_ns=10 * MS)
    client = await net.connect()
    assert await took(client) >= 2 * 0.63 - 0.01
    await net.mend(number)
    await echoes(client)


@pytest.mark.parametrize("direction", ["to", "from"])
async def test_bandwidth_is_of_each_connection(net: Any, direction: str) -> None:
    await net.impair("bandwidth", rate=100_000, direction=direction)
    clients, words = [await net.connect() for _ in range(12)], bytes(30_000)
    times = await asyncio.gather(*(took(c, words) for c in clients))
    assert min(times) >= 0.29
    assert max(times) < 3  # together it would have been 3.6


async def test_a_slow_reader_behind_a_slow_link_makes_the_sender_wait(net: Any) -> None:
    """What leaves a lane is not more than who is behind it takes."""
    await net.impair("latency", delay_ns=100 * MS, direction="from")
    stop = asyncio.Event()
    sent = 0

    async def flood(peer: Any) -> None:
        nonlocal sent
        while not stop.is_set():
            peer.writer.write(bytes(1 << 16))
            await peer.writer.drain()
            sent += 1 << 16

    net.service.serve = flood
    client = await net.connect(limit=1 << 10)
    await client.hears(10)
    client.writer.transport.pause_reading()
    seen, same = -1, 0
    while same < 20:  # until it stands still
        await asyncio.sleep(0.02)
        seen, same = sent, same + 1 if sent == seen else 0
        assert sent < 64 << 20
    (connection,) = net.route.connections
    assert connection.client.transport.get_write_buffer_size() <= 2 * MOST_HELD
    stop.set()


# -- close-after, slow-close


@pytest.mark.parametrize("how", ["reset", "fin"])
async def test_an_answer_breaks_off(net: Any, how: str) -> None:
    number = await net.impair("close-after", bytes=1000, direction="from", how=how)
    client = await net.connect()
    await client.says(bytes(999))
    assert await client.hears(999) == bytes(999)
    await client.says(b"xyz")
    assert await client.ends() in (("reset",) if how == "reset" else ("xfin",))
    await until(lambda: len(net.service.received) == 1002)
    assert (await net.traffic())["bytes_from"] == 1000
    client.writer.close()
    await net.mend(number)
    await echoes(await net.connect(), bytes(5000))


@pytest.mark.parametrize("direction", ["from", "to"])
async def test_what_was_to_come_after_an_end_does_not_come_when_it_is_mended(net: Any, direction: str) -> None:
    """Both sides are still there: who reads an end need not hang up."""
    over = asyncio.Event()

    async def stays(peer: Any) -> None:
        await net.service.echo(peer)
        peer.ended = "fin"
        await over.wait()

    net.service.serve = stays
    number = await net.impair("close-after", bytes=10, direction=direction, how="fin")
    client = await net.connect()
    await client.says(bytes(30))
    if direction == "from":
        assert await client.ends() == "\0" * 10 + "fin"
    else:
        assert await client.hears(10) == bytes(10)
        await until(lambda: net.service.peers[0].ended == "fin")
    await client.says(b"held")
    await until(lambda: sum(s.lane.held for c in net.route.connections for s in (c.client, c.service) if s.lane) == 4)
    await net.mend(number)
    await client.says(b"late")
    await echoes(await net.connect())  # by when what was said before would have come, too
    traffic = await net.traffic()
    assert (traffic["bytes_to"], traffic["bytes_from"]) == ((43, 15) if direction == "from" else (15, 15))
    over.set()


async def test_of_a_request_no_more_reaches_the_service_than_may(net: Any) -> None:
    await net.impair("close-after", bytes=1000, direction="to")
    client = await net.connect()
    await client.says(bytes(5000))
    assert await client.ends() == "reset"
    await until(lambda: net.service.peers[0].ended)
    assert len(net.service.received) <= 1000  # a reset may overtake what it comes behind
    assert (await net.traffic())["bytes_to"] == 1000


async def test_a_limit_counts_on_when_something_else_begins(net: Any) -> None:
    await net.impair("close-after", bytes=1000, direction="from")
    client = await net.connect()
    await echoes(client, bytes(900))
    other = await net.impair("latency", delay_ns=MS)
    await net.mend(other)
    await client.says(bytes(900))
    assert await client.ends() == "reset"
    assert (await net.traffic())["bytes_from"] == 1000


async def test_an_end_arrives_late_and_data_at_once(net: Any) -> None:
    loop = asyncio.get_running_loop()
    number = await net.impair("slow-close", delay_ns=200 * MS, direction="to")
    client = await net.connect()
    began = loop.time()
    await client.says(b"words")
    client.writer.write_eof()
    assert await client.hears(5) == b"words"
    assert net.service.peers[0].ended == ""
    assert await client.ends() == "fin"
    assert loop.time() - began >= 0.195
    await net.mend(number)
    held = await net.impair("slow-close", delay_ns=3600 * S)
    client = await net.connect()
    await echoes(client)
    client.reset()
    assert net.service.peers[1].ended == ""
    await net.mend(held)
    await until(lambda: net.service.peers[1].ended == "reset")


# -- half-open


async def test_half_open_takes_the_service_away_and_tells_nobody(net: Any) -> None:
    old, quiet = await net.connect(), await net.connect()
    await echoes(old)
    await echoes(quiet)
    number = await net.impair("half-open")
    await until(lambda: [p.ended for p in net.service.peers] == ["reset", "reset"])
    await old.says(b"is anybody there")
    assert await old.silent()
    assert await quiet.silent()
    await echoes(await net.connect())  # the machine is back
    assert (await net.traffic())["bytes_to"] == len(net.service.received) == 15
    await net.mend(number)
    assert await old.ends() == "reset"
    assert await quiet.ends() == "reset"


async def test_a_client_that_gives_up_on_a_half_open_connection_is_forgotten(net: Any) -> None:
    old = await net.connect()
    await echoes(old)
    number = await net.impair("half-open")
    old.writer.close()
    await until(lambda: not net.route.connections)
    await net.mend(number)


async def test_half_open_beside_a_hold_does_not_bring_back_what_was_held(net: Any) -> None:
    old = await net.connect()
    await echoes(old)
    hold = await net.impair("hold")
    await old.says(b"lost")
    await until(lambda: any(c.client.lane.held for c in net.route.connections))
    half = await net.impair("half-open")
    await net.mend(hold)
    assert await old.silent()
    await net.mend(half)
    assert await old.ends() == "reset"
    assert net.service.received == b"words"


# -- several


async def test_impairments_stack_and_end_in_any_order(net: Any) -> None:
    client = await net.connect()
    await echoes(client)
    latency = await net.impair("latency", delay_ns=50 * MS, direction="to")
    bandwidth = await net.impair("bandwidth", rate=100_000, direction="from")
    words = bytes(10_000)
    assert await took(client, words) >= 0.145
    hold = await net.impair("hold", direction="to")
    await client.says(words)
    assert await client.silent(0.3)
    await net.mend(latency)
    assert await client.silent()
    await net.mend(hold)
    assert await client.hears(len(words)) == words
    await net.mend(bandwidth)
    await echoes(client)
    assert net.route.impairments == {}


async def test_whatever_begins_and_ends_meanwhile_every_byte_arrives_in_order(net: Any) -> None:
    """What an impairment does not take on purpose arrives, on connections that were there and on new ones."""
    draw = random.Random(5)
    kinds: list[tuple[str, dict[str, Any]]] = [
        ("latency", {"delay_ns": 2 * MS, "jitter_ns": 5 * MS}),
        ("bandwidth", {"rate": 3_000_000}),
        ("stall", {"share": 0.2, "stall_ns": 3 * MS}),
        ("hold", {}),
        ("slow-close", {"delay_ns": 20 * MS}),
    ]
    done = asyncio.Event()

    async def trouble() -> None:
        while not done.is_set():
            kind, arguments = draw.choice(kinds)
            number = await net.impair(kind, direction=draw.choice(["to", "from", "both"]), **arguments)
            await asyncio.sleep(draw.random() * 0.02)
            await net.mend(number)

    async def one(seed: int) -> None:
        data, client = random.Random(seed).randbytes(400_000), await net.connect()

        async def say() -> None:
            for begin in range(0, len(data), 5000):
                await client.says(data[begin : begin + 5000])
            client.writer.write_eof()

        saying = asyncio.create_task(say())
        async with asyncio.timeout(DEADLINE_S):
            assert await client.reader.read(-1) == data
        await saying

    troubles = [asyncio.create_task(trouble()) for _ in range(3)]
    await asyncio.gather(*(one(seed) for seed in range(6)))
    done.set()
    await asyncio.gather(*troubles)
    traffic = await net.traffic()
    assert traffic["bytes_to"] == traffic["bytes_from"] == 6 * 400_000
    assert traffic["held"] == 0


async def test_an_impairment_of_one_link_is_none_of_another(net: Any) -> None:
    number = await net.control.impair("other -> service#1", "refuse", {})
    await echoes(await net.connect())
    await net.control.ask("mend", number=number)
