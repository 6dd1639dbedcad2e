"""A wrong clock: libfaketime, where an instance was started with it, reads another offset from its file.

The clock of the machine is never touched. How to declare it, in the environment of a service:

    LD_PRELOAD: /usr/lib/x86_64-linux-gnu/faketime/libfaketime.so.1
    FAKETIME_TIMESTAMP_FILE: /path/of/its/own        # "+0" in it, or not there
    FAKETIME_NO_CACHE: "1"                           # or it is read every 10 s
    FAKETIME_DONT_FAKE_MONOTONIC: "1"                # or waits become wrong, too
"""

from __future__ import annotations

import os
from pathlib import Path

from ...core.errors import NotExercised, PlatformError
from ...core.processes import ProcessId
from ...core.quantities import NS_PER_S
from .common import Case
from .disk import seen_by

_LIBRARY = "libfaketime"
_FILE = "FAKETIME_TIMESTAMP_FILE"
_NEEDED = f"libfaketime in its LD_PRELOAD, and {_FILE} with the path of a file of its own, are needed in the environment of its service"


class ClockOffset:
    """A Constraint. `offset`: so much later (or earlier) than it is, for whoever of the instance asks; whole seconds."""

    presser: ProcessId | None = None

    def __init__(self, case: Case) -> None:
        self.case = case
        self._name = f"clock-offset {case.label}"
        self._began = False

    async def begin(self) -> None:
        """Write the offset into the file."""
        pid, whose = self.case.leader.pid, self.case.instance
        try:
            mapped = Path(f"/proc/{pid}/maps").read_text("utf-8", "replace")
            environment = dict(
                pair.partition("=")[::2]
                for pair in Path(f"/proc/{pid}/environ").read_text("utf-8", "replace").split("\0")
            )
        except OSError as error:
            raise NotExercised(f"{whose} may not be looked at: {error.strerror}") from error
        if _LIBRARY not in mapped:
            raise NotExercised(f"{whose} does not take its time from {_LIBRARY}: {_NEEDED}")
        path = environment.get(_FILE, "")
        if not path.startswith("/") or "FAKETIME" in environment:
            raise NotExercised(f"the time of {whose} is fixed when it starts: {_NEEDED}, and no FAKETIME")
        file = seen_by(pid, path)
        try:
            former = file.read_text("ascii", "replace") if file.exists() else None
        except OSError as error:
            raise NotExercised(f"{path} of {whose} cannot be read: {error.strerror}") from error
        undo = (
            ["rm", "-f", str(file)]
            if former is None
            else ["sh", "-c", 'printf %s "$1" > "$2"', "sh", former, str(file)]
        )
        await self.case.supervisor.remedy(self._name, [undo], self.case.leader)
        self._began = True
        try:
            file.write_text(f"{round(self.case.number('offset') / NS_PER_S):+d}\n", "ascii")
            os.chmod(file, file.stat().st_mode | 0o444)  # noqa: PTH101 - the service may be another user
        except OSError as error:
            raise PlatformError(f"{path} of {whose} cannot be written: {error.strerror}") from error

    async def end(self) -> None:
        """Put back what was there."""
        if self._began:
            self._began = False
            await self.case.supervisor.settle(self._name)
