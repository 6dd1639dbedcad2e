"""Trials that break links, as a person runs them: what they show, and what they do not claim when the proxy or the trial is killed."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

Run = Callable[..., subprocess.CompletedProcess[str]]
pytestmark = pytest.mark.stack
DEADLINE_S = 60.0

SERVER = """\
import http.server, sys

class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        body = self.path.encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    do_OPTIONS = do_GET

    def log_message(self, *arguments):
        pass

http.server.ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Handler).serve_forever()
"""
STACK = """\
services:
  web: {command: "python server.py {{ instance.port.http }}", ports: auto}
links: [clients -> web]
"""
SPEC = """\
seatrial: 1
name: links
stack: stack.yaml
scenarios:
"""
ALL = (
    SPEC
    + """\
  every-fault:
    steps:
      - {http: GET /, at: clients -> web, expect: status == 200}
      - {fault: cut, at: clients -> web, id: refuse}
      - {http: GET /, at: clients -> web, expect: 'error == "refused"'}
      - {http: GET /, at: web, expect: status == 200}
      - {heal: refuse}
      - {fault: cut, at: clients -> web, how: reset, id: reset}
      - {http: GET /, at: clients -> web, expect: 'error == "reset"'}
      - {heal: reset}
      - {fault: cut, at: clients -> web, how: black-hole, id: hole}
      - {http: GET /, at: clients -> web, timeout: 300ms, expect: 'error == "timeout"'}
      - {heal: hole}
      - {fault: partition, at: clients -> web, direction: from, id: partition}
      - {http: GET /, at: clients -> web, timeout: 300ms, expect: 'error == "timeout"'}
      - {heal: partition}
      - {fault: latency, at: clients -> web, delay: 100ms, id: latency}
      - {http: GET /, at: clients -> web, expect: latency > 190ms}
      - {heal: latency}
      - {fault: bandwidth, at: clients -> web, rate: 64 KiB/s, id: bandwidth}
      - {http: GET /, at: clients -> web, expect: status == 200}
      - {heal: bandwidth}
      - {fault: loss, at: clients -> web, share: 20%, within: 30s, id: loss}
      - {http: GET /, at: clients -> web, timeout: 30s, expect: status == 200}
      - {heal: loss}
      - {fault: close-after, at: clients -> web, bytes: 90B, id: close}
      - {http: GET /, at: clients -> web, expect: 'error == "reset"'}
      - {heal: close}
      - {fault: slow-close, at: clients -> web, delay: 300ms, id: slow}
      - {http: GET /, at: clients -> web, expect: status == 200}
      - {heal: slow}
      - {fault: half-open, at: clients -> web, id: half}   # the connection that was kept, and a new one
      - {http: GET /, at: clients -> web, timeout: 300ms, expect: 'error == "timeout"'}
      - {http: GET /, at: clients -> web, expect: status == 200}
      - {heal: half}
      - {fault: http-status, at: clients -> web, status: 503, path: /api/*, id: status}
      - {http: GET /api/x, at: clients -> web, expect: status == 503}
      - {http: GET /other, at: clients -> web, expect: status == 200}
      - {heal: status}
      - {fault: http-delay, at: clients -> web, delay: 200ms, id: delay}
      - {http: GET /, at: clients -> web, expect: latency > 190ms}
      - {heal: delay}
      - {fault: http-abort, at: clients -> web, id: abort}
      - {http: GET /, at: clients -> web, expect: 'error == "reset"'}
      - {heal: all}
      - {http: GET /, at: clients -> web, expect: status == 200}
  nothing-reached-it:
    steps:
      - {fault: http-status, at: clients -> web, status: 503}
      - {link: traffic, at: clients -> web, save: {before: requests}}
      - {http: GET /, at: clients -> web, expect: status == 503}
      - {http: GET /, at: web, expect: status == 200}
      - {link: traffic, at: clients -> web, expect: requests == before}
"""
)
REACHED = (
    SPEC
    + """\
  circuit-is-open:
    steps:
      - {fault: latency, at: clients -> web, delay: 30ms}
      - {link: traffic, at: clients -> web, save: {before: requests}}
      - {http: GET /, at: clients -> web, expect: status == 200}
      - {link: traffic, at: clients -> web, expect: requests == before, id: nothing}
"""
)
LOOK = "      - {http: GET /, at: web, expect: status == 200, severity: non-blocking, id: NAME}\n"
WAITS = (
    SPEC
    + """\
  lasts:
    steps:
      - {fault: cut, at: clients -> web, id: cut}
LOOKS      - {pause: SECONDS, reason: until the test has killed somebody}
HEAL"""
)


@pytest.fixture
def here(tmp_path: Path) -> Iterator[Path]:
    """A directory with the stack; whatever runs in it at the end is a mistake."""
    (tmp_path / "server.py").write_text(SERVER)
    (tmp_path / "stack.yaml").write_text(STACK)
    yield tmp_path
    left = processes(tmp_path)
    for pid in left:
        os.kill(pid, signal.SIGKILL)
    assert not left


def processes(directory: Path, word: str = "") -> list[int]:
    """Those whose command, directory or environment names the directory."""
    found = []
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit() or int(entry.name) == os.getpid():
            continue
        try:
            command = (entry / "cmdline").read_bytes()
            known = command + os.fsencode((entry / "cwd").readlink()) + (entry / "environ").read_bytes()
        except OSError:
            continue
        if str(directory).encode() in known and word.encode() in command:
            found.append(int(entry.name))
    return found


def until(holds: Callable[[], Any], what: str) -> Any:
    deadline = time.monotonic() + DEADLINE_S
    while not (found := holds()):
        assert time.monotonic() < deadline, what
        time.sleep(0.02)
    return found


def events(directory: Path, kind: str) -> list[dict[str, Any]]:
    """Of the newest trial, as far as it has come."""
    journals = sorted((directory / ".seatrial/trials").glob("*/journal.jsonl"), key=lambda f: f.stat().st_mtime)
    lines = journals[-1].read_text().splitlines(keepends=True) if journals else []
    return [e for line in lines if line.endswith("\n") and (e := json.loads(line))["type"] == kind]


def report(directory: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((directory / ".seatrial/latest/report.json").read_text())
    return found


def findings(directory: Path) -> dict[str, dict[str, Any]]:
    return {f["id"]: f for f in report(directory)["findings"]}


def accepts(port: int) -> bool:
    with socket.socket() as client:
        return client.connect_ex(("127.0.0.1", port)) == 0


def ports(directory: Path) -> dict[str, int]:
    """Of the links and of their control."""
    (file,) = directory.glob(".seatrial/trials/*/stack/**/links.json")
    content = json.loads(file.read_text())
    return {"control": content["control"][1], **{r["link"]: r["listen"][1] for r in content["routes"]}}


@pytest.fixture
def begin(here: Path) -> Iterator[Callable[..., subprocess.Popen[str]]]:
    """Starts `seatrial ...`, to be killed."""
    begun: list[subprocess.Popen[str]] = []

    def start(*arguments: str) -> subprocess.Popen[str]:
        begun.append(
            subprocess.Popen(
                [sys.executable, "-m", "seatrial", *arguments],
                cwd=here,
                env={**os.environ, "NO_COLOR": "1", "COLUMNS": "120"},
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
            )
        )
        return begun[-1]

    yield start
    for process in begun:
        process.kill()
        process.communicate()


def test_every_fault_of_links_in_one_trial(seatrial: Run, here: Path) -> None:
    (here / "seatrial.yaml").write_text(ALL)
    done = seatrial("run")
    assert done.returncode == 0, done.stdout + done.stderr
    assert {f["verdict"] for f in report(here)["findings"]} == {"PASS"}
    assert all(e["ok"] for e in events(here, "FaultHealed"))
    assert len(events(here, "FaultWitnessed")) == 14
    assert findings(here)["trial/nothing-remains"]["verdict"] == "PASS"


def test_what_did_reach_the_service_is_no_go(seatrial: Run, here: Path) -> None:
    (here / "seatrial.yaml").write_text(REACHED)
    done = seatrial("run")
    assert done.returncode == 1, done.stdout + done.stderr
    assert findings(here)["circuit-is-open/nothing"]["verdict"] == "FAIL"
    assert "requests" in findings(here)["circuit-is-open/nothing"]["measured"]


@pytest.mark.parametrize("heal", ["", "      - {heal: cut}\n"], ids=["at the end", "by a step"])
def test_a_fault_that_ended_because_the_proxy_was_killed_shows_nothing(
    begin: Callable[..., subprocess.Popen[str]], here: Path, heal: str
) -> None:
    looks = f"{LOOK.replace('NAME', 'seen')}{LOOK.replace('NAME', 'not-seen').replace('==', '!=')}"
    text = WAITS.replace("SECONDS", "3s").replace("HEAL", heal)
    text = text.replace("LOOKS", looks).replace("steps:", f"steps:\n{LOOK.replace('NAME', 'before')}".rstrip())
    (here / "seatrial.yaml").write_text(text)
    trial = begin("run")
    until(lambda: events(here, "FaultWitnessed"), "the fault is seen")
    (proxy,) = processes(here, "seatrial.links")
    link = ports(here)["clients -> web#1"]
    assert not accepts(link)
    os.kill(proxy, signal.SIGKILL)
    until(lambda: accepts(link), "the link works again")
    said, _ = trial.communicate(timeout=DEADLINE_S)
    assert trial.returncode == 2, said
    cut = findings(here)["lasts/cut"]
    assert cut["verdict"] == "INCONCLUSIVE"
    assert cut["reason"].startswith("it is not known how long lasts/cut acted: it had ended before")
    assert [e["ok"] for e in events(here, "FaultHealed")] == [False]
    for name, was in (("seen", "PASS"), ("not-seen", "FAIL")):  # as it was when the fault may have been there no more
        finding = findings(here)[f"lasts/{name}"]
        assert finding["verdict"] == "INCONCLUSIVE"
        assert finding["reason"].startswith("it is not known how long lasts/cut acted: ")
        assert f"; it was {was}" in finding["reason"]
    assert findings(here)["lasts/before"]["verdict"] == "PASS"


def test_a_link_of_a_kept_stack_heals_when_the_trial_that_broke_it_is_killed(
    begin: Callable[..., subprocess.Popen[str]], seatrial: Run, here: Path
) -> None:
    (here / "seatrial.yaml").write_text(WAITS.replace("SECONDS", "100s").replace("HEAL", "").replace("LOOKS", ""))
    up = seatrial("up", "stack.yaml")
    assert up.returncode == 0, up.stdout + up.stderr
    try:
        known = ports(here)
        assert all(accepts(port) for port in known.values())
        trial = begin("run", "--attach", "latest")
        until(lambda: events(here, "FaultWitnessed"), "the fault is seen")
        assert not accepts(known["clients -> web#1"])
        trial.kill()
        until(lambda: accepts(known["clients -> web#1"]), "the link is healed")
        (here / "seatrial.yaml").write_text(REACHED.replace("requests == before", "requests > before"))
        again = seatrial("run", "--attach", "latest")
        assert again.returncode == 2, again.stdout + again.stderr  # for what remains is not looked at
        shown = {id_ for id_, f in findings(here).items() if f["verdict"] == "PASS"}
        assert shown == set(findings(here)) - {"trial/nothing-remains"}
    finally:
        down = seatrial("down")
    assert down.returncode == 0, down.stdout + down.stderr
    assert not any(accepts(port) for port in known.values())


def test_a_link_that_leads_to_no_service_is_a_mistake(seatrial: Run, here: Path) -> None:
    (here / "stack.yaml").write_text(STACK.replace("clients -> web", "web -> moon"))
    (here / "seatrial.yaml").write_text(REACHED)
    done = seatrial("run")
    assert done.returncode == 3
    assert "moon" in done.stdout + done.stderr
