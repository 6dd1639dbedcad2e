"""Caddy in front of two copies: it balances, goes on when one dies, and does not repeat a write."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from seatrial.core.stack import Target

sys.path.insert(0, str(Path(__file__).parent))  # importlib mode adds no directory of helpers
from conftest import Harbour, Stack, service

HOLD_NS = 60_000_000_000
pytestmark = pytest.mark.stack
PROXY = Target(service="proxy")
SERVER = """
import http.server, os, pathlib, sys
class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    def do_GET(self):
        body = ('{"who": "%s"}' % sys.argv[2]).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
    def do_POST(self):
        with pathlib.Path(sys.argv[3]).open("a") as file:
            file.write("x")
        os._exit(1)  # after the effect, before the answer
    def log_message(self, *_):
        pass
http.server.ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Handler).serve_forever()
"""


def web(directory: Path) -> object:
    script = directory / "server.py"
    script.write_text(SERVER)
    command = f"python {script} {{{{ instance.port.http }}}} {{{{ instance.name }}}} {directory / 'posted'}"
    return service("web", "process", command=command, replicas=2, ports="auto")


async def seen_of(stack: Stack, times: int) -> list[str]:
    answers = [await stack.ask("http", "GET /", PROXY) for _ in range(times)]
    assert all(a.values.get("status") == 200 for a in answers), [a.message for a in answers]
    return [a.values["json"]["who"] for a in answers]


async def test_it_balances_and_goes_on_without_one(harbour: Harbour, tmp_path: Path) -> None:
    stack = await harbour.stack(
        web(tmp_path),
        service("proxy", "caddy", after=("web",), to="web", health="/livez"),
        service("narrow", "caddy", after=("web",), to="web#2"),
    )
    assert set(await seen_of(stack, 6)) == {"web#1", "web#2"}
    narrow = [await stack.ask("http", "GET /", Target(service="narrow")) for _ in range(3)]
    assert {a.values["json"]["who"] for a in narrow} == {"web#2"}

    await stack.platform.kill(await stack.instance("web", 1), HOLD_NS)
    assert set(await seen_of(stack, 20)) == {"web#2"}

    await stack.platform.release(await stack.instance("web", 1))

    async def both() -> bool:
        return set(await seen_of(stack, 4)) == {"web#1", "web#2"}

    await stack.until(both, "the copy is served again", 15)


async def test_a_write_that_was_sent_is_not_sent_again(harbour: Harbour, tmp_path: Path) -> None:
    stack = await harbour.stack(web(tmp_path), service("proxy", "caddy", after=("web",), to="web"))
    answer = await stack.ask("http", "POST /", PROXY)
    assert answer.values.get("status") == 502, answer.message
    assert (tmp_path / "posted").read_text() == "x"


async def test_tls_by_an_authority_of_its_own(harbour: Harbour, tmp_path: Path) -> None:
    stack = await harbour.stack(web(tmp_path), service("proxy", "caddy", after=("web",), to="web", tls="internal"))
    assert set(await seen_of(stack, 2)) == {"web#1", "web#2"}
    exports = await stack.exports("proxy")
    assert exports["url"].startswith("https://")
    assert "BEGIN CERTIFICATE" in Path(exports["ca"]).read_text()
