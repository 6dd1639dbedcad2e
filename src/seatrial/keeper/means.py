"""What units and commands share: records, processes, and the news of their ends."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Callable, Coroutine
from pathlib import Path

from seatrial.core import procfs
from seatrial.core.errors import SupervisorError
from seatrial.core.processes import ProcessId, UnitStatus

from .claims import Claims
from .household import Group, Household
from .launching import Launched, Program, launch
from .records import Records, complain
from .remedies import Remedies


class Means:
    """Passed to everything that starts processes. `hurry` is set when nothing is waited for any more."""

    def __init__(self, directory: Path, records: Records, announce: Callable[[UnitStatus], None]) -> None:
        self.directory = directory
        self.records = records
        self.announce = announce
        self.household = Household(records)
        self.claims = Claims()
        self.remedies = Remedies()
        self.undoing = asyncio.Lock()  # one remedy at a time
        self.commands: set[Group] = set()
        self.hurry = asyncio.Event()
        self.closing = False
        self._ends: dict[int, Callable[[int], None]] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    def launch(
        self, program: Program, group: Group, ended: Callable[[int], None], *, to_the_last: bool = False
    ) -> Launched:
        """Start a process as the leader of a group; `ended` is called with its exit status.

        Raises SupervisorError if it cannot be started, or when all is being ended, unless it is a part of that (`to_the_last`).
        """
        if self.closing and not to_the_last:
            raise SupervisorError(f"{program.name} is not started: the trial is being ended")

        def record(guardian: ProcessId, leader: ProcessId) -> None:
            self.household.lead(group, guardian, leader)

        owned = (self.directory, *(claimed.path for claimed in self.claims.directories))
        launched = launch(program, owned, record)
        self._ends[launched.process.pid] = ended
        asyncio.get_running_loop().add_reader(launched.news, self._heed, launched)
        return launched

    def reap(self) -> None:
        """Collect all children that have ended: guardians, and what came to the keeper as an orphan. Called at SIGCHLD."""
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if pid == 0:
                return
            self._end(pid, os.waitstatus_to_exitcode(status))

    def _heed(self, launched: Launched) -> None:
        """The guardian tells its leader's end, or has ended itself."""
        news = os.read(launched.news, 32)
        asyncio.get_running_loop().remove_reader(launched.news)
        os.close(launched.news)
        if news:
            self._end(launched.process.pid, int(news))
            return
        # Someone has killed the guardian: its leader is a child of the keeper's now.
        self.reap()
        if not procfs.is_alive(launched.process):
            self._end(launched.process.pid, -signal.SIGKILL)

    def _end(self, pid: int, exit_status: int) -> None:
        ended = self._ends.pop(pid, None)
        if ended is not None:
            ended(exit_status)

    def spawn(self, work: Coroutine[None, None, None]) -> None:
        """Do something in the background; an error is written to the keeper's log."""
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._finished)

    def _finished(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            complain(error)
