"""Commands inside a container, as its own processes would run them."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from collections.abc import Sequence
from contextlib import suppress

from ...core.processes import CommandResult
from .engine import Engine
from .logs import Demultiplexer
from .places import cgroup_of

OUTPUT_BYTES = 4 << 20
_CHUNK = 1 << 16
_POLL_S = 0.02
_ENDS_S = 2.0


async def execute(engine: Engine, container: str, argv: Sequence[str], timeout_ns: int, stdin: str) -> CommandResult:
    """Run a command to its end or its time-out (then it is killed, where this machine may). Raises PlatformError if it cannot be run."""
    began = time.monotonic_ns()
    order = {"AttachStdin": True, "AttachStdout": True, "AttachStderr": True, "Tty": False, "Cmd": list(argv)}
    made = await engine.post(f"/containers/{container}/exec", order)
    path = f"/exec/{made['Id']}"
    reader, writer, _ = await engine.hijack(f"{path}/start", {"Detach": False, "Tty": False})
    outputs: dict[int, bytes] = {1: b"", 2: b""}
    timed_out = False
    feeding = asyncio.ensure_future(_feed(writer, stdin.encode()))
    try:
        async with asyncio.timeout(timeout_ns / 1e9):
            await _read(reader, outputs)
    except TimeoutError:
        timed_out = True
    finally:
        feeding.cancel()
        if timed_out:
            await _kill(engine, path, container)
        writer.close()
    status = await _status(engine, path, timed_out)
    stdout, stderr = (outputs[n].decode("utf-8", "replace") for n in (1, 2))
    return CommandResult(
        exit_status=status, stdout=stdout, stderr=stderr, took_ns=time.monotonic_ns() - began, timed_out=timed_out
    )


async def _feed(writer: asyncio.StreamWriter, content: bytes) -> None:
    with suppress(OSError):
        writer.write(content)
        await writer.drain()
        if writer.can_write_eof():
            writer.write_eof()


async def _read(reader: asyncio.StreamReader, outputs: dict[int, bytes]) -> None:
    frames = Demultiplexer()
    while part := await reader.read(_CHUNK):
        for stream, content in frames.feed(part):
            if stream in outputs and len(outputs[stream]) < OUTPUT_BYTES:
                outputs[stream] += content


async def _status(engine: Engine, path: str, timed_out: bool) -> int:
    """The exit status; the engine may know it a moment after the output has ended."""
    deadline = time.monotonic() + _ENDS_S
    while True:
        seen = await engine.get(f"{path}/json")
        if not seen.get("Running") and seen.get("ExitCode") is not None:
            return int(seen["ExitCode"])
        if time.monotonic() > deadline:
            return -signal.SIGKILL if timed_out else -1
        await asyncio.sleep(_POLL_S)


async def _kill(engine: Engine, path: str, container: str) -> None:
    """End a command that takes too long: the engine itself has no call for that."""
    pid = int((await engine.get(f"{path}/json")).get("Pid") or 0)
    if pid and container in (cgroup_of(pid) or ""):
        with suppress(OSError):
            os.kill(pid, signal.SIGKILL)
