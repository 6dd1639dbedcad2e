"""A pool of connections that clients take: seen as a share, also when there is none left for whoever asks; and at the port."""

from __future__ import annotations

import sys
from contextlib import AsyncExitStack
from pathlib import Path

import psycopg
import pytest

sys.path.insert(0, str(Path(__file__).parent))  # importlib mode adds no directory of helpers
from conftest import Harbour, service

from seatrial.engine.pools import PoolWatch

pytestmark = pytest.mark.stack
MOST = 20


async def test_many_clients_exhaust_the_pool(harbour: Harbour) -> None:
    stack = await harbour.stack(service("postgres", database="shop", max_connections=MOST))
    dsn = (await stack.exports("postgres"))["dsn"] + " hostaddr=127.0.0.1"
    watch = PoolWatch(stack.prober, ["postgres", "nobody"])
    (idle, nobody) = await watch.look()
    assert idle.share is not None
    assert idle.share < 0.5
    assert nobody.share is None
    assert "nobody" in nobody.why
    async with AsyncExitStack() as clients:
        taken = 0

        async def take_all() -> None:
            nonlocal taken
            for _ in range(MOST):
                clients.push_async_callback((await psycopg.AsyncConnection.connect(dsn)).close)
                taken += 1

        with pytest.raises(psycopg.OperationalError, match="connection"):
            await take_all()
        (busy, _) = await watch.look()
        assert busy.share is not None
        assert busy.share >= 0.8
        sockets = (await stack.platform.sockets())["postgres#1"]
        assert sockets[0] >= taken
        assert sockets[1] == 0
    assert taken < MOST
