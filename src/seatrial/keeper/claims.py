"""What a trial claims beside processes: directories that are gone at its end, ports that are free again, and their locks."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from seatrial.core import procfs
from seatrial.core.errors import SupervisorError
from seatrial.core.locks import Locks
from seatrial.core.processes import ProcessId

from .records import Records
from .signals import describe


@dataclass(frozen=True, kw_only=True, slots=True)
class ClaimedDirectory:
    """A directory with what identified it when it was claimed."""

    path: Path
    device: int
    inode: int


@dataclass(kw_only=True, slots=True)
class Claims:
    """Everything that a trial has claimed, oldest first."""

    directories: list[ClaimedDirectory] = field(default_factory=list)
    ports: list[int] = field(default_factory=list)
    locks: list[Path] = field(default_factory=list)  # directories of locks, some of which name the trial's keeper

    @classmethod
    def recorded(cls, records: Iterable[Mapping[str, object]]) -> Claims:
        """The claims that records tell of."""
        claims = cls()
        for record in records:
            match record:
                case {"event": "directory", "path": str(path), "device": int(device), "inode": int(inode)}:
                    claims.directories.append(ClaimedDirectory(path=Path(path), device=device, inode=inode))
                case {"event": "port", "port": int(port)}:
                    claims.ports.append(port)
                case {"event": "locks", "path": str(path)}:
                    claims.locks.append(Path(path))
        return claims

    def claim_directory(self, path: Path, trial: Path, records: Records) -> None:
        """Claim a directory and make it, private, if there is none.

        Raises SupervisorError for one that must not be removed: a part of the system, or one with contents of others.
        """
        path = _removable(path, trial)
        records.write("intent", sync=True, act="claim", directory=str(path))
        try:
            path.mkdir(mode=0o700, parents=True, exist_ok=True)
            stat = path.lstat()
        except OSError as error:
            raise SupervisorError(f"cannot make the directory {path}: {error.strerror}") from error
        records.write("directory", path=str(path), device=stat.st_dev, inode=stat.st_ino)
        self.directories.append(ClaimedDirectory(path=path, device=stat.st_dev, inode=stat.st_ino))

    def claim_ports(self, ports: Sequence[int], ours: Iterable[ProcessId], records: Records) -> None:
        """Claim ports. Raises SupervisorError naming those on which a process that is not the trial's listens."""
        listening = procfs.listeners()
        own = sockets_of(ours)
        taken = [port for port in ports if listening.get(port, frozenset()) - own]
        if taken:
            raise SupervisorError("; ".join(f"port {port} is taken by {_holder(listening[port])}" for port in taken))
        for port in ports:
            records.write("port", port=port)
            self.ports.append(port)

    def claim_locks(self, directory: Path, records: Records) -> None:
        """Claim what this process will hold in a directory of locks."""
        records.write("locks", sync=True, path=str(directory))
        self.locks.append(directory)

    def give_back_locks(self, keepers: Collection[ProcessId]) -> list[str]:
        """Give back the locks that these processes hold; what could not be and why."""
        remaining = []
        for directory in self.locks:
            try:
                Locks(directory).give_back(keepers)
            except OSError as error:
                remaining.append(f"locks in {directory}: {error.strerror}")
        return remaining

    def listening(self, ours: Iterable[ProcessId]) -> frozenset[int]:
        """Inodes of the sockets of ours that listen on a claimed port now."""
        if not self.ports:
            return frozenset()
        own = sockets_of(ours)
        table = procfs.listeners()
        return frozenset(inode for port in self.ports for inode in table.get(port, frozenset()) & own)

    def still_listening(self, inodes: frozenset[int]) -> tuple[str, ...]:
        """Claimed ports on which one of these sockets still listens: what others opened there since does not count."""
        if not inodes:
            return ()
        table = procfs.listeners()
        held = {port: table.get(port, frozenset()) & inodes for port in dict.fromkeys(self.ports)}
        return tuple(f"port {port}: {_holder(found)} listens" for port, found in held.items() if found)

    def remove_directories(self, trial: Path, *, sure: bool) -> tuple[list[str], list[str]]:
        """Remove the claimed directories, last first: (removed, what remains and why).

        `sure`: they have been ours without a break. Otherwise one outside the trial's own directory must still be the
        one that was claimed (device and inode); another in its place is left alone and is no residue.
        """
        from shutil import rmtree

        removed, remaining = [], []
        for claimed in reversed(self.directories):
            path = claimed.path
            if path.is_symlink() or not path.is_dir():
                continue
            stat = path.lstat()
            same = (stat.st_dev, stat.st_ino) == (claimed.device, claimed.inode)
            if not (sure or same or path.is_relative_to(trial)):
                continue
            try:
                rmtree(path)
                removed.append(str(path))
            except OSError as error:
                remaining.append(f"{path}: {error.strerror}")
        return removed, remaining


def sockets_of(processes: Iterable[ProcessId]) -> frozenset[int]:
    """Inodes of all sockets that these processes have open."""
    return frozenset(
        inode for process in processes if procfs.is_alive(process) for inode in procfs.socket_inodes(process.pid)
    )


def _removable(path: Path, trial: Path) -> Path:
    import tempfile

    if not path.is_absolute():
        raise SupervisorError(f"cannot claim {path}: the path is not absolute")
    if path.is_symlink():
        raise SupervisorError(f"cannot claim {path}: it is a symbolic link")
    resolved = path.parent.resolve() / path.name
    for precious in (trial, Path.home(), Path(tempfile.gettempdir()), Path("/run/user")):
        if precious.resolve().is_relative_to(resolved):
            raise SupervisorError(f"cannot claim {path}: removing it would remove {precious}")
    if len(resolved.parts) < 3 or os.path.ismount(resolved):
        raise SupervisorError(f"cannot claim {path}: it is a part of the system")
    if not resolved.is_relative_to(trial.resolve()) and resolved.exists() and any(resolved.iterdir()):
        raise SupervisorError(f"cannot claim {path}: it has contents already, and would be removed with them")
    return resolved


def _holder(inodes: frozenset[int]) -> str:
    for pid in procfs.pids():
        if procfs.socket_inodes(pid) & inodes and (process := procfs.identify(pid)) is not None:
            return describe(process)
    return "a process of another user"
