"""What the settings promise: a synchronous cluster loses no acknowledged write; a proxy repeats writes only when told to."""

from __future__ import annotations

import asyncio
import contextlib
import sys
from pathlib import Path

import psycopg
import pytest

from seatrial.core.stack import Target

sys.path.insert(0, str(Path(__file__).parent))  # importlib mode adds no directory of helpers
from conftest import Harbour, service

HOLD_NS = 60_000_000_000
pytestmark = pytest.mark.stack
WRITERS = 4


class Writers:
    """Clients that insert numbers without end, each by one connection after another; `acknowledged` are those that count."""

    def __init__(self, dsn: str) -> None:
        self._dsn = dsn
        self._next = 0
        self.acknowledged: list[int] = []

    async def write(self) -> None:
        while True:
            with contextlib.suppress(psycopg.OperationalError):
                async with await psycopg.AsyncConnection.connect(self._dsn, autocommit=True) as connection:
                    while True:
                        self._next += 1
                        number = self._next
                        await connection.execute("insert into sale values (%s)", [number])
                        self.acknowledged.append(number)
            await asyncio.sleep(0.05)


async def test_a_synchronous_cluster_loses_no_acknowledged_write(harbour: Harbour) -> None:
    stack = await harbour.stack(service("etcd"), service("postgres", after=("etcd",), nodes=2, etcd="etcd"))
    exports = await stack.exports("postgres")
    dsn = exports["dsn"] + " hostaddr=127.0.0.1,127.0.0.1"  # this process may not know the stack's names
    async with await psycopg.AsyncConnection.connect(dsn, autocommit=True) as connection:
        await connection.execute("create table sale (id int primary key)")
    (old,) = await stack.holding("postgres", "primary")
    writers = Writers(dsn)
    tasks = [asyncio.create_task(writers.write()) for _ in range(WRITERS)]

    async def so_many(count: int) -> bool:
        return len(writers.acknowledged) >= count

    try:
        await stack.until(lambda: so_many(500), "the writers write", 20)
        await stack.platform.kill(await stack.instance("postgres", int(old[-1])), HOLD_NS)
        before = len(writers.acknowledged)
        took = await stack.until(lambda: so_many(before + 100), "they write again", 40)
        assert took < 30
        await stack.platform.release(await stack.instance("postgres", int(old[-1])))

        async def back() -> bool:
            return await stack.is_steady("postgres") and await stack.holding("postgres", "replica") == [old]

        # Under load, so that the old primary has something to rewind and to catch up with.
        await stack.until(back, "the old primary streams, synchronously", 60)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
    async with await psycopg.AsyncConnection.connect(dsn, autocommit=True) as connection:
        there = {row[0] for row in await (await connection.execute("select id from sale")).fetchall()}
    assert sorted(set(writers.acknowledged) - there) == []


BRITTLE = """
import http.server, os, pathlib, sys
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(204)
        self.end_headers()
    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"])).decode()
        with pathlib.Path(sys.argv[2]).open("a") as file:
            print(body, file=file)
        os._exit(1)  # after the effect, before the answer
http.server.ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Handler).serve_forever()
"""


async def test_a_proxy_repeats_a_write_only_when_told_to(harbour: Harbour, tmp_path: Path) -> None:
    script, posted = tmp_path / "brittle.py", tmp_path / "posted"
    script.write_text(BRITTLE)
    web = service(
        "web",
        "process",
        command=f"python {script} {{{{ instance.port.http }}}} {posted}",
        replicas=2,
        ports="auto",
        restart="never",
    )
    stack = await harbour.stack(
        web,
        service("proxy", "caddy", after=("web",), to="web", retry_writes=True, access_log=True),
    )
    await stack.ask("http", "POST /", Target(service="proxy"), body="a sale")
    assert posted.read_text() == "a sale\n" * 2  # one by each, and then there was nobody left
    log = stack.platform.log_file(await stack.instance("proxy", 1))

    async def logged() -> bool:
        return '"method":"POST"' in log.read_text()

    await stack.until(logged, "the request is in the proxy's log", 5)
