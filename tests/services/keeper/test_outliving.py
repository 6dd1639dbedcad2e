"""What outlives the processes that made it: shared memory, locks of ports, the keeper's socket."""

from __future__ import annotations

import ctypes
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from keeper_support import HERE, Trial, eventually, eventually_async

from seatrial.core import procfs
from seatrial.core.locks import Locks
from seatrial.core.processes import ProcessId, UnitOrder
from seatrial.keeper import KeeperClient, undo

SEGMENTER = str(HERE / "segmenter.py")


def segments() -> set[int]:
    return {int(line.split()[1]) for line in Path("/proc/sysvipc/shm").read_text().splitlines()[1:]}


def told(file: Path) -> int:
    """The number of its segment, once it is made; -1 before."""
    return int(file.read_text().split()[0]) if file.exists() and file.read_text().endswith("\n") else -1


def shared(file: Path) -> Path:
    """Its file in /dev/shm."""
    return Path(file.read_text().split()[1])


def segmenter(trial: Trial, name: str) -> UnitOrder:
    return trial.order(name, sys.executable, SEGMENTER, trial.mark, str(trial.directory / name))


@pytest.fixture
def foreign(tmp_path: Path) -> Iterator[int]:
    """A segment whose maker, nobody's business, was killed: nobody is attached to it."""
    file = tmp_path / "foreign"
    with subprocess.Popen([sys.executable, SEGMENTER, "-", str(file)]) as process:
        eventually(lambda: told(file) >= 0, "it is made")
        process.kill()
    yield told(file)
    ctypes.CDLL(None).shmctl(told(file), 0, None)
    shared(file).unlink()


async def die(client: KeeperClient) -> None:
    """The keeper alone is killed: its units live on."""
    os.kill(client.keeper.pid, signal.SIGKILL)
    await eventually_async(lambda: not procfs.is_alive(client.keeper), "the keeper is dead")


async def test_undo_removes_the_shared_memory_of_what_it_kills(trial: Trial, foreign: int, tmp_path: Path) -> None:
    async with await KeeperClient.launch(trial.directory) as client:
        await client.start(segmenter(trial, "u"))
        await eventually_async(lambda: told(trial.directory / "u") in segments(), "it has its segment")
        await die(client)
    assert undo(trial.directory).clean
    assert told(trial.directory / "u") not in segments()
    assert not shared(trial.directory / "u").exists()
    assert foreign in segments()
    assert shared(tmp_path / "foreign").exists()


async def test_undo_removes_the_shared_memory_of_what_was_killed_before(trial: Trial) -> None:
    async with await KeeperClient.launch(trial.directory) as client:
        for name in ("killed", "crashed"):
            await client.start(segmenter(trial, name))
            await eventually_async(lambda name=name: told(trial.directory / name) >= 0, "it has its segment")
        await client.kill("killed", None)
        records = trial.directory / "keeper.jsonl"
        await eventually_async(
            lambda: f'"number":{told(trial.directory / "crashed")},' in records.read_text(), "a look has seen it"
        )
        status = (await client.statuses())["crashed"]
        await die(client)
        assert status.process is not None
        os.kill(status.process.pid, signal.SIGKILL)
    numbers = {told(trial.directory / name) for name in ("killed", "crashed")}
    assert numbers <= segments()
    assert undo(trial.directory).clean
    assert not numbers & segments()
    assert not shared(trial.directory / "killed").exists()
    shared(trial.directory / "crashed").unlink()  # nobody had seen whose it was


async def test_a_trial_that_ends_removes_the_shared_memory_of_what_it_killed(
    client: KeeperClient, trial: Trial
) -> None:
    await client.start(segmenter(trial, "u"))
    await eventually_async(lambda: told(trial.directory / "u") >= 0, "it has its segment")
    await client.kill("u", None)
    assert told(trial.directory / "u") in segments(), "a server that is started again wants to find it"
    assert shared(trial.directory / "u").exists()
    assert not await client.end()
    assert told(trial.directory / "u") not in segments()
    assert not shared(trial.directory / "u").exists()


async def test_shared_memory_that_others_use_is_said_and_left_to_them(trial: Trial, tmp_path: Path) -> None:
    script = (
        "import ctypes,mmap,sys; c=ctypes.CDLL(None); c.shmat.restype=ctypes.c_void_p; c.shmat(int(sys.argv[1]),None,0);"
        "f=open(sys.argv[2],'r+b'); m=mmap.mmap(f.fileno(),4096);"
        "print(flush=True); sys.stdin.read(); c.shmctl(int(sys.argv[1]),0,None)"
    )
    async with await KeeperClient.launch(trial.directory) as client:
        await client.start(segmenter(trial, "u"))
        await eventually_async(lambda: told(trial.directory / "u") >= 0, "it has its segment")
        number, file = told(trial.directory / "u"), shared(trial.directory / "u")
        with subprocess.Popen(  # noqa: ASYNC220 - a foreign process
            [sys.executable, "-c", script, str(number), str(file)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
        ) as other:
            assert other.stdout is not None
            assert other.stdout.readline() == b"\n"
            residue = await client.end()
            assert residue.memory == (
                f"{file}: mapped by others than the trial's",
                f"shared memory {number}: attached by 1 who are not the trial's",
            )
            assert number in segments()
            assert file.exists()
            other.communicate()
            file.unlink()


async def test_a_file_that_was_there_before_the_trial_stays(trial: Trial) -> None:
    with tempfile.NamedTemporaryFile(dir="/dev/shm") as file:
        file.truncate(4096)
        script = f"import mmap,time; f=open({file.name!r},'r+b'); m=mmap.mmap(f.fileno(),4096); time.sleep(1000)"
        async with await KeeperClient.launch(trial.directory) as client:
            status = await client.start(trial.order("u", sys.executable, "-c", script, trial.mark))
            assert status.process is not None
            pid = status.process.pid
            await eventually_async(lambda: procfs.mapped_files(pid, "/dev/shm/"), "it has mapped it")
            assert not await client.end()
        assert Path(file.name).exists()


async def hold(client: KeeperClient, locks: Locks, other: ProcessId) -> None:
    await client.claim(locks=[locks.directory])
    for name in ("1", "2"):
        assert locks.take(name, client.keeper) is None
    assert locks.take("3", other) is None


def names(locks: Locks) -> list[str]:
    return sorted(path.name for path in locks.directory.glob("[0-9]*"))


async def test_the_locks_that_a_keeper_holds_end_with_it(client: KeeperClient, tmp_path: Path) -> None:
    locks, me = Locks(tmp_path / "locks"), procfs.identify(os.getpid())
    assert me is not None
    await hold(client, locks, me)
    assert not await client.end()
    assert names(locks) == ["3"]


async def test_undo_gives_back_the_locks_of_a_killed_keeper(trial: Trial, tmp_path: Path) -> None:
    locks, me = Locks(tmp_path / "locks"), procfs.identify(os.getpid())
    assert me is not None
    async with await KeeperClient.launch(trial.directory) as client:
        await hold(client, locks, me)
        await die(client)
    assert locks.take("2", me) is None, "a dead process's lock is free to be taken over"
    assert undo(trial.directory).clean
    assert names(locks) == ["2", "3"]


def test_undo_removes_a_socket_that_was_about_to_be_served(trial: Trial, tmp_path: Path) -> None:
    """A keeper killed between making its socket and saying that it is there."""
    path = tmp_path / "seatrial-0123.sock"
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(path))
    record = {"event": "intent", "act": "listen", "socket": str(path)}
    (trial.directory / "keeper.jsonl").write_text(json.dumps(record) + "\n")
    assert undo(trial.directory).clean
    assert not path.exists()


async def test_a_keeper_says_first_where_it_will_listen(client: KeeperClient, trial: Trial) -> None:
    first, second = (trial.directory / "keeper.jsonl").read_text().splitlines()[:2]
    assert json.loads(first)["act"] == "listen"
    assert json.loads(first)["socket"] == json.loads(second)["socket"]


async def test_clients_end_before_the_servers_that_they_ask(client: KeeperClient, trial: Trial) -> None:
    """A client that outlived its server would go on asking at a port that may be anybody's by then."""
    order = trial.directory / "order"
    script = f"trap 'echo %s >> {order}; exit' TERM; echo ready >> {trial.directory}/%s; while :; do sleep 0.05; done"
    await client.start(trial.shell("server", script % ("server", "server")))
    argv = ["sh", "-c", script % ("client", "client"), trial.mark]
    with subprocess.Popen(argv) as adopted:  # noqa: ASYNC220 - one that the keeper did not start
        await client.adopt(adopted.pid, "a client")
        await eventually_async(
            lambda: all((trial.directory / name).exists() for name in ("server", "client")), "both are ready"
        )
        assert not await client.end()
    assert order.read_text().split() == ["client", "server"]
