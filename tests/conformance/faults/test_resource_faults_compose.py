"""The faults of resources on containers: the same promises as on local processes, and within limits that a container has."""

from __future__ import annotations

import asyncio
import json
import os
import time
import urllib.error
import urllib.request
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import faults_support
import pytest
import pytest_asyncio
from faults_support import LIBRARY

from seatrial.core import cgroups
from seatrial.core import faults as core_faults
from seatrial.core.compose import ComposeProject
from seatrial.core.errors import NotExercised
from seatrial.core.expressions import Scope, compile_expression
from seatrial.core.faults import Fault, FaultOrder
from seatrial.core.plan import CheckPlan, ProbeCall
from seatrial.core.stack import Instance, ServicePlan, StackPlan
from seatrial.core.templates import Template
from seatrial.core.vocabulary import load
from seatrial.faults import FAULTS
from seatrial.platforms.compose.platform import ComposePlatform

HERE = Path(__file__).parent
pytestmark = [
    pytest.mark.docker,
    pytest.mark.asyncio(loop_scope="module"),
    pytest.mark.skipif(os.geteuid() != 0, reason="root is needed to reach into containers"),
]
WITHIN_S = 40.0
MIB = 1 << 20
ARGUMENTS: dict[str, dict[str, object]] = {
    "cpu-pressure": {"cores": 1.5},
    "memory-pressure": {"size": 64 * MIB},
    "cpu-limit": {"cores": 0.2},
    "memory-limit": {"size": 64 * MIB},
    "pids-limit": {"count": 3},
    "descriptors-limit": {"count": 20},
    "disk-full": {"path": "/small"},
    "clock-offset": {"offset": 3600 * 10**9},
}
# What each does to who asks for it: a request, and what is true of the answer while it acts, and is not else.
FELT: dict[str, tuple[str, Any]] = {
    "cpu-limit": ("/spin", lambda status, told: told > 0.3),
    "memory-limit": ("/grow?mib=80", lambda status, told: status == 0),
    "pids-limit": ("/spawn", lambda status, told: status == 500),
    "descriptors-limit": ("/open?count=30", lambda status, told: status == 500),
    "disk-full": ("/write?path=/small", lambda status, told: status == 500),
}


def service(**options: object) -> dict[str, Any]:
    """The worker in a container."""
    return {
        "image": "debian:bookworm",
        "command": ["perl", "/faults/worker.pl", "8000"],
        "volumes": [f"{HERE}:/faults:ro", *([f"{LIBRARY}:/libfaketime.so.1:ro"] if LIBRARY else [])],
        "ports": ["127.0.0.1::8000"],
        "restart": "always",
        "tmpfs": ["/small:size=1m"],
        "x-seatrial": {"endpoints": {"http": 8000}},
        **options,
    }


FAKED = {
    "LD_PRELOAD": "/libfaketime.so.1",
    "FAKETIME_TIMESTAMP_FILE": "/tmp/offset",
    "FAKETIME_NO_CACHE": "1",
    "FAKETIME_DONT_FAKE_MONOTONIC": "1",
}
SERVICES = {
    "web": service(environment=FAKED if LIBRARY else {}),
    "tight": service(mem_limit="96m", memswap_limit="96m", cpus=0.5, pids_limit=50),
}


@dataclass
class Bench:
    platform: ComposePlatform

    def fault(self, name: str, **arguments: object) -> Fault:
        made: Fault = load(FAULTS[name].make)(FaultOrder(hold_ns=None, arguments=arguments or ARGUMENTS.get(name, {})))
        return made

    async def ready(self, name: str = "web#1", *, other_than: str | None = None) -> Instance:
        deadline = time.monotonic() + WITHIN_S
        while True:
            views = await self.platform.survey()
            now = next(i for v in views.values() for i in v.instances if i.name == name)
            if now.ready and now.identity is not None and now.identity != other_than:
                return now
            assert time.monotonic() < deadline, now.detail
            await asyncio.sleep(0.02)

    async def acted(self, fault: Fault, victim: Instance) -> core_faults.Testimony:
        return await faults_support.acted(fault, self.platform, victim, within_s=WITHIN_S)

    async def ask(self, victim: Instance, path: str) -> tuple[int, Any]:
        url = f"{victim.endpoints['http'].url}{path}"

        def asked() -> tuple[int, Any]:
            try:
                with urllib.request.urlopen(url, timeout=60) as answer:
                    return answer.status, json.load(answer)
            except urllib.error.HTTPError as error:
                with error:
                    return error.code, error.read().decode()
            except OSError as error:
                return 0, str(error)

        return await asyncio.to_thread(asked)

    async def host(self, victim: Instance) -> dict[str, Any]:
        """What the engine holds it to."""
        container = self.platform.fleet.get(victim)
        return dict((await self.platform.engine.get(f"/containers/{container.id}/json"))["HostConfig"])

    async def held(self, victim: Instance) -> tuple[object, ...]:
        """What the kernel holds it to, and what that is taken for."""
        leader = await self.platform.leader(victim)
        limits = {"cpu": cgroups.cpu_limit, "memory": cgroups.memory_limit, "pids": cgroups.pids_limit}
        groups = {name: cgroups.group_of(leader.pid, name) for name in limits}
        found = [read(group) for name, read in limits.items() if (group := groups[name]) is not None]
        return (*found, (await self.platform.actual(victim)).limits)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def bench(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Bench]:
    directory = tmp_path_factory.mktemp("limits") / "trial"
    directory.mkdir()
    file = directory / "compose.yaml"
    file.write_text(json.dumps({"services": SERVICES}))
    answers = compile_expression("status == 200", Scope(open=True))
    check = CheckPlan(call=ProbeCall(verb="http", what=Template.parse("GET /")), expect=answers)
    stack = StackPlan(
        name="climits",
        platform="compose",
        services={n: ServicePlan(name=n, kind="process", arguments={}, ready=check) for n in SERVICES},
        directory=HERE,
        compose=ComposeProject(files=(file,), directory=HERE),
    )
    async with faults_support.brought_up(stack, directory) as (platform, _):
        yield Bench(platform)


@pytest.mark.parametrize("name", ARGUMENTS)
async def test_it_is_seen_and_felt_from_when_it_is_injected_until_it_is_healed(bench: Bench, name: str) -> None:
    if name == "clock-offset" and not LIBRARY:
        pytest.skip("libfaketime is not here (SEATRIAL_LIBFAKETIME says where it is)")
    victim, made = await bench.ready(), bench.fault(name)
    before, (path, felt) = await bench.host(victim), FELT.get(name, ("/", None))
    held = await bench.held(victim)
    assert not (await made.witness(bench.platform, victim)).acted
    await made.inject(bench.platform, [victim])
    try:
        testimony = await bench.acted(made, victim)
        assert testimony.detail.startswith("web#1: ")
        if felt is not None:
            answers = [await bench.ask(victim, path) for _ in range(3 if name == "pids-limit" else 1)]
            assert felt(*answers[-1]), answers
    finally:
        await made.heal(bench.platform, [victim])
    after = await bench.ready(other_than=victim.identity if name == "memory-limit" else None)
    assert not (await made.witness(bench.platform, after)).acted
    if felt is not None and name != "cpu-limit":  # a busy machine is slow, too
        assert not felt(*await bench.ask(after, path))
    assert (after.identity == victim.identity) is (name != "memory-limit")
    assert await bench.held(after) == held, (
        "what the kernel holds it to, and what the engine is taken to say, is as it was"
    )
    changed = {k: v for k, v in (await bench.host(after)).items() if before[k] != v}
    assert set(changed) <= {"Memory", "MemorySwap", "CpuPeriod", "CpuQuota", "PidsLimit"}
    assert changed.get("CpuQuota", -1) == -1
    assert changed.get("PidsLimit", 0) <= 0


async def test_the_engine_says_that_it_was_killed_for_want_of_memory(bench: Bench) -> None:
    victim, made = await bench.ready(), bench.fault("oom")
    told: list[str] = []

    async def follow() -> None:
        async for instance in bench.platform.changes():
            told.append(instance.detail)  # noqa: PERF401 - one by one, as they come

    following = asyncio.create_task(follow())
    await made.inject(bench.platform, [victim])
    assert "its first process is" in (await bench.acted(made, victim)).detail
    again = await bench.ready(other_than=victim.identity)
    following.cancel()
    assert any("out of memory" in detail for detail in told), told
    assert (await bench.ask(again, "/grow?mib=64"))[0] == 200, "the limit is lifted"
    await made.heal(bench.platform, [victim])


async def test_a_crash_loop_goes_on_over_the_engine_s_restarts(bench: Bench) -> None:
    victim, made = await bench.ready("tight#1"), bench.fault("crash-loop")
    await made.inject(bench.platform, [victim])
    assert "one after the other" in (await bench.acted(made, victim)).detail
    await made.heal(bench.platform, [victim])
    await bench.ready("tight#1", other_than=victim.identity)


async def test_a_limit_that_the_project_has_is_what_it_was(bench: Bench) -> None:
    victim = await bench.ready("tight#1")
    before = await bench.host(victim)
    for name, tighter, looser in (
        ("cpu-limit", {"cores": 0.1}, {"cores": 1.0}),
        ("memory-limit", {"size": 64 * MIB}, {"size": 128 * MIB}),
        ("pids-limit", {"count": 10}, {"count": 60}),
    ):
        with pytest.raises(NotExercised, match="would change nothing"):
            await bench.fault(name, **looser).inject(bench.platform, [victim])
        made, again = bench.fault(name, **tighter), bench.fault(name, **tighter)
        await made.inject(bench.platform, [victim])
        await bench.acted(made, victim)
        with pytest.raises(NotExercised, match="heal that one first"):
            await again.inject(bench.platform, [victim])
        await made.heal(bench.platform, [victim])
        assert not (await made.witness(bench.platform, victim)).acted
    assert await bench.host(victim) == before


async def test_pressure_is_within_the_limits_of_the_container(bench: Bench) -> None:
    victim = await bench.ready("tight#1")
    memory, cpu = bench.fault("memory-pressure", leave=16 * MIB), bench.fault("cpu-pressure", share=2.0)
    for made in (memory, cpu):
        await made.inject(bench.platform, [victim])
    try:
        assert "of its control group is left" in (await bench.acted(memory, victim)).detail
        await bench.acted(cpu, victim)
        _, took = await bench.ask(victim, "/spin")
        assert took > 0.25, "others have the half processor, too"
    finally:
        for made in (cpu, memory):
            await made.heal(bench.platform, [victim])
    with pytest.raises(NotExercised, match="always stay: size: 1 GiB is too much"):
        await bench.fault("memory-pressure", size=1 << 30).inject(bench.platform, [victim])


async def test_a_disk_of_many_is_never_filled(bench: Bench) -> None:
    victim = await bench.ready()
    with pytest.raises(NotExercised, match="which others may use"):
        await bench.fault("disk-full", path="/var/lib").inject(bench.platform, [victim])
