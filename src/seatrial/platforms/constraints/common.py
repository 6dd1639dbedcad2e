"""What constraints have in common: whom they hit, how they begin, and that they end."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from ...core.errors import PlatformError, SupervisorError
from ...core.processes import ProcessId, Supervisor

MEGABYTE = 1 << 20


@dataclass(frozen=True, kw_only=True, slots=True)
class Case:
    """One constraint of an instance: `leader` is its first process as this machine's /proc shows it, `label` a name that no other has.

    `directory`: of the trial's, for files that are needed meanwhile. `arguments` are in base units (bytes, ns, processors).
    """

    instance: str
    leader: ProcessId
    arguments: Mapping[str, object]
    supervisor: Supervisor
    directory: Path
    label: str

    def number(self, name: str, default: float = 0.0) -> float:
        """A number of the arguments."""
        found = self.arguments.get(name)
        return float(found) if isinstance(found, int | float) else default

    def has(self, name: str) -> bool:
        """Whether it is given."""
        return self.arguments.get(name) is not None


class Constraint(Protocol):
    """One that can begin, and end. A remedy for what does not end with a process of ours is recorded before it begins."""

    async def begin(self) -> None:
        """Raises NotExercised where it cannot be done, saying what would be needed; SupervisorError, PlatformError where it fails."""
        ...

    async def end(self) -> None:
        """Also after a `begin` that failed. Raises PlatformError where it had ended by itself, SupervisorError where it resists."""
        ...

    @property
    def presser(self) -> ProcessId | None:
        """The process of ours that presses, while it does."""
        ...


class Constraints:
    """All of a platform, by number."""

    def __init__(self, supervisor: Supervisor, directory: Path) -> None:
        self._supervisor = supervisor
        self._directory = directory
        self._numbers = itertools.count(1)
        self._acting: dict[int, Constraint] = {}

    async def begin(
        self, make: Callable[[Case], Constraint], instance: str, leader: ProcessId, arguments: Mapping[str, object]
    ) -> int:
        """Begin one: its number. One that fails, or is given up, is undone before this returns."""
        number = next(self._numbers)
        case = Case(
            instance=instance,
            leader=leader,
            arguments=arguments,
            supervisor=self._supervisor,
            directory=self._directory,
            label=f"{instance.replace('#', '-')}-{leader.pid}-{os.getpid()}-{number}",
        )
        constraint = make(case)
        self._acting[number] = constraint
        try:
            await constraint.begin()
        except BaseException:
            del self._acting[number]
            await asyncio.shield(asyncio.ensure_future(_undo(constraint)))
            raise
        return number

    async def end(self, number: int) -> None:
        """End it; one that is not there has ended."""
        constraint = self._acting.pop(number, None)
        if constraint is not None:
            await asyncio.shield(asyncio.ensure_future(constraint.end()))

    async def end_all(self) -> None:
        """End what acts, the last one first; what resists is the remedies' affair."""
        for number in reversed([*self._acting]):
            constraint = self._acting.pop(number, None)
            if constraint is not None:
                await _undo(constraint)

    def presser(self, number: int) -> ProcessId | None:
        """The process of ours behind it."""
        constraint = self._acting.get(number)
        return constraint.presser if constraint is not None else None


async def _undo(constraint: Constraint) -> None:
    with contextlib.suppress(
        PlatformError, SupervisorError
    ):  # what made it fail is known; a remedy that resists is residue
        await constraint.end()
