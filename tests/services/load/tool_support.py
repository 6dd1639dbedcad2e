"""Runs an existing file of another tool as a load, against a server that counts."""

from __future__ import annotations

import asyncio
import http.server
import threading
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from seatrial.api.tools import RunningTool, start
from seatrial.core.load_plans import LoadPlan, ToolPlan
from seatrial.core.workloads import Figures, RenderedRequest, Window

SECOND = 1_000_000_000
LONGEST_S = 60.0


class Counting(http.server.ThreadingHTTPServer):
    """Answers /ok with 200, /broken with 500, /missing with 404; counts by method and path."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.counts: Counter[str] = Counter()
        self.headers: list[str] = []
        self.lock = threading.Lock()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"

    def handle_error(self, *_: object) -> None: ...


class _Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Counting

    def do_GET(self) -> None:
        with self.server.lock:
            self.server.counts[f"{self.command} {self.path}"] += 1
            self.server.headers.append(self.headers.get("X-Token") or "")
        self.send_response({"/broken": 500, "/missing": 404}.get(self.path, 200))
        self.send_header("Content-Length", "2")
        self.end_headers()
        self.wfile.write(b"ok")

    def do_POST(self) -> None:
        self.do_GET()

    def log_message(self, *_: object) -> None: ...


@contextmanager
def counting() -> Iterator[Counting]:
    with Counting() as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()


async def started(
    directory: Path, url: str, tool: ToolPlan, adopt: Callable[[int], Awaitable[None]] | None = None, **more: Any
) -> RunningTool:
    """A load of a tool's file in a directory, its results in samples/."""
    plan = LoadPlan(name="old", tool=tool, directory=directory, timeout_ns=SECOND, connections=1, **more)
    given = {"arguments": list(tool.arguments), "environment": dict(tool.environment)}
    request = RenderedRequest(urls=(url,), verb=tool.name, what=tool.file, arguments=given)

    async def nobody(_: int) -> None: ...

    return await start(plan, tool, request, directory / "samples" / "old.load", adopt or nobody)


async def ran(directory: Path, url: str, tool: ToolPlan, **more: Any) -> RunningTool:
    """The same, to its end."""
    running = await started(directory, url, tool, **more)
    async with asyncio.timeout(LONGEST_S):
        await running.ended()
    return running


def figures(running: RunningTool) -> Figures:
    """Over the whole run."""
    return running.figures(Window(from_ns=0, to_ns=1 << 62), (), None, None)


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(LONGEST_S):
        while not condition():  # noqa: ASYNC110 - another process brings it about
            await asyncio.sleep(0.05)
