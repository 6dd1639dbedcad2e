"""Where the system is (one place: `addresses`), and who uses it."""

import json
import os
from dataclasses import dataclass
from pathlib import Path

import pytest
from redis.sentinel import Sentinel
from shopclient import REDIS_PATIENCE, Api, Tenant, new_tenant

RECORDED = Path(__file__).parent / "recorded"


@dataclass(frozen=True)
class Addresses:
    shop: str  # the front door: http://host:port
    web: list[str]  # each web instance by itself
    database: str  # libpq DSN or URI with every node of the cluster
    sentinels: list[tuple[str, int]]
    master: str  # the name that the sentinels know the Redis master by
    etcd: str
    admin: str
    password: str


def _list(name: str) -> list[str]:
    return [part.strip().rstrip("/") for part in os.environ[name].split(",") if part.strip()]


@pytest.fixture(scope="session")
def addresses() -> Addresses:
    """All that has to be known of the system, from the environment."""
    pairs = [text.rsplit(":", 1) for text in _list("REDIS_SENTINELS")]
    return Addresses(
        shop=os.environ["SHOP_URL"].rstrip("/"),
        web=_list("WEB_URLS"),
        database=os.environ["DATABASE_URL"],
        sentinels=[(host, int(port)) for host, port in pairs],
        master=os.environ.get("REDIS_MASTER", "mymaster"),
        etcd=os.environ["ETCD_URL"].rstrip("/"),
        admin=os.environ.get("SHOP_ADMIN_USER", "admin"),
        password=os.environ["SHOP_ADMIN_PASSWORD"],
    )


@pytest.fixture(scope="session")
def api(addresses) -> Api:
    """Nobody in particular."""
    return Api(addresses.shop)


@pytest.fixture(scope="session")
def admin(api, addresses) -> Api:
    return api.login(addresses.admin, addresses.password)


@pytest.fixture(scope="session")
def tenant(admin) -> Tenant:
    """A tenant of this run alone, with an owner, a seller and a viewer."""
    return new_tenant(admin)


@pytest.fixture
def redis_master(addresses):
    """The Redis that takes writes, as the sentinels know it."""
    sentinel = Sentinel(addresses.sentinels, sentinel_kwargs=REDIS_PATIENCE)
    client = sentinel.master_for(addresses.master, decode_responses=True, **REDIS_PATIENCE)
    yield client
    client.close()


@pytest.fixture(scope="session")
def catalogue(addresses) -> list[dict]:
    """The items of the demo tenant. Asking takes long, so it is done once and kept."""
    kept = RECORDED / "catalogue.json"
    if not kept.exists():
        tenant = new_tenant(Api(addresses.shop).login(addresses.admin, addresses.password))
        tenant.new_item(5)
        kept.write_text(json.dumps(tenant.owner.get("/api/items").json()["items"]))
    return json.loads(kept.read_text())
