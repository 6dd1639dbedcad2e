"""Control groups that a unit is put into. They are made, and given limits, by whoever wants it confined; a remedy takes it out again."""

from __future__ import annotations

import errno
import os
from collections.abc import Sequence
from pathlib import Path

from seatrial.core.errors import SupervisorError
from seatrial.core.processes import ProcessId

from .household import Group, Household

_LOOKS = 50


def enter(pid: int, groups: Sequence[Path]) -> None:
    """Put a process into groups; into none that has gone. Raises OSError for one that may not be entered."""
    for group in groups:
        try:
            descriptor = os.open(group / "cgroup.procs", os.O_WRONLY | os.O_CLOEXEC)
        except FileNotFoundError:
            continue
        try:
            os.write(descriptor, b"%d" % pid)
        except OSError as error:
            if error.errno != errno.ENODEV:  # it went just now
                raise
        finally:
            os.close(descriptor)


def confine(household: Household, group: Group, into: Sequence[Path]) -> None:
    """Put all processes of a unit into groups: again until a look shows none that was not, for what was forking has a child more.

    Raises SupervisorError for a group that may not be entered, or a unit that forks faster than it can be followed.
    """
    if not into:
        return
    moved: set[ProcessId] = set()
    for _ in range(_LOOKS):
        household.look()
        fresh = [process for process in group.alive() if process not in moved]
        if not fresh:
            return
        for process in fresh:
            try:
                enter(process.pid, into)
            except ProcessLookupError:
                pass  # it has ended
            except OSError as error:
                raise SupervisorError(f"{group.name} cannot be put into {into[0]}: {error.strerror}") from error
            moved.add(process)
    raise SupervisorError(f"{group.name} starts processes faster than they can be put into {into[0]}")
