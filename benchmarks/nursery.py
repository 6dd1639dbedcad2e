"""Runs a command as its subreaper: whatever the command starts, daemons too, stays a descendant of this process.

    python benchmarks/nursery.py COMMAND ...

Prints the pid of the command, then its exit status (negative: the signal that ended it), and ends when nothing is left beneath it. Its
life is how `kills.py` sees, independently of any record, whether a trial has left a process.
"""

from __future__ import annotations

import ctypes
import os
import signal
import subprocess
import sys

_PR_SET_CHILD_SUBREAPER = 36


def main(argv: list[str]) -> None:
    """Start, tell, and wait for everyone."""
    if ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0):
        raise OSError(ctypes.get_errno(), "prctl(PR_SET_CHILD_SUBREAPER)")
    command = subprocess.Popen(argv, stdout=sys.stderr, start_new_session=True)
    for ignored in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(ignored, signal.SIG_IGN)
    print(command.pid, flush=True)
    while True:
        try:
            pid, status = os.waitpid(-1, 0)
        except ChildProcessError:
            return
        if pid == command.pid:
            print(os.waitstatus_to_exitcode(status), flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
