"""Loads against a server that wants to see a certificate: by each form of a load."""

from __future__ import annotations

import http.server
import json
import shutil
import ssl
import subprocess
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

Run = Callable[..., subprocess.CompletedProcess[str]]
pytestmark = pytest.mark.skipif(shutil.which("openssl") is None, reason="no openssl")
FORMS = {
    "http": "http: GET /",
    "requests": "requests: [{http: GET /, tag: home}]",
    "script": "script: users.py:visitor",
}
SPEC = """\
seatrial: 1
stack: {{remote: {{services: {{web: '{url}'}}}}}}
loads: {{visits: {{{form}, at: web, rate: 50/s, for: 1s, timeout: 2s, verify: certs/server.pem{own}}}}}
scenarios: {{up: {{steps: [{{load: visits}}], expect: {{all: visits.ok == 50, none: visits.ok == 0}}}}}}
"""


def certificate(directory: Path, name: str) -> tuple[Path, Path]:
    """(certificate, key), self-signed for 127.0.0.1; also good as its own authority."""
    cert, key = directory / f"{name}.pem", directory / f"{name}.key"
    options = "-newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2"
    names = f"-subj /CN={name} -addext subjectAltName=IP:127.0.0.1"
    subprocess.run(
        f"openssl req -x509 {options} {names} -keyout {key} -out {cert}".split(), check=True, capture_output=True
    )
    return cert, key


class Answering(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Length", "2")
        self.end_headers()
        self.wfile.write(b"ok")

    def log_message(self, *_: object) -> None: ...


class Server(http.server.ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, *_: object) -> None: ...  # who shows no certificate breaks its connection


@pytest.fixture
def guarded(tmp_path: Path) -> Iterator[str]:
    """The address of a server that answers only who shows certs/client.pem."""
    certs = tmp_path / "certs"
    certs.mkdir()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*certificate(certs, "server"))
    context.load_verify_locations(certificate(certs, "client")[0])
    context.verify_mode = ssl.CERT_REQUIRED
    server = Server(("127.0.0.1", 0), Answering)
    server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"https://127.0.0.1:{server.server_address[1]}"
    server.shutdown()
    server.server_close()


@pytest.mark.parametrize("form", FORMS)
def test_a_certificate_is_shown_by_each_form_of_a_load(seatrial: Run, guarded: str, tmp_path: Path, form: str) -> None:
    (tmp_path / "users.py").write_text(
        "from seatrial.load.scripts import Request\nHOME = Request('GET', '/')\ndef visitor():\n    yield HOME\n"
    )
    for own, passes in ((", cert: certs/client.pem, key: certs/client.key", "all"), ("", "none")):
        (tmp_path / "seatrial.yaml").write_text(SPEC.format(url=guarded, form=FORMS[form], own=own))
        done = seatrial("run")
        report = json.loads((tmp_path / ".seatrial/latest/report.json").read_text())
        verdicts = {f["id"]: f["verdict"] for f in report["findings"] if f["id"].startswith("up/")}
        assert {i for i, v in verdicts.items() if v == "PASS"} == {f"up/{passes}"}, done.stdout + done.stderr
