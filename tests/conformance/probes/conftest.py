"""Servers that every probe must cope with."""

from __future__ import annotations

import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest
from ports import free_port

from seatrial import probes

sys.path.insert(0, str(Path(__file__).parent))  # importlib mode adds no directory of helpers
from probe_support import Server


@pytest.fixture
async def server() -> AsyncIterator[Callable[[bytes], Awaitable[Server]]]:
    made: list[Server] = []

    async def start(answer: bytes) -> Server:
        made.append(Server(answer=answer))
        await made[-1].start()
        return made[-1]

    yield start
    await probes.close()
    for each in made:
        await each.close()


@pytest.fixture
def closed_port() -> int:
    return free_port()
