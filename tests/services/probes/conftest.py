"""One stack of real servers for all the tests of a module."""

from __future__ import annotations

import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from seatrial.api.python import Stack, stack
from seatrial.core.stack import Endpoint

HERE = Path(__file__).parent
# probe_support: requests, and what fits a descriptor; split_grpc: a service that is split
sys.path[:0] = [str(HERE.parents[1] / "conformance/probes"), str(HERE)]

SERVICES = {
    "postgres": {"kind": "postgres", "database": "shop"},
    "redis": {"kind": "redis", "replicas": 1, "sentinels": 1},
    "worker": {
        "command": "celery -A tasks worker --loglevel info --pool solo --without-gossip --without-mingle",
        "directory": str(HERE),
        "environment": {"BROKER": "{{ redis.url }}"},
        "ready": {"log": "celery@.* ready", "expect": "count >= 1"},
    },
    "web": {
        "command": "python -m http.server --bind 127.0.0.1 {{ instance.port.http }}",
        "directory": str(HERE),
        "ports": "auto",
        "ready": {"http": "GET /"},
    },
    "proxy": {"kind": "caddy", "to": "web", "tls": "internal"},
}


class Servers:
    """The running stack, with what a probe is given of it."""

    def __init__(self, running: Stack) -> None:
        self.stack = running

    async def endpoint(self, name: str) -> Endpoint:
        """The first address of an instance."""
        (instance,) = await self.stack.instances(name)
        return next(iter(instance.endpoints.values()))

    async def parameters(self, service: str) -> dict[str, str]:
        """What probes need beside it."""
        return dict((await self.stack._prober.view(service)).parameters)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def servers(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Servers]:
    async with stack(SERVICES, directory=tmp_path_factory.mktemp("stack") / "trial") as running:
        yield Servers(running)
