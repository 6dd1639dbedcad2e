"""The command line as a person uses it: whole processes, a real service, real exit statuses."""

from __future__ import annotations

import http.server
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest


class Service(http.server.BaseHTTPRequestHandler):
    """A small service: /ok, /echo-secret, 404 for everything else."""

    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        found = {"/": b'{"ok": true}', "/ok": b'{"ok": true}', "/healthz": b"fine"}.get(self.path)
        if self.path == "/echo":
            found = (self.headers.get("X-Api-Key") or "").encode()
        self.send_response(200 if found is not None else 404)
        self.send_header("Content-Length", str(len(found or b"")))
        self.end_headers()
        self.wfile.write(found or b"")

    def log_message(self, *_: object) -> None: ...


@pytest.fixture(scope="session")
def service() -> Iterator[str]:
    """The address of a service that runs."""
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Service)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_address[1]}"
    server.shutdown()
    server.server_close()


@pytest.fixture
def seatrial(tmp_path: Path) -> Callable[..., subprocess.CompletedProcess[str]]:
    """Runs `seatrial ...` in a directory of its own."""

    def run(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "seatrial", *arguments],
            cwd=tmp_path,
            env={**os.environ, "NO_COLOR": "1", "COLUMNS": "120", **environment},
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )

    return run
