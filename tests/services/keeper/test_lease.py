"""What happens when the owner goes: everything ends, and nothing else does."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import psutil
import pytest
from keeper_support import Owner, Trial, eventually, eventually_async, reaches

from seatrial.core import procfs
from seatrial.core.errors import SupervisorError
from seatrial.core.processes import ProcessId, Residue, UnitState
from seatrial.keeper import KeeperClient, list_owned

S = 1_000_000_000

Own = Callable[..., Owner]


def everything_ended(trial: Trial, keeper: ProcessId) -> None:
    eventually(lambda: not procfs.is_alive(keeper), "the keeper has ended")
    assert not trial.pids()
    assert not (trial.directory / "data").exists()
    record = (trial.directory / "keeper.jsonl").read_text().splitlines()[-1]
    assert '"event":"end"' in record
    assert '"processes":[],"ports":[],"directories":[]' in record
    assert not (trial.directory / "keeper.log").read_text()


@pytest.mark.parametrize("options", [(), ("pause",), ("fork",)])
def test_a_killed_owner_leaves_nothing(trial: Trial, own: Own, options: tuple[str, ...]) -> None:
    owner = own(trial, *options)
    keeper = trial.keeper()
    expected = 8 if "fork" in options else 7  # the owner's own arguments have the mark as well
    assert len(trial.pids()) == expected
    began = time.monotonic()
    if "fork" in options:
        os.kill(owner.process.pid, signal.SIGKILL)
    else:
        owner.close()
    eventually(lambda: len(trial.pids()) <= (1 if "fork" in options else 0), "the units have ended")
    assert time.monotonic() - began < 5
    owner.close()
    everything_ended(trial, keeper)


def test_a_silent_owner_loses_its_lease(trial: Trial, own: Own) -> None:
    owner = own(trial, limit_ns=S)
    keeper = trial.keeper()
    passed_ns = time.monotonic_ns() + 2 * S
    eventually(lambda: time.monotonic_ns() > passed_ns, "twice the limit has passed")
    assert procfs.is_alive(keeper), "an owner whose beats arrive keeps its lease"
    began = time.monotonic()
    owner.signal(signal.SIGSTOP)
    eventually(lambda: not procfs.is_alive(keeper), "the keeper has ended")
    assert 0.5 < time.monotonic() - began < 5
    owner.close()
    everything_ended(trial, keeper)


async def test_an_owner_learns_that_it_was_too_silent(trial: Trial) -> None:
    async with await KeeperClient.launch(trial.directory, heartbeat_limit_ns=S // 2) as client:
        await client.start(trial.shell("u", "exec sleep 1000"))
        changes = client.changes()
        # seatrial: allow pause because the silence is what is tested
        time.sleep(2)  # noqa: ASYNC251 - the loop hangs: that is the point
        with pytest.raises(SupervisorError, match=r"let go: the owner was silent for 500ms"):
            await client.statuses()
        with pytest.raises(SupervisorError, match="let go"):
            async for _ in changes:
                pass


async def test_closing_without_end_ends_everything(trial: Trial) -> None:
    async with await KeeperClient.launch(trial.directory) as client:
        keeper = client.keeper
        await trial.started(client, "u")
    await eventually_async(lambda: not procfs.is_alive(keeper), "the keeper has ended")
    assert not trial.pids()
    with pytest.raises(SupervisorError, match="closed"):
        await client.statuses()


async def test_a_terminated_keeper_ends_everything(trial: Trial) -> None:
    async with await KeeperClient.launch(trial.directory) as client:
        await trial.started(client, "u")
        for harmless in (signal.SIGINT, signal.SIGHUP):
            os.kill(client.keeper.pid, harmless)
        assert (await client.statuses())["u"].state is UnitState.RUNNING
        os.kill(client.keeper.pid, signal.SIGTERM)
        await eventually_async(lambda: not procfs.is_alive(client.keeper), "the keeper has ended")
        assert not trial.pids()


async def test_a_killed_keeper_is_said(trial: Trial) -> None:
    async with await KeeperClient.launch(trial.directory) as client:
        waiting = asyncio.create_task(
            client.run(["sh", "-c", "sleep 1000; :", trial.mark], trial.surroundings, 1000 * S)
        )
        await eventually_async(trial.pids, "it runs")
        os.kill(client.keeper.pid, signal.SIGKILL)
        with pytest.raises(SupervisorError, match=r"the keeper has ended|connection to the keeper broke"):
            await waiting
        with pytest.raises(SupervisorError, match=r"keeper\.log may say more"):
            await client.statuses()


async def test_a_killed_guardian_is_survived(client: KeeperClient, trial: Trial) -> None:
    status = await trial.started(client, "u")
    assert status.process is not None
    guardian = psutil.Process(status.process.pid).ppid()
    os.kill(guardian, signal.SIGKILL)
    await eventually_async(
        lambda: psutil.Process(status.process.pid).ppid() == client.keeper.pid, "the leader is the keeper's child"
    )
    assert (await client.statuses())["u"].process == status.process
    os.kill(status.process.pid, signal.SIGKILL)
    ended = await reaches(client, "u", UnitState.BACKING_OFF)
    assert ended.exit_status == -signal.SIGKILL
    await eventually_async(lambda: trial.told("u").get("leader") != status.process.pid, "it is back")
    await client.kill("u", None)
    assert not trial.pids()


async def test_a_kept_stack_lives_on_until_someone_ends_it(trial: Trial, own: Own) -> None:
    owner = own(trial, "keep", "pause")
    owner.close()
    running = set(trial.pids())
    assert len(running) == 6
    async with await KeeperClient.attach(trial.directory) as first:
        statuses = dict(await first.statuses())
        if statuses["a#1"].state is UnitState.PAUSED:
            statuses["a#1"] = await reaches(first, "a#1", UnitState.RUNNING)
        assert {status.state for status in statuses.values()} == {UnitState.RUNNING}
    [owned] = list_owned(trial.directory.parent)
    assert (owned.directory, owned.kept, owned.owned) == (trial.directory, True, False)
    assert [unit.name for unit in owned.units] == ["a#1", "a#2"]
    async with await KeeperClient.attach(trial.directory) as second:
        assert await second.end() == Residue()
    assert not trial.pids()
    assert list_owned(trial.directory.parent) == ()
    with pytest.raises(SupervisorError, match="no keeper answers"):
        await KeeperClient.attach(trial.directory)


async def test_what_a_guest_breaks_is_healed_when_it_goes(trial: Trial) -> None:
    async with await KeeperClient.launch(trial.directory) as client:
        for name in ("u", "v", "w"):
            await client.start(trial.shell(name, "exec sleep 1000"))
        await client.keep()
        await client.stop("w", None)
        async with await KeeperClient.attach(trial.directory) as guest:
            await guest.pause("u")
            await guest.kill("v", None)
        assert (await reaches(client, "u", UnitState.RUNNING)).restarts == 0
        assert (await reaches(client, "v", UnitState.RUNNING)).restarts == 0
        assert (await client.statuses())["w"].state is UnitState.HELD, "that was not the guest's"
        await client.end()


async def test_what_a_guest_starts_ends_with_it_where_it_is_not_to_stay(trial: Trial) -> None:
    async with await KeeperClient.launch(trial.directory) as client:
        await client.keep()
        async with await KeeperClient.attach(trial.directory) as guest:
            await guest.start(trial.shell("stays", "exec sleep 1000"))
            await guest.start(replace(trial.shell("goes", "exec sleep 1000"), stays=False))
            other = await KeeperClient.attach(trial.directory)
            await other.start(replace(trial.shell("another's", "exec sleep 1000"), stays=False))
        assert (await reaches(client, "goes", UnitState.ENDED)).process is None
        states = {name: status.state for name, status in (await client.statuses()).items()}
        assert states == {"stays": UnitState.RUNNING, "goes": UnitState.ENDED, "another's": UnitState.RUNNING}
        await other.close()
        await client.end()


async def test_two_trials_do_not_touch_each_other(make_trial: Callable[[str], Trial]) -> None:
    one, other = make_trial("one"), make_trial("other")
    async with await KeeperClient.launch(one.directory) as a, await KeeperClient.launch(other.directory) as b:
        await asyncio.gather(one.started(a, "u"), other.started(b, "u"))
        with pytest.raises(SupervisorError, match="is being written by another process"):
            await KeeperClient.launch(one.directory)
        assert not await a.end()
        assert not one.pids()
        assert len(other.pids()) == 3
        assert (await b.statuses())["u"].state is UnitState.RUNNING
        await b.end()


async def test_a_deep_directory_is_no_obstacle(tmp_path: Path) -> None:
    deep = tmp_path.joinpath(*["d" * 40] * 5)
    async with await KeeperClient.launch(deep) as client:
        async with await KeeperClient.attach(deep) as guest:
            assert await guest.statuses() == {}
        assert not await client.end()


async def test_a_keeper_that_cannot_start_says_why(tmp_path: Path) -> None:
    (tmp_path / "keeper.jsonl").mkdir()
    with pytest.raises(SupervisorError, match=r"the keeper did not start: cannot write .*: Is a directory"):
        await KeeperClient.launch(tmp_path)


async def test_a_keeper_starts_as_fast_as_an_interpreter_does(tmp_path: Path) -> None:
    took, bare = [], []
    for attempt in range(5):
        began = time.monotonic()
        process = await asyncio.create_subprocess_exec(sys.executable, "-c", "import asyncio, json, subprocess")
        assert await process.wait() == 0
        bare.append(time.monotonic() - began)
        began = time.monotonic()
        async with await KeeperClient.launch(tmp_path / str(attempt)) as client:
            took.append(time.monotonic() - began)
            await client.end()
    assert min(took) < 4 * min(bare)
