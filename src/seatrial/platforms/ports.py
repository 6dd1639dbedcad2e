"""Ports that are a trial's alone.

A port is free when nothing listens on it and no other trial holds its lock (core.locks), in a directory that all trials
of this user share. Ports come from outside the kernel's ephemeral range, where an outgoing connection of any
program could take one while its service is down.
"""

from __future__ import annotations

import errno
import os
import random
import socket
from collections.abc import Iterable, Sequence
from pathlib import Path

from ..core import procfs
from ..core.errors import PlatformError
from ..core.locks import Locks, holder_of
from ..core.processes import ProcessId

LOOPBACK = "127.0.0.1"
_LOWEST = 15_000
_HIGHEST = 65_535
_TEMPORARY = Path("/tmp")  # noqa: S108 - not TMPDIR, which differs between trials that must see each other's locks
_EPHEMERAL = Path("/proc/sys/net/ipv4/ip_local_port_range")
_EPHEMERAL_DEFAULT = (32_768, 60_999)


class Ports:
    """The ports of one platform: allocated, held by locks in `directory`, released together.

    `owner` is the process whose life the locks last for (this process by default).
    """

    def __init__(self, directory: Path | None = None, owner: ProcessId | None = None) -> None:
        self.directory = directory or runtime_directory() / "ports"
        self._locks = Locks(self.directory)
        self._owner = owner
        self._held: set[int] = set()
        self._candidates: Sequence[int] = ()

    @property
    def held(self) -> tuple[int, ...]:
        """Ports that this object holds."""
        return tuple(sorted(self._held))

    def allocate(self) -> int:
        """A free port, held from now on. Raises PlatformError if there is none."""
        if not self._candidates:
            self._candidates = candidate_ports()
        candidates = self._candidates
        # A random start keeps trials that begin together from trying the same ports one after another.
        offset = random.randrange(len(candidates))  # noqa: S311 - nothing depends on its being unpredictable
        for place in range(len(candidates)):
            port = candidates[place + offset - len(candidates)]
            if port not in self._held and is_free(port) and self._lock(port) is None:
                return port
        raise PlatformError(f"no free port among {candidates[0]} to {candidates[-1]} on {LOOPBACK}")

    def take(self, port: int, purpose: str) -> int:
        """Hold a port that was chosen by somebody. Raises PlatformError naming who has it, as far as that is visible."""
        if port in self._held:
            return port
        if not is_free(port):
            raise PlatformError(
                f"{purpose} wants port {port}, which is in use by {listener(port) or 'a process that is not visible'}"
            )
        holder = self._lock(port)
        if holder is not None:
            raise PlatformError(
                f"{purpose} wants port {port}, which another stack holds ({_describe(holder.pid)}); "
                "end that one, or write `auto` instead of the number"
            )
        return port

    def adopt(self, ports: Iterable[int]) -> None:
        """Hold from now on those of the ports whose locks the owner has: it outlived whoever took them."""
        for port in ports:
            if self._owner is not None and holder_of(self.directory / str(port)) == self._owner:
                self._held.add(port)

    def release(self) -> None:
        """Give all ports back."""
        self._locks.give_back((self._holder(),), [str(port) for port in self._held])
        self._held.clear()

    def _lock(self, port: int) -> ProcessId | None:
        """Hold a port's lock; the living holder instead if there is one."""
        other = self._locks.take(str(port), self._holder())
        if other is None:
            self._held.add(port)
        return other

    def _holder(self) -> ProcessId:
        owner = self._owner or procfs.identify(os.getpid())
        if owner is None:
            raise PlatformError("/proc does not show this process: its pid namespace is another one's")
        return owner


def runtime_directory() -> Path:
    """A directory for this user's sockets and locks, made if it is not there (0700).

    Raises PlatformError if somebody else owns the place or may write to it.
    """
    user = os.getuid()
    run = Path(f"/run/user/{user}")
    usable = run.is_dir() and os.access(run, os.W_OK | os.X_OK)
    directory = run / "seatrial" if usable else _TEMPORARY / f"seatrial-{user}"
    directory.mkdir(mode=0o700, exist_ok=True)
    status = directory.lstat()
    if directory.is_symlink() or status.st_uid != user or status.st_mode & 0o022:
        raise PlatformError(f"{directory} is not a directory of this user's alone: have it removed")
    return directory


def candidate_ports() -> Sequence[int]:
    """Ports that may be allocated: outside the ephemeral range, below it first; all there are if it covers everything."""
    try:
        low, high = (int(word) for word in _EPHEMERAL.read_text("ascii").split())
    except (OSError, ValueError):
        low, high = _EPHEMERAL_DEFAULT
    below, above = range(_LOWEST, low), range(max(high + 1, _LOWEST), _HIGHEST + 1)
    outside = below if len(below) >= 1000 else above
    return outside if len(outside) >= 1000 else range(_LOWEST, _HIGHEST + 1)


def is_free(port: int) -> bool:
    """Whether a server could listen on the port of the loopback interface now."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as attempt:
        # As servers do: connections that linger (TIME_WAIT) do not count, listeners do.
        attempt.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            attempt.bind((LOOPBACK, port))
        except OSError as error:
            if error.errno in (errno.EADDRINUSE, errno.EACCES):
                return False
            raise
    return True


def listener(port: int) -> str | None:
    """Who listens on a port, as far as this user may see: ``redis-server (pid 123)``."""
    inodes = procfs.listeners().get(port, frozenset())
    if not inodes:
        return None
    for pid in procfs.pids():
        if inodes & procfs.socket_inodes(pid):
            return _describe(pid)
    return None


def _describe(pid: int) -> str:
    stat = procfs.read_stat(pid)
    return f"{stat.name} (pid {pid})" if stat else f"pid {pid}"
