"""Shared memory: it outlives whoever made it, and a server that is killed cannot remove its own.

Each postgres makes some (a SysV segment tells it that its data directory is in use), so that a trial that was killed leaves it
unless someone removes it. Which segment is whose is known while its maker lives: the kernel keeps the maker's pid. Of a file in
/dev/shm no maker is known: it is ours if a process of ours has it mapped when it is about to be killed, and it was not there
before the keeper; and it stays while anybody has it mapped. Formats: proc(5), shmctl(2), shm_overview(7).
"""

from __future__ import annotations

import ctypes
import os
import stat
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from seatrial.core import procfs
from seatrial.core.processes import ProcessId

from .records import Records

_TABLE = Path("/proc/sysvipc/shm")
_FILES = Path("/dev/shm")  # noqa: S108 - where shm_open(3) makes them
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
class SharedFile:
    """A file of /dev/shm with what identifies it."""

    path: str
    inode: int


@dataclass(frozen=True, kw_only=True, slots=True)
class _Row:
    segment: Segment
    attached: int  # how many times it is mapped now
    changed_s: int  # UNIX time of its making, or a later change of its owner


class Memory:
    """What a trial's processes share, as far as known.

    `earlier`: inodes of files that are not the trial's, for they were there before it; None: not known, so none is.
    """

    def __init__(
        self,
        known: Iterable[Segment] = (),
        files: Iterable[SharedFile] = (),
        earlier: frozenset[int] | None = None,
    ) -> None:
        self._known = set(known)
        self._files = set(files)
        self._earlier = earlier

    @classmethod
    def recorded(cls, records: Iterable[Mapping[str, object]]) -> Memory:
        """Those that records tell of."""
        found, files, earlier = set(), set(), None
        for record in records:
            match record:
                case {"event": "memory", "number": int(number), "key": int(key), "maker": int(maker)}:
                    found.add(Segment(number=number, key=key, maker=maker))
                case {"event": "memory", "file": str(path), "inode": int(inode)}:
                    files.add(SharedFile(path=path, inode=inode))
                case {"event": "memory", "earlier": list(inodes)}:
                    earlier = frozenset(inode for inode in inodes if isinstance(inode, int))
        return cls(found, files, earlier)

    def begin(self, records: Records) -> None:
        """Record which files are there before the trial has started anything. Raises SupervisorError."""
        try:
            with os.scandir(_FILES) as entries:
                self._earlier = frozenset(entry.inode() for entry in entries)
        except OSError:
            return
        records.write("memory", earlier=sorted(self._earlier))

    def note(self, processes: Collection[ProcessId], records: Records, *, files: bool = False) -> None:
        """Take in and record what these living processes have made, and with `files` what they have mapped.

        Raises SupervisorError if it cannot be recorded.
        """
        self._note_segments(processes, records)
        if not files or self._earlier is None:
            return
        for process in processes:
            for inode, path in procfs.mapped_files(process.pid, f"{_FILES}/").items():
                file = SharedFile(path=path, inode=inode)
                if inode in self._earlier or file in self._files or not procfs.is_alive(process):
                    continue
                self._files.add(file)
                records.write("memory", file=path, inode=inode)

    def _note_segments(self, processes: Collection[ProcessId], records: Records) -> None:
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
        """Remove it, now that its makers have ended; what remains and why."""
        remaining = self._remove_files()
        for row in _table():
            if row.segment not in self._known:
                continue
            number = row.segment.number
            if row.attached:
                remaining.append(f"shared memory {number}: attached by {row.attached} who are not the trial's")
            elif _libc.shmctl(number, _IPC_RMID, None):
                remaining.append(f"shared memory {number}: {os.strerror(ctypes.get_errno())}")
        return remaining

    def _remove_files(self) -> list[str]:
        remaining = []
        present = [file for file in self._files if _is_ours_to_remove(file)]
        used = (
            {inode for pid in procfs.pids() for inode in procfs.mapped_files(pid, f"{_FILES}/")} if present else set()
        )
        for file in present:
            if file.inode in used:
                remaining.append(f"{file.path}: mapped by others than the trial's")
                continue
            try:
                Path(file.path).unlink(missing_ok=True)
            except OSError as error:
                remaining.append(f"{file.path}: {error.strerror}")
        return sorted(remaining)


def _is_ours_to_remove(file: SharedFile) -> bool:
    try:
        status = Path(file.path).lstat()
    except OSError:
        return False
    return stat.S_ISREG(status.st_mode) and status.st_ino == file.inode and os.geteuid() in (0, status.st_uid)


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
