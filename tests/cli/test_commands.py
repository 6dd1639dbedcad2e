"""Commands: what they say, how they exit, what they leave."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from xml.etree import ElementTree as ET

import jsonschema
import pytest

Run = Callable[..., subprocess.CompletedProcess[str]]

LOCAL = """\
seatrial: 1
name: small
stack:
  services:
    web:
      command: python -m http.server --bind 127.0.0.1 {{ instance.port.http }}
      replicas: 2
      ports: auto
      ready: {http: GET /, expect: status == 200}
requirements: {R-1: the web answers, R-2: a kill is survived}
workloads:
  visitors: {http: GET /, at: web, rate: 50/s}
throughout: [visitors]
scenarios:
  answers:
    covers: [R-1]
    steps:
      - {http: GET /, at: web *, expect: status == 200}
  killed:
    covers: [R-2]
    steps:
      - {fault: kill, at: web#1, id: crash}
      - {process: instances, at: web *, expect: ready == wanted and restarts >= 1, within: 30s, id: replaced}
    expect:
      back: visitors.recovery < 10s
"""


LONG = "- {http: GET /, at: web#2, expect: status == 200, for: 60s, id: long}"


def remote(service: str, expect: str = "status == 200") -> str:
    return f"""\
seatrial: 1
name: remote
stack: {{remote: {{services: {{api: "{service}"}}}}}}
requirements: {{R-1: the service answers}}
scenarios:
  answers:
    covers: [R-1]
    steps:
      - {{http: GET /ok, at: api, expect: "{expect}", id: look}}
"""


def latest(tmp_path: Path) -> Path:
    return (tmp_path / ".seatrial/latest").resolve()


def test_a_trial_that_holds_is_go(seatrial: Run, service: str, tmp_path: Path) -> None:
    (tmp_path / "seatrial.yaml").write_text(remote(service))
    done = seatrial("run")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "GO for 1 of 1 lines" in done.stdout
    assert "success rate 100.0%" in done.stdout
    assert "\x1b[" not in done.stdout


def test_a_trial_that_fails_is_no_go_and_names_the_finding(seatrial: Run, service: str, tmp_path: Path) -> None:
    (tmp_path / "seatrial.yaml").write_text(remote(service, "json.ok == false"))
    done = seatrial("run")
    assert done.returncode == 1
    assert "NO-GO" in done.stdout
    assert "answers/look" in done.stdout


def test_what_could_not_be_looked_at_is_inconclusive(seatrial: Run, service: str, tmp_path: Path) -> None:
    (tmp_path / "seatrial.yaml").write_text(remote(service, "json.missing == 1"))
    assert seatrial("run").returncode == 2


def test_a_local_stack_comes_up_is_broken_and_leaves_nothing(seatrial: Run, tmp_path: Path) -> None:
    (tmp_path / "seatrial.yaml").write_text(LOCAL)
    done = seatrial("run")
    assert done.returncode == 0, done.stdout + done.stderr
    report = json.loads((latest(tmp_path) / "report.json").read_text())
    assert report["verdict"] == "GO"
    assert report["faults"][0]["witnessed"]
    assert report["faults"][0]["healed"]
    assert not (latest(tmp_path) / "stack").exists()
    sums = report["accounting"]
    assert sums["planned"] == sums["passed"] + sums["failed"] + sums["inconclusive"]


def test_the_report_follows_its_schema_and_is_made_again_from_the_records(
    seatrial: Run, service: str, tmp_path: Path
) -> None:
    (tmp_path / "seatrial.yaml").write_text(remote(service))
    seatrial("run")
    first = (latest(tmp_path) / "report.json").read_text()
    for name in ("report.json", "report.html", "junit.xml"):
        (latest(tmp_path) / name).unlink()
    assert seatrial("report").returncode == 0
    assert (latest(tmp_path) / "report.json").read_text() == first
    jsonschema.validate(json.loads(first), json.loads(seatrial("schema", "report").stdout))
    assert "<script" in (latest(tmp_path) / "report.html").read_text()
    suites = ET.parse(latest(tmp_path) / "junit.xml").getroot()
    assert suites.get("failures") == suites.get("errors") == "0"


def test_junit_holds_failures_and_what_was_not_exercised(seatrial: Run, service: str, tmp_path: Path) -> None:
    (tmp_path / "seatrial.yaml").write_text(remote(service, "json.ok == false"))
    seatrial("run")
    suites = ET.parse(latest(tmp_path) / "junit.xml").getroot()
    assert suites.get("failures") == "1"


@pytest.mark.parametrize(
    "arguments", [["run", "nowhere.yaml"], ["frobnicate"], ["run", "--only", "nobody"], ["schema", "nothing"]]
)
def test_wrong_usage_exits_with_3_and_no_traceback(
    seatrial: Run, service: str, tmp_path: Path, arguments: list[str]
) -> None:
    (tmp_path / "seatrial.yaml").write_text(remote(service))
    done = seatrial(*arguments)
    assert done.returncode == 3
    assert "Traceback" not in done.stderr


def test_a_wrong_spec_is_refused_with_all_its_mistakes(seatrial: Run, service: str, tmp_path: Path) -> None:
    (tmp_path / "seatrial.yaml").write_text(remote(service, "statsu == 200").replace("covers: [R-1]", "covers: [R-2]"))
    done = seatrial("lint")
    assert done.returncode == 3
    assert 'Did you mean "status"?' in done.stderr
    assert "R-2" in done.stderr
    assert "mistakes" in done.stderr


def test_hollow_checks_are_warnings_and_mistakes_where_that_is_wanted(
    seatrial: Run, service: str, tmp_path: Path
) -> None:
    (tmp_path / "seatrial.yaml").write_text(remote(service, "status < 600"))
    done = seatrial("lint")
    assert (done.returncode, done.stderr) == (0, "")
    assert "hollow: any answer meets status < 600 [any-answer]" in done.stdout
    assert seatrial("lint", "--strict").returncode == 3
    found = json.loads(seatrial("lint", "--json").stdout)["findings"]
    assert ("any-answer", True) in [(f["rule"], f["certain"]) for f in found]


def test_hollow_tests_of_a_suite_are_named(seatrial: Run, tmp_path: Path) -> None:
    (tmp_path / "test_a.py").write_text("def test_a(client):\n    assert client.get('/').status_code\n")
    (tmp_path / "test_b.py").write_text("def test_b(client):\n    for x in client.get('/').json():\n        assert x\n")
    done = seatrial("lint", "--suite", "test_a.py", "test_b.py")
    assert done.returncode == 0
    assert done.stdout.splitlines()[-1] == "2 files, 2 tests: 1 hollow, 1 that may be, in 2 tests"
    assert seatrial("lint", "--suite", ".", "--strict").returncode == 3
    assert seatrial("lint", "--suite", "test_b.py", "--strict").returncode == 0
    found = json.loads(seatrial("lint", "--suite", ".", "--json").stdout)["findings"]
    assert [(f["rule"], f["test"], f["line"]) for f in found] == [
        ("any-status", "test_a", 2),
        ("conditional-assertion", "test_b", 2),
    ]
    (tmp_path / "test_c.py").write_text("def test_c(:\n")
    done = seatrial("lint", "--suite", ".")
    assert done.returncode == 3
    assert "any-status" in done.stdout
    assert "test_c.py:1:12: not Python" in done.stderr


def test_production_is_refused_unless_it_is_named(seatrial: Run, tmp_path: Path) -> None:
    (tmp_path / "seatrial.yaml").write_text(remote("https://shop.example"))
    done = seatrial("run")
    assert done.returncode == 3
    assert "allow" in done.stderr


def test_init_writes_a_spec_that_gives_a_verdict(seatrial: Run, service: str, tmp_path: Path) -> None:
    assert seatrial("init", service).returncode == 0
    text = (tmp_path / "seatrial.yaml").read_text()
    (tmp_path / "seatrial.yaml").write_text(text.replace("for: 30s", "for: 3s").replace("rate: 20/s", "rate: 200/s"))
    done = seatrial("run")
    assert done.returncode == 0, done.stdout + done.stderr
    assert seatrial("init", service).returncode == 3


def test_init_says_when_nothing_answers(seatrial: Run) -> None:
    done = seatrial("init", "http://127.0.0.1:1")
    assert done.returncode == 3
    assert "nothing answers" in done.stderr


def test_a_single_check(seatrial: Run, service: str) -> None:
    assert seatrial("check", f"http: GET {service}/ok", "--expect", "status == 200 and json.ok == true").returncode == 0
    assert seatrial("check", f"http: GET {service}/nope", "--expect", "status == 200").returncode == 1


def test_planted_secrets_appear_in_no_file_and_not_on_the_terminal(seatrial: Run, service: str, tmp_path: Path) -> None:
    secret = "planted-9f8e7d6c5b"
    spec = remote(service).replace(
        "{http: GET /ok, at: api,", '{http: GET /echo, at: api, headers: {X-Api-Key: "${secret:PLANTED}"},'
    )
    (tmp_path / "seatrial.yaml").write_text(spec)
    done = seatrial("run", PLANTED=secret)
    assert done.returncode == 0, done.stdout + done.stderr
    assert secret not in done.stdout + done.stderr
    files = [p for p in tmp_path.rglob("*") if p.is_file() and p.name != "seatrial.yaml"]
    assert files
    assert not [p for p in files if secret.encode() in p.read_bytes()]


def test_explain_coverage_and_plan_speak_of_a_trial(seatrial: Run, service: str, tmp_path: Path) -> None:
    (tmp_path / "seatrial.yaml").write_text(remote(service))
    seatrial("run")
    assert "status = 200" in seatrial("explain", "answers/look").stdout
    assert "PASS" in seatrial("coverage").stdout
    assert "findings planned" in seatrial("plan").stdout


def test_doctor_and_help_work(seatrial: Run) -> None:
    assert "user namespaces" in seatrial("doctor").stdout
    for command in ("run", "variants", "check", "init", "undo", "up", "baseline"):
        assert "Example" in seatrial(command, "--help").stdout


def test_a_kept_stack_is_listed_used_and_ended(seatrial: Run, tmp_path: Path) -> None:
    (tmp_path / "seatrial.yaml").write_text(LOCAL)
    assert seatrial("up").returncode == 0
    try:
        assert "web#2" in seatrial("status").stdout
        assert seatrial("check", "http: GET /", "--at", "web#1", "--expect", "status == 200").returncode == 0
        done = seatrial("run", "--attach", "latest", "--only", "answers")
        assert "INCONCLUSIVE" in done.stdout
        assert "answers/" not in [line for line in done.stdout.splitlines() if "FAIL" in line]
    finally:
        assert seatrial("down").returncode == 0
    assert "no stack is running" in seatrial("status").stdout


def test_one_interrupt_stops_and_heals(tmp_path: Path) -> None:
    (tmp_path / "seatrial.yaml").write_text(
        LOCAL.replace(
            "- {process: instances, at: web *, expect: ready == wanted and restarts >= 1, within: 30s, id: replaced}",
            LONG,
        )
    )
    process = subprocess.Popen(
        [sys.executable, "-m", "seatrial", "run"],
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    journal = tmp_path / ".seatrial/latest/journal.jsonl"
    deadline = time.monotonic() + 60
    while not (journal.exists() and "FaultWitnessed" in journal.read_text()):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    os.kill(process.pid, signal.SIGINT)
    out, _ = process.communicate(timeout=60)
    assert process.returncode == 2, out
    assert "interrupted" in out
    report = json.loads((latest(tmp_path) / "report.json").read_text())
    assert all(f["healed"] for f in report["faults"])
    assert not (latest(tmp_path) / "stack").exists()


def test_a_command_ends_when_seatrial_is_killed(service: str, tmp_path: Path) -> None:
    marker = tmp_path / "pid"
    program = f"import os, time, pathlib; pathlib.Path({str(marker)!r}).write_text(str(os.getpid())); time.sleep(600)"
    (tmp_path / "program.py").write_text(program)
    (tmp_path / "seatrial.yaml").write_text(
        f"seatrial: 1\nstack: {{remote: {{services: {{web: '{service}'}}}}}}\n"
        "scenarios: {long: {steps: [{command: python program.py, timeout: 500s}]}}\n"
    )
    process = subprocess.Popen([sys.executable, "-m", "seatrial", "run"], cwd=tmp_path, stdout=subprocess.DEVNULL)
    deadline = time.monotonic() + 30
    while not (marker.exists() and marker.read_text()):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    process.kill()
    process.wait()
    while Path(f"/proc/{marker.read_text()}").exists():
        assert time.monotonic() < deadline, "the command goes on without anybody who owns it"
        time.sleep(0.05)
