"""SIGKILL seatrial at random moments of a trial: does anything stay behind, and is anything foreign touched?

    python benchmarks/kills.py --times 20                 the keeper alone has to clean up
    python benchmarks/kills.py --times 20 --keeper        the keeper is killed too, then `seatrial undo`

Beside it run decoys: a redis and a postgres that are not ours, a second live trial, and after each kill a foreign listener on a port
that the trial had used. Prints a line a kill and the sum; exit status 1 when anything was left or a decoy was hurt.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import random
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from seatrial.embedded.binaries import find

STACK = """\
services:
  store: {kind: redis, replicas: 1, sentinels: 3}
  base: {kind: postgres}
  web:
    command: python -m http.server --bind 127.0.0.1 {{ instance.port.http }}
    replicas: 2
    ready: {http: GET /, expect: status == 200}
"""
SPEC = """\
seatrial: 1
name: victim
stack: stack.yaml
requirements: {R-1: the web answers while it is broken}
workloads:
  visitors: {http: GET /, at: web, rate: 50/s}
throughout: [visitors]
scenarios:
  broken:
    covers: [R-1]
    steps:
      - {fault: pause, at: web#1, id: stall}
      - {http: GET /, at: web#2, expect: status == 200, for: 1s, id: other}
      - {heal: stall}
      - {fault: kill, at: store/master, id: crash}
      - {http: GET /, at: web *, expect: status == 200, for: 20s, id: long}
"""


@dataclass
class Process:
    """One line of /proc: pid, start time, command."""

    pid: int
    started: int
    command: str


def processes() -> dict[tuple[int, int], Process]:
    """Every process of the machine by (pid, start time)."""
    found = {}
    for path in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError, IndexError):
            fields = (path / "stat").read_text().rpartition(")")[2].split()
            if fields[0] == "Z":
                continue
            command = (path / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace").strip()
            found[int(path.name), int(fields[19])] = Process(int(path.name), int(fields[19]), command)
    return found


@dataclass
class Bench:
    """The workplace: a directory, the decoys, and what the machine ran before."""

    directory: Path
    decoys: list[subprocess.Popen[bytes]] = field(default_factory=list)

    def spec(self, name: str) -> Path:
        """A directory with the spec of a victim."""
        place = self.directory / name
        place.mkdir()
        (place / "stack.yaml").write_text(STACK)
        (place / "seatrial.yaml").write_text(SPEC)
        return place


def free_port() -> int:
    """A port that nobody has now."""
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        port: int = s.getsockname()[1]
        return port


@contextlib.contextmanager
def decoys(bench: Bench) -> Iterator[None]:
    """A redis and a second trial that are not the victim's; both must live on."""
    redis = subprocess.Popen(
        [str(find("redis-server")), "--port", str(free_port()), "--save", "", "--daemonize", "no"],
        cwd=bench.directory,
        stdout=subprocess.DEVNULL,
    )
    other = bench.spec("other-trial")
    environment = {**os.environ, "SEATRIAL_DIRECTORY": str(bench.directory / "other-records")}
    subprocess.run(
        [sys.executable, "-m", "seatrial", "up", str(other / "stack.yaml")],
        check=True,
        env=environment,
        stdout=subprocess.DEVNULL,
    )
    bench.decoys = [redis]
    try:
        yield
    finally:
        subprocess.run(
            [sys.executable, "-m", "seatrial", "down"], check=True, env=environment, stdout=subprocess.DEVNULL
        )
        redis.terminate()
        redis.wait()


def keeper_of(records: Path) -> int | None:
    """The keeper's pid as its first record says."""
    for path in records.glob("trials/*/keeper.jsonl"):
        for line in path.read_text().splitlines():
            record = json.loads(line)
            process = record.get("keeper") or record.get("process")
            if isinstance(process, dict) and "pid" in process:
                return int(process["pid"])
    return None


def one(bench: Bench, number: int, kill_keeper: bool, moment: float) -> tuple[list[str], list[str]]:
    """One kill; returns what was left and which decoys were hurt."""
    before = processes()
    place = bench.spec(f"victim-{number}")
    records = place / "records"
    environment = {**os.environ, "SEATRIAL_DIRECTORY": str(records)}
    log = (place / "log").open("wb")
    trial = subprocess.Popen(
        [sys.executable, "-m", "seatrial", "run", str(place / "seatrial.yaml")], env=environment, stdout=log, stderr=log
    )
    with contextlib.suppress(subprocess.TimeoutExpired):
        trial.wait(moment)
    keeper = keeper_of(records)
    trial.kill()
    trial.wait()
    if kill_keeper and keeper is not None:
        with contextlib.suppress(ProcessLookupError):
            os.kill(keeper, signal.SIGKILL)
        subprocess.run(
            [sys.executable, "-m", "seatrial", "undo", "--all"], env=environment, stdout=log, stderr=log, check=False
        )
    deadline = time.monotonic() + 20
    left = fresh(before)
    while left and time.monotonic() < deadline:
        time.sleep(0.1)
        left = fresh(before)
    lost = [
        p.command
        for key, p in before.items()
        if key not in processes() and "benchmarks/kills.py" not in p.command and _ours(bench, p)
    ]
    remains = [str(p) for p in records.glob("trials/*/stack")]
    return [f"process {p.pid} {p.command[:80]}" for p in left] + remains, lost


def fresh(before: dict[tuple[int, int], Process]) -> list[Process]:
    """Processes of a trial that were not there before."""
    marks = ("redis-server", "postgres", "http.server", "seatrial", "etcd")
    return [
        p
        for key, p in processes().items()
        if key not in before and any(m in p.command for m in marks) and p.pid != os.getpid()
    ]


def _ours(bench: Bench, process: Process) -> bool:
    """Whether a vanished process was one of the decoys."""
    return str(bench.directory) in process.command or process.pid in [d.pid for d in bench.decoys]


def main() -> int:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--times", type=int, default=20)
    parser.add_argument("--keeper", action="store_true", help="kill the keeper too, then undo")
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    chance = random.Random(arguments.seed)
    clean = 0
    with tempfile.TemporaryDirectory(prefix="seatrial-kills-") as name:
        bench = Bench(Path(name))
        with decoys(bench):
            for number in range(arguments.times):
                moment = chance.uniform(0.1, 12)
                left, hurt = one(bench, number, arguments.keeper, moment)
                clean += not left and not hurt
                left_text, hurt_text = (
                    "; ".join(left) or "nothing left",
                    f"hurt: {'; '.join(hurt)}" if hurt else "untouched",
                )
                print(f"kill {number + 1:>2} at {moment:5.2f} s: {left_text}; decoys {hurt_text}", flush=True)
    what = "seatrial and its keeper killed, then undo" if arguments.keeper else "seatrial killed, the keeper alone"
    print(f"{what}: {clean} of {arguments.times} left nothing and hurt nobody (bound: all)")
    return 0 if clean == arguments.times else 1


if __name__ == "__main__":
    sys.exit(main())
