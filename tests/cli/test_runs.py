"""A load that runs in several scenarios, and one that is another than in the trial before, on the command line."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

from seatrial.arrivals.samples import seal

Run = Callable[..., subprocess.CompletedProcess[str]]

SPEC = """\
seatrial: 1
name: twice
stack: {{remote: {{services: {{web: '{url}'}}}}}}
loads:
  rush: {{requests: [{{http: GET {path}, tag: page}}], at: web, rate: 50/s, for: 1s{more}}}
scenarios:
"""
SCENARIO = "  {name}: {{needs: [{needs}], steps: [{{load: rush}}], expect: {{some: rush.{figure}}}}}\n"


def write(directory: Path, url: str, *names: str, path: str = "/", more: str = "", figure: str = "ok > 1") -> None:
    """Scenarios that run one after the other."""
    scenarios = (
        SCENARIO.format(name=n, needs=before, figure=figure) for n, before in zip(names, ("", *names), strict=False)
    )
    (directory / "seatrial.yaml").write_text(SPEC.format(url=url, path=path, more=more) + "".join(scenarios))


def report(tmp_path: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((tmp_path / ".seatrial/latest/report.json").read_text())
    return found


def test_what_was_sent_before_in_another_way_is_no_baseline(seatrial: Run, service: str, tmp_path: Path) -> None:
    def why(name: str = "one", path: str = "/") -> str:
        more = ", baseline: last-good"
        write(tmp_path, service, name, path=path, more=more, figure="change.p95 < 100")
        assert seatrial("run").returncode == 2
        (finding,) = [f for f in report(tmp_path)["findings"] if f["id"] == f"{name}/some"]
        return str(finding["reason"])

    assert "has samples of rush" in why()
    assert "under 5 seconds" in why()  # it is compared, for as little as there is
    assert "did not send the same: its requests" in why(path="/ok")
    assert "did not send it in other" in why(name="other", path="/ok")
    assert "under 5 seconds" in why(name="other", path="/ok")


def test_runs_of_a_load_are_told_apart_and_kept_by_scenario(seatrial: Run, service: str, tmp_path: Path) -> None:
    write(tmp_path, service, "quiet", "busy")
    done = seatrial("run")
    assert done.returncode == 0, done.stdout + done.stderr
    latest = tmp_path / ".seatrial/latest"
    quiet, busy = report(tmp_path)["workloads"]
    assert [(r["scenario"], r["file"], r["valid"]) for r in (quiet, busy)] == [
        ("quiet", "samples/rush.load", True),
        ("busy", "samples/2/rush.load", True),
    ]
    assert quiet["digest"] == busy["digest"] != ""
    page = (latest / "report.html").read_text()
    assert page.count("rush in quiet") == page.count("rush in busy") == 2  # its records, and its curves

    done = seatrial("baseline", "keep", "latest", "--to", "last.load")
    assert "the last of 2 runs; --scenario chooses: quiet, busy" in done.stdout
    assert seal(tmp_path / "last.load") == (busy["rows"], busy["sha256"])
    done = seatrial("baseline", "keep", "latest", "--scenario", "quiet", "--to", "first.load")
    assert "rush in quiet of " in done.stdout
    assert seal(tmp_path / "first.load") == (quiet["rows"], quiet["sha256"])
    done = seatrial("baseline", "keep", "latest", "--scenario", "nowhere", "--to", "none.load")
    assert done.returncode == 3
    assert "it ran in: quiet, busy" in done.stderr
    assert not (tmp_path / "none.load").exists()


def test_a_search_is_no_baseline(seatrial: Run, service: str, tmp_path: Path) -> None:
    search = "search: {from: 20/s, to: 40/s, while: [errors < 90%], for: 1s, resolution: 50%}"
    write(tmp_path, service, "one")
    spec = (tmp_path / "seatrial.yaml").read_text().replace("rate: 50/s, for: 1s", search)
    (tmp_path / "seatrial.yaml").write_text(spec)
    assert seatrial("run").returncode == 0
    done = seatrial("baseline", "keep", "latest", "--to", "kept.load")
    assert done.returncode == 3
    assert "looked for its capacity" in done.stderr


def test_the_time_of_all_of_it_is_judged_at_the_end_and_unknown_of_a_part(
    seatrial: Run, tmp_path: Path, service: str
) -> None:
    (tmp_path / "seatrial.yaml").write_text(
        f"seatrial: 1\nstack: {{remote: {{services: {{web: '{service}'}}}}}}\n"
        "expect:\n  in-time: trial.took < 2m and trial.took > 0s and trial.id != 'x'\n"
        "  late: {that: trial.took < 1us, severity: non-blocking}\n"
        "scenarios: {up: {steps: [{http: GET /ok, at: web}]}, also: {steps: [{http: GET /ok, at: web}]}}\n"
    )
    done = seatrial("run")
    assert done.returncode == 0, done.stdout + done.stderr
    report = json.loads((tmp_path / ".seatrial/latest/report.json").read_text())
    found = {f["id"]: f for f in report["findings"]}
    assert [found[f"trial/{n}"]["verdict"] for n in ("in-time", "late")] == ["PASS", "FAIL"]
    part = seatrial("run", "--only", "up")
    assert part.returncode == 2, part.stdout + part.stderr
    assert "is not shown by a part: up" in part.stdout


def test_why_a_stack_did_not_come_is_told_when_it_happens_and_with_the_verdict(seatrial: Run, tmp_path: Path) -> None:
    (tmp_path / "seatrial.yaml").write_text("""
seatrial: 1
stack: {services: {web: {command: sh -c 'echo no database >&2; exit 3', restart: never, ready: {tcp: ""}, ports: auto}}}
scenarios:
  a: {steps: [{id: one, http: GET /, at: web, expect: status == 200}, {id: two, http: GET /, at: web, expect: status == 200}]}
""")
    run = seatrial("run")
    assert run.returncode == 2
    report = json.loads((tmp_path / ".seatrial" / "latest" / "report.json").read_text())
    reasons = {f["id"]: f["reason"] for f in report["findings"]}
    assert {"a/one", "a/two"} <= set(reasons)
    assert all(r.startswith("not exercised: web ") and "\n" not in r for i, r in reasons.items() if i.startswith("a/"))
    assert (run.stdout + run.stderr).count("no database") == 2
