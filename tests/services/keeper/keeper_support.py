"""Real processes, and independent eyes (psutil) to see what became of them."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from uuid import uuid4

import psutil

from seatrial.core.processes import ProcessId, Restart, Surroundings, UnitOrder, UnitState, UnitStatus
from seatrial.keeper import KeeperClient
from seatrial.keeper.client import last_keeper

HERE = Path(__file__).parent
PATIENCE_S = 20.0


def pids_with(mark: str) -> list[int]:
    """Pids of all living processes that have the mark in their command line."""
    found = []
    for process in psutil.process_iter():
        try:
            if mark in " ".join(process.cmdline()) and process.status() != psutil.STATUS_ZOMBIE:
                found.append(process.pid)
        except psutil.Error:
            continue
    return found


def eventually(condition: Callable[[], object], what: str, patience_s: float = PATIENCE_S) -> None:
    deadline = time.monotonic() + patience_s
    while not condition():
        assert time.monotonic() < deadline, f"waited in vain until {what}"
        time.sleep(0.01)


async def eventually_async(condition: Callable[[], object], what: str, patience_s: float = PATIENCE_S) -> None:
    deadline = time.monotonic() + patience_s
    while not condition():
        assert time.monotonic() < deadline, f"waited in vain until {what}"
        await asyncio.sleep(0.01)


@dataclass
class Trial:
    """A trial directory with orders for marked processes."""

    directory: Path
    mark: str = field(default_factory=lambda: f"mark-{uuid4().hex}")

    @property
    def surroundings(self) -> Surroundings:
        return Surroundings(directory=self.directory, environment={"PATH": os.environ["PATH"]})

    def told(self, name: str) -> dict[str, int]:
        """What a forker told of itself last: pids by part."""
        path = self.directory / f"{name}.told"
        lines = path.read_text().split("\n") if path.exists() else []
        return {part: int(pid) for part, _, pid in (line.partition(" ") for line in lines if line)}

    def settled(self, name: str) -> bool:
        """A forker has started all that it will."""
        return {"leader", "session", "daemon"} <= self.told(name).keys()

    def forker(self, name: str, *options: str, restart: Restart = Restart.ALWAYS, **more: int) -> UnitOrder:
        argv = [sys.executable, str(HERE / "forker.py"), self.mark, str(self.directory / f"{name}.told"), *options]
        return self.order(name, *argv, restart=restart, **more)

    def order(self, name: str, *argv: str, restart: Restart = Restart.ALWAYS, **more: int) -> UnitOrder:
        return UnitOrder(
            name=name,
            argv=argv,
            surroundings=self.surroundings,
            log=self.directory / "logs" / f"{name}.log",
            restart=restart,
            **more,
        )

    def shell(self, name: str, script: str, restart: Restart = Restart.ALWAYS, **more: int) -> UnitOrder:
        """A shell whose command line, and whose alone, carries the mark."""
        return self.order(name, "sh", "-c", script, self.mark, restart=restart, **more)

    def pids(self) -> list[int]:
        return pids_with(self.mark)

    def keeper(self) -> ProcessId:
        return last_keeper(self.directory)[1]

    async def started(self, client: KeeperClient, name: str, *options: str, **more: int) -> UnitStatus:
        """A forker whose processes are all there and known to the keeper."""
        status = await client.start(self.forker(name, *options, **more))
        await eventually_async(lambda: self.settled(name), f"{name} runs")
        await eventually_async(lambda: self.recorded(self.told(name)["daemon"]), f"the daemon of {name} is recorded")
        return status

    def recorded(self, pid: int) -> bool:
        return f'"pid":{pid},' in (self.directory / "keeper.jsonl").read_text()


def kill_marked(pid: int, mark: str) -> None:
    try:
        if mark in " ".join(psutil.Process(pid).cmdline()):
            os.kill(pid, signal.SIGKILL)
    except (psutil.Error, ProcessLookupError):
        pass


async def reaches(client: KeeperClient, name: str, state: UnitState) -> UnitStatus:
    """The unit's status when it is in that state."""
    changes = client.changes()
    async with asyncio.timeout(PATIENCE_S):
        status = (await client.statuses())[name]
        while status.state is not state:
            status = await anext(changes)
            if status.name != name:
                status = (await client.statuses())[name]
    return status


class Owner:
    """A client process that can be killed."""

    def __init__(self, trial: Trial, *options: str, limit_ns: int = 30_000_000_000) -> None:
        self.trial = trial
        script = str(HERE / "owner.py")
        self.process = subprocess.Popen(
            [sys.executable, script, str(trial.directory), trial.mark, str(limit_ns), *options],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            start_new_session=True,
        )
        assert self.process.stdout is not None
        assert self.process.stdout.readline() == b"ready\n"
        for name in ("a#1", "a#2"):
            eventually(lambda name=name: trial.settled(name), f"{name} runs")
            eventually(lambda name=name: trial.recorded(trial.told(name)["daemon"]), f"{name} is recorded")

    def signal(self, number: int) -> None:
        os.kill(self.process.pid, number)

    def close(self) -> None:
        self.process.kill()
        self.process.communicate()
