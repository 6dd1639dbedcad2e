"""What runs on this machine and what it holds, read from /proc without seatrial's help."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

NURSERY = Path(__file__).with_name("nursery.py")
SHM = "/dev/shm/"


@dataclass(frozen=True, kw_only=True, slots=True)
class Process:
    """A living process: a pid alone is reused, with its start time (ticks since boot) it is not."""

    pid: int
    started: int
    parent: int
    name: str

    @property
    def key(self) -> tuple[int, int]:
        """Pid and start time."""
        return self.pid, self.started


def end_like_interrupted() -> None:
    """SIGTERM (of a `timeout`, say) ends this process as Ctrl-C does: what it brought up is taken down."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)


def processes() -> dict[int, Process]:
    """Every process of the machine by pid, without those that have ended and wait for their parent."""
    found = {}
    for path in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError, IndexError):
            head, _, tail = (path / "stat").read_text().rpartition(")")
            fields = tail.split()
            if fields[0] not in "ZX":
                pid = int(path.name)
                found[pid] = Process(
                    pid=pid, started=int(fields[19]), parent=int(fields[1]), name=head.partition("(")[2]
                )
    return found


def beneath(root: int, all_: Mapping[int, Process]) -> list[Process]:
    """The living descendants of a process, parents first, without itself."""
    children: dict[int, list[Process]] = {}
    for process in all_.values():
        children.setdefault(process.parent, []).append(process)
    found, fresh = [], children.get(root, [])
    while fresh:
        found += fresh
        fresh = [child for process in fresh for child in children.get(process.pid, [])]
    return found


def command_line(pid: int) -> str:
    """Empty for a process that has gone."""
    with contextlib.suppress(OSError):
        return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace").strip()
    return ""


def listeners() -> dict[int, set[int]]:
    """TCP ports that are listened on, with the inodes of the sockets."""
    found: dict[int, set[int]] = {}
    for table in ("/proc/net/tcp", "/proc/net/tcp6"):
        for line in Path(table).read_text().splitlines()[1:]:
            fields = line.split()
            if fields[3] == "0A":
                found.setdefault(int(fields[1].rpartition(":")[2], 16), set()).add(int(fields[9]))
    return found


def sockets(pid: int) -> set[int]:
    """Inodes of the sockets that a process has open."""
    found = set()
    with contextlib.suppress(OSError):
        for entry in os.scandir(f"/proc/{pid}/fd"):
            with contextlib.suppress(OSError):
                target = str(Path(entry.path).readlink())
                if target.startswith("socket:["):
                    found.add(int(target[8:-1]))
    return found


def segments() -> dict[int, int]:
    """SysV shared memory by id, with the pid that made it."""
    lines = Path("/proc/sysvipc/shm").read_text().splitlines()[1:]
    return {int(fields[1]): int(fields[4]) for fields in (line.split() for line in lines)}


def mapped(pid: int) -> tuple[set[Path], set[int]]:
    """Files of /dev/shm and SysV segments that a process has mapped; a segment's number is shown as its inode."""
    files, numbers = set(), set()
    with contextlib.suppress(OSError):
        for line in Path(f"/proc/{pid}/maps").read_text(errors="replace").splitlines():
            if SHM in line and "(deleted)" not in line:
                files.add(Path(SHM + line.partition(SHM)[2]))
            elif "/SYSV" in line:
                numbers.add(int(line.split()[4]))
    return files, numbers


def wait(condition: Callable[[], object], seconds: float, every: float = 0.005) -> bool:
    """Whether a condition came true in time."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(every)
    return True


@dataclass
class Nursery:
    """A command beneath a subreaper of its own, and everything it has ever been seen to start."""

    process: subprocess.Popen[str]
    command: int
    seen: dict[tuple[int, int], Process] = field(default_factory=dict)
    shared: set[Path] = field(default_factory=set)  # files of /dev/shm that they had mapped
    memory: set[int] = field(default_factory=set)  # SysV segments that they had made
    earlier: set[int] = field(default_factory=lambda: set(segments()))  # and those that there were: pids are reused

    @classmethod
    def start(cls, argv: Iterable[str], log: Path, environment: Mapping[str, str]) -> Nursery:
        """Start a command; what it says goes to the log."""
        with log.open("ab") as said:
            process = subprocess.Popen(
                [sys.executable, "-I", str(NURSERY), *argv],
                env=dict(environment),
                stdout=subprocess.PIPE,
                stderr=said,
                text=True,
                start_new_session=True,
            )
        assert process.stdout is not None
        return cls(process=process, command=int(process.stdout.readline()))

    def look(self) -> list[Process]:
        """Who lives beneath it now; remembered, with the shared memory that they made."""
        found = beneath(self.process.pid, processes())
        for process in found:
            if process.key not in self.seen:
                self.seen[process.key] = process
        return found

    def look_closely(self) -> list[Process]:
        """The same, and what they share with each other."""
        found = self.look()
        for process in found:
            files, numbers = mapped(process.pid)
            self.shared |= files
            self.memory |= numbers - self.earlier
        self.memory |= self.made_by({process.pid for process in self.seen.values()})
        return found

    def made_by(self, pids: set[int]) -> set[int]:
        """The SysV segments of these makers that were not there before the command was."""
        return {number for number, maker in segments().items() if maker in pids and number not in self.earlier}

    @property
    def empty(self) -> bool:
        """Nothing is left beneath it."""
        return self.process.poll() is not None

    def clear(self) -> None:
        """End all that is left: a failed attempt must not disturb the next."""
        for _ in range(50):
            left = self.look()
            if not left:
                break
            for process in left:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(process.pid, 9)
            time.sleep(0.02)
        self.process.kill()
        self.process.communicate()
