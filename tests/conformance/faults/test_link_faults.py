"""What every fault of links keeps to, on a real stack: seen while it acts and not else, and never believed on its own word."""

from __future__ import annotations

import asyncio
import tempfile
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import faults_support
import pytest
import pytest_asyncio

from seatrial.api.vocabulary import vocabulary
from seatrial.core import faults as core_faults
from seatrial.core.errors import NotExercised, PlatformError
from seatrial.core.faults import Fault
from seatrial.core.links import LinkEnd, LinkTraffic, Tried
from seatrial.core.plan import FaultStep
from seatrial.core.stack import Instance, StackPlan
from seatrial.faults.knocking import knock
from seatrial.faults.of_links import LINK_FAULTS
from seatrial.platforms.local import LocalPlatform
from seatrial.spec import compile_spec

HERE = Path(__file__).parent
pytestmark = [pytest.mark.stack, pytest.mark.asyncio(loop_scope="module")]
WITHIN_S = 30.0
SEVERAL = 12  # looks

# Each fault as its own example has it, but for what would only take long; and in its other ways.
QUICK = {
    "slow-close": "delay: 400ms",
    "loss": "share: 30%, resent-after: 150ms",
    "http-delay": "delay: 300ms, path: /api/*",
}
OTHERS = {
    "cut reset": "{fault: cut, at: web -> postgres, how: reset}",
    "cut black-hole": "{fault: cut, at: web -> postgres, how: black-hole}",
    "partition to": "{fault: partition, at: web -> postgres, direction: to}",
    "latency from": "{fault: latency, at: web -> postgres, delay: 60ms, direction: from}",
    "latency of jitter": "{fault: latency, at: web -> postgres, delay: 0s, jitter: 80ms, distribution: pareto}",
    "latency of 5ms": "{fault: latency, at: web -> postgres, delay: 5ms}",
    "bandwidth to": "{fault: bandwidth, at: web -> postgres, rate: 64 KiB/s, direction: to}",
    "close-after fin": "{fault: close-after, at: web -> postgres, bytes: 100B, how: fin, direction: from}",
    "close-after at once": "{fault: close-after, at: web -> postgres, bytes: 0B}",
    "slow-close from": "{fault: slow-close, at: web -> postgres, delay: 400ms, direction: from}",
    "http-status of POST": "{fault: http-status, at: web -> postgres, status: 429, method: POST, share: 50%}",
    "http-status of HEAD": "{fault: http-status, at: web -> postgres, status: 503, method: HEAD, path: /a/*/b}",
}
EXAMPLES = {
    k.name: f"{{fault: {k.name}, at: web -> postgres, {QUICK[k.name]}}}" if k.name in QUICK else k.example
    for k in LINK_FAULTS
    if not k.name.startswith("grpc")  # in tests/services/links, against a server of gRPC
}
ALL = {**EXAMPLES, **OTHERS}
HTTP = tuple(name for name in ALL if name.startswith("http"))
# What a protocol cannot show: one connection to PostgreSQL says little before it knows who one is, and nobody hangs up at redis.
SHOWN = {
    "web": tuple(ALL),
    "redis": tuple(n for n in ALL if n not in HTTP),
    "postgres": tuple(n for n in ALL if n not in (*HTTP, "close-after")),
    "lines": ("cut", "cut reset"),
}


SPEC = """\
seatrial: 1
stack:
  services:
    web: {{command: "python server.py {{{{ instance.port.http }}}} 0", directory: {here}, ports: auto}}
    lines: {{command: "python server.py 0 {{{{ instance.port.tcp }}}}", directory: {here}, ports: {{tcp: auto}}}}
    redis: {{kind: redis}}
    postgres: {{kind: postgres, nodes: 1}}
  links: [clients -> web, clients -> lines, clients -> redis, clients -> postgres]
scenarios:
  all:
    steps:
"""


def compiled() -> tuple[StackPlan, Mapping[str, FaultStep]]:
    """A stack, and the faults above as the compiler makes them."""
    steps = [text.replace("web -> postgres", "clients -> web") for text in ALL.values()]
    text = SPEC.format(here=HERE) + "".join(f"      - {{{s[1:-1]}, id: f{n}}}\n" for n, s in enumerate(steps))
    with tempfile.TemporaryDirectory() as directory:
        file = Path(directory) / "seatrial.yaml"
        file.write_text(text)
        plan = compile_spec(file, vocabulary(), environment={})
    found = [s for s in plan.scenarios[0].steps if isinstance(s, FaultStep)]
    return plan.stack, dict(zip(ALL, found, strict=True))


STACK, STEPS = compiled()


def fault(name: str) -> Fault:
    """As the engine makes it."""
    return faults_support.made(STEPS[name])


@dataclass
class Bench:
    platform: LocalPlatform

    async def link(self, service: str) -> Instance:
        (instance,) = (await self.platform.survey())[f"clients -> {service}"].instances
        return instance

    async def acted(self, fault: Fault, victim: Instance, *, is_: bool = True) -> core_faults.Testimony:
        """The testimony, once it is so."""
        return await faults_support.acted(fault, self.platform, victim, is_=is_, within_s=WITHIN_S, pause_s=0)

    async def answers(self, victim: Instance) -> bool:
        end = self.platform.ends(victim)[0]
        knocked = await knock(end.listens, 5_000_000_000, say=b"hello\n" if end.to.scheme == "tcp" else None)
        return knocked.answered


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def bench(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Bench]:
    directory = tmp_path_factory.mktemp("links") / "trial"
    async with faults_support.brought_up(STACK, directory) as (platform, _):
        yield Bench(platform)


class Liar:
    """A platform whose links do as they are told in words alone."""

    name = "liar"

    def __init__(self, platform: LocalPlatform) -> None:
        self._platform = platform
        self.capabilities = platform.capabilities

    def ends(self, link: Instance) -> Sequence[LinkEnd]:
        return self._platform.ends(link)

    async def impair(self, link: Instance, kind: str, arguments: Mapping[str, object]) -> int:
        return 1

    async def mend(self, link: Instance, number: int) -> None: ...

    async def traffic(self, link: Instance) -> LinkTraffic:
        return await self._platform.traffic(link)

    async def tries(self, link: Instance, since_ns: int) -> Sequence[Tried]:
        return await self._platform.tries(link, since_ns)

    async def survey(self) -> Any:
        return await self._platform.survey()


PAIRS = [pytest.param(s, n, id=f"{s}-{n}") for s, names in SHOWN.items() for n in names]


async def test_every_fault_of_links_is_tried() -> None:
    elsewhere = {"grpc-status", "grpc-abort"}  # in tests/services/links
    assert {STEPS[name].fault for name in SHOWN["web"]} == {kind.name for kind in LINK_FAULTS} - elsewhere


@pytest.mark.parametrize(("service", "name"), PAIRS)
async def test_it_is_seen_from_when_it_is_injected_until_it_is_healed(bench: Bench, service: str, name: str) -> None:
    victim, made = await bench.link(service), fault(name)
    before = time.monotonic_ns()
    for _ in range(3):
        testimony = await made.witness(bench.platform, victim)
        assert not testimony.acted, testimony.detail
        assert victim.name in testimony.detail
    await made.inject(bench.platform, [victim])
    try:
        testimony = await bench.acted(made, victim)
        assert before < testimony.at_ns <= time.monotonic_ns()
        assert victim.name in testimony.detail
        assert testimony.witness == "a connection of its own through the link, and one past it"
    finally:
        await made.heal(bench.platform, [victim])
    for _ in range(3):
        testimony = await made.witness(bench.platform, victim)
        assert not testimony.acted, testimony.detail
    assert await bench.answers(victim)
    traffic = await bench.platform.traffic(victim)
    assert traffic.held == 0


@pytest.mark.parametrize(("service", "name"), PAIRS)
async def test_a_platform_that_only_says_so_is_not_believed(bench: Bench, service: str, name: str) -> None:
    victim, made, liar = await bench.link(service), fault(name), Liar(bench.platform)
    await made.inject(liar, [victim])
    try:
        for _ in range(SEVERAL):
            testimony = await made.witness(liar, victim)
            assert not testimony.acted, testimony.detail
    finally:
        await made.heal(liar, [victim])


@pytest.mark.parametrize("name", ALL)
async def test_while_the_service_is_down_nothing_is_told_of_the_link(bench: Bench, name: str) -> None:
    victim, made = await bench.link("web"), fault(name)
    (web,) = (await bench.platform.survey())["web"].instances
    await bench.platform.stop(web, 600_000_000_000)
    try:
        await made.inject(bench.platform, [victim])
        testimony = await made.witness(bench.platform, victim)
        assert not testimony.acted
        assert testimony.detail.endswith("cannot be told from the service, which is refused")
        await made.heal(bench.platform, [victim])
    finally:
        await bench.platform.release(web)
        await until_answers(bench, victim)


async def until_answers(bench: Bench, victim: Instance) -> None:
    deadline = time.monotonic() + WITHIN_S
    while not await bench.answers(victim):
        assert time.monotonic() < deadline
        await asyncio.sleep(0.05)


@pytest.mark.parametrize("name", [n for n in ALL if n not in SHOWN["lines"]])
async def test_without_a_greeting_what_cannot_be_seen_is_not_claimed(bench: Bench, name: str) -> None:
    """At a protocol that is not known nobody answers who was not asked in it."""
    victim, made = await bench.link("lines"), fault(name)
    if name in HTTP:
        with pytest.raises(
            PlatformError, match=r"needs requests over HTTP/1\.1 without TLS, and this link carries tcp"
        ):
            await made.inject(bench.platform, [victim])
    else:
        await made.inject(bench.platform, [victim])
    testimony = await made.witness(bench.platform, victim)
    assert not testimony.acted
    await made.heal(bench.platform, [victim])
    assert await bench.answers(victim)


@pytest.mark.parametrize("name", ALL)
async def test_a_platform_without_links_is_not_exercised(bench: Bench, name: str) -> None:
    class Bare:
        name = "bare"
        capabilities: frozenset[str] = frozenset()

    victim, made = await bench.link("web"), fault(name)
    with pytest.raises(NotExercised, match="bare has no links"):
        await made.inject(Bare(), [victim])  # type: ignore[arg-type]
    with pytest.raises(NotExercised, match="bare has no links"):
        await made.witness(Bare(), victim)  # type: ignore[arg-type]


@pytest.mark.parametrize("name", ALL)
async def test_an_injection_that_is_cancelled_leaves_nothing_behind(bench: Bench, name: str) -> None:
    victim, made = await bench.link("web"), fault(name)
    for steps in range(1, 12):
        injecting = asyncio.create_task(made.inject(bench.platform, [victim]))
        for _ in range(steps):
            await asyncio.sleep(0)
        injecting.cancel()
        await asyncio.gather(injecting, return_exceptions=True)
        await made.heal(bench.platform, [victim])
        testimony = await made.witness(bench.platform, victim)
        assert not testimony.acted, (steps, testimony.detail)


async def test_faults_of_one_link_are_healed_one_by_one(bench: Bench) -> None:
    victim, late, cut = await bench.link("web"), fault("latency"), fault("cut")
    await late.inject(bench.platform, [victim])
    await cut.inject(bench.platform, [victim])
    assert (await bench.acted(cut, victim)).acted
    assert not (await late.witness(bench.platform, victim)).acted, "nothing comes, early or late"
    await cut.heal(bench.platform, [victim])
    assert (await bench.acted(late, victim)).acted
    await late.heal(bench.platform, [victim])
    await bench.acted(late, victim, is_=False)
