"""PostgreSQL, alone and with a standby: comes up, fails over, takes the old primary back."""

from __future__ import annotations

import hashlib
import sys
import time
from collections.abc import Mapping
from pathlib import Path

import psycopg
import pytest

from seatrial.core.stack import Target
from seatrial.embedded.binaries import need

sys.path.insert(0, str(Path(__file__).parent))  # importlib mode adds no directory of helpers
from conftest import Harbour, service

HOLD_NS = 60_000_000_000
pytestmark = pytest.mark.stack


def outside(exports: Mapping[str, str]) -> str:
    """The application's DSN for this process, which may not know the stack's names."""
    return exports["dsn"] + " hostaddr=" + ",".join("127.0.0.1" for _ in exports["hosts"].split(","))


async def test_one_server_has_the_application_s_database(harbour: Harbour) -> None:
    stack = await harbour.stack(
        service("postgres", database="shop", user="clerk", password="it's a \\ secret", parameters={"work_mem": "5MB"})
    )
    dsn = outside(await stack.exports("postgres"))
    async with await psycopg.AsyncConnection.connect(dsn, autocommit=True) as connection:
        await connection.execute("create table sale (id int primary key)")
        row = await (await connection.execute("select current_user, current_database()")).fetchone()
        memory = await (await connection.execute("show work_mem")).fetchone()
        connected = await (await connection.execute("show max_connections")).fetchone()
    assert row == ("clerk", "shop")
    assert memory == ("5MB",)
    assert connected == ("100",)
    assert await stack.holding("postgres", "primary") == ["postgres#1"]

    await stack.platform.kill(await stack.instance("postgres", 1), 0)

    async def kept() -> bool:
        seen = await stack.ask("sql", "select count(*) from sale", Target(service="postgres"))
        return seen.values.get("rows") == [[0]]

    await stack.until(kept, "the table is still there after a crash", 20)


async def test_the_standby_takes_over_and_the_old_primary_comes_back(harbour: Harbour) -> None:
    began = time.monotonic()
    stack = await harbour.stack(
        service("etcd"),
        service("postgres", after=("etcd",), nodes=2, etcd="etcd", database="shop", max_connections=80),
    )
    up = time.monotonic() - began
    dsn = outside(await stack.exports("postgres"))
    assert await stack.is_steady("postgres")
    parts = {p.subject: p for p in await stack.platform.parts()}
    for node in ("postgres#1", "postgres#2"):  # what really serves, though it left Patroni for a session of its own
        assert parts[node].name.startswith("python3")
        assert parts[f"{node} patroni"].version.startswith("4.")
        serves = parts[f"{node} postgres"]
        assert serves.version.split(".")[0].isdecimal()
        assert serves.digest == "sha256:" + hashlib.sha256(need("postgres").read_bytes()).hexdigest()
    (old,) = await stack.holding("postgres", "primary")
    (standby,) = await stack.holding("postgres", "replica")
    async with await psycopg.AsyncConnection.connect(dsn, autocommit=True) as connection:
        await connection.execute("create table sale (id int primary key)")
        for number in range(100):
            await connection.execute("insert into sale values (%s)", [number])

    await stack.platform.kill(await stack.instance("postgres", int(old[-1])), HOLD_NS)

    async def taken_over() -> bool:
        return await stack.holding("postgres", "primary") == [standby]

    took = await stack.until(taken_over, "the standby is primary", 40)

    async def writes() -> bool:
        try:
            async with await psycopg.AsyncConnection.connect(dsn, autocommit=True) as connection:
                await connection.execute("insert into sale values (1000)")
        except psycopg.OperationalError:
            return False
        return True

    wrote = await stack.until(writes, "the application's DSN finds the new primary", 10)
    seen = await stack.ask("sql", "select count(*) from sale", Target(service="postgres", role="primary"))
    assert seen.values["rows"] == [[101]]

    await stack.platform.release(await stack.instance("postgres", int(old[-1])))

    async def back() -> bool:
        return await stack.is_steady("postgres") and await stack.holding("postgres", "replica") == [old]

    rejoined = await stack.until(back, "the old primary streams", 40)
    print(f"up {up:.1f} s, failover {took:.1f} s, first write {wrote:.1f} s, rejoin {rejoined:.1f} s")
