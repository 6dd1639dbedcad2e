"""`seatrial prove` on a real stack: checks that notice, checks that do not, and what is remembered."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

Run = Callable[..., subprocess.CompletedProcess[str]]

APP = r"""
import http.server, json, socket, sys


class Service(http.server.BaseHTTPRequestHandler):
    def log_message(self, *_): ...

    def do_GET(self):
        well = True
        if self.path == "/readyz":
            try:
                with socket.create_connection(("127.0.0.1", int(sys.argv[2])), 1) as connection:
                    connection.settimeout(1)
                    connection.sendall(b"PING\r\n")
                    well = connection.recv(5) == b"+PONG"
            except OSError:
                well = False
        body = json.dumps({"ok": well}).encode()
        self.send_response(200 if well else 503)
        self.send_header("Content-Type", "application/json")
        self.end_headers()
        self.wfile.write(body)


http.server.ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Service).serve_forever()
"""
SPEC = """
seatrial: 1
name: small
{more}
stack:
  services:
    cache: {{kind: redis}}
    web: {{command: "python app.py {{{{ instance.port.http }}}} {{{{ cache.port }}}}", ports: auto, ready: {{http: GET /livez}}}}
scenarios:
  a:
    steps:
      - {{id: live, http: GET /livez, at: web, expect: status == 200}}
      - {{id: ready, http: GET /readyz, at: web, expect: status == 200 and json.ok, notices: [cache]}}
      - {{id: lies, http: GET /livez, at: web, expect: status == 200, notices: [cache]}}
      - {{id: port, tcp: "", at: cache}}
      - {{id: any, http: GET /livez, at: web, expect: {any}}}
      - {{id: skips, http: GET /livez, at: web, expect: 'status == 200 or error in ["refused", "timeout"]'}}
      - {{id: write, redis: SET a 1, at: cache, expect: 'reply == "OK"'}}
      - {{id: logs, log: Traceback, at: web, expect: count == 0}}
"""


def lay_out(directory: Path, *, more: str = "", any_: str = "status < 600") -> None:
    (directory / "app.py").write_text(APP)
    (directory / "seatrial.yaml").write_text(SPEC.format(more=more, any=any_))


def proven(run: subprocess.CompletedProcess[str]) -> dict[str, dict[str, Any]]:
    assert run.stdout, run.stderr
    return {c["finding"]: c for c in json.loads(run.stdout)["checks"]}


def test_checks_that_notice_are_told_from_those_that_do_not_and_are_remembered(seatrial: Run, tmp_path: Path) -> None:
    lay_out(tmp_path)
    first = seatrial("prove", "--json")
    checks = proven(first)
    outcomes = {c.partition("/")[2]: found["outcome"] for c, found in checks.items()}
    assert outcomes == {
        "live": "proven", "ready": "proven", "lies": "blind", "port": "blind", "any": "blind", "skips": "blind", "write": "proven",
        "logs": "proven",
    }  # fmt: skip
    assert first.returncode == 1
    assert checks["a/ready"]["by"] == ["stop web", "pause web", "stop cache", "pause cache"]
    assert checks["a/lies"]["blind_to"] == ["stop cache", "pause cache"]
    assert checks["a/port"]["blind_to"] == ["pause cache"]
    assert "any answer satisfies it: status < 600 holds whatever status says" in checks["a/any"]["why"]
    assert checks["a/write"]["by"] == ["stop cache"]  # what it sends to one that is paused could be done later
    assert checks["a/live"]["heard"]["stop cache"] == "green"
    assert json.loads(first.stdout)["control"] == "GO"

    # What is proven and has not changed is not proven again; what was blind, and what has changed, is.
    lay_out(tmp_path, more="require-proof: true", any_="status == 200")
    second = proven(seatrial("prove", "--json", "--only", "a/live", "--only", "a/any"))
    assert second["a/live"]["remembered"]
    assert not second["a/any"]["remembered"]
    assert second["a/any"]["outcome"] == "proven"

    # And where the spec wants proofs, the others show nothing.
    run = seatrial("run")
    assert run.returncode == 2
    report = json.loads((tmp_path / ".seatrial" / "latest" / "report.json").read_text())
    verdicts = {f["id"]: f["verdict"] for f in report["findings"]}
    assert {i for i, v in verdicts.items() if v == "INCONCLUSIVE"} == {"a/lies", "a/port", "a/skips"}
    assert {f["id"]: f["proven"] for f in report["findings"]}["a/live"] == ["stop web", "pause web"]
    lies = next(f for f in report["findings"] if f["id"] == "a/lies")
    assert lies["reason"].startswith("it passed, and nobody has seen yet that it can fail")


def test_what_does_not_block_is_asked_once_and_what_blocks_until_it_is_proven(seatrial: Run, tmp_path: Path) -> None:
    lay_out(tmp_path)
    spec = tmp_path / "seatrial.yaml"
    spec.write_text(spec.read_text().replace("id: lies,", "id: lies, severity: non-blocking,"))
    first = proven(seatrial("prove", "--json", "--no-matrix"))
    assert (first["a/lies"]["outcome"], first["a/port"]["outcome"]) == ("blind", "blind")
    second = seatrial("prove", "--no-matrix", "--only", "a/lies")
    assert second.returncode == 2, "nothing that blocks was asked for"
    assert "✘ blind (before)" in second.stdout
    assert "what is open as before is asked once more by --again" in second.stdout
    third = proven(seatrial("prove", "--json", "--only", "a/lies", "--only", "a/port"))
    assert (third["a/lies"]["remembered"], third["a/port"]["remembered"]) == (True, False)
    assert not proven(seatrial("prove", "--json", "--again", "--only", "a/lies"))["a/lies"]["remembered"]


def test_a_finding_that_is_no_check_is_a_mistake(seatrial: Run, tmp_path: Path) -> None:
    lay_out(tmp_path)
    run = seatrial("prove", "--only", "a/nothing")
    assert run.returncode == 3
    assert "no check a/nothing" in run.stderr
    assert "a/live" in run.stderr


SHOP = r"""
import http.server, json, pathlib, sys, threading

FILE, LOCK = pathlib.Path(sys.argv[2]), threading.Lock()
taken = FILE.read_text().split() if FILE.exists() else []
asked = 0


class Service(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_): ...

    def answer(self, status, body):
        data = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def do_GET(self):
        global asked
        asked += self.path == "/first"
        self.answer(200, {"keys": taken, "asked": asked})

    def do_POST(self):
        key = json.loads(self.rfile.read(int(self.headers["Content-Length"])))["key"]
        with LOCK, FILE.open("a") as file:
            taken.append(key)
            file.write(key + "\n")
        self.answer(201, {})


http.server.ThreadingHTTPServer.request_queue_size = 100
http.server.ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Service).serve_forever()
"""
SHOP_SPEC = """
seatrial: 1
name: shop
stack: {{services: {{web: {{command: "python shop.py {{{{ instance.port.http }}}} {file}", ports: auto, ready: {{http: GET /}}}}}}}}
workloads:
  sales:
    http: POST /sales
    at: web
    json: {{key: "{{{{ op.key }}}}"}}
    rate: 20/s
    timeout: 2s
    model: set
    read-back: {{http: GET /, at: web, keys: json.keys}}
loads:
  lookers: {{http: GET /x, at: web, rate: 30/s, for: 2s, timeout: 2s}}
throughout: [sales]
expect: {{kept: sales.lost == 0, once: sales.doubled == 0}}
scenarios:
  look:
    steps:
      - {{load: lookers}}
      - {{id: first, http: GET /first, at: web, expect: json.asked == 1}}
      - {{id: instances, process: instances, at: web *, expect: ready == wanted}}
      - {{id: program, command: "true", expect: exit == 0}}
      - {{id: any-program, command: "true", expect: exit < 256}}
    expect:
      soon: lookers.p95 < 300ms
      some: lookers.errors <= 100%
  killed:
    steps:
      - {{fault: kill, at: web, hold: 1s, id: kill}}
      - {{id: gone, http: GET /, at: web, expect: 'error == "refused"'}}
      - {{id: back, http: GET /, at: web, expect: status == 200, within: 10s}}
    expect: {{back-in-time: sales.recovery < 4s}}
"""


def test_what_no_window_can_show_is_shown_by_what_follows_from_it(seatrial: Run, tmp_path: Path) -> None:
    spec = tmp_path / "spec"
    spec.mkdir()
    (spec / "shop.py").write_text(SHOP)
    (spec / "seatrial.yaml").write_text(SHOP_SPEC.format(file=tmp_path / "taken"))
    checks = proven(seatrial("prove", str(spec), "--json", "--no-matrix"))
    by = {c: found["by"] for c, found in checks.items() if found["outcome"] == "proven"}
    assert by == {
        "look/first": ["generated: cut clients -> web"],  # the second time it is not the first
        "look/instances": ["generated: stop web"],
        "look/program": ["generated: its program does nothing, and fails"],
        "look/soon": ["generated: lookers: answers 470ms later"],
        "killed/gone": ["generated: before kill web"],
        "killed/back": ["stop web", "pause web"],
        "killed/back-in-time": ["generated: sales: gone for 6s"],
        "trial/kept": ["generated: sales: 60% acknowledged, not written"],
    }
    assert checks["look/any-program"]["outcome"] == "blind"
    assert checks["look/some"]["outcome"] == "blind"
    assert "holds whatever lookers.errors says" in checks["look/some"]["why"]
    assert checks["trial/once"]["outcome"] == "not provable"
    assert "no harm is known that shows there" in checks["trial/once"]["why"]

    # Who has seen nothing change is asked nothing again; not even of what nothing could prove.
    again = seatrial(
        "prove", str(spec), "--json", "--only", "trial/once", "--only", "look/first", "--only", "trial/kept"
    )
    assert {c: found["remembered"] for c, found in proven(again).items()} == {
        "look/first": True, "trial/once": True, "trial/kept": True,
    }  # fmt: skip
    assert json.loads(again.stdout)["trial"] is None


LED = r"""
import fcntl, http.server, json, pathlib, sys, threading, time

number, leads = int(sys.argv[2]), threading.Event()
lease = pathlib.Path(sys.argv[3]).open("a")


def lead():
    if number == 2:  # only ever after another
        while True:
            try:
                fcntl.flock(lease, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                break
            fcntl.flock(lease, fcntl.LOCK_UN)
            time.sleep(0.02)
    fcntl.flock(lease, fcntl.LOCK_EX)
    leads.set()


threading.Thread(target=lead, daemon=True).start()


class Service(http.server.BaseHTTPRequestHandler):
    def log_message(self, *_): ...

    def do_GET(self):
        body = json.dumps({"number": number}).encode()
        self.send_response(503 if self.path == "/leader" and not leads.is_set() else 200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


http.server.ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Service).serve_forever()
"""
LED_SPEC = """
seatrial: 1
name: led
stack:
  services:
    web:
      command: "python led.py {{{{ instance.port.http }}}} {{{{ instance.ordinal }}}} {file}"
      replicas: 2
      ports: auto
      ready: {{http: GET /}}
      roles: {{leader: {{http: GET /leader, expect: status == 200}}}}
scenarios:
  failover:
    steps:
      - {{fault: kill, at: web/leader, hold: 2s, id: kill}}
      - {{id: another, http: GET /, at: web/leader, expect: status == 200 and instance != fault.instance, within: 10s}}
"""


def test_another_than_the_victim_is_proven_though_the_victim_leads_when_all_is_whole_again(
    seatrial: Run, tmp_path: Path
) -> None:
    (tmp_path / "led.py").write_text(LED)
    (tmp_path / "seatrial.yaml").write_text(LED_SPEC.format(file=tmp_path / "lease"))
    checks = proven(seatrial("prove", "--json", "--no-matrix"))
    assert (checks["failover/another"]["outcome"], checks["failover/another"]["by"]) == (
        "proven", ["stop web", "pause web"],
    ), checks  # fmt: skip
