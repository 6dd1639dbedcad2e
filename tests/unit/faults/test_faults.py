"""The faults against real processes on the local platform, and what their witnesses say."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from seatrial.core import faults as core_faults
from seatrial.core.errors import NotExercised
from seatrial.core.expressions import Scope, compile_expression
from seatrial.core.faults import Fault, FaultOrder
from seatrial.core.observations import Observation, Reach, target_error, value
from seatrial.core.plan import CheckPlan, ProbeCall
from seatrial.core.stack import Instance, InstanceState, ServicePlan, StackPlan
from seatrial.core.templates import Template
from seatrial.core.vocabulary import load
from seatrial.faults import FAULTS
from seatrial.keeper import KeeperClient
from seatrial.platforms import KINDS
from seatrial.platforms.local import LocalPlatform

HERE = Path(__file__).parent
PROCESS = ("kill", "stop", "pause", "restart")  # what can be done to a process
INSTANCE_FAULTS = [name for name, kind in FAULTS.items() if kind.capability in PROCESS]


def fault(name: str, hold_ns: int | None = None) -> Fault:
    """A fault, made as the engine makes it."""
    made: Fault = load(FAULTS[name].make)(FaultOrder(hold_ns=hold_ns, arguments={}))
    return made


class Accepts:
    """A prober whose only check is a connection that answers."""

    async def attempt(self, check: CheckPlan, reach: Reach, timeout_ns: int):
        return (seen := await self._look(reach, timeout_ns)), compile_expression(
            "ok == true", Scope(open=True)
        ).evaluate(seen.values)

    @staticmethod
    async def _look(reach: Reach, timeout_ns: int) -> Observation:
        endpoint = next(iter(reach.endpoints.values()))
        try:
            async with asyncio.timeout(timeout_ns / 1e9):
                reader, writer = await asyncio.open_connection(endpoint.host, endpoint.port)
                writer.write(b"GET / HTTP/1.0\r\n\r\n")
                line = await reader.readline()
                writer.transport.abort()
        except (OSError, TimeoutError) as error:
            return target_error("refused", str(error))
        return value({"ok": b"200" in line})


@dataclass
class Bench:
    platform: LocalPlatform

    async def now(self, name: str) -> Instance:
        return next(i for v in (await self.platform.survey()).values() for i in v.instances if i.name == name)

    async def until(self, holds: Callable[[], Awaitable[bool]], what: str) -> None:
        deadline = time.monotonic() + 10
        while not await holds():
            assert time.monotonic() < deadline, what
            await asyncio.sleep(0.02)

    async def acted(self, fault: Fault, victim: Instance) -> core_faults.Testimony:
        """The testimony, once it is one."""
        found: list[core_faults.Testimony] = []

        async def seen() -> bool:
            found.append(await fault.witness(self.platform, victim))
            return found[-1].acted

        await self.until(seen, "the witness sees the fault")
        return found[-1]

    async def ready(self, name: str) -> Instance:
        async def holds() -> bool:
            return (await self.now(name)).ready

        await self.until(holds, f"{name} is ready")
        return await self.now(name)


@pytest.fixture
async def bench(tmp_path: Path) -> AsyncIterator[Bench]:
    """Two copies of `web`, and `slow`, which takes half a second to stop."""
    check = CheckPlan(call=ProbeCall(verb="http", what="/"), expect=compile_expression("ok == true", Scope(open=True)))
    services = [
        ServicePlan(
            name=name, kind="process", ready=check,
            arguments={"command": Template.parse(f"python server.py {{{{ instance.port.http }}}} {slow}"), "ports": "auto",
                       "replicas": copies, "environment": {}},
        )
        for name, slow, copies in (("web", 0, 2), ("slow", 0.5, 1))
    ]  # fmt: skip
    keeper = await KeeperClient.launch(tmp_path / "trial")
    platform = LocalPlatform(
        StackPlan(name="bench", platform="local", services={s.name: s for s in services}, directory=HERE),
        directory=tmp_path / "trial",
        supervisor=keeper,
        prober=Accepts(),
        kinds={kind.name: kind for kind in KINDS},
        secrets={}.__getitem__,
        on_secret=lambda _: None,
        owner=keeper.keeper,
    )
    try:
        await platform.up(lambda _: None)
        yield Bench(platform)
    finally:
        await platform.down()
        await keeper.close()


async def test_the_witness_sees_no_fault_that_was_not_injected(bench):
    victim = await bench.now("web#1")
    for name in INSTANCE_FAULTS:
        testimony = await fault(name).witness(bench.platform, victim)
        assert not testimony.acted, name
        assert "is there" in testimony.detail
        assert "accepts connections" in testimony.detail


async def test_kill_is_a_crash_that_the_restart_policy_answers(bench):
    victim, kill = await bench.now("web#1"), fault("kill")
    await kill.inject(bench.platform, [victim])
    testimony = await bench.acted(kill, victim)
    assert "is gone" in testimony.detail
    again = await bench.ready("web#1")
    assert again.identity != victim.identity
    assert again.restarts == 1
    assert (await kill.witness(bench.platform, victim)).acted, "a late look still sees another process"
    await kill.heal(bench.platform, [victim])
    assert (await bench.now("web#1")).identity == again.identity


async def test_a_held_victim_stays_down_until_healed(bench):
    victim, kill = await bench.now("web#1"), fault("kill", hold_ns=60_000_000_000)
    await kill.inject(bench.platform, [victim])
    endpoint = victim.endpoints["http"]
    testimony = await bench.acted(kill, victim)
    assert testimony.detail == (
        f"web#1: {victim.identity} is gone; {endpoint.host}:{endpoint.port} refuses connections"
    )
    assert (await bench.now("web#1")).state is InstanceState.DOWN
    assert (await bench.now("web#2")).ready
    await kill.heal(bench.platform, [victim])
    assert (await bench.ready("web#1")).identity != victim.identity


async def test_stop_is_orderly_and_lasts(bench):
    victims, stop = [await bench.now("web#1"), await bench.now("slow#1")], fault("stop")
    await stop.inject(bench.platform, victims)
    for victim in victims:
        assert "refuses" in (await bench.acted(stop, victim)).detail
    await stop.heal(bench.platform, victims)
    for victim in victims:
        assert (await bench.ready(victim.name)).identity != victim.identity


async def test_heal_after_an_injection_that_was_cancelled(bench):
    victims, stop = [await bench.now("slow#1")], fault("stop")
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.05):
            await stop.inject(bench.platform, victims)
    await stop.heal(bench.platform, victims)

    async def came_back() -> bool:
        now = await bench.now("slow#1")
        return now.ready and now.identity != victims[0].identity

    await bench.until(came_back, "the stop that went on is undone")


async def test_pause_keeps_the_process_and_ends_its_answers(bench):
    victim, pause = await bench.now("web#2"), fault("pause")
    await pause.inject(bench.platform, [victim])
    assert "is stopped" in (await bench.acted(pause, victim)).detail
    assert (await bench.now("web#2")).state is InstanceState.PAUSED
    await pause.heal(bench.platform, [victim])
    again = await bench.ready("web#2")
    assert again.identity == victim.identity
    assert not (await pause.witness(bench.platform, victim)).acted


async def test_restart_ends_with_another_process_also_of_what_stops_slowly(bench):
    victims, restart = [await bench.now("web#1"), await bench.now("web#2"), await bench.now("slow#1")], fault("restart")
    await restart.inject(bench.platform, victims)
    for victim in victims:
        await bench.acted(restart, victim)
        assert (await bench.ready(victim.name)).identity != victim.identity


async def test_a_platform_without_the_capability_is_not_exercised(bench):
    class Bare:
        name = "bare"
        capabilities: frozenset[str] = frozenset()

    victim = await bench.now("web#1")
    for name in INSTANCE_FAULTS:
        with pytest.raises(NotExercised, match="bare"):
            await fault(name).inject(Bare(), [victim])
        with pytest.raises(NotExercised, match="no witness"):
            await fault(name).witness(Bare(), victim)


async def test_healing_a_fault_leaves_the_pause_of_another(bench):
    victim, kill, pause = await bench.now("web#1"), fault("kill"), fault("pause")
    await kill.inject(bench.platform, [victim])
    again = await bench.ready("web#1")
    await pause.inject(bench.platform, [again])
    await kill.heal(bench.platform, [victim])
    assert (await pause.witness(bench.platform, again)).acted
    await pause.heal(bench.platform, [again])
    assert (await bench.ready("web#1")).identity == again.identity


def test_a_fault_that_hits_both_has_words_for_each() -> None:
    link, instance = (FAULTS["partition"].hitting(link=there) for there in (True, False))
    assert link is not None
    assert instance is not None
    assert (link.capability, instance.capability) == ("link", "network")
    assert {*instance.arguments} == {"direction", "peers"}
    assert FAULTS["cut"].hitting(link=False) is None
    assert FAULTS["kill"].hitting(link=True) is None
    assert instance.lacking("local") == (
        "platform local cannot impair the network of an instance: where instances have none of their own, hit a link (at: web -> postgres)"
    )
    assert FAULTS["kill"].lacking("remote") == "platform remote cannot kill"
