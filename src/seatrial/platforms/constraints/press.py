"""Other work on the machine: takes processor time or memory, as told, until it is ended. A program of its own; standard library only.

usage: press.py JSON, with what is to be taken:

    {"kind": "cpu", "cores": 1.5, "cpus": [0, 1]}               as busy as that, on these processors
    {"kind": "memory", "size": BYTES, "floor": BYTES}           so much, and never more than leaves the floor
    {"kind": "memory", "leave": BYTES, "floor": BYTES}          so much that this is left
    {"kind": "memory", "relentless": true}                      until the kernel kills somebody else for it

"join": control groups (their cgroup.procs) to enter first; "within": those whose limits say what is left, as pairs of the files that tell
limit and use; else the machine's. "while": a pid: it ends when that process does. "ready": a file that gets its pid when it has begun.
"""

from __future__ import annotations

import json
import mmap
import os
import select
import signal
import sys
import time
from typing import Any

_PERIOD_S = 0.02
_CHUNK = 1 << 20
_AT_ONCE = 256  # then it looks again
_LOOK_S = 0.02
_GLANCE_S = 0.001
_POPULATE_WRITE = 23  # madvise(2), Linux 5.14


def main() -> None:
    order = json.loads(sys.argv[1])
    if not order.get("relentless"):
        join(order)
    victim = os.pidfd_open(order["while"]) if order.get("while") else None
    if order["kind"] == "cpu":
        burn(order, victim)
    else:
        hold(order, victim)


def join(order: Any) -> None:
    """Enter the groups that are named."""
    for group in order.get("join", ()):
        with open(group, "w") as file:  # noqa: PTH123
            file.write(str(os.getpid()))


def begun(order: Any) -> None:
    """Say so: the file is there whole, or not at all."""
    with open(order["ready"] + ".new", "w") as file:  # noqa: PTH123
        file.write(str(os.getpid()))
    os.replace(order["ready"] + ".new", order["ready"])  # noqa: PTH105


def burn(order: Any, victim: int | None) -> None:
    """A child for each processor's worth, each on a processor of its own as far as there are enough."""
    cores, cpus = order["cores"], order["cpus"]
    count = max(1, -int(-cores // 1))
    parent = os.getpid()
    for number in range(count):
        if os.fork() == 0:
            os.sched_setaffinity(0, {cpus[number % len(cpus)]})
            busy(cores / count, parent)
    begun(order)
    wait(victim)
    os._exit(0)  # its children see that it has gone


def busy(share: float, parent: int) -> None:
    """So much of the time, whatever others get: what was missed in a period is not made up for."""
    while os.getppid() == parent:
        began, spent = time.monotonic(), time.process_time()
        while time.process_time() - spent < share * _PERIOD_S and time.monotonic() - began < _PERIOD_S:
            pass
        rest = _PERIOD_S - (time.monotonic() - began)
        if share < 1 and rest > 0:
            time.sleep(rest)
    os._exit(0)


def wait(victim: int | None, timeout_s: float | None = None) -> bool:
    """Until the victim has gone (True), or so long."""
    return bool(select.select([victim] if victim is not None else [], [], [], timeout_s)[0])


def hold(order: Any, victim: int | None) -> None:
    """Take memory, and give it back when others need it more."""
    if order.get("relentless"):
        relentless(order, victim)
        return
    protect(1000)  # the kernel's first choice, should it come to that
    taken: list[mmap.mmap] = []
    told = False
    while True:
        left = available(order)
        size, floor = len(taken) * _CHUNK, order["floor"]
        spare = left - max(order.get("leave", 0), floor)
        wanted = min(order["size"] - size, spare) if "size" in order else spare
        if wanted >= _CHUNK:
            taken += [take(_CHUNK) for _ in range(min(wanted // _CHUNK, _AT_ONCE))]
            continue
        if spare < -_CHUNK:
            while taken and spare < 0:
                taken.pop().close()
                spare += _CHUNK
        if not told:
            told = True
            begun(order)
        if wait(victim, _LOOK_S):
            return


def relentless(order: Any, victim: int | None) -> None:
    """Until the counter of kills rises, or the victim has gone. The kernel kills whoever has the most: what is taken is nobody's (a file in
    memory), and who takes it is small, in the group alone, and spared where rights allow that.
    """
    before, file = kills(order), os.memfd_create("seatrial")
    child = os.fork()
    if child == 0:
        os.set_inheritable(file, True)
        join(order)
        protect(-1000)
        os.execvp("dd", ["dd", "if=/dev/zero", f"of=/proc/self/fd/{file}", "bs=64k"])  # noqa: S606
    begun(order)
    ended = False
    while kills(order) == before and not wait(victim, _GLANCE_S):
        if os.waitpid(child, os.WNOHANG)[0]:
            ended = True
            break
    if not ended:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
    elif kills(order) == before:
        sys.exit("the kernel did not let it take more, and killed nobody else")


def kills(order: Any) -> int:
    """The counter of the group."""
    try:
        with open(order["counter"]) as file:  # noqa: PTH123
            return next((int(line.split()[1]) for line in file if line.startswith("oom_kill ")), 0)
    except OSError:
        return -1  # the group has gone with whom it was of


def take(size: int) -> mmap.mmap:
    """So many bytes, really there."""
    block = mmap.mmap(-1, size, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    try:
        block.madvise(_POPULATE_WRITE)
    except (OSError, ValueError):
        for place in range(0, size, mmap.PAGESIZE):
            block[place] = 1
    return block


def protect(score: int) -> None:
    """Whom the kernel kills first. Less than before takes rights, and then stays as it is."""
    try:
        with open("/proc/self/oom_score_adj", "w") as file:  # noqa: PTH123
            file.write(str(score))
    except OSError:
        pass


def available(order: Any) -> int:
    """Bytes that are left: of the machine, and of each group that has a limit."""
    with open("/proc/meminfo") as file:  # noqa: PTH123
        left = [next(int(line.split()[1]) << 10 for line in file if line.startswith("MemAvailable:"))]
    if order.get("within"):
        left[0] -= order["machine"]  # what has to be left of it, whatever a group allows
    for limit, used, statistics, droppable in order.get("within", ()):
        drop = next((int(line.split()[1]) for line in read(statistics).splitlines() if line.startswith(droppable)), 0)
        left.append(int(read(limit)) - int(read(used)) + drop)
    return min(left)


def read(path: str) -> str:
    with open(path) as file:  # noqa: PTH123
        return file.read()


if __name__ == "__main__":
    main()
