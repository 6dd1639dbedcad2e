"""The guardian: a process between the keeper and each leader, whose descendants are the unit.

It is a subreaper, so that a process whose parents have ended, a daemon that forked twice before anyone could look, stays
beneath it: the unit is what descends from the guardian, and that is so even after the keeper was killed. The leader
itself cannot be the subreaper: servers do not expect children that they did not start (postgres takes the abnormal end
of one for a crash). It does nothing but wait, and ends when nothing is left beneath it.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import NoReturn

from ..core.processes import GUARDIAN
from .surroundings import become_subreaper, set_name


def guard(lead: Callable[[], NoReturn], news: int) -> NoReturn:
    """In a process just forked, with all signals blocked: fork the leader, which calls `lead`, and wait for everyone.

    Writes two lines to the pipe `news`: the leader's pid, and, when it has ended, its exit status (negative: a signal).
    """
    try:
        os.setsid()
        become_subreaper()
        leader = os.fork()
        if leader == 0:
            lead()
        set_name(GUARDIAN)
        _close_all_but(news)
        reset_signals(ignored=(signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGPIPE))
        _tell(news, leader)
        _wait_for_all(leader, news)
    finally:
        os._exit(0)


def _wait_for_all(leader: int, news: int) -> None:
    with suppress(ChildProcessError):
        while True:
            pid, status = os.waitpid(-1, 0)
            if pid == leader:
                _tell(news, os.waitstatus_to_exitcode(status))


def _tell(news: int, number: int) -> None:
    with suppress(OSError):  # the keeper may be gone: the guardian stays
        os.write(news, b"%d\n" % number)


def _close_all_but(kept: int) -> None:
    """What was the keeper's must not be held open here: its lock and its connections end with it."""
    last = max((int(entry.name) for entry in Path("/proc/self/fd").iterdir()), default=kept)
    os.closerange(3, kept)
    os.closerange(kept + 1, last + 1)


def reset_signals(ignored: tuple[signal.Signals, ...] = ()) -> None:
    """All signals as in a new process, none blocked."""
    signal.set_wakeup_fd(-1)
    for number in signal.valid_signals() - {signal.SIGKILL, signal.SIGSTOP}:
        signal.signal(number, signal.SIG_IGN if number in ignored else signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_SETMASK, ())
