"""Network namespaces (network_namespaces(7)): which one a process is in, and being in it oneself. Takes root, and Linux."""

from __future__ import annotations

import contextlib
import ctypes
import os
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeVar

from ...core.errors import NotExercised, PlatformError

_CLONE_NEWNET = 0x40000000
_KEPT = ("/run/netns", "/run/docker/netns")  # where namespaces are kept by name, whether or not a process is in them
_Made = TypeVar("_Made")


def namespace_of(pid: int) -> int:
    """The number of its network namespace. Raises PlatformError for a process that has gone, NotExercised without the right to look."""
    try:
        return Path(f"/proc/{pid}/ns/net").stat().st_ino
    except PermissionError:
        raise NotExercised(f"the network namespace of process {pid} can be entered by root only") from None
    except OSError:
        raise PlatformError(f"process {pid} has gone") from None


def opened(number: int, pid: int | None = None) -> int | None:
    """A descriptor of the namespace of that number, wherever one still leads to it (to `pid` first); None where it is no more.

    Its processes may have ended and others be in it: those of a pod, or of a container that shares its network.
    """
    for path in _ways(pid):
        try:
            descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        except OSError:
            continue
        if os.fstat(descriptor).st_ino == number:
            return descriptor
        os.close(descriptor)
    return None


def enter(descriptor: int) -> None:
    """This thread is in that namespace from now on, and what it starts. Raises NotExercised."""
    _call("setns", "entered", descriptor, _CLONE_NEWNET)


def leave_for_a_new_one() -> None:
    """This thread is in a namespace that nobody else knows. Raises NotExercised."""
    _call("unshare", "made", _CLONE_NEWNET)


def _call(name: str, deed: str, *arguments: int) -> None:
    call = getattr(ctypes.CDLL(None, use_errno=True), name, None)
    if call is None:
        raise NotExercised("network namespaces are Linux's")
    if call(*arguments) != 0:
        raise NotExercised(f"a network namespace cannot be {deed}: {os.strerror(ctypes.get_errno())} (it takes root)")


@contextlib.contextmanager
def inside(descriptor: int) -> Iterator[None]:
    """In that namespace, and back. For programs with one thread."""
    home = os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
    try:
        enter(descriptor)
        try:
            yield
        finally:
            enter(home)
    finally:
        os.close(home)


def made_in(number: int, pid: int, make: Callable[[], _Made]) -> _Made:
    """What `make` makes in that namespace, by a thread that ends there: a socket belongs for good to where it was made.

    Raises PlatformError for a namespace that is no more, NotExercised without the right to enter, and what `make` raises.
    """
    descriptor = opened(number, pid)
    if descriptor is None:
        raise PlatformError(f"the network namespace of process {pid} is no more")
    outcome: list[_Made | BaseException] = []

    def work() -> None:
        try:
            enter(descriptor)
            outcome.append(make())
        except BaseException as error:  # noqa: BLE001 - raised by who asked
            outcome.append(error)

    try:
        thread = threading.Thread(target=work, name="seatrial-namespace")
        thread.start()
        thread.join()
    finally:
        os.close(descriptor)
    (made,) = outcome
    if isinstance(made, BaseException):
        raise made
    return made


def _ways(pid: int | None) -> Iterator[Path]:
    if pid is not None:
        yield Path(f"/proc/{pid}/ns/net")
    for place in _KEPT:
        with contextlib.suppress(OSError):
            yield from Path(place).iterdir()
    for entry in Path("/proc").iterdir():
        if entry.name.isdecimal():
            yield entry / "ns/net"
