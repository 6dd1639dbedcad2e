"""Fixtures of networks."""

from __future__ import annotations

import sys
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
import pytest_asyncio

from seatrial.keeper import KeeperClient
from seatrial.platforms.namespaces.networks import Networks

sys.path.insert(0, str(Path(__file__).parent))
from grounds import Grounds, why_not


@pytest.fixture(scope="session")
def grounds() -> Iterator[Grounds]:
    why = why_not()
    if why:
        pytest.skip(why)
    made = Grounds()
    try:
        yield made.make()
    finally:
        made.end()


@pytest_asyncio.fixture
async def networks(grounds: Grounds, tmp_path: Path) -> AsyncIterator[Networks]:
    before = {p.name: p.state() for p in grounds.places.values()}
    async with await KeeperClient.launch(tmp_path / "trial") as keeper:
        yield Networks(keeper, directory=tmp_path / "trial/logs", comment="networks of a test")
        assert not await keeper.end()
    assert {p.name: p.state() for p in grounds.places.values()} == before
