"""What processes run, read from the kernel: programs of leaders and of their descendants."""

from __future__ import annotations

import hashlib
import os
import platform
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from seatrial.core import procfs
from seatrial.core.processes import ProcessId
from seatrial.platforms.parts import parts_of


@pytest.fixture
def sleeper(tmp_path: Path) -> Iterator[tuple[subprocess.Popen[bytes], Path]]:
    """A Python with a child that runs a program of its own name."""
    program = tmp_path / "tide"
    shutil.copy(shutil.which("sleep") or "/bin/sleep", program)
    code = f"import subprocess; subprocess.run([{str(program)!r}, '60'])"
    with subprocess.Popen([sys.executable, "-c", code]) as process:
        yield process, program
        for one in procfs.descendants([identified(process.pid)]):
            os.kill(one.pid, 9)


def identified(pid: int) -> ProcessId:
    found = procfs.identify(pid)
    assert found is not None
    return found


def test_programs_of_a_process_and_its_descendants(sleeper: tuple[subprocess.Popen[bytes], Path]) -> None:
    process, program = sleeper
    leader = identified(process.pid)
    deadline = time.monotonic() + 20
    while "tide" not in {p.name for p in parts_of({"web#1": leader})}:
        assert time.monotonic() < deadline
    first, other = parts_of({"web#1": leader})
    assert (first.subject, first.version) == ("web#1", platform.python_version())
    assert first.name.startswith("python3")
    assert (other.subject, other.name, other.version) == (
        "web#1 tide",
        "tide",
        "",
    )  # nobody asks it: who knows what it would do
    assert other.digest == "sha256:" + hashlib.sha256(program.read_bytes()).hexdigest()


def test_a_program_that_was_replaced_is_still_the_one_that_runs(sleeper: tuple[subprocess.Popen[bytes], Path]) -> None:
    process, program = sleeper
    leader = identified(process.pid)
    deadline = time.monotonic() + 20
    while len(before := list(parts_of({"web#1": leader}))) < 2:
        assert time.monotonic() < deadline
    program.unlink()
    program.write_text("another")
    assert [(p.name, p.digest) for p in parts_of({"web#1": leader})] == [(p.name, p.digest) for p in before]


def test_who_has_gone_has_no_parts() -> None:
    assert list(parts_of({"web#1": ProcessId(boot=procfs.boot_id(), pid=2**22 - 1, started=1)})) == []
