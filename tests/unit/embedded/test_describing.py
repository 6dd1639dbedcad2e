"""Services that something else started, described by their kinds."""

from __future__ import annotations

import pytest

from seatrial.core.stack import Endpoint, Presence
from seatrial.embedded import caddy, etcd, postgres, redis


def at(service: str, *instances: dict[str, tuple[str, int]], **parameters: str) -> Presence:
    """Instances by their endpoints: name to scheme and port; the host is 10.0.0.N."""
    return Presence(
        service=service,
        instances=[
            {
                name: Endpoint(name=name, scheme=scheme, host=f"10.0.0.{n}", port=port)
                for name, (scheme, port) in i.items()
            }
            for n, i in enumerate(instances, 1)
        ],
        parameters=parameters,
    )


NODE = {"postgres": ("postgres", 5432)}
PATRONI = {"api": ("http", 8008), **NODE}


def test_a_postgres_alone():
    found = postgres.describe(at("db", NODE, user="shop", password="it's"))
    assert found.exports["dsn"] == "host=10.0.0.1 port=5432 user=shop password='it\\'s' dbname=shop connect_timeout=2"
    assert found.parameters == {"user": "shop", "password": "it's", "dbname": "shop"}
    assert found.secrets == ("it's",)
    assert sorted(found.roles) == ["primary", "replica"]
    assert not found.steady


def test_several_nodes_have_standbys_that_stream_and_a_synchronous_one_where_that_is_said():
    plain = postgres.describe(at("db", NODE, NODE, password="x"))
    assert [c.call.verb for c in plain.steady] == ["sql"]
    assert plain.exports["addresses"] == "10.0.0.1:5432,10.0.0.2:5432"
    assert "target_session_attrs=read-write" in plain.exports["dsn"]
    told = postgres.describe(at("db", PATRONI, PATRONI, PATRONI, password="x", synchronous="true"))
    assert [c.call.what for c in told.steady][1] == "GET /cluster"
    assert told.exports["port"] == "5432"  # not that of the api, which comes first


def test_the_application_may_have_other_credentials_than_who_looks():
    given = {
        "user": "postgres",
        "password": "p",
        "dbname": "shop",
        "application-user": "app",
        "application-password": "a",
    }
    found = postgres.describe(at("db", NODE, **given))
    assert (found.exports["user"], found.exports["password"], found.exports["database"]) == ("app", "a", "shop")
    assert found.parameters["user"] == "postgres"
    assert found.secrets == ("p", "a")


def test_redis_and_its_sentinels():
    node = {"redis": ("redis", 6379)}
    data = redis.describe(at("cache", node, node, node, password="p w"))
    assert data.exports["url"] == "redis://:p%20w@10.0.0.1:6379/0"
    assert sorted(data.roles) == ["master", "replica"]
    [steady] = data.steady
    assert steady.expect is not None
    assert "connected_slaves == 2" in steady.expect.source
    watchers = redis.describe(at("watch", *[{"sentinel": ("redis", 26379)}] * 3, master="shop", replicas="2"))
    assert not watchers.roles
    assert watchers.ready is not None
    assert watchers.ready.call.what == "SENTINEL MASTER shop"
    assert watchers.ready.expect is not None
    assert watchers.ready.expect.source == 'reply["num-slaves"] == 2 and reply["num-other-sentinels"] == 2'
    assert watchers.exports["sentinels"] == "10.0.0.1:26379,10.0.0.2:26379,10.0.0.3:26379"


def test_etcd_and_caddy():
    found = etcd.describe(at("etcd", {"client": ("http", 2379)}, {"client": ("http", 2379)}))
    assert found.exports["endpoints"] == "http://10.0.0.1:2379,http://10.0.0.2:2379"
    assert found.ready is not None
    proxy = caddy.describe(at("proxy", {"http": ("https", 8443)}, ca="/ca.crt"))
    assert (proxy.exports["url"], proxy.parameters) == ("https://10.0.0.1:8443", {"ca": "/ca.crt"})


@pytest.mark.parametrize("kind", [postgres, redis, etcd, caddy])
def test_what_has_no_address_is_described_all_the_same(kind):
    assert kind.describe(Presence(service="x", instances=[{}])).exports.get("port", "") == ""
