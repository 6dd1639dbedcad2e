"""Starting a process so that none is ever running that is not recorded.

The new process waits at a gate (a pipe) until its identity is in the records; if the keeper is killed in between, the
gate closes and the process ends without having executed anything.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

from seatrial.core import procfs
from seatrial.core.errors import SupervisorError
from seatrial.core.processes import ProcessId, Surroundings

from .confinement import enter
from .guardian import guard, reset_signals
from .surroundings import Entry, entry_for, hand_over

_NOT_EXECUTED = 127
_PROGRAM = "execute"


@dataclass(frozen=True, kw_only=True, slots=True)
class Program:
    """What to execute, and what its standard streams are (descriptors that stay the caller's to close)."""

    name: str
    argv: tuple[str, ...]
    surroundings: Surroundings
    streams: tuple[int, int, int]
    groups: tuple[Path, ...] = ()  # control groups that it is started in, those of them that there are


@dataclass(frozen=True, kw_only=True, slots=True)
class Launched:
    """A process that has passed the gate; whether it could execute its program is told by `executed`."""

    process: ProcessId
    names_resolve: bool
    failure: int  # a descriptor: empty at its end if the program was executed
    news: int  # a descriptor: the guardian writes the exit status to it


def launch(program: Program, owned: Sequence[Path], record: Callable[[ProcessId, ProcessId], None]) -> Launched:
    """Start a process as a session of its own; `record` is called, with its guardian and it, before it may do anything.

    `owned` are the trial's directories, its own first (generated files go there). Raises SupervisorError if it cannot
    be started.
    """
    if not program.argv:
        raise SupervisorError(f"cannot start {program.name}: no program is given")
    entry = entry_for(program.surroundings, owned[0] / "hosts")
    hand_over(program.surroundings.directory, owned, entry)
    gate_out, gate_in = os.pipe()
    failure_out, failure_in = os.pipe()
    news_out, news_in = os.pipe()

    def lead() -> NoReturn:
        os.close(gate_in)
        _become(program, entry, gate_out, failure_in)

    blocked = signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
    try:
        guardian_pid = os.fork()
        if guardian_pid == 0:
            guard(lead, news_in)
        os.close(news_in)
        guardian, process = procfs.identify(guardian_pid), _leader(news_out)
        if guardian is None or process is None:
            raise SupervisorError(f"cannot start {program.name}: its process did not come up")
        record(guardian, process)
        os.write(gate_in, b"g")
    except BaseException as error:
        os.close(failure_out)
        os.close(news_out)
        if isinstance(error, OSError):
            raise SupervisorError(f"cannot start {program.name}: {error.strerror}") from error
        raise
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, blocked)
        for descriptor in (gate_out, gate_in, failure_in):
            os.close(descriptor)
    resolve = entry.hosts is not None or not program.surroundings.hosts
    return Launched(process=process, names_resolve=resolve, failure=failure_out, news=news_out)


def _leader(news: int) -> ProcessId | None:
    line = os.read(news, 32)
    return procfs.identify(int(line)) if line else None


async def executed(launched: Launched, program: Program) -> None:
    """Wait until the program is executed. Raises SupervisorError saying what could not be done and why."""
    loop = asyncio.get_running_loop()
    readable = asyncio.Event()
    os.set_blocking(launched.failure, False)
    loop.add_reader(launched.failure, readable.set)
    try:
        await readable.wait()
        # One short write that is at most PIPE_BUF long arrives whole.
        raw = os.read(launched.failure, 4096)
    finally:
        loop.remove_reader(launched.failure)
        os.close(launched.failure)
    if raw:
        failure = json.loads(raw)
        raise SupervisorError(f"cannot start {program.name}: {_explain(failure['stage'], failure['errno'], program)}")


def _explain(stage: str, number: int, program: Program) -> str:
    reason = os.strerror(number)
    if stage != _PROGRAM:
        return f"{stage}: {reason}"
    name = program.argv[0]
    if number in (2, 20):
        if "/" in name:
            return f"no such program, or its interpreter is missing: {name}"
        return f"no program {name!r} on the PATH of its environment"
    return f"{name} cannot be executed: {reason}"


def _become(program: Program, entry: Entry, gate: int, failure: int) -> NoReturn:
    """The child: never returns."""
    stage = "start a session"
    try:
        os.setsid()
        reset_signals()
        if os.read(gate, 1) != b"g":
            os._exit(_NOT_EXECUTED)
        stage = "enter its control groups"
        enter(os.getpid(), program.groups)
        stage = "change user or namespace"
        entry.take()
        stage = f"go to the directory {program.surroundings.directory}"
        os.chdir(program.surroundings.directory)
        stage = "set its standard streams"
        for number, descriptor in enumerate(_clear_of_standard(program.streams)):
            os.dup2(descriptor, number)
        stage = _PROGRAM
        os.execvpe(program.argv[0], program.argv, dict(program.surroundings.environment))  # noqa: S606
    except OSError as error:
        os.write(failure, json.dumps({"stage": stage, "errno": error.errno or 0}).encode())
    except ValueError:  # a NUL byte in an argument or a variable
        os.write(failure, json.dumps({"stage": _PROGRAM, "errno": 22}).encode())
    finally:
        os._exit(_NOT_EXECUTED)


def _clear_of_standard(streams: tuple[int, int, int]) -> list[int]:
    """Duplicates above 2, so that setting one standard stream does not overwrite the source of the next."""
    return [os.dup(descriptor) if descriptor <= 2 else descriptor for descriptor in streams]
