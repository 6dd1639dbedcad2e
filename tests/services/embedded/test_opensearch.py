"""A real OpenSearch: it is ready when its cluster is well, keeps what it acknowledged, and leaves nothing behind."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from seatrial.core.stack import Target
from seatrial.embedded.opensearch import lacks

sys.path.insert(0, str(Path(__file__).parent))  # importlib mode adds no directory of helpers
from conftest import Harbour, service

MISSING = lacks()
pytestmark = [
    pytest.mark.stack,
    pytest.mark.skipif(bool(MISSING), reason=f"a real search engine was NOT exercised: {MISSING}"),
]
SEARCH = Target(service="search")


async def test_what_it_acknowledged_survives_a_crash(harbour: Harbour) -> None:
    stack = await harbour.stack(service("search", "opensearch"))
    made = await stack.ask("http", "PUT /things/_doc/1", SEARCH, json={"name": "ring"})
    assert made.values["status"] == 201
    url = (await stack.exports("search"))["url"]
    before = await stack.instance("search", 1)
    await stack.platform.kill(before, 0)

    async def back() -> bool:
        now = await stack.instance("search", 1)
        return now.ready and now.identity != before.identity

    await stack.until(back, "it is ready again, as another process", within_s=60)
    assert (await stack.exports("search"))["url"] == url

    async def found() -> bool:
        seen = await stack.ask("http", "GET /things/_doc/1", SEARCH)
        return seen.values.get("status") == 200 and seen.values["json"]["_source"] == {"name": "ring"}

    await stack.until(
        found, "the document is there", within_s=30
    )  # ready is yellow at least, and a shard may still start
    assert not await stack.platform.down()
