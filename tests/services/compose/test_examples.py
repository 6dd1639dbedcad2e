"""Both examples on containers, by the spec that they have for processes: GO, and what is made wrong is noticed."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

pytestmark = [pytest.mark.docker, pytest.mark.example, pytest.mark.timeout(700)]

EXAMPLES = Path(__file__).parents[3] / "examples"


def seatrial(command: str, example: str, directory: Path, *more: str) -> subprocess.CompletedProcess[str]:
    """The example on its compose file."""
    where = EXAMPLES / example
    words = [command, str(where), "--stack", str(where / "compose.yaml"), "--directory", str(directory), *more]
    return subprocess.run([sys.executable, "-m", "seatrial", *words], capture_output=True, text=True, check=False)


def report(directory: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((directory / "latest/report.json").read_text())
    return found


def test_every_blocking_line_of_the_marketplace_is_go(tmp_path: Path) -> None:
    done = seatrial("run", "marketplace", tmp_path)
    assert done.returncode == 0, done.stdout[-8000:] + done.stderr
    found = report(tmp_path)
    assert found["verdict"] == "GO"
    assert not [f["id"] for f in found["findings"] if f["severity"] == "blocking" and f["verdict"] != "PASS"]


def test_calls_and_requests_between_containers_are_answered_by_their_links(tmp_path: Path) -> None:
    spec = Path(__file__).with_name("answered.yaml")
    words = ["run", str(spec), "--directory", str(tmp_path)]
    done = subprocess.run([sys.executable, "-m", "seatrial", *words], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-8000:] + done.stderr
    assert report(tmp_path)["verdict"] == "GO"


def test_the_shop_is_go(tmp_path: Path) -> None:
    done = seatrial("run", "jewelry-shop", tmp_path)
    assert done.returncode == 0, done.stdout[-8000:] + done.stderr
    assert report(tmp_path)["verdict"] == "GO"


@pytest.mark.parametrize("variant", ["tenant-leak", "standby-missing"])
def test_a_shop_made_wrong_is_found_out(variant: str, tmp_path: Path) -> None:
    done = seatrial("variants", "jewelry-shop", tmp_path, "--no-control", "--only", variant)
    assert done.returncode == 0, done.stdout[-8000:] + done.stderr
