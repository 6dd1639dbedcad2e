"""Clients at real servers: what comes of an operation, and of the connection."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable

import pytest
import pytest_asyncio
from streams import accepting

from seatrial.api.python import Stack, stack
from seatrial.arrivals.errors import ERRORS
from seatrial.clients.protocol import Access, Failure, Operation
from seatrial.clients.redis import RedisClient
from seatrial.clients.sql import SqlClient

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.stack]
SERVICES = {"db": {"kind": "postgres", "database": "shop"}, "redis": {"kind": "redis", "replicas": 1}}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def servers(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Stack]:
    async with stack(SERVICES, directory=tmp_path_factory.mktemp("stack") / "trial") as running:
        yield running


async def access(servers: Stack, service: str, *more: str) -> Access:
    instances = await servers.instances(f"{service} *")
    urls = [*more, *(e.url for i in instances for e in i.endpoints.values())]
    return Access(urls=tuple(urls), parameters=dict((await servers._prober.view(service)).parameters))


@pytest_asyncio.fixture(loop_scope="module")
async def sql(servers: Stack) -> AsyncIterator[SqlClient]:
    client = SqlClient(await access(servers, "db"))
    yield client
    await client.close()


@pytest_asyncio.fixture(loop_scope="module")
async def redis(servers: Stack) -> AsyncIterator[RedisClient]:
    client = RedisClient(await access(servers, "redis"))
    yield client
    await client.close()


@pytest_asyncio.fixture(loop_scope="module")
async def silent() -> AsyncIterator[str]:
    """The port of a server that accepts and says nothing, as a paused one does."""

    async def keep(reader: asyncio.StreamReader, _writer: asyncio.StreamWriter) -> None:
        await reader.read()

    async with accepting(keep) as port:
        yield str(port)


async def failure(client: SqlClient | RedisClient, what: str, **arguments: object) -> tuple[str, bool | None, bool]:
    with pytest.raises(Failure) as caught:
        await client.call(Operation(what, arguments))
    return ERRORS[caught.value.code], caught.value.happened, caught.value.lost


async def test_a_statement_is_committed_by_itself_and_answers_with_rows(sql: SqlClient) -> None:
    await sql.call(Operation("create table sale (id text primary key, n int)"))
    given = {"parameters": ["a", 7]}
    assert (await sql.call(Operation("insert into sale values (%s, %s)", given))).value == {
        "rows": [], "count": 1, "columns": [],
    }  # fmt: skip
    assert (await sql.call(Operation("select id, n from sale"))).value == {
        "rows": [["a", 7]], "count": 1, "columns": ["id", "n"],
    }  # fmt: skip
    other = await sql.call(Operation("select current_database()", {"database": "postgres"}))
    assert other.value == {"rows": [["postgres"]], "count": 1, "columns": ["current_database"]}


@pytest.mark.parametrize(
    ("what", "arguments", "seen"),
    [
        ("insert into taken values (1)", {}, ("reply", False, False)),  # there already
        ("selekt 1", {}, ("reply", False, False)),
        ("select %s, %s", {"parameters": [1]}, ("reply", False, False)),
        ("select 1 / 0", {}, ("reply", False, False)),
        ("set statement_timeout = 50; select pg_sleep(5)", {}, ("timeout", False, False)),
        ("begin; insert into taken values (2); commit; select 1 / 0", {}, ("reply", None, False)),
        ("begin; insert into taken values (3)", {}, ("reply", False, True)),  # left open, and nothing is committed
        ("select pg_terminate_backend(pg_backend_pid())", {}, ("reset", None, True)),
        ("select 1", {"database": "no_such"}, ("reply", False, True)),
    ],
)
async def test_what_postgres_refuses_has_not_happened_and_what_was_cut_is_unknown(
    sql: SqlClient, what: str, arguments: dict[str, object], seen: tuple[str, bool | None, bool]
) -> None:
    await sql.call(Operation("create table if not exists taken (id int primary key)"))
    await sql.call(Operation("insert into taken values (1) on conflict do nothing"))
    assert await failure(sql, what, **arguments) == seen
    assert (await sql.call(Operation("select count(*) from taken where id = 3"))).value["rows"] == [
        [0]
    ]  # and it goes on


async def test_an_idle_connection_that_the_server_ended_is_not_used(sql: SqlClient, servers: Stack) -> None:
    other = SqlClient(await access(servers, "db"))
    await other.connect()
    await sql.call(Operation("select pg_terminate_backend(pid) from pg_stat_activity where pid <> pg_backend_pid()"))
    count = Operation("select count(*) from pg_stat_activity where application_name = 'seatrial'")
    async with asyncio.timeout(10):
        while (await sql.call(count)).value["rows"] != [[1]]:  # noqa: ASYNC110 - another process's doing
            await asyncio.sleep(0.01)
    assert (await other.call(Operation("select 1"))).value["rows"] == [[1]]
    await other.close()


async def test_a_server_that_is_silent_is_given_up_at_once(
    sql: SqlClient, redis: RedisClient, servers: Stack, silent: str
) -> None:
    began = time.monotonic()
    for client, what in ((sql, "select pg_sleep(60)"), (redis, "BLPOP nothing 60")):
        await client.connect()
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.3):
                await client.call(Operation(what))
    for client in (
        SqlClient(Access(urls=(f"postgres://127.0.0.1:{silent}",))),
        RedisClient(Access(urls=(f"redis://127.0.0.1:{silent}",))),
    ):
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.3):
                await client.call(Operation("PING"))
        await client.close()
    assert time.monotonic() - began < 4
    assert (await sql.call(Operation("select 1"))).value["rows"] == [[1]]
    assert (await redis.call(Operation("PING"))).value == "PONG"


@pytest.mark.parametrize(
    ("service", "make", "what"), [("db", SqlClient, "select 1"), ("redis", RedisClient, "SET x 1")]
)
async def test_a_server_that_is_silent_keeps_nobody_from_the_others(
    servers: Stack, silent: str, service: str, make: Callable[[Access], SqlClient | RedisClient], what: str
) -> None:
    scheme = "postgres" if service == "db" else "redis"
    client = make(await access(servers, service, f"{scheme}://127.0.0.1:{silent}", f"{scheme}://127.0.0.1:1"))
    async with asyncio.timeout(3):
        assert (await client.call(Operation(what))).value
    await client.close()


async def test_a_command_answers_as_redis_cli_does(redis: RedisClient) -> None:
    assert (await redis.call(Operation("SET greeting 'hello world'"))).value == "OK"
    assert (await redis.call(Operation("GET greeting"))).value == "hello world"
    assert (await redis.call(Operation("EXISTS greeting", {"database": 1}))).value == 0
    assert (await redis.call(Operation("GET greeting"))).value == "hello world"


@pytest.mark.parametrize(
    ("what", "seen"),
    [
        ("LPUSH greeting x", ("reply", False, False)),
        ("NONSENSE", ("reply", False, False)),
        ("GET 'x", ("reply", False, False)),
        ("EVAL \"redis.call('SET', 'half', 1) return redis.call('LPUSH', 'greeting', 1)\" 0", ("reply", None, False)),
    ],
)
async def test_what_redis_refuses_has_not_happened(
    redis: RedisClient, what: str, seen: tuple[str, bool | None, bool]
) -> None:
    await redis.call(Operation("SET greeting hello"))
    assert await failure(redis, what) == seen


async def test_a_replica_turns_writes_away(servers: Stack) -> None:
    (replica,) = await servers.instances("redis#2")
    client = RedisClient(Access(urls=tuple(e.url for e in replica.endpoints.values())))
    assert await failure(client, "SET x 1") == ("refused", False, True)
    await client.close()
