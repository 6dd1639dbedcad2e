"""Every fault of networks again and again: seen, healed, and undone when whoever ordered it is killed while it acts.

    python benchmarks/network_faults.py --times 20                  faults at instances: processes in namespaces of their own
    python benchmarks/network_faults.py --times 20 --containers     the same at containers, disconnect, and those of links between them
    python benchmarks/network_faults.py --times 3 --only latency

Healed: not seen before, witnessed while it acts, and not seen after; rules and disciplines are then what they were. Killed: the process
that orders it is killed with SIGKILL some time after it began to, its keeper undoes it, and rules and disciplines are what they were, on
both sides, by iptables-save, ip6tables-save and tc. Delayed: what 100 ms more or less 10 ms come to.

Needs root; with --containers a Docker engine and the image debian:bookworm. Exit
status 1 if any was not seen, or left anything.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import random
import re
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from machine import end_like_interrupted

from seatrial.api.vocabulary import vocabulary
from seatrial.core import procfs
from seatrial.core.faults import Fault, FaultOrder
from seatrial.core.plan import FaultStep, Plan
from seatrial.core.redaction import Redactor
from seatrial.core.stack import Instance
from seatrial.core.vocabulary import load
from seatrial.engine.probing import Prober
from seatrial.faults import FAULTS
from seatrial.faults.of_links import LINK_FAULTS
from seatrial.faults.of_networks import NAMESAKES
from seatrial.keeper import KeeperClient
from seatrial.keeper.client import last_keeper
from seatrial.platforms.compose.platform import ComposePlatform
from seatrial.platforms.namespaces.networks import Networks
from seatrial.spec import compile_spec

TESTS = Path(__file__).parents[1] / "tests"
sys.path.insert(0, str(TESTS / "services/networks"))
from field import Field  # noqa: E402 - helpers of tests
from grounds import Grounds, handshakes  # noqa: E402

WITHIN_S = 30.0
INSTANCES = {
    **{name: kind.example.replace("postgres", "peer") for name, kind in NAMESAKES.items()},
    "bandwidth": "{fault: bandwidth, at: plain#1, rate: 64 KiB/s}",
    "dns-failure": FAULTS["dns-failure"].example,
}
QUICK = {"slow-close": "delay: 400ms", "loss": "share: 30%, resent-after: 150ms", "http-delay": "delay: 300ms"}
CONTAINERS = {
    **{name: kind.example.replace("postgres", "peer") for name, kind in NAMESAKES.items()},
    "dns-failure": FAULTS["dns-failure"].example,
    "disconnect": FAULTS["disconnect"].example,
    **{
        f"link {k.name}": f"{{fault: {k.name}, at: asker -> web, {QUICK[k.name]}}}"
        if k.name in QUICK
        else k.example.replace("web -> postgres", "asker -> web")
        for k in LINK_FAULTS
        if not k.name.startswith("grpc")
    },
}
SPEC = "seatrial: 1\nstack: {stack}\nscenarios: {{all: {{steps: [{steps}]}}}}\n"
PROCESSES = "{services: {web: {command: web}, peer: {command: peer}, plain: {command: plain}}}"


class Bench:
    """A platform with `web`, `peer` and perhaps `plain`; made anew around what goes on."""

    def __init__(self, platform: Any, keeper: KeeperClient, steps: Mapping[str, FaultStep]) -> None:
        self.platform, self.keeper, self.steps = platform, keeper, steps

    def fault(self, name: str) -> Fault:
        """As the engine makes it."""
        step = self.steps[name]
        kind = FAULTS[step.fault].hitting(link=step.at.on_link)
        assert kind is not None
        made: Fault = load(kind.make)(FaultOrder(hold_ns=None, arguments=step.arguments))
        return made

    async def victim(self, name: str) -> Instance:
        """That its example names."""
        target = self.steps[name].at
        if isinstance(self.platform, Field):
            found: Instance = self.platform.instance(target.service)
        else:
            views = (await self.platform.survey()).values()
            found = next(i for v in views for i in v.instances if i.name == f"{target.service}#{target.ordinal or 1}")
        return found

    async def seen(self, made: Fault, victim: Instance, *, is_: bool) -> bool:
        """Whether it gets so in time."""
        deadline = time.monotonic() + WITHIN_S
        while (await made.witness(self.platform, victim)).acted is not is_:
            if time.monotonic() > deadline:
                return False
            await asyncio.sleep(0.02)
        return True


class Ground:
    """What goes on while those who break it come and go."""

    def __init__(self, *, containers: bool, home: Path) -> None:
        self.containers, self.home = containers, home
        self.examples = CONTAINERS if containers else INSTANCES
        self.grounds = Grounds()
        self.project = f"netbench-{os.getpid()}"

    def begin(self) -> None:
        """Bring it up."""
        if not self.containers:
            self.grounds.make()
            return
        server = TESTS / "conformance/faults/keeping.pl"
        (self.home / "compose.yaml").write_text(
            "services:\n"
            f"  web: {{image: 'debian:bookworm', command: [perl, /s.pl, '8000'], volumes: ['{server}:/s.pl:ro'], init: true,\n"
            "        x-seatrial: {endpoints: {http: 8000}}}\n"
            "  peer: {image: 'debian:bookworm', command: [sleep, infinity], init: true}\n"
            "  asker: {image: 'debian:bookworm', command: [sleep, infinity], init: true}\n"
        )
        self._compose("up", "--detach")

    def end(self) -> None:
        """Take it down."""
        if self.containers:
            self._compose("down", "--timeout", "0")
        else:
            self.grounds.end()

    def _compose(self, *words: str) -> None:
        argv = ["docker", "compose", "--project-name", self.project, *words]
        subprocess.run(argv, cwd=self.home, check=True, capture_output=True)

    def state(self) -> str:
        """All rules and disciplines in the networks, and at this machine's ends of them."""
        return "\n".join(f"{pid}: {_state(pid)}" for pid in self.pids()) + _tc(
            "veth" if self.containers else f"h{self.grounds.token}"
        )

    def pids(self) -> list[int]:
        """A process of each network."""
        if not self.containers:
            return [p.process.pid for p in self.grounds.places.values()]
        argv = [
            "docker",
            "inspect",
            "--format",
            "{{.State.Pid}}",
            *(f"{self.project}-{n}-1" for n in ("web", "peer", "asker")),
        ]
        return [int(w) for w in subprocess.run(argv, check=True, capture_output=True, text=True).stdout.split()]

    def compiled(self) -> tuple[Plan, Mapping[str, FaultStep]]:
        """The stack, and the faults as the compiler makes them."""
        stack = PROCESSES
        if self.containers:
            stack = f"{{compose: compose.yaml, project: {self.project}, adopt: true, links: [asker -> web]}}"
        steps = ", ".join(f"{{{e[1:-1]}, id: f{n}}}" for n, e in enumerate(self.examples.values()))
        file = self.home / "seatrial.yaml"
        file.write_text(SPEC.format(stack=stack, steps=steps))
        plan = compile_spec(file, vocabulary(), environment=dict(os.environ))
        found = [s for s in plan.scenarios[0].steps if isinstance(s, FaultStep)]
        return plan, dict(zip(self.examples, found, strict=True))

    async def bench(self, directory: Path) -> Bench:
        """Somebody who breaks it, with a keeper of his own."""
        plan, steps = self.compiled()
        keeper = await KeeperClient.launch(directory)
        if not self.containers:
            return Bench(Field(self.grounds, Networks(keeper, directory=directory, comment="bench")), keeper, steps)
        redactor = Redactor()
        prober = Prober(vocabulary(), dict[str, str]().__getitem__, redactor)
        platform = ComposePlatform(
            plan.stack, directory=directory, supervisor=keeper, prober=prober, kinds=vocabulary().kinds,
            secrets=dict[str, str]().__getitem__, on_secret=redactor.add, owner=keeper.keeper,
        )  # fmt: skip
        prober.platform = platform
        await platform.up(lambda _: None)
        return Bench(platform, keeper, steps)


def _state(pid: int) -> str:
    def run(*argv: str) -> str:
        return subprocess.run(
            ["nsenter", "-t", str(pid), "-n", *argv], check=True, capture_output=True, text=True
        ).stdout

    rules = [
        line.split(" [")[0]
        for p in ("iptables-save", "ip6tables-save")
        for line in run(p).splitlines()
        if line[0] != "#"
    ]
    # An interface that came back has another name; who counts references counts what is in flight, too.
    disciplines = re.sub(r"dev (?!lo)\S+|refcnt \d+", "", run("tc", "qdisc"))
    return "\n".join(sorted(rules)) + disciplines


def _tc(devices: str) -> str:
    shown = subprocess.run(["tc", "qdisc"], check=True, capture_output=True, text=True).stdout
    return "\n".join(line for line in shown.splitlines() if f"dev {devices}" in line and "noqueue" not in line)


async def healed(ground: Ground, times: int, names: list[str]) -> int:
    """How many of all were not as they should be."""
    wrong = 0
    bench = await ground.bench(ground.home / "healed")
    before = ground.state()
    for name in names:
        good, waits = 0, []
        for _ in range(times):
            made, victim = bench.fault(name), await bench.victim(name)
            unseen = not (await made.witness(bench.platform, victim)).acted
            await made.inject(bench.platform, [victim])
            began = time.monotonic()
            seen = await bench.seen(made, victim, is_=True)
            waits.append(time.monotonic() - began)
            await made.heal(bench.platform, [victim])
            gone = await bench.seen(made, victim, is_=False)
            same = ground.state() == before
            good += unseen and seen and gone and same
        wrong += times - good
        print(
            f"healed: {name}: {good} of {times} (bound {times}), seen after {statistics.median(waits):.2f} s (median)",
            flush=True,
        )
    if ground.containers:
        wrong += len((await bench.platform.down()).lines)
    else:
        wrong += len((await bench.keeper.end()).lines)
    await bench.keeper.close()
    return wrong


async def delayed(ground: Ground) -> int:
    """100 ms more or less 10 ms, one way: what handshakes take, as the kernel measures them."""
    web = ground.grounds.places["web"]
    async with await KeeperClient.launch(ground.home / "delayed") as keeper:
        networks = Networks(keeper, directory=ground.home / "delayed", comment="bench")
        arguments = {"direction": "in", "delay_ns": 100_000_000, "jitter_ns": 10_000_000}
        number = await networks.impair(web.process, "web#1", "latency", arguments)
        times = sorted(1e3 * t for t in await handshakes(None, web.address["host"], 1000))
        await networks.mend(number)
        await keeper.end()
    p50, p95 = times[len(times) // 2], times[len(times) * 95 // 100]
    print(
        f"delay of 100 ms, more or less 10 ms: p50 {p50:.1f} ms (bound 97 to 103), p95 {p95:.1f} ms (109 are asked for)",
        flush=True,
    )
    return 0 if abs(p50 - 100) < 3 else 1


def killed(ground: Ground, times: int, names: list[str]) -> int:
    """Likewise, when whoever ordered it is killed, at some moment."""
    wrong, before = 0, ground.state()
    for name in names:
        good = 0
        for n in range(times):
            directory = ground.home / f"killed-{name.replace(' ', '-')}-{n}"
            child = os.fork()
            if child == 0:
                os._exit(asyncio.run(_order(ground, directory, name)))
            acting = directory / "acting"
            while not acting.exists():
                time.sleep(0.005)
            time.sleep(random.uniform(0, 1.2))  # it has begun to order, or it acts
            os.kill(child, 9)
            os.waitpid(child, 0)
            _, keeper, _ = last_keeper(directory)
            deadline = time.monotonic() + 90
            while procfs.is_alive(keeper) and time.monotonic() < deadline:
                time.sleep(0.05)
            after = ground.state()
            if after != before:
                print(f"    {name}, {n}: {set(after.splitlines()) ^ set(before.splitlines())}")
            good += after == before and not procfs.is_alive(keeper)
        wrong += times - good
        print(f"killed: {name}: {good} of {times} left nothing (bound {times})", flush=True)
    return wrong


async def _order(ground: Ground, directory: Path, name: str) -> int:
    bench = await ground.bench(directory)
    made, victim = bench.fault(name), await bench.victim(name)
    (directory / "acting").touch()
    await made.inject(bench.platform, [victim])
    await asyncio.sleep(60)
    return 0


def main() -> int:
    """Command line."""
    end_like_interrupted()
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--times", type=int, default=20)
    parser.add_argument("--only", action="append", help="a fault by its name, or several")
    parser.add_argument("--containers", action="store_true", help="on Docker Compose")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="net-") as home:
        ground = Ground(containers=options.containers, home=Path(home))
        if unknown := [n for n in options.only or () if n not in ground.examples]:
            parser.error(f"no fault {', '.join(unknown)}; there are {', '.join(ground.examples)}")
        names = [n for n in ground.examples if not options.only or n in options.only]
        try:
            ground.begin()
            wrong = 0 if options.containers else asyncio.run(delayed(ground))
            wrong += asyncio.run(healed(ground, options.times, names))
            ordered = [n for n in names if not n.startswith("link ")] + [n for n in names if n == "link cut"]
            wrong += killed(ground, options.times, ordered)
        finally:
            ground.end()
    print(f"{'all' if not wrong else f'all but {wrong}'} as they should be")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
