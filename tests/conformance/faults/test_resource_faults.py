"""What every fault of resources keeps to, on a real stack: felt by the service, seen while it acts and not else, and undone."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import tempfile
import threading
import time
import urllib.error
import urllib.request
from collections.abc import AsyncIterator, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import faults_support
import pytest
import pytest_asyncio
from faults_support import LIBRARY, Liar, faking, grouping, groups_of_ours, may_mount, mounting, open_files

from seatrial.api.vocabulary import vocabulary
from seatrial.core import faults as core_faults
from seatrial.core import procfs
from seatrial.core.errors import NotExercised, PlatformError
from seatrial.core.faults import Fault, FaultOrder
from seatrial.core.plan import FaultStep
from seatrial.core.processes import ProcessId
from seatrial.core.stack import Instance, StackPlan
from seatrial.core.vocabulary import load
from seatrial.faults import FAULTS
from seatrial.faults.of_resources import RESOURCE_FAULTS
from seatrial.keeper import KeeperClient
from seatrial.platforms.local import LocalPlatform
from seatrial.spec import compile_spec

HERE = Path(__file__).parent
pytestmark = [pytest.mark.stack, pytest.mark.asyncio(loop_scope="module")]
WITHIN_S = 30.0
MIB = 1 << 20


EXAMPLES = {
    "cpu-pressure": "cores: 1.5",
    "memory-pressure": "size: 96 MiB",
    "cpu-limit": "cores: 0.2",
    "memory-limit": "size: 96 MiB",
    "pids-limit": "count: 3",
    "descriptors-limit": "count: 40",
    "disk-full": "path: DISK",
    "oom": "",
    "crash-loop": "times: 3",
}
NEED_GROUPS = ("cpu-limit", "memory-limit", "pids-limit", "oom")
LASTING = [n for n in EXAMPLES if n not in ("oom", "crash-loop")]
SPEC = """\
seatrial: 1
stack:
  services:
    web: {{command: "python worker.py {{{{ instance.port.http }}}}", directory: {here}, ports: auto, replicas: 4}}
    timed:
      command: "python worker.py {{{{ instance.port.http }}}}"
      directory: {here}
      ports: auto
      environment:
        LD_PRELOAD: "{library}"
        FAKETIME_TIMESTAMP_FILE: "{disk}.time"
        FAKETIME_NO_CACHE: "1"
        FAKETIME_DONT_FAKE_MONOTONIC: "1"
scenarios:
  all:
    steps:
"""


def marked(names: list[str]) -> list[Any]:
    """Those that need rights are skipped without them."""
    needs = {**{n: [grouping] for n in NEED_GROUPS}, "disk-full": [mounting]}
    return [pytest.param(n, marks=needs.get(n, [])) for n in names]


def compiled(disk: Path) -> tuple[StackPlan, Mapping[str, FaultStep]]:
    """A stack, and the faults as the compiler makes them."""
    steps = [f"fault: {n}, at: web#1{', ' * bool(t)}{t.replace('DISK', str(disk))}" for n, t in EXAMPLES.items()]
    text = SPEC.format(here=HERE, disk=disk, library=LIBRARY) + "".join(
        f"      - {{{s}, id: f{n}}}\n" for n, s in enumerate(steps)
    )
    with tempfile.TemporaryDirectory() as directory:
        file = Path(directory) / "seatrial.yaml"
        file.write_text(text)
        plan = compile_spec(file, vocabulary(), environment={})
    found = [s for s in plan.scenarios[0].steps if isinstance(s, FaultStep)]
    return plan.stack, dict(zip(EXAMPLES, found, strict=True))


@dataclass
class Bench:
    platform: LocalPlatform
    keeper: KeeperClient
    steps: Mapping[str, FaultStep]
    disk: Path

    def fault(self, name: str, **arguments: object) -> Fault:
        """As the engine makes it."""
        return faults_support.made(self.steps[name], **arguments)

    async def now(self, name: str = "web#1") -> Instance:
        views = await self.platform.survey()
        return next(i for v in views.values() for i in v.instances if i.name == name)

    async def ready(self, name: str = "web#1") -> Instance:
        deadline = time.monotonic() + WITHIN_S
        while not (now := await self.now(name)).ready:
            assert time.monotonic() < deadline, now.detail
            await asyncio.sleep(0.02)
        return now

    async def another(self, victim: Instance) -> Instance:
        """What came in its place."""
        deadline = time.monotonic() + WITHIN_S
        while (now := await self.now(victim.name)).identity == victim.identity or not now.ready:
            assert time.monotonic() < deadline, now.detail
            await asyncio.sleep(0.02)
        return now

    async def leader(self, victim: Instance) -> ProcessId:
        found = await self.platform.leader(victim)
        assert found is not None
        return found

    async def acted(self, fault: Fault, victim: Instance) -> core_faults.Testimony:
        return await faults_support.acted(fault, self.platform, victim, within_s=WITHIN_S)

    async def ask(self, victim: Instance, path: str) -> tuple[int, Any]:
        """What the service says; status 0 for no answer."""
        url = f"{victim.endpoints['http'].url}{path}"

        def asked() -> tuple[int, Any]:
            try:
                with urllib.request.urlopen(url, timeout=20) as answer:
                    return answer.status, json.load(answer)
            except urllib.error.HTTPError as error:
                with error:
                    return error.code, json.load(error)
            except OSError as error:
                return 0, str(error)

        return await asyncio.to_thread(asked)

    async def fresh(self, name: str = "web#1") -> Instance:
        """Started anew, so that nothing of an earlier test is in it."""
        victim = await self.now(name)
        await self.platform.kill(victim, None)
        await self.platform.release(victim)
        return await self.ready(name)


@pytest.fixture(scope="module")
def disk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A small file system of its own, where one may be mounted; a directory else."""
    directory = tmp_path_factory.mktemp("disk")
    mounted = may_mount()
    if mounted:
        subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "seatrial-test", directory], check=True)
    yield directory
    if mounted:
        subprocess.run(["umount", directory], check=True)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def bench(tmp_path_factory: pytest.TempPathFactory, disk: Path) -> AsyncIterator[Bench]:
    directory = tmp_path_factory.mktemp("resources") / "trial"
    stack, steps = compiled(disk)
    async with faults_support.brought_up(stack, directory) as (platform, keeper):
        yield Bench(platform, keeper, steps, disk)
    assert not groups_of_ours(keeper.keeper), "no control group is left"


async def test_every_fault_of_resources_is_tried() -> None:
    elsewhere = {"clock-offset"}  # below, where libfaketime is
    assert set(EXAMPLES) == {kind.name for kind in RESOURCE_FAULTS} - elsewhere


@pytest.mark.parametrize("name", marked(LASTING))
async def test_it_is_seen_from_when_it_is_injected_until_it_is_healed(bench: Bench, name: str) -> None:
    victim, made = await bench.fresh(), bench.fault(name)
    before = time.monotonic_ns()
    assert not (await made.witness(bench.platform, victim)).acted
    await made.inject(bench.platform, [victim])
    try:
        testimony = await bench.acted(made, victim)
        assert before < testimony.at_ns <= time.monotonic_ns()
        assert testimony.detail.startswith("web#1: ")
    finally:
        await made.heal(bench.platform, [victim])
    testimony = await made.witness(bench.platform, victim)
    assert not testimony.acted, testimony.detail
    assert (await bench.now()).identity == victim.identity, "it went through it"
    assert not groups_of_ours(bench.keeper.keeper)


@pytest.mark.parametrize("name", EXAMPLES)
async def test_a_platform_that_only_says_so_is_not_believed(bench: Bench, name: str) -> None:
    victim, liar = await bench.ready(), Liar(bench.platform)
    made = bench.fault(name)
    if name == "oom":
        with pytest.raises((NotExercised, TimeoutError)):
            await asyncio.wait_for(made.inject(liar, [victim]), 0.5)  # no kill is counted
    else:
        await made.inject(liar, [victim])
    try:
        for _ in range(3):
            testimony = await made.witness(liar, victim)
            assert not testimony.acted, testimony.detail
    finally:
        await made.heal(liar, [victim])


@pytest.mark.parametrize("name", EXAMPLES)
async def test_a_platform_without_the_capability_is_not_exercised(bench: Bench, name: str) -> None:
    class Bare:
        name = "bare"
        capabilities: frozenset[str] = frozenset()

    victim, made = await bench.ready(), bench.fault(name)
    with pytest.raises(NotExercised, match="bare cannot"):
        await made.inject(Bare(), [victim])  # type: ignore[arg-type]
    with pytest.raises(NotExercised, match="bare"):
        await made.witness(Bare(), victim)  # type: ignore[arg-type]


@pytest.mark.parametrize("name", marked([n for n in LASTING if n != "disk-full"]))
async def test_an_injection_that_is_cancelled_leaves_nothing_behind(bench: Bench, name: str) -> None:
    victim = await bench.ready()
    for steps in (1, 3, 8, 20):
        made = bench.fault(name)
        injecting = asyncio.create_task(made.inject(bench.platform, [victim]))
        for _ in range(steps):
            # seatrial: allow pause because it is to be cancelled after so long, wherever it is
            await asyncio.sleep(0.001)
        injecting.cancel()
        await asyncio.gather(injecting, return_exceptions=True)
        await made.heal(bench.platform, [victim])
        testimony = await made.witness(bench.platform, victim)
        assert not testimony.acted, (steps, testimony.detail)
        assert not groups_of_ours(bench.keeper.keeper)
    leader = await bench.leader(victim)
    assert open_files(leader) == open_files(procfs.identify(os.getpid()))


async def test_a_crash_loop_ends_when_it_is_healed(bench: Bench) -> None:
    victims, made = [await bench.ready("web#1"), await bench.ready("web#2")], bench.fault("crash-loop", times=None)
    await made.inject(bench.platform, victims)
    for victim in victims:
        assert "others came after it, one after the other" in (await bench.acted(made, victim)).detail
    await made.heal(bench.platform, victims)
    for victim in victims:
        after = await bench.ready(victim.name)
        assert after.identity != victim.identity
        assert after.restarts >= victim.restarts + 2
        assert (await bench.now(victim.name)).identity == after.identity


async def test_a_crash_loop_ends_after_so_many_times(bench: Bench) -> None:
    victim, made = await bench.ready("web#4"), bench.fault("crash-loop")
    await made.inject(bench.platform, [victim])
    await bench.acted(made, victim)
    deadline = time.monotonic() + WITHIN_S
    while (await bench.now("web#4")).restarts < victim.restarts + 3:
        assert time.monotonic() < deadline
        await asyncio.sleep(0.02)
    last = await bench.ready("web#4")
    await made.heal(bench.platform, [victim])
    assert (await bench.now("web#4")).identity == last.identity


async def test_less_time_is_left_beside_other_work(bench: Bench) -> None:
    victim, made = await bench.fresh(), bench.fault("cpu-pressure", share=None, cores=2.0 * (os.cpu_count() or 1))
    await made.inject(bench.platform, [victim])
    try:
        _, took = await bench.ask(victim, "/spin")
        assert took > 0.15, "two others want the same processor"
        assert "its own processes waited" in (await bench.acted(made, victim)).detail
    finally:
        await made.heal(bench.platform, [victim])


@grouping
async def test_a_limit_of_processor_time_is_felt(bench: Bench) -> None:
    victim, made = await bench.fresh(), bench.fault("cpu-limit")
    await made.inject(bench.platform, [victim])
    try:
        _, took = await bench.ask(victim, "/spin")
        assert took > 0.3, "a tenth of a second at a fifth of a processor"
        deadline = time.monotonic() + WITHIN_S  # on a busy machine it may get no more than that anyway
        while (await bench.acted(made, victim)).detail.endswith("stopped for it 0 times so far"):
            assert time.monotonic() < deadline
            await bench.ask(victim, "/spin")
    finally:
        await made.heal(bench.platform, [victim])


@grouping
async def test_who_wants_more_memory_than_its_limit_is_killed_and_so_is_what_comes_after_it(bench: Bench) -> None:
    victim, made = await bench.fresh(), bench.fault("memory-limit")
    await made.inject(bench.platform, [victim])
    try:
        assert (await bench.ask(victim, "/grow?mib=20"))[0] == 200
        assert (await bench.ask(victim, "/grow?mib=100"))[0] == 0
        again = await bench.another(victim)
        assert (await bench.acted(made, victim)).acted, "the limit outlives the process"
        assert (await bench.ask(again, "/grow?mib=20"))[0] == 200
        assert (await bench.ask(again, "/grow?mib=100"))[0] == 0
        last = await bench.another(again)
    finally:
        await made.heal(bench.platform, [victim])
    assert (await bench.ask(last, "/grow?mib=120"))[0] == 200
    assert not groups_of_ours(bench.keeper.keeper)


@grouping
async def test_no_thread_beyond_the_limit(bench: Bench) -> None:
    victim, made = await bench.fresh(), bench.fault("pids-limit")
    await made.inject(bench.platform, [victim])
    try:
        statuses = [(await bench.ask(victim, "/spawn"))[0] for _ in range(4)]
        assert statuses == [200, 200, 500, 500]
        assert "2 were refused" in (await bench.acted(made, victim)).detail
    finally:
        await made.heal(bench.platform, [victim])
    assert (await bench.ask(victim, "/spawn"))[0] == 200


async def test_no_descriptor_beyond_the_limit(bench: Bench) -> None:
    victim, made = await bench.fresh(), bench.fault("descriptors-limit")
    await made.inject(bench.platform, [victim])
    try:
        assert (await bench.ask(victim, "/open?count=20"))[0] == 200
        status, said = await bench.ask(victim, "/open?count=40")
        assert (status, "Too many open files" in said) == (500, True)
    finally:
        await made.heal(bench.platform, [victim])
    assert (await bench.ask(victim, "/open?count=200"))[0] == 200


async def test_a_limit_that_ended_with_its_process_cannot_be_healed(bench: Bench) -> None:
    victim, made = await bench.fresh(), bench.fault("descriptors-limit")
    await made.inject(bench.platform, [victim])
    await bench.fresh()
    with pytest.raises(PlatformError, match="web#1 was started anew meanwhile"):
        await made.heal(bench.platform, [victim])


@mounting
async def test_nothing_can_be_written_to_a_full_disk(bench: Bench) -> None:
    victim, made = await bench.fresh(), bench.fault("disk-full")
    assert (await bench.ask(victim, f"/write?path={bench.disk}"))[0] == 200
    await made.inject(bench.platform, [victim])
    try:
        status, said = await bench.ask(victim, f"/write?path={bench.disk}")
        assert (status, "No space left" in said) == (500, True)
    finally:
        await made.heal(bench.platform, [victim])
    (bench.disk / "written").unlink(missing_ok=True)
    assert (await bench.ask(victim, f"/write?path={bench.disk}"))[0] == 200
    assert not list(bench.disk.iterdir())


@mounting
async def test_a_disk_is_not_filled_any_more_after_that_was_cancelled(bench: Bench) -> None:
    victim, made, turn, asked = await bench.ready(), bench.fault("disk-full"), threading.Event(), asyncio.Event()

    class Slow(ThreadPoolExecutor):
        """Its threads have begun, and get no further for a while."""

        def submit(self, work: Any, *words: Any, **more: Any) -> Any:
            asked.set()
            return super().submit(lambda: (turn.wait(), work(*words, **more))[1])

    loop, pool = asyncio.get_running_loop(), Slow()
    loop.set_default_executor(pool)
    try:
        injecting = asyncio.create_task(made.inject(bench.platform, [victim]))
        await asked.wait()
        injecting.cancel()
        await asyncio.wait({injecting}, timeout=0.5)  # it is over where nobody waits for the thread
        turn.set()
        await asyncio.gather(injecting, return_exceptions=True)
        pool.shutdown()
    finally:
        turn.set()
        loop.set_default_executor(ThreadPoolExecutor())
    await made.heal(bench.platform, [victim])
    assert not list(bench.disk.iterdir())


async def test_a_disk_that_is_not_its_own_is_never_filled(bench: Bench) -> None:
    victim = await bench.ready()
    for path, said in {
        "/": "which others may use",
        "/dev/shm": "the machine's own|cannot be looked at",
        "/nowhere": "cannot be looked at",
    }.items():
        with pytest.raises(NotExercised, match=said):
            await bench.fault("disk-full", path=path).inject(bench.platform, [victim])


@grouping
async def test_the_kernel_kills_it_and_what_comes_back_is_free(bench: Bench) -> None:
    victim, made = await bench.ready("web#3"), bench.fault("oom")
    await made.inject(bench.platform, [victim])
    testimony = await bench.acted(made, victim)
    assert "the kernel killed 1 of its processes" in testimony.detail
    assert not groups_of_ours(bench.keeper.keeper)
    again = await bench.another(victim)
    assert (await bench.ask(again, "/grow?mib=64"))[0] == 200
    await made.heal(bench.platform, [victim])


async def test_the_machine_keeps_enough_memory_for_itself(bench: Bench) -> None:
    victim = await bench.ready()
    size = replace(bench.steps["memory-pressure"].arguments["size"], value=float(1 << 50))
    for arguments in ({"size": size}, {"size": None, "leave": replace(size, value=0.0)}):
        with pytest.raises(NotExercised, match=r"of which .* always stay"):
            await bench.fault("memory-pressure", **arguments).inject(bench.platform, [victim])


async def test_pressure_that_somebody_ended_is_not_healed(bench: Bench) -> None:
    victim, made = await bench.ready(), bench.fault("cpu-pressure")
    await made.inject(bench.platform, [victim])
    presser = bench.platform.presser(made.numbers["web#1"])  # type: ignore[attr-defined]
    assert presser is not None
    os.kill(presser.pid, 9)
    deadline = time.monotonic() + WITHIN_S
    while procfs.is_alive(presser):
        assert time.monotonic() < deadline
        await asyncio.sleep(0.01)
    assert not (await made.witness(bench.platform, victim)).acted
    with pytest.raises(PlatformError, match="had ended by itself"):
        await made.heal(bench.platform, [victim])


async def test_who_is_not_started_with_libfaketime_has_the_right_time(bench: Bench) -> None:
    victim = await bench.ready()
    made: Fault = load(FAULTS["clock-offset"].make)(FaultOrder(hold_ns=None, arguments={"offset": 60_000_000_000}))
    with pytest.raises(NotExercised, match="FAKETIME_TIMESTAMP_FILE with the path of a file of its own"):
        await made.inject(bench.platform, [victim])
    testimony = await made.witness(bench.platform, victim)
    assert not testimony.acted
    assert testimony.witness == "the Date of its answers"


@faking
@pytest.mark.parametrize("former", [None, "-30\n"])
async def test_who_is_has_the_wrong_time_until_it_is_healed(bench: Bench, former: str | None) -> None:
    victim, file = await bench.ready("timed#1"), Path(f"{bench.disk}.time")
    file.unlink(missing_ok=True)
    if former is not None:
        file.write_text(former)
    made: Fault = load(FAULTS["clock-offset"].make)(FaultOrder(hold_ns=None, arguments={"offset": -3600 * 10**9}))
    assert not (await made.witness(bench.platform, victim)).acted
    await made.inject(bench.platform, [victim])
    testimony = await bench.acted(made, victim)
    assert "behind" in testimony.detail
    await made.heal(bench.platform, [victim])
    assert (file.read_text() if file.exists() else None) == former
    testimony = await made.witness(bench.platform, victim)
    assert not testimony.acted, testimony.detail
    assert ("30" if former else "0") in testimony.detail.split("its clock is ")[1]
    assert (await bench.now("timed#1")).identity == victim.identity
