"""What decides about a load, on the command line: aborts, baselines, the search for a capacity, and pools that are exhausted."""

from __future__ import annotations

import asyncio
import html
import json
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from ports import free_port
from streams import accepting

Run = Callable[..., subprocess.CompletedProcess[str]]

SPEC = """\
seatrial: 1
name: judged
stack: {{remote: {{services: {{web: '{url}'}}}}}}
requirements: {{R-1: it bears what comes}}
loads:
  shoppers: {{http: GET /, at: web, {load}}}
scenarios:
  quick:
    covers: [R-1]
    {scenario}
"""


class Moody:
    """A server on a thread of its own: `slow_s` before each answer, 500 while `broken`, no answer at all while `silent`."""

    def __init__(self, *, one_at_a_time: bool = False) -> None:
        self.slow_s = 0.0
        self.broken = self.silent = False
        self.breaks_after = float("inf")  # answers
        self.answered = 0
        self.url = ""
        self._one = one_at_a_time
        self._loop = asyncio.new_event_loop()
        self._ready = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()
        assert self._ready.wait(10)

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        self._loop.run_until_complete(self._serve())

    async def _serve(self) -> None:
        self._lock, self._over = asyncio.Lock(), asyncio.Event()
        async with accepting(self._handle, backlog=1024) as port:
            self.url = f"http://127.0.0.1:{port}"
            self._ready.set()
            await self._over.wait()

    async def _handle(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while await reader.readuntil(b"\r\n\r\n"):
            if self._one:
                async with self._lock:
                    await asyncio.sleep(self.slow_s)
            elif self.slow_s:
                await asyncio.sleep(self.slow_s)
            self.answered += 1
            if self.silent:
                await self._over.wait()
            broken = self.broken or self.answered > self.breaks_after
            head = b"500 Broken" if broken else b"200 OK"
            writer.write(b"HTTP/1.1 " + head + b"\r\nContent-Length: 2\r\n\r\nok")

    def close(self) -> None:
        self._loop.call_soon_threadsafe(self._over.set)
        self._thread.join(10)
        self._loop.close()


@pytest.fixture
def moody() -> Iterator[Moody]:
    server = Moody()
    yield server
    server.close()


def write(tmp_path: Path, url: str, load: str, scenario: str) -> None:
    (tmp_path / "seatrial.yaml").write_text(SPEC.format(url=url, load=load, scenario=scenario))


def findings(tmp_path: Path) -> dict[str, dict[str, Any]]:
    found = json.loads((tmp_path / ".seatrial/latest/report.json").read_text())
    return {f["id"]: f for f in found["findings"]}


def events(tmp_path: Path, kind: str) -> list[dict[str, Any]]:
    lines = (tmp_path / ".seatrial/latest/journal.jsonl").read_text().splitlines()
    return [e for e in map(json.loads, lines) if e["type"] == kind]


# -- abort


def test_a_load_that_fails_too_much_is_stopped_and_its_step_fails(seatrial: Run, moody: Moody, tmp_path: Path) -> None:
    moody.breaks_after = 200
    abort = "abort: [{when: errors > 20%, after: 1s, for: 2s}, p95 > 4s]"
    write(tmp_path, moody.url, f"rate: 100/s, for: 60s, {abort}", "steps: [{load: shoppers, id: rush}]")
    began = time.monotonic()
    done = seatrial("run")
    assert done.returncode == 1, done.stdout + done.stderr
    assert time.monotonic() - began < 30
    finding = findings(tmp_path)["quick/rush"]
    assert (finding["verdict"], finding["claim"]) == ("FAIL", "load shoppers is not aborted")
    assert "errors > 20% for 2" in finding["reason"]
    assert "errors = " in finding["measured"]
    (aborted,) = events(tmp_path, "LoadAborted")
    assert aborted["figures"]["offered"].endswith("/s")
    assert "load shoppers aborted" in done.stdout
    assert html.escape(finding["reason"]) in (tmp_path / ".seatrial/latest/report.html").read_text()
    assert [e["valid"] for e in events(tmp_path, "ColumnSealed")] == [True]


def test_a_rate_that_is_not_reached_aborts_long_before_the_time_out(
    seatrial: Run, moody: Moody, tmp_path: Path
) -> None:
    moody.silent = True
    abort = "timeout: 9s, abort: [{when: served < 90% and rate < 80/s, after: 1s, for: 1s}]"
    scenario = (
        "throughout: [shoppers]\n    steps: [{pause: 6s, reason: the load runs}]\n    expect: {some: shoppers.due > 10}"
    )
    write(tmp_path, moody.url, f"rate: 100/s, {abort}", scenario)
    done = seatrial("run")
    assert done.returncode == 1, done.stdout + done.stderr
    finding = findings(tmp_path)["quick/shoppers-not-aborted"]
    assert finding["verdict"] == "FAIL"
    assert "served = 0%" in finding["measured"]
    assert events(tmp_path, "LoadAborted")[0]["at_ns"] - events(tmp_path, "WorkloadStarted")[0]["at_ns"] < 5e9


def test_a_load_that_is_borne_runs_on_and_passes(seatrial: Run, moody: Moody, tmp_path: Path) -> None:
    abort = "abort: [{when: errors > 20%, after: 1s}, {when: served < 50%, after: 1s}]"
    scenario = "steps: [{load: shoppers, id: rush, covers: [R-1]}]"
    write(tmp_path, moody.url, f"rate: 100/s, for: 4s, {abort}", scenario)
    done = seatrial("run")
    assert done.returncode == 0, done.stdout + done.stderr
    assert findings(tmp_path)["quick/rush"]["verdict"] == "PASS"
    assert not events(tmp_path, "LoadAborted")


def test_what_was_never_known_aborts_nothing_and_passes_nothing(seatrial: Run, moody: Moody, tmp_path: Path) -> None:
    moody.silent = True
    abort = "timeout: 9s, abort: [{when: p95 > 1s, after: 1s, for: 1s}]"
    scenario = (
        "throughout: [shoppers]\n    steps: [{pause: 4s, reason: the load runs}]\n    expect: {some: shoppers.due > 10}"
    )
    write(tmp_path, moody.url, f"rate: 20/s, {abort}", scenario)
    assert seatrial("run").returncode == 2
    finding = findings(tmp_path)["quick/shoppers-not-aborted"]
    assert finding["verdict"] == "INCONCLUSIVE"
    assert "never known" in finding["reason"]


# -- baseline

COMPARED = "rate: 100/s, for: 7s, warm-up: 500ms, baseline: {baseline}"
FASTER = (
    "steps: [{load: shoppers}]\n    expect: {as-before: shoppers.change.p50 < 3, errors: shoppers.change.errors < 20%}"
)


def test_a_degradation_since_the_last_good_trial_is_found(seatrial: Run, moody: Moody, tmp_path: Path) -> None:
    moody.slow_s = 0.01
    write(tmp_path, moody.url, COMPARED.format(baseline="last-good"), FASTER)
    first = seatrial("run")
    assert first.returncode == 2, first.stdout + first.stderr
    assert "no earlier GO trial" in findings(tmp_path)["quick/as-before"]["reason"]
    same = seatrial("run")  # the first one lacked nothing but one before it
    assert same.returncode == 0, same.stdout + same.stderr
    moody.slow_s = 0.08
    slower = seatrial("run")
    assert slower.returncode == 1
    finding = findings(tmp_path)["quick/as-before"]
    assert finding["verdict"] == "FAIL"
    low, high = finding["interval"]
    assert 3 < low <= high < 12
    page = (tmp_path / ".seatrial/latest/report.html").read_text()
    assert "compared with" in page
    assert "worse" in page
    seatrial("run")  # the trial that was NO-GO is nobody's baseline
    assert findings(tmp_path)["quick/as-before"]["verdict"] == "FAIL"


def test_a_kept_baseline_is_a_file_beside_the_spec(seatrial: Run, moody: Moody, tmp_path: Path) -> None:
    write(tmp_path, moody.url, COMPARED.format(baseline="kept/shoppers.load"), FASTER)
    done = seatrial("run")
    assert done.returncode == 2
    assert "seatrial baseline keep" in findings(tmp_path)["quick/as-before"]["reason"]
    kept = seatrial("baseline", "keep", "latest", "--to", "kept/shoppers.load")
    assert kept.returncode == 0, kept.stderr
    assert seatrial("run").returncode in (0, 1, 2)
    reason = findings(tmp_path)["quick/errors"]
    assert reason["verdict"] == "PASS", reason
    write(tmp_path, moody.url, COMPARED.format(baseline="kept/shoppers.load").replace("100/s", "50/s"), FASTER)
    assert seatrial("run").returncode == 2
    assert "the baseline was sent" in findings(tmp_path)["quick/as-before"]["reason"]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("keep", "no-such-trial", "--to", "x"), "no trial"),
        (("keep", "latest", "--load", "nobody", "--to", "x"), "loads: shoppers"),
        (("keep", "latest"), "--to"),
    ],
)
def test_mistakes_about_baselines_are_told(
    seatrial: Run, moody: Moody, tmp_path: Path, arguments: tuple[str, ...], words: str
) -> None:
    write(tmp_path, moody.url, "rate: 20/s, for: 1s", "steps: [{load: shoppers}]\n    expect: {some: shoppers.due > 1}")
    seatrial("run")
    done = seatrial("baseline", *arguments)
    assert done.returncode == 3
    assert words in done.stdout + done.stderr
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "x").exists()


# -- capacity


@pytest.fixture
def queue() -> Iterator[Moody]:
    """Serves one request at a time, 5 ms each: at most 200 a second."""
    server = Moody(one_at_a_time=True)
    server.slow_s = 0.005
    yield server
    server.close()


def test_the_capacity_of_a_queue_is_found_on_the_command_line(seatrial: Run, queue: Moody) -> None:
    arguments = ("--capacity", "--while", "p95 < 100ms", "--from", "25/s", "--to", "1600/s", "--for", "3s")
    done = seatrial("load", queue.url, *arguments, "--resolution", "15%", "--expect", "capacity > 20/s", "--json")
    assert done.returncode == 0, done.stdout + done.stderr
    found = json.loads(done.stdout)
    assert 50 <= found["capacity"]["low"] <= 210
    assert found["capacity"]["low"] < found["capacity"]["high"] <= 260
    assert {p["outcome"] for p in found["probes"]} >= {"held", "did not hold"}


def test_the_capacity_of_a_trials_load_is_judged_and_shown(seatrial: Run, queue: Moody, tmp_path: Path) -> None:
    search = "search: {from: 50/s, to: 800/s, while: [p95 < 100ms, served > 50%], for: 3s, resolution: 20%}"
    expect = "{some: shoppers.capacity > 10/s, too-much: shoppers.capacity > 5000/s, at-it: shoppers.p95 < 100ms}"
    write(tmp_path, queue.url, search, f"deadline: 5m\n    steps: [{{load: shoppers}}]\n    expect: {expect}")
    done = seatrial("run")
    assert done.returncode == 1, done.stdout + done.stderr
    found = findings(tmp_path)
    assert [found[f"quick/{n}"]["verdict"] for n in ("some", "too-much", "at-it")] == ["PASS", "FAIL", "PASS"]
    low, high = found["quick/some"]["interval"]
    assert low <= 210
    assert low < high <= 280
    probes = events(tmp_path, "LoadProbed")
    assert len(probes) >= 4
    page = (tmp_path / ".seatrial/latest/report.html").read_text()
    assert '<svg class="points"' in page
    assert "did not hold" in page
    assert "did not hold" in done.stdout


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--capacity",), "--while"),
        (("--capacity", "--while", "p95 < 1"), "write 1ms"),
        (("--capacity", "--while", "p95 < 1s", "--rate", "5/s"), "looks for the rate itself"),
        (("--capacity", "--while", "p95 < 1s", "--from", "9/s", "--to", "5/s"), "less than --to"),
        (("--while", "p95 < 1s"), "--while goes with --capacity"),
        (("--from", "5/s"), "--from goes with --capacity"),
        (("--to", "5/s"), "--to goes with --capacity"),
        (("--resolution", "1%"), "--resolution goes with --capacity"),
    ],
)
def test_mistakes_about_a_search_are_told(seatrial: Run, arguments: tuple[str, ...], words: str) -> None:
    done = seatrial("load", "http://127.0.0.1:1", *arguments)
    assert done.returncode == 3
    assert words in done.stderr
    assert "Traceback" not in done.stderr


def test_a_server_that_is_not_there_has_no_capacity(seatrial: Run) -> None:
    address = f"http://127.0.0.1:{free_port()}"
    done = seatrial("load", address, "--capacity", "--while", "p95 < 1s", "--for", "1s", "--expect", "capacity > 1/s")
    assert done.returncode in (1, 2)
    assert "it never held" in done.stdout


# -- connections that are not accepted

LISTENER = """\
import socket, sys, time
listening = socket.create_server(("127.0.0.1", int(sys.argv[1])), backlog=1000)
clients = [socket.create_connection(("127.0.0.1", int(sys.argv[1]))) for _ in range(20)]
time.sleep(60)
"""


def test_a_server_that_does_not_accept_has_a_backlog(seatrial: Run, tmp_path: Path) -> None:
    (tmp_path / "listener.py").write_text(LISTENER)
    (tmp_path / "seatrial.yaml").write_text(
        """\
seatrial: 1
name: stuck
stack: {services: {web: {command: "PYTHON listener.py {{ instance.port.http }}", ports: auto, ready: {tcp: ""}}}}
requirements: {R-1: its pool is not exhausted}
scenarios:
  pool:
    covers: [R-1]
    steps: [{pause: 3s, reason: it is looked at}]
    expect: {accepted: usage.web.backlog < 5, many: usage.web.connections >= 20, few: usage.web.connections < 1000}
""".replace("PYTHON", sys.executable)
    )
    done = seatrial("run")
    assert done.returncode == 1, done.stdout + done.stderr
    found = findings(tmp_path)
    assert [found[f"pool/{n}"]["verdict"] for n in ("accepted", "many", "few")] == ["FAIL", "PASS", "PASS"]
    assert int(found["pool/accepted"]["measured"].rpartition(" ")[2]) >= 20
    assert '"backlog":{"web"' in (tmp_path / ".seatrial/latest/report.html").read_text()
