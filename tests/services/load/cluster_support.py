"""A Dask cluster of real processes on loopback: a scheduler, and workers that can be ended by their pid."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

from seatrial.core import procfs

_START_S = 60.0


class Cluster:
    """A scheduler and its workers; `close` ends them and what they started."""

    def __init__(self, directory: Path, *security: str) -> None:
        self._directory = directory
        self._file = directory / "scheduler.json"
        self._security = security
        self._started: list[subprocess.Popen[bytes]] = []
        self.workers: list[subprocess.Popen[bytes]] = []
        self._start(
            "scheduler", "--host", "127.0.0.1", "--port", "0", "--no-dashboard", "--scheduler-file", str(self._file)
        )
        wait_for(lambda: self._file.exists() and self._file.read_text().endswith("}"), _START_S)
        self.address = str(json.loads(self._file.read_text())["address"])

    def _start(self, what: str, *arguments: str) -> subprocess.Popen[bytes]:
        number = len(self._started)
        with (self._directory / f"{number}-{what}.log").open("wb") as log:
            process = subprocess.Popen(
                [sys.executable, "-m", f"distributed.cli.dask_{what}", *arguments, *self._security],
                stdout=log,
                stderr=log,
                cwd=self._directory,
            )
        self._started.append(process)
        return process

    def add(self, number: int = 1, *arguments: str) -> list[subprocess.Popen[bytes]]:
        """More workers, without a nanny; returns when they are there."""
        before = len(self.workers)
        for _ in range(number):
            self.workers.append(
                self._start(
                    "worker", "--scheduler-file", str(self._file), "--no-nanny", "--nthreads", "1", "--no-dashboard",
                    "--host", "127.0.0.1", "--local-directory", str(self._directory / "scratch"), *arguments,
                )
            )  # fmt: skip
        for number in range(len(self._started) - len(self.workers[before:]), len(self._started)):
            log = self._directory / f"{number}-worker.log"
            wait_for(lambda log=log: "Registered to:" in log.read_text(), _START_S)  # type: ignore[misc]
        return self.workers[before:]

    def log(self, number: int) -> str:
        """What a process said; 0 is the scheduler."""
        return next(self._directory.glob(f"{number}-*.log")).read_text()

    def lose_scheduler(self) -> None:
        """SIGKILL it."""
        self._started[0].kill()
        self._started[0].wait()

    def close(self) -> None:
        """End all."""
        for process in self._started:
            process.kill()
            process.wait()


def generators(*pids: int) -> set[int]:
    """Those of them that send."""
    return {child for pid in pids for child in procfs.children(pid) if b"seatrial.load.worker" in command(child)}


def command(pid: int) -> bytes:
    """The command line of a process; nothing when it is gone."""
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return b""


def alive(pid: int) -> bool:
    """Whether a process is there and no zombie."""
    try:
        os.kill(pid, 0)
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def wait_for(condition: Callable[[], bool], seconds: float = 30) -> None:
    """Until it holds."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not come to be in time"
        time.sleep(0.05)
