"""Redis: alone it keeps what it acknowledged, with sentinels it fails over and takes the old master back."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from seatrial.core.quantities import NS_PER_S, Dimension, Quantity
from seatrial.core.stack import Target

sys.path.insert(0, str(Path(__file__).parent))  # importlib mode adds no directory of helpers
from conftest import Harbour, service

HOLD_NS = 60_000_000_000
pytestmark = pytest.mark.stack


async def test_one_server_keeps_what_it_acknowledged(harbour: Harbour) -> None:
    stack = await harbour.stack(service("redis"), service("cache", "redis", persistence="none"))
    exports = await stack.exports("redis")
    assert exports["sentinels"] == ""
    assert exports["url"].endswith(f":{exports['port']}/0")
    for name in ("redis", "cache"):
        # everysec may lose a second: ask for the file to be written before the kill
        assert (await stack.ask("redis", "SET mark 1", Target(service=name))).values["reply"]
        await stack.ask("redis", "CONFIG SET appendfsync always", Target(service=name))
        assert (await stack.ask("redis", "SET mark 2", Target(service=name))).values["reply"]
        await stack.platform.kill(await stack.instance(name, 1), 0)

    async def again(name: str, mark: str | None) -> bool:
        instance = await stack.instance(name, 1)
        seen = await stack.ask("redis", "GET mark", Target(service=name))
        return instance.restarts == 1 and "reply" in seen.values and seen.values["reply"] == mark

    await stack.until(lambda: again("redis", "2"), "the value survived", 10)
    await stack.until(lambda: again("cache", None), "without persistence it did not", 10)


async def test_a_replica_takes_over_and_the_old_master_comes_back(harbour: Harbour) -> None:
    # A busy machine can keep a master silent for a second: it is not to be taken for dead by that, twice in one test.
    patient = Quantity(3 * NS_PER_S, Dimension.DURATION)
    stack = await harbour.stack(service("redis", replicas=2, sentinels=3, down_after=patient))
    assert await stack.is_steady("redis")
    assert await stack.is_steady("redis-sentinel")
    assert await stack.holding("redis", "master") == ["redis#1"]
    assert len((await stack.exports("redis"))["sentinels"].split(",")) == 3
    master = Target(service="redis", role="master")
    assert (await stack.ask("redis", "SET sale 1", master)).values["reply"]
    assert (await stack.ask("redis", "WAIT 2 1000", master)).values["reply"] == 2

    await stack.platform.kill(await stack.instance("redis", 1), HOLD_NS)

    async def taken_over() -> bool:
        holders = await stack.holding("redis", "master")
        return len(holders) == 1 and holders != ["redis#1"]

    took = await stack.until(taken_over, "a replica is master", 15)
    (new,) = await stack.holding("redis", "master")
    assert (await stack.ask("redis", "GET sale", master)).values["reply"] == "1"

    await stack.platform.release(await stack.instance("redis", 1))

    async def back() -> bool:
        replicas = await stack.holding("redis", "replica")
        return "redis#1" in replicas and await stack.is_steady("redis") and await stack.is_steady("redis-sentinel")

    rejoined = await stack.until(back, "the old master is a replica, and all agree", 40)
    assert await stack.holding("redis", "master") == [new]
    print(f"failover {took:.1f} s, rejoin {rejoined:.1f} s")
