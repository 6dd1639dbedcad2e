"""Looking at processes and ports oneself: nobody's word is taken for it."""

from __future__ import annotations

import asyncio
import os
import stat
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from ..core import procfs
from ..core.fingerprints import OpenFile
from ..core.platforms import Sighting
from ..core.processes import ProcessId
from ..core.stack import Endpoint, Usage

CONNECT_NS = 250_000_000
_TICKS = os.sysconf("SC_CLK_TCK")
_PAGE = os.sysconf("SC_PAGE_SIZE")


def identity_of(process: ProcessId) -> str:
    """How an instance's process is named in records: ``pid 123 started 45678`` (clock ticks since boot)."""
    return f"pid {process.pid} started {process.started}"


def process_of(identity: str) -> ProcessId | None:
    """The process that an identity names; None for one of another form."""
    words = identity.split()
    if len(words) != 4 or not (words[1].isdecimal() and words[3].isdecimal()):
        return None
    return ProcessId(boot=procfs.boot_id(), pid=int(words[1]), started=int(words[3]))


async def look(known: ProcessId | None, current: ProcessId | None, endpoint: Endpoint | None) -> Sighting:
    """Look at an instance in /proc, and knock at its port.

    `known` is the process that it had when somebody last looked, `current` where to look if that one has gone; both are
    believed only as far as /proc shows them.
    """
    accepts = await accepts_connection(endpoint, CONNECT_NS) if endpoint else None
    alive = next((p for p in (known, current) if p is not None and procfs.is_alive(p)), None)
    states = [procfs.state(p) for p in procfs.unit(alive)] if alive else []
    shown = "".join(sorted(state for state in states if state))
    answer = (
        ""
        if endpoint is None
        else f"; {endpoint.host}:{endpoint.port} {'accepts' if accepts else 'does not accept'} connections"
    )
    if alive is None:
        what = "has no process" if known is None else f"pid {known.pid} has gone"
    elif known is not None and alive != known:
        what = f"pid {known.pid} has gone, pid {alive.pid} runs in its place"
    else:
        what = f"pid {alive.pid} exists"
    if shown:
        what += f", {len(shown)} process{'es' if len(shown) > 1 else ''} in state {shown}"
    return Sighting(
        at_ns=time.monotonic_ns(),
        alive=alive is not None,
        identity=identity_of(alive) if alive else None,
        stopped=bool(shown) and set(shown) <= {"T", "t", "Z"} and shown != "Z" * len(shown),
        accepts=accepts,
        detail=what + answer,
    )


async def accepts_connection(endpoint: Endpoint, timeout_ns: int) -> bool:
    """Whether a TCP connection to the endpoint is accepted in time (by the kernel: it says nothing of the program)."""
    try:
        async with asyncio.timeout(timeout_ns / 1e9):
            _, writer = await asyncio.open_connection(endpoint.host, endpoint.port)
    except (OSError, TimeoutError):
        return False
    writer.close()
    return True


def usage_of(leader: ProcessId) -> Usage | None:
    """What a unit uses, given its leader: that and its present descendants, orphans included (the postgres of a Patroni); None if it has
    gone.

    Processor time includes children that have ended and were waited for. Memory is resident memory with what several
    processes share (as statm has it) counted once, by its largest share: close to the sum of PSS, at a hundredth of its
    cost. Descriptors of processes that may not be looked at count as none.
    """
    processes = procfs.unit(leader)
    if not processes:
        return None
    ticks = descriptors = threads = 0
    private: list[int] = []
    shared: list[int] = [0]
    for process in processes:
        stat = procfs.stat_of(process)
        if stat is None:
            continue
        ticks += stat.cpu_ticks + _reaped_ticks(process.pid)
        threads += stat.threads
        descriptors += _descriptors(process.pid)
        resident, common = _memory_pages(process.pid)
        private.append(resident - common)
        shared.append(common)
    return Usage(
        cpu_seconds=ticks / _TICKS,
        memory_bytes=(sum(private) + max(shared)) * _PAGE,
        descriptors=descriptors,
        threads=threads,
        processes=len(private),
    )


def sockets_of(ports: Mapping[str, Sequence[int]]) -> dict[str, tuple[int, int]]:
    """By name: connections at its ports, and those that wait to be accepted; without those that listen on none."""
    seen = procfs.tcp_connections({port for of in ports.values() for port in of})
    found = {}
    for name, of in ports.items():
        mine = [seen[port] for port in of if port in seen]
        if mine:
            found[name] = (sum(m[0] for m in mine), sum(m[1] for m in mine))
    return found


def _reaped_ticks(pid: int) -> int:
    """Processor time of children that were waited for (cutime and cstime)."""
    fields = _text(f"/proc/{pid}/stat").rpartition(")")[2].split()
    return int(fields[13]) + int(fields[14]) if len(fields) > 14 else 0


def _memory_pages(pid: int) -> tuple[int, int]:
    fields = _text(f"/proc/{pid}/statm").split()
    return (int(fields[1]), int(fields[2])) if len(fields) > 2 else (0, 0)


def _descriptors(pid: int) -> int:
    try:
        with os.scandir(f"/proc/{pid}/fd") as entries:
            return sum(1 for _ in entries)
    except OSError:
        return 0


def _text(path: str) -> str:
    try:
        return Path(path).read_text("utf-8", "replace")
    except OSError:
        return ""


def log_tail(path: Path, lines: int = 15, most_bytes: int = 8192) -> Sequence[str]:
    """The last lines of a log; none if there is none."""
    try:
        with path.open("rb") as file:
            file.seek(max(0, file.seek(0, os.SEEK_END) - most_bytes))
            return file.read().decode("utf-8", "replace").splitlines()[-lines:]
    except OSError:
        return ()


def writers_of(processes: Mapping[str, ProcessId]) -> Mapping[OpenFile, str]:
    """By instance from its leader: regular files that its unit has open for writing, and that have a name yet."""
    found: dict[OpenFile, str] = {}
    for instance, leader in processes.items():
        for process in procfs.unit(leader):
            found.update(dict.fromkeys(_open_for_writing(process.pid), instance))
    return found


def _open_for_writing(pid: int) -> Iterator[OpenFile]:
    """None of a process that has gone, or that may not be looked at."""
    try:
        with os.scandir(f"/proc/{pid}/fd") as entries:
            # The permissions of the link itself say how the file was opened.
            paths = [e.path for e in entries if e.stat(follow_symlinks=False).st_mode & stat.S_IWUSR]
    except OSError:
        return
    for path in paths:
        try:
            name, there = str(Path(path).readlink()), Path(path).stat()
        except OSError:
            continue
        if stat.S_ISREG(there.st_mode) and there.st_nlink:
            yield OpenFile(path=name, device=there.st_dev, inode=there.st_ino)
