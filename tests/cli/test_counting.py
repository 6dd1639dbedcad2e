"""What was counted since a moment, as a trial sees it: at a link and in a service's own metrics, and when who counts starts anew."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

Run = Callable[..., subprocess.CompletedProcess[str]]

SERVER = """\
import http.server, sys

seen = {}

class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        body = "".join(f'seen_total{{path="{p}"}} {n}\\n' for p, n in seen.items()) if self.path == "/metrics" else "x"
        seen[self.path] = seen.get(self.path, 0) + 1
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body.encode())

    do_OPTIONS = do_GET

    def log_message(self, *arguments):
        pass

http.server.ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Handler).serve_forever()
"""
SPEC = """\
seatrial: 1
stack:
  services:
    web: {command: "python server.py {{ instance.port.http }}", ports: auto, ready: {http: GET /ready}}
  links: [clients -> web]
setup:
  - {http: GET /a, at: clients -> web, id: first}
  - {link: traffic, at: clients -> web, since: begin, expect: requests == 1, id: counted}
scenarios:
  since:
    holds:
      untouched: {link: traffic, at: clients -> web, since: begin, expect: requests == 0, every: 20ms}
    steps:
      - {link: traffic, at: clients -> web, since: setup, expect: requests == 0 and connections == 0, id: nothing-yet}
      - {http: GET /a, at: clients -> web, times: 3, concurrency: 1, expect: 'statuses["200"] == 3', id: three}
      - {link: traffic, at: clients -> web, since: begin, expect: requests == 3, within: 2s, for: 100ms, id: since-begin}
      - {link: traffic, at: clients -> web, since: three, expect: requests == 0 and bytes_to == 0 B, id: since-three}
      - {link: traffic, at: clients -> web, since: nothing-yet, expect: requests == 0, severity: non-blocking, id: not-so}
      - {prometheus: 'seen_total{path="/a"}', at: web, since: three, expect: value == 0, id: metric}
      - {http: GET /b, at: web, id: one-more}
      - {prometheus: 'seen_total{path="/b"}', at: web, since: three, expect: value == 1, save: {b: value}, id: new-name}
      - {prometheus: 'seen_total{path="/c"}', at: web, since: three, expect: value == 0, severity: non-blocking, id: no-name}
    finally:
      - {link: traffic, at: clients -> web, since: one-more, expect: requests == 0, id: at-the-end}
  anew:
    steps:
      - {http: GET /d, at: web, id: before}
      - {fault: restart, at: web, id: restart}
      - {http: GET /d, at: web, times: 9, concurrency: 1, expect: 'statuses["200"] == 9', within: 10s, id: after}
      - {prometheus: 'seen_total{path="/d"}', at: web, since: before, expect: value == 9, severity: non-blocking, id: metric}
      - {prometheus: 'seen_total{path="/d"}', at: web, since: after, expect: value == 0, id: metric-of-the-new-one}
"""


@pytest.mark.stack
def test_what_was_counted_since_a_moment(seatrial: Run, tmp_path: Path) -> None:
    (tmp_path / "server.py").write_text(SERVER)
    (tmp_path / "seatrial.yaml").write_text(SPEC)
    done = seatrial("run")
    report = json.loads((tmp_path / ".seatrial/latest/report.json").read_text())
    found = {f["id"]: f for f in report["findings"]}
    others = {n: (f["verdict"], f["reason"]) for n, f in found.items() if f["verdict"] != "PASS"}
    assert set(others) == {"since/untouched", "since/not-so", "since/no-name", "anew/metric"}, done.stdout + done.stderr
    assert others["since/untouched"][0] == others["since/not-so"][0] == "FAIL"
    assert others["since/no-name"][0] == "INCONCLUSIVE"
    verdict, reason = others["anew/metric"]
    assert verdict == "INCONCLUSIVE"
    assert "web#1 was started anew since the end of step before" in reason
    evidence = found["since/since-begin"]["evidence"][0]["data"]
    assert evidence["since"]["moment"] == "the scenario's begin"
    assert evidence["since"]["difference"]["requests"] == "3"
    assert evidence["since"]["then"]["requests"] == 1


@pytest.mark.parametrize(
    ("step", "words"),
    [
        ("{link: traffic, at: clients -> web, since: later, expect: requests == 0}", ':10:50: unknown moment "later"'),
        ("{link: traffic, at: clients -> web, since: firts, expect: requests == 0}", 'Did you mean "first"?'),
        ("{http: GET /, at: web, since: begin}", 'unknown key "since"'),
        ("{prometheus: seen_total, at: web *, since: begin, expect: value == 0}", "since goes by one instance"),
    ],
)
def test_mistakes_are_told(seatrial: Run, tmp_path: Path, step: str, words: str) -> None:
    steps = f"[\n      {{http: GET /, at: web, id: first}},\n      {step},\n      {{http: GET /, at: web, id: later}}]"
    head = SPEC.partition("setup:")[0]
    (tmp_path / "seatrial.yaml").write_text(f"{head}scenarios:\n  one:\n    steps: {steps}\n")
    done = seatrial("lint")
    assert done.returncode == 3
    assert words in done.stdout + done.stderr
