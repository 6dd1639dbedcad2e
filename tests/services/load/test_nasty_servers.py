"""Whatever a server does, every request that was due ends once, under the right name, and so does the generator."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest
from load_support import GET, MS, OK, SECOND, answering, configuration, request, run, serving
from ports import free_port

from seatrial.arrivals import samples
from seatrial.arrivals.histogram import percentiles

DUE = 50  # 100/s for half a second


async def test_an_honest_server_serves_everything(tmp_path: Path) -> None:
    async with serving(answering(OK)) as url:
        found = await run(configuration(url, tmp_path / "x.load"))
    assert (found.ok, found.failed) == (DUE, 0)
    assert found.whole(samples.RESPONSE) == found.whole(samples.SERVICE) == found.whole(samples.LAG) == DUE
    assert found.count(samples.BYTES) == DUE * len(OK)


async def test_a_refused_connection_fails_each_request(tmp_path: Path) -> None:
    found = await run(configuration(f"http://127.0.0.1:{free_port()}", tmp_path / "x.load"))
    assert found.errors == {"refused": DUE}


async def test_a_server_that_refuses_is_not_stormed(tmp_path: Path) -> None:
    config = configuration(f"http://127.0.0.1:{free_port()}", tmp_path / "x.load", schedule={"constant": 5000})
    found = await run(config)
    assert found.errors == {"refused": 2500}


async def test_users_whom_a_server_refuses_do_not_storm_it(tmp_path: Path) -> None:
    found = await run(configuration(f"http://127.0.0.1:{free_port()}", tmp_path / "x.load", users=200, for_ns=SECOND))
    assert found.ok == 0
    assert 0 < found.failed <= 1200  # 1,000 a second, and 200 that begin


async def test_a_reset_in_the_middle_of_an_answer(tmp_path: Path) -> None:
    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await request(reader)
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf")
        await writer.drain()
        sock = writer.get_extra_info("socket")
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        writer.transport.abort()

    async with serving(handle) as url:
        found = await run(configuration(url, tmp_path / "x.load"))
    assert found.errors == {"reset": DUE}


async def test_an_answer_that_is_cut_short(tmp_path: Path) -> None:
    async with serving(answering(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf", close=True)) as url:
        found = await run(configuration(url, tmp_path / "x.load"))
    assert found.errors == {"closed": DUE}


async def test_a_server_that_never_answers_times_out_from_when_each_was_due(tmp_path: Path) -> None:
    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()

    began = time.monotonic()
    async with serving(handle) as url:
        found = await run(configuration(url, tmp_path / "x.load", timeout_ns=300 * MS))
    assert found.errors == {"timeout": DUE}
    assert time.monotonic() - began < 5
    assert found.count(samples.GAP_TO) >= 500 * MS  # nobody was answered in the whole run


async def test_what_waits_for_a_connection_is_over_its_time_too(tmp_path: Path) -> None:
    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()

    async with serving(handle) as url:
        found = await run(configuration(url, tmp_path / "x.load", timeout_ns=300 * MS, connections=4))
    assert set(found.errors) == {"timeout", "capacity"}
    assert found.failed == DUE


async def test_response_time_counts_from_when_a_request_was_due(tmp_path: Path) -> None:
    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            await request(reader)
            await asyncio.sleep(0.02)  # one connection serves 50/s, 100/s are due
            writer.write(OK)

    async with serving(handle) as url:
        found = await run(configuration(url, tmp_path / "x.load", connections=1, timeout_ns=5 * SECOND))
    assert found.ok == DUE
    worst = {}
    for kind in (samples.RESPONSE, samples.SERVICE):
        rows = found.rows[(found.rows["kind"] == kind) & (found.rows["slot"] == samples.WHOLE)]
        worst[kind] = percentiles(rows["bucket"].astype("int64"), rows["count"], [95])[0]
    assert worst[samples.RESPONSE] > 400 * MS
    assert worst[samples.SERVICE] < 400 * MS


@pytest.mark.parametrize("users", [0, 4])
async def test_a_server_that_closes_after_each_answer(tmp_path: Path, users: int) -> None:
    answer = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok"
    async with serving(answering(answer, close=True)) as url:
        found = await run(configuration(url, tmp_path / "x.load", users=users))
    assert found.failed == 0
    assert found.ok == DUE if not users else found.ok > 20


async def test_a_server_that_says_it_closes_and_does_not(tmp_path: Path) -> None:
    answer = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok"
    async with serving(answering(answer)) as url:
        found = await run(configuration(url, tmp_path / "x.load"))
    assert (found.ok, found.failed) == (DUE, 0)


@pytest.mark.parametrize("answer", [
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n3\r\nyes\r\n0\r\n\r\n",
    b"HTTP/1.1 100 Continue\r\n\r\n" + OK,
    b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n" + OK,
    b"HTTP/1.1 204 No Content\r\n\r\n",
    b"HTTP/1.1 304 Not Modified\r\nContent-Length: 2\r\n\r\n",
    b"HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nok",
    b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n",
    b"HTTP/1.1 200 OK\r\nContent-Length: 300000\r\n\r\n" + b"x" * 300_000,
])  # fmt: skip
@pytest.mark.parametrize("users", [0, 4])
async def test_every_kind_of_body_is_whole(tmp_path: Path, answer: bytes, users: int) -> None:
    async with serving(answering(answer)) as url:
        found = await run(configuration(url, tmp_path / "x.load", users=users))
    assert found.failed == 0
    assert found.ok == DUE if not users else found.ok > 10


async def test_an_answer_that_ends_with_its_connection(tmp_path: Path) -> None:
    async with serving(answering(b"HTTP/1.1 200 OK\r\n\r\nall of it", close=True)) as url:
        found = await run(configuration(url, tmp_path / "x.load"))
    assert (found.ok, found.failed) == (DUE, 0)


@pytest.mark.parametrize("users", [0, 4])
@pytest.mark.parametrize("size", [0, 2])
async def test_the_answer_to_head_has_no_body(tmp_path: Path, users: int, size: int) -> None:
    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            head = f"HTTP/1.1 200 OK\r\nContent-Length: {size}\r\n\r\n"
            body = "" if (await request(reader)).startswith("HEAD") else "x" * size
            writer.write((head + body).encode())

    requests = [{**GET, "method": "HEAD"}, {**GET, "tag": "get"}]
    async with serving(handle) as url:
        found = await run(configuration(url, tmp_path / "x.load", users=users, requests=requests, tags=["", "get"]))
    assert found.failed == 0
    assert found.ok == DUE if not users else found.ok > 20
    assert set(found.of(samples.OK)["tag"]) == {0, 1}


@pytest.mark.parametrize("garbage", [b"SSH-2.0-OpenSSH_9.6\r\n", b"\0\1\2\3", b"HTTP/1.1 abc\r\n\r\n", b"<html>"])
async def test_garbage_is_a_protocol_error(tmp_path: Path, garbage: bytes) -> None:
    async with serving(answering(garbage)) as url:
        found = await run(configuration(url, tmp_path / "x.load"))
    assert found.errors == {"protocol": DUE}


async def test_switching_protocols_is_one_too(tmp_path: Path) -> None:
    answer = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n"
    async with serving(answering(answer)) as url:
        found = await run(configuration(url, tmp_path / "x.load"))
    assert found.errors == {"protocol": DUE}


async def test_a_head_without_an_end_is_one_too(tmp_path: Path) -> None:
    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await request(reader)
        writer.write(b"HTTP/1.1 200 OK\r\n")
        while not writer.is_closing():
            writer.write(b"X-More: " + b"x" * 4000 + b"\r\n")
            await writer.drain()

    async with serving(handle) as url:
        found = await run(configuration(url, tmp_path / "x.load"))
    assert found.errors == {"protocol": DUE}


@pytest.mark.parametrize("users", [0, 4])
async def test_two_answers_to_one_request_are_an_error(tmp_path: Path, users: int) -> None:
    async with serving(answering(OK + OK)) as url:
        found = await run(configuration(url, tmp_path / "x.load", users=users))
    assert found.ok == 0
    assert set(found.errors) == {"protocol"}


async def test_an_answer_that_nobody_asked_for_ends_the_connection_and_fails_nothing(tmp_path: Path) -> None:
    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await request(reader)
        writer.write(OK)
        await asyncio.sleep(0.01)  # the next request is due half a second later
        writer.write(b"HTTP/1.1 408 Request Timeout\r\nContent-Length: 0\r\n\r\n")
        await reader.read()

    async with serving(handle) as url:
        found = await run(configuration(url, tmp_path / "x.load", schedule={"constant": 2}, for_ns=2 * SECOND))
    assert (found.ok, found.failed) == (4, 0)


@pytest.mark.parametrize(("status", "error"), [(500, "status-5xx"), (503, "status-5xx"), (404, "status-4xx")])
@pytest.mark.parametrize("users", [0, 4])
async def test_statuses_from_400_on_have_failed(tmp_path: Path, status: int, error: str, users: int) -> None:
    answer = f"HTTP/1.1 {status} No\r\nContent-Length: 0\r\n\r\n".encode()
    async with serving(answering(answer)) as url:
        found = await run(configuration(url, tmp_path / "x.load", users=users))
    assert set(found.errors) == {error}
    assert found.failed == DUE if not users else found.failed > 20


async def test_unless_they_are_accepted(tmp_path: Path) -> None:
    async with serving(answering(b"HTTP/1.1 404 No\r\nContent-Length: 0\r\n\r\n")) as url:
        found = await run(configuration(url, tmp_path / "x.load", accept=[404]))
    assert (found.ok, found.failed) == (DUE, 0)


async def test_a_server_that_does_not_accept_for_a_while(tmp_path: Path) -> None:
    """Its queue is full, and connections hang."""
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        s.listen(1)
        url = f"http://127.0.0.1:{s.getsockname()[1]}"
        found = await run(configuration(url, tmp_path / "x.load", timeout_ns=300 * MS))
    assert found.errors == {"timeout": DUE}


SERVER = """
import http.server, sys
class Quiet(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    def do_GET(self):
        self.send_response(200); self.send_header("Content-Length", "2"); self.end_headers(); self.wfile.write(b"ok")
    def log_message(self, *_): pass
http.server.ThreadingHTTPServer.request_queue_size = 128
server = http.server.ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Quiet)
print("ready", flush=True)
server.serve_forever()
"""


@pytest.mark.parametrize("users", [0, 8])
async def test_a_server_that_is_killed_and_comes_back(tmp_path: Path, users: int) -> None:
    port = free_port()

    def start() -> subprocess.Popen[str]:
        server = subprocess.Popen(
            [sys.executable, "-c", SERVER, str(port)], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
        )
        assert server.stdout is not None
        server.stdout.readline()
        return server

    servers = [start()]
    killed: list[int] = []

    def watch(live: dict[str, int]) -> bool:
        if not killed and live["ok"] > 30:
            os.kill(servers[-1].pid, signal.SIGKILL)
            killed.append(live["ok"])
        elif len(servers) == 1 and killed and live["failed"] > 10:
            servers.append(start())
        return len(servers) == 2 and live["ok"] > killed[0] + 200

    try:
        config = configuration(f"http://127.0.0.1:{port}", tmp_path / "x.load", users=users, for_ns=20 * SECOND)
        found = await run(config, stop_when=watch)
    finally:
        for server in servers:
            server.kill()
            server.communicate()
    assert found.ok > killed[0] + 200
    assert found.failed > 10
    assert set(found.errors) <= {"refused", "reset", "closed"}
    assert found.count(samples.GAP_TO) > 0


async def test_an_order_to_stop_ends_it_promptly(tmp_path: Path) -> None:
    async with serving(answering(OK)) as url:
        began = time.monotonic()
        found = await run(configuration(url, tmp_path / "x.load", for_ns=None), stop_when=lambda live: live["ok"] > 20)
    assert found.ok > 20
    assert found.failed == 0
    assert time.monotonic() - began < 5


async def test_the_end_of_its_orders_ends_it(tmp_path: Path) -> None:
    async with serving(answering(OK)) as url:
        config = configuration(url, tmp_path / "x.load", for_ns=None)
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "seatrial.load.worker", stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE
        )
        out, _ = await asyncio.wait_for(process.communicate(json.dumps(config).encode() + b"\n"), 20)
    assert json.loads(out.splitlines()[-1])["event"] == "stopped"


async def test_without_uvloop_it_works_too(tmp_path: Path) -> None:
    (tmp_path / "uvloop.py").write_text("raise ImportError('not here')\n")
    async with serving(answering(OK)) as url:
        config = configuration(url, tmp_path / "x.load")
        found = await run(config, environment={"PYTHONPATH": str(tmp_path)})
        closed = await run({**config, "users": 4}, environment={"PYTHONPATH": str(tmp_path)})
    assert (found.ok, found.failed) == (DUE, 0)
    assert closed.ok > 20
    config = configuration(f"http://127.0.0.1:{free_port()}", tmp_path / "x.load")
    refused = await run(config, environment={"PYTHONPATH": str(tmp_path)})
    assert refused.errors == {"refused": DUE}
