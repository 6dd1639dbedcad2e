"""Names that a process holds for as long as it lives: symbolic links in a directory, whose targets say which process.

A link is made with its content in one act, so that a process that is killed leaves a whole lock or none. What a dead
process held is recognised and taken over.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from pathlib import Path

from . import procfs
from .processes import ProcessId


class Locks:
    """The locks in one directory, which is made when it is first needed (0700)."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory

    def take(self, name: str, owner: ProcessId) -> ProcessId | None:
        """Hold a name for `owner`; the living process that holds it instead, if there is one. Raises OSError."""
        path = self.directory / name
        with self._alone():
            holder = holder_of(path)
            if holder is not None and procfs.is_alive(holder):
                return holder
            path.unlink(missing_ok=True)
            path.symlink_to(f"{owner.boot}:{owner.pid}:{owner.started}")
        return None

    def give_back(self, owners: Collection[ProcessId], names: Collection[str] | None = None) -> None:
        """Give back what these processes hold, all of it or these names of it. Raises OSError."""
        if not self.directory.is_dir():
            return
        with self._alone():
            # Looked at with everybody else kept out: what has been taken over since is not ours any more.
            for path in sorted(self.directory.iterdir()) if names is None else [self.directory / n for n in names]:
                if holder_of(path) in owners:
                    path.unlink(missing_ok=True)

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """One process at a time: else two that find the same stale lock could each remove the other's new one."""
        self.directory.mkdir(mode=0o700, exist_ok=True)
        descriptor = os.open(self.directory / ".lock", os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            yield
        finally:
            os.close(descriptor)


def holder_of(path: Path) -> ProcessId | None:
    """The process that a lock names, alive or not; None for what is no lock."""
    try:
        boot, pid, started = str(path.readlink()).split(":")
        return ProcessId(boot=boot, pid=int(pid), started=int(started))
    except (OSError, ValueError):
        return None
