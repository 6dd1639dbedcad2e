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
from grounds import Grounds, standing


@pytest.fixture(scope="module")
def grounds() -> Iterator[Grounds]:
    yield from standing()


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def shared(grounds: Grounds, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Networks]:
    directory = tmp_path_factory.mktemp("nets") / "trial"
    async with await KeeperClient.launch(directory) as keeper:
        yield Networks(keeper, directory=directory / "logs", comment="networks of a test")
        assert not await keeper.end()


@pytest.fixture
def networks(grounds: Grounds, shared: Networks) -> Iterator[Networks]:
    """After each test all is as it was."""
    before = {p.name: p.state() for p in grounds.places.values()}
    yield shared
    assert {p.name: p.state() for p in grounds.places.values()} == before
