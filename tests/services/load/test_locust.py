"""Locust files as they are: real Locust, a real server, and whether what we counted is what both counted."""

from __future__ import annotations

import csv
import json
import os
import re
import signal
import textwrap
from importlib.util import find_spec
from pathlib import Path

import pytest
from tool_support import SECOND, counting, figures, ran, started, until

from seatrial.core import procfs
from seatrial.core.errors import SeatrialError
from seatrial.core.expressions import Missing
from seatrial.core.intervals import Interval
from seatrial.core.load_plans import ToolPlan
from seatrial.core.quantities import Quantity

pytestmark = pytest.mark.skipif(
    find_spec("locust") is None, reason="Locust is not installed: pip install seatrial[locust]"
)
GRACEFUL = ("--stop-timeout", "5s")  # what is in flight at the end is finished, so that all counts are the same

SHOP = """
    import os
    from locust import FastHttpUser, HttpUser, constant, events, tag, task

    class Normal(HttpUser):
        weight = 3
        wait_time = constant(0.02)

        @tag("browse")
        @task(3)
        def home(self):
            self.client.get("/", headers={"X-Token": os.environ.get("TOKEN", "")})

        @tag("browse")
        @task
        def checked(self):
            with self.client.get("/checked", catch_response=True) as answer:
                if answer.text == "ok":
                    answer.failure("not what was wanted")

        @tag("secret")
        @task
        def never(self):
            self.client.get("/never")

    class Admin(FastHttpUser):
        wait_time = constant(0.02)

        @tag("browse")
        @task
        def report(self):
            self.client.post("/report", name="the report")

        @tag("browse")
        @task
        def broken(self):
            self.client.get("/broken")

    class Unwanted(HttpUser):
        @tag("browse")
        @task
        def unwanted(self):
            self.client.get("/unwanted")
"""
ONE = """
    import logging, sys
    from locust import HttpUser, LoadTestShape, constant, events, task

    class One(HttpUser):
        wait_time = constant(0.02)

        @task
        def ask(self):
            {ask}

    {more}
"""


def locustfile(directory: Path, ask: str = 'self.client.get("/")', more: str = "", text: str = ONE) -> ToolPlan:
    body = textwrap.dedent(text).replace("{ask}", ask).replace("{more}", textwrap.dedent(more))
    (directory / "locustfile.py").write_text(body)
    return ToolPlan(name="locust", file="locustfile.py", arguments=GRACEFUL, spawn_rate=50.0)


async def test_what_is_counted_is_what_locust_and_the_server_counted(tmp_path: Path) -> None:
    locustfile(tmp_path, text=SHOP)
    tool = ToolPlan(
        name="locust",
        file="locustfile.py",
        arguments=GRACEFUL,
        environment={"TOKEN": "tok-123"},
        spawn_rate=20.0,
        classes=("Normal", "Admin"),
        tags=("browse",),
        skip_tags=("secret",),
    )
    with counting() as server:
        running = await started(tmp_path, server.url, tool, users=8, for_ns=3 * SECOND)
        await until(lambda: running.live().ok > 0 and running.live().failed > 0)
        assert running.live().p95_ns
        await running.ended()
        sealed = await running.stop()
    assert sealed.valid
    found = figures(running)
    metrics = found.metrics
    assert server.counts.keys() == {"GET /", "GET /checked", "POST /report", "GET /broken"}
    said = json.loads((tmp_path / "samples/old-locust.json").read_text())
    rows = {f"{r['method']} {r['name']}".replace("the report", "/report"): r for r in said}
    assert {name: r["num_requests"] for name, r in rows.items()} == server.counts
    failures = sum(r["num_failures"] for r in said)
    assert metrics["failed"] == failures == server.counts["GET /checked"] + server.counts["GET /broken"]
    assert metrics["ok"] == server.counts.total() - failures
    assert metrics["due"] == server.counts.total()
    with (tmp_path / "samples/old-locust_stats.csv").open() as file:
        total = list(csv.DictReader(file))[-1]
    assert (
        0 < int(total["Request Count"]) <= server.counts.total()
    )  # without its last second: it is written once a second
    assert found.detail["errors"] == {
        "script": server.counts["GET /checked"],
        "status-5xx": server.counts["GET /broken"],
    }
    tags = metrics["tag"]
    assert isinstance(tags, dict)
    assert tags.keys() == {"GET /", "GET /checked", "POST the report", "GET /broken"}
    longest = tags["GET /"]["max"]
    assert isinstance(longest, Quantity)
    assert longest.value / 1e6 == pytest.approx(rows["GET /"]["max_response_time"], rel=0.001)
    errors = metrics["errors"]
    assert isinstance(errors, Interval)
    assert errors.point == pytest.approx(failures / server.counts.total())
    assert "tok-123" in server.headers
    own = running.own()
    assert own.passed is False
    assert re.match(rf"{failures} requests failed \(exit status 1\): ", own.words)
    assert metrics["own"] == 0
    assert {f"samples/old-locust{x}" for x in (".html", ".json", "_stats.csv", "_failures.csv")} <= set(own.files)


async def test_a_shape_decides_how_many_users_there_are(tmp_path: Path) -> None:
    shape = """
    class Stairs(LoadTestShape):
        def tick(self):
            at = self.get_run_time()
            return (3, 10) if at < 1 else (6, 10) if at < 3 else None
    """
    tool = locustfile(tmp_path, more=shape)
    with counting() as server:
        running = await ran(tmp_path, server.url, tool)
        await running.stop()
    own, metrics = running.own(), figures(running).metrics
    assert (own.passed, own.words) == (True, "Locust ended with 0")
    assert metrics["own"] == 1
    assert metrics["ok"] == server.counts.total() > 20
    assert isinstance(metrics["p95"], Quantity)


@pytest.mark.parametrize(
    ("ask", "more", "passed", "words"),
    [
        (
            'self.client.get("/")',
            """
            @events.quitting.add_listener
            def judge(environment, **_):
                if environment.stats.total.num_requests > 1:
                    logging.error("Test failed: too many requests")
                    environment.process_exit_code = 3
            """,
            False,
            "its own code set the exit status 3: Test failed: too many requests",
        ),
        (
            'self.client.get("/missing")',
            """
            @events.quitting.add_listener
            def judge(environment, **_):
                environment.process_exit_code = 0
            """,
            True,
            "Locust ended with 0",
        ),
        ('assert self.client.get("/").text == "no"', "", False, "assertions failed (exit status 1): locustfile.py:10: AssertionError"),
        ('self.client.get("/").json()["id"]', "", None, "Locust ended with 1: locustfile.py:10: JSONDecodeError"),
        ("pass", "", None, "no request of it was seen"),
    ],
)  # fmt: skip
async def test_its_own_verdict_counts(tmp_path: Path, ask: str, more: str, passed: bool | None, words: str) -> None:
    tool = locustfile(tmp_path, ask, more)
    with counting() as server:
        running = await ran(tmp_path, server.url, tool, users=2, for_ns=SECOND)
        await running.stop()
    own = running.own()
    assert (own.passed, words in own.words) == (passed, True), own.words
    value = figures(running).metrics["own"]
    assert isinstance(value, Missing) if passed is None else value == passed


async def test_stopped_on_the_way_it_still_judges_itself(tmp_path: Path) -> None:
    tool = locustfile(tmp_path)
    with counting() as server:
        running = await started(tmp_path, server.url, tool, users=2)
        await until(lambda: running.live().ok > 10)
        assert running.own().passed is None
        sealed = await running.stop()
    assert (sealed.valid, sealed.note) == (True, "")
    assert running.own().passed is True
    assert figures(running).metrics["ok"] == server.counts.total()
    assert (tmp_path / "samples/old-locust.html").exists()


async def test_a_shape_that_goes_on_ends_when_its_time_is_over(tmp_path: Path) -> None:
    tool = locustfile(tmp_path, more="class On(LoadTestShape):\n    def tick(self):\n        return (2, 10)\n")
    with counting() as server:
        running = await ran(tmp_path, server.url, tool, for_ns=SECOND)
        await running.stop()
    assert running.own().passed is True
    assert server.counts.total() > 10


async def test_killed_on_the_way_it_leaves_what_it_had(tmp_path: Path) -> None:
    tool, pids = locustfile(tmp_path), list[int]()

    async def adopt(pid: int) -> None:
        pids.append(pid)

    with counting() as server:
        running = await started(tmp_path, server.url, tool, adopt, users=2)
        await until(lambda: running.live().ok > 10)
        os.kill(pids[0], signal.SIGKILL)
        await running.ended()
        sealed = await running.stop()
    assert not sealed.valid
    assert "died" in sealed.note
    assert sealed.rows > 0
    found = figures(running)
    assert found.detail["invalid"] == "its generator died"
    assert isinstance(found.metrics["ok"], Interval)  # so many at least
    assert 0 < found.metrics["ok"].low <= server.counts.total()
    assert isinstance(found.metrics["p95"], Missing)
    assert running.own().passed is None
    assert procfs.read_stat(pids[0]) is None


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("from locust import HttpUser\nimport nothing_there\n", "locustfile.py:2: ModuleNotFoundError: No module named 'nothing_there'"),
        ("from locust import HttpUser\n\ndef broken(:\n", "locustfile.py:3: SyntaxError: invalid syntax"),
        ("import helper_of_it\n", "helper_of_it.py:1: ZeroDivisionError"),
        ("import sys\nsys.exit(3)\n", "locustfile.py:2: SystemExit: 3"),
        ("x = 1\n", "No User class found!"),
    ],
)  # fmt: skip
async def test_a_file_that_cannot_be_run_is_told_with_its_line(tmp_path: Path, text: str, words: str) -> None:
    (tmp_path / "helper_of_it.py").write_text("1 / 0\n")
    (tmp_path / "locustfile.py").write_text(text)
    with pytest.raises(SeatrialError, match=re.escape(words)):
        await started(tmp_path, "http://127.0.0.1:1", ToolPlan(name="locust", file="locustfile.py"))


@pytest.mark.parametrize(
    ("tool", "words"),
    [
        (ToolPlan(name="locust", file="locustfile.py", classes=("Two",)), "Unknown User(s): Two"),
        (ToolPlan(name="locust", file="locustfile.py", arguments=("--no-such-flag",)), "unrecognized arguments: --no-such-flag"),
        (ToolPlan(name="locust", file="locustfile.py", environment={"LOCUST_PROCESSES": "2"}), "configured with processes"),
    ],
)  # fmt: skip
async def test_what_locust_cannot_be_told_is_told_in_its_words(tmp_path: Path, tool: ToolPlan, words: str) -> None:
    locustfile(tmp_path)
    with pytest.raises(SeatrialError, match=re.escape(words)):
        await started(tmp_path, "http://127.0.0.1:1", tool)


async def test_users_who_did_not_come_make_it_invalid(tmp_path: Path) -> None:
    locustfile(tmp_path)
    tool = ToolPlan(name="locust", file="locustfile.py", arguments=GRACEFUL, spawn_rate=2.0)
    with counting() as server:
        running = await ran(tmp_path, server.url, tool, users=50, for_ns=2 * SECOND)
        await running.stop()
    found = figures(running)
    assert re.match(r"only \d of 50 users were reached", str(found.detail["invalid"]))
    assert isinstance(found.metrics["p95"], Missing)
    assert isinstance(found.metrics["ok"], Interval)
    assert found.metrics["ok"].low == server.counts.total()


@pytest.mark.parametrize("user", ["HttpUser", "FastHttpUser"])
async def test_a_server_that_is_not_there_is_refused(tmp_path: Path, user: str) -> None:
    tool = locustfile(tmp_path, text=ONE.replace("HttpUser", user))
    with counting() as server:
        url = server.url
    running = await ran(tmp_path, url, tool, users=2, for_ns=SECOND)
    await running.stop()
    found = figures(running)
    assert found.detail["errors"] == {"refused": found.metrics["failed"]}
    assert running.own().passed is False
