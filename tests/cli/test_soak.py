"""Soaks: rounds for a time, seen from outside while they go on, stopped, killed and gone on with; with a disk that does not fill."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Run = Callable[..., subprocess.CompletedProcess[str]]
SPEC = """\
seatrial: 1
name: endless
stack:
  services:
    web: {{command: "python -m http.server {{{{ instance.port.http }}}} --bind 127.0.0.1", directory: site, ports: auto}}
scenarios:
  works: {{steps: [{{http: GET /{page}, at: web, id: page, expect: status == 200 and took < 5s}}]}}
"""


@pytest.fixture
def spec(tmp_path: Path) -> Path:
    (tmp_path / "site").mkdir()
    (tmp_path / "site/there").write_text("x")
    (tmp_path / "seatrial.yaml").write_text(SPEC.format(page="there"))
    return tmp_path


def soaks(seatrial: Run) -> list[dict[str, Any]]:
    return [row for row in json.loads(seatrial("status", "--json").stdout) if "soak" in row]


def nearly_over(spec: Path) -> None:
    """As if it had been begun with little more time than it was watched."""
    file = next((spec / ".seatrial/soaks").glob("*/soak.json"))
    soak = json.loads(file.read_text())
    soak["for_ns"] = soak["watched_ns"] + 1_000_000_000
    file.write_text(json.dumps(soak))


def until(condition: Callable[[], bool], seconds: float = 60) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not come to be in time"
        time.sleep(0.1)


def test_rounds_until_the_time_is_over(seatrial: Run, spec: Path) -> None:
    done = seatrial("run", "--for", "3s")
    assert done.returncode == 0, done.stdout + done.stderr
    (soak,) = soaks(seatrial)
    assert soak["state"] == "ended"
    assert soak["outcome"] == "GO"
    assert soak["rounds"] > 4
    assert soak["findings"]["works/page"]["passed"] == soak["rounds"]
    assert soak["findings"]["trial/nothing-remains"]["passed"] == 1
    directory = next((spec / ".seatrial/soaks").iterdir())
    assert len((directory / "rounds.jsonl").read_text().splitlines()) == soak["rounds"]
    assert len(list((directory / "trials").iterdir())) == 4  # the stack, and the last rounds: the others went
    assert "no stack is kept" in seatrial("down").stderr


def test_one_bad_round_is_enough(seatrial: Run, spec: Path) -> None:
    (spec / "seatrial.yaml").write_text(SPEC.format(page="nowhere"))
    done = seatrial("run", "--for", "1s")
    assert done.returncode == 1
    assert "works/page" in done.stdout
    assert "round 1: status is 404; wanted == 200" in done.stdout
    trials = next((spec / ".seatrial/soaks").iterdir()) / "trials"
    assert any((t / "report.html").exists() for t in trials.iterdir())  # a round that was not GO can be looked at


def test_in_the_background_stopped_and_resumed(seatrial: Run, spec: Path) -> None:
    done = seatrial("run", "--for", "1h", "--detach")
    assert "goes on in the background" in done.stdout
    until(lambda: soaks(seatrial)[0]["rounds"] > 1)
    assert soaks(seatrial)[0]["state"] == "running"
    assert "GO" in seatrial("status").stdout
    again = seatrial("run", "--resume", "latest")
    assert again.returncode == 3
    assert "goes on in pid" in again.stderr
    assert seatrial("stop").returncode == 0
    until(lambda: soaks(seatrial)[0]["state"] == "stopped")
    before = soaks(seatrial)[0]
    assert before["outcome"] == "INCONCLUSIVE"  # what was not watched is not known
    assert "no stack is kept" in seatrial("down").stderr
    nearly_over(spec)
    done = seatrial("run", "--resume", "latest")
    assert done.returncode == 0, done.stdout + done.stderr
    after = soaks(seatrial)[0]
    assert after["rounds"] > before["rounds"]
    assert after["watched_ns"] >= after["for_ns"]
    assert "has ended" in seatrial("run", "--resume", "latest").stderr


def test_what_changed_over_a_break_voids_what_was_shown_before(seatrial: Run, spec: Path) -> None:
    with subprocess.Popen(
        [sys.executable, "-m", "seatrial", "run", "--for", "1h"], cwd=spec, stdout=subprocess.DEVNULL
    ) as soak:
        until(lambda: bool(found := soaks(seatrial)) and found[0]["rounds"] > 1)
        soak.terminate()
    (spec / "site/there").write_text("another")
    nearly_over(spec)
    done = seatrial("run", "--resume", "latest")
    assert done.returncode == 2, done.stdout + done.stderr
    assert "which voids the others" in done.stdout
    assert "what was tested changed meanwhile: web (site): there is not what it was in the first round" in done.stdout
    (after,) = soaks(seatrial)
    assert after["outcome"] == "INCONCLUSIVE"
    assert after["drifted"] == after["outcomes"]["INCONCLUSIVE"] > 0
    assert after["outcomes"]["GO"] > 1


def test_killed_and_resumed(seatrial: Run, spec: Path) -> None:
    with subprocess.Popen(
        [sys.executable, "-m", "seatrial", "run", "--for", "1h"], cwd=spec, stdout=subprocess.DEVNULL
    ) as soak:
        until(lambda: bool(found := soaks(seatrial)) and found[0]["rounds"] > 1)
        os.kill(soak.pid, signal.SIGHUP)  # its terminal goes
        rounds = soaks(seatrial)[0]["rounds"]
        until(lambda: soaks(seatrial)[0]["rounds"] > rounds)
        soak.kill()
    assert soaks(seatrial)[0]["state"] == "killed"
    nearly_over(spec)
    done = seatrial("run", "--resume", "latest")  # on the stack that its keeper has kept
    assert done.returncode == 0, done.stdout + done.stderr
    assert len(list(next((spec / ".seatrial/soaks").iterdir()).glob("trials/*-stack-*"))) == 1
    assert "no stack is kept" in seatrial("down").stderr


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--for", "5"), "has no unit"),
        (("--for", "0s"), "more than 0s"),
        (("--for", "5s", "--keep"), "--keep does not go with --for"),
        (("--resume", "latest", "--for", "5s"), "goes on as it was begun"),
        (("--resume", "nobody"), "no soak nobody"),
        (("--detach",), "goes with --for"),
        (("--for", "5s", "--only", "nothing"), "no scenario nothing"),
    ],
)
def test_mistakes_are_told(seatrial: Run, spec: Path, arguments: tuple[str, ...], words: str) -> None:
    done = seatrial("run", *arguments)
    assert done.returncode == 3
    assert words in done.stderr
    assert not (spec / ".seatrial/soaks").exists()
