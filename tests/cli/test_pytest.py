"""A spec as a test file of pytest: its findings are tests, and what was not shown is no pass and no skip."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

SPEC = """\
seatrial: 1
stack: {{remote: {{services: {{web: '{url}'}}}}}}
requirements: {{R-1: it answers}}
scenarios:
  up:
    covers: [R-1]
    steps:
      - {{http: GET /ok, at: web, id: answers, expect: status == 200}}
  more:
    steps:
      - {{http: GET /nowhere, at: web, id: found, severity: {severity}, expect: status == 200}}
      - {{http: GET /ok, at: web, id: unknown, severity: {severity}, expect: json.missing == 1}}
"""


def run(directory: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    argv = [sys.executable, "-m", "pytest", "-p", "seatrial.pytest_plugin", "-p", "no:cacheprovider", "-rA", *arguments]
    environment = {k: v for k, v in os.environ.items() if not k.startswith("PYTEST")}
    environment["PYTEST_DISABLE_PLUGIN_AUTOLOAD"] = "1"  # the others take seconds to import
    return subprocess.run(
        argv, cwd=directory, env=environment, capture_output=True, text=True, timeout=120, check=False
    )


@pytest.fixture
def spec(tmp_path: Path, service: str) -> Path:
    (tmp_path / "pytest.ini").write_text("[pytest]\n")
    (tmp_path / "seatrial.yaml").write_text(SPEC.format(url=service, severity="blocking"))
    return tmp_path


def test_findings_are_tests(spec: Path) -> None:
    done = run(spec, "seatrial.yaml")
    assert done.returncode == 1
    assert "PASSED seatrial.yaml::up/answers" in done.stdout
    assert "FAILED seatrial.yaml::more/found" in done.stdout
    assert "status is 404; wanted == 200" in done.stdout
    assert "seatrial explain more/found" in done.stdout
    assert "ERROR seatrial.yaml::more/unknown" in done.stdout, done.stdout  # not shown: never a skip, never a pass
    assert "seatrial: NO-GO" in done.stdout
    assert "report.html" in done.stdout
    assert "Traceback" not in done.stdout + done.stderr


def test_some_of_them_run_their_scenario_alone(spec: Path) -> None:
    done = run(spec, "seatrial.yaml", "-k", "answers or steady")
    assert done.returncode == 0, done.stdout
    assert "2 passed" in done.stdout
    assert len(list((spec / ".seatrial/trials").iterdir())) == 1
    assert "more/found" not in (next((spec / ".seatrial/trials").iterdir()) / "report.json").read_text()


def test_what_does_not_decide_is_an_expected_failure(spec: Path, service: str) -> None:
    (spec / "seatrial.yaml").write_text(SPEC.format(url=service, severity="non-blocking"))
    done = run(spec, "seatrial.yaml")
    assert done.returncode == 0, done.stdout
    assert "2 xfailed" in done.stdout
    assert "non-blocking, FAIL: status is 404; wanted == 200" in done.stdout


def test_it_is_collected_where_it_is_named_or_wanted(spec: Path) -> None:
    assert run(spec).returncode == 5  # nothing collected
    assert run(spec, "--collect-only").returncode == 5
    with (spec / "pytest.ini").open("a") as file:
        file.write("seatrial = true\n")
    done = run(spec, "--collect-only", "-q")
    assert "seatrial.yaml::up/answers" in done.stdout
    assert not (spec / ".seatrial").exists()


def test_workers_cannot_share_a_trial(spec: Path) -> None:
    done = run(spec, "seatrial.yaml", "-p", "xdist", "-n", "2")
    assert done.returncode != 0
    assert "cannot be shared out among pytest-xdist's workers" in done.stdout
    assert not (spec / ".seatrial").exists()


def test_a_wrong_spec_is_told_as_everywhere(spec: Path) -> None:
    (spec / "seatrial.yaml").write_text("seatrial: 1\nstak: {}\n")
    done = run(spec, "seatrial.yaml")
    assert done.returncode == 2
    assert 'seatrial.yaml:2:1: unknown key "stak"' in done.stdout
    assert "Traceback" not in done.stdout


def test_a_system_that_is_not_there_is_an_error_of_each(spec: Path) -> None:
    (spec / "seatrial.yaml").write_text(SPEC.format(url="http://127.0.0.1:1", severity="blocking"))
    done = run(spec, "seatrial.yaml")
    assert done.returncode == 1
    assert "passed" not in done.stdout.splitlines()[-1]
    assert "skipped" not in done.stdout
