"""What an owning process (the keeper) is asked to run, and what it says of it.

A *unit* is a supervised process with all its descendants, whatever session they lead: it starts, is killed, paused and
ended as one (Patroni with its postgres).
"""

from __future__ import annotations

import enum
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from .quantities import NS_PER_S

GUARDIAN = (
    "seatrial-guard"  # the name of the process above a unit's leader, to which its orphans come; at most 15 bytes
)


class Restart(enum.StrEnum):
    """When a unit that ended is started again."""

    NEVER = "never"
    ON_FAILURE = "on-failure"
    ALWAYS = "always"


class UnitState(enum.StrEnum):
    """Where a unit stands."""

    RUNNING = "running"
    PAUSED = "paused"
    BACKING_OFF = "backing-off"  # ended, will be started again when its back-off is over
    HELD = "held"  # ended or stopped, and kept from restarting by an order
    ENDED = "ended"  # ended, and its restart policy lets it rest


@dataclass(frozen=True, kw_only=True, slots=True)
class ProcessId:
    """What identifies a process for good: a pid alone is reused."""

    boot: str
    pid: int
    started: int  # field 22 of /proc/PID/stat, clock ticks since boot


@dataclass(frozen=True, kw_only=True, slots=True)
class Surroundings:
    """Where a process runs: shared by a unit and by commands run beside it.

    `unprivileged`: as root, give the process a user id that is not 0 (a user namespace, or `nobody`), for servers that
    refuse root; no effect for an ordinary user. `hosts`: names this process resolves, by a private /etc/hosts
    (needs user namespaces; without them the names stay unknown and the state says so).
    """

    directory: Path
    environment: Mapping[str, str] = field(default_factory=dict)
    unprivileged: bool = False
    hosts: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True, slots=True)
class UnitOrder:
    """A unit to start and supervise. `environment` of the surroundings is the whole environment, nothing is inherited.

    `stays`: it goes on when a guest that ordered it has gone, as long as what the guest visited.
    """

    name: str
    argv: Sequence[str]
    surroundings: Surroundings
    log: Path
    restart: Restart = Restart.ALWAYS
    backoff_ns: int = 200_000_000
    backoff_max_ns: int = 5 * NS_PER_S
    stop_signal: int = 15
    stop_timeout_ns: int = 10 * NS_PER_S
    stays: bool = True


@dataclass(frozen=True, kw_only=True, slots=True)
class UnitStatus:
    """One unit now. `restarts` counts starts after the first one that no order asked for."""

    name: str
    state: UnitState
    process: ProcessId | None
    restarts: int
    exit_status: int | None  # of the last process; negative: the signal that ended it
    since_ns: int  # CLOCK_MONOTONIC of the last change of state
    names_resolve: bool  # whether `hosts` took effect


@dataclass(frozen=True, kw_only=True, slots=True)
class CommandResult:
    """A finished one-shot command."""

    exit_status: int
    stdout: str
    stderr: str
    took_ns: int
    timed_out: bool = False


@dataclass(frozen=True, kw_only=True, slots=True)
class Residue:
    """What a trial left behind; each entry says what and where. Empty is clean."""

    processes: tuple[str, ...] = ()
    ports: tuple[str, ...] = ()
    directories: tuple[str, ...] = ()
    memory: tuple[str, ...] = ()  # shared memory
    others: tuple[str, ...] = ()  # rules, limits, containers: what a remedy could not undo

    @property
    def lines(self) -> tuple[str, ...]:
        """All of it."""
        return (*self.processes, *self.ports, *self.directories, *self.memory, *self.others)

    def __bool__(self) -> bool:
        return bool(self.lines)


class Supervisor(Protocol):
    """What a platform asks of the owning process. Raises SupervisorError when it cannot be done or reached."""

    async def start(self, order: UnitOrder) -> UnitStatus: ...

    async def run(
        self, argv: Sequence[str], surroundings: Surroundings, timeout_ns: int, stdin: str = ""
    ) -> CommandResult: ...

    async def signal(self, name: str, signal: int) -> UnitStatus:
        """Send a signal to every process of the unit, descendants included, leader last; nothing is held."""
        ...

    async def kill(self, name: str, hold_ns: int | None) -> UnitStatus:
        """SIGKILL the whole unit; `hold_ns` keeps it down that long (0: restart policy acts at once, None: for good)."""
        ...

    async def stop(self, name: str, hold_ns: int | None) -> UnitStatus:
        """End the unit in order (stop signal, then SIGKILL after its time-out), and hold it down."""
        ...

    async def release(self, name: str) -> UnitStatus:
        """End a hold or a pause; a unit that is down starts now."""
        ...

    async def pause(self, name: str) -> UnitStatus: ...

    async def confine(self, name: str, now: Sequence[Path], later: Sequence[Path]) -> None:
        """Put all processes of the unit into these control groups (directories), and what it is started with again into `later`.

        A group that has gone by then is left out. Without any groups nothing is moved: a remedy takes out what was put in.
        """
        ...

    async def statuses(self) -> Mapping[str, UnitStatus]: ...

    def changes(self) -> AsyncIterator[UnitStatus]:
        """Every change of state from now on."""
        ...

    async def claim(
        self, *, directories: Sequence[Path] = (), ports: Sequence[int] = (), locks: Sequence[Path] = ()
    ) -> None:
        """Record directories and ports as the trial's: gone at its end, or residue.

        `locks`: directories of locks (core.locks); those that the owning process holds there are given back at its end.
        """
        ...

    async def adopt(self, pid: int, purpose: str) -> None:
        """Own a process that the caller started: recorded, and ended with everything else."""
        ...

    async def remedy(
        self,
        name: str,
        argv: Sequence[Sequence[str]],
        guard: ProcessId | None = None,
        *,
        stays: bool = False,
        watch: Sequence[Sequence[str]] = (),
    ) -> None:
        """Record commands that undo what is about to be done, before it is done; run by the owning process when it ends all or whoever
        ordered it goes, or by `undo`.

        They are void when `guard` is gone, and must be safe to run twice, and without anything to undo. `stays`: it is part of the
        stack, as its units are, and goes with it alone: not with whoever ordered it, where the stack is kept. `watch`: commands that wait
        for what may still be on its way, and undo it; run after all others, side by side, and theirs is the last word.
        """
        ...

    async def settle(self, name: str, *, run: bool = True) -> None:
        """A remedy is run now, and needed no more. `run` False: it was undone otherwise."""
        ...

    async def end(self, *, keep_directories: bool = False) -> Residue:
        """Heal and end everything, in reverse order of start; say what remains."""
        ...
