"""A workload against real servers that are well, slow, broken and gone."""

from __future__ import annotations

import asyncio
import http.server
import threading
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
from workload_support import SCHEDULE, run

from seatrial.arrivals.errors import ERRORS
from seatrial.arrivals.records import FAIL, OK, RESENT, UNKNOWN
from seatrial.core import procfs
from seatrial.core.errors import SupervisorError
from seatrial.workloads.process import WorkloadProcess
from seatrial.workloads.requests import Pattern


class Server(http.server.ThreadingHTTPServer):
    """Does what its path says; counts the keys it was sent."""

    daemon_threads = True

    def __init__(self) -> None:
        self.keys: Counter[str] = Counter()
        super().__init__(("127.0.0.1", 0), Handler)


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Server

    def do_POST(self) -> None:
        key = self.rfile.read(int(self.headers["Content-Length"])).decode()
        self.server.keys[key] += 1
        if self.path == "/hang":
            time.sleep(3)
        if self.path == "/drop":
            self.close_connection = True
            self.connection.shutdown(2)
            return
        if self.path == "/until-the-end":
            self.close_connection = True
            self.wfile.write(b"HTTP/1.0 201 Created\r\n\r\nall there is")
            return
        status = {"/ok": 201, "/hang": 201, "/busy": 503, "/bad": 422}[self.path]
        self.send_response(status)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: object) -> None: ...


@pytest.fixture
def server() -> Iterator[Server]:
    made = Server()
    threading.Thread(target=made.serve_forever, daemon=True).start()
    yield made
    made.shutdown()
    made.server_close()


def config(server: Server, file: Path, path: str, **more: object) -> dict[str, object]:
    url = f"http://127.0.0.1:{server.server_address[1]}"
    return {
        "name": "w", "verb": "http", "file": str(file),
        "urls": [url], "method": "POST", "path": path, "headers": {}, "json": None, "body": "{{ op.key }}",
        "verify": True, "schedule": SCHEDULE, "seed": 1, "timeout_ns": 500_000_000, "in_flight": 64, "retries": 0,
        "resend": 0.0, "accept": [], "prefix": "p-", **more,
    }  # fmt: skip


async def test_every_operation_is_recorded_and_arrives_once(server: Server, tmp_path: Path) -> None:
    records, _ = await run(config(server, tmp_path / "x.ops", "/ok"))
    assert (records["status"] == OK).all()
    assert server.keys == Counter({f"p-{n}": 1 for n in range(25)})
    assert len(records) == 25


async def test_an_answer_that_ends_with_its_connection_is_one(server: Server, tmp_path: Path) -> None:
    records, _ = await run(config(server, tmp_path / "x.ops", "/until-the-end"))
    assert (records["status"] == OK).all()
    assert server.keys == Counter({f"p-{n}": 1 for n in range(25)})


@pytest.mark.parametrize(
    ("path", "status", "error"),
    [
        ("/busy", UNKNOWN, "status-5xx"),
        ("/bad", FAIL, "status-4xx"),
        ("/drop", UNKNOWN, "closed"),
        ("/hang", UNKNOWN, "timeout"),
    ],
)
async def test_what_may_have_happened_is_unknown(
    server: Server, tmp_path: Path, path: str, status: int, error: str
) -> None:
    records, _ = await run(config(server, tmp_path / "x.ops", path))
    assert set(records["status"].tolist()) == {status}
    assert {ERRORS[e] for e in records["error"]} <= {error, "reset"}


async def test_what_was_refused_has_not_happened(server: Server, tmp_path: Path) -> None:
    settings = config(server, tmp_path / "x.ops", "/ok")
    server.shutdown()
    server.server_close()
    records, _ = await run(settings)
    assert set(records["status"].tolist()) == {FAIL}
    assert {ERRORS[e] for e in records["error"]} == {"refused"}


async def test_more_than_the_cap_is_not_sent(server: Server, tmp_path: Path) -> None:
    records, _ = await run(config(server, tmp_path / "x.ops", "/hang", in_flight=3))
    assert (records["status"] == 3).sum() == 22
    assert sum(server.keys.values()) == 3


async def test_a_retry_has_the_same_key(server: Server, tmp_path: Path) -> None:
    records, _ = await run(config(server, tmp_path / "x.ops", "/busy", retries=1))
    assert set(server.keys.values()) == {2}
    assert set(records["attempts"].tolist()) == {2}


async def test_an_acknowledged_operation_is_sent_again_when_asked(server: Server, tmp_path: Path) -> None:
    records, _ = await run(config(server, tmp_path / "x.ops", "/ok", resend=1.0))
    assert set(server.keys.values()) == {2}
    assert (records["flags"] & RESENT).all()


async def test_a_worker_whose_owner_is_gone_ends(server: Server, tmp_path: Path) -> None:
    worker = await WorkloadProcess.start(config(server, tmp_path / "x.ops", "/ok", schedule={"constant": 20}))
    stdin = worker._process.stdin
    assert stdin is not None
    stdin.close()
    async with asyncio.timeout(10):
        await worker._process.wait()


async def asleep(pid: int) -> None:
    """Until it has started and waits: it sleeps, and has used no processor time for a while."""
    used, quiet = "", 0
    async with asyncio.timeout(30):
        while quiet < 10:
            fields = Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2].split()
            now = " ".join(fields[11:13])
            quiet = quiet + 1 if fields[0] == "S" and now == used and int(fields[11]) > 5 else 0
            used = now
            await asyncio.sleep(0.02)


async def test_a_worker_is_owned_before_it_sends(server: Server, tmp_path: Path) -> None:
    adopted: list[int] = []

    async def adopt(pid: int) -> None:
        adopted.append(pid)
        await asleep(pid)
        assert not (tmp_path / "x.ops").exists()
        assert not server.keys

    worker = await WorkloadProcess.start(config(server, tmp_path / "x.ops", "/ok"), adopt)
    assert adopted == [worker.pid]
    assert (await worker.stop()).valid


async def test_a_worker_that_nobody_will_own_is_ended(server: Server, tmp_path: Path) -> None:
    adopted: list[int] = []

    async def refuse(pid: int) -> None:
        adopted.append(pid)
        raise SupervisorError("no")

    with pytest.raises(SupervisorError, match="no"):
        await WorkloadProcess.start(config(server, tmp_path / "x.ops", "/ok"), refuse)
    assert procfs.read_stat(adopted[0]) is None
    assert not server.keys


def test_places_are_filled_in() -> None:
    assert Pattern('{"k": "{{ op.key }}", "n": {{op.n}}}').fill("a-7", 7) == '{"k": "a-7", "n": 7}'
