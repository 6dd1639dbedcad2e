"""Users whose steps are awaited, and clients that speak something else than HTTP/1.1, against real servers of theirs."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any

import h2.config
import h2.connection
import h2.events
import pytest
from hyperframe.frame import GoAwayFrame
from load_support import MS, OK, SECOND, answering, configuration, request, run, script, serving, shop
from streams import accepting
from websockets.asyncio.server import ServerConnection, serve

from seatrial.arrivals import samples

BOTH = pytest.mark.parametrize("users", [0, 4])
AWAITED = """
async def user(u):
    answer = await u.get("/login", tag="login")
    assert answer.status == 200
    assert answer.text == "hello", answer.text
    answer = await u.get("/basket?token=" + answer.headers["x-token"], tag="basket")
    assert answer.status == 200
"""


def operation(what: str, **arguments: Any) -> dict[str, Any]:
    return {"what": what, "arguments": arguments, "tag": "", "weight": 1}


def spoken(url: str, file: Path, protocol: str, *operations: Mapping[str, Any], **more: Any) -> dict[str, Any]:
    return configuration(url, file, requests=[], protocol=protocol, operations=list(operations), **more)


@BOTH
@pytest.mark.parametrize("close", [False, True])
async def test_a_coroutine_sees_answers_and_goes_on(tmp_path: Path, users: int, close: bool) -> None:
    script(tmp_path, AWAITED)
    async with serving(shop(close=close)) as url:
        found = await run(configuration(url, tmp_path / "x.load", users=users, script="users.py:user", requests=[]))
    assert found.failed == 0
    assert found.said["script_errors"] == []
    names = found.said["tags"]
    tags = dict.fromkeys(names, 0)
    for row in found.of(samples.OK):
        tags[names[row["tag"]]] += int(row["count"])
    assert tags["login"] + tags["basket"] == found.ok
    assert tags["login"] == 50 if not users else found.ok > 50
    assert (
        0.75 * tags["login"] <= tags["basket"] <= tags["login"]
    )  # those that were at their first request in the end stop there


@BOTH
async def test_what_a_coroutine_does_not_like_is_a_failed_request(tmp_path: Path, users: int) -> None:
    script(tmp_path, "async def user(u):\n    answer = await u.get('/')\n    assert answer.text == 'no', answer.text\n")
    async with serving(answering(OK)) as url:
        found = await run(configuration(url, tmp_path / "x.load", users=users, script="users.py:user", requests=[]))
    assert found.ok == 0
    assert set(found.errors) == {"script"}
    ((said, times),) = found.said["script_errors"]
    assert said.startswith("AssertionError: ok")
    assert "users.py:4: assert answer.text == 'no', answer.text" in said
    assert times == found.failed


@BOTH
async def test_a_coroutine_that_asks_nothing_failed(tmp_path: Path, users: int) -> None:
    script(tmp_path, "async def user(u):\n    pass\n")
    async with serving(answering(OK)) as url:
        found = await run(configuration(url, tmp_path / "x.load", users=users, script="users.py:user", requests=[]))
    assert found.ok == 0
    assert set(found.errors) == {"script"}


@BOTH
async def test_nobody_there_is_refused_and_a_silent_server_a_time_out(tmp_path: Path, users: int) -> None:
    script(tmp_path, "async def user(u):\n    await u.get('/')\n")
    async with serving(answering(OK)) as url:
        pass
    found = await run(configuration(url, tmp_path / "x.load", users=users, script="users.py:user", requests=[]))
    assert (found.ok, set(found.errors)) == (0, {"refused"})

    async def silent(reader: asyncio.StreamReader, _writer: asyncio.StreamWriter) -> None:
        await reader.read()

    config = {"users": users, "script": "users.py:user", "requests": [], "timeout_ns": 100 * MS}
    async with serving(silent) as url:
        found = await run(configuration(url, tmp_path / "y.load", **config))
    assert found.ok == 0
    assert set(found.errors) <= {"timeout", "capacity"}


@BOTH
async def test_what_cannot_be_asked_is_a_failed_request(tmp_path: Path, users: int) -> None:
    script(tmp_path, "async def user(u):\n    await u.get('/')\n    await u.post('/', json={1, 2})\n")
    async with serving(answering(OK)) as url:
        found = await run(configuration(url, tmp_path / "x.load", users=users, script="users.py:user", requests=[]))
    assert set(found.errors) == {"script"}
    assert found.ok >= found.failed > 0.8 * found.ok


@BOTH
async def test_an_answer_before_a_pause_at_the_end_counts(tmp_path: Path, users: int) -> None:
    script(tmp_path, "async def user(u):\n    await u.get('/')\n    await u.pause(30)\n")
    async with serving(answering(OK)) as url:
        found = await run(configuration(url, tmp_path / "x.load", users=users, script="users.py:user", requests=[]))
    assert (found.ok, found.failed) == (users or 50, 0)


async def test_an_arrival_whose_script_only_thinks_is_a_time_out_and_holds_up_no_end(tmp_path: Path) -> None:
    script(tmp_path, "async def user(u):\n    await u.pause(30)\n    await u.get('/')\n")
    async with serving(answering(OK)) as url:
        config = configuration(url, tmp_path / "x.load", script="users.py:user", requests=[], timeout_ns=500 * MS)
        found = await run(config)
    assert found.errors == {"timeout": 50}


async def test_a_stall_is_in_the_response_times_of_all_that_were_due(tmp_path: Path) -> None:
    script(tmp_path, "async def user(u):\n    await u.get('/')\n")
    began: list[float] = []

    async def stalls(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        loop = asyncio.get_running_loop()
        began.append(loop.time())
        while True:
            await request(reader)
            since = loop.time() - began[0]
            if 0.5 < since < 1.0:
                await asyncio.sleep(1.0 - since)
            writer.write(OK)

    more = {"schedule": {"constant": 200}, "for_ns": 2 * SECOND, "timeout_ns": 2 * SECOND, "script": "users.py:user"}
    async with serving(stalls) as url:
        found = await run(configuration(url, tmp_path / "x.load", requests=[], connections=256, **more))
    assert found.failed == 0
    from seatrial.checkers.loads import response_times

    p95 = response_times(found.of(samples.RESPONSE))["p95"].value / 1e6
    assert p95 == pytest.approx(400, abs=60)  # the last tenth of those that were due in the stall, of 2 s in all


async def test_awaited_users_come_and_go(tmp_path: Path) -> None:
    script(tmp_path, "async def user(u):\n    await u.get('/')\n    await u.pause(0.01)\n")
    open_now: set[int] = set()
    most: list[int] = []

    async def counts(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        open_now.add(id(writer))
        most.append(len(open_now))
        try:
            while True:
                await request(reader)
                writer.write(OK)
        finally:
            open_now.discard(id(writer))
            most.append(len(open_now))

    crowd = {"spike": {"base": 2, "peak": 9, "after_ns": 500 * MS, "for_ns": SECOND}}
    more = {"users": 9, "crowd": crowd, "script": "users.py:user", "requests": [], "for_ns": 2500 * MS}
    async with serving(counts) as url:
        found = await run(configuration(url, tmp_path / "x.load", **more))
    assert found.failed == 0
    assert (found.said["asked"], found.said["reached"]) == (9, 9)
    assert max(most) == 9
    assert 2 in most[most.index(9) :]


# -- HTTP/2


@contextlib.asynccontextmanager
async def http2(*, streams: int = 100, leaves_after: int = 0) -> AsyncIterator[tuple[str, dict[str, int]]]:
    """A server by h2; counts connections and requests, and answers with the length of the body. It refuses /refused at once, and says
    that it is going away before it answers the n-th request of a connection.
    """
    seen = {"connections": 0, "requests": 0, "at_once": 0}

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        seen["connections"] += 1
        server = h2.connection.H2Connection(h2.config.H2Configuration(client_side=False))
        server.local_settings.max_concurrent_streams = streams
        server.local_settings.acknowledge()
        server.initiate_connection()
        writer.write(server.data_to_send())
        bodies: dict[int, bytearray] = {}
        answered = 0
        with contextlib.suppress(OSError):
            while data := await reader.read(65536):
                for event in server.receive_data(data):
                    if isinstance(event, h2.events.RequestReceived):
                        if dict(event.headers)[b":path"] == b"/refused":
                            server.send_headers(event.stream_id, [(":status", "413")], end_stream=True)
                            server.reset_stream(event.stream_id, 0)
                            continue
                        bodies[event.stream_id] = bytearray()
                        seen["at_once"] = max(seen["at_once"], len(bodies))
                    elif isinstance(event, h2.events.DataReceived):
                        if event.stream_id not in bodies:
                            continue
                        bodies[event.stream_id] += event.data
                        server.acknowledge_received_data(event.flow_controlled_length, event.stream_id)
                    elif isinstance(event, h2.events.StreamEnded):
                        seen["requests"] += 1
                        answered += 1
                        if leaves_after and answered == leaves_after:
                            writer.write(GoAwayFrame(0, last_stream_id=max(event.stream_id, *bodies, 0)).serialize())
                        size = str(len(bodies.pop(event.stream_id)))
                        fields = [(":status", "200"), ("content-length", str(len(size)))]
                        server.send_headers(event.stream_id, fields)
                        server.send_data(event.stream_id, size.encode(), end_stream=True)
                writer.write(server.data_to_send())
        writer.close()

    async with accepting(handle) as port:
        yield f"http://127.0.0.1:{port}", seen


@BOTH
async def test_http2_shares_a_connection(tmp_path: Path, users: int) -> None:
    async with http2() as (url, seen):
        found = await run(spoken(url, tmp_path / "x.load", "http2", operation("GET /x"), users=users))
    assert found.failed == 0
    assert found.ok == seen["requests"]
    assert seen["connections"] == 1


async def test_http2_takes_another_connection_when_the_server_allows_no_more_streams(tmp_path: Path) -> None:
    async with http2(streams=2) as (url, seen):
        found = await run(spoken(url, tmp_path / "x.load", "http2", operation("GET /x"), users=8))
    assert found.failed == 0
    assert seen["connections"] == 4
    assert seen["at_once"] <= 2


async def test_http2_sends_long_bodies_as_the_server_takes_them(tmp_path: Path) -> None:
    script(
        tmp_path,
        "async def user(u):\n"
        "    answer = await u.post('/', body='x' * 300_000)\n"
        "    assert answer.text == '300000', answer.text[:20]\n",
    )
    async with http2() as (url, seen):
        config = spoken(url, tmp_path / "x.load", "http2", script="users.py:user", schedule={"constant": 20})
        found = await run(config)
    assert (found.ok, found.failed) == (10, 0)
    assert seen["requests"] == 10


async def test_http2_asks_elsewhere_when_a_server_goes_away_and_takes_the_answers_that_come(tmp_path: Path) -> None:
    async with http2(leaves_after=7) as (url, seen):
        found = await run(spoken(url, tmp_path / "x.load", "http2", operation("GET /x"), users=4))
    assert found.failed == 0
    assert seen["requests"] >= found.ok > 7  # this server answers some that it said it would not
    assert seen["connections"] > 1


async def test_http2_outlives_an_answer_before_the_body_was_sent(tmp_path: Path) -> None:
    script(
        tmp_path,
        "async def user(u):\n"
        "    await u.get('/')\n"
        "    answer = await u.post('/refused', body='x' * 300_000, accept=[413])\n"
        "    assert answer.status == 413\n",
    )
    async with http2() as (url, seen):
        found = await run(spoken(url, tmp_path / "x.load", "http2", script="users.py:user", users=4))
    assert found.said["script_errors"] == []
    assert set(found.errors) <= {"reset"}  # of the stream alone, where it came before the answer was read
    assert seen["connections"] == 1


async def test_http2_to_a_server_of_http1_is_a_protocol_error(tmp_path: Path) -> None:
    async with serving(answering(OK)) as url:
        found = await run(spoken(url, tmp_path / "x.load", "http2", operation("GET /x")))
    assert found.ok == 0
    assert set(found.errors) <= {"protocol", "reset", "closed"}


# -- WebSocket


async def echo(connection: ServerConnection) -> None:
    async for message in connection:
        asked = json.loads(message)
        for n in range(asked.get("messages", 1)):
            await connection.send(json.dumps({"n": n, **asked}))
        if asked.get("leave"):
            return


@BOTH
async def test_websockets_stay_and_wait_for_their_messages(tmp_path: Path, users: int) -> None:
    async with serve(echo, "127.0.0.1", 0) as server:
        url = f"http://127.0.0.1:{next(iter(server.sockets)).getsockname()[1]}"
        one = operation("/stream", send={"messages": 3}, messages=3)
        found = await run(spoken(url, tmp_path / "x.load", "websocket", one, users=users))
    assert found.failed == 0
    assert found.ok >= 50


async def test_a_websocket_that_is_closed_is_a_failure_and_opened_anew(tmp_path: Path) -> None:
    script(
        tmp_path,
        "async def user(u):\n"
        "    assert (await u.ask('/', send={'leave': True})).value['n'] == 0\n"
        "    await u.ask('/', send={'leave': True}, messages=2)\n",
    )
    async with serve(echo, "127.0.0.1", 0) as server:
        url = f"http://127.0.0.1:{next(iter(server.sockets)).getsockname()[1]}"
        found = await run(spoken(url, tmp_path / "x.load", "websocket", script="users.py:user"))
    assert set(found.errors) == {"closed"}
    assert found.ok + found.failed == found.due
    assert found.ok >= found.failed > 0


async def test_a_server_that_takes_fewer_sockets_does_not_have_all_users(tmp_path: Path) -> None:
    taken: list[ServerConnection] = []

    async def few(connection: ServerConnection) -> None:
        taken.append(connection)
        if len(taken) > 3:
            await connection.close(1013)
            return
        await echo(connection)

    async with serve(few, "127.0.0.1", 0) as server:
        url = f"http://127.0.0.1:{next(iter(server.sockets)).getsockname()[1]}"
        found = await run(spoken(url, tmp_path / "x.load", "websocket", operation("/", send={}), users=8))
    assert found.said["reached"] < 8
    assert found.failed > 0
