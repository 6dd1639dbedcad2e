"""A service that checks tokens on trial, on the command line; one that does not check them all; nobody reads a token afterwards."""

from __future__ import annotations

import http.server
import json
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

Run = Callable[..., subprocess.CompletedProcess[str]]
SPEC = """\
seatrial: 1
name: tokens
stack: {{remote: {{services: {{shop: '{url}'}}}}}}
secrets: {{KEY: {{file: key.pem}}}}
values: {{who: alice}}
identities:
  alice: {{jwt: {{key: "${{secret:KEY}}", algorithm: ES256, claims: {{sub: "{{{{ who }}}}", aud: shop, iss: auth}}, lifetime: 5m}}}}
  missing: {{jwt: {{like: alice, broken: missing}}}}
  expired: {{jwt: {{like: alice, broken: expired}}}}
  early: {{jwt: {{like: alice, broken: not-yet-valid}}}}
  forged: {{jwt: {{like: alice, broken: forged}}}}
  unsigned: {{jwt: {{like: alice, broken: unsigned}}}}
  audience: {{jwt: {{like: alice, broken: wrong-audience}}}}
  issuer: {{jwt: {{like: alice, broken: wrong-issuer}}}}
  tampered: {{jwt: {{like: alice, broken: tampered}}}}
loads:
  crowd: {{http: GET /me, at: shop, as: alice, rate: 50/s, for: 1s}}
workloads:
  visits: {{http: GET /me, at: shop, as: alice, rate: 20/s}}
scenarios:
  tokens:
    throughout: [visits]
    steps:
      - {{id: good, http: GET /me, at: shop, as: alice, expect: status == 200 and json.sub == who}}
{refused}
      - {{load: crowd}}
    expect: {{crowd: crowd.failed == 0 and crowd.ok > 10, visits: visits.failed == 0 and visits.ok > 5}}
"""
REASONS = {
    "missing": "DecodeError", "expired": "ExpiredSignatureError", "early": "ImmatureSignatureError",
    "forged": "InvalidSignatureError", "unsigned": "InvalidAlgorithmError", "audience": "InvalidAudienceError",
    "issuer": "InvalidIssuerError", "tampered": "InvalidSignatureError",
}  # fmt: skip


@contextmanager
def verifying(public: str, seen: set[str], **lax: bool) -> Iterator[str]:
    class Shop(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            token = (self.headers.get("Authorization") or "").removeprefix("Bearer ")
            seen.add(token)
            try:
                status, said = (
                    200,
                    jwt.decode(
                        token,
                        public,
                        algorithms=["ES256"],
                        audience="shop",
                        issuer="auth",
                        options=dict(lax),
                        leeway=30,
                    ),
                )
            except jwt.InvalidTokenError as error:
                status, said = 401, {"why": type(error).__name__}
            body = json.dumps(said).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None: ...

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Shop)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()


@pytest.fixture
def public(tmp_path: Path) -> str:
    key = ec.generate_private_key(ec.SECP256R1())
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    (tmp_path / "key.pem").write_bytes(private)
    return (
        key.public_key()
        .public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
        .decode()
    )


def findings(seatrial: Run, directory: Path, url: str, status: int) -> dict[str, Any]:
    step = "      - {{id: {0}, http: GET /me, at: shop, as: {0}, severity: non-blocking, expect: status == 401 and json.why == '{1}'}}"
    refused = "\n".join(step.format(*pair) for pair in REASONS.items()).replace("'", '"')
    (directory / "seatrial.yaml").write_text(SPEC.format(url=url, refused=refused))
    done = seatrial("run")
    assert done.returncode == status, done.stdout + done.stderr
    report = json.loads((directory / ".seatrial/latest/report.json").read_text())
    return {f["id"].partition("/")[2]: f for f in report["findings"]}


def test_each_broken_token_is_refused_and_none_is_written_down(seatrial: Run, tmp_path: Path, public: str) -> None:
    seen: set[str] = set()
    with verifying(public, seen) as url:
        found = findings(seatrial, tmp_path, url, 0)
    assert {n: f["verdict"] for n, f in found.items() if n in REASONS} == dict.fromkeys(REASONS, "PASS")
    signatures = {token.rpartition(".")[2] for token in seen} - {""}
    assert len(signatures) >= 7
    lines = (tmp_path / "key.pem").read_text().splitlines()[1:-1]
    written = [p for p in (tmp_path / ".seatrial").rglob("*") if p.is_file()]
    for path in written:
        text = path.read_bytes().decode(errors="replace")
        assert not [s for s in (*signatures, *lines) if s in text], path


def test_what_a_service_does_not_check_is_found(seatrial: Run, tmp_path: Path, public: str) -> None:
    with verifying(public, set(), verify_aud=False) as url:
        found = findings(seatrial, tmp_path, url, 0)  # these steps do not block
    assert found["audience"]["verdict"] == "FAIL"
    assert all(f["verdict"] == "PASS" for n, f in found.items() if n != "audience")


def test_a_key_that_is_none_is_nobodys_fault_but_ours(seatrial: Run, tmp_path: Path, public: str) -> None:
    (tmp_path / "key.pem").write_text("this is no key, and it is long enough\n")
    with verifying(public, set()) as url:
        found = findings(seatrial, tmp_path, url, 2)
    assert found["good"]["verdict"] == "INCONCLUSIVE"
    assert "no token by ES256 with that key" in found["good"]["reason"]
