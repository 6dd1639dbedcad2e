"""Load from the workers of a real Dask cluster: what it adds up to, and what becomes of it when a machine or we are gone."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest
from cluster_support import Cluster, alive, generators, wait_for
from load_support import OK, SECOND, certificate, configuration, request, script, serving
from ports import free_port

from seatrial.api.loads import RunningLoad
from seatrial.api.quickload import QuickLoad, plan_of
from seatrial.api.workloads import Maker
from seatrial.arrivals import samples
from seatrial.core.clusters import Cluster as At
from seatrial.core.errors import SeatrialError, UsageError
from seatrial.core.expressions import Missing
from seatrial.core.intervals import Interval
from seatrial.core.quantities import Quantity
from seatrial.core.workloads import Figures, Window
from seatrial.load import remote
from seatrial.load.dask import start_on

distributed = pytest.importorskip("distributed")
pytestmark = pytest.mark.stack


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """Three workers that no test harms."""
    made = Cluster(tmp_path_factory.mktemp("cluster"))
    try:
        made.add(3)
        yield made
    finally:
        made.close()


@pytest.fixture
def fresh(tmp_path: Path) -> Iterator[Cluster]:
    """A cluster without workers, for this test alone."""
    (tmp_path / "cluster").mkdir()
    made = Cluster(tmp_path / "cluster")
    try:
        yield made
    finally:
        made.close()


class Counter:
    """A server that counts requests by their paths."""

    def __init__(self) -> None:
        self.paths: list[str] = []

    @contextlib.asynccontextmanager
    async def serve(self) -> AsyncIterator[str]:
        async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            while True:
                self.paths.append((await request(reader)).split(" ")[1])
                writer.write(OK)

        async with serving(handle) as url:
            yield url

    async def reaches(self, number: int) -> None:
        async with asyncio.timeout(60):
            while len(self.paths) < number:  # noqa: ASYNC110 - the server is in this loop
                await asyncio.sleep(0.02)


async def running(directory: Path, on: At, **given: Any) -> RunningLoad:
    plan, asked = plan_of(QuickLoad(on=on, **given))
    return await Maker(on).start_load(plan, [asked], directory, nobody)


async def nobody(_pid: int) -> None: ...


def figures(load: RunningLoad) -> Figures:
    return load.figures(Window(from_ns=0, to_ns=time.monotonic_ns()), (), None, None)


def shows(seen: Figures) -> bool:
    """Whether there are percentiles; or the one reason why not: who has a busy machine for a generator is told that it was late."""
    if seen.detail["invalid"]:
        return "late" in str(seen.detail["invalid"])
    return isinstance(seen.metrics["p95"], Quantity)


async def test_machines_share_an_open_load(cluster: Cluster, tmp_path: Path) -> None:
    server, on = Counter(), At(address=cluster.address)
    async with server.serve() as url:
        load = await running(tmp_path, on, url=url, rate="600/s", duration="3s")
        await server.reaches(600)
        while load.live().ok < 500:  # noqa: ASYNC110 - it comes twice a second
            await asyncio.sleep(0.02)
        midway = figures(load)
        await load.ended()
        sealed = await load.stop()
    found = figures(load)
    assert found.metrics["due"] == found.metrics["ok"] == len(server.paths) == 1800
    assert found.metrics["failed"] == 0
    assert shows(midway)
    assert int(str(midway.metrics["ok"])) >= 500
    assert isinstance(found.metrics["p95"], Quantity)
    assert not found.detail["invalid"]
    assert found.detail["machines"] == 3
    assert 0 < int(str(found.detail["clock_ns"])) < 50_000_000
    assert sealed.valid
    assert list(tmp_path.rglob("*.load*")) == [sealed.file]
    assert [r["due"] for r in load._process.results] == [600, 600, 600]
    start, rows = samples.read(sealed.file)
    assert start == load._process.started_ns
    assert rows[rows["kind"] == samples.DUE]["count"].sum() == 1800
    assert not generators(*(w.pid for w in cluster.workers))
    assert not list(tmp_path.rglob("seatrial-*"))


async def test_users_who_do_not_divide_evenly(cluster: Cluster, tmp_path: Path) -> None:
    server = Counter()
    async with server.serve() as url:
        on = At(address=cluster.address)
        load = await running(tmp_path, on, url=url, users=7, think="50ms", duration="2s", workers=4)
        await load.ended()
        await load.stop()
    found = figures(load)
    assert sorted(r["reached"] for r in load._process.results) == [1, 2, 2, 2]
    assert not found.detail["invalid"]
    assert found.metrics["ok"] == len(server.paths) > 100


async def test_fewer_users_than_machines_leave_machines_alone(cluster: Cluster, tmp_path: Path) -> None:
    server = Counter()
    async with server.serve() as url:
        load = await running(
            tmp_path, At(address=cluster.address), url=url, users=2, think="50ms", duration="1s", workers=5
        )
        await load.ended()
        await load.stop()
    assert [r["reached"] for r in load._process.results] == [1, 1]
    assert figures(load).detail["machines"] == 2


async def test_a_script_and_what_it_reads_travel(cluster: Cluster, tmp_path: Path) -> None:
    home = tmp_path / "home"
    (home / "people").mkdir(parents=True)
    (home / "people" / "names.csv").write_text("ada\ngrace\n")
    script(
        home,
        "from pathlib import Path\n"
        "NAMES = (Path(__file__).parent / 'people/names.csv').read_text().split()\n"
        "def user():\n    for name in NAMES:\n        yield Request('GET', f'/{name}{__file__}')\n",
    )
    server = Counter()
    async with server.serve() as url:
        config = configuration(
            url, tmp_path / "x.load", script="users.py:user", directory=str(home), files=["people/names.csv"],
            requests=[], schedule={"constant": 20}, for_ns=SECOND, timeout_ns=5 * SECOND,
        )  # fmt: skip
        load = await start_on(At(address=cluster.address), config, 3)
        await load.ended()
        sealed = await load.stop()
    assert sealed.valid
    assert {p.split("/")[1] for p in server.paths} == {"ada", "grace"}
    assert len(server.paths) == 40
    assert all("/scratch/" in p for p in server.paths)
    assert not any(Path(p[p.index("/", 1) :]).exists() for p in server.paths)


async def test_a_script_that_cannot_begin_is_told(cluster: Cluster, tmp_path: Path) -> None:
    script(tmp_path, "def someone(): ...\n")
    config = configuration("http://127.0.0.1:1", tmp_path / "x.load", script="users.py:user", requests=[])
    with pytest.raises(SeatrialError, match=r"tcp://\S+ did not begin: .*has no function user"):
        await start_on(At(address=cluster.address), config, 1)
    assert not generators(*(w.pid for w in cluster.workers))


async def test_a_worker_that_is_busy_is_named(
    cluster: Cluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(remote, "READY_S", 1.0)
    async with distributed.Client(cluster.address, asynchronous=True, set_as_default=False) as client:
        (address, *_) = await client.run(os.getpid)
        done = distributed.Event("done", client=client)
        other = client.submit(lambda: distributed.Event("done").wait(60), workers=[address], pure=False)
        with pytest.raises(SeatrialError, match=rf"{address} is busy"):
            await start_on(At(address=cluster.address), configuration("http://127.0.0.1:1", tmp_path / "x.load"), 1)
        await done.set()
        assert await other


async def test_a_machine_that_is_lost_is_accounted_for(fresh: Cluster, tmp_path: Path) -> None:
    workers = fresh.add(3)
    server = Counter()
    async with server.serve() as url:
        load = await running(tmp_path, At(address=fresh.address), url=url, rate="300/s", duration="6s")
        sending = generators(*(w.pid for w in workers))
        assert len(sending) == 3
        await server.reaches(500)
        workers[1].kill()
        workers[1].wait()
        await load.ended()
        sealed = await load.stop()
        assert not sealed.valid
        wait_for(lambda: not any(map(alive, sending)), 10)
    found = figures(load)
    assert re.match(r"1 of 3 machines was lost \d\S* after the start: 33% of the load is missing", sealed.note)
    assert "tcp://127.0.0.1:" in sealed.note
    assert found.detail["invalid"] == sealed.note.removesuffix(": what was in flight is unknown")
    for name in ("p95", "errors", "rate", "served"):
        assert isinstance(found.metrics[name], Missing)
    ok = found.metrics["ok"]
    assert isinstance(ok, Interval)
    assert 1200 < ok.low < 1800  # those of two, and what had come of the third
    assert ok.low <= len(server.paths)


async def test_without_its_scheduler_all_are_lost_and_end(fresh: Cluster, tmp_path: Path) -> None:
    workers = fresh.add(2)
    server = Counter()
    async with server.serve() as url:
        load = await running(tmp_path, At(address=fresh.address), url=url, rate="100/s", duration="60s")
        sending = generators(*(w.pid for w in workers))
        await server.reaches(150)
        fresh.lose_scheduler()
        async with asyncio.timeout(20):
            await load.ended()
            sealed = await load.stop()
            while any(map(alive, sending)):  # noqa: ASYNC110 - nothing announces it
                await asyncio.sleep(0.05)
    assert "2 of 2 machines were lost, the first" in sealed.note
    assert "100% of the load is missing" in sealed.note
    assert isinstance(figures(load).metrics["p95"], Missing)


async def test_a_lost_task_is_not_run_again(fresh: Cluster, tmp_path: Path) -> None:
    port = str(free_port())
    fresh.add(1)
    (worker,) = fresh.add(1, "--worker-port", port)
    server = Counter()
    async with server.serve() as url:
        load = await running(tmp_path, At(address=fresh.address), url=url, rate="100/s", duration="8s")
        await server.reaches(50)
        worker.kill()
        worker.wait()
        (again,) = await asyncio.to_thread(fresh.add, 1, "--worker-port", port)
        while fresh.log(3).count("Run out-of-band") < 1 and "lost" not in load._process.doubt:  # noqa: ASYNC110
            await asyncio.sleep(0.05)
        assert not generators(again.pid)
        await load.ended()
        await load.stop()
        assert not generators(again.pid)
    assert "1 of 2 machines was lost" in load._process.doubt
    assert len(server.paths) < 800 - 100


@pytest.mark.parametrize("command", ["load", "run"])
async def test_generators_end_when_we_are_killed(cluster: Cluster, tmp_path: Path, command: str) -> None:
    server = Counter()
    pids = [w.pid for w in cluster.workers]
    async with server.serve() as url:
        (tmp_path / "seatrial.yaml").write_text(
            f"seatrial: 1\nstack: {{remote: {{services: {{web: '{url}'}}}}}}\n"
            f"loads: {{shoppers: {{http: GET /, at: web, rate: 100/s, on: '{cluster.address}'}}}}\n"
            "scenarios: {up: {steps: [{load: shoppers}], expect: {some: shoppers.ok > 0}}}\n"
        )
        arguments = [url, "--rate", "100/s", "--for", "60s", "--on", cluster.address] if command == "load" else []
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "seatrial", command, *arguments, cwd=tmp_path, stdout=asyncio.subprocess.DEVNULL
        )
        try:
            await server.reaches(100)
            sending = generators(*pids)
            assert len(sending) == 3
        finally:
            process.kill()
            await process.wait()
        async with asyncio.timeout(15):
            while any(map(alive, sending)):  # noqa: ASYNC110 - nothing announces it
                await asyncio.sleep(0.05)
    assert not generators(*pids)


async def test_another_version_is_refused_by_name(fresh: Cluster, tmp_path: Path) -> None:
    (tmp_path / "older.py").write_text("import seatrial\nseatrial.__version__ = '0.0.1'\n")
    fresh.add(1)
    fresh.add(1, "--preload", str(tmp_path / "older.py"))
    with pytest.raises(UsageError, match=r"tcp://127.0.0.1:\d+ has seatrial 0\.0\.1, this is \S+") as raised:
        await start_on(At(address=fresh.address), configuration("http://127.0.0.1:1", tmp_path / "x.load"), 1)
    assert len(re.findall("has seatrial", str(raised.value))) == 1
    assert "install seatrial" in raised.value.problems[0].hint


async def test_a_cluster_without_workers(fresh: Cluster, tmp_path: Path) -> None:
    with pytest.raises(SeatrialError, match="has no workers"):
        await start_on(At(address=fresh.address), configuration("http://127.0.0.1:1", tmp_path / "x.load"), 1)


async def test_no_scheduler_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("seatrial.load.dask._CONNECT_S", 1.0)
    address = f"tcp://127.0.0.1:{free_port()}"
    with pytest.raises(SeatrialError, match=f"no Dask scheduler can be used at {address}"):
        await start_on(At(address=address), configuration("http://127.0.0.1:1", tmp_path / "x.load"), 1)


@pytest.mark.skipif(shutil.which("openssl") is None, reason="no openssl")
async def test_a_cluster_behind_tls(tmp_path: Path) -> None:
    cert, key = (str(x) for x in certificate(tmp_path, "cluster"))
    made = Cluster(tmp_path, "--protocol", "tls", "--tls-ca-file", cert, "--tls-cert", cert, "--tls-key", key)
    server = Counter()
    try:
        made.add(1)
        assert made.address.startswith("tls://")
        async with server.serve() as url:
            on = At(address=made.address, ca=cert, cert=cert, key=key)
            load = await running(tmp_path / "load", on, url=url, rate="50/s", duration="1s")
            await load.ended()
            await load.stop()
        assert figures(load).metrics["ok"] == len(server.paths) == 50
    finally:
        made.close()


def test_the_commands_say_where_it_was_sent_from(cluster: Cluster, tmp_path: Path, url: str) -> None:
    done = seatrial(
        tmp_path, "load", url, "--rate", "60/s", "--for", "1s", "--on", cluster.address, "--expect", "p95 < 9s"
    )
    assert done[0] == 0, done
    assert "60 ok, 0 failed" in done[1]
    assert "sent from 3 machines, whose clocks are known to within" in done[1]
    (tmp_path / "seatrial.yaml").write_text(
        f"seatrial: 1\nstack: {{remote: {{services: {{web: '{url}'}}}}}}\n"
        "loads: {shoppers: {http: GET /, at: web, rate: 100/s, for: 2s}}\n"
        "scenarios: {up: {steps: [{load: shoppers}], expect: {all: shoppers.ok == 200, fast: shoppers.p95 < 9s}}}\n"
    )
    done = seatrial(tmp_path, "run", "--on", cluster.address)
    assert done[0] == 0, done
    journal = (tmp_path / ".seatrial/latest/journal.jsonl").read_text().splitlines()
    (measured,) = [e for e in map(json.loads, journal) if e["type"] == "WorkloadMeasured"]
    assert measured["detail"]["machines"] == 3
    assert "from 3 machines" in (tmp_path / ".seatrial/latest/report.html").read_text()


@pytest.fixture
def url() -> Iterator[str]:
    """A server in another process."""
    program = "import http.server as h, sys\nclass H(h.SimpleHTTPRequestHandler):\n    protocol_version = 'HTTP/1.1'\n"
    program += (
        "    def do_GET(self):\n        self.send_response(200)\n        self.send_header('Content-Length', '2')\n"
    )
    program += "        self.end_headers()\n        self.wfile.write(b'ok')\n    def log_message(self, *_): ...\n"
    program += (
        "s = h.ThreadingHTTPServer(('127.0.0.1', 0), H)\nprint(s.server_address[1], flush=True)\ns.serve_forever()\n"
    )
    with subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        yield f"http://127.0.0.1:{process.stdout.readline().strip()}"
        process.send_signal(signal.SIGTERM)


def seatrial(directory: Path, *arguments: str) -> tuple[int, str, str]:
    """A command in a directory: its exit status, and what it said."""
    environment = {**os.environ, "NO_COLOR": "1", "COLUMNS": "120"}
    done = subprocess.run(
        [sys.executable, "-m", "seatrial", *arguments], cwd=directory, env=environment, capture_output=True, text=True,
        timeout=120, check=False,
    )  # fmt: skip
    return done.returncode, done.stdout, done.stderr
