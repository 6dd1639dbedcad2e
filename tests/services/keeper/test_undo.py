"""`undo`: nothing is left when both died, and nothing else is touched."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest
from keeper_support import Owner, Trial, eventually

from seatrial.api.undoing import undo_trials
from seatrial.core import procfs
from seatrial.core.errors import SupervisorError
from seatrial.core.processes import ProcessId, Residue
from seatrial.keeper import list_owned, undo, undo_all
from seatrial.keeper.records import as_fields, read_records

S = 1_000_000_000

Own = Callable[..., Owner]


@pytest.fixture
def decoy() -> Iterator[subprocess.Popen[bytes]]:
    """A process that is nobody's business."""
    with subprocess.Popen(["sleep", "1000"], start_new_session=True) as process:
        yield process
        process.kill()


def abandon(trial: Trial, own: Own, *options: str) -> None:
    """Both the owner and the keeper die by SIGKILL; the owner stopped first, so that it cannot notice."""
    owner = own(trial, *options)
    owner.signal(signal.SIGSTOP)
    os.kill(trial.keeper().pid, signal.SIGKILL)
    owner.close()
    eventually(lambda: not procfs.is_alive(trial.keeper()), "the keeper has ended")
    assert len(trial.pids()) == 6


def append(trial: Trial, **record: object) -> None:
    with (trial.directory / "keeper.jsonl").open("a") as file:
        file.write(json.dumps(record) + "\n")


@pytest.mark.parametrize("options", [(), ("pause",)])
def test_undo_ends_what_both_left_behind(trial: Trial, own: Own, options: tuple[str, ...]) -> None:
    abandon(trial, own, *options)
    assert list_owned(trial.directory.parent) == ()
    [report] = undo_all(trial.directory.parent)
    assert report.clean
    assert not report.by_keeper
    assert not trial.pids()
    assert report.removed == (str(trial.directory / "data"),)
    assert len(report.ended) == 8, "two units of three processes with their guardians"
    assert any("seatrial-guard" in line for line in report.ended)
    [record] = [record for record in read_records(trial.directory) if record["event"] == "undo"]
    assert record["ended"] == list(report.ended)
    again = undo(trial.directory)
    assert (again.ended, again.removed, again.residue) == ((), (), Residue())


def test_undo_finds_what_was_never_recorded(trial: Trial, own: Own) -> None:
    """A daemon whose parents are gone and that no look had seen is still beneath its guardian."""
    abandon(trial, own)
    path = trial.directory / "keeper.jsonl"
    lines = [line for line in path.read_text().splitlines(keepends=True) if '"part":"descendant"' not in line]
    path.write_text("".join(lines))
    assert undo(trial.directory).clean
    assert not trial.pids()


def test_undo_manages_without_guardians(trial: Trial, own: Own) -> None:
    """And with the guardians killed as well, what was recorded is found although init is its parent now."""
    owner = own(trial)
    guardians = {record["pid"] for record in read_records(trial.directory) if record.get("part") == "guardian"}
    os.kill(trial.keeper().pid, signal.SIGKILL)
    for pid in guardians:
        assert isinstance(pid, int)
        os.kill(pid, signal.SIGKILL)
    owner.close()
    eventually(lambda: len(trial.pids()) == 6, "only the units are left")
    assert undo(trial.directory).clean
    assert not trial.pids()


def test_a_torn_record_is_tolerated(trial: Trial, own: Own) -> None:
    abandon(trial, own)
    path = trial.directory / "keeper.jsonl"
    with path.open("a") as file:
        file.write('{"event":"process","unit":"a#1","boot":"4f')
    assert undo(trial.directory).clean
    assert not trial.pids()
    assert list(read_records(trial.directory))[-1]["event"] == "undo"


def test_a_reused_pid_is_not_signalled(trial: Trial, decoy: subprocess.Popen[bytes], own: Own) -> None:
    abandon(trial, own)
    known = procfs.identify(decoy.pid)
    assert known is not None
    earlier = ProcessId(boot=known.boot, pid=known.pid, started=known.started - 1)
    other_boot = ProcessId(boot="11111111-1111-1111-1111-111111111111", pid=known.pid, started=known.started)
    for process in (earlier, other_boot):
        append(trial, event="process", unit="a#1", part="descendant", **as_fields(process))
    report = undo(trial.directory)
    assert not any(str(decoy.pid) in line for line in report.ended)
    assert decoy.poll() is None
    assert psutil.Process(decoy.pid).status() != psutil.STATUS_STOPPED


def test_records_of_another_pid_namespace_name_nobody_here(trial: Trial, decoy: subprocess.Popen[bytes]) -> None:
    """Containers on one machine share its boot id, and their pids mean other processes."""
    known = procfs.identify(decoy.pid)
    assert known is not None
    gone = ProcessId(boot=known.boot, pid=1 << 22, started=1)
    append(trial, event="keeper", pid_namespace="pid:[1]", socket="/nowhere", **as_fields(gone))
    append(trial, event="process", unit="a", part="leader", **as_fields(known))
    assert undo(trial.directory).ended == ()
    assert decoy.poll() is None


def test_other_trials_and_other_peoples_ports_stay(
    make_trial: Callable[[str], Trial], own: Own, decoy: subprocess.Popen[bytes], tmp_path: Path
) -> None:
    dead, live = make_trial("dead"), make_trial("live")
    own(live)
    before = set(live.pids())
    with socket.create_server(("127.0.0.1", 0)) as reused:
        abandon(dead, own)
        append(dead, event="port", port=reused.getsockname()[1])
        reports = {report.directory.name: report for report in undo_all(tmp_path)}
        assert reports["dead"].clean
        assert reports["dead"].residue == Residue()
    assert "is running" in reports["live"].refused
    assert not reports["live"].clean
    assert not dead.pids()
    assert set(live.pids()) == before
    assert decoy.poll() is None


def test_undo_of_all_goes_by_the_live_ones(
    make_trial: Callable[[str], Trial], own: Own, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """As the command does it: a live trial, first in order, neither keeps the dead from being undone nor is a failure."""
    (tmp_path / "trials").mkdir()
    live, dead = make_trial("trials/a-live"), make_trial("trials/b-dead")
    own(live)
    before = set(live.pids())
    abandon(dead, own)
    assert undo_trials(None, every=True, force=False, root=tmp_path) == 0
    assert not dead.pids()
    assert set(live.pids()) == before
    assert "a-live: nothing was done" in capsys.readouterr().out


def test_another_directory_in_the_place_of_a_claimed_one_stays(trial: Trial, tmp_path: Path) -> None:
    ours, theirs = tmp_path / "ours", tmp_path / "theirs"
    for directory in (ours, theirs):
        directory.mkdir()
        status = directory.lstat()
        inode = status.st_ino + (directory == theirs)
        append(trial, event="directory", path=str(directory), device=status.st_dev, inode=inode)
    append(trial, event="directory", path=str(tmp_path / "gone"), device=1, inode=1)
    (tmp_path / "link").symlink_to(theirs)
    append(trial, event="directory", path=str(tmp_path / "link"), device=status.st_dev, inode=status.st_ino)
    report = undo(trial.directory)
    assert report.removed == (str(ours),)
    assert theirs.exists()
    assert report.clean


def test_a_live_keeper_is_not_undone_unless_forced(trial: Trial, own: Own) -> None:
    own(trial, "keep")
    keeper = trial.keeper()
    with pytest.raises(SupervisorError, match=rf"keeper, pid {keeper.pid}, is alive\); nothing was undone"):
        undo(trial.directory)
    assert len(trial.pids()) == 7
    report = undo(trial.directory, force=True)
    assert report.clean
    assert report.by_keeper
    assert not procfs.is_alive(keeper)
    assert len(trial.pids()) == 1, "the owner itself is not ours to end"


def test_a_keeper_that_is_ending_is_waited_for(trial: Trial, own: Own) -> None:
    owner = own(trial)
    owner.close()
    report = undo(trial.directory)
    assert report.clean
    assert not trial.pids()


def test_a_stopped_keeper_is_ended_and_its_work_done(trial: Trial, own: Own) -> None:
    owner = own(trial)
    keeper = trial.keeper()
    os.kill(keeper.pid, signal.SIGSTOP)
    owner.close()
    report = undo(trial.directory)
    assert report.clean
    assert not report.by_keeper
    assert not procfs.is_alive(keeper)
    assert not trial.pids()


def test_what_does_not_belong_to_a_trial_is_nothing_to_undo(tmp_path: Path) -> None:
    assert undo(tmp_path).clean
    assert undo_all(tmp_path / "absent") == ()
    assert list_owned(tmp_path) == ()
    assert not list(tmp_path.iterdir())


def test_undo_of_a_trial_that_ended_in_order_does_nothing(trial: Trial, own: Own) -> None:
    own(trial).close()
    keeper = trial.keeper()
    eventually(lambda: not procfs.is_alive(keeper), "the keeper has ended")
    report = undo(trial.directory)
    assert (report.ended, report.removed, report.clean) == ((), (), True)


def test_a_keeper_killed_while_it_starts_units_leaves_none_unowned(trial: Trial) -> None:
    """At moments that differ: whatever is running then is in the records, and undone."""
    script = (
        "import asyncio,os,sys,pathlib\n"
        "from seatrial.keeper import KeeperClient\n"
        "from seatrial.core.processes import *\n"
        "d=pathlib.Path(sys.argv[1]); s=Surroundings(directory=d,environment={'PATH':os.environ['PATH']})\n"
        "async def main():\n"
        "  k=await KeeperClient.launch(d); print('ready',flush=True)\n"
        "  for n in range(1000):\n"
        "    await k.start(UnitOrder(name=f'u#{n}',argv=['sh','-c','sleep 1000; :',sys.argv[2]],surroundings=s,log=d/'l'))\n"
        "asyncio.run(main())\n"
    )
    for attempt in range(4):
        directory = trial.directory / str(attempt)
        inner = Trial(directory=directory, mark=trial.mark)
        with subprocess.Popen(
            [sys.executable, "-c", script, str(directory), trial.mark],
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        ) as owner:
            assert owner.stdout is not None
            assert owner.stdout.readline() == b"ready\n"
            at = time.monotonic() + 0.05 + 0.037 * attempt
            eventually(lambda at=at: time.monotonic() >= at, "its moment has come")
            os.kill(inner.keeper().pid, signal.SIGKILL)
            owner.kill()
        assert undo(directory).clean
        eventually(lambda: not trial.pids(), "what had not passed the gate is gone", 2)
