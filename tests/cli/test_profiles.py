"""Profiles in a trial: every report says what was done in place of what, and a short run claims nothing that needs the whole time."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from pathlib import Path

import jsonschema
import pytest

Run = Callable[..., subprocess.CompletedProcess[str]]
SPEC = """\
seatrial: 1
name: profiled
stack: {{remote: {{services: {{web: '{url}'}}}}}}
requirements: {{R-1: it is fast enough, R-2: it does not grow}}
profiles: {{spike: {{users: {{spike: {{base: 2, peak: 6, after: 2m, for: 1m}}}}}}}}
loads:
  crowd: {{http: GET /, at: web, profile: {profile}, think: 20ms, window: 200ms}}
scenarios:
  quick:
    covers: [R-1]
    steps: [{{load: crowd}}]
    expect: {{fast: crowd.p95 < 5s}}
  grows:
    covers: [R-2]
    full-length: true
    steps: [{{load: crowd}}]
    expect: {{fast: crowd.p95 < 5s}}
"""


def test_a_scaled_trial_says_so_and_leaves_the_full_length_open(seatrial: Run, service: str, tmp_path: Path) -> None:
    (tmp_path / "seatrial.yaml").write_text(SPEC.format(url=service, profile="spike"))
    done = seatrial("run", "--scale", "0.01")
    words = "profile spike, scaled to 0.01: 3s instead of 5m"
    assert done.returncode == 2, done.stdout + done.stderr
    assert f"crowd: {words}" in done.stdout
    report = json.loads((tmp_path / ".seatrial/latest/report.json").read_text())
    found = {f["id"]: f for f in report["findings"]}
    assert found["quick/fast"]["verdict"] == "PASS", found["quick/fast"]
    assert (found["grows/fast"]["verdict"], found["grows/fast"]["exercised"]) == ("INCONCLUSIVE", False)
    assert found["grows/fast"]["reason"] == "not exercised: it needs the full length, and profiles are scaled to 0.01"
    assert report["requirements"]["R-2"]["verdict"] == "INCONCLUSIVE"
    assert report["profiles"] == [f"crowd: {words}"]
    assert report["trial"]["scale"] == 0.01
    (load,) = report["workloads"]
    assert load["profile"]["text"] == words
    assert load["users"] == {"spike": {"base": 2, "peak": 6, "after_ns": 1_200_000_000, "for_ns": 600_000_000}}
    jsonschema.validate(report, json.loads(seatrial("schema", "report").stdout))
    html = (tmp_path / ".seatrial/latest/report.html").read_text()
    assert html.count(words) >= 2  # at the top, and in the table of loads
    series = json.loads(html.split('id="data">')[1].split("</script>")[0])["series"]["crowd"]["users"]
    assert {2, 6} <= set(series) <= {2, 6, None}


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--profile", "smokee"), 'Did you mean "smoke"?'),
        (("--scale", "0"), "--scale 0 is no factor"),
        (("--scale", "half"), "valid number"),
    ],
)
def test_mistakes_are_told(seatrial: Run, service: str, tmp_path: Path, arguments: tuple[str, ...], words: str) -> None:
    (tmp_path / "seatrial.yaml").write_text(SPEC.format(url=service, profile="load"))
    done = seatrial("run", *arguments)
    assert done.returncode == 3
    assert words in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("command", [("run", "--dry-run"), ("plan",)])
def test_a_plan_shows_which_profile_and_what_cannot_be_exercised(
    seatrial: Run, service: str, tmp_path: Path, command: tuple[str, ...]
) -> None:
    (tmp_path / "seatrial.yaml").write_text(SPEC.format(url=service, profile="endurance"))
    shown = seatrial(*command, "--profile", "smoke").stdout
    assert "load crowd: profile smoke in place of endurance (1h): 2m" in shown
    assert "not exercised: it needs the full length, and has a shorter profile" in shown
    assert "profiles are scaled to 0.1" in seatrial(*command, "--scale", "0.1").stdout
    for arguments in ((), ("--scale", "2")):
        shown = seatrial(*command, *arguments).stdout
        assert "grows" in shown
        assert "not exercised" not in shown
    wrong = seatrial(*command, "--tags", "browse")
    assert (wrong.returncode, "no user and no task has the tag 'browse'" in wrong.stderr) == (3, True)


def test_lint_looks_at_the_loads_that_would_run(seatrial: Run, service: str, tmp_path: Path) -> None:
    (tmp_path / "seatrial.yaml").write_text(
        SPEC.format(url=service, profile="endurance").replace("think: 20ms", "warm-up: 3m")
    )
    assert seatrial("lint").returncode == 0
    assert seatrial("lint", "--scale", "0.1").returncode == 0
    done = seatrial("lint", "--profile", "smoke")
    assert done.returncode == 3
    assert "nothing is judged: the load takes 2m 0s, its warm-up 3m 0s" in done.stderr


def test_users_who_still_come_are_judged_by_those_that_were_asked_for(
    seatrial: Run, service: str, tmp_path: Path
) -> None:
    (tmp_path / "seatrial.yaml").write_text(
        f"seatrial: 1\nstack: {{remote: {{services: {{web: '{service}'}}}}}}\nloads:\n"
        "  crowd: {http: GET /, at: web, users: {ramp: {from: 1, to: 600, over: 60s}}, think: 100ms}\n"
        "  look: {http: GET /, at: web, rate: 10/s, for: 3s}\n"
        "scenarios: {up: {throughout: [crowd], steps: [{load: look}], expect: {fast: crowd.p50 < 5s and crowd.ok > 20}}}\n"
    )
    done = seatrial("run")
    assert done.returncode == 0, done.stdout + done.stderr
