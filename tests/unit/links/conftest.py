"""Fixtures of the proxy's tests."""

from __future__ import annotations

import asyncio
import gc
import os
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
import uvloop

sys.path.insert(0, str(Path(__file__).parent))  # importlib mode adds no directory of helpers
from links_support import Net, until


def pytest_asyncio_loop_factories() -> dict[str, Callable[[], asyncio.AbstractEventLoop]]:
    """Both event loops that the proxy may run on; uvloop where one is thorough: once in a while it waits for ever when it is closed with
    connections that were given up, which the proxy's process does not wait for.
    """
    both = {"asyncio": asyncio.new_event_loop, "uvloop": uvloop.new_event_loop}
    return both if os.environ.get("SEATRIAL_THOROUGH") else {"asyncio": asyncio.new_event_loop}


@pytest.fixture
async def make_net() -> AsyncIterator[Callable[..., Awaitable[Net]]]:
    """Makes nets, and sees that they end as they began."""
    made: list[Net] = []

    async def make(*arguments: Any, **options: Any) -> Net:
        made.append(Net(*arguments, **options))
        await made[-1].start()
        return made[-1]

    yield make
    for net in made:
        await net.close()
    await until(lambda: len(asyncio.all_tasks()) == 1, "no task is left")
    gc.collect()  # what was never retrieved says so
    await asyncio.sleep(0)
    assert not any(net.complaints for net in made), [net.complaints for net in made]


@pytest.fixture
async def net(make_net: Callable[..., Awaitable[Net]]) -> Net:
    return await make_net()


@pytest.fixture
async def web(make_net: Callable[..., Awaitable[Net]]) -> Net:
    """A link that carries HTTP/1.1, to a service that answers with the path."""
    net = await make_net("http")
    net.service.serve = net.service.http
    return net
