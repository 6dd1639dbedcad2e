"""Which processes belong to what: the units, commands and adopted processes of a trial with all their descendants.

A unit's processes are what descends from its guardian (see `guardian`), whatever became of their parents; adopted ones
have no guardian. All are recorded as they become known. A process that comes to the keeper as an orphan, because
someone killed its guardian, is a *stray* if it was never seen: it lives on with the trial and ends with it.
"""

from __future__ import annotations

import asyncio
import os
import signal
import time
from collections.abc import Callable, Collection, Iterable

from seatrial.core import procfs
from seatrial.core.errors import SupervisorError
from seatrial.core.processes import ProcessId
from seatrial.core.quantities import NS_PER_S

from .memory import Memory
from .records import Records, complain
from .signals import POLL_S, describe, freezing, living, running_ones, send

STRAYS = "strays"
_GONE_WITHIN_NS = 5 * NS_PER_S
_GUARDIAN_WITHIN_NS = NS_PER_S
_STOPPED_WITHIN_NS = 2 * NS_PER_S


class Group:
    """Processes that belong together; `members` are without the guardian, parents before children."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.guardian: ProcessId | None = None
        self.members: dict[int, ProcessId] = {}

    @property
    def roots(self) -> tuple[ProcessId, ...]:
        """Everything known that others of the group may descend from."""
        return (*((self.guardian,) if self.guardian else ()), *self.members.values())

    def alive(self) -> list[ProcessId]:
        """The known members that are alive."""
        return living(self.members.values())


class Household:
    """All groups of a trial."""

    def __init__(self, records: Records) -> None:
        self.memory = Memory()
        self._records = records
        self._groups: list[Group] = []
        self._strays = Group(STRAYS)

    def join(self, group: Group) -> None:
        """Take in a group."""
        self._groups.append(group)

    def leave(self, group: Group) -> None:
        """Forget a group whose processes are gone."""
        if group in self._groups:
            self._groups.remove(group)

    def lead(self, group: Group, guardian: ProcessId, leader: ProcessId) -> None:
        """Record a new leader with its guardian. Raises SupervisorError if that could not be written."""
        self._records.process(guardian, unit=group.name, part="guardian")
        group.guardian = guardian
        self.add(group, leader, "leader")

    def add(self, group: Group, process: ProcessId, part: str) -> None:
        """Record a process as a member. Raises SupervisorError if that could not be written."""
        if group.members.get(process.pid) == process:
            return
        stat = procfs.stat_of(process)
        self._records.process(process, unit=group.name, part=part, parent=stat.parent if stat else None)
        group.members[process.pid] = process

    def groups(self) -> tuple[Group, ...]:
        """All groups, the strays last."""
        return (*self._groups, self._strays)

    def look(self) -> None:
        """Look at all processes of the trial: take in new ones, forget ended ones."""
        for group in self.groups():
            if group.members or group.guardian:
                self._look_at(group)
        self._take_orphans()
        self.memory.note(self.everyone(), self._records)

    def everyone(self) -> list[ProcessId]:
        """All living processes of the trial, as far as known."""
        return [process for group in self.groups() for process in living(group.roots)]

    def note_memory(self, processes: Collection[ProcessId]) -> None:
        """Take in what these share, before they end: nobody knows afterwards whose it was."""
        try:
            self.memory.note(processes, self._records, files=True)
        except SupervisorError as error:
            complain(error)

    async def freeze(self, group: Group) -> list[ProcessId]:
        """Stop all processes of a group, and see that they are. Raises SupervisorError, with all resumed, if not."""
        deadline_ns = time.monotonic_ns() + _STOPPED_WITHIN_NS
        while True:
            found = await self._freeze(group)
            if not (running := running_ones(found)):
                return found
            # Perhaps in the middle of a vfork: let it finish, and try again.
            thaw(found)
            if time.monotonic_ns() > deadline_ns:
                names = ", ".join(describe(process) for process in running)
                raise SupervisorError(f"{group.name} cannot be paused: {names} did not stop")
            await asyncio.sleep(POLL_S)

    async def destroy(self, group: Group) -> None:
        """SIGKILL all processes of a group, and wait for their end. Raises SupervisorError naming those that remain."""
        deadline_ns = time.monotonic_ns() + _GONE_WITHIN_NS
        while found := await self._freeze(group):
            for process in reversed(found):
                send(process, signal.SIGKILL)
            if not await wait_until(lambda: not group.alive(), deadline_ns):
                names = ", ".join(describe(process) for process in group.alive())
                raise SupervisorError(f"{names} of {group.name} did not end within 5s of SIGKILL")
        await self._dismiss(group)
        group.members.clear()

    async def _dismiss(self, group: Group) -> None:
        """See the guardian go: it ends by itself when there is nothing left to guard."""
        guardian = group.guardian
        if guardian is None:
            return
        if not await wait_until(lambda: not procfs.is_alive(guardian), time.monotonic_ns() + _GUARDIAN_WITHIN_NS):
            send(guardian, signal.SIGKILL)
            await wait_until(lambda: not procfs.is_alive(guardian), time.monotonic_ns() + _GUARDIAN_WITHIN_NS)
        if group.guardian is guardian:
            group.guardian = None

    async def _freeze(self, group: Group) -> list[ProcessId]:
        found: dict[int, ProcessId] = {}
        for _ in freezing(group.roots, found, spared=group.guardian):
            await asyncio.sleep(POLL_S)
        for process in found.values():
            try:
                self.add(group, process, "descendant")
            except SupervisorError as error:
                # What is stopped must now be killed or let go, recorded or not.
                complain(error)
                group.members[process.pid] = process
        self.note_memory(list(found.values()))
        return list(found.values())

    def _look_at(self, group: Group) -> None:
        current = [process for process in procfs.descendants(group.roots) if process != group.guardian]
        for process in current:
            self.add(group, process, "descendant")
        group.members = {process.pid: process for process in current}

    def _take_orphans(self) -> None:
        known = {process.pid for group in self.groups() for process in group.roots}
        for pid in procfs.children(os.getpid()):
            if pid not in known and (process := procfs.identify(pid)) is not None and procfs.is_alive(process):
                self.add(self._strays, process, "stray")


def thaw(processes: Iterable[ProcessId]) -> None:
    """Let stopped processes go on, children before parents."""
    for process in reversed(list(processes)):
        send(process, signal.SIGCONT)


async def wait_until(condition: Callable[[], bool], deadline_ns: int) -> bool:
    """Whether a condition came true by the deadline."""
    while not condition():
        if time.monotonic_ns() > deadline_ns:
            return False
        await asyncio.sleep(POLL_S)
    return True
