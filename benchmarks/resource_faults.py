"""Every fault of resources again and again: seen, healed, and undone when whoever ordered it is killed while it acts.

    python benchmarks/resource_faults.py --times 20                20 of each fault in each of the first two ways, 20 in all in the third
    python benchmarks/resource_faults.py --times 5 --only oom
    python benchmarks/resource_faults.py --compose                 the first two ways on containers (needs an engine, and debian:bookworm)

Healed: witnessed while it acts and not after, the instance is the same (but where it was to be killed), nothing is left. Killed: a guest
of a stack that lives on orders it, and is killed with SIGKILL some time after it began to; the stack's keeper undoes it. Both killed: the
owner and its keeper, then `undo`. What is left is looked for without the records: processes, control groups, files, limits.

Needs root, for control groups and a mount. Exit status 1 if any was not seen, or left anything.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import os
import random
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from machine import command_line, end_like_interrupted, processes, wait

from seatrial.api.vocabulary import vocabulary
from seatrial.core import cgroups, procfs
from seatrial.core.compose import ComposeProject
from seatrial.core.expressions import Scope, compile_expression
from seatrial.core.faults import Fault, FaultOrder
from seatrial.core.plan import CheckPlan, FaultStep, ProbeCall
from seatrial.core.redaction import Redactor
from seatrial.core.stack import Instance, ServicePlan, StackPlan
from seatrial.core.templates import Template
from seatrial.core.vocabulary import load
from seatrial.engine.probing import Prober
from seatrial.keeper import KeeperClient, undo
from seatrial.platforms.compose.platform import ComposePlatform
from seatrial.platforms.local import LocalPlatform
from seatrial.spec import compile_spec

WORKER = Path(__file__).parents[1] / "tests/conformance/faults"
WITHIN_S = 30.0
FAULTS = {
    "crash-loop": "times: 3",
    "cpu-pressure": "share: 100%",
    "memory-pressure": "size: 64 MiB",
    "cpu-limit": "cores: 0.2",
    "memory-limit": "size: 96 MiB",
    "pids-limit": "count: 8",
    "descriptors-limit": "count: 40",
    "disk-full": "path: {disk}",
    "oom": "",
    "clock-offset": "offset: 2m",
}
REPLICAS = 10
ENDS_IT = ("crash-loop", "oom")
SPEC = """\
seatrial: 1
stack:
  services:
    bench:
      command: "python worker.py {{{{ instance.port.http }}}}"
      directory: {worker}
      ports: auto
      replicas: 10   # those that crash take turns: their back-off grows
      environment:
        LD_PRELOAD: "{library}"
        FAKETIME_TIMESTAMP_FILE: "{disk}.time"
        FAKETIME_NO_CACHE: "1"
        FAKETIME_DONT_FAKE_MONOTONIC: "1"
scenarios:
  all:
    steps:
"""


class Bench:
    """A stack of workers in a directory, as its owner or as a guest. `turns`: whoever is harmed takes turns, for all faults."""

    turns = False

    def __init__(self, directory: Path, library: str) -> None:
        self.directory = directory
        self.disk = directory / "disk"
        self.time_file = Path(f"{self.disk}.time")
        steps = "".join(
            f"      - {{fault: {n}, at: bench, id: {n}{', ' * bool(t)}{t.format(disk=self.disk)}}}\n"
            for n, t in FAULTS.items()
        )
        spec = directory / "seatrial.yaml"
        spec.write_text(SPEC.format(worker=WORKER, disk=self.disk, library=library) + steps)
        plan = compile_spec(spec, vocabulary(), environment={})
        self.stack: StackPlan = plan.stack
        self.steps = {s.fault: s for s in plan.scenarios[0].steps if isinstance(s, FaultStep)}
        self.platform: LocalPlatform | ComposePlatform

    def on(self, keeper: KeeperClient) -> LocalPlatform | ComposePlatform:
        """The platform, through this client."""
        redactor = Redactor()
        prober = Prober(vocabulary(), dict[str, str]().__getitem__, redactor)
        make = ComposePlatform if self.stack.compose is not None else LocalPlatform
        self.platform = make(
            self.stack, directory=self.directory / "trial", supervisor=keeper, prober=prober, kinds=vocabulary().kinds,
            secrets=dict[str, str]().__getitem__, on_secret=redactor.add, owner=keeper.keeper,
        )  # fmt: skip
        prober.platform = self.platform
        return self.platform

    def fault(self, name: str) -> Fault:
        """As the engine makes it."""
        step = self.steps[name]
        made: Fault = load(vocabulary().faults[name].make)(FaultOrder(hold_ns=None, arguments=step.arguments))
        return made

    async def ready(self, number: int = 0, *, other_than: str | None = None) -> Instance:
        """An instance, once it is ready, and another than it was."""
        deadline = time.monotonic() + WITHIN_S
        while True:
            now = (await self.platform.survey())["bench"].instances[number % REPLICAS]
            if now.ready and now.identity != other_than:
                return now
            if time.monotonic() > deadline:
                raise RuntimeError(f"{now.name} did not become ready: {now.detail}")
            await asyncio.sleep(0.02)

    def left(self) -> list[str]:
        """What acts or lies about, found without any record."""
        found = [
            f"pid {p} {c}" for p in processes() if "press.py" in (c := command_line(p)) and str(self.directory) in c
        ]
        for controller in ("cpu", "memory", "pids"):
            group = cgroups.group_of(os.getpid(), controller)
            found += [str(p) for p in group.path.glob("seatrial-bench-*")] if group is not None else []
        found += [str(p) for p in self.disk.iterdir()]
        return [*found, str(self.time_file)] if self.time_file.exists() else found


class Containers(Bench):
    """The same in containers; what is left of limits is what their groups say. They take turns: who was limited is watched on."""

    turns = True

    def __init__(self, directory: Path, library: str) -> None:
        super().__init__(directory, library)
        file = directory / "compose.yaml"
        faked = {
            "FAKETIME_NO_CACHE": "1",
            "FAKETIME_DONT_FAKE_MONOTONIC": "1",
            "FAKETIME_TIMESTAMP_FILE": "/tmp/offset",
        }
        bench = {
            "image": "debian:bookworm",
            "command": ["perl", "/faults/worker.pl", "8000"],
            "volumes": [f"{WORKER}:/faults:ro", *([f"{library}:/libfaketime.so.1:ro"] if library else [])],
            "environment": {**faked, "LD_PRELOAD": "/libfaketime.so.1"} if library else {},
            "ports": ["127.0.0.1::8000"],
            "restart": "always",
            "tmpfs": ["/small:size=1m"],
            "deploy": {"replicas": REPLICAS},
            "x-seatrial": {"endpoints": {"http": 8000}},
        }
        file.write_text(json.dumps({"services": {"bench": bench}}))
        answers = compile_expression("status == 200", Scope(open=True))
        ready = CheckPlan(call=ProbeCall(verb="http", what=Template.parse("GET /")), expect=answers)
        self.stack = StackPlan(
            name="climits", platform="compose", directory=directory,
            services={"bench": ServicePlan(name="bench", kind="process", arguments={}, ready=ready)},
            compose=ComposeProject(files=(file,), directory=directory),
        )  # fmt: skip
        step = self.steps["disk-full"]
        self.steps["disk-full"] = replace(step, arguments={**step.arguments, "path": "/small"})

    def left(self) -> list[str]:
        """What acts or lies about in any of them."""
        found = [
            f"pid {p} {c}" for p in processes() if "press.py" in (c := command_line(p)) and str(self.directory) in c
        ]
        for pid in (p for p in processes() if "worker.pl 8000" in command_line(p)):
            for controller, limit in LIMITS.items():
                group = cgroups.group_of(pid, controller)
                if group is not None and (held := limit(group)) is not None and held < MANY[controller]:
                    found.append(f"pid {pid} is held to {held} of {controller}")
            with contextlib.suppress(OSError):
                found += [str(p) for p in Path(f"/proc/{pid}/root/small").iterdir()]
                offset = Path(f"/proc/{pid}/root/tmp/offset")
                found += [str(offset)] if offset.exists() else []
        return found


LIMITS = {"cpu": cgroups.cpu_limit, "memory": cgroups.memory_limit, "pids": cgroups.pids_limit}
MANY = {"cpu": 1.9, "memory": 1 << 30, "pids": 1000}


def bench_in(directory: Path, library: str, *, compose: bool) -> Bench:
    """Of processes, or of containers."""
    return Containers(directory, library) if compose else Bench(directory, library)


@contextlib.contextmanager
def workplace() -> Iterator[Path]:
    """A directory with a small file system in it."""
    with tempfile.TemporaryDirectory(prefix="seatrial-resources-") as name:
        disk = Path(name) / "disk"
        disk.mkdir()
        subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "seatrial-bench", disk], check=True)
        try:
            yield Path(name)
        finally:
            subprocess.run(["umount", disk], check=True)


async def seen(bench: Bench, fault: Fault, victim: Instance, *, acts: bool) -> str:
    """Empty once the witness says so; else its last words."""
    deadline = time.monotonic() + WITHIN_S
    while True:
        testimony = await fault.witness(bench.platform, victim)
        if testimony.acted is acts:
            return ""
        if time.monotonic() > deadline:
            return f"{'not seen' if acts else 'still seen'}: {testimony.detail}"
        await asyncio.sleep(0.01)


async def healed(bench: Bench, name: str, number: int) -> tuple[list[str], float]:
    """One that is healed: what was wrong, and the seconds until it was seen."""
    number = number if name in ENDS_IT or bench.turns else 0
    victim, fault, began = await bench.ready(number), bench.fault(name), time.monotonic()
    await fault.inject(bench.platform, [victim])
    wrong = [await seen(bench, fault, victim, acts=True)]
    took = time.monotonic() - began
    await fault.heal(bench.platform, [victim])
    if name not in ENDS_IT:
        wrong.append(await seen(bench, fault, victim, acts=False))
    after = await bench.ready(number, other_than=victim.identity if name in ENDS_IT else None)
    if name not in ENDS_IT and after.identity != victim.identity:
        wrong.append(f"{victim.identity} became {after.identity}")
    return [*filter(None, wrong), *bench.left()], took


async def killed(bench: Bench, name: str, number: int, chance: random.Random) -> tuple[list[str], float]:
    """A guest orders it, and is killed; seconds until nothing was left."""
    number = number if name in ENDS_IT or bench.turns else 0
    victim = await bench.ready(number)
    guest = await _act(bench, name, "guest", number)
    await asyncio.sleep(chance.random() * 0.4)
    guest.send_signal(signal.SIGKILL)
    await guest.wait()
    began = time.monotonic()
    cleared = await asyncio.to_thread(wait, lambda: not bench.left(), WITHIN_S, 0.01)
    took, wrong = time.monotonic() - began, [] if cleared else bench.left()
    after = await bench.ready(number)
    if name not in ENDS_IT:
        if after.identity != victim.identity:
            wrong.append(f"{victim.identity} became {after.identity}")
        wrong.append(await seen(bench, bench.fault(name), after, acts=False))
    return [*filter(None, wrong)], took


async def both_killed(directory: Path, library: str, name: str, chance: random.Random) -> tuple[list[str], float]:
    """The owner and its keeper are killed while it acts, then `undo`."""
    bench = Bench(directory, library)
    owner = await _act(bench, name, "owner")
    await asyncio.sleep(chance.random() * 0.4)
    keepers = [p for p in processes() if f"seatrial.keeper {directory / 'trial'} " in command_line(p)]
    for pid in [owner.pid, *keepers]:
        os.kill(pid, signal.SIGSTOP)  # so that neither notices the other's end
    for pid in [owner.pid, *keepers]:
        os.kill(pid, signal.SIGKILL)
    await owner.wait()
    began = time.monotonic()
    report = await asyncio.to_thread(undo, directory / "trial")
    took = time.monotonic() - began
    wrong = [*report.residue.lines, *filter(None, [report.refused]), *bench.left()]
    return [*wrong, *(f"pid {p} {c}" for p in processes() if str(WORKER) in (c := command_line(p)))], took


async def _act(bench: Bench, name: str, who: str, number: int = 0) -> asyncio.subprocess.Process:
    """A process of its own that orders the fault; it has just begun to when this returns."""
    more = ["--compose"] if isinstance(bench, Containers) else []
    argv = [sys.executable, __file__, *more, "--act", name, "--as", who, "--number", str(number)]
    argv += ["--directory", str(bench.directory)]
    process = await asyncio.create_subprocess_exec(*argv, stdout=asyncio.subprocess.PIPE)
    assert process.stdout is not None
    if await process.stdout.readline() != b"acting\n":
        raise RuntimeError(f"{who} did not come to {name}")
    return process


async def act(bench: Bench, name: str, who: str, number: int) -> None:
    """What that process does: it waits to be killed."""
    directory = bench.directory
    if who == "guest":
        platform = bench.on(await KeeperClient.attach(directory / "trial"))
        await platform.attach(lambda _: None)
    else:
        platform = bench.on(await KeeperClient.launch(directory / "trial"))
        await platform.up(lambda _: None)
    victim, fault = await bench.ready(number), bench.fault(name)
    print("acting", flush=True)
    await fault.inject(platform, [victim])
    await asyncio.Event().wait()


def line(way: str, name: str, wrong: list[list[str]], took: list[float]) -> bool:
    """Tell how one fault did in one way; whether all went well."""
    good = sum(not w for w in wrong)
    print(
        f"{way:>11} {name:<18} {good:>3} of {len(wrong)} (bound: all); median {statistics.median(took):.2f} s, max {max(took):.2f} s"
    )
    for each in wrong:
        if each:
            print(f"            {'; '.join(each)}")
    sys.stdout.flush()
    return good == len(wrong)


async def measure(times: int, only: str, library: str, chance: random.Random, *, compose: bool) -> int:
    """All of it; the exit status."""
    known = [n for n in FAULTS if library or n != "clock-offset"]
    names = [n for n in known if only in ("", n)]
    good = []
    with workplace() as directory:
        bench = bench_in(directory, library, compose=compose)
        keeper = await KeeperClient.launch(directory / "trial")
        platform = bench.on(keeper)
        try:
            await platform.up(lambda _: None)
            for name in names:
                outcomes = [await healed(bench, name, n) for n in range(times)]
                good.append(line("healed", name, [o[0] for o in outcomes], [o[1] for o in outcomes]))
                outcomes = [await killed(bench, name, n, chance) for n in range(times)]
                good.append(line("killed", name, [o[0] for o in outcomes], [o[1] for o in outcomes]))
        finally:
            residue = await platform.down()
            await keeper.close()
        left = [*residue.lines, *bench.left()]
        print(f"    the end                    {'; '.join(left) or 'nothing left'}", flush=True)
        good.append(not left)
    outcomes = []
    for number in range(times if only in ("", "both") and not compose else 0):
        with workplace() as directory:
            outcomes.append(await both_killed(directory, library, known[number % len(known)], chance))
    if outcomes:
        good.append(line("both killed", "(all in turn)", [o[0] for o in outcomes], [o[1] for o in outcomes]))
    print(
        f"resource faults: {sum(good)} of {len(good)} hold{'' if library else '; clock-offset not exercised: no libfaketime here'}"
    )
    return 0 if all(good) else 1


def main() -> int:
    """Command line."""
    end_like_interrupted()
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--times", type=int, default=20)
    parser.add_argument("--only", default="", choices=["", *FAULTS, "both"], metavar="FAULT|both")
    parser.add_argument("--compose", action="store_true")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--libfaketime", default=os.environ.get("SEATRIAL_LIBFAKETIME", ""))
    parser.add_argument("--act", help=argparse.SUPPRESS)
    parser.add_argument("--as", dest="who", help=argparse.SUPPRESS)
    parser.add_argument("--number", type=int, default=0, help=argparse.SUPPRESS)
    parser.add_argument("--directory", type=Path, help=argparse.SUPPRESS)
    given = parser.parse_args()
    library = given.libfaketime or next(map(str, Path("/usr/lib").glob("*/faketime/libfaketime.so.1")), "")
    if given.act:
        bench = bench_in(given.directory, library, compose=given.compose)
        asyncio.run(act(bench, given.act, given.who, given.number))
        return 0
    if os.geteuid() != 0 or procfs.pid_namespace() == "":
        print("resource faults: not exercised: root is needed, for control groups and a mount")
        return 0
    return asyncio.run(measure(given.times, given.only, library, random.Random(given.seed), compose=given.compose))


if __name__ == "__main__":
    sys.exit(main())
