"""Names that a process holds for as long as it lives."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from seatrial.core import procfs
from seatrial.core.locks import Locks, holder_of
from seatrial.core.processes import ProcessId


@pytest.fixture
def me() -> ProcessId:
    found = procfs.identify(os.getpid())
    assert found is not None
    return found


@pytest.fixture
def dead() -> ProcessId:
    with subprocess.Popen(["sleep", "0"]) as process:
        found = procfs.identify(process.pid)
    assert found is not None
    return found


def test_a_name_is_held_by_one_living_process(tmp_path: Path, me: ProcessId, dead: ProcessId) -> None:
    locks = Locks(tmp_path / "locks")
    assert locks.take("a", dead) is None
    assert locks.take("a", me) is None
    assert locks.take("a", dead) == me
    assert holder_of(tmp_path / "locks" / "a") == me


def test_only_what_is_ones_own_is_given_back(tmp_path: Path, me: ProcessId, dead: ProcessId) -> None:
    locks = Locks(tmp_path / "locks")
    for name, owner in {"a": me, "b": dead, "c": dead}.items():
        locks.take(name, owner)
    (tmp_path / "locks" / "no-lock").touch()
    locks.give_back([dead], ["a", "b"])
    assert sorted(path.name for path in (tmp_path / "locks").glob("[a-z]*")) == ["a", "c", "no-lock"]
    locks.give_back([dead, me])
    assert [path.name for path in (tmp_path / "locks").glob("[a-z]*")] == ["no-lock"]


def test_nothing_is_made_to_give_nothing_back(tmp_path: Path, me: ProcessId) -> None:
    Locks(tmp_path / "locks").give_back([me])
    assert not (tmp_path / "locks").exists()
