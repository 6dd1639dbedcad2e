"""A server that is hard to own: a child in its own session, and a grandchild whose parents are gone (a daemon).

Its arguments are a mark, which all its processes carry in their command line, and a file that tells their pids.
It ends with status 0 on SIGTERM after writing "asked" to the file; with a third argument `deaf` it does not.
"""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path

told = Path(sys.argv[2])


def tell(what: str) -> None:
    with told.open("a") as file:
        file.write(f"{what} {os.getpid()}\n")


def end(_number: int, _frame: object) -> None:
    tell("asked")
    sys.exit(0)


if os.fork() == 0:
    os.setsid()
    tell("session")
    while True:
        signal.pause()
middle = os.fork()
if middle == 0:
    os.setsid()
    if os.fork() == 0:
        os.chdir("/")
        tell("daemon")
        while True:
            signal.pause()
    os._exit(0)
os.waitpid(middle, 0)
signal.signal(signal.SIGTERM, signal.SIG_IGN if "deaf" in sys.argv else end)
tell("leader")
while True:
    signal.pause()
