"""The way to an engine that the docker CLI dials: bytes both ways, and nothing left when it is closed."""

from __future__ import annotations

import asyncio
import contextlib
import os
import sys
from collections.abc import AsyncIterator
from typing import cast

import pytest

from seatrial.core import procfs
from seatrial.platforms.compose.address import EngineAddress
from seatrial.platforms.compose.engine import _Forwarder

ECHO = "import os, sys\nwhile part := os.read(0, 65536):\n    os.write(1, part)\n"


class Dialled:
    """An engine behind a command that is not docker."""

    def __init__(self, *words: str) -> None:
        self._words = list(words)

    def dial(self) -> list[str]:
        return self._words


@contextlib.asynccontextmanager
async def forwarding(*words: str) -> AsyncIterator[_Forwarder]:
    before = children()
    forwarder = await _Forwarder.start(cast(EngineAddress, Dialled(*words)))
    try:
        yield forwarder
    finally:
        await forwarder.close()
    assert not forwarder.path.exists()
    assert children() <= before


def children() -> set[int]:
    return set(procfs.children(os.getpid()))


async def test_bytes_go_both_ways_and_an_end_ends_the_command() -> None:
    async with forwarding(sys.executable, "-c", ECHO) as forwarder:
        reader, writer = await asyncio.open_unix_connection(forwarder.path)
        writer.write(bytes(200_000))
        assert await reader.readexactly(200_000) == bytes(200_000)
        writer.write_eof()
        assert await reader.read() == b""
        writer.close()


async def test_closed_while_a_command_is_being_ended_nothing_is_left() -> None:
    """One that has said all it will, does not go by itself, and takes a while to die: its memory is given back first."""
    lingers = "import os, signal\nheld = b'.' * (200 << 20)\nos.close(1)\nsignal.pause()"
    async with forwarding(sys.executable, "-c", lingers) as forwarder:
        reader, writer = await asyncio.open_unix_connection(forwarder.path)
        assert await reader.read() == b""
    writer.close()


async def test_a_command_that_is_not_there_ends_the_connection() -> None:
    async with forwarding("/nonexistent/docker") as forwarder:
        reader, writer = await asyncio.open_unix_connection(forwarder.path)
        assert await reader.read() == b""
        writer.close()


@pytest.mark.parametrize("steps", [0, 1, 2, 3, 5, 8, 13, 100])
async def test_closed_at_any_moment_nothing_is_left(steps: int) -> None:
    """Just accepted, being dialled, or talking."""
    async with forwarding("sleep", "1000") as forwarder:
        talks = [await asyncio.open_unix_connection(forwarder.path) for _ in range(5)]
        while len(forwarder._serving) < len(talks):  # noqa: ASYNC110 - the server is in this loop
            await asyncio.sleep(0)
        for _ in range(steps):
            await asyncio.sleep(0)
    for reader, writer in talks:
        with contextlib.suppress(ConnectionError):
            assert await reader.read() == b""
        writer.close()
