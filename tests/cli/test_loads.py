"""Load from the command line: a quick look at a URL, and loads that are part of a trial."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from ports import free_port

from seatrial.arrivals import samples

Run = Callable[..., subprocess.CompletedProcess[str]]

SPEC = """\
seatrial: 1
name: loaded
stack: {{remote: {{services: {{web: '{url}'}}}}}}
requirements: {{R-1: it is fast enough}}
loads:
  shoppers: {{http: GET /, at: web, rate: 100/s, for: 3s, warm-up: 500ms, window: 1s}}
scenarios:
  quick:
    covers: [R-1]
    steps: [{{load: shoppers}}]
    expect:
      {expect}
"""


def report(tmp_path: Path) -> dict[str, dict[str, str]]:
    found = json.loads((tmp_path / ".seatrial/latest/report.json").read_text())
    return {f["id"]: f for f in found["findings"]}


def test_a_quick_look_shows_times_and_judges(seatrial: Run, service: str) -> None:
    done = seatrial(
        "load", service, "--rate", "100/s", "--for", "2s", "--expect", "errors < 5%", "--expect", "p95 < 2s"
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "200 ok, 0 failed" in done.stdout
    assert "response time" in done.stdout
    assert done.stdout.count("✔ PASS") == 2


@pytest.mark.parametrize(
    ("arguments", "status", "words"),
    [
        (("--expect", "p95 < 1ns"), 1, "✘ FAIL"),
        (("--expect", "errors < 0.0001%"), 2, "? INCONCLUSIVE"),
        (("--expect", "worst.p95 < 1s"), 2, "shorter than a window"),
    ],
)
def test_a_threshold_decides_the_exit_status(
    seatrial: Run, service: str, arguments: tuple[str, ...], status: int, words: str
) -> None:
    done = seatrial("load", service, "--rate", "50/s", "--for", "1s", *arguments)
    assert done.returncode == status
    assert words in done.stdout


def test_errors_are_told_by_kind(seatrial: Run, service: str) -> None:
    done = seatrial("load", f"{service}/nothing-here", "--users", "4", "--think", "20ms", "--for", "1s", "--json")
    found = json.loads(done.stdout)
    assert found["errors"].keys() == {"status-4xx"}
    assert found["metrics"]["ok"] == 0
    assert "missing" in found["metrics"]["p95"]


def test_a_service_that_is_not_there_passes_nothing(seatrial: Run) -> None:
    address = f"http://127.0.0.1:{free_port()}"
    done = seatrial("load", address, "--rate", "50/s", "--for", "1s", "--expect", "p95 < 1s")
    assert done.returncode == 2
    assert "refused" in done.stdout
    done = seatrial("load", address, "--rate", "50/s", "--for", "1s", "--expect", "errors < 1%")
    assert done.returncode == 1


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("ftp://x", "--for", "1s"), "no http or https address"),
        (("http://127.0.0.1:1", "--rate", "10"), "has no unit"),
        (("http://127.0.0.1:1", "--rate", "10/s", "--users", "3"), "two models"),
        (("http://127.0.0.1:1", "--expect", "p95 < 200"), "write 200ms"),
        (("http://127.0.0.1:1", "--expect", "p96 < 1s"), "Did you mean"),
        (("http://127.0.0.1:1", "--header", "nothing"), "NAME: VALUE"),
        (("http://127.0.0.1:1", "--method", "HEAD"), "cannot send"),
        (("http://127.0.0.1:1", "--on", "scheduler"), "no address of a Dask scheduler"),
        (("http://127.0.0.1:1", "--on", "tls://a:8786", "--on-ca", "none.pem"), "--on-ca: there is no file none.pem"),
        (("http://127.0.0.1:1", "--on-key", "none.pem"), "--on-key goes with --on"),
    ],
)
def test_mistakes_are_told(seatrial: Run, arguments: tuple[str, ...], words: str) -> None:
    done = seatrial("load", *arguments)
    assert done.returncode == 3
    assert words in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("loads", "words"),
    [
        ("", "--on: the spec has no load"),
        ("loads: {mine: {locust: l.py, at: web, users: 1, for: 1s}}\n", "--on: mine (locust)"),
    ],
)
def test_what_cannot_be_sent_from_a_cluster_is_refused(seatrial: Run, tmp_path: Path, loads: str, words: str) -> None:
    (tmp_path / "l.py").write_text("")
    (tmp_path / "seatrial.yaml").write_text(
        f"seatrial: 1\nstack: {{remote: {{services: {{web: 'http://127.0.0.1:1'}}}}}}\n{loads}"
        "scenarios: {up: {steps: [{http: GET /, at: web, expect: status == 200}]}}\n"
    )
    done = seatrial("run", "--on", "tcp://127.0.0.1:8786")
    assert done.returncode == 3, done.stdout + done.stderr
    assert words in done.stderr
    assert "Traceback" not in done.stderr


def test_interrupted_it_shows_what_there_is(service: str, tmp_path: Path) -> None:
    process = subprocess.Popen(
        [sys.executable, "-m", "seatrial", "load", service, "--rate", "50/s", "--for", "60s"],
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "NO_COLOR": "1", "TMPDIR": str(tmp_path)},
    )
    wait_for(lambda: any(f.stat().st_size > samples.HEADER for f in tmp_path.rglob("*.load")))  # something was answered
    worker = worker_of(process.pid)
    process.send_signal(signal.SIGINT)
    out, _ = process.communicate(timeout=20)
    assert "response time" in out
    assert worker is not None
    assert not Path(f"/proc/{worker}").exists()


def test_a_load_of_a_trial_is_judged_and_recorded(seatrial: Run, service: str, tmp_path: Path) -> None:
    expect = "{fast: shoppers.p95 < 5s, slow: shoppers.p50 < 1ns, clean: shoppers.errors < 5%, many: shoppers.worst.rate > 1/s}"
    (tmp_path / "seatrial.yaml").write_text(
        SPEC.format(url=service, expect="").replace("    expect:\n      \n", f"    expect: {expect}\n")
    )
    done = seatrial("run")
    assert done.returncode == 1, done.stdout + done.stderr
    found = report(tmp_path)
    verdicts = {i.partition("/")[2]: f["verdict"] for i, f in found.items() if i.startswith("quick/")}
    assert verdicts == {"fast": "PASS", "slow": "FAIL", "clean": "PASS", "many": "PASS"}
    html = (tmp_path / ".seatrial/latest/report.html").read_text()
    assert 'id="loads"' in html
    assert '"curve"' in html
    sealed = [json.loads(x) for x in (tmp_path / ".seatrial/latest/journal.jsonl").read_text().splitlines()]
    assert [e["valid"] for e in sealed if e["type"] == "ColumnSealed"] == [True]


def test_two_trials_are_compared(seatrial: Run, service: str, tmp_path: Path) -> None:
    (tmp_path / "seatrial.yaml").write_text(
        SPEC.format(url=service, expect="fast: shoppers.p95 < 5s").replace("for: 3s", "for: 6s")
    )
    assert seatrial("run").returncode == 0
    first = (tmp_path / ".seatrial/latest").resolve().name
    (tmp_path / "seatrial.yaml").write_text(
        SPEC.format(url=service, expect="fast: shoppers.p95 < 1ns").replace("for: 3s", "for: 6s")
    )
    assert seatrial("run").returncode == 1
    done = seatrial("compare", first, "latest", "--json")
    found = json.loads(done.stdout)
    assert (done.returncode, found["worse"]) == (1, True)
    assert found["verdicts"] == [{"id": "quick/fast", "before": "PASS", "after": "FAIL"}]
    assert [c["name"] for c in found["loads"]["shoppers"]["changes"]] == ["p50", "p95", "p99", "errors"]
    assert "✘ FAIL" in seatrial("compare", first).stdout
    assert seatrial("compare", "no-such-trial").returncode == 3


def test_a_generator_that_died_makes_its_findings_inconclusive(service: str, tmp_path: Path) -> None:
    expect = "fast: shoppers.p95 < 5s"
    (tmp_path / "seatrial.yaml").write_text(SPEC.format(url=service, expect=expect).replace("for: 3s", "for: 30s"))
    process = subprocess.Popen(
        [sys.executable, "-m", "seatrial", "run"], cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    )
    journal = tmp_path / ".seatrial/latest/journal.jsonl"
    wait_for(lambda: journal.exists() and '"LoadProgressed"' in journal.read_text())
    records = [json.loads(x) for x in (tmp_path / ".seatrial/latest/keeper.jsonl").read_text().splitlines()]
    (pid,) = {r["pid"] for r in records if r["event"] == "process" and r["unit"] == "load shoppers"}
    os.kill(pid, signal.SIGKILL)
    process.communicate(timeout=30)
    assert process.returncode == 2
    finding = report(tmp_path)["quick/fast"]
    assert finding["verdict"] == "INCONCLUSIVE"
    assert "died" in finding["reason"]


def wait_for(condition: Callable[[], bool], seconds: float = 30) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not come to be in time"
        time.sleep(0.05)


def worker_of(pid: int) -> int | None:
    """The generator that a process has started."""
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return int(children[0]) if children else None


def test_scripts_of_several_generators_keep_their_own_tags(seatrial: Run, service: str, tmp_path: Path) -> None:
    (tmp_path / "users.py").write_text(
        "from pathlib import Path\nfrom seatrial.load.scripts import Request\n"
        "PAGES = [Request('GET', '/', tag='home'), Request('GET', '/nowhere', tag='gone')]\n"
        "try:\n"  # the generator that comes second has its tags in the other order
        f"    Path({str(tmp_path / 'first')!r}).touch(exist_ok=False)\n"
        "except FileExistsError:\n    PAGES.reverse()\n"
        "def visitor():\n    for page in PAGES:\n        yield page\n"
    )
    (tmp_path / "seatrial.yaml").write_text(
        f"seatrial: 1\nstack: {{remote: {{services: {{web: '{service}'}}}}}}\n"
        "loads: {visits: {script: users.py:visitor, at: web, rate: 20/s, for: 2s, workers: 2}}\n"
        "scenarios: {up: {steps: [{load: visits}], expect: {\n"
        "  all: visits.ok == 40 and visits.failed == 40,\n"
        "  home: visits.tag.home.errors < 20%, gone: visits.tag.gone.errors > 80%}}}\n"
    )
    done = seatrial("run")
    assert done.returncode == 0, done.stdout + done.stderr


USERS = """\
seatrial: 1
name: visited
stack: {{remote: {{services: {{web: '{url}'}}}}}}
loads:
  people:
    at: web
    rate: 100/s
    for: 1s
    kinds:
      normal: {{weight: 8, tags: [browse], steps: [{{http: GET /ok, expect: json.ok == true, tag: look}}]}}
      admin: {{weight: 1, tags: [write], steps: [{{http: GET /healthz, expect: text == "sick"}}]}}
scenarios:
  visits: {{steps: [{{load: people}}], expect: {{looks: people.tag.look.errors < 10%, all: people.ok == 100}}}}
"""


def test_users_are_part_of_a_trial_and_tags_select_them(seatrial: Run, service: str, tmp_path: Path) -> None:
    (tmp_path / "seatrial.yaml").write_text(USERS.format(url=service))
    done = seatrial("run")
    assert done.returncode == 1, done.stdout + done.stderr
    found = report(tmp_path)
    assert found["visits/looks"]["verdict"] == "PASS"
    assert found["visits/all"]["verdict"] == "FAIL"
    assert 'people, admin, steps: GET /healthz: expected text == "sick"' in json.dumps(found["visits/all"]).replace(
        '\\"', '"'
    )
    done = seatrial("run", "--tags", "browse")
    assert done.returncode == 0, done.stdout + done.stderr
    assert json.loads((tmp_path / ".seatrial/latest/report.json").read_text())["trial"]["selection"] == "tag browse"
    assert seatrial("run", "--skip-tags", "write").returncode == 0


@pytest.mark.parametrize(("arguments", "words"), [
    (("--tags", "brows"), "Did you mean \"browse\"?"),
    (("--tags", "browse", "--skip-tags", "browse,write"), "leave nobody"),
])  # fmt: skip
def test_tags_that_select_nothing_are_told(
    seatrial: Run, service: str, tmp_path: Path, arguments: tuple[str, ...], words: str
) -> None:
    (tmp_path / "seatrial.yaml").write_text(USERS.format(url=service))
    done = seatrial("run", *arguments)
    assert done.returncode == 3
    assert words in done.stderr


def test_a_setup_that_was_cut_off_ends_the_trial(seatrial: Run, service: str, tmp_path: Path) -> None:
    (tmp_path / "users.py").write_text("raise OSError('no data')\n")
    (tmp_path / "seatrial.yaml").write_text(
        f"seatrial: 1\nstack: {{remote: {{services: {{web: '{service}'}}}}}}\nsetup: [{{load: fill}}]\n"
        "loads: {fill: {script: users.py:fill, at: web, rate: 20/s, for: 2s}}\n"
        "scenarios: {up: {steps: [{http: GET /, at: web, id: page}]}}\n"
    )
    done = seatrial("run")
    assert done.returncode == 2, done.stdout + done.stderr
    found = report(tmp_path)["up/page"]
    assert found["verdict"] == "INCONCLUSIVE"
    assert found["reason"].startswith("not exercised: setup did not pass: ")
    assert "no data" in found["reason"]
