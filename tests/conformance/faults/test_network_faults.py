"""What every fault at the network of an instance keeps to, on real networks: seen while it acts and not else, and never on its word."""

from __future__ import annotations

import asyncio
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Iterator, Mapping
from pathlib import Path
from typing import Any

import faults_support
import pytest
import pytest_asyncio

from seatrial.api.vocabulary import vocabulary
from seatrial.core import faults as core_faults
from seatrial.core.errors import NotExercised, PlatformError
from seatrial.core.faults import Fault, FaultOrder
from seatrial.core.plan import FaultStep
from seatrial.core.stack import Instance, InstanceState
from seatrial.core.vocabulary import load
from seatrial.faults import FAULTS
from seatrial.faults.of_networks import NAMESAKES
from seatrial.keeper import KeeperClient
from seatrial.platforms.namespaces.networks import Networks
from seatrial.spec import compile_spec

sys.path.insert(0, str(Path(__file__).parents[2] / "services/networks"))
from field import Field
from grounds import Grounds, standing

pytestmark = [pytest.mark.root, pytest.mark.stack, pytest.mark.asyncio(loop_scope="module")]
WITHIN_S = 20.0
# Each fault as its own example has it, but for whom it is kept from, and in its other ways.
STEPS = {
    **{name: kind.example for name, kind in NAMESAKES.items()},
    "dns-failure": FAULTS["dns-failure"].example,
    "partition of all": "{fault: partition, at: web#1}",
    "partition in": "{fault: partition, at: web#1, direction: in}",
    "partition out": "{fault: partition, at: web#1, direction: out, peers: peer}",
    "latency in": "{fault: latency, at: web#1, delay: 20ms, direction: in}",
    "latency of some": "{fault: latency, at: web#1, delay: 30ms, peers: [peer]}",
    "latency of jitter": "{fault: latency, at: web#1, delay: 0s, jitter: 80ms, distribution: pareto}",
    "bandwidth out": "{fault: bandwidth, at: web#1, rate: 1 MiB/s, direction: out}",
    "loss out": "{fault: loss, at: web#1, share: 20%, direction: out}",
    "dns-failure refused": "{fault: dns-failure, at: web#1, how: refuse}",
}
KINDS = [*NAMESAKES, "dns-failure", "partition out"]
SPEC = """\
seatrial: 1
stack: {services: {web: {command: web}, peer: {command: peer}}}
scenarios: {all: {steps: [%s]}}
"""


def compiled() -> Mapping[str, FaultStep]:
    """The faults above, as the compiler makes them."""
    steps = [text.replace("postgres", "peer") for text in STEPS.values()]
    with tempfile.TemporaryDirectory() as directory:
        file = Path(directory) / "seatrial.yaml"
        file.write_text(SPEC % ", ".join(f"{{{s[1:-1]}, id: f{n}}}" for n, s in enumerate(steps)))
        plan = compile_spec(file, vocabulary(), environment={})
    found = [s for s in plan.scenarios[0].steps if isinstance(s, FaultStep)]
    return dict(zip(STEPS, found, strict=True))


FOUND = compiled()


def fault(name: str) -> Fault:
    """As the engine makes it."""
    return faults_support.made(FOUND[name])


class Liar(Field):
    """One that does as it is told in words alone."""

    async def impair_network(self, instance: Instance, kind: str, arguments: Mapping[str, object]) -> int:
        return 1

    async def mend_network(self, instance: Instance, number: int) -> None: ...


@pytest.fixture(scope="module")
def grounds() -> Iterator[Grounds]:
    yield from standing()


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def field(grounds: Grounds, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Field]:
    directory = tmp_path_factory.mktemp("networks") / "trial"
    before = {p.name: p.state() for p in grounds.places.values()}
    async with await KeeperClient.launch(directory) as keeper:
        yield Field(grounds, Networks(keeper, directory=directory, comment="conformance"))
        assert not await keeper.end()
    assert {p.name: p.state() for p in grounds.places.values()} == before


def hit(field: Field, name: str) -> Instance:
    """Bandwidth is for one that is reached by this machine's interfaces alone."""
    return field.instance("plain" if "bandwidth" in name else "web")


async def acted(field: Field, made: Fault, victim: Instance) -> core_faults.Testimony:
    return await faults_support.acted(made, field, victim, within_s=WITHIN_S, pause_s=0)


async def test_every_fault_of_networks_is_tried() -> None:
    of_networks = {k.name for k in FAULTS.values() if k.capability == "network" or k.namesake is not None}
    assert {step.fault for step in FOUND.values()} == of_networks


@pytest.mark.parametrize("name", STEPS)
async def test_it_is_seen_from_when_it_is_injected_until_it_is_healed(field: Any, name: str) -> None:
    victim, made, before = hit(field, name), fault(name), time.monotonic_ns()
    assert not (await made.witness(field, victim)).acted
    await made.inject(field, [victim])
    try:
        testimony = await acted(field, made, victim)
        assert before < testimony.at_ns <= time.monotonic_ns()
        assert testimony.detail.startswith(f"{victim.name}: ")
        assert testimony.witness == "packets of its own to the instance, and what it was like before"
    finally:
        await made.heal(field, [victim])
    for _ in range(2):
        testimony = await made.witness(field, victim)
        assert not testimony.acted, testimony.detail
    await made.heal(field, [victim])  # nothing is left to do


@pytest.mark.parametrize("name", KINDS)
async def test_a_platform_that_only_says_so_is_not_believed(field: Any, grounds: Grounds, name: str) -> None:
    liar: Any = Liar(grounds, field._networks)
    victim, made = hit(liar, name), fault(name)
    await made.inject(liar, [victim])
    for _ in range(3):
        testimony = await made.witness(liar, victim)
        assert not testimony.acted, testimony.detail
    await made.heal(liar, [victim])


@pytest.mark.parametrize("name", KINDS)
async def test_one_that_nothing_comes_back_from_is_not_told_of(field: Any, name: str) -> None:
    """Behind another partition nothing that begins can be seen."""
    victim, made = hit(field, name), fault(name)
    before = await field.impair_network(victim, "partition", {})
    nameless = await field.impair_network(victim, "dns", {})
    await made.inject(field, [victim])
    testimony = await made.witness(field, victim)
    assert not testimony.acted
    assert "nothing came back from there before (0 of" in testimony.detail
    await made.heal(field, [victim])
    for number in (before, nameless):
        await field.mend_network(victim, number)


async def test_what_ended_before_it_was_healed_is_told(field: Any) -> None:
    victim, made = field.instance("web"), fault("partition of all")
    await made.inject(field, [victim])
    for number in list(field._networks._deeds):
        await field.mend_network(victim, number)
    assert not (await made.witness(field, victim)).acted
    with pytest.raises(PlatformError, match="ended before"):
        await made.heal(field, [victim])


@pytest.mark.parametrize("name", [*STEPS, "disconnect"])
async def test_a_platform_without_such_networks_is_not_exercised(name: str) -> None:
    class Bare:
        name = "bare"
        capabilities: frozenset[str] = frozenset()

    victim = Instance(
        name="web#1", service="web", ordinal=1, state=InstanceState.RUNNING, ready=True, endpoints={},
        identity=None, restarts=0, since_ns=0,
    )  # fmt: skip
    made: Any = fault(name) if name in STEPS else load(FAULTS[name].make)(FaultOrder(hold_ns=None, arguments={}))
    for act in (made.inject(Bare(), [victim]), made.witness(Bare(), victim), made.heal(Bare(), [victim])):
        with pytest.raises(NotExercised, match="bare cannot impair the network of an instance"):
            await act


@pytest.mark.parametrize("name", ["partition", "latency", "bandwidth", "dns-failure"])
async def test_an_injection_that_is_cancelled_leaves_nothing_behind(field: Any, grounds: Grounds, name: str) -> None:
    victim, made = hit(field, name), fault(name)
    before = grounds.places[victim.service].state()
    injecting = asyncio.create_task(made.inject(field, [victim]))
    await asyncio.wait({injecting}, timeout=0.35)
    injecting.cancel()
    await asyncio.gather(injecting, return_exceptions=True)
    await made.heal(field, [victim])
    assert grounds.places[victim.service].state() == before
    assert not (await made.witness(field, victim)).acted
