"""What a unit does under a keeper's orders, with real processes that try to escape."""

from __future__ import annotations

import asyncio
import os
import re
import signal
import time
from pathlib import Path

import psutil
import pytest
from keeper_support import Trial, eventually_async, reaches

from seatrial.core.errors import SupervisorError
from seatrial.core.processes import Restart, Surroundings, UnitOrder, UnitState
from seatrial.keeper import KeeperClient

S = 1_000_000_000
MS = 1_000_000


async def test_a_unit_has_its_own_environment_directory_log_and_session(client: KeeperClient, trial: Trial) -> None:
    order = UnitOrder(
        name="u",
        argv=["sh", "-c", "env; pwd; echo oops >&2; exec sleep 1000", trial.mark],
        surroundings=Surroundings(directory=trial.directory, environment={"A": "1", "PATH": os.environ["PATH"]}),
        log=trial.directory / "deep" / "log",
    )
    status = await client.start(order)
    assert status.state is UnitState.RUNNING
    assert status.process is not None
    assert os.getsid(status.process.pid) == status.process.pid
    await eventually_async(lambda: "oops" in order.log.read_text(), "the unit wrote")
    lines = set(order.log.read_text().split("\n"))
    assert {"A=1", str(trial.directory), "oops"} <= lines
    assert not {line for line in lines if line.startswith(("HOME=", "SEATRIAL", "PYTHON"))}


async def test_an_ended_unit_is_restarted_with_growing_delays(client: KeeperClient, trial: Trial) -> None:
    changes = client.changes()
    await client.start(trial.shell("u", "sleep 0.2; exit 3", backoff_ns=50 * MS, backoff_max_ns=200 * MS))
    waits, began_ns = [], 0
    async with asyncio.timeout(20):
        while len(waits) < 4:
            status = await anext(changes)
            if status.state is UnitState.BACKING_OFF:
                assert status.exit_status == 3
                began_ns = status.since_ns
            elif began_ns and status.state is UnitState.RUNNING:
                waits.append(status.since_ns - began_ns)
                assert status.restarts == len(waits)
    for wait, least in zip(waits, (50, 100, 200, 200), strict=True):
        assert least * MS <= wait < least * MS + 0.5 * S


@pytest.mark.parametrize(
    ("policy", "script", "state"),
    [
        (Restart.NEVER, "exit 1", UnitState.ENDED),
        (Restart.ON_FAILURE, "exit 0", UnitState.ENDED),
        (Restart.ON_FAILURE, "exit 1", UnitState.BACKING_OFF),
        (Restart.ALWAYS, "exit 0", UnitState.BACKING_OFF),
    ],
)
async def test_the_policy_decides_what_follows_an_end(
    client: KeeperClient, trial: Trial, policy: Restart, script: str, state: UnitState
) -> None:
    await client.start(trial.shell("u", script, restart=policy, backoff_ns=60 * S, backoff_max_ns=60 * S))
    status = await reaches(client, "u", state)
    assert status.process is None
    assert status.exit_status == int(script[-1])


async def test_kill_ends_sessions_and_daemons_too(client: KeeperClient, trial: Trial) -> None:
    await trial.started(client, "u")
    told = trial.told("u")
    assert len({os.getsid(pid) for pid in told.values()}) == 3
    guardian = psutil.Process(told["daemon"]).parent()
    assert guardian is not None
    assert (guardian.name(), guardian.ppid()) == ("seatrial-guard", trial.keeper().pid)
    assert sorted(trial.pids()) == sorted(told.values())
    status = await client.kill("u", None)
    assert not trial.pids()
    assert not guardian.is_running() or guardian.status() == psutil.STATUS_ZOMBIE
    assert (status.state, status.process, status.exit_status) == (UnitState.HELD, None, -signal.SIGKILL)


async def test_kill_catches_what_was_never_looked_at(client: KeeperClient, trial: Trial) -> None:
    """Also children that were born this moment, while others are being born."""
    await client.start(trial.shell("u", 'while :; do sh -c "sleep 1000" $0 & done'))
    await eventually_async(lambda: len(trial.pids()) > 20, "it forks busily")
    await client.kill("u", None)
    assert not trial.pids()


async def test_a_hold_keeps_a_unit_down_for_its_time(client: KeeperClient, trial: Trial) -> None:
    await client.start(trial.shell("u", "exec sleep 1000"))
    changes = client.changes()
    held = await client.kill("u", 700 * MS)
    assert held.state is UnitState.HELD
    async with asyncio.timeout(20):
        states = [await anext(changes) for _ in range(2)]
    assert [status.state for status in states] == [UnitState.HELD, UnitState.RUNNING]
    assert 700 * MS <= states[1].since_ns - states[0].since_ns < 1500 * MS
    assert states[1].restarts == 1


async def test_a_kill_without_hold_leaves_it_to_the_policy(client: KeeperClient, trial: Trial) -> None:
    first = await client.start(trial.shell("u", "exec sleep 1000", backoff_ns=10 * MS))
    assert (await client.kill("u", 0)).state is UnitState.BACKING_OFF
    again = await reaches(client, "u", UnitState.RUNNING)
    assert again.process != first.process
    assert again.restarts == 1


async def test_release_starts_what_is_down_and_is_no_restart(client: KeeperClient, trial: Trial) -> None:
    await client.start(trial.shell("u", "exec sleep 1000"))
    await client.kill("u", None)
    status = await client.release("u")
    assert status.state is UnitState.RUNNING
    assert status.restarts == 0
    assert status.process is not None
    pid = status.process.pid
    await eventually_async(lambda: psutil.Process(pid).name() == "sleep", "it runs")


async def test_a_unit_that_is_waiting_to_restart_can_be_held(client: KeeperClient, trial: Trial) -> None:
    await client.start(trial.shell("u", "exit 1", backoff_ns=150 * MS))
    await reaches(client, "u", UnitState.BACKING_OFF)
    held = await client.kill("u", None)
    assert held.state is UnitState.HELD
    changes = client.changes()
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.5):
            await anext(changes)


async def test_stop_asks_first(client: KeeperClient, trial: Trial) -> None:
    await trial.started(client, "u")
    status = await client.stop("u", None)
    assert status.exit_status == 0
    assert status.state is UnitState.HELD
    assert "asked" in trial.told("u")
    assert not trial.pids()


async def test_stop_kills_what_does_not_listen_within_its_time(client: KeeperClient, trial: Trial) -> None:
    await trial.started(client, "u", "deaf", stop_timeout_ns=300 * MS)
    began = time.monotonic()
    status = await client.stop("u", None)
    assert 0.3 <= time.monotonic() - began < 3
    assert status.exit_status == -signal.SIGKILL
    assert not trial.pids()


async def test_a_pause_stops_every_process_and_release_lets_them_go_on(client: KeeperClient, trial: Trial) -> None:
    await trial.started(client, "u")
    assert (await client.pause("u")).state is UnitState.PAUSED
    assert {psutil.Process(pid).status() for pid in trial.pids()} == {psutil.STATUS_STOPPED}
    assert len(trial.pids()) == 3
    with pytest.raises(SupervisorError, match="u cannot be paused: it is paused"):
        await client.pause("u")
    assert (await client.release("u")).state is UnitState.RUNNING
    assert psutil.STATUS_STOPPED not in {psutil.Process(pid).status() for pid in trial.pids()}


async def test_a_busily_forking_unit_can_be_paused(client: KeeperClient, trial: Trial) -> None:
    await client.start(trial.shell("u", "while :; do /bin/true; done"))
    for _ in range(5):
        status = await client.pause("u")
        assert status.process is not None
        tree = [psutil.Process(status.process.pid), *psutil.Process(status.process.pid).children(recursive=True)]
        assert {process.status() for process in tree} <= {psutil.STATUS_STOPPED, psutil.STATUS_ZOMBIE}
        await client.release("u")


async def test_a_paused_unit_can_be_killed(client: KeeperClient, trial: Trial) -> None:
    await trial.started(client, "u")
    await client.pause("u")
    assert (await client.kill("u", None)).state is UnitState.HELD
    assert not trial.pids()


async def test_a_signal_reaches_all_with_the_leader_last(client: KeeperClient, trial: Trial) -> None:
    script = 'trap "echo child; exit" USR1; while :; do sleep 0.01; done'
    outer = f"trap 'echo leader' USR1; sh -c '{script}' & while :; do wait; done"
    order = trial.shell("u", outer.replace("'echo leader'", '"echo leader"'))
    await client.start(order)
    await eventually_async(lambda: len(trial.pids()) >= 1, "it runs")
    status = (await client.statuses())["u"]
    assert status.process is not None
    leader = psutil.Process(status.process.pid)
    await eventually_async(lambda: any(child.children() for child in leader.children()), "its child has set the trap")
    await client.signal("u", signal.SIGUSR1)
    await eventually_async(lambda: set(order.log.read_text().split()) >= {"child", "leader"}, "both were told")
    await client.kill("u", None)
    with pytest.raises(SupervisorError, match="u has no process to signal: it is held"):
        await client.signal("u", signal.SIGUSR1)


async def test_leftovers_of_a_crash_are_gone_before_the_restart(client: KeeperClient, trial: Trial) -> None:
    await trial.started(client, "u")
    before = trial.told("u")
    os.kill(before["leader"], signal.SIGKILL)
    await eventually_async(lambda: trial.told("u").get("leader") not in (None, before["leader"]), "it is back")
    assert not set(before.values()) & set(trial.pids())
    assert len(trial.pids()) == 3


@pytest.mark.parametrize(
    ("argv", "directory", "message"),
    [
        (["nosuch"], ".", r"cannot start u: no program 'nosuch' on the PATH"),
        (["/nosuch/program"], ".", r"cannot start u: no such program.*/nosuch/program"),
        (["/etc/hostname"], ".", r"cannot start u: /etc/hostname cannot be executed: (Permission denied|Exec format)"),
        (["true"], "absent", r"cannot start u: go to the directory .*absent: No such file"),
        (["tr\0ue"], ".", r"cannot start u: .* cannot be executed: Invalid argument"),
        ([], ".", r"cannot start u: no program is given"),
    ],
)
async def test_a_program_that_cannot_be_executed_is_named(
    client: KeeperClient, trial: Trial, argv: list[str], directory: str, message: str
) -> None:
    surroundings = Surroundings(directory=trial.directory / directory, environment={"PATH": os.environ["PATH"]})
    order = UnitOrder(name="u", argv=argv, surroundings=surroundings, log=trial.directory / "log")
    with pytest.raises(SupervisorError, match=message):
        await client.start(order)
    assert "u" not in await client.statuses()


async def test_a_log_that_cannot_be_written_is_named(client: KeeperClient, trial: Trial) -> None:
    order = UnitOrder(name="u", argv=["true"], surroundings=trial.surroundings, log=trial.directory)
    with pytest.raises(SupervisorError, match=r"cannot write the log .*trial of u: Is a directory"):
        await client.start(order)


async def test_names_are_unique_while_they_are_in_use(client: KeeperClient, trial: Trial) -> None:
    await client.start(trial.shell("u", "exec sleep 1000"))
    with pytest.raises(SupervisorError, match="u exists already, and is running"):
        await client.start(trial.shell("u", "exec sleep 1000"))
    await client.stop("u", None)
    assert (await client.start(trial.shell("u", "exec sleep 1000"))).state is UnitState.RUNNING
    with pytest.raises(SupervisorError, match="there is no unit 'v'; units: u"):
        await client.kill("v", None)


async def test_records_hold_no_environment_and_no_arguments(client: KeeperClient, trial: Trial) -> None:
    surroundings = Surroundings(
        directory=trial.directory, environment={"PASSWORD": "hush-1", "PATH": os.environ["PATH"]}
    )
    argv = ["sh", "-c", "echo $PASSWORD; sleep 1000", "hush-2"]
    order = UnitOrder(name="u", argv=argv, surroundings=surroundings, log=Path("/dev/null"))
    await client.start(order)
    await client.run(["echo", "hush-3"], surroundings, 5 * S, stdin="hush-4")
    await client.end()
    written = "".join(path.read_text() for path in trial.directory.iterdir() if path.is_file())
    assert not re.search("hush", written)


async def test_a_unit_that_is_being_started_is_not_shown_as_ended(client: KeeperClient, trial: Trial) -> None:
    """Whoever asks at that moment would take it for one that will not come."""
    for _ in range(2):  # the second takes the name of one that has ended
        order = trial.shell("u", "exec sleep 1000")
        started, seen = await asyncio.gather(client.start(order), client.statuses())
        assert started.state is UnitState.RUNNING
        assert "u" not in seen or seen["u"].state is UnitState.RUNNING
        await client.kill("u", None)
