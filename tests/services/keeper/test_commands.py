"""One-shot commands beside the units."""

from __future__ import annotations

import asyncio
import sys
import time

import pytest
from keeper_support import Trial, eventually_async

from seatrial.core import procfs
from seatrial.core.errors import SupervisorError
from seatrial.keeper import KeeperClient

S = 1_000_000_000


async def test_a_command_is_fed_and_its_outputs_come_back(client: KeeperClient, trial: Trial) -> None:
    result = await client.run(["sh", "-c", "cat; echo bad >&2; exit 7"], trial.surroundings, 10 * S, stdin="grüße")
    assert (result.exit_status, result.stdout, result.stderr, result.timed_out) == (7, "grüße", "bad\n", False)
    assert 0 < result.took_ns < 10 * S


async def test_input_that_nobody_reads_is_no_error(client: KeeperClient, trial: Trial) -> None:
    result = await client.run(["true"], trial.surroundings, 10 * S, stdin="x" * 1_000_000)
    assert result.exit_status == 0


async def test_a_command_ends_at_its_time_out_with_all_it_started(client: KeeperClient, trial: Trial) -> None:
    argv = [sys.executable, str(trial.forker("c").argv[1]), trial.mark, str(trial.directory / "c.told"), "deaf"]
    result = await client.run(argv, trial.surroundings, 1 * S)
    assert result.timed_out
    assert result.exit_status == -9
    assert 1 * S <= result.took_ns < 3 * S
    assert trial.told("c")
    assert not trial.pids()


async def test_a_command_with_grace_may_say_what_it_knows_before_it_is_killed(
    client: KeeperClient, trial: Trial
) -> None:
    polite = "trap 'echo so far; exit 3' INT; sleep 1000 & wait"
    result = await client.run(["sh", "-c", polite, trial.mark], trial.surroundings, 1 * S, grace_ns=10 * S)
    assert (result.stdout, result.exit_status, result.timed_out) == ("so far\n", 3, True)
    assert result.took_ns < 8 * S
    deaf = await client.run(
        ["sh", "-c", "trap '' INT; sleep 1000; :", trial.mark], trial.surroundings, 1 * S, grace_ns=1 * S
    )
    assert (deaf.exit_status, deaf.timed_out) == (-9, True)
    assert not trial.pids()


async def test_what_a_command_leaves_running_ends_with_it(client: KeeperClient, trial: Trial) -> None:
    script = 'sh -c "sleep 1000; :" $0 & echo done'
    began = time.monotonic()
    result = await client.run(["sh", "-c", script, trial.mark], trial.surroundings, 30 * S)
    assert (result.exit_status, result.stdout) == (0, "done\n")
    assert time.monotonic() - began < 5  # although the leftover held the pipe open
    assert not trial.pids()


async def test_output_is_bounded_and_says_so(client: KeeperClient, trial: Trial) -> None:
    argv = [sys.executable, "-c", "print('x' * (5 << 20), end='')"]
    result = await client.run(argv, trial.surroundings, 30 * S)
    assert result.stdout[:100] == "x" * 100
    assert result.stdout[4 << 20 :] == f"\n[{1 << 20} more bytes were cut]"


async def test_a_cancelled_command_is_killed(client: KeeperClient, trial: Trial) -> None:
    work = asyncio.create_task(
        client.run(["sh", "-c", "sleep 1000; :", trial.mark], trial.surroundings, 1000 * S),
    )
    await eventually_async(trial.pids, "it runs")
    # The shell, and its child as well, which bears the shell's command line until it has one of its own.
    running = [identity for pid in trial.pids() if (identity := procfs.identify(pid))]
    assert running
    work.cancel()
    with pytest.raises(asyncio.CancelledError):
        await work
    assert not any(map(procfs.is_alive, running)), "what it did could not be undone while it goes on"
    await eventually_async(lambda: not trial.pids(), "it is killed")
    assert await client.statuses() == {}


async def test_a_command_that_cannot_be_executed_is_named(client: KeeperClient, trial: Trial) -> None:
    with pytest.raises(SupervisorError, match="cannot start command nosuch: no program 'nosuch'"):
        await client.run(["nosuch"], trial.surroundings, S)


async def test_commands_run_side_by_side(client: KeeperClient, trial: Trial) -> None:
    began = time.monotonic()
    results = await asyncio.gather(
        *(client.run(["sh", "-c", f"sleep 0.3; echo {n}"], trial.surroundings, 30 * S) for n in range(8))
    )
    assert [result.stdout for result in results] == [f"{n}\n" for n in range(8)]
    assert time.monotonic() - began < 2
