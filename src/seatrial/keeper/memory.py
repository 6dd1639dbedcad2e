"""SysV shared memory: a segment outlives whoever made it, and a server that is killed cannot remove its own.

Each postgres makes some (one tells it that its data directory is in use), so that a trial that was killed leaves them unless
someone removes them. Which segment is whose is known while its maker lives: the kernel keeps the maker's pid. Formats: proc(5),
shmctl(2).
"""

from __future__ import annotations

import ctypes
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from seatrial.core import procfs
from seatrial.core.processes import ProcessId

from .records import Records

_TABLE = Path("/proc/sysvipc/shm")
_IPC_RMID = 0
_CLOCK_SLACK_S = 2  # both times are told in whole seconds

_libc = ctypes.CDLL(None, use_errno=True)


@dataclass(frozen=True, kw_only=True, slots=True)
class Segment:
    """What identifies a segment: the kernel's number (with a count of its reuses in it), key, and its maker's pid."""

    number: int
    key: int
    maker: int


@dataclass(frozen=True, kw_only=True, slots=True)
class _Row:
    segment: Segment
    attached: int  # how many times it is mapped now
    changed_s: int  # UNIX time of its making, or a later change of its owner


class Memory:
    """The segments that a trial's processes have made, as far as known."""

    def __init__(self, known: Iterable[Segment] = ()) -> None:
        self._known = set(known)

    @classmethod
    def recorded(cls, records: Iterable[Mapping[str, object]]) -> Memory:
        """Those that records tell of."""
        found = set()
        for record in records:
            match record:
                case {"event": "memory", "number": int(number), "key": int(key), "maker": int(maker)}:
                    found.add(Segment(number=number, key=key, maker=maker))
        return cls(found)

    def note(self, processes: Iterable[ProcessId], records: Records) -> None:
        """Take in and record what these living processes have made. Raises SupervisorError if it cannot be recorded."""
        fresh = [row for row in _table() if row.segment not in self._known]
        if not fresh:
            return
        makers = {process.pid: process for process in processes}
        for row in fresh:
            maker = makers.get(row.segment.maker)
            # An earlier process of that pid may have made it: ours must be older than it.
            if maker is None or not procfs.is_alive(maker) or row.changed_s + _CLOCK_SLACK_S < _began_s(maker):
                continue
            self._known.add(row.segment)
            records.write("memory", number=row.segment.number, key=row.segment.key, maker=maker.pid)

    def remove(self) -> list[str]:
        """Remove them, now that their makers have ended; what remains and why."""
        remaining = []
        for row in _table():
            if row.segment not in self._known:
                continue
            number = row.segment.number
            if row.attached:
                remaining.append(f"shared memory {number}: attached by {row.attached} who are not the trial's")
            elif _libc.shmctl(number, _IPC_RMID, None):
                remaining.append(f"shared memory {number}: {os.strerror(ctypes.get_errno())}")
        return remaining


def _table() -> list[_Row]:
    """All segments of this IPC namespace; none where the kernel has none."""
    try:
        lines = _TABLE.read_text("ascii").splitlines()
    except OSError:
        return []
    if not lines:
        return []
    head, rows = lines[0].split(), [line.split() for line in lines[1:]]
    found = []
    for row in (dict(zip(head, map(int, row), strict=False)) for row in rows):
        segment = Segment(number=row["shmid"], key=row["key"], maker=row["cpid"])
        found.append(_Row(segment=segment, attached=row["nattch"], changed_s=row["ctime"]))
    return found


def _began_s(process: ProcessId) -> float:
    """UNIX time of a process's start."""
    for line in Path("/proc/stat").read_text("ascii").splitlines():
        if line.startswith("btime "):
            return int(line.split()[1]) + process.started / os.sysconf("SC_CLK_TCK")
    return 0.0
