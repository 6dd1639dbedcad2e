"""Whose shared memory is whose, by the kernel's table."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from seatrial.core import procfs
from seatrial.keeper.memory import Memory
from seatrial.keeper.records import Records, read_records

HEAD = "key shmid perms size cpid lpid nattch uid gid cuid cgid atime dtime ctime rss swap\n"


def table(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *rows: tuple[int, int, int]) -> None:
    """Rows of number, maker, UNIX time of the making."""
    file = tmp_path / "shm"
    file.write_text(HEAD + "".join(f"7 {n} 600 56 {pid} {pid} 0 0 0 0 0 0 0 {at} 0 0\n" for n, pid, at in rows))
    monkeypatch.setattr("seatrial.keeper.memory._TABLE", file)


def test_only_what_our_process_itself_made_is_ours(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    me, now = procfs.identify(os.getpid()), int(time.time())
    assert me is not None
    table(tmp_path, monkeypatch, (1, me.pid, now), (2, me.pid, now - 10 * 24 * 3600), (3, 1, now))
    records, memory = Records(tmp_path), Memory()
    memory.note([me], records)
    memory.note([me], records)
    assert [record["number"] for record in read_records(tmp_path)] == [1], "2 is an earlier process's with that pid"
    records.close()


def test_a_number_that_was_given_to_another_is_not_removed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    table(tmp_path, monkeypatch, (1, 4711, 0))
    monkeypatch.setattr("seatrial.keeper.memory._libc", None)  # nothing may be asked of it
    other_maker = {"event": "memory", "number": 1, "key": 7, "maker": 4712}
    assert Memory.recorded([other_maker, {"event": "memory", "number": "?"}]).remove() == []


def test_a_kernel_without_it_has_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("seatrial.keeper.memory._TABLE", tmp_path / "absent")
    assert Memory.recorded([{"event": "memory", "number": 1, "key": 7, "maker": 1}]).remove() == []
