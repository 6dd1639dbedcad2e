"""Containers: are faults what they are said to be, healed whatever ends seatrial, and outages as long as the engine says?

    python benchmarks/compose.py [--times 20] [--only policies|faults|kills|removals|outages]

policies    a crash is restarted under always, unless-stopped and on-failure, and not under no; an operator's kill under none of them
faults      kill, stop, pause, restart of one container: witnessed by the kernel, healed, ready again
kills       seatrial is killed with SIGKILL at random moments while it stops, pauses and holds containers of a project that is not
            its own: all of them run again afterwards
removals    it is killed at random moments of the life of a project of its own (every other time its keeper, too, then `undo`):
            nothing is left
outages     what a workload of 100 requests a second states, against the engine's own times (events, inspection and log)

Needs an engine on this machine, Compose v2, root, and the image debian:bookworm. Exit status 1 when anything did not hold.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from containers import BACK_WITHIN_S, now, ready, restarted_by_hand, running, service, until
from machine import end_like_interrupted
from ports import free_port

from seatrial.api.vocabulary import vocabulary
from seatrial.api.workloads import Maker
from seatrial.arrivals.records import read
from seatrial.checkers.history import History
from seatrial.checkers.outages import outages
from seatrial.core.faults import Fault, FaultOrder, Testimony
from seatrial.core.plan import ProbeCall, WorkloadPlan
from seatrial.core.quantities import Dimension, Quantity
from seatrial.core.stack import InstanceState
from seatrial.core.vocabulary import load
from seatrial.core.workloads import RenderedRequest, Window
from seatrial.keeper import undo
from seatrial.keeper.records import process_in, read_records
from seatrial.platforms.compose.clock import from_rfc3339
from seatrial.platforms.compose.project import own_name

POLICIES = {"always": "always", "unlessstopped": "unless-stopped", "onfailure": "on-failure", "never": "no"}
STAYS_DOWN_S = 2.5  # longer than any restart by a policy takes
# -- policies


async def policies(directory: Path, times: int) -> list[str]:
    """The table, `times` over."""
    wrong: list[str] = []
    restarted, killed_up, took = dict.fromkeys(POLICIES, 0), dict.fromkeys(POLICIES, 0), []
    async with running(directory, {s: service(restart=p) for s, p in POLICIES.items()}) as platform:

        async def crash(name: str) -> None:
            before = await now(platform, name)
            await platform.kill(before, 0)
            died = (await now(platform, name)).since_ns

            async def again() -> bool:
                seen = await now(platform, name)
                return seen.restarts == before.restarts + 1 and seen.identity not in (None, before.identity)

            if await until(again, STAYS_DOWN_S if name == "never" else BACK_WITHIN_S):
                restarted[name] += 1
                took.append(((await now(platform, name)).since_ns - died) / 1e6)

        async def killed(name: str) -> None:
            before = await now(platform, name)
            await platform.kill(before, None)

            async def up() -> bool:
                return (await now(platform, name)).state is not InstanceState.DOWN

            killed_up[name] += await until(up, STAYS_DOWN_S)

        async def back(name: str) -> None:
            await platform.release(await now(platform, name))
            if not await ready(platform, name):
                wrong.append(f"{name} did not come back")

        for _ in range(times):
            for act in (crash, back, killed, back):
                await asyncio.gather(*(act(name) for name in POLICIES))
    for name, policy in POLICIES.items():
        wanted = 0 if name == "never" else times
        crashes = f"restarted {restarted[name]} of {times} (wanted {wanted})"
        line = f"{policy:<15} crash: {crashes}; operator's kill: {killed_up[name]} (wanted 0)"
        print(line)
        wrong += [line] if (restarted[name], killed_up[name]) != (wanted, 0) else []
    took.sort()
    print(
        f"from die to start, by the engine's events: {took[0]:.0f} to {took[-1]:.0f} ms, median {took[len(took) // 2]:.0f} ms"
    )
    return wrong


# -- faults


async def faults(directory: Path, times: int) -> list[str]:
    """Each fault of containers, as the engine of seatrial injects, witnesses and heals it."""
    wrong: list[str] = []
    orders = {
        "crash": ("kill", None),
        "held": ("kill", 60_000_000_000),
        "stop": ("stop", None),
        "pause": ("pause", None),
        "restart": ("restart", None),
    }
    async with running(directory, {name: service() for name in orders}) as platform:

        async def one(name: str) -> tuple[int, int]:
            kind, hold_ns = orders[name]
            seen = healed = 0
            for _ in range(times):
                victim = await now(platform, name)
                fault: Fault = load(vocabulary().faults[kind].make)(FaultOrder(hold_ns=hold_ns, arguments={}))
                await fault.inject(platform, [victim])
                testimony: list[Testimony] = []

                async def witnessed() -> bool:
                    testimony.append(await fault.witness(platform, victim))  # noqa: B023 - awaited in this round
                    return testimony[-1].acted  # noqa: B023

                seen += await until(witnessed, 5.0)
                await fault.heal(platform, [victim])
                healed += await ready(platform, name)
                if name == "crash":
                    await restarted_by_hand(platform, name)
            return seen, healed

        for name, (seen, healed) in zip(orders, await asyncio.gather(*(one(n) for n in orders)), strict=True):
            line = f"{name:<8} witnessed {seen} of {times}, healed {healed} of {times}"
            print(line)
            wrong += [line] if (seen, healed) != (times, times) else []
    return wrong


# -- killed while it acts

OWNER = """
import asyncio, sys
from pathlib import Path
sys.path.insert(0, sys.argv[1])
from containers import make, now

async def main():
    directory, file, name, act = Path(sys.argv[2]), Path(sys.argv[3]), sys.argv[4], sys.argv[5]
    platform, keeper = await make(directory, file, **({"name": name, "adopt": True} if name else {}))
    print("begins", flush=True)
    await platform.up(lambda p: None)
    print("acts", flush=True)
    while True:
        web = await now(platform, "web")
        if act == "pause":
            await platform.pause(web)
        elif act == "stop":
            await platform.stop(web, None)
        else:
            await platform.kill(web, None)
        await platform.release(web)

asyncio.run(main())
"""


async def owner(directory: Path, file: Path, name: str, act: str) -> asyncio.subprocess.Process:
    """Somebody who acts on a project without end; its first word has been said."""
    words = (str(Path(__file__).parent), str(directory), str(file), name, act)
    process = await asyncio.create_subprocess_exec(sys.executable, "-c", OWNER, *words, stdout=asyncio.subprocess.PIPE)
    assert process.stdout is not None
    assert (await asyncio.wait_for(process.stdout.readline(), 60)).strip() == b"begins"
    return process


async def kills(directory: Path, times: int, chance: random.Random) -> list[str]:
    """A project of somebody else's is healed."""
    wrong: list[str] = []
    file = directory / "compose.yaml"
    file.write_text(json.dumps({"services": {"web": service(stop_grace_period="1s")}}))
    name = f"bench-byhand-{os.getpid()}"
    compose = ["docker", "compose", "--project-name", name, "--file", str(file)]
    await asyncio.to_thread(subprocess.run, [*compose, "up", "--detach"], check=True, capture_output=True)
    try:
        for act in ("pause", "stop", "kill"):
            healed, found = 0, 0
            for number in range(times):
                trial = directory / f"{act}-{number}"
                process = await owner(trial, file, name, act)
                assert process.stdout is not None
                await process.stdout.readline()
                await asyncio.sleep(chance.uniform(0.0, 1.0))  # the moment of the kill is drawn
                process.kill()
                await process.wait()
                found += state(name) != "running"
                await keeper_gone(trial)
                healed += state(name) == "running"
            line = f"killed while it does {act:<6} healed {healed} of {times} ({found} times it was down or frozen at that moment)"
            print(line)
            wrong += [line] if healed != times else []
    finally:
        await asyncio.to_thread(subprocess.run, [*compose, "down", "--timeout", "0"], capture_output=True, check=False)
    return wrong


def state(project: str) -> str:
    """Of its one container, by the docker CLI."""
    argv = [
        "docker",
        "ps",
        "--all",
        "--filter",
        f"label=com.docker.compose.project={project}",
        "--format",
        "{{.State}}",
    ]
    return subprocess.run(argv, capture_output=True, text=True, check=True).stdout.strip()


async def keeper_gone(trial: Path) -> None:
    """Wait until a trial's keeper has done what it is there for."""
    pid = keeper_of(trial)

    async def gone() -> bool:
        return not Path(f"/proc/{pid}").exists()

    assert await until(gone, 90.0), f"the keeper of {trial} goes on"


def keeper_of(trial: Path) -> int:
    """Its pid."""
    return next(p.pid for r in read_records(trial) if r["event"] == "keeper" and (p := process_in(r)) is not None)


async def removals(directory: Path, times: int, chance: random.Random) -> list[str]:
    """A project of one's own goes, at whatever moment of its life."""
    wrong: list[str] = []
    file = directory / "compose.yaml"
    build = {"context": ".", "dockerfile_inline": "FROM debian:bookworm\nENV A=b\n"}
    web = service(build=build, volumes=["data:/data"], stop_grace_period="1s")
    web.pop("image")
    file.write_text(json.dumps({"services": {"web": web}, "volumes": {"data": {}}}))
    for number in range(times):
        trial = directory / f"own-{number}"
        process = await owner(trial, file, "", "pause")
        after = chance.uniform(0.0, 6.0)
        await asyncio.sleep(after)  # the moment of the kill is drawn
        both = number % 2 == 1
        if both:
            os.kill(keeper_of(trial), signal.SIGKILL)
        process.kill()
        await process.wait()
        if both:
            report = await asyncio.to_thread(undo, trial)
            said = list(report.residue.lines)
        else:
            await keeper_gone(trial)
            said = []
        left = belongings(own_name("bench", trial))
        line = f"killed{' with its keeper' if both else ''} after {after:.2f} s: {left or 'nothing'} left"
        print(line)
        wrong += [line] if left or said else []
    return wrong


def belongings(project: str) -> list[str]:
    """Everything of a project, by the docker CLI."""
    mine = f"label=com.docker.compose.project={project}"
    asked = (
        ["ps", "--all", "--quiet", "--filter", mine],
        ["network", "ls", "--quiet", "--filter", mine],
        ["volume", "ls", "--quiet", "--filter", mine],
        ["images", "--quiet", "--filter", f"reference={project}*"],
    )
    return [
        word
        for argv in asked
        for word in subprocess.run(["docker", *argv], capture_output=True, text=True, check=True).stdout.split()
    ]


# -- outages


async def measured(directory: Path, times: int, chance: random.Random, rate: float = 100.0) -> list[str]:
    """Outages of a container as clients saw them, beside the engine's times."""
    wrong: list[str] = []
    widest = furthest = latest = 0.0
    # In the network of the machine: behind the engine's bridge a client is without service for longer, until the bridge has asked anew
    # (ARP, once a second) who has the address.
    port = free_port()
    web = service(network_mode="host", environment={"PORT": str(port)}, **{"x-seatrial": {"endpoints": {"http": port}}})
    web.pop("ports")
    async with running(directory, {"web": web}) as platform:
        name = f"{own_name('bench', directory / 'trial')}-web-1"
        endpoint = (await now(platform, "web")).endpoints["http"]
        plan = WorkloadPlan(
            name="clients",
            call=ProbeCall(verb="http", what="GET /"),
            arrivals={"constant": Quantity(rate, Dimension.RATE)},
            timeout_ns=10_000_000_000,
            in_flight=4000,
        )
        request = RenderedRequest(urls=(endpoint.url,), method="GET", path="/", headers={})
        workload = await Maker().start(plan, request, directory, "p-", nobody)
        try:
            for number in range(times):
                await asyncio.sleep(
                    1.0 + chance.random() / rate
                )  # served for a second, then at any moment between two requests
                began, began_wall = time.monotonic_ns(), time.time()
                kind = "pause" if number % 2 else "crash"
                victim = await now(platform, "web")
                if kind == "crash":
                    await restarted_by_hand(platform, "web")
                    await asyncio.sleep(1.0 + chance.random() / rate)
                    victim = await now(platform, "web")
                    began, began_wall = time.monotonic_ns(), time.time()
                    ordered = time.monotonic_ns()
                    await platform.kill(victim, 0)
                    released = 0
                else:
                    ordered = time.monotonic_ns()
                    await platform.pause(victim)
                    await asyncio.sleep(chance.uniform(0.3, 2.0))  # how long the outage is
                    released = time.monotonic_ns()
                    await platform.release(victim)
                await ready(platform, "web")
                await asyncio.sleep(1.0)  # and served for a second again
                window = Window(from_ns=began - 900_000_000, to_ns=time.monotonic_ns())
                history = History.of(read(workload.file), window, rate, plan.timeout_ns)
                seen = max(outages(history), key=lambda o: o.high_ns)
                stopped, went_on = engines_word(name, kind, began_wall)
                truth, bound = went_on - stopped, platform.clock.moment(stopped).bound_ns
                # A process stops, and goes on, between the order and the moment at which its engine says so.
                late = platform.clock.moment(stopped).ns - ordered
                early = max(0, platform.clock.moment(went_on).ns - released) if released else 0
                inside = seen.low_ns <= truth + late + 2 * bound and truth - early - 2 * bound <= seen.high_ns
                half = (seen.high_ns - seen.low_ns) / 2e6
                off = max(0.0, truth - seen.high_ns, seen.low_ns - truth) / 1e6
                widest, furthest, latest = max(widest, half), max(furthest, off), max(latest, late / 1e6, early / 1e6)
                stated = f"{seen.low_ns / 1e6:7.1f} to {seen.high_ns / 1e6:7.1f} ms"
                noticed = f"{late / 1e6:.1f}{f' and {early / 1e6:.1f}' if early else ''} ms after the order"
                line = f"{kind}: the engine {truth / 1e6:7.1f} ms ({noticed}), stated {stated}, {'inside' if inside else 'OUTSIDE'}"
                print(line, flush=True)
                wrong += [line] if not inside else []
        finally:
            await workload.stop()
    print(
        f"inside {times - len(wrong)} of {times}; half-width at most {widest:.1f} ms; at most {furthest:.1f} ms from the engine's word, "
        f"which was late by up to {latest:.1f} ms"
    )
    return wrong


def engines_word(container: str, kind: str, since: float) -> tuple[int, int]:
    """Since when there was no service, and until when, ns of the engine's clock.

    Between its events; of a crash between when the process ended (its event may be late) and when the server said that it listens.
    """
    argv = [
        "docker",
        "events",
        "--since",
        f"{since - 0.5:.6f}",
        "--until",
        f"{time.time():.6f}",
        "--filter",
        f"container={container}",
    ]
    said = subprocess.run([*argv, "--format", "{{json .}}"], capture_output=True, text=True, check=True).stdout
    at: dict[str, int] = {}
    for line in said.splitlines():
        event = json.loads(line)
        at.setdefault(event["Action"], int(event["timeNano"]))
    if kind == "pause":
        return at["pause"], at["unpause"]
    log = subprocess.run(["docker", "logs", "--timestamps", container], capture_output=True, text=True, check=True)
    listens = from_rfc3339(log.stdout.strip().splitlines()[-1].split()[0])
    argv = ["docker", "inspect", "--format", "{{.State.FinishedAt}}", container]
    ended = from_rfc3339(subprocess.run(argv, capture_output=True, text=True, check=True).stdout.strip())
    return min(ended, at["die"]), listens


async def nobody(_pid: int) -> None:
    """Nobody owns the worker: this script ends it."""


PARTS = ("policies", "faults", "kills", "removals", "outages")


def main() -> int:
    """Command line."""
    end_like_interrupted()
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--times", type=int, default=20)
    parser.add_argument("--only", choices=PARTS, action="append")
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    chance = random.Random(arguments.seed)
    wrong: list[str] = []
    for part in arguments.only or PARTS:
        print(f"{part}:", flush=True)
        with tempfile.TemporaryDirectory(prefix="bench-") as name:
            directory, times = Path(name), arguments.times
            if part == "policies":
                wrong += asyncio.run(policies(directory, times))
            elif part == "faults":
                wrong += asyncio.run(faults(directory, times))
            elif part == "kills":
                wrong += asyncio.run(kills(directory, times, chance))
            elif part == "removals":
                wrong += asyncio.run(removals(directory, times, chance))
            else:
                wrong += asyncio.run(measured(directory, times, chance))
    print("all of it holds" if not wrong else f"{len(wrong)} did not hold: {'; '.join(wrong)}")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
