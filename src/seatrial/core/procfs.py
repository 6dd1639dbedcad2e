"""Reading /proc: which process is which, whose child it is, and how it is doing.

Every function takes a process that has gone for an ordinary answer (None, an empty tuple, False), never an error: between
two reads any process may end. Format: proc(5).
"""

from __future__ import annotations

import os
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from .processes import GUARDIAN, ProcessId

_CHUNK_BYTES = 1 << 16
_DEAD = frozenset("ZXx")
_STOPPED = frozenset("Tt")
_LISTEN = "0A"
_ESTABLISHED = "01"


@dataclass(frozen=True, kw_only=True, slots=True)
class ProcessStat:
    """One line of /proc/PID/stat. Times in clock ticks (`os.sysconf("SC_CLK_TCK")` a second), memory in pages."""

    pid: int
    name: str  # at most 15 bytes, as the kernel keeps it
    state: str  # one letter: R S D T t Z X I
    parent: int
    group: int
    session: int
    threads: int
    started: int
    cpu_ticks: int  # user and system, without children
    resident_pages: int

    @property
    def dead(self) -> bool:
        """Ended, whether or not its parent has noticed (a zombie whose other threads run on is alive)."""
        return self.state in _DEAD and self.threads <= 1

    @property
    def stopped(self) -> bool:
        """Stopped by a signal or a tracer."""
        return self.state in _STOPPED


@cache
def boot_id() -> str:
    """The kernel's id of this boot: pids and start times are comparable within one boot only."""
    return Path("/proc/sys/kernel/random/boot_id").read_text("ascii").strip()


def pid_namespace() -> str:
    """The pid namespace of this process (``pid:[4026531836]``); pids mean something within one only. Empty if unreadable."""
    try:
        return str(Path("/proc/self/ns/pid").readlink())
    except OSError:
        return ""


def read_stat(pid: int) -> ProcessStat | None:
    """The process's line of /proc, or None if there is no such process."""
    raw = _read(f"/proc/{pid}/stat")
    if raw is None:
        return None
    # The name may contain spaces and parentheses: it ends at the last one.
    head, _, tail = raw.rpartition(b")")
    fields = tail.split()
    if len(fields) < 22:
        return None
    return ProcessStat(
        pid=pid,
        name=head.partition(b"(")[2].decode("utf-8", "replace"),
        state=fields[0].decode("ascii"),
        parent=int(fields[1]),
        group=int(fields[2]),
        session=int(fields[3]),
        threads=int(fields[17]),
        started=int(fields[19]),
        cpu_ticks=int(fields[11]) + int(fields[12]),
        resident_pages=int(fields[21]),
    )


def identify(pid: int) -> ProcessId | None:
    """What identifies the process that has this pid now, zombies included; None if there is none."""
    stat = read_stat(pid)
    return None if stat is None else ProcessId(boot=boot_id(), pid=pid, started=stat.started)


def stat_of(process: ProcessId) -> ProcessStat | None:
    """The line of exactly this process; None if it has gone, whoever has its pid now."""
    if process.boot != boot_id():
        return None
    stat = read_stat(process.pid)
    return stat if stat is not None and stat.started == process.started else None


def is_alive(process: ProcessId) -> bool:
    """Whether exactly this process still runs (or is stopped); a zombie does not."""
    stat = stat_of(process)
    return stat is not None and not stat.dead


def state(process: ProcessId) -> str | None:
    """The state letter of exactly this process, or None if it has gone."""
    stat = stat_of(process)
    return None if stat is None else stat.state


def children(pid: int) -> tuple[int, ...]:
    """Pids of the process's present children, zombies included.

    Certain to be complete for stopped processes only: the kernel's list may skip some while children come and go.
    """
    return _listed_children(pid) if _kernel_lists_children() else _scanned_children(pid)


def descendants(roots: Iterable[ProcessId]) -> tuple[ProcessId, ...]:
    """The living ones of the roots and all their living descendants, parents before children, each once."""
    parents = None if _kernel_lists_children() else _scan()
    found: dict[int, ProcessId] = {}
    fresh = [process for process in roots if is_alive(process)]
    while fresh:
        found.update((process.pid, process) for process in fresh)
        pids = [pid for process in fresh for pid in _children_of(process.pid, parents)]
        fresh = [child for pid in pids if pid not in found and (child := _alive(pid)) is not None]
    return tuple(found.values())


def unit(leader: ProcessId) -> tuple[ProcessId, ...]:
    """The processes of a unit by its leader: those beneath its guardian, where it has one, orphans included; else its descendants."""
    stat = stat_of(leader)
    if stat is None:
        return ()
    above = _alive(stat.parent)
    if above is None or (_read(f"/proc/{above.pid}/comm") or b"").strip() != GUARDIAN.encode():
        return descendants([leader])
    return tuple(p for p in descendants([above]) if p != above)


def pids() -> tuple[int, ...]:
    """All pids there are."""
    with os.scandir("/proc") as entries:
        return tuple(int(entry.name) for entry in entries if entry.name.isdecimal())


def last_pid() -> int:
    """The pid given out last in this pid namespace: unchanged means that no process or thread was started since."""
    raw = _read("/proc/loadavg") or b"0"
    return int(raw.split()[-1])


def listeners() -> Mapping[int, frozenset[int]]:
    """TCP ports that are listened on in this network namespace, with the inodes of the listening sockets."""
    found: dict[int, set[int]] = {}
    for table in ("/proc/net/tcp", "/proc/net/tcp6"):
        try:
            lines = Path(table).read_text("ascii").splitlines()[1:]
        except OSError:
            continue
        for line in lines:
            fields = line.split()
            if fields[3] == _LISTEN:
                found.setdefault(int(fields[1].rpartition(":")[2], 16), set()).add(int(fields[9]))
    return {port: frozenset(inodes) for port, inodes in found.items()}


def tcp_connections(ports: Collection[int], of: str = "self") -> Mapping[int, tuple[int, int]]:
    """Of TCP ports that are listened on in a process's network namespace: connections that are established, and those that wait to be
    accepted.

    The kernel shows the length of a listening socket's queue as its rx_queue; what is in it is established, too.
    """
    found = {port: [0, 0] for port in ports}
    hexes = {f"{port:04X}": port for port in ports}
    listening = set()
    for table in (f"/proc/{of}/net/tcp", f"/proc/{of}/net/tcp6"):
        for line in (_read(table) or b"").decode("ascii", "replace").split("\n")[1:]:
            fields = line.split(None, 5)
            port = hexes.get(fields[1].rpartition(":")[2]) if len(fields) > 5 else None
            if port is None:
                continue
            if fields[3] == _LISTEN:
                listening.add(port)
                found[port][1] += int(fields[4].partition(":")[2], 16)
            elif fields[3] == _ESTABLISHED:
                found[port][0] += 1
    return {port: (connections, waiting) for port, (connections, waiting) in found.items() if port in listening}


def socket_inodes(pid: int) -> frozenset[int]:
    """Inodes of the sockets that a process has open; empty where it may not be looked at."""
    found = set()
    try:
        with os.scandir(f"/proc/{pid}/fd") as entries:
            paths = [entry.path for entry in entries]
    except OSError:
        return frozenset()
    for path in paths:
        try:
            target = str(Path(path).readlink())
        except OSError:
            continue
        if target.startswith("socket:["):
            found.add(int(target[8:-1]))
    return frozenset(found)


def mapped_files(pid: int, under: str) -> Mapping[int, str]:
    """Files below a directory (``/dev/shm/``) that a process has mapped, by inode; empty where it may not be looked at.

    Files that have been removed are left out.
    """
    found = {}
    for line in (_read(f"/proc/{pid}/maps") or b"").split(b"\n"):
        fields = line.split(None, 5)
        if len(fields) == 6 and fields[5].startswith(under.encode()) and not fields[5].endswith(b" (deleted)"):
            found[int(fields[4])] = os.fsdecode(fields[5])
    return found


def own_memory(process: ProcessId) -> int:
    """Bytes of a process that no file gives back: anonymous and shared memory; 0 where it has gone."""
    lines = (_read(f"/proc/{process.pid}/status") or b"").split(b"\n")
    return sum(int(line.split()[1]) << 10 for line in lines if line.startswith((b"RssAnon:", b"RssShmem:")))


def machine_memory() -> tuple[int, int]:
    """Bytes of memory that this machine has, and that could be had now (MemAvailable)."""
    found = {}
    for line in (_read("/proc/meminfo") or b"").decode("ascii").splitlines():
        name, _, rest = line.partition(":")
        found[name] = rest
    return int(found["MemTotal"].split()[0]) << 10, int(found["MemAvailable"].split()[0]) << 10


def _alive(pid: int) -> ProcessId | None:
    stat = read_stat(pid)
    return None if stat is None or stat.dead else ProcessId(boot=boot_id(), pid=pid, started=stat.started)


@cache
def _kernel_lists_children() -> bool:
    """Kernels without CONFIG_PROC_CHILDREN have no such file."""
    pid = os.getpid()
    return Path(f"/proc/{pid}/task/{pid}/children").exists()


def _children_of(pid: int, parents: Mapping[int, tuple[int, ...]] | None) -> tuple[int, ...]:
    return _listed_children(pid) if parents is None else parents.get(pid, ())


def _listed_children(pid: int) -> tuple[int, ...]:
    found: list[int] = []
    try:
        with os.scandir(f"/proc/{pid}/task") as entries:
            threads = [entry.name for entry in entries]
    except OSError:
        return ()
    for thread in threads:
        raw = _read(f"/proc/{pid}/task/{thread}/children")
        found.extend(int(word) for word in (raw or b"").split())
    return tuple(found)


def _scanned_children(pid: int) -> tuple[int, ...]:
    return _scan().get(pid, ())


def _scan() -> Mapping[int, tuple[int, ...]]:
    found: dict[int, tuple[int, ...]] = {}
    for pid in pids():
        stat = read_stat(pid)
        if stat is not None:
            found[stat.parent] = (*found.get(stat.parent, ()), pid)
    return found


def _read(path: str) -> bytes | None:
    # Plain descriptors: this runs for every process several times a second.
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return None
    parts = []
    try:
        while part := os.read(descriptor, _CHUNK_BYTES):
            parts.append(part)
    except OSError:
        return None
    finally:
        os.close(descriptor)
    return b"".join(parts)
