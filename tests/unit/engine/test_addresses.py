"""Addresses for programs that know nothing of seatrial: with credentials, of who leads now, and none of ours."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

from seatrial.core.platforms import ServiceView
from seatrial.core.stack import Endpoint, Instance, InstanceState, Target
from seatrial.engine.addresses import addresses_of
from seatrial.engine.probing import Prober


def instance(service: str, ordinal: int, *ports: int, scheme: str = "http", host: str = "127.0.0.1") -> Instance:
    names = ("main", "admin")
    return Instance(
        service=service, name=f"{service}#{ordinal}", ordinal=ordinal, state=InstanceState.RUNNING, ready=True,
        identity="1", restarts=0, since_ns=0,
        endpoints={n: Endpoint(name=n, scheme=scheme, host=host, port=p) for n, p in zip(names, ports, strict=False)},
    )  # fmt: skip


def view(
    *instances: Instance, kind: str, exports: Mapping[str, str], roles: Mapping[str, Any] | None = None
) -> ServiceView:
    return ServiceView(
        name=instances[0].service,
        kind=kind,
        instances=instances,
        wanted=len(instances),
        parameters={},
        exports=exports,
        roles=roles or {},
    )


class Leads:
    """A prober that knows who leads."""

    def __init__(self, leader: Instance) -> None:
        self.leader = leader

    async def instances(self, target: Target) -> list[Instance]:
        return [self.leader] if target.role == "primary" else []


async def test_addresses() -> None:
    one, two = (instance("db", n, 5430 + n, scheme="postgres") for n in (1, 2))
    exports = {
        "user": "app",
        "password": "p@/",
        "database": "shop",
        "host": "db",
        "port": "5431",
        "dsn": "host=db port=5431",
    }
    views = {
        "db": view(one, two, kind="postgres", exports=exports, roles={"primary": None, "standby": None}),
        "cache": view(instance("cache", 1, 6379, scheme="redis", host="::1"), kind="redis", exports={"password": "s"}),
        "web": view(
            instance("web", 1, 80, 81),
            instance("web", 2, 82, 83),
            kind="process",
            exports={"url": "http://web:80", "ca": ""},
        ),
        "idle": view(instance("idle", 1), kind="process", exports={"host": "idle"}),
        "web -> db": view(instance("web -> db", 1, 99), kind="link", exports={}),
        "seatrial-links": view(instance("seatrial-links", 1, 98), kind="seatrial-links", exports={}),
    }
    found = await addresses_of(cast("Prober", Leads(two)), views)
    assert set(found) == {"db", "cache", "web", "idle"}
    assert found["db"]["url"] == "postgresql://app:p%40%2F@127.0.0.1:5432/shop"  # that of who leads
    assert found["db"]["port"] == "5432"
    assert found["cache"]["url"] == "redis://:s@[::1]:6379/0"
    assert found["web"]["url"] == found["web"]["main_url"] == "http://127.0.0.1:80"
    assert found["web"]["urls"] == "http://127.0.0.1:80,http://127.0.0.1:82"
    assert found["web"]["admin_url"] == "http://127.0.0.1:81"
    assert "ca" not in found["web"]  # what is empty is no address
    assert found["idle"] == {"host": "idle"}
