"""Processes that send: how they are started and owned, and how they are told what to do and say how it went.

A worker's configuration is the first line of its standard input, orders are further lines; events go to its standard output as JSON
lines. When standard input ends, whoever started it is gone.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import sys
from collections.abc import Callable, Coroutine, Mapping
from importlib import import_module
from pathlib import Path
from typing import Any

from ..core.workloads import Adopt

LINE_BYTES = 1 << 24
_events = 1  # the descriptor that events go to


async def spawn(module: str, config: Mapping[str, Any], log: Path, adopt: Adopt | None) -> asyncio.subprocess.Process:
    """Start a worker and give it its configuration.

    `adopt` is told its pid while it waits for that: a worker that nobody owns never sends anything. What it complains of goes to `log`:
    a pipe that nobody reads would stop it when it is full.
    """
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("wb") as said:
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            module,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=said,
            start_new_session=True,
            limit=LINE_BYTES,
        )
    try:
        if adopt is not None:
            await adopt(process.pid)
        await tell(process, config)
    except BaseException:
        await kill(process)
        raise
    return process


async def tell(process: asyncio.subprocess.Process, order: Mapping[str, Any]) -> None:
    """Give an order; one that is gone needs none."""
    if process.stdin is not None:
        with contextlib.suppress(OSError):
            process.stdin.write(json.dumps(order).encode() + b"\n")
            await process.stdin.drain()


async def kill(process: asyncio.subprocess.Process) -> None:
    """End it at once."""
    with contextlib.suppress(ProcessLookupError):
        process.kill()
    await process.wait()


def complaint(log: Path) -> str:
    """The last thing that a worker complained of."""
    words = log.read_text(encoding="utf-8", errors="replace").strip().splitlines()
    return words[-1] if words else "no answer"


def say(event: Mapping[str, Any]) -> None:
    """In a worker: an event for whoever started it."""
    os.write(_events, (json.dumps(event) + "\n").encode())


def aside() -> None:
    """In a worker: keep standard output for events."""
    global _events
    _events = os.dup(1)
    os.dup2(2, 1)


async def told_to_stop(orders: asyncio.StreamReader) -> None:
    """In a worker: returns at the order to stop, and at the end of the orders."""
    while line := await orders.readline():
        if json.loads(line).get("order") == "stop":
            return


def serve(work: Callable[[Mapping[str, Any], asyncio.StreamReader], Coroutine[Any, Any, None]]) -> None:
    """In a worker's process: read the configuration and work, on uvloop where there is one.

    What anything else prints is no event: standard output is standard error from now on.
    """
    aside()
    try:
        run: Callable[[Coroutine[Any, Any, None]], None] = import_module("uvloop").run
    except ImportError:
        run = asyncio.run
    run(_served(work))


async def _served(work: Callable[[Mapping[str, Any], asyncio.StreamReader], Coroutine[Any, Any, None]]) -> None:
    orders = asyncio.StreamReader(limit=LINE_BYTES)
    await asyncio.get_running_loop().connect_read_pipe(
        lambda: asyncio.StreamReaderProtocol(orders), os.fdopen(0, "rb", closefd=False)
    )
    line = await orders.readline()
    if line:
        await work(json.loads(line), orders)
