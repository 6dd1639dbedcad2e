"""What every platform must do, and what those with a capability must."""

from __future__ import annotations

import asyncio
import statistics
import time

import pytest

from seatrial.core.errors import PlatformError
from seatrial.core.links import HasLinks
from seatrial.core.networks import CanSoundNetworks
from seatrial.core.platforms import (
    SHARED,
    CanConstrain,
    CanExecute,
    CanImpairNetworks,
    CanKill,
    CanLocate,
    CanMeasure,
    CanPause,
    CanReadLogs,
    CanRelease,
    CanStop,
    CanWitness,
    Platform,
)
from seatrial.core.stack import Instance, InstanceState

PROTOCOLS = {
    "start": (CanRelease,),
    "kill": (CanKill, CanRelease, CanWitness),
    "stop": (CanStop, CanRelease, CanWitness),
    "pause": (CanPause, CanRelease, CanWitness),
    "restart": (CanStop, CanRelease, CanWitness),
    "execute": (CanExecute,),
    "usage": (CanMeasure,),
    "logs": (CanReadLogs,),
    "link": (HasLinks,),
    "constrain": (CanConstrain, CanLocate),
    "network": (CanImpairNetworks, CanSoundNetworks),
    "disconnect": (CanImpairNetworks,),
}


def needs(harness, capability: str) -> Platform:
    if capability not in harness.platform.capabilities:
        missing = PROTOCOLS[capability][0]
        assert not isinstance(harness.platform, missing)
        pytest.skip(f"platform {harness.platform.name} cannot {capability}")
    return harness.platform


def test_declared_capabilities_are_exactly_the_protocols_it_implements(harness):
    declared = harness.platform.capabilities
    assert declared <= PROTOCOLS.keys()
    promised = {protocol for capability in declared for protocol in PROTOCOLS[capability]}
    every = {protocol for protocols in PROTOCOLS.values() for protocol in protocols}
    assert {p for p in every if isinstance(harness.platform, p)} == promised


async def test_up_makes_everything_ready(harness):
    await harness.up()
    views = await harness.platform.survey()
    assert {name: view.wanted for name, view in views.items()} == {"web": 2, "front": 1}
    for view in views.values():
        assert [i.name for i in view.instances] == [f"{view.name}#{n}" for n in range(1, view.wanted + 1)]
        for instance in view.instances:
            assert (instance.state, instance.ready, instance.service) == (InstanceState.RUNNING, True, view.name)
            endpoint = instance.endpoints["http"]
            _, writer = await asyncio.open_connection(endpoint.host, endpoint.port)
            writer.close()


async def test_up_says_what_it_does(harness):
    await harness.up()
    assert {p.subject for p in harness.progress if p.state == "ready"} & {"web", "web#1"}
    assert {p.subject.partition("#")[0] for p in harness.progress} - SHARED == {"web", "front"}


async def test_changes_tell_of_readiness(harness):
    ready: set[str] = set()

    async def listen() -> None:
        async for instance in changes:
            if instance.ready:
                ready.add(instance.name)

    changes = harness.platform.changes()
    listener = asyncio.create_task(listen())
    await harness.up()
    await harness.platform.down()
    await asyncio.wait_for(listener, 5)
    assert ready == {"web#1", "web#2", "front#1"}


async def test_survey_takes_milliseconds(harness):
    await harness.up()
    times = []
    for _ in range(30):
        began = time.perf_counter()
        await harness.platform.survey()
        times.append(time.perf_counter() - began)
    assert statistics.median(times) < 0.02


async def test_an_unready_service_is_named_with_what_was_waited_for_and_seen(harness):
    broken = await harness.broken()
    with pytest.raises(PlatformError) as error:
        await broken.up(lambda _: None)
    text = str(error.value)
    assert "web#1" in text
    assert "waited for: http GET /ready expect status == 200" in text
    assert "last seen: http://127.0.0.1:" in text


async def test_down_leaves_nothing(harness):
    await harness.up()
    views = await harness.platform.survey()
    residue = await harness.platform.down()
    assert not residue, residue
    assert await harness.platform.down() == residue  # whoever makes sure may ask again
    if "stop" in harness.platform.capabilities:
        for instance in (i for view in views.values() for i in view.instances):
            endpoint = instance.endpoints["http"]
            with pytest.raises(ConnectionRefusedError):
                await asyncio.open_connection(endpoint.host, endpoint.port)


async def test_a_killed_instance_is_another_process_afterwards(harness):
    platform = needs(harness, "kill")
    await harness.up()
    before = await harness.instance("web#1")
    assert (await platform.look(before)).alive
    await platform.kill(before, 0)
    after = await harness.becomes("web#1", lambda i: i.ready and i.identity != before.identity, "ready again")
    assert after.restarts == before.restarts + 1
    sighting = await platform.look(before)
    assert sighting.alive
    assert sighting.identity == after.identity != before.identity
    assert "has gone" in sighting.detail
    assert (await harness.instance("web#2")).restarts == 0


async def test_a_held_instance_stays_down_until_it_is_released(harness):
    platform = needs(harness, "kill")
    await harness.up()
    before = await harness.instance("web#1")
    await platform.kill(before, None)
    held = await harness.instance("web#1")
    assert (held.state, held.ready, held.identity) == (InstanceState.DOWN, False, None)
    assert "held" in held.detail
    sighting = await platform.look(before)
    assert (sighting.alive, sighting.identity, sighting.accepts) == (False, None, False)
    await platform.release(held)
    await harness.becomes("web#1", lambda i: i.ready, "ready after its release")


async def test_a_hold_ends_by_itself(harness):
    platform = needs(harness, "kill")
    await harness.up()
    began = time.monotonic_ns()
    await platform.kill(await harness.instance("web#1"), 600_000_000)
    assert (await harness.instance("web#1")).state is InstanceState.DOWN
    after = await harness.becomes("web#1", lambda i: i.ready, "ready after its hold")
    assert after.since_ns - began >= 600_000_000


async def test_a_paused_instance_accepts_and_does_not_answer(harness):
    platform = needs(harness, "pause")
    await harness.up()
    before = await harness.instance("web#1")
    await platform.pause(before)
    paused = await harness.instance("web#1")
    assert (paused.state, paused.ready) == (InstanceState.PAUSED, False)
    sighting = await platform.look(before)
    assert (sighting.alive, sighting.stopped, sighting.accepts) == (True, True, True)
    assert not sighting.answers  # where that is asked for
    assert "state TT" in sighting.detail or "frozen" in sighting.detail  # its child, too
    endpoint = before.endpoints["http"]
    reader, writer = await asyncio.open_connection(endpoint.host, endpoint.port)
    writer.write(b"GET /pid HTTP/1.0\r\n\r\n")
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(reader.read(), 0.3)
    await platform.release(paused)
    assert (await asyncio.wait_for(reader.read(), 5)).startswith(b"HTTP/1.0 200")
    writer.close()
    after = await harness.becomes("web#1", lambda i: i.ready, "ready after its release")
    assert (after.identity, after.restarts) == (before.identity, before.restarts)


async def test_a_stopped_instance_is_down_until_released(harness):
    platform = needs(harness, "stop")
    await harness.up()
    before = await harness.instance("front#1")
    await platform.stop(before, None)
    stopped = await harness.instance("front#1")
    assert stopped.state is InstanceState.DOWN
    assert not (await platform.look(before)).alive
    await platform.release(stopped)
    await harness.becomes("front#1", lambda i: i.ready, "ready after its release")


async def test_changes_tell_of_an_end_and_of_the_next_start(harness):
    platform = needs(harness, "kill")
    await harness.up()
    seen: list[Instance] = []
    changes = platform.changes()
    await platform.kill(await harness.instance("web#2"), 200_000_000)
    async with asyncio.timeout(10):
        async for instance in changes:
            seen.append(instance)
            if instance.ready:
                break
    states = [instance.state for instance in seen]
    assert states[0] is InstanceState.DOWN
    assert states[-2:] == [InstanceState.STARTING, InstanceState.RUNNING]
    assert {instance.name for instance in seen} == {"web#2"}


async def test_commands_run_where_the_service_runs(harness):
    platform = needs(harness, "execute")
    await harness.up()
    instance = await harness.instance("web#1")
    script = 'echo "$WHO" "$(pwd)" "$(cat)"'
    result = await platform.execute(instance, ["sh", "-c", script], 10_000_000_000, stdin="told")
    assert result.exit_status == 0, result.stderr
    who, directory, told = result.stdout.split()
    assert (who, told) == (harness.who(instance), "told")
    assert directory.endswith("conformance/platforms")


async def test_usage_is_that_of_all_processes(harness):
    platform = needs(harness, "usage")
    await harness.up()
    usage = await platform.usage(await harness.instance("web#1"))
    assert usage.processes == 2  # it has a child
    assert usage.threads >= 2
    assert usage.descriptors >= 4
    assert 0 < usage.cpu_seconds < 10
    assert 2 << 20 < usage.memory_bytes < 500 << 20


async def test_logs_hold_what_was_said(harness):
    platform = needs(harness, "logs")
    await harness.up()
    instance = await harness.instance("web#2")
    assert (
        f"shop listens on {harness.port(instance)} as {harness.who(instance)}"
        in platform.log_file(instance).read_text()
    )
