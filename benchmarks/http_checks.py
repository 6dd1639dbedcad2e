"""1,000 literal HTTP checks: one trial of seatrial against Tavern (PyPI), whole processes in one run.

    python benchmarks/http_checks.py [--checks 1000] [--pairs 3]

Tavern runs in an environment of its own (it wants pytest < 9), made on first use under the cache directory. Both run once before
the clock starts, so that both have their bytecode, as they have once installed. Prints each pair and the median ratio; exit status 1
when seatrial is less than 3 times as fast.
"""

from __future__ import annotations

import argparse
import http.server
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import threading
import time
import venv
from pathlib import Path

BOUND = 3.0
CACHE = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "seatrial-benchmarks" / "tavern"


class Quiet(http.server.BaseHTTPRequestHandler):
    """Answers every GET alike, on a connection that is kept."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm, wbufsize = True, -1  # one segment an answer: nobody waits for an acknowledgement

    def do_GET(self) -> None:
        """The answer."""
        body = b'{"ok": true}'
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Nothing."""


def tavern() -> Path:
    """Python of an environment with Tavern."""
    python = CACHE / "bin/python"
    if not (CACHE / "bin/tavern-ci").exists():
        shutil.rmtree(CACHE, ignore_errors=True)
        venv.create(CACHE, with_pip=True)
        subprocess.run([python, "-m", "pip", "install", "--quiet", "tavern", "pytest<9"], check=True)
    return python


def specs(directory: Path, port: int, checks: int) -> tuple[Path, Path]:
    """The same checks for both."""
    ours = directory / "seatrial.yaml"
    steps = "\n".join(
        f"      - {{http: GET /item/{n}, at: api, expect: status == 200 and json.ok == true}}" for n in range(checks)
    )
    ours.write_text(
        f"seatrial: 1\nname: checks\nstack: {{remote: {{services: {{api: 'http://127.0.0.1:{port}'}}}}}}\n"
        f"scenarios:\n  all:\n    deadline: 10m\n    steps:\n{steps}\n"
    )
    theirs = directory / "test_checks.tavern.yaml"
    stages = "\n".join(
        f"  - name: check {n}\n    request: {{url: 'http://127.0.0.1:{port}/item/{n}', method: GET}}\n"
        "    response: {status_code: 200, json: {ok: true}}"
        for n in range(checks)
    )
    theirs.write_text(f"test_name: checks\nstages:\n{stages}\n")
    return ours, theirs


def timed(argv: list[str], directory: Path) -> float:
    """Wall seconds of a whole process, which has to succeed."""
    environment = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}
    began = time.perf_counter()
    done = subprocess.run(argv, cwd=directory, env=environment, capture_output=True, text=True, check=False)
    took = time.perf_counter() - began
    if done.returncode != 0:
        sys.exit(f"{' '.join(argv)} ended with {done.returncode}:\n{done.stdout[-2000:]}{done.stderr[-2000:]}")
    return took


def main() -> int:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--checks", type=int, default=1000)
    parser.add_argument("--pairs", type=int, default=3)
    arguments = parser.parse_args()
    python = tavern()
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Quiet)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    ratios = []
    with tempfile.TemporaryDirectory() as name:
        directory = Path(name)
        ours, theirs = specs(directory, server.server_address[1], arguments.checks)
        seatrial = [sys.executable, "-m", "seatrial", "run", str(ours)]
        pytest = [str(python), "-m", "pytest", "-q", "-p", "no:cacheprovider", str(theirs)]
        for argv in (seatrial, pytest):
            timed(argv, directory)
        for number in range(arguments.pairs):
            a, b = timed(seatrial, directory), timed(pytest, directory)
            ratios.append(b / a)
            print(f"pair {number + 1}: seatrial {a:.2f} s, tavern {b:.2f} s, ratio {b / a:.2f}", flush=True)
    server.shutdown()
    ratio = statistics.median(ratios)
    print(f"{arguments.checks} HTTP checks: {ratio:.1f} times as fast as Tavern (bound: at least {BOUND:.0f})")
    return 0 if ratio >= BOUND else 1


if __name__ == "__main__":
    sys.exit(main())
