"""The link's own answers come in their turn, and by the way that everything takes that comes back."""

from __future__ import annotations

import asyncio
import itertools
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from links_support import Peer, until

from seatrial.links.answers import Http1Answers
from seatrial.links.impairments.gates import Request
from seatrial.links.lanes import Signal

MS = 1_000_000
ANSWERS = {  # by what is asked
    "GET /length": b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nHTTP/",
    "GET /chunked": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nHTTP\r\n1;x\r\n/\r\n0\r\nTrailer: 1\r\n\r\n",
    "HEAD /length": b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n",
    "DELETE /one": b"HTTP/1.1 204 No Content\r\nUpgrade: h2,h2c\r\n\r\n",
    "POST /early": b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 201 Created\r\nContent-Length: 0\r\n\r\n",
    "GET /cached": b"HTTP/1.1 304 Not Modified\nContent-Length: 99\n\n",
}
OWN = b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 4\r\n\r\n503\n"


async def speak(peer: Peer) -> None:
    """The answers above, one after another, each a little after it was asked."""
    while True:
        head = await peer.reader.readuntil(b"\r\n\r\n")
        peer.received += head
        await asyncio.sleep(0.005)
        peer.writer.write(ANSWERS[head.partition(b" HTTP/")[0].decode()])


def asked(*requests: str) -> bytes:
    return "".join(f"{r} HTTP/1.1\r\nHost: x\r\n\r\n" for r in requests).encode()


@pytest.mark.parametrize("beside", [False, True])
async def test_requests_that_came_ahead_of_answers_are_answered_in_their_order(web: Any, beside: bool) -> None:
    web.service.serve = speak
    if beside:
        await web.impair("latency", delay_ns=20 * MS, direction="from")
    number = await web.impair("http", status=503, path="/hit")
    client = await web.connect()
    order = [r for known in ANSWERS for r in (known, "GET /hit")]
    await client.says(asked(*order, "GET /hit", *ANSWERS))
    wanted = b"".join(ANSWERS.get(r, own_answer()) for r in [*order, "GET /hit", *ANSWERS])
    assert await client.hears(len(wanted)) == wanted
    traffic = await web.traffic()
    assert (traffic["requests"], traffic["kept"]) == (2 * len(ANSWERS), len(ANSWERS) + 1)
    assert traffic["bytes_from"] == 2 * sum(map(len, ANSWERS.values()))
    await web.mend(number)
    await client.says(asked("GET /length"))
    assert await client.hears(len(ANSWERS["GET /length"])) == ANSWERS["GET /length"]


def own_answer() -> bytes:
    from seatrial.links.impairments.http import Http

    return Http({"status": 503}).answer_to(Request("GET", "/hit"))


async def test_one_that_comes_late_holds_back_those_behind_it(web: Any) -> None:
    web.service.serve = speak
    await web.impair("http", status=503, delay_ns=80 * MS, path="/hit")
    client, loop = await web.connect(), asyncio.get_running_loop()
    began = loop.time()
    await client.says(asked("GET /length", "GET /hit", "GET /length"))
    assert await client.hears(len(ANSWERS["GET /length"])) == ANSWERS["GET /length"]
    assert loop.time() - began < 0.08
    rest = own_answer() + ANSWERS["GET /length"]
    assert await client.hears(len(rest)) == rest
    assert loop.time() - began >= 0.08


async def test_a_reset_waits_for_the_answers_before_it(web: Any) -> None:
    web.service.serve = speak
    await web.impair("http", abort=True, path="/hit")
    client = await web.connect()
    await client.says(asked("GET /length", "GET /hit", "GET /chunked"))
    assert await client.hears(len(ANSWERS["GET /length"])) == ANSWERS["GET /length"]
    assert await client.ends() == "reset"
    assert b"/chunked" not in web.service.received


async def test_own_answers_take_as_long_as_all_that_comes_back(web: Any) -> None:
    await web.impair("latency", delay_ns=120 * MS, direction="from")
    slow = await web.impair("bandwidth", rate=1000, direction="from")
    await web.impair("http", status=503)
    client, loop = await web.connect(), asyncio.get_running_loop()
    began = loop.time()
    assert (await client.asks("/"))[0] == 503
    assert loop.time() - began >= 0.12 + len(own_answer()) / 1000 - 0.02
    await web.mend(slow)
    held = await web.impair("hold", direction="from")
    asking = asyncio.create_task(client.asks("/held"))
    await until(lambda: web.route.kept == 2)
    assert not asking.done()
    await web.mend(held)
    assert (await asking)[0] == 503
    assert (await web.traffic())["bytes_from"] == 0


async def test_what_the_service_said_last_arrives_when_it_ends(web: Any) -> None:
    async def ends(peer: Peer) -> None:
        peer.received += await peer.reader.readuntil(b"\r\n\r\n")
        peer.writer.write(b"HTTP/1.1 200 OK\r\n\r\nuntil the")
        await peer.writer.drain()
        peer.writer.write(b" end")

    web.service.serve = ends
    await web.impair("http", status=503, path="/hit")
    client = await web.connect()
    await client.says(asked("GET /length", "GET /hit"))
    assert (await client.ends()).endswith("\r\n\r\nuntil the endfin")


# -- without a network


def told(pieces: list[tuple[Any, bool]]) -> list[tuple[bytes, bool]]:
    """Pieces of the same side together."""
    found: list[tuple[bytes, bool]] = []
    for piece, own in pieces:
        if found and found[-1][1] is own is False:
            found[-1] = (found[-1][0] + piece, own)
        else:
            found.append((piece, own))
    return found


@given(
    order=st.lists(st.sampled_from([*ANSWERS, "own"]), min_size=1, max_size=8),
    cuts=st.lists(st.integers(0, 400), max_size=12),
    late=st.integers(0, 7),
)
def test_however_it_is_cut_and_whenever_it_is_ready_the_order_is_that_of_the_requests(
    order: list[str], cuts: list[int], late: int
) -> None:
    answers, out, turns = Http1Answers(), list[tuple[Any, bool]](), []
    for each in order:
        if each == "own":
            turns.append(answers.reserve())
        else:
            answers.asked(Request(*each.split()))
    data = b"".join(ANSWERS[e] for e in order if e != "own")
    edges = [0, *sorted(c for c in cuts if c < len(data)), len(data)]
    for number, (begin, end) in enumerate(itertools.pairwise(edges)):
        if number == late:
            for turn in turns:
                out += answers.fill(turn, OWN)
        out += answers.pass_on(data[begin:end])
    if late >= len(edges) - 1:
        for turn in turns:
            out += answers.fill(turn, OWN)
    wanted: list[tuple[bytes, bool]] = [(OWN if e == "own" else ANSWERS[e], e == "own") for e in order]
    assert told(out) == told(wanted)
    assert not answers.busy


@given(st.lists(st.binary(max_size=300), max_size=6))
def test_what_cannot_be_told_apart_loses_no_byte_and_owes_nobody(pieces: list[bytes]) -> None:
    answers, out = Http1Answers(), list[tuple[Any, bool]]()
    answers.asked(Request("GET", "/"))
    for piece in pieces:
        out += answers.pass_on(piece)
    out += answers.rest()
    assert b"".join(piece for piece, _ in out) == b"".join(pieces)


def test_behind_another_protocol_everything_passes() -> None:
    answers, out = Http1Answers(), list[tuple[Any, bool]]()
    answers.asked(Request("GET", "/"))
    turn = answers.reserve()
    out += answers.pass_on(b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n\r\n\x00\x01")
    out += answers.fill(turn, Signal.RESET)
    assert [p for p, _ in out][-1] is Signal.RESET
    assert b"".join(p for p, own in out if not own).endswith(b"\x00\x01")
