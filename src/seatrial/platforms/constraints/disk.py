"""A full disk: a file of ours in a file system whose size is limited, and that is nobody else's. A plain disk is never filled."""

from __future__ import annotations

import asyncio
import errno
import os
from pathlib import Path

from ...core import procfs
from ...core.errors import NotExercised, PlatformError
from ...core.processes import ProcessId
from ...core.quantities import Dimension, format_quantity
from .common import Case
from .pressure import machine_floor

_MACHINE = ("/dev", "/dev/shm", "/run", "/run/lock", "/sys/fs/cgroup", "/tmp", "/var/tmp")  # noqa: S108 - to keep out of them
_PAGE = 4096


class DiskFull:
    """A Constraint. `path`, as the instance's processes see it; `leave`: so much stays free (nothing)."""

    presser: ProcessId | None = None

    def __init__(self, case: Case) -> None:
        self.case = case
        self._name = f"disk-full {case.label}"
        self._began = False
        self._filling: asyncio.Future[None] | None = None

    async def begin(self) -> None:
        """Take what is free."""
        path = str(self.case.arguments["path"])
        directory = seen_by(self.case.leader.pid, path)
        leave = -(-round(self.case.number("leave")) // _PAGE) * _PAGE
        free = self._free(directory, path) - leave
        if free <= 0:
            raise NotExercised(f"{path} of {self.case.instance} has no more than {_size(leave)} free already")
        if procfs.machine_memory()[1] - free < machine_floor():
            raise NotExercised(
                f"{path} has {_size(free)} free, in memory: more than the machine has to spare; give its tmpfs a size"
            )
        file = directory / f".seatrial-{self.case.label}"
        await self.case.supervisor.remedy(self._name, [["rm", "-f", str(file)]], self.case.leader)
        self._began = True
        self._filling = asyncio.ensure_future(asyncio.to_thread(_fill, file, free, self.case.instance))
        await asyncio.shield(self._filling)

    async def end(self) -> None:
        """Remove the file."""
        if self._began:
            self._began = False
            if self._filling is not None:
                await asyncio.gather(
                    self._filling, return_exceptions=True
                )  # a thread goes on when who waits is cancelled
            await self.case.supervisor.settle(self._name)

    def _free(self, directory: Path, path: str) -> int:
        try:
            status, numbers = directory.stat(), os.statvfs(directory)
        except OSError as error:
            raise NotExercised(f"{path} of {self.case.instance} cannot be looked at: {error.strerror}") from error
        if not directory.is_dir():
            raise NotExercised(f"{path} of {self.case.instance} is no directory")
        kind = file_system(self.case.leader.pid, path)
        if kind != "tmpfs":
            raise NotExercised(
                f"{path} of {self.case.instance} is on {kind or 'an unknown file system'}, which others may use: "
                "a tmpfs of its own, mounted there with a size, is needed"
            )
        if any(Path(place).exists() and Path(place).stat().st_dev == status.st_dev for place in _MACHINE):
            raise NotExercised(
                f"{path} of {self.case.instance} is the machine's own: a tmpfs with a size, mounted there, is needed"
            )
        return numbers.f_bavail * numbers.f_frsize


def seen_by(pid: int, path: str) -> Path:
    """A path as a process sees it."""
    return Path(f"/proc/{pid}/root/{path.lstrip('/')}")


def file_system(pid: int, path: str) -> str:
    """The type of the file system that a directory of a process is on; empty if it cannot be told.

    By the number of its mount, which has to be one of the process's: a link in the path that leads out of its root does not.
    """
    try:
        descriptor = os.open(seen_by(pid, path), os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            told = Path(f"/proc/self/fdinfo/{descriptor}").read_text("ascii")
        finally:
            os.close(descriptor)
        lines = Path(f"/proc/{pid}/mountinfo").read_text("utf-8", "replace").splitlines()
    except OSError:
        return ""
    number = next((line.split()[1] for line in told.splitlines() if line.startswith("mnt_id:")), "")
    kinds = {line.split()[0]: line.partition(" - ")[2].split()[0] for line in lines}
    return kinds.get(number, "")


def _fill(file: Path, size: int, whose: str) -> None:
    try:
        descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise NotExercised(f"a file cannot be made in {file.parent} of {whose}: {error.strerror}") from error
    try:
        while size >= _PAGE:
            try:
                os.posix_fallocate(descriptor, 0, size)
                break
            except OSError as error:
                if error.errno != errno.ENOSPC:
                    raise PlatformError(f"{file.parent} of {whose} could not be filled: {error.strerror}") from error
            size -= max(_PAGE, size // 64 // _PAGE * _PAGE)  # somebody else took some meanwhile
    finally:
        os.close(descriptor)


def _size(size: float) -> str:
    return format_quantity(size, Dimension.SIZE)
