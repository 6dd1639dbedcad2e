"""Faults at the networks of containers, and at links between them, on a real engine: seen while they act and not else, and undone."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import faults_support
import pytest
import pytest_asyncio

from seatrial.api.vocabulary import vocabulary
from seatrial.core import faults as core_faults
from seatrial.core.errors import NotExercised, PlatformError
from seatrial.core.faults import Fault, FaultOrder
from seatrial.core.plan import FaultStep, Plan
from seatrial.core.stack import Instance, InstanceState
from seatrial.core.vocabulary import load
from seatrial.faults import FAULTS
from seatrial.faults.of_links import LINK_FAULTS
from seatrial.faults.of_networks import NAMESAKES
from seatrial.keeper import KeeperClient
from seatrial.spec import compile_spec

SERVER = Path(__file__).parent / "keeping.pl"
WITHIN_S = 20.0
pytestmark = [
    pytest.mark.docker,
    pytest.mark.asyncio(loop_scope="module"),
    pytest.mark.skipif(os.geteuid() != 0, reason="NETWORK FAULTS OF CONTAINERS ARE NOT TESTED: they take root"),
]
NETWORK = {
    **{name: kind.example.replace("postgres", "other") for name, kind in NAMESAKES.items()},
    "dns-failure": FAULTS["dns-failure"].example,
    "disconnect": FAULTS["disconnect"].example,
    "partition of all": "{fault: partition, at: web#1, direction: in}",
    "latency of some": "{fault: latency, at: web#1, delay: 30ms, peers: [other]}",
    "dns-failure refused": "{fault: dns-failure, at: asker#1, how: refuse}",
}
QUICK = {"slow-close": "delay: 400ms", "loss": "share: 30%, resent-after: 150ms", "http-delay": "delay: 300ms"}
LINKS = {
    f"link {k.name}": f"{{fault: {k.name}, at: web -> postgres, {QUICK[k.name]}}}" if k.name in QUICK else k.example
    for k in LINK_FAULTS
    if not k.name.startswith("grpc")
}
STEPS = {**NETWORK, **{n: e.replace("web -> postgres", "asker -> web") for n, e in LINKS.items()}}
SPEC = """\
seatrial: 1
stack: {compose: compose.yaml, links: [asker -> web, clients -> web]}
scenarios: {all: {steps: [%s]}}
"""


def compiled(directory: Path) -> tuple[Plan, dict[str, FaultStep]]:
    web = {
        "image": "debian:bookworm",
        "command": ["perl", "/keeping.pl", "8000"],
        "volumes": [f"{SERVER}:/keeping.pl:ro"],
        "expose": [8000],
        "restart": "always",
        "x-seatrial": {"endpoints": {"http": 8000}},
    }
    asker = {
        "image": "debian:bookworm",
        "command": ["sleep", "infinity"],
        "init": True,
        "depends_on": ["web"],
        "restart": "always",
    }
    (directory / "compose.yaml").write_text(
        json.dumps({"services": {"web": {**web, "scale": 2}, "asker": asker, "other": asker}})
    )
    file = directory / "seatrial.yaml"
    file.write_text(SPEC % ", ".join(f"{{{s[1:-1]}, id: f{n}}}" for n, s in enumerate(STEPS.values())))
    plan = compile_spec(file, vocabulary(), environment=dict(os.environ))
    steps = [s for s in plan.scenarios[0].steps if isinstance(s, FaultStep)]
    return plan, dict(zip(STEPS, steps, strict=True))


@dataclass
class Bench:
    platform: Any
    keeper: KeeperClient
    steps: dict[str, FaultStep]

    def fault(self, name: str) -> Fault:
        return faults_support.made(self.steps[name])

    async def now(self, name: str) -> Instance:
        return next(i for v in (await self.platform.survey()).values() for i in v.instances if i.name == name)

    async def victim(self, name: str) -> Instance:
        target = self.steps[name].at
        return await self.now(f"{target.service}#{target.ordinal or 1}")

    async def acted(self, made: Fault, victim: Instance, *, is_: bool = True) -> core_faults.Testimony:
        return await faults_support.acted(made, self.platform, victim, is_=is_, within_s=WITHIN_S)

    async def asks(self, host: str = "web") -> str:
        """What a client in a container of its own hears of the service, or why not."""
        script = (
            "use IO::Socket::INET; my $s = IO::Socket::INET->new(PeerAddr => shift, PeerPort => 8000, Timeout => 1)"
            ' or die "unreached\\n"; print $s "GET /ready HTTP/1.0\\r\\n\\r\\n"; local $SIG{ALRM} = sub { die "silent\\n" };'
            " alarm 1; print scalar <$s> // 'cut';"
        )
        done = await self.platform.execute(await self.now("asker#1"), ["perl", "-e", script, host], 10_000_000_000)
        return str(done.stdout or done.stderr).strip()

    def state(self, name: str) -> str:
        """Rules and disciplines in a container's network."""
        container = self.platform.fleet.containers[name]
        argv = ["nsenter", "-t", str(container.process.pid), "-n"]
        saved = [
            subprocess.run([*argv, p], capture_output=True, text=True, check=True).stdout
            for p in ("iptables-save", "ip6tables-save")
        ]
        lines = [line.split(" [")[0] for s in saved for line in s.splitlines() if not line.startswith("#")]
        return (
            "\n".join(lines) + subprocess.run([*argv, "tc", "qdisc"], capture_output=True, text=True, check=True).stdout
        )


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def bench(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Bench]:
    home = tmp_path_factory.mktemp("nets")
    plan, steps = compiled(home)
    async with faults_support.brought_up(plan.stack, home / "trial") as (platform, keeper):
        yield Bench(platform, keeper, steps)


@pytest.mark.parametrize("name", STEPS)
async def test_it_is_seen_from_when_it_is_injected_until_it_is_healed(bench: Bench, name: str) -> None:
    victim, made = await bench.victim(name), bench.fault(name)
    before = {n: bench.state(n) for n in ("web#1", "asker#1")}
    began = time.monotonic_ns()
    assert not (await made.witness(bench.platform, victim)).acted
    await made.inject(bench.platform, [victim])
    try:
        testimony = await bench.acted(made, victim)
        assert began < testimony.at_ns <= time.monotonic_ns()
    finally:
        await made.heal(bench.platform, [victim])
    await bench.acted(made, victim, is_=False)
    for _ in range(3):
        assert "200 OK" in await bench.asks()
    if name != "disconnect":  # an interface that came back has another name
        assert {n: bench.state(n) for n in ("web#1", "asker#1")} == before


async def test_what_clients_send_goes_through_the_link_and_is_counted(bench: Bench) -> None:
    links = [await bench.now(f"asker -> web#{n}") for n in (1, 2)]
    before = [(await bench.platform.traffic(link)).requests for link in links]
    for _ in range(12):
        assert "200 OK" in await bench.asks()
    after = [(await bench.platform.traffic(link)).requests for link in links]
    assert sum(after) - sum(before) == 12
    assert [await bench.platform.around(link) for link in links] == [[], []]


async def test_links_are_instances_with_logs_and_nothing_to_measure(bench: Bench) -> None:
    link = await bench.now("asker -> web#2")
    assert bench.platform.log_file(link).name == "seatrial-links-1.log"
    with pytest.raises(PlatformError):
        await bench.platform.usage(link)


async def test_a_link_that_is_cut_is_cut_for_its_client_alone(bench: Bench) -> None:
    made, links = bench.fault("link cut"), [await bench.now(f"asker -> web#{n}") for n in (1, 2)]
    await made.inject(bench.platform, links)
    try:
        for link in links:
            await bench.acted(made, link)
        assert await bench.asks() == "unreached"
        outside = (await bench.now("web#1")).endpoints["http"]
        reader, writer = await asyncio.open_connection(outside.host, outside.port)
        writer.write(b"GET /ready HTTP/1.0\r\n\r\n")
        assert b"200" in await reader.readline()
        writer.close()
    finally:
        await made.heal(bench.platform, links)
    assert "200 OK" in await bench.asks()


async def test_an_instance_that_starts_anew_is_led_again(bench: Bench) -> None:
    """The service, whose address may be another then, and the client, whose rules went with its network."""
    for name in ("web#1", "asker#1"):
        before = await bench.now(name)
        await bench.platform.kill(before, 0)
        deadline = time.monotonic() + WITHIN_S
        while (seen := await bench.now(name)).identity == before.identity or seen.state is not InstanceState.RUNNING:
            assert time.monotonic() < deadline
            await asyncio.sleep(0.02)
        while await bench.platform.around(await bench.now("asker -> web#1")):
            assert time.monotonic() < deadline
            await asyncio.sleep(0.02)
        link = await bench.now("asker -> web#1")
        other = await bench.now("asker -> web#2")
        counted = sum([(await bench.platform.traffic(i)).requests for i in (link, other)])
        for _ in range(6):
            assert "200 OK" in await bench.asks()
        assert sum([(await bench.platform.traffic(i)).requests for i in (link, other)]) == counted + 6
        made = bench.fault("link cut")
        await made.inject(bench.platform, [link])
        await bench.acted(made, link)
        await made.heal(bench.platform, [link])


async def test_peers_behind_a_link_are_not_kept_from_where_they_do_not_go(bench: Bench) -> None:
    """Their packets come from this machine: a rule by address would see nothing of them, and the witness would be deceived."""
    for name in ("web#1", "asker#1"):
        made = load(FAULTS["partition"].namesake.make)(FaultOrder(hold_ns=None, arguments={"peers": ("asker", "web")}))
        with pytest.raises(
            NotExercised, match=f"what {name} and its peers send each other goes by asker -> web: hit that link"
        ):
            await made.inject(bench.platform, [await bench.now(name)])


async def test_a_rule_that_somebody_took_away_makes_a_fault_unseen(bench: Bench) -> None:
    made, link = bench.fault("link cut"), await bench.now("asker -> web#1")
    container = bench.platform.fleet.containers["asker#1"]
    jump = _jump(container.process.pid)
    await made.inject(bench.platform, [link])
    try:
        await bench.acted(made, link)
        _nat(container.process.pid, jump.replace("-A ", "-D ", 1))
        seen = await made.witness(bench.platform, link)
        assert not seen.acted
        assert "what asker#1 sends is not led to this link" in seen.detail
        assert "200 OK" in await bench.asks(), "it goes past the link"
        _nat(container.process.pid, jump.replace("-A OUTPUT", "-I OUTPUT", 1))
        assert (await made.witness(bench.platform, link)).acted
    finally:
        await made.heal(bench.platform, [link])


def _jump(pid: int) -> str:
    """The rule that leads to those of the link."""
    argv = ["nsenter", "-t", str(pid), "-n", "iptables-save", "-t", "nat"]
    rules = subprocess.run(argv, capture_output=True, text=True, check=True).stdout
    return next(line for line in rules.splitlines() if line.startswith("-A OUTPUT") and "seatrial" in line)


def _nat(pid: int, line: str) -> None:
    argv = ["nsenter", "-t", str(pid), "-n", "iptables-restore", "--noflush"]
    subprocess.run(argv, input=f"*nat\n{line}\nCOMMIT\n", text=True, check=True)


async def test_connections_that_were_there_before_the_rule_make_a_fault_unseen(bench: Bench) -> None:
    made, link = bench.fault("link latency"), await bench.now("asker -> web#1")
    container = bench.platform.fleet.containers["asker#1"]
    jump = _jump(container.process.pid)
    _nat(container.process.pid, jump.replace("-A ", "-D ", 1))
    address = next(iter(bench.platform._nets().addresses(bench.platform.fleet.containers["web#1"]).values()))
    script = f"exec 3<>/dev/tcp/{address}/8000; echo there; exec sleep 1000"
    argv = ["nsenter", "-t", str(container.process.pid), "-n", "bash", "-c", script]
    old = await asyncio.create_subprocess_exec(*argv, stdout=asyncio.subprocess.PIPE)
    assert old.stdout is not None
    assert await old.stdout.readline() == b"there\n"
    _nat(container.process.pid, jump.replace("-A OUTPUT", "-I OUTPUT", 1))
    await made.inject(bench.platform, [link])
    try:
        deadline = time.monotonic() + WITHIN_S
        while (
            "1 connections of asker#1 go past this link"
            not in (seen := await made.witness(bench.platform, link)).detail
        ):
            assert not seen.acted
            assert time.monotonic() < deadline
        assert not seen.acted
        old.kill()
        await old.wait()
        await bench.acted(made, link)
    finally:
        await made.heal(bench.platform, [link])


async def test_a_container_that_is_put_back_has_its_names_again(bench: Bench) -> None:
    made, victim = bench.fault("disconnect"), await bench.now("web#2")
    names = await resolved(bench)
    assert len(names) == 2
    await made.inject(bench.platform, [victim])
    await bench.acted(made, victim)
    assert len(await resolved(bench)) == 1
    await made.heal(bench.platform, [victim])
    assert len(await resolved(bench)) == 2


async def resolved(bench: Bench) -> set[str]:
    done = await bench.platform.execute(await bench.now("asker#1"), ["getent", "ahostsv4", "web"], 5_000_000_000)
    return {line.split()[0] for line in done.stdout.splitlines()}
