"""The end of a trial: order, claims, adopted processes, residue."""

from __future__ import annotations

import asyncio
import os
import resource
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest
from keeper_support import Trial, eventually_async, reaches
from ports import free_port

from seatrial.core import procfs
from seatrial.core.errors import SupervisorError
from seatrial.core.processes import UnitState
from seatrial.keeper import KeeperClient
from seatrial.keeper.records import read_records

S = 1_000_000_000
MS = 1_000_000


async def test_units_end_in_reverse_order_instances_together(client: KeeperClient, trial: Trial) -> None:
    for name in ("db#1", "db#2", "web", "proxy#1"):
        await client.start(trial.shell(name, "exec sleep 1000"))
    assert not await client.end()
    left = [record["unit"] for record in read_records(trial.directory) if record["event"] == "left"]
    assert left[:2] == ["proxy#1", "web"]
    assert set(left[2:]) == {"db#1", "db#2"}


async def test_instances_that_do_not_listen_share_one_time_out(client: KeeperClient, trial: Trial) -> None:
    for number in range(3):
        await trial.started(client, f"u#{number}", "deaf", stop_timeout_ns=500 * MS)
    began = time.monotonic()
    assert not await client.end()
    assert 0.5 <= time.monotonic() - began < 1.4
    assert not trial.pids()


async def test_a_second_end_can_force_the_first(client: KeeperClient, trial: Trial) -> None:
    await trial.started(client, "u", "deaf", stop_timeout_ns=60 * S)
    began = time.monotonic()
    first = asyncio.create_task(client.end())
    await eventually_async(lambda: '"act":"end"' in (trial.directory / "keeper.jsonl").read_text(), "it is ending")
    with pytest.raises(SupervisorError, match="v is not started: the trial is being ended"):
        await client.start(trial.shell("v", "exec sleep 1000"))
    assert not await client.end(force=True)
    assert not await first
    assert time.monotonic() - began < 5
    assert not trial.pids()


async def test_held_paused_and_waiting_units_end_too(client: KeeperClient, trial: Trial) -> None:
    await trial.started(client, "paused")
    await client.pause("paused")
    await client.start(trial.shell("held", "exec sleep 1000"))
    await client.kill("held", 200 * MS)
    await client.start(trial.shell("waiting", "exit 1", backoff_ns=200 * MS))
    await reaches(client, "waiting", UnitState.BACKING_OFF)
    changes = client.changes()
    assert not await client.end()
    assert {status.name: status.state async for status in changes} == dict.fromkeys(
        ("paused", "held", "waiting"), UnitState.ENDED
    )
    assert "asked" in trial.told("paused"), "it was resumed, and asked to end"


async def test_claimed_directories_are_gone_unless_kept(client: KeeperClient, trial: Trial, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    (tmp_path / "precious").mkdir()
    (tmp_path / "precious" / "file").write_text("x")
    await client.claim(directories=[trial.directory / "data", outside])
    assert outside.stat().st_mode & 0o777 == 0o700
    (outside / "link").symlink_to(tmp_path / "precious")
    (outside / "sub").mkdir()
    assert not await client.end()
    assert not outside.exists()
    assert not (trial.directory / "data").exists()
    assert (tmp_path / "precious" / "file").exists()
    async with await KeeperClient.launch(trial.directory) as again:
        await again.claim(directories=[outside])
        assert not await again.end(keep_directories=True)
    assert outside.exists()


async def test_what_must_not_be_removed_cannot_be_claimed(client: KeeperClient, trial: Trial, tmp_path: Path) -> None:
    full = tmp_path / "full"
    full.mkdir()
    (full / "file").write_text("x")
    (tmp_path / "link").symlink_to(full)
    for path, why in {
        Path("/"): "would remove",
        Path("/usr"): "part of the system",
        Path.home(): "would remove",
        trial.directory: "would remove",
        trial.directory.parent: "would remove",
        Path("relative"): "not absolute",
        tmp_path / "link": "symbolic link",
        full: "has contents already",
    }.items():
        with pytest.raises(SupervisorError, match=why):
            await client.claim(directories=[path])


async def test_a_taken_port_cannot_be_claimed(client: KeeperClient) -> None:
    script = "import socket,sys; s=socket.create_server(('127.0.0.1',0)); print(s.getsockname()[1]); sys.stdout.flush()"
    with subprocess.Popen(  # noqa: ASYNC220 - a foreign process
        [sys.executable, "-c", f"{script}; sys.stdin.read()"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as foreign:
        assert foreign.stdout is not None
        port = int(foreign.stdout.readline())
        with pytest.raises(SupervisorError, match=rf"port {port} is taken by pid {foreign.pid} \(python"):
            await client.claim(ports=[port])
        foreign.communicate()
    await client.claim(ports=[port])


async def test_a_port_that_others_reuse_is_no_residue(client: KeeperClient, trial: Trial) -> None:
    port = free_port()
    await client.claim(ports=[port])
    script = f"import socket,time; s=socket.create_server(('127.0.0.1',{port})); time.sleep(1000)"
    await client.start(trial.order("u", sys.executable, "-c", script, trial.mark))
    await eventually_async(lambda: port in procfs.listeners(), "it listens")
    await client.kill("u", None)
    with socket.create_server(("127.0.0.1", port)):
        assert not await client.end()


async def test_an_adopted_process_ends_with_the_rest(client: KeeperClient, trial: Trial) -> None:
    with subprocess.Popen(["sh", "-c", "sleep 1000 & wait", trial.mark]) as adopted:  # noqa: ASYNC220 - one that the keeper did not start
        await client.adopt(adopted.pid, "a worker")
        with pytest.raises(SupervisorError, match="it is seatrial itself"):
            await client.adopt(os.getpid(), "me")
        with pytest.raises(SupervisorError, match="no such process"):
            await client.adopt(1 << 22, "nobody")
        await eventually_async(lambda: procfs.children(adopted.pid), "it has a child")
        [child] = procfs.children(adopted.pid)
        identity = procfs.identify(child)
        assert identity is not None
        assert not await client.end()
        assert adopted.wait() == -signal.SIGTERM
        assert not procfs.is_alive(identity)


async def test_a_full_disk_stops_orders_but_not_the_healing(trial: Trial) -> None:
    async with await KeeperClient.launch(trial.directory) as client:
        await trial.started(client, "u")
        await client.pause("u")
        size = (trial.directory / "keeper.jsonl").stat().st_size
        resource.prlimit(client.keeper.pid, resource.RLIMIT_FSIZE, (size, size))
        with pytest.raises(SupervisorError, match=r"cannot write keeper\.jsonl: File too large"):
            await client.kill("u", None)
        assert len(trial.pids()) == 3
        assert not await client.end()
        assert not trial.pids()
    assert "cannot write" in (trial.directory / "keeper.log").read_text()
