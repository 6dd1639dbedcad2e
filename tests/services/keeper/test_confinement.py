"""A unit in control groups: all of it, and all that is started later, also of a unit that tries to escape."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import pytest
from keeper_support import Trial, eventually_async

from seatrial.core import cgroups
from seatrial.core.errors import SupervisorError
from seatrial.keeper import KeeperClient


@pytest.fixture
def groups() -> Iterator[list[Path]]:
    """Two, to be left by their processes before they can go."""
    own = cgroups.group_of(os.getpid(), "pids")
    if own is None or own.unified or os.geteuid() != 0 or not os.access(own.path, os.W_OK):
        pytest.skip("control groups cannot be made here")
    made = [own.path / f"seatrial-test-{uuid4().hex[:8]}" for _ in range(2)]
    for path in made:
        path.mkdir()
    yield made
    for path in made:
        if path.exists():
            path.rmdir()


def inside(group: Path) -> set[int]:
    return {int(line) for line in (group / "cgroup.procs").read_text().split()}


async def test_all_of_it_is_put_in_and_what_is_started_later(
    client: KeeperClient, trial: Trial, groups: list[Path]
) -> None:
    now, later = groups
    status = await client.start(trial.forker("u"))
    assert status.process is not None
    await eventually_async(lambda: trial.settled("u"), "it has started all that it will")
    await client.confine("u", [now], [later])
    assert set(trial.pids()) <= inside(now), "the daemon, too"
    await client.kill("u", 0)
    await eventually_async(lambda: inside(later), "it was started again")
    again = (await client.statuses())["u"].process
    assert again is not None
    assert again.pid in inside(later)
    assert not inside(now)
    later_gone = [now, Path("/sys/fs/cgroup/nowhere")]
    await client.confine("u", (), later_gone)
    assert inside(later), "nothing is moved by an order without groups"
    await client.stop("u", None)
    later.rmdir()
    await client.release("u")
    assert (await client.statuses())["u"].process is not None, "a group that has gone holds nothing up"
    assert inside(now)
    await client.stop("u", None)


async def test_a_group_that_cannot_be_entered_is_said(client: KeeperClient, trial: Trial, tmp_path: Path) -> None:
    (tmp_path / "cgroup.procs").mkdir()
    await client.start(trial.forker("u"))
    with pytest.raises(SupervisorError, match="u cannot be put into"):
        await client.confine("u", [tmp_path], ())
