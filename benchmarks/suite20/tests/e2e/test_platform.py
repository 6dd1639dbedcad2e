"""What the shop stands on."""

import socket
import threading
import time

import httpx
import psycopg
import redis
from shopclient import PATIENCE, REDIS_PATIENCE, unique

TASK_SECONDS = 15.0  # a worker that has lost its broker looks for it again only now and then


def _connect(dsn: str, attributes: str) -> psycopg.Connection:
    return psycopg.connect(
        dsn, target_session_attrs=attributes, connect_timeout=2, options="-c statement_timeout=3000", autocommit=True
    )


def test_standby_follows_the_primary(addresses):
    with _connect(addresses.database, "read-write") as primary:
        (written,) = primary.execute("select pg_current_wal_lsn()::text").fetchone()
    with _connect(addresses.database, "standby") as standby:
        until, there = time.monotonic() + PATIENCE, False
        while not there and time.monotonic() < until:
            (there,) = standby.execute("select pg_last_wal_replay_lsn() >= %s::pg_lsn", [written]).fetchone()
    assert there


def test_sentinels_agree_on_a_master_with_replicas(addresses):
    patience = REDIS_PATIENCE | {"decode_responses": True}
    said, replicas = set(), set()
    for host, port in addresses.sentinels:
        with redis.Redis(host, port, **patience) as sentinel:
            said.add(tuple(sentinel.execute_command("SENTINEL", "GET-MASTER-ADDR-BY-NAME", addresses.master)))
            replicas |= {(known["ip"], int(known["port"])) for known in sentinel.sentinel_slaves(addresses.master)}
    assert len(said) == 1
    ((host, port),) = said
    with redis.Redis(host, int(port), **patience) as master:
        assert master.role()[0] == "master"
    assert replicas
    for host, port in replicas:
        with redis.Redis(host, port, **patience) as replica:
            assert replica.ping()


def test_sentinel_ports_are_open(addresses):
    for host, port in addresses.sentinels:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as line:
            line.settimeout(PATIENCE)
            assert line.connect_ex((host, port)) == 0, f"nobody listens at {host}:{port}"


def test_mark_written_through_the_shop_is_in_redis(tenant, redis_master):
    key = unique("mark")
    answer = tenant.seller.post("/api/redis/marks", {"key": key})
    assert answer.status_code == 201, answer.text
    assert redis_master.sismember("marks", key)
    assert tenant.seller.get("/api/redis/marks", prefix=key).json()["keys"] == [key]


def test_task_is_done_by_a_worker(tenant):
    sent = tenant.seller.post("/api/ping-task", {"text": "hello"})
    assert sent.status_code == 202, sent.text
    moment, until = threading.Event(), time.monotonic() + TASK_SECONDS
    found = tenant.seller.get(f"/api/tasks/{sent.json()['id']}").json()
    while found.get("state") != "SUCCESS" and time.monotonic() < until:
        moment.wait(0.1)
        found = tenant.seller.get(f"/api/tasks/{sent.json()['id']}").json()
    assert found.get("state") == "SUCCESS"
    assert found["result"]["text"] == "HELLO"


def test_etcd_is_healthy(addresses):
    answer = httpx.get(f"{addresses.etcd}/health", timeout=PATIENCE, trust_env=False)
    assert answer.status_code == 200
    assert answer.json()["health"] == "true"
