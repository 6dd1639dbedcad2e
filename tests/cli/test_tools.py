"""Trials whose loads are existing Locust files and k6 scripts: our thresholds and theirs both count."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

Run = Callable[..., subprocess.CompletedProcess[str]]
needs_locust = pytest.mark.skipif(
    find_spec("locust") is None, reason="Locust is not installed: pip install seatrial[locust]"
)

LOCUSTFILE = """\
import logging
import os
from locust import HttpUser, constant, events, task

class Visitor(HttpUser):
    wait_time = constant(0.05)

    @task
    def home(self):
        self.client.get("/echo", headers={"X-Api-Key": os.environ["TOKEN"]}, name="home")

@events.init_command_line_parser.add_listener
def options(parser):
    parser.add_argument("--most", type=int, default=1000000)

@events.quitting.add_listener
def judge(environment, **_):
    if environment.stats.total.num_requests > environment.parsed_options.most:
        logging.error("more than %d requests", environment.parsed_options.most)
        environment.process_exit_code = 1
"""
SPEC = """\
seatrial: 1
name: tools
stack: {{remote: {{services: {{web: '{url}'}}}}}}
requirements: {{R-1: it is fast enough}}
secrets: {{token: {{generate: 24}}}}
loads:
  old:
    locust: locustfile.py
    at: web
    users: 3
    spawn-rate: 10/s
    for: {time}
    environment: {{TOKEN: "${{secret:token}}"}}
    arguments: [--most, "{most}", --stop-timeout, 5s]
scenarios:
  busy:
    covers: [R-1]
    steps: [{{load: old}}]
    expect:
      fast: old.p95 < 5s
      named: old.tag["GET home"].errors < 60%
      own: old.own == 1
"""


def report(tmp_path: Path) -> dict[str, dict[str, Any]]:
    found = json.loads((tmp_path / ".seatrial/latest/report.json").read_text())
    return {f["id"]: f for f in found["findings"]}


def verdicts(tmp_path: Path, scenario: str = "busy") -> dict[str, str]:
    return {i.partition("/")[2]: f["verdict"] for i, f in report(tmp_path).items() if i.startswith(f"{scenario}/")}


@needs_locust
def test_a_locust_file_is_a_load_like_any_other(seatrial: Run, service: str, tmp_path: Path) -> None:
    (tmp_path / "locustfile.py").write_text(LOCUSTFILE)
    (tmp_path / "seatrial.yaml").write_text(SPEC.format(url=service, time="6s", most=100000))
    done = seatrial("run")
    assert done.returncode == 0, done.stdout + done.stderr
    assert verdicts(tmp_path) == {"load-old": "PASS", "fast": "PASS", "named": "PASS", "own": "PASS"}
    latest = tmp_path / ".seatrial/latest"
    html = (latest / "report.html").read_text()
    assert "Locust locustfile.py, 3 users" in html
    assert '"curve"' in html
    assert '"heat"' in html
    journal = [json.loads(x) for x in (latest / "journal.jsonl").read_text().splitlines()]
    assert [e["valid"] for e in journal if e["type"] == "ColumnSealed"] == [True]
    assert sum(e["type"] == "LoadProgressed" for e in journal) >= 3
    (measured,) = [e for e in journal if e["type"] == "WorkloadMeasured"]
    assert measured["detail"]["own"] == "Locust ended with 0"
    assert {f"samples/old-locust{x}" for x in (".html", ".json", "_stats.csv")} <= set(measured["detail"]["files"])
    assert all((latest / f).exists() for f in measured["detail"]["files"])

    first = latest.resolve().name
    assert seatrial("run").returncode == 0
    compared = json.loads(seatrial("compare", first, "latest", "--json").stdout)
    assert [c["name"] for c in compared["loads"]["old"]["changes"]] == ["p50", "p95", "p99", "errors"]


@needs_locust
def test_its_own_thresholds_count_beside_ours(seatrial: Run, service: str, tmp_path: Path) -> None:
    (tmp_path / "locustfile.py").write_text(LOCUSTFILE)
    (tmp_path / "seatrial.yaml").write_text(SPEC.format(url=service, time="4s", most=1))
    done = seatrial("run")
    assert done.returncode == 1, done.stdout + done.stderr
    assert verdicts(tmp_path) == {"load-old": "FAIL", "fast": "PASS", "named": "PASS", "own": "FAIL"}
    finding = report(tmp_path)["busy/load-old"]
    assert finding["covers"] == ["R-1"]
    assert finding["reason"] == "its own code set the exit status 1: more than 1 requests"
    assert "samples/old-locust.html" in json.dumps(finding["evidence"])


@needs_locust
def test_a_file_that_does_not_import_proves_nothing(seatrial: Run, service: str, tmp_path: Path) -> None:
    (tmp_path / "locustfile.py").write_text("import nothing_there\n")
    (tmp_path / "seatrial.yaml").write_text(SPEC.format(url=service, time="4s", most=1))
    done = seatrial("run")
    assert done.returncode == 2, done.stdout + done.stderr
    assert set(verdicts(tmp_path).values()) == {"INCONCLUSIVE"}
    finding = report(tmp_path)["busy/load-old"]
    assert "locustfile.py:1: ModuleNotFoundError: No module named 'nothing_there'" in finding["reason"]
    assert finding["exercised"] is False
    assert "Traceback" not in done.stdout + done.stderr


@needs_locust
def test_throughout_it_is_judged_when_its_scenario_ends(seatrial: Run, tmp_path: Path) -> None:
    (tmp_path / "locustfile.py").write_text(LOCUSTFILE)
    (tmp_path / "seatrial.yaml").write_text(
        f"""\
seatrial: 1
name: tools
stack:
  services:
    web:
      command: [{sys.executable}, -m, http.server, --bind, 127.0.0.1, "{{{{ instance.port.http }}}}"]
      ports: auto
      ready: {{http: GET /}}
loads:
  old: {{locust: locustfile.py, at: web, users: 2, environment: {{TOKEN: abcd}}, arguments: [--exit-code-on-error, "0"]}}
scenarios:
  beside:
    throughout: [old]
    steps: [{{http: GET /, at: web, for: 3s}}]
    expect: {{busy: old.due > 10, all-404: old.errors > 50%}}
"""
    )
    done = seatrial("run")
    assert done.returncode == 0, done.stdout + done.stderr
    assert verdicts(tmp_path, "beside") == {"http-get-web": "PASS", "busy": "PASS", "all-404": "PASS", "old": "PASS"}
    assert report(tmp_path)["trial/nothing-remains"]["verdict"] == "PASS"
    units = [json.loads(x) for x in (tmp_path / ".seatrial/latest/keeper.jsonl").read_text().splitlines()]
    assert any(u.get("unit") == "load old" for u in units)


def test_without_k6_its_load_is_not_exercised(seatrial: Run, service: str, tmp_path: Path) -> None:
    (tmp_path / "script.js").write_text("export default function () {}\n")
    (tmp_path / "seatrial.yaml").write_text(
        f"""\
seatrial: 1
stack: {{remote: {{services: {{web: '{service}'}}}}}}
loads: {{k6s: {{k6: script.js, at: web}}}}
scenarios: {{up: {{steps: [{{load: k6s}}], expect: {{own: k6s.own == 1}}}}}}
"""
    )
    nothing = tmp_path / "nothing"
    nothing.mkdir()
    done = seatrial("run", PATH=str(nothing))
    assert done.returncode == 2, done.stdout + done.stderr
    finding = report(tmp_path)["up/load-k6s"]
    assert (finding["verdict"], finding["exercised"]) == ("INCONCLUSIVE", False)
    assert finding["reason"] == "not exercised: k6 is not on PATH"


K6 = """\
#!{python}
import datetime, json, os, signal, sys, time, urllib.request
signal.signal(signal.SIGINT, lambda *_: ended.append(1))
ended, out = [], open(sys.argv[sys.argv.index("--out") + 1].removeprefix("json="), "w", buffering=1)
while not ended:
    began = time.perf_counter()
    urllib.request.urlopen(os.environ["BASE_URL"]).read()
    data = {{"time": datetime.datetime.now().astimezone().isoformat(), "value": (time.perf_counter() - began) * 1000,
            "tags": {{"method": "GET", "name": os.environ["BASE_URL"] + "/", "status": "200", "expected_response": "true"}}}}
    out.write(json.dumps({{"metric": "http_req_duration", "type": "Point", "data": data}}) + "\\n")
    time.sleep(0.02)
summary = {{"metrics": {{"http_req_duration": {{"thresholds": {{"p(95)<1": True}}}}}}}}
json.dump(summary, open(sys.argv[sys.argv.index("--summary-export") + 1], "w"))
sys.exit(105)
"""


def test_k6_beside_the_steps_is_stopped_judged_and_leaves_nothing(seatrial: Run, tmp_path: Path) -> None:
    """With a stand-in for k6: the keeper owns what its generator starts, and its summary tells what it thought."""
    program = tmp_path / "bin" / "k6"
    program.parent.mkdir()
    program.write_text(K6.format(python=sys.executable))
    program.chmod(0o755)
    (tmp_path / "script.js").write_text("")
    (tmp_path / "seatrial.yaml").write_text(
        f"""\
seatrial: 1
name: tools
stack:
  services:
    web:
      command: [{sys.executable}, -m, http.server, --bind, 127.0.0.1, "{{{{ instance.port.http }}}}"]
      ports: auto
      ready: {{http: GET /}}
loads: {{k6s: {{k6: script.js, at: web}}}}
throughout: [k6s]
scenarios: {{beside: {{steps: [{{http: GET /, at: web, for: 3s}}], expect: {{served: k6s.ok > 10, own: k6s.own == 1}}}}}}
"""
    )
    done = seatrial("run", PATH=f"{program.parent}:{os.environ['PATH']}")
    assert done.returncode == 1, done.stdout + done.stderr
    found = report(tmp_path)
    assert found["beside/served"]["verdict"] == "PASS"
    assert found["beside/own"]["verdict"] == "INCONCLUSIVE"  # it is judged before the load is stopped
    assert "then it is the finding k6s" in found["beside/own"]["reason"]
    assert found["trial/k6s"]["verdict"] == "FAIL"
    assert found["trial/k6s"]["reason"] == "thresholds were crossed: http_req_duration: p(95)<1 (exit status 105)"
    assert found["trial/nothing-remains"]["verdict"] == "PASS"
