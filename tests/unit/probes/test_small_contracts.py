"""The small probes: tcp, dns, command, log, process, services."""

from __future__ import annotations

import asyncio
import json
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest

from seatrial.core.errors import PlatformError
from seatrial.core.observations import Seen
from seatrial.core.quantities import Dimension, Quantity
from seatrial.core.shapes import ShapeKind
from seatrial.core.stack import Instance, InstanceState
from seatrial.core.vocabulary import load
from seatrial.probes import VERBS

ONE = Instance(
    name="web#1", service="web", ordinal=1, state=InstanceState.RUNNING, ready=True, endpoints={}, identity="a",
    restarts=0, since_ns=0,
)  # fmt: skip
TWO = replace(ONE, name="web#2", ordinal=2, state=InstanceState.STARTING, ready=False, restarts=3)


def test_every_verb_says_what_it_is():
    assert set(VERBS) >= {
        "http", "tcp", "dns", "sql", "redis", "celery", "process", "services", "log", "command",
    }  # fmt: skip
    for name, verb in VERBS.items():
        assert verb.name == name
        assert verb.doc
        assert verb.example
        assert verb.observes
        assert callable(load(verb.run))
    assert VERBS["tcp"].what.kind is ShapeKind.TEXT


async def test_tcp(kit, serve, closed_port):
    port = await serve(kit.Web())
    seen = await kit.observe("tcp", "", port)
    assert seen.values["accepted"] is True
    assert seen.values["latency"].dimension is Dimension.DURATION
    refused = await kit.observe("tcp", "", closed_port)
    assert (refused.seen, refused.error) == (Seen.TARGET_ERROR, "refused")
    assert (await kit.observe("tcp", "")).error == "absent"


async def test_dns_asks_where_the_target_runs(kit):
    seen = await kit.observe("dns", "localhost")
    assert set(seen.values["addresses"]) & {"127.0.0.1", "::1"}
    unknown = await kit.observe("dns", "no-such-name.invalid")
    assert (unknown.seen, unknown.error) == (Seen.TARGET_ERROR, "name")
    assert (await kit.observe("dns", "localhost", around=kit.Around(executes=False))).seen is not Seen.TARGET_ERROR


async def test_dns_without_a_target_asks_from_here(kit):
    seen = await kit.observe("dns", "localhost", target="", around=kit.Around(executes=False))
    assert seen.values["addresses"]
    assert (await kit.observe("dns", "no-such-name.invalid", target="")).error == "name"


async def test_command_here_an_exit_status_is_a_value(kit, tmp_path):
    program = "import os,sys; print(open('here.json').read()); print('oh', file=sys.stderr); sys.exit(3)"
    (tmp_path / "here.json").write_text(json.dumps({"a": 1}))
    seen = await kit.observe("command", f'python -c "{program}"', target="", directory=str(tmp_path))
    assert seen.seen is Seen.VALUE
    assert seen.values["exit"] == 3
    assert seen.values["json"] == {"a": 1}
    assert seen.values["stderr"] == "oh\n"


async def test_command_finds_the_programs_of_this_environment_first(kit):
    seen = await kit.observe("command", 'python -c "import sys; print(sys.prefix)"', target="")
    assert seen.values["stdout"].strip() == sys.prefix


async def test_command_here_is_owned_before_it_acts(kit, tmp_path):
    class Reluctant(kit.Around):
        async def own(self, pid: int, purpose: str) -> None:
            raise PlatformError("no keeper")

    made = tmp_path / "made"
    with pytest.raises(PlatformError):  # the prober makes it "could not look"
        await kit.observe("command", f"touch {made}", target="", around=Reluctant())
    assert not made.exists()
    around = kit.Around()
    seen = await kit.observe("command", "sh -c 'echo $$'", target="", around=around)
    assert [int(seen.values["stdout"])] == around.owned


@pytest.mark.parametrize("what", ["no-such-program-anywhere", "/no/such/program", "{}/text"])
async def test_command_here_without_a_program_is_ours(kit, tmp_path, what):
    what = what.format(tmp_path)
    (tmp_path / "text").write_text("no program")
    seen = await kit.observe("command", what, target="")
    assert (seen.seen, seen.error) == (Seen.PROBE_ERROR, "no-program")


async def test_command_there_gets_its_stdin(kit):
    assert (await kit.observe("command", "cat", stdin="said")).values["stdout"] == "said"
    assert (await kit.observe("command", "cat", stdin="here", target="")).values["stdout"] == "here"
    nobody = await kit.observe("command", "cat", around=kit.Around(executes=False))
    assert nobody.seen is Seen.PROBE_ERROR


@pytest.mark.parametrize("what", ["no-such-program-here", "'", ""])
async def test_a_command_that_is_none_is_ours(kit, what):
    assert (await kit.observe("command", what, target="")).seen is Seen.PROBE_ERROR


def _alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


async def test_a_command_ends_with_its_time_and_with_its_children(kit, tmp_path):
    script = f"sleep 100 & echo $! > {tmp_path}/child; echo begun; sleep 100"
    seen = await kit.observe("command", ["sh", "-c", script], target="", timeout_s=0.5)
    assert (seen.seen, seen.error) == (Seen.TARGET_ERROR, "timeout")
    assert "begun" in str(seen.record["stdout"])
    child = int((tmp_path / "child").read_text())
    deadline = time.monotonic() + 5
    while _alive(child):
        assert time.monotonic() < deadline, "the child outlived the command"
        await asyncio.sleep(0.01)


async def test_log_counts_lines_since_the_mark(kit, tmp_path):
    log = tmp_path / "web.log"
    log.write_text("ERROR before\nERROR one\nfine\nERROR known\n\xff panic\n", encoding="latin-1")
    around = kit.Around(files={"web#1": log, "web#2": tmp_path / "none.log"}, marks={"web#1": len("ERROR before\n")})
    seen = await kit.observe("log", "ERROR|panic", around=around, ignore=["known"])
    assert seen.values["count"] == 2
    assert any("ERROR one" in line for line in seen.values["lines"])
    assert (await kit.observe("log", "ERROR", around=around, since="start")).values["count"] == 3
    unmarked = kit.Around(files={"web#1": log})
    assert (await kit.observe("log", "ERROR", around=unmarked)).values["count"] == 3
    assert VERBS["log"].check_what("(") is not None


async def test_log_leaves_out_what_is_explained(kit, tmp_path):
    log, early, fault = tmp_path / "web.log", "ERROR starting\n", "ERROR while it was broken\nfine\n"
    log.write_text(f"{early}ERROR one\n{fault}ERROR two\n")
    begin = len(early) + len("ERROR one\n")
    explained = {"web#1": [(0, len(early)), (begin, begin + len(fault))]}
    around = kit.Around(files={"web#1": log}, explained=explained)
    seen = await kit.observe("log", "ERROR", around=around, since="start", unexplained=True)
    assert seen.values["lines"] == ["web#1: ERROR one", "web#1: ERROR two"]
    assert (await kit.observe("log", "ERROR", around=around, since="start")).values["count"] == 4


async def test_process(kit):
    seen = await kit.observe("process", "instances", instances=[ONE, TWO])
    counts = {n: seen.values[n] for n in ("wanted", "running", "ready", "restarts", "restarting")}
    assert counts == {"wanted": 2, "running": 1, "ready": 1, "restarts": 3, "restarting": 1}
    used = await kit.observe("process", "usage", instances=[ONE])
    assert used.values["memory"] == Quantity(4096, Dimension.SIZE)
    assert used.values["threads"] == 2


async def test_services(kit):
    seen = await kit.observe("services", "all", target="", instances=[ONE, TWO])
    assert seen.values["missing"] == ["web#2"]
    assert seen.values["expected"] == 2
    assert seen.values["running"] == seen.values["ready"] == 1
