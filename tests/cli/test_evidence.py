"""Evidence that binds, as a person makes and checks it: fingerprints, drift, waivers, sign-offs, attestations."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from seatrial.cli.app import run

Run = Callable[..., subprocess.CompletedProcess[str]]
SPEC = """\
seatrial: 1
name: shop
stack:
  services:
    web: {command: "python -m http.server {{ instance.port.http }} --bind 127.0.0.1", directory: site, ports: auto, paths: [site/*]}
waivers: [{finding: missing/page, by: Ada Lovelace, reason: OPS-123, expires: EXPIRES}]
scenarios:
  works: {steps: [{http: GET /there, at: web, id: page, expect: status == 200}]}
  lists: {severity: non-blocking, steps: [{http: GET /, at: web, id: page, expect: status == 200}]}
  missing: {paths: [docs/*], steps: [{http: GET /nowhere, at: web, id: page, expect: status == 200}]}
"""


@pytest.fixture
def spec(tmp_path: Path) -> Path:
    (tmp_path / "site").mkdir()
    (tmp_path / "site/there").write_text("x")
    (tmp_path / "seatrial.yaml").write_text(SPEC.replace("EXPIRES", "2999-12-31"))
    return tmp_path


def report(directory: Path) -> dict[str, object]:
    found: dict[str, object] = json.loads((directory / ".seatrial/latest/report.json").read_text())
    return found


def test_from_a_trial_to_a_verified_attestation(seatrial: Run, spec: Path) -> None:
    done = seatrial("run")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "GO: 5 of 6 findings pass, 1 waived" in done.stdout
    assert "waived by Ada Lovelace until 2999-12-31: OPS-123" in done.stdout
    assert "FAIL" in done.stdout  # it stays red
    html = (spec / ".seatrial/latest/report.html").read_text()
    assert "web (site)" in html
    assert "python3" in html
    assert seatrial("attest", "--new-key", "k").returncode == 0
    assert seatrial("sign-off", "--by", "Grace", "--reason", "seen").returncode == 0
    done = seatrial("attest", "latest", "--key", "k", "--expires", "30d")
    assert "WARNED" in done.stdout, done.stderr
    done = seatrial("verify", ".seatrial/latest", "--key", "k.pub", "--spec", ".")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "signed off by Grace" in done.stdout
    assert seatrial("verify", ".seatrial/latest").returncode == 2
    shown = json.loads(seatrial("verify", ".seatrial/latest", "--key", "k.pub", "--json").stdout)
    assert shown["good"] is True
    journal = spec / ".seatrial/latest/journal.jsonl"
    whole = journal.read_bytes()
    journal.write_bytes(whole.replace(b"OPS-123", b"OPS-124"))
    done = seatrial("verify", ".seatrial/latest", "--key", "k.pub")
    assert done.returncode == 1
    assert "journal.jsonl is not what was attested" in done.stdout
    assert "not as it was recorded" in seatrial("attest", "--key", "k").stderr


def test_drift_voids_a_verdict_and_an_expired_waiver_does_not_count(seatrial: Run, spec: Path) -> None:
    (spec / "seatrial.yaml").write_text(
        SPEC.replace("EXPIRES", "2020-01-31").replace(
            "expect: status == 200}", "expect: status == 200, within: 20s, for: 1s}", 1
        )
    )
    with subprocess.Popen(
        [sys.executable, "-m", "seatrial", "run"], cwd=spec, stdout=subprocess.PIPE, text=True
    ) as trial:
        steady = False
        for line in trial.stdout or ():
            if "steady" in line:
                steady = True
                (spec / "site/there").write_text("y")
                (spec / "site/more").write_text("z")
        assert steady
    found = {f["id"]: f for f in report(spec)["findings"]}  # type: ignore[attr-defined]
    changed = found["trial/nothing-changed"]
    assert changed["verdict"] == "INCONCLUSIVE"
    assert changed["reason"] == (
        "what was tested changed meanwhile: web (site): more appeared; web (site): there changed; "
        "if services write that themselves, say so: tested: {ignore: [more, there]}"
    )
    assert found["missing/page"]["waived"] == ""
    assert trial.returncode == 1  # what was seen to fail has failed
    notes = str(report(spec)["notes"])
    assert "the waiver of missing/page by Ada Lovelace expired on 2020-01-31: it does not count" in notes


WRITES = """\
import http.server, os, sqlite3, sys
trace = open("trace.txt", "a", buffering=1)

class Answers(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        trace.write(self.path + "\\n")
        with sqlite3.connect("shop.sqlite3") as store:
            store.execute("create table if not exists seen (path text)")
            store.execute("insert into seen values (?)", (self.path,))
        store.close()
        if self.path == "/upload":
            os.makedirs("uploads", exist_ok=True)
            with open("uploads/1.bin", "w") as file:
                file.write("x")
        if self.path == "/settings":
            with open("settings.ini", "a") as file:
                file.write("[more]\\n")
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()

http.server.HTTPServer(("127.0.0.1", int(sys.argv[1])), Answers).serve_forever()
"""


def test_what_a_service_writes_is_no_drift_and_the_rest_is_told_with_a_line_to_paste(
    seatrial: Run, tmp_path: Path
) -> None:
    """A project that nobody prepared for this: its first trial is GO though it writes a log and a database beside its code."""
    (tmp_path / "app.py").write_text(WRITES)
    (tmp_path / "settings.ini").write_text("[shop]\n")
    stack = "stack: {services: {web: {command: 'python app.py {{ instance.port.http }}', ports: auto}}}\n"
    asks = "scenarios: {works: {steps: [{http: GET PATH, at: web, id: page, expect: status == 200}]}}\n"
    spec = tmp_path / "seatrial.yaml"

    def trial(path: str, more: str = "") -> tuple[int, dict[str, str]]:
        spec.write_text("seatrial: 1\nname: shop\n" + stack + asks.replace("PATH", path) + more)
        done = seatrial("run")
        found = report(tmp_path)["findings"]
        return done.returncode, next(f for f in found if f["id"] == "trial/nothing-changed")  # type: ignore[attr-defined]

    status, unchanged = trial("/")
    assert (status, unchanged["reason"]) == (0, "")
    assert unchanged["measured"].endswith("; 2 that services write")
    status, unchanged = trial("/upload")
    assert status == 2
    line = "tested: {ignore: [uploads]}"
    assert unchanged["reason"].endswith(f"uploads/1.bin appeared; if services write that themselves, say so: {line}")
    assert line in seatrial("explain", "trial/nothing-changed").stdout
    status, unchanged = trial("/settings", line)
    assert status == 2
    assert unchanged["reason"] == "what was tested changed meanwhile: web (.): settings.ini changed"


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("attest",), "attest needs a key"),
        (("verify", "nowhere"), "no such file"),
        (("attest", "--key", "nowhere"), "no trial in"),
        (("sign-off", "--by", "Ada"), "no trial in"),
        (("history", "--finding", "x"), "no trial has had a finding"),
        (("baseline", "accept", "x", "--by", "Ada"), "no trial 'x'"),
        (("run", "--at-least", "99%"), "go with --repeat"),
        (("run", "--repeat", "5", "--at-least", "101%"), "between 0 % and 100 %"),
        (("run", "--repeat", "0"), "from 1 to 10,000 rounds"),
        (("run", "--repeat", "5", "--for", "4h"), "not both"),
        (("run", "--repeat", "5", "--failed"), "does not go with --repeat"),
        (("run", "--changed=main"), "git"),
    ],
)
def test_mistakes_are_told(
    spec: Path,
    arguments: tuple[str, ...],
    words: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(spec)
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(spec.parent))
    assert run(arguments) == 3
    assert words in capsys.readouterr().err


def test_a_memory_of_trials(seatrial: Run, spec: Path) -> None:
    """History, killed trials, selection by what failed and by what changed: one stack after the other."""
    assert seatrial("run").returncode == 0
    killed = spec / ".seatrial/trials/2020-01-01T00-00-00-shop-dead"
    killed.mkdir()
    journal = (spec / ".seatrial/latest/journal.jsonl").read_text().splitlines(keepends=True)
    first = json.loads(journal[0]) | {"trial": killed.name, "wall": "2020-01-01T00:00:00.000+00:00"}
    (killed / "journal.jsonl").write_text(json.dumps(first, separators=(",", ":")) + "\n" + "".join(journal[1:6]))
    done = seatrial("history")
    assert done.returncode == 0, done.stderr
    assert "killed" in done.stdout
    assert "1 waived" in done.stdout
    (spec / "site/there").write_text("newer")
    done = seatrial("run", "--changed")
    assert "1 files since" in done.stdout
    assert "only 2 of 3 scenarios (--changed); left out: missing" in done.stdout
    done = seatrial("run", "--failed", "--only", "lists")
    assert done.returncode == 2
    assert "nothing was run" in done.stdout
    (spec / "site/there").unlink()
    assert seatrial("run").returncode == 1
    done = seatrial("run", "--failed")
    assert "only 2 of 3 scenarios (--failed); left out: lists" in done.stdout
    history = seatrial("history").stdout
    assert "worse" in history
    assert "works/page" in history
    shown = json.loads(seatrial("history", "--finding", "works", "--json").stdout)
    assert shown[0]["passed"]["of"] >= 3
    assert seatrial("baseline", "accept", "latest", "--by", "Ada").returncode == 0


def test_a_repetition_to_its_end_and_one_that_ends_early(seatrial: Run, spec: Path) -> None:
    done = seatrial("run", "--repeat", "6", "--repeat-on-one-stack", "--only", "works")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "GO in 6 of 6: at least 60.6 %" in done.stdout
    (directory,) = (spec / ".seatrial/soaks").iterdir()
    found = json.loads((directory / "report.json").read_text())
    assert found["findings"]["works/page"]["passed"] == 6
    assert "Wald" in (directory / "report.html").read_text()
    (spec / "site/there").unlink()
    done = seatrial("run", "--repeat", "40", "--only", "works")
    assert done.returncode == 1
    assert "ended after 2 of 40 rounds" in done.stdout
    rounds = json.loads(seatrial("history", "--rounds", "--json").stdout)
    assert rounds["rounds"] == 8
    assert {t["part_of"] for t in rounds["trials"]} == {p.name for p in (spec / ".seatrial/soaks").iterdir()}
