"""One-shot commands: run in a unit's surroundings, with their output captured, and owned like everything else."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from collections.abc import Iterable, Sequence
from pathlib import Path

from seatrial.core.errors import SupervisorError
from seatrial.core.processes import CommandResult, Surroundings
from seatrial.core.quantities import NS_PER_S

from .household import Group
from .launching import Program, executed
from .means import Means
from .records import COMMAND
from .remedies import TIMEOUT_S, Remedy, failure
from .signals import send

OUTPUT_BYTES = 4 << 20
_CHUNK_BYTES = 1 << 16
_DRAIN_S = 1.0


class _Capture:
    """Reads a pipe to its end; what is beyond OUTPUT_BYTES is read and dropped, and the text says so."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._parts: list[bytes] = []
        self._kept = 0
        self._dropped = 0
        self.complete = asyncio.Event()
        os.set_blocking(descriptor, False)
        asyncio.get_running_loop().add_reader(descriptor, self._readable)

    @property
    def text(self) -> str:
        note = f"\n[{self._dropped} more bytes were cut]" if self._dropped else ""
        return b"".join(self._parts).decode("utf-8", "replace") + note

    def close(self) -> None:
        asyncio.get_running_loop().remove_reader(self._descriptor)
        os.close(self._descriptor)

    def _readable(self) -> None:
        try:
            part = os.read(self._descriptor, _CHUNK_BYTES)
        except BlockingIOError:
            return
        if not part:
            asyncio.get_running_loop().remove_reader(self._descriptor)
            self.complete.set()
            return
        kept = part[: OUTPUT_BYTES - self._kept]
        self._parts.append(kept)
        self._kept += len(kept)
        self._dropped += len(part) - len(kept)


class _Feed:
    """Writes a text to a pipe and closes it; a reader that ends early is no error."""

    def __init__(self, descriptor: int, text: str) -> None:
        self._descriptor: int | None = descriptor
        self._rest = text.encode()
        os.set_blocking(descriptor, False)
        asyncio.get_running_loop().add_writer(descriptor, self._writable)

    def close(self) -> None:
        if self._descriptor is not None:
            asyncio.get_running_loop().remove_writer(self._descriptor)
            os.close(self._descriptor)
            self._descriptor = None

    def _writable(self) -> None:
        if self._descriptor is None:
            return
        try:
            if self._rest:
                self._rest = self._rest[os.write(self._descriptor, self._rest[:_CHUNK_BYTES]) :]
        except BlockingIOError:
            return
        except BrokenPipeError:
            self._rest = b""
        if not self._rest:
            self.close()


async def run_command(
    means: Means,
    argv: Sequence[str],
    surroundings: Surroundings,
    timeout_ns: int,
    stdin: str,
    *,
    grace_ns: int = 0,
    to_the_last: bool = False,
) -> CommandResult:
    """Run a command to its end, its time-out, or the cancellation of this call; nothing of it remains afterwards.

    When its time is over it is interrupted, as from a keyboard, and has `grace_ns` to write what it knows; then it is killed.
    Raises SupervisorError if it cannot be executed.
    """
    name = f"{COMMAND} {Path(argv[0]).name}" if argv else COMMAND
    means.records.write("intent", sync=True, act="run", unit=name, program=argv[0] if argv else "")
    group = Group(name)
    means.household.join(group)
    means.commands.add(group)
    try:
        return await _run(means, group, tuple(argv), surroundings, (timeout_ns, grace_ns), stdin, to_the_last)
    finally:
        # Also when cancelled: what the command started ends with it.
        await asyncio.shield(asyncio.ensure_future(_dispose(means, group)))


async def _dispose(means: Means, group: Group) -> None:
    await means.household.destroy(group)
    means.household.leave(group)
    means.commands.discard(group)


async def _run(
    means: Means,
    group: Group,
    argv: tuple[str, ...],
    surroundings: Surroundings,
    times_ns: tuple[int, int],
    stdin: str,
    to_the_last: bool,
) -> CommandResult:
    began_ns = time.monotonic_ns()
    ended: asyncio.Future[int] = asyncio.get_running_loop().create_future()
    stdin_out, stdin_in = os.pipe()
    out_out, out_in = os.pipe()
    err_out, err_in = os.pipe()

    def end(status: int) -> None:
        if not ended.done():
            ended.set_result(status)

    feed = _Feed(stdin_in, stdin)
    captures = (_Capture(out_out), _Capture(err_out))
    try:
        try:
            program = Program(
                name=group.name, argv=argv, surroundings=surroundings, streams=(stdin_out, out_in, err_in)
            )
            launched = means.launch(program, group, end, to_the_last=to_the_last)
        finally:
            for descriptor in (stdin_out, out_in, err_in):
                os.close(descriptor)
        await executed(launched, program)
        timeout_ns, grace_ns = times_ns
        done, _ = await asyncio.wait({ended}, timeout=timeout_ns / NS_PER_S)
        if not done and grace_ns:
            means.household.look()
            for process in group.alive():
                send(process, signal.SIGINT)
            await asyncio.wait({ended}, timeout=grace_ns / NS_PER_S)
        took_ns = time.monotonic_ns() - began_ns
        # Whatever it left running holds the pipes open: its end is theirs.
        await means.household.destroy(group)
        async with asyncio.timeout(_DRAIN_S):
            exit_status = await ended
        await _drain(captures)
        return CommandResult(
            exit_status=exit_status,
            stdout=captures[0].text,
            stderr=captures[1].text,
            took_ns=took_ns,
            timed_out=not done,
        )
    finally:
        feed.close()
        for capture in captures:
            capture.close()


async def _drain(captures: Sequence[_Capture]) -> None:
    """Read the pipes to their end; one that a process outside our reach holds open is given up."""
    waits = [asyncio.ensure_future(capture.complete.wait()) for capture in captures]
    _, pending = await asyncio.wait(waits, timeout=_DRAIN_S)
    for wait in pending:
        wait.cancel()


async def run_remedies(means: Means, remedies: Iterable[Remedy]) -> list[str]:
    """Several, one after the other in this order, but for what they have to watch."""
    return await asyncio.gather(*(run_remedy(means, remedy) for remedy in remedies))


async def run_remedy(means: Means, remedy: Remedy) -> str:
    """Undo a deed, and settle it; what could not be undone and why, or nothing. Also while all is being ended."""
    async with means.undoing:
        if means.remedies.get(remedy.name) is not remedy:
            return ""
        failures = await _failures(means, remedy, remedy.commands)
    if remedy.watch:
        failures = await _failures(means, remedy, remedy.watch)
    if failures and not remedy.void:
        return f"{remedy.name}: {'; '.join(failures)}"
    means.remedies.settle(remedy.name, means.records)
    return ""


async def _failures(means: Means, remedy: Remedy, commands: Iterable[Sequence[str]]) -> list[str]:
    surroundings = Surroundings(directory=means.directory, environment=dict(os.environ))
    failures = []
    for argv in commands:
        if remedy.void:
            break
        try:
            result = await run_command(means, argv, surroundings, round(TIMEOUT_S * NS_PER_S), "", to_the_last=True)
        except SupervisorError as error:
            failures.append(str(error))
        else:
            if result.timed_out:
                failures.append(f"{argv[0]} did not end")
            elif result.exit_status != 0:
                failures.append(failure(argv, result.exit_status, result.stderr))
    return failures
