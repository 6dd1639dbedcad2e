"""A real PostgreSQL, and servers that answer as an API and as a search engine do."""

from __future__ import annotations

import asyncio
import http.server
import json
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from seatrial.api.python import stack

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parents[1] / "unit/compare"))  # compare_support
sys.path.insert(0, str(HERE.parents[1] / "conformance/probes"))  # probe_support


class Database:
    """PostgreSQL, by its address and its connection."""

    def __init__(self, url: str, instance: Any, parameters: dict[str, str]) -> None:
        self.url, self.instance, self.parameters = url, instance, parameters

    def run(self, *statements: str) -> None:
        import psycopg

        with psycopg.connect(self.url, autocommit=True) as connection:
            for statement in statements:
                connection.execute(statement)

    def table(self, name: str, columns: str, *rows: str) -> str:
        """Made anew; its name as a store."""
        self.run(
            f"drop table if exists {name}",
            f"create table {name} ({columns})",
            *([f"insert into {name} values {', '.join(rows)}"] if rows else []),
        )
        return f"{self.url}#table={name}"


@pytest.fixture(scope="session")
def database(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Database]:
    """Held by a loop in a thread of its own: these tests block, and its keeper waits for nobody."""
    home = tmp_path_factory.mktemp("stack") / "trial"
    found: Future[Database] = Future()
    loop = asyncio.new_event_loop()
    over = asyncio.Event()

    async def hold() -> None:
        async with stack({"postgres": {"kind": "postgres", "database": "shop"}}, directory=home) as running:
            known = running.exports("postgres")
            (instance,) = await running.instances("postgres#1")
            url = f"postgresql://{known['user']}:{known['password']}@{known['host']}:{known['port']}/shop"
            found.set_result(Database(url, instance, dict((await running._prober.view("postgres")).parameters)))
            await over.wait()

    def work() -> None:
        try:
            loop.run_until_complete(hold())
        except BaseException as error:
            if found.done():
                raise
            found.set_exception(error)
        finally:
            loop.close()

    thread = threading.Thread(target=work)
    thread.start()
    yield found.result(60)
    loop.call_soon_threadsafe(over.set)
    thread.join(30)


class Answers(http.server.BaseHTTPRequestHandler):
    """Whatever the test's function makes of a request: (status, JSON)."""

    protocol_version = "HTTP/1.1"

    def _answer(self) -> None:
        length = int(self.headers.get("Content-Length") or 0)
        body = json.loads(self.rfile.read(length) or b"null")
        parts = urlsplit(self.path)
        query = {n: v[0] for n, v in parse_qs(parts.query).items()}
        self.server.asked.append((self.command, self.path, dict(self.headers)))  # type: ignore[attr-defined]
        status, answer = self.server.respond(self.command, parts.path, query, body)  # type: ignore[attr-defined]
        data = json.dumps(answer).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    do_GET = do_POST = do_DELETE = _answer  # noqa: N815 - names that http.server looks for

    def log_message(self, *_: object) -> None: ...


class Server:
    """Its address, and what it was asked."""

    def __init__(self, respond: Callable[..., tuple[int, Any]]) -> None:
        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Answers)
        self._server.respond = respond  # type: ignore[attr-defined]
        self.asked: list[tuple[str, str, dict[str, str]]] = []
        self._server.asked = self.asked  # type: ignore[attr-defined]
        self.place = f"127.0.0.1:{self._server.server_address[1]}"
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)
        self._thread.start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


@pytest.fixture
def serve() -> Iterator[Callable[..., Server]]:
    made: list[Server] = []

    def start(respond: Callable[..., tuple[int, Any]]) -> Server:
        made.append(Server(respond))
        return made[-1]

    yield start
    for server in made:
        server.close()
