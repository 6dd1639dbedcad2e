"""Probes at real servers: PostgreSQL, Redis, Sentinel, Celery, and TLS."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest
import pytest_asyncio
from probe_support import Nowhere, Server, endpoint, misfits, observe, request

from seatrial.core.observations import Observation, Seen
from seatrial.core.stack import Endpoint
from seatrial.probes import close, prepare

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.stack]
Sql = Callable[..., Awaitable[Observation]]


@pytest_asyncio.fixture(loop_scope="module")
async def sql(servers) -> Sql:
    address, parameters = await servers.endpoint("postgres#1"), await servers.parameters("postgres")

    async def ask(
        what: str, *endpoints: Endpoint, given: dict[str, str] | None = None, **arguments: object
    ) -> Observation:
        made = request(what, *(endpoints or (address,)), knows={**parameters, **(given or {})}, **arguments)
        return await observe("sql", made)

    return ask


@pytest_asyncio.fixture(loop_scope="module")
async def silent() -> AsyncIterator[Server]:
    server = Server()
    await server.start()
    yield server
    await server.close()


# -- sql


async def test_rows_are_json_like(sql: Sql) -> None:
    seen = await sql(
        "select 1, 2.50::numeric, 12345678901234567890::numeric, 'text', null, true, timestamp '2026-01-02 03:04:05',"
        " array[1, 2], '{\"a\": [1]}'::jsonb, '\\x00ff'::bytea, 'NaN'::numeric::text"
    )
    assert seen.values["rows"] == [
        [1, 2.5, 12345678901234567890, "text", None, True, "2026-01-02T03:04:05", [1, 2], {"a": [1]}, "00ff", "NaN"]
    ]
    assert misfits("sql", seen) == []


async def test_a_statement_without_rows_counts_what_it_changed(sql: Sql) -> None:
    assert (await sql("create table if not exists sale (id int primary key)")).values["count"] == 0
    assert (await sql("insert into sale select generate_series(1, 5)")).values == {
        "rows": [],
        "count": 5,
        "columns": [],
    }
    seen = await sql("select id as number from sale where id > %s order by id", parameters=[3])
    assert (seen.values["rows"], seen.values["count"], seen.values["columns"]) == ([[4], [5]], 2, ["number"])
    assert (await sql("select 1; select 2, 3")).values["rows"] == [[2, 3]]
    assert (await sql("select '100%'")).values["rows"] == [["100%"]]


@pytest.mark.parametrize(
    ("what", "arguments", "seen", "error"),
    [
        ("selekt 1", {}, Seen.PROBE_ERROR, "statement"),
        ("select %s, %s", {"parameters": [1]}, Seen.PROBE_ERROR, "statement"),
        ("select * from nowhere", {}, Seen.TARGET_ERROR, "sql"),
        ("select 1 / 0", {}, Seen.TARGET_ERROR, "sql"),
        ("create table kept (id int)", {"read-only": True}, Seen.TARGET_ERROR, "read-only"),
        ("select 1", {"database": "no_such"}, Seen.TARGET_ERROR, "absent"),
    ],
)
async def test_what_the_server_refuses_has_a_word(sql: Sql, what: str, arguments: dict, seen: Seen, error: str) -> None:
    got = await sql(what, **arguments)
    assert (got.seen, got.error) == (seen, error), got.message


async def test_a_wrong_password_of_ours_is_not_the_servers_fault(sql: Sql) -> None:
    got = await sql("select 1", given={"password": "wrong"})
    assert (got.seen, got.error) == (Seen.PROBE_ERROR, "credentials"), got.message


async def test_a_statement_that_is_given_up_ends_at_the_server_too(sql: Sql) -> None:
    began = time.monotonic()
    late = await sql("select pg_sleep(60)", timeout_s=0.5)
    assert (late.seen, late.error) == (Seen.TARGET_ERROR, "timeout")
    assert time.monotonic() - began < 2
    attempt = asyncio.create_task(sql("select pg_sleep(61)", timeout_s=2))
    running = "select count(*) from pg_stat_activity where query like 'select pg_sleep%'"
    async with asyncio.timeout(10):
        while (await sql(running)).values["rows"] != [[1]]:  # noqa: ASYNC110 - another process's doing
            await asyncio.sleep(0.02)
        attempt.cancel()
        with pytest.raises(asyncio.CancelledError):
            await attempt
        while (await sql(running)).values["rows"] != [[0]]:  # noqa: ASYNC110
            await asyncio.sleep(0.02)


async def test_of_several_servers_the_one_that_takes_writes_answers_at_once(sql: Sql, servers, silent: Server) -> None:
    good = await servers.endpoint("postgres#1")
    began = time.monotonic()
    got = await sql("select 1", endpoint("postgres", silent.port), endpoint("postgres", 1), good, timeout_s=5)
    assert got.values["rows"] == [[1]]
    assert time.monotonic() - began < 2  # the paused one was not waited for
    none = await sql("select 1", endpoint("postgres", silent.port), endpoint("postgres", 1), timeout_s=0.5)
    assert none.error == "timeout"


async def test_a_connection_that_the_server_ends_is_its_error(sql: Sql) -> None:
    got = await sql("select pg_terminate_backend(pg_backend_pid())")
    assert (got.seen, got.error) == (Seen.TARGET_ERROR, "shutdown"), got.message


# -- redis


async def redis(servers, what: str, at: str = "redis#1", **arguments: object) -> Observation:
    return await observe("redis", request(what, await servers.endpoint(at), **arguments))


async def test_replies_are_those_of_redis_cli(servers) -> None:
    assert (await redis(servers, "SET greeting 'hello world'")).values["reply"] == "OK"
    seen = await redis(servers, "GET greeting")
    assert seen.values["reply"] == "hello world"
    assert misfits("redis", seen) == []
    assert (await redis(servers, "GET nothing")).values["reply"] is None
    assert (await redis(servers, "HSET ring sku 007 price 12")).values["reply"] == 2
    assert (await redis(servers, "HGETALL ring")).values["reply"] == {"sku": "007", "price": "12"}
    assert (await redis(servers, "EXISTS ring greeting")).values["reply"] == 2
    assert (await redis(servers, "EXISTS ring", database=1)).values["reply"] == 0


async def test_info_role_and_sentinel_have_names(servers) -> None:
    info = (await redis(servers, "INFO replication")).values["reply"]
    assert (info["role"], info["connected_slaves"], info["slave0"]["state"]) == ("master", 1, "online")
    assert info["master_replid2"] == "0" * 40  # a digest, no number
    assert (await redis(servers, "ROLE")).values["reply"][0] == "master"
    (master,) = (await redis(servers, "SENTINEL MASTERS", "redis-sentinel#1")).values["reply"]
    assert (master["name"], master["num-slaves"]) == ("mymaster", 1)
    assert (await redis(servers, "SENTINEL MASTER mymaster", "redis-sentinel#1")).values["reply"]["quorum"] == 1


@pytest.mark.parametrize(
    ("what", "error"), [("LPUSH greeting x", "wrongtype"), ("NONSENSE", "reply"), ("GET", "reply")]
)
async def test_what_redis_refuses_is_its_error(servers, what: str, error: str) -> None:
    await redis(servers, "SET greeting hello")
    got = await redis(servers, what)
    assert (got.seen, got.error) == (Seen.TARGET_ERROR, error), got.message


async def test_a_service_as_a_whole_is_asked_where_it_does_not_turn_away(servers) -> None:
    replica, master = await servers.endpoint("redis#2"), await servers.endpoint("redis#1")
    down = endpoint("redis", 1)
    got = await observe("redis", request("SET where master", down, replica, master))
    assert got.values["reply"] == "OK"
    assert got.record["server"] == f"127.0.0.1:{master.port}"
    alone = await observe("redis", request("SET where replica", replica))
    assert (alone.seen, alone.error) == (Seen.TARGET_ERROR, "readonly")


async def test_a_password_that_nobody_gave_us_is_ours(servers) -> None:
    assert (await redis(servers, "CONFIG SET requirepass secret", "redis-sentinel#1")).seen is Seen.TARGET_ERROR
    await redis(servers, "ACL SETUSER clerk on >word ~* +@all")
    wrong = await redis(servers, "PING", knows={"user": "clerk", "password": "other"})
    assert (wrong.seen, wrong.error) == (Seen.PROBE_ERROR, "credentials"), wrong.message
    right = await redis(servers, "PING", knows={"user": "clerk", "password": "word"})
    assert right.values["reply"] == "PONG"


# -- celery


async def test_the_workers_on_a_broker_answer(servers) -> None:
    await prepare(["celery"])
    url = servers.stack.exports("redis")["url"]
    seen = await observe("celery", request("ping", broker=url, timeout_s=5))
    assert seen.values["workers"] == 1
    assert misfits("celery", seen) == []
    sentinel = await servers.endpoint("redis-sentinel#1")
    through = request(
        "active", broker=f"sentinel://127.0.0.1:{sentinel.port}", transport_options={"master_name": "mymaster"}
    )
    assert (await observe("celery", through)).values["names"] == seen.values["names"]


async def test_a_broker_without_workers_is_a_value(servers) -> None:
    broker = await servers.endpoint("redis#1")
    seen = await observe("celery", request("ping", broker=f"redis://127.0.0.1:{broker.port}/7"))
    assert (seen.seen, seen.values["workers"]) == (Seen.VALUE, 0)


@pytest.mark.parametrize("broker", ["carrier-pigeon://127.0.0.1", "sentinel://127.0.0.1:1"])
async def test_a_broker_that_cannot_be_reached_says_why(broker: str) -> None:
    options = {"transport_options": {"master_name": "mymaster"}} if broker.startswith("sentinel") else {}
    got = await observe("celery", request("ping", broker=broker, **options, timeout_s=6))
    if options:
        assert (got.seen, got.error) == (Seen.TARGET_ERROR, "no-master"), got.message
    else:
        assert (got.seen, got.error) == (Seen.PROBE_ERROR, "spec"), got.message


# -- http with TLS


async def test_a_certificate_is_checked_unless_it_is_told_otherwise(servers) -> None:
    proxy = await servers.endpoint("proxy#1")
    address = f"GET https://localhost:{proxy.port}/"
    for verify in (False, servers.stack.exports("proxy")["ca"]):
        seen = await observe("http", request(address, verify=verify))
        assert seen.values["status"] == 200, seen.message
    got = await observe("http", request(address))
    assert (got.seen, got.error) == (Seen.TARGET_ERROR, "tls")
    assert "not trusted" in got.message
    plain = await servers.endpoint("web#1")
    assert (await observe("http", request(f"GET https://127.0.0.1:{plain.port}/"))).error == "tls"
    await close()


# -- where the target runs


async def test_names_commands_usage_and_logs_where_a_service_runs(servers) -> None:
    for step, expect in (
        ("{dns: localhost, at: web#1}", "len(addresses) > 0"),
        ("{command: 'sh -c \"echo out; echo err >&2; exit 3\"', at: web#1}", 'exit == 3 and stdout == "out\\n"'),
        ("{process: usage, at: postgres#1}", "processes > 3 and memory > 1 MiB and descriptors > 10"),
        ("{log: 'GET / ', at: web *, since: start}", "count >= 1"),
        ("{services: all}", "missing == [] and expected == running"),
    ):
        await servers.stack.check(step, expect=expect)


async def test_a_log_that_was_never_written_is_no_evidence(tmp_path) -> None:
    got = await observe("log", request("ERROR", target="web", around=Nowhere(files={"web#1": tmp_path / "none"})))
    assert (got.seen, got.error) == (Seen.PROBE_ERROR, "no-log")
