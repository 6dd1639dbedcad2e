"""What was done to a running system is undone, whatever ended the trial."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from pathlib import Path

import pytest
from keeper_support import Trial, eventually, eventually_async

from seatrial.core import procfs
from seatrial.core.errors import SupervisorError
from seatrial.keeper import KeeperClient, undo
from seatrial.keeper.records import read_records

S = 1_000_000_000
# An owner that does something, and has it undone; it says so, and waits to be killed.
OWNER = """
import asyncio, sys
from pathlib import Path
from seatrial.keeper import KeeperClient

async def main():
    client = await KeeperClient.launch(Path(sys.argv[1]))
    for name in ("first", "second"):
        await client.remedy(name, [["sh", "-c", f"echo {name} >> {sys.argv[2]}"]])
    print("ready", flush=True)
    await asyncio.Event().wait()

asyncio.run(main())
"""


def say(file: Path, word: str) -> list[list[str]]:
    return [["sh", "-c", f"echo {word} >> {file}"]]


def said(file: Path) -> list[str]:
    return file.read_text().split() if file.exists() else []


def while_it_lives(pid: str, file: Path, undone: Path) -> list[list[str]]:
    """Says whether a command still lives whose deed is undone here, and gives it time to do it."""
    script = (
        'alive() { read -r _ _ state _ < /proc/$p/stat && [ "$state" != Z ]; }; '
        'p=$(cat "$1"); alive && echo alive >> "$2"; : > "$3"; while alive && ! [ -e "$3.deed" ]; do sleep 0.01; done; '
        'rm -f "$3.deed"; echo undone >> "$2"'
    )
    return [["sh", "-c", script, "sh", pid, str(file), str(undone)]]


# A command that does its deed when that was undone already, in a crowd that takes a while to end.
LATE = 'for n in $(seq 20); do sleep 1000 & sleep 1000 & sleep 1000 & sleep 1000 & done; echo $$ > "$1"; '
LATE += 'until [ -e "$2" ]; do sleep 0.005; done; : > "$2.deed"; sleep 1000'


async def abandoned(trial: Trial, file: Path) -> asyncio.subprocess.Process:
    owner = await asyncio.create_subprocess_exec(
        sys.executable, "-c", OWNER, str(trial.directory), str(file), stdout=asyncio.subprocess.PIPE
    )
    assert owner.stdout is not None
    assert await owner.stdout.readline() == b"ready\n"
    return owner


async def test_the_last_deed_is_undone_first_when_all_ends(trial: Trial, tmp_path: Path) -> None:
    file = tmp_path / "said"
    async with await KeeperClient.launch(trial.directory) as client:
        for word in ("first", "second", "third"):
            await client.remedy(word, say(file, word))
        assert not said(file)
        assert not await client.end()
    assert said(file) == ["third", "second", "first"]


async def test_what_was_healed_is_not_undone_again(client: KeeperClient, tmp_path: Path) -> None:
    file = tmp_path / "said"
    await client.remedy("run", say(file, "run"))
    await client.remedy("otherwise", say(file, "otherwise"))
    await client.settle("run")
    assert said(file) == ["run"]
    await client.settle("otherwise", run=False)
    await client.settle("run")
    await client.settle("nobody knows it")
    assert not await client.end()
    assert said(file) == ["run"]


async def test_two_deeds_of_one_name_are_refused(client: KeeperClient, tmp_path: Path) -> None:
    await client.remedy("one", say(tmp_path / "said", "one"))
    with pytest.raises(SupervisorError, match="already"):
        await client.remedy("one", say(tmp_path / "said", "two"))


async def test_what_cannot_be_undone_is_said_and_is_residue(client: KeeperClient) -> None:
    await client.remedy("a rule", [["sh", "-c", "echo no such chain >&2; exit 2"], ["nobody-has-this-command"]])
    with pytest.raises(SupervisorError, match="a rule: no such chain"):
        await client.settle("a rule")
    residue = await client.end()
    [line] = residue.lines
    assert line.startswith("a rule: no such chain; ")
    assert "nobody-has-this-command" in line


async def test_a_deed_that_ended_with_its_process_needs_no_undoing(client: KeeperClient, tmp_path: Path) -> None:
    file = tmp_path / "said"
    process = await asyncio.create_subprocess_exec("sleep", "1000")
    guard = procfs.identify(process.pid)
    assert guard is not None
    await client.remedy("void", say(file, "void"), guard)
    process.kill()
    await process.wait()
    assert not await client.end()
    assert not said(file)


async def test_a_killed_owner_s_deeds_are_undone(trial: Trial, tmp_path: Path) -> None:
    file = tmp_path / "said"
    owner = await abandoned(trial, file)
    keeper = trial.keeper()
    owner.kill()
    await owner.wait()
    await eventually_async(lambda: not procfs.is_alive(keeper), "the keeper has ended")
    assert said(file) == ["second", "first"]


async def test_undo_undoes_what_both_left_behind_and_once(trial: Trial, tmp_path: Path) -> None:
    file = tmp_path / "said"
    owner = await abandoned(trial, file)
    os.kill(owner.pid, signal.SIGSTOP)
    os.kill(trial.keeper().pid, signal.SIGKILL)
    owner.kill()
    await owner.wait()
    eventually(lambda: not procfs.is_alive(trial.keeper()), "the keeper has ended")
    report = await asyncio.to_thread(undo, trial.directory)
    assert (report.undone, report.clean) == (("second", "first"), True)
    assert said(file) == ["second", "first"]
    again = await asyncio.to_thread(undo, trial.directory)
    assert again.undone == ()
    assert said(file) == ["second", "first"]


async def test_what_is_part_of_the_stack_stays_while_it_is_kept(trial: Trial, tmp_path: Path) -> None:
    file = tmp_path / "said"
    async with await KeeperClient.launch(trial.directory) as owner:
        await owner.remedy("of the owner", say(file, "owner"))
        await owner.remedy("of the stack", say(file, "stack"), stays=True)
        await owner.keep()
    await eventually_async(lambda: said(file) == ["owner"], "the owner's deed was undone")
    async with await KeeperClient.attach(trial.directory) as guest:
        assert not await guest.end()
    assert said(file) == ["owner", "stack"]


async def test_a_guest_s_deeds_end_with_its_visit(trial: Trial, tmp_path: Path) -> None:
    file = tmp_path / "said"
    async with await KeeperClient.launch(trial.directory) as owner:
        await owner.remedy("of the owner", say(file, "owner"))
        async with await KeeperClient.attach(trial.directory) as guest:
            await guest.remedy("of the guest", say(file, "guest"))
        await eventually_async(lambda: said(file) == ["guest"], "the guest's deed was undone")
        assert not await owner.end()
    assert said(file) == ["guest", "owner"]
    assert [r["name"] for r in read_records(trial.directory) if r["event"] == "remedy"] == [
        "of the owner",
        "of the guest",
    ]


async def test_what_is_being_undone_can_be_done_again_when_it_is(trial: Trial, tmp_path: Path) -> None:
    file = tmp_path / "said"
    gate = tmp_path / "gate"
    slow = ["sh", "-c", 'while [ ! -e "$1" ]; do sleep 0.02; done', "slow", str(gate)]
    async with await KeeperClient.launch(trial.directory) as owner:
        async with await KeeperClient.attach(trial.directory) as guest:
            await guest.remedy("the same", [slow, *say(file, "first")])
        async with await KeeperClient.attach(trial.directory) as guest:
            late = asyncio.create_task(guest.remedy("the same", say(file, "of one who has gone")))
            await asyncio.sleep(0)  # it is sent
        await asyncio.gather(late, return_exceptions=True)
        again = asyncio.create_task(owner.remedy("the same", say(file, "second")))
        await owner.remedy("another", say(file, "third"))  # whoever waits keeps nobody else waiting
        assert not again.done()
        gate.touch()
        await asyncio.wait_for(again, 20)
        assert said(file) == ["first"]
        with pytest.raises(SupervisorError, match="there is a remedy called 'another' already"):
            await owner.remedy("another", say(file, "fourth"))
        assert not await owner.end()
    assert said(file) == ["first", "second", "third"], "newest first"


async def test_a_guest_s_command_has_ended_before_what_it_does_is_undone(trial: Trial, tmp_path: Path) -> None:
    file, pid, undone = tmp_path / "said", tmp_path / "pid", tmp_path / "undone"
    async with await KeeperClient.launch(trial.directory) as owner:
        guest = await KeeperClient.attach(trial.directory)
        await guest.remedy("of the guest", while_it_lives(str(pid), file, undone))
        command = guest.run(["sh", "-c", LATE, trial.mark, str(pid), str(undone)], trial.surroundings, 1000 * S)
        work = asyncio.create_task(command)
        await eventually_async(lambda: pid.exists() and pid.read_text(), "the command runs")
        await guest.close()
        await asyncio.gather(work, return_exceptions=True)
        await eventually_async(lambda: "undone" in said(file), "the guest's deed was undone")
        assert said(file) == ["undone"]
        assert not await owner.end()


async def test_undo_ends_a_command_before_it_undoes_what_that_does(trial: Trial, tmp_path: Path) -> None:
    file, pid, undone = tmp_path / "said", tmp_path / "pid", tmp_path / "undone"
    owner = await KeeperClient.launch(trial.directory)
    await owner.remedy("a deed", while_it_lives(str(pid), file, undone))
    command = owner.run(["sh", "-c", LATE, trial.mark, str(pid), str(undone)], trial.surroundings, 1000 * S)
    work = asyncio.create_task(command)
    await eventually_async(lambda: pid.exists() and pid.read_text(), "the command runs")
    os.kill(trial.keeper().pid, signal.SIGKILL)
    await asyncio.gather(work, return_exceptions=True)
    await owner.close()
    assert trial.pids()
    report = await asyncio.to_thread(undo, trial.directory)
    assert (report.undone, report.clean, said(file)) == (("a deed",), True, ["undone"])
    assert not undone.with_name("undone.deed").exists()
    assert not trial.pids()


@pytest.mark.parametrize("by", ["the keeper", "undo"])
async def test_what_is_watched_is_watched_side_by_side_and_has_the_last_word(
    trial: Trial, tmp_path: Path, by: str
) -> None:
    file = tmp_path / "said"
    meet = 'echo "$1" >> "$3"; : > "$4/$1"; until [ -e "$4/$2" ]; do sleep 0.01; done'

    def meeting(one: str, other: str) -> list[list[str]]:
        return [["sh", "-c", meet, "meet", one, other, str(file), str(tmp_path)]]

    owner = await KeeperClient.launch(trial.directory)
    await owner.remedy("a", [*say(file, "undone-a"), ["false"]], watch=meeting("watched-a", "watched-b"))
    await owner.remedy("b", say(file, "undone-b"), watch=meeting("watched-b", "watched-a"))
    await owner.remedy("c", say(file, "undone-c"), watch=[["sh", "-c", "echo it stays >&2; false"]])
    if by == "undo":
        os.kill(trial.keeper().pid, signal.SIGKILL)
        await owner.close()
        residue = (await asyncio.to_thread(undo, trial.directory)).residue
    else:
        residue = await owner.end()
    assert residue.others == ("c: it stays",)
    words = said(file)
    assert [w for w in words if w.startswith("undone")] == ["undone-c", "undone-b", "undone-a"]
    assert sorted(w for w in words if w.startswith("watched")) == ["watched-a", "watched-b"]
