"""The same kinds with other settings: an etcd brought along, asynchronous, with a password."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from seatrial.core.stack import Target

sys.path.insert(0, str(Path(__file__).parent))  # importlib mode adds no directory of helpers
from conftest import Harbour, service

HOLD_NS = 60_000_000_000
pytestmark = pytest.mark.stack


async def test_an_asynchronous_cluster_brings_its_own_etcd(harbour: Harbour) -> None:
    stack = await harbour.stack(service("postgres", nodes=2, synchronous=False))
    assert set(await stack.platform.survey()) == {"postgres", "postgres-etcd"}
    assert await stack.is_steady("postgres")
    primary = Target(service="postgres", role="primary")
    seen = await stack.ask("sql", "select sync_state from pg_stat_replication", primary)
    assert seen.values["rows"] == [["async"]]


async def test_sentinels_of_a_redis_with_a_password_fail_over(harbour: Harbour) -> None:
    stack = await harbour.stack(service("redis", replicas=1, sentinels=3, password="it's a secret"))
    assert await stack.is_steady("redis-sentinel")
    await stack.platform.kill(await stack.instance("redis", 1), HOLD_NS)

    async def taken_over() -> bool:
        return await stack.holding("redis", "master") == ["redis#2"]

    await stack.until(taken_over, "the replica is master", 15)
