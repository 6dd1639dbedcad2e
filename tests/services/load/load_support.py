"""Runs a generator process against a server that the test wrote."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import ssl
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from streams import Handler, accepting

from seatrial.arrivals import samples
from seatrial.arrivals.errors import ERRORS

SECOND = 1_000_000_000
MS = 1_000_000
GET = {"method": "GET", "path": "/", "headers": {}, "json": None, "body": None, "tag": "", "weight": 1}
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
LONGEST_S = 30.0  # whatever a server does, a run of a second ends before


@dataclass(frozen=True, kw_only=True)
class Run:
    """What a generator said and wrote."""

    said: Mapping[str, Any]
    live: list[Mapping[str, Any]]
    rows: samples.Rows
    errors: Mapping[str, int]

    @property
    def ok(self) -> int:
        return int(self.said["ok"])

    @property
    def failed(self) -> int:
        return int(self.said["failed"])

    @property
    def due(self) -> int:
        return int(self.said["due"])

    def count(self, kind: int) -> int:
        """Of all slots."""
        return int(self.of(kind)["count"].sum())

    def of(self, kind: int) -> samples.Rows:
        rows: samples.Rows = self.rows[(self.rows["kind"] == kind) & (self.rows["slot"] != samples.WHOLE)]
        return rows

    def whole(self, kind: int) -> int:
        """Counted over the whole run."""
        return int(self.rows[(self.rows["kind"] == kind) & (self.rows["slot"] == samples.WHOLE)]["count"].sum())


def configuration(url: str, file: Path, **more: Any) -> dict[str, Any]:
    """A worker's configuration: 100 GETs a second for half a second, and longer time-outs than a busy machine needs, unless `more` says
    otherwise.
    """
    return {
        "name": "load", "file": str(file), "urls": [url], "verify": True, "cert": "", "key": "", "tags": [], "headers": {},
        "users": 0, "think_ns": 0, "timeout_ns": 5 * SECOND, "for_ns": 500 * MS, "script": "", "directory": str(file.parent),
        "requests": [GET], "seed": 1, "connections": 64, "accept": [], "lifo": True,
        "protocol": "http1", "operations": [], "parameters": {}, "schedule": {"constant": 100},
        "share": [0, 1], "start_ns": 0, "warm_up_ns": 0, **more,
    }  # fmt: skip


async def run(
    config: Mapping[str, Any],
    *,
    stop_when: Callable[[Mapping[str, Any]], bool] = lambda _: False,
    environment: Mapping[str, str] | None = None,
    complains: bool = False,
) -> Run:
    """Run a generator to its end; `stop_when` sees each live event and may order it to stop. What it counted has to add up."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "seatrial.load.worker",
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env={**os.environ, **(environment or {})},
    )
    assert process.stdin is not None
    assert process.stdout is not None
    assert process.stderr is not None
    live: list[Mapping[str, Any]] = []
    said: Mapping[str, Any] = {}
    try:
        async with asyncio.timeout(LONGEST_S):
            process.stdin.write(json.dumps(config).encode() + b"\n")
            while line := await process.stdout.readline():
                event = json.loads(line)
                if event["event"] == "live":
                    live.append(event)
                    if stop_when(event):
                        process.stdin.write(b'{"order": "stop"}\n')
                elif event["event"] == "stopped":
                    said = event
            complaints = (await process.stderr.read()).decode()
            await process.wait()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
        process._transport.close()  # type: ignore[attr-defined] # else the loop's end warns of its pipes
    assert process.returncode == 0, complaints
    assert complains or not complaints, complaints
    found = finished(said, live, Path(config["file"]))
    if not config["users"]:
        assert found.due == found.ok + found.failed == found.count(samples.DUE)
    return found


def finished(said: Mapping[str, Any], live: list[Mapping[str, Any]], file: Path) -> Run:
    """What was said and what was written agree."""
    assert (said["rows"], said["sha256"]) == samples.seal(file)
    _, rows = samples.read(file)
    failures = rows[rows["kind"] == samples.FAILED]
    codes = np.bincount(failures["bucket"].astype(np.int64), weights=failures["count"])
    found = Run(said=said, live=live, rows=rows, errors={ERRORS[c]: int(codes[c]) for c in np.flatnonzero(codes)})
    assert found.count(samples.OK) == found.count(samples.RESPONSE) == found.ok
    assert found.count(samples.FAILED) == found.failed
    return found


@contextlib.asynccontextmanager
async def serving(
    handler: Handler, *, host: str = "127.0.0.1", port: int = 0, tls: ssl.SSLContext | None = None, backlog: int = 4096
) -> AsyncIterator[str]:
    """A server of this test; gives its URL."""
    async with accepting(handler, host, port, tls=tls, backlog=backlog) as number:
        yield f"{'https' if tls else 'http'}://{f'[{host}]' if ':' in host else host}:{number}"


def answering(answer: bytes, *, close: bool = False, upto: int | None = None) -> Handler:
    """Gives each request the same bytes. `close` after each; `upto`: that many on a connection."""

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        number = 0
        while upto is None or number < upto:
            await request(reader)
            writer.write(answer)
            await writer.drain()
            number += 1
            if close:
                return

    return handle


async def request(reader: asyncio.StreamReader) -> str:
    """Read a request without a body; its first line."""
    head = await reader.readuntil(b"\r\n\r\n")
    return head.split(b"\r\n")[0].decode()


def script(directory: Path, text: str) -> Path:
    """users.py with a script `user`."""
    (directory / "users.py").write_text("from seatrial.load.scripts import Request\n" + text)
    return directory


def certificate(directory: Path, name: str) -> tuple[Path, Path]:
    """(certificate, key), self-signed for 127.0.0.1; also good as its own authority."""
    cert, key = directory / f"{name}.pem", directory / f"{name}.key"
    options = "-newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2"
    names = f"-subj /CN={name} -addext subjectAltName=IP:127.0.0.1"
    argv = f"openssl req -x509 {options} {names} -keyout {key} -out {cert}".split()
    subprocess.run(argv, check=True, capture_output=True)
    return cert, key


def shop(*, close: bool = False) -> Handler:
    """/login gives a token in a header, /basket wants it in its path."""

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            line = await request(reader)
            extra = "Connection: close\r\n" if close else ""
            good = line.startswith(("GET /login ", "GET /basket?token=abc "))
            status = "200 OK" if good else "403 Forbidden"
            writer.write(f"HTTP/1.1 {status}\r\nX-Token: abc\r\n{extra}Content-Length: 5\r\n\r\nhello".encode())
            if close:
                return

    return handle
