"""Signals to exactly the process that is meant, and to a whole tree of them."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterable, Iterator, Sequence

from seatrial.core import procfs
from seatrial.core.processes import ProcessId
from seatrial.core.quantities import NS_PER_S

POLL_S = 0.002
_SETTLE_NS = 50_000_000


def send(process: ProcessId, number: int) -> bool:
    """Send a signal to exactly this process; False if it has gone. Raises PermissionError if it may not be signalled."""
    try:
        descriptor = os.pidfd_open(process.pid)
    except ProcessLookupError:
        return False
    except OSError:
        return _send_by_pid(process, number)
    try:
        # Looked at after opening: from here on the descriptor and the identity are of one process.
        if procfs.stat_of(process) is None:
            return False
        signal.pidfd_send_signal(descriptor, number)
    except ProcessLookupError:
        return False
    finally:
        os.close(descriptor)
    return True


def _send_by_pid(process: ProcessId, number: int) -> bool:
    # Kernels before 5.3 and some sandboxes have no pidfd.
    try:
        if procfs.stat_of(process) is None:
            return False
        os.kill(process.pid, number)
    except ProcessLookupError:
        return False
    return True


def freezing(
    roots: Sequence[ProcessId], found: dict[int, ProcessId], spared: ProcessId | None = None
) -> Iterator[None]:
    """Stop the roots and all their descendants but the `spared` one; `found` receives them, parents before children.

    Yields whenever the caller should let some time pass (POLL_S). Repeats until all have stopped and a further look
    shows no new one: a process that was forking when the signal came has one child more. A parent that waits in
    vfork for a child that is stopped cannot stop itself, nor fork: it is given 50 ms.
    """
    last_new_ns = time.monotonic_ns()
    while True:
        tree = procfs.descendants((*roots, *found.values()))
        fresh = [process for process in tree if process.pid not in found and process != spared]
        for process in fresh:
            send(process, signal.SIGSTOP)
            found[process.pid] = process
        now_ns = time.monotonic_ns()
        if fresh:
            last_new_ns = now_ns
        elif not running_ones(found.values()) or now_ns - last_new_ns > _SETTLE_NS:
            return
        yield


def running_ones(processes: Iterable[ProcessId]) -> list[ProcessId]:
    """Those that are alive and not stopped."""
    stats = ((process, procfs.stat_of(process)) for process in processes)
    return [process for process, stat in stats if stat is not None and not stat.dead and not stat.stopped]


def living(processes: Iterable[ProcessId]) -> list[ProcessId]:
    """Those that are alive."""
    return [process for process in processes if procfs.is_alive(process)]


def kill_trees(roots: Sequence[ProcessId], found: dict[int, ProcessId], patience_ns: int = 5 * NS_PER_S) -> None:
    """Freeze and SIGKILL the roots with all their descendants, and wait until they are gone or patience ends."""
    for _ in freezing(roots, found):
        time.sleep(POLL_S)
    for process in reversed(list(found.values())):
        send(process, signal.SIGKILL)
    deadline_ns = time.monotonic_ns() + patience_ns
    while living(found.values()) and time.monotonic_ns() < deadline_ns:
        time.sleep(POLL_S)


def describe(process: ProcessId) -> str:
    """``pid 4711 (redis-server)``: never its arguments, which may hold passwords."""
    stat = procfs.stat_of(process)
    return f"pid {process.pid} ({stat.name})" if stat else f"pid {process.pid}"
