"""etcd as a cluster, and declarations that cannot be met."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from seatrial.core.errors import NotExercised, UsageError
from seatrial.core.quantities import NS_PER_S, Dimension, Quantity
from seatrial.core.stack import Target
from seatrial.embedded import binaries

sys.path.insert(0, str(Path(__file__).parent))  # importlib mode adds no directory of helpers
from conftest import Harbour, service

HOLD_NS = 60_000_000_000
pytestmark = pytest.mark.stack


async def test_three_nodes_of_etcd_go_on_without_one(harbour: Harbour) -> None:
    stack = await harbour.stack(service("etcd", nodes=3))
    await stack.platform.kill(await stack.instance("etcd", 1), HOLD_NS)

    async def healthy() -> bool:
        seen = [await stack.ask("http", "GET /health", Target(service="etcd", ordinal=n)) for n in (2, 3)]
        return all(s.values.get("json") == {"health": "true", "reason": ""} for s in seen)

    await stack.until(healthy, "the others have a leader", 10)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"parameters": {"port": "1"}}, "postgres: parameter port is not yours to set"),
        ({"user": "postgres"}, "postgres: user postgres is the server's own"),
        ({"nodes": 2, "etcd": "mute", "after": ("mute",)}, "postgres: mute has no address to connect to"),
        ({"ttl": Quantity(5 * NS_PER_S, Dimension.DURATION)}, "postgres: Patroni knows no ttl below 20s"),
    ],
)
async def test_postgres_says_what_it_cannot_do(harbour: Harbour, arguments: dict[str, object], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        await harbour.stack(service("mute", "process", command="sleep 60"), service("postgres", **arguments))


@pytest.mark.parametrize("to", ["etcd#2", "etcd#0", "etcd#x"])
async def test_caddy_says_that_there_is_no_such_instance(harbour: Harbour, to: str) -> None:
    with pytest.raises(UsageError, match=f"proxy: {to} has no address to connect to"):
        await harbour.stack(service("etcd"), service("proxy", "caddy", after=("etcd",), to=to))


def test_a_program_that_is_nowhere_is_not_exercised() -> None:
    with pytest.raises(NotExercised, match=r"no-such-server is not here: pip install 'seatrial\[embedded\]'"):
        binaries.need("no-such-server")
    with pytest.raises(NotExercised, match="no_such_module is not installed"):
        binaries.need_module("no_such_module")
