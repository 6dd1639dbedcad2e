"""What holds for every verb: its descriptor, and how it takes a target that is down, silent, or out of its mind."""

from __future__ import annotations

import asyncio
import gc
import subprocess
import sys
import textwrap
import time
from dataclasses import replace
from pathlib import Path

import pytest
from probe_support import Nowhere, Server, aimed, misfits, observe, request

from seatrial.api.vocabulary import vocabulary
from seatrial.core.expressions import Scope, compile_expression
from seatrial.core.observations import Seen
from seatrial.core.shapes import ShapeKind
from seatrial.core.stack import Instance, InstanceState
from seatrial.core.vocabulary import Verb
from seatrial.probes import VERBS, prepare
from seatrial.spec.single import compile_check

TALKING = ("http", "split", "tcp", "sql", "redis", "celery", "dns")
LIBRARIES = {"sql": "psycopg", "redis": "redis", "celery": "celery", "dns": "dns", "compare": "pyarrow"}
SLACK_S = 1.0

every_verb = pytest.mark.parametrize("verb", VERBS.values(), ids=VERBS)
every_talking_one = pytest.mark.parametrize("verb", TALKING)


# -- descriptors


@every_verb
def test_a_verb_says_what_it_does_and_how_it_is_written(verb: Verb) -> None:
    assert verb.doc.endswith(".")
    assert verb.example
    assert verb.observes
    assert all(field.doc or field.shape.doc for field in verb.arguments.values())


@every_verb
def test_the_example_of_a_verb_compiles(verb: Verb) -> None:
    first = next(name for name, kind in verb.observes.items() if kind.kind.name != "RECORD")
    at = None if not verb.needs_target or "at:" in verb.example else "web"
    expect = None if verb.default_expect or "expect:" in verb.example else f"{first} != null"
    check = compile_check(verb.example, vocabulary(), environment={}, at=at, expect=expect)
    assert check.call.verb == verb.name


@every_verb
def test_the_default_expectation_uses_what_is_observed(verb: Verb) -> None:
    if verb.default_expect is not None:
        compile_expression(verb.default_expect, Scope(names=verb.observes))


def test_descriptors_come_without_any_client_library() -> None:
    script = "import sys, seatrial.probes, seatrial.faults; print(*sorted(m for m in sys.modules if '.' not in m))"
    loaded = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout.split()
    assert not {
        "psycopg",
        "redis",
        "celery",
        "kombu",
        "dns",
        "httpx",
        "httptools",
        "numpy",
        "pyarrow",
        "sqlalchemy",
    } & set(loaded)


# -- targets in every state


@every_talking_one
async def test_a_target_that_is_down_is_the_targets_error(verb: str, closed_port: int) -> None:
    seen = await observe(verb, aimed(verb, closed_port, 2))
    assert seen.seen is Seen.TARGET_ERROR
    assert seen.error in ({"refused", "timeout"} if verb == "dns" else {"refused"})
    assert seen.record
    assert str(closed_port) in seen.message


@every_talking_one
async def test_a_silent_target_is_a_time_out_within_the_time(verb: str, server) -> None:
    await prepare([verb])
    silent: Server = await server(b"")
    began = time.monotonic()
    seen = await observe(verb, aimed(verb, silent.port, 0.5))
    assert time.monotonic() - began < 0.5 + SLACK_S
    assert (seen.seen, seen.error) == (Seen.TARGET_ERROR, "timeout")


@every_talking_one
async def test_nonsense_is_a_protocol_error(verb: str, server) -> None:
    mad: Server = await server(b"Good morning! What a lovely day it is.\r\n\r\n")
    seen = await observe(verb, aimed(verb, mad.port, 2))
    if verb == "tcp":
        assert "lovely" in str(seen.values["banner"])
        return
    assert seen.seen is Seen.TARGET_ERROR
    assert seen.error in ({"protocol", "timeout"} if verb == "dns" else {"protocol"})


@every_talking_one
async def test_a_cancelled_attempt_leaves_nothing_behind(verb: str, server) -> None:
    await prepare([verb])
    silent: Server = await server(b"")
    attempt = asyncio.create_task(observe(verb, aimed(verb, silent.port, 1)))
    await silent.spoken_to.wait()
    attempt.cancel()
    began = time.monotonic()
    with pytest.raises(asyncio.CancelledError):
        await attempt
    assert time.monotonic() - began < SLACK_S
    # A thread that was given up ends by the time-outs of its sockets.
    async with asyncio.timeout(4):
        await silent.left.wait()
    gc.collect()  # what was not closed would be warned about now


@pytest.mark.parametrize("verb", [v for v in TALKING if VERBS[v].needs_target])
async def test_a_target_without_an_address_is_absent(verb: str) -> None:
    made = aimed(verb, 1, 1)
    seen = await observe(verb, replace(made, reach=replace(made.reach, endpoints={})))
    assert (seen.seen, seen.error) == (Seen.TARGET_ERROR, "absent")


@pytest.mark.parametrize(("verb", "library"), LIBRARIES.items())
def test_without_its_client_library_a_probe_names_the_extra(verb: str, library: str) -> None:
    here = Path(__file__).parent
    script = textwrap.dedent(f"""
        import asyncio, sys
        sys.modules[{library!r}] = None
        sys.path.insert(0, {str(here)!r})
        from probe_support import aimed, observe
        seen = asyncio.run(observe({verb!r}, aimed({verb!r}, 1, 2)))
        print(seen.seen.value, seen.error, seen.message)
    """)
    told = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout
    extra = VERBS[verb].extra or "dns"
    assert told.startswith("probe-error no-client ")
    assert f"pip install 'seatrial[{extra}]'" in told


@pytest.mark.parametrize("verb", ["command", "dns", "log", "process"])
async def test_what_the_platform_cannot_do_is_not_held_against_the_target(verb: str) -> None:
    instance = running("web#1")
    what = {"command": "true", "dns": "web", "log": "ERROR", "process": "usage"}[verb]
    seen = await observe(verb, request(what, target="web#1", instances=[instance], around=Nowhere()))
    assert (seen.seen, seen.error) == (Seen.PROBE_ERROR, "not-exercised")


# -- observations are what the descriptor says


async def test_what_is_observed_is_what_the_descriptor_says(server, tmp_path) -> None:
    """The verbs that need no server of their own kind; sql, redis and celery are seen with real ones in tests/services."""
    good: Server = await server(b'HTTP/1.1 200 OK\r\nContent-Length: 11\r\nX-Instance: a\r\n\r\n{"ok":true}')
    log = tmp_path / "web.log"
    log.write_text("one ERROR\n")
    instances = [running("web#1"), replace(running("web#2"), state=InstanceState.DOWN, ready=False, identity=None)]
    attempts = {
        "http": aimed("http", good.port, 2),
        "tcp": aimed("tcp", good.port, 2),
        "dns": request("localhost"),
        "command": request("echo '{\"a\": 1}'"),
        "process": request("instances", target="web", instances=instances),
        "services": request("all", instances=instances),
        "log": request("ERROR", target="web", around=Nowhere(files={"web#1": log})),
    }
    for verb, made in attempts.items():
        seen = await observe(verb, made)
        assert seen.seen is Seen.VALUE, f"{verb}: {seen.message}"
        assert misfits(verb, seen) == []
        assert seen.message
        assert seen.record
    many = await observe("http", replace(attempts["http"], arguments={"times": 3, "group-by": 'headers["x-instance"]'}))
    assert misfits("http", many) == []
    assert {*many.values, *(await observe("http", attempts["http"])).values} == {*VERBS["http"].observes}


def test_what_a_verb_takes_is_one_of_the_known_shapes() -> None:
    known = {ShapeKind.TEXT, ShapeKind.CHOICE, ShapeKind.UNION, ShapeKind.INTEGER}
    assert {verb.what.kind for verb in VERBS.values()} <= known


def running(name: str) -> Instance:
    """An instance that is up and ready."""
    return Instance(
        name=name,
        service="web",
        ordinal=int(name[-1]),
        state=InstanceState.RUNNING,
        ready=True,
        endpoints={},
        identity="pid 1 started 1",
        restarts=0,
        since_ns=0,
    )
