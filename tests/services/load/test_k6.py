"""How a k6 script is run: with a stand-in for the processes, and with k6 itself where it is on PATH."""

from __future__ import annotations

import asyncio
import os
import re
import shutil
import signal
import sys
from pathlib import Path

import pytest
from tool_support import SECOND, counting, figures, ran, started, until

from seatrial.core import procfs
from seatrial.core.errors import NotExercised
from seatrial.core.expressions import Missing
from seatrial.core.load_plans import ToolPlan
from seatrial.core.quantities import Quantity

# Takes k6's options and writes what k6 would: points for so many requests a second, a summary, and its exit status.
STAND_IN = """\
#!{python}
import datetime, json, os, signal, sys, time, urllib.request
arguments = sys.argv[1:]
assert arguments.pop(0) == "run", arguments
given = dict(a[2:].split("=", 1) for a in arguments if a.startswith("--") and "=" in a)
pairs = dict(zip(arguments, arguments[1:]))
out = open(pairs["--out"].removeprefix("json="), "w", buffering=1)
told = json.load(open(arguments[-1]))
base, stopped = os.environ["BASE_URL"], []
assert os.environ["HOST"] == base.partition("://")[2]
assert os.environ.get("TOKEN", "") == told.get("token", "")
assert told.get("token", "-") not in arguments
signal.signal(signal.SIGINT, (lambda *_: None) if told.get("deaf") else (lambda *_: stopped.append(1)))

def point(metric, value, **tags):
    now = datetime.datetime.now(datetime.UTC).isoformat().replace("+00:00", "Z")
    out.write(json.dumps({"metric": metric, "type": "Point", "data": {"time": now, "value": value, "tags": tags}}) + "\\n")

if told.get("broken"):
    sys.stderr.write('time="2026-08-21T10:00:02Z" level=error msg="ReferenceError: x is not defined at file:///script.js:3:1(1)"\\n')
    sys.exit(107)
end = time.monotonic() + int(pairs["--duration"].removesuffix("ms")) / 1000 if "--duration" in pairs else 1e12
point("vus", told.get("vus", int(pairs.get("--vus", 1))))
point("dropped_iterations", told.get("dropped", 0))
while time.monotonic() < end and not stopped:
    for path in told["paths"]:
        began = time.perf_counter()
        try:
            status = urllib.request.urlopen(base + path).status
        except urllib.error.HTTPError as error:
            status = error.code
        took = (time.perf_counter() - began) * 1000
        point("http_req_duration", took, method="GET", name=base + path, status=str(status), expected_response=str(status < 400).lower())
    point("iterations", 1)
    point("checks", told.get("checks", 1))
    point("data_received", 100)
    time.sleep(0.02)
crossed = told.get("crossed", False)
json.dump({"metrics": {"http_req_duration": {"thresholds": {"p(95)<500": crossed}}}}, open(pairs["--summary-export"], "w"))
print("the summary")
if crossed:
    sys.stderr.write('time="2026-08-21T10:00:02Z" level=error msg="thresholds on metrics http_req_duration have been crossed"\\n')
sys.exit(105 if stopped else 99 if crossed else told.get("exit", 0))
"""


@pytest.fixture
def stand_in(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Something called k6 on PATH."""
    program = tmp_path / "bin" / "k6"
    program.parent.mkdir()
    program.write_text(STAND_IN.replace("{python}", sys.executable))
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{program.parent}:{os.environ['PATH']}")


def script(directory: Path, text: str = '{"paths": ["/", "/ok"]}', **more: object) -> ToolPlan:
    (directory / "script.js").write_text(text)
    return ToolPlan(name="k6", file="script.js", **more)  # type: ignore[arg-type]


@pytest.mark.usefixtures("stand_in")
async def test_its_points_are_counted_live(tmp_path: Path) -> None:
    text = '{"paths": ["/", "/broken"], "token": "tok-123", "checks": 0, "crossed": true}'
    tool = script(tmp_path, text, environment={"TOKEN": "tok-123"}, arguments=("--tag", "x=y"))
    with counting() as server:
        running = await started(tmp_path, server.url, tool, users=3, for_ns=2 * SECOND)
        await until(lambda: running.live().ok > 0 and running.live().failed > 0)
        await running.ended()
        sealed = await running.stop()
    found = figures(running)
    assert (sealed.valid, sealed.note) == (True, "")
    assert found.metrics["ok"] == server.counts["GET /"] > 10
    assert found.metrics["failed"] == server.counts["GET /broken"]
    assert found.detail["errors"] == {"status-5xx": server.counts["GET /broken"]}
    assert found.detail["iterations"] == found.detail["checks_failed"] == server.counts["GET /"]
    assert found.detail["invalid"] == ""
    tags = found.metrics["tag"]
    assert isinstance(tags, dict)
    assert tags.keys() == {"GET /", "GET /broken"}
    p95 = tags["GET /"]["p95"]
    assert isinstance(p95, Quantity)
    assert 0 < p95.value < SECOND
    own = running.own()
    assert (own.passed, own.words) == (False, "thresholds were crossed: http_req_duration: p(95)<500 (exit status 99)")
    assert found.metrics["own"] == 0
    assert own.files == ("samples/old-k6-summary.json", "samples/old-k6.log", "samples/old-k6.txt")
    assert (tmp_path / "samples/old-k6.txt").read_text() == "the summary\n"


@pytest.mark.usefixtures("stand_in")
@pytest.mark.parametrize(("crossed", "passed"), [("false", True), ("true", False)])
async def test_stopped_on_the_way_its_summary_tells_what_became_of_the_thresholds(
    tmp_path: Path, crossed: str, passed: bool
) -> None:
    tool = script(tmp_path, f'{{"paths": ["/"], "crossed": {crossed}}}')
    with counting() as server:
        running = await started(tmp_path, server.url, tool)
        await until(lambda: running.live().ok > 5)
        sealed = await running.stop()
    assert sealed.valid
    assert running.own().passed is passed
    assert figures(running).metrics["ok"] == server.counts.total()


@pytest.mark.usefixtures("stand_in")
async def test_deaf_to_the_signal_it_is_killed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In this process: nobody has to wait as long as a real k6 may take to end."""
    monkeypatch.setattr("seatrial.load.k6_tool.STOP_S", 0.5)
    from seatrial.api.tools import configuration
    from seatrial.core.load_plans import LoadPlan
    from seatrial.core.workloads import RenderedRequest
    from seatrial.load.k6_tool import K6

    tool = script(tmp_path, '{"paths": ["/"], "deaf": true}')
    with counting() as server:
        plan = LoadPlan(name="old", tool=tool, directory=tmp_path, timeout_ns=SECOND, connections=1)
        request = RenderedRequest(urls=(server.url,), arguments={"arguments": [], "environment": {}})
        config = configuration(plan, tool, request, tmp_path / "samples/old.load")
        run, orders = K6(config), asyncio.StreamReader()
        running = asyncio.create_task(run.run(orders))
        await until(lambda: server.counts.total() > 5)
        orders.feed_eof()
        await running
    assert run._child is not None
    assert run._child.returncode == -signal.SIGKILL
    run._child._transport.close()  # type: ignore[attr-defined] # else the loop's end warns of it


@pytest.mark.usefixtures("stand_in")
async def test_when_its_generator_is_killed_it_ends_too(tmp_path: Path) -> None:
    tool, pids = script(tmp_path), list[int]()

    async def adopt(pid: int) -> None:
        pids.append(pid)

    with counting() as server:
        running = await started(tmp_path, server.url, tool, adopt)
        await until(lambda: running.live().ok > 5)
        (child,) = procfs.children(pids[0])
        os.kill(pids[0], signal.SIGKILL)
        await running.ended()
        sealed = await running.stop()
        await until(lambda: (stat := procfs.read_stat(child)) is None or stat.dead)
    assert not sealed.valid
    assert "died" in sealed.note
    assert sealed.rows > 0
    assert figures(running).detail["invalid"] == "its generator died"


@pytest.mark.usefixtures("stand_in")
@pytest.mark.parametrize(
    ("text", "passed", "words", "invalid"),
    [
        ('{"paths": ["/"]}', True, "k6 ended with 0; 1 thresholds held", ""),
        ('{"broken": true}', None, "k6 ended with 107: ReferenceError: x is not defined at file:///script.js:3:1(1)", "k6 broke off"),
        ('{"paths": []}', None, "no request of it was seen", "k6 broke off|^$"),
        ('{"paths": ["/"], "dropped": 1000}', True, "k6 ended with 0", "k6 dropped 1,000 of 1,0.. iterations"),
        ('{"paths": ["/"], "vus": 1}', True, "k6 ended with 0", "only 1 of 2 users were reached"),
        ('{"paths": ["/"], "exit": 110}', False, "it was marked as failed (exit status 110)", ""),
    ],
)  # fmt: skip
async def test_what_it_thinks_and_whether_that_can_be_trusted(
    tmp_path: Path, text: str, passed: bool | None, words: str, invalid: str
) -> None:
    tool = script(tmp_path, text)
    with counting() as server:
        running = await ran(tmp_path, server.url, tool, users=2, for_ns=SECOND)
        await running.stop()
    own, found = running.own(), figures(running)
    assert (own.passed, words in own.words) == (passed, True), own.words
    assert re.search(invalid or "^$", str(found.detail["invalid"])), found.detail["invalid"]
    assert isinstance(found.metrics["p95"], Missing) is (bool(invalid) or passed is None)


async def test_without_it_nothing_is_exercised(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(NotExercised, match="k6 is not on PATH"):
        await started(tmp_path, "http://127.0.0.1:1", script(tmp_path))


REAL = """
import http from 'k6/http';
export const options = { vus: 2, duration: '2s', thresholds: { http_req_failed: ['rate<0.01'] } };
export default function () { http.get(`${__ENV.BASE_URL}/`); }
"""


@pytest.mark.skipif(shutil.which("k6") is None, reason="k6 is not on PATH: its own binary was NOT exercised")
async def test_k6_itself(tmp_path: Path) -> None:
    with counting() as server:
        running = await ran(tmp_path, server.url, script(tmp_path, REAL))
        await running.stop()
    assert running.own().passed is True
    assert figures(running).metrics["ok"] == server.counts.total() > 10
