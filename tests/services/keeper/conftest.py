"""Fixtures of the keeper's tests."""

from __future__ import annotations

import sys
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from seatrial.core.errors import SupervisorError
from seatrial.keeper import KeeperClient, undo

sys.path.insert(0, str(Path(__file__).parent))  # importlib mode adds no directory of helpers
from keeper_support import Owner, Trial, eventually_async, kill_marked


@pytest.fixture
def make_trial(tmp_path: Path) -> Iterator[Callable[[str], Trial]]:
    trials: list[Trial] = []

    def make(name: str) -> Trial:
        directory = tmp_path / name
        directory.mkdir()
        trials.append(Trial(directory=directory))
        return trials[-1]

    yield make
    # What a test left on purpose, or because it failed: its keeper first, then all that its records name.
    for trial in trials:
        with suppress(SupervisorError):
            kill_marked(trial.keeper().pid, f"seatrial.keeper {trial.directory} ")
            undo(trial.directory)
        for pid in trial.pids():
            kill_marked(pid, trial.mark)


@pytest.fixture
def trial(make_trial: Callable[[str], Trial]) -> Trial:
    return make_trial("trial")


@pytest.fixture
async def client(trial: Trial) -> AsyncIterator[KeeperClient]:
    async with await KeeperClient.launch(trial.directory) as client:
        yield client
        if not client.over and client.lost is None:
            residue = await client.end(force=True)
            assert not residue
    await eventually_async(lambda: not trial.pids(), "everything has ended")


@pytest.fixture
def own() -> Iterator[Callable[..., Owner]]:
    owners: list[Owner] = []

    def make(trial: Trial, *options: str, limit_ns: int = 30_000_000_000) -> Owner:
        owners.append(Owner(trial, *options, limit_ns=limit_ns))
        return owners[-1]

    yield make
    for owner in owners:
        owner.close()
