"""Files as digests: a directory is walked, what is hashed is remembered with its size and times, and looked at again at the end.

A file whose size, times, inode and mode are what they were is not read again: its time of change cannot be set by whoever writes it. One
that was changed about when it was hashed is read again, for clocks of file systems tick slowly (Git calls such files racy).
"""

from __future__ import annotations

import contextlib
import fnmatch
import hashlib
import os
import re
import stat
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from ..core.fingerprints import FileGroup
from .ownership import database_inode

# What is written while things run, or is no part of them. Environments with packages are left out for their size: `also` takes them in.
IGNORED = (
    ".git", ".hg", ".svn", ".seatrial", "__pycache__", ".venv", "venv", "node_modules", ".mypy_cache", ".pytest_cache", ".ruff_cache",
    ".hypothesis", ".tox", ".nox", ".idea", ".vscode", ".DS_Store", "*.pyc", "*.pyo", "*.log", "*.pid", "*.sock", "*.swp", "*~",
    "*-journal", "*-wal", "*-shm", "*.log.[0-9]*", "*.log-[0-9]*", "*.log.gz", "nohup.out", ".coverage", ".coverage.*",
)  # fmt: skip
MOST_FILES = 100_000
_RACY_NS = 100_000_000  # a tick of the kernel's coarse clock is 10 ms at most, that of some file systems more

Stamp = tuple[int, int, int, int, int]


@dataclass(frozen=True, kw_only=True, slots=True)
class SeenFile:
    """A file as it was: `sha256` of its content ("" where it was not hashed), or where a symbolic link leads."""

    stamp: Stamp  # size, mtime_ns, ctime_ns, inode, mode
    sha256: str
    link: str = ""
    database: int = 0  # see ownership.database_inode

    @property
    def mode(self) -> int:
        """Its permissions."""
        return stat.S_IMODE(self.stamp[4])


@dataclass(kw_only=True)
class Budget:
    """How much may still be read."""

    bytes: int
    files: int = MOST_FILES


@dataclass(frozen=True, kw_only=True, slots=True)
class FileChange:
    """A file that is otherwise than it was. `database`: as in SeenFile, None where it was not there."""

    name: str
    path: str
    why: str
    database: int | None = None

    def __str__(self) -> str:
        return f"{self.name} {self.why}"

    @property
    def appeared(self) -> bool:
        """Whether it was not there."""
        return self.database is None


@dataclass(kw_only=True)
class Tree:
    """A directory, or a list of files in it, as it was when it was looked at. Paths are relative to `root`, with /."""

    root: Path
    ignore: re.Pattern[str]
    only: tuple[Path, ...] | None = None  # these files, where it is no whole directory
    beside: tuple[Path, ...] = ()  # directories that are never looked into: where trials are kept
    files: dict[str, SeenFile] = field(default_factory=dict)
    partial: str = ""
    looked_ns: int = 0  # wall clock, when it was begun

    def look(self, budget: Budget) -> None:
        """Take it all in; what is beyond the budget is told apart by size and time alone."""
        self.looked_ns = time.time_ns()
        unread = 0
        for name, path in self._walk():
            if budget.files <= 0:
                self.partial = f"it has more than {len(self.files):,} files; the rest was not looked at"
                break
            budget.files -= 1
            seen = _see(path, budget)
            if seen is None:
                unread += 1
                continue
            unread += not seen.sha256 and not seen.link
            self.files[name] = seen
        if unread and not self.partial:
            self.partial = f"{unread:,} of {len(self.files):,} files were not read"

    def group(self) -> FileGroup:
        """All of it in one digest."""
        total = hashlib.sha256()
        for name in sorted(self.files):
            seen = self.files[name]
            what = seen.sha256 or f"size {seen.stamp[0]}"
            total.update(f"{name}\0{what}\0{seen.link}\0{seen.mode & 0o111:o}\n".encode())
        size = sum(s.stamp[0] for s in self.files.values())
        return FileGroup(files=len(self.files), bytes=size, sha256=total.hexdigest(), partial=self.partial)

    def changes(self) -> Iterator[FileChange]:
        """Files that are otherwise than they were; only those that may be are read."""
        left = dict(self.files)
        whole = "more than" not in self.partial
        for name, path in self._walk():
            before = left.pop(name, None)
            if before is None:
                if whole:
                    yield FileChange(name=name, path=path, why="appeared")
                continue
            why = self._change(path, before)
            if why:
                yield FileChange(name=name, path=path, why=why, database=before.database)
        for name, before in left.items():
            yield FileChange(name=name, path=str(self.root / name), why="is gone", database=before.database)

    def _change(self, path: str, before: SeenFile) -> str:
        try:
            now = _stamp(path)
        except OSError:
            return "is gone"
        if now == before.stamp and now[2] < self.looked_ns - _RACY_NS:
            return ""
        after = _see(path, Budget(bytes=max(now[0], 1)))
        if after is None:
            return "cannot be read any more"
        if after.link != before.link:
            return f"leads to {after.link or 'no other place'}, and led to {before.link or 'none'}"
        hashed = bool(before.sha256)
        changed = after.sha256 != before.sha256 if hashed else after.stamp[:4] != before.stamp[:4]
        return "changed" if changed else "has other permissions" if after.mode != before.mode else ""

    def _walk(self) -> Iterator[tuple[str, str]]:
        """Names and paths; text, for a Path for each of many thousands takes longer than to look at it."""
        if self.only is not None:
            yield from ((_relative(p, self.root), str(p)) for p in self.only if os.path.lexists(p))
            return
        yield from self._within(str(self.root), "", frozenset(), {str(b) for b in self.beside})

    def _within(
        self, directory: str, prefix: str, above: frozenset[tuple[int, int]], beside: set[str]
    ) -> Iterator[tuple[str, str]]:
        try:
            mine = os.stat(directory)  # noqa: PTH116
            with os.scandir(directory) as found:
                entries = sorted(found, key=lambda e: e.name)
        except OSError:
            return
        identity = (mine.st_dev, mine.st_ino)
        if identity in above or directory in beside:
            return  # a link that leads back up
        for entry in entries:
            name = f"{prefix}{entry.name}"
            if self.ignore.fullmatch(entry.name) or (prefix and self.ignore.fullmatch(name)):
                continue
            if entry.is_dir():
                yield from self._within(entry.path, f"{name}/", above | {identity}, beside)
            elif (entry.is_file() or entry.is_symlink()) and not _is_own_output(entry):
                yield name, entry.path


def _is_own_output(entry: os.DirEntry[str]) -> bool:
    """Whether it is where our own words go: `seatrial run > log` in the directory of a service."""
    for descriptor in (1, 2):
        with contextlib.suppress(OSError):
            own = os.fstat(descriptor)
            if own.st_ino == entry.inode() and own.st_dev == entry.stat().st_dev:
                return True
    return False


def pattern_of(ignore: Sequence[str]) -> re.Pattern[str]:
    """Names and patterns as one expression; against a name, or a path relative to the root."""
    return re.compile("|".join(fnmatch.translate(p.rstrip("/")) for p in ignore) or r"(?!)")


def _relative(path: Path, root: Path) -> str:
    return Path(os.path.relpath(path, root)).as_posix()


def _stamp(path: str) -> Stamp:
    """Of what a link leads to; of itself, where that is nothing. Raises OSError."""
    try:
        found = os.stat(path)  # noqa: PTH116
    except FileNotFoundError:
        found = os.lstat(path)
    return found.st_size, found.st_mtime_ns, found.st_ctime_ns, found.st_ino, found.st_mode


def _see(path: str, budget: Budget) -> SeenFile | None:
    """None for what cannot be looked at."""
    try:
        link = os.readlink(path) if os.path.islink(path) else ""  # noqa: PTH114, PTH115
        stamp = _stamp(path)
        if not stat.S_ISREG(stamp[4]):
            return SeenFile(stamp=stamp, sha256="", link=link)
        with open(path, "rb") as file:  # noqa: PTH123
            database = database_inode(file)
            if stamp[0] > budget.bytes:
                return SeenFile(stamp=stamp, sha256="", link=link, database=database)
            budget.bytes -= stamp[0]
            sha256 = hashlib.file_digest(file, "sha256").hexdigest()
        return SeenFile(stamp=stamp, sha256=sha256, link=link, database=database)
    except OSError:
        return None
