"""Requests for probes, and real servers for them to look at."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from ports import free_port
from streams import Handler, accepting

from seatrial import probes
from seatrial.core.errors import NotExercised
from seatrial.core.expressions import Judgement
from seatrial.core.links import LinkTraffic, Tried
from seatrial.core.observations import Observation, Probe, ProbeRequest, Reach
from seatrial.core.plan import CheckPlan
from seatrial.core.processes import CommandResult
from seatrial.core.stack import Actual, Declaration, Endpoint, Instance, Target, Usage
from seatrial.core.vocabulary import load


@dataclass
class Around:
    """This machine as the place where the target runs."""

    files: Mapping[str, Path] = field(default_factory=dict)
    marks: Mapping[str, int] = field(default_factory=dict)
    executes: bool = True
    passed: LinkTraffic | None = None
    owned: list[int] = field(default_factory=list)
    explained: Mapping[str, Sequence[tuple[int, int]]] = field(default_factory=dict)
    promises: Mapping[str, Declaration] = field(default_factory=dict)
    real: Mapping[str, Actual] = field(default_factory=dict)
    well: Mapping[str, tuple[bool, str]] = field(default_factory=dict)
    changed: Sequence[Instance] | None = None

    async def own(self, pid: int, purpose: str) -> None:
        self.owned.append(pid)

    async def execute(self, argv: Sequence[str], timeout_ns: int, stdin: str = "") -> CommandResult:
        if not self.executes:
            raise NotExercised("this platform cannot run commands")
        process = await asyncio.create_subprocess_exec(*argv, stdin=-1, stdout=-1, stderr=-1)
        out, err = await process.communicate(stdin.encode())
        return CommandResult(exit_status=process.returncode or 0, stdout=out.decode(), stderr=err.decode(), took_ns=0)

    async def usage(self) -> Usage:
        return Usage(cpu_seconds=1.5, memory_bytes=4096, descriptors=7, threads=2, processes=1)

    async def usages(self) -> Mapping[str, Usage]:
        return {name: await self.usage() for name in self.real}

    async def traffic(self) -> LinkTraffic:
        if self.passed is None:
            raise NotExercised("this platform has no links")
        return self.passed

    async def tries(self, link: Target, since_ns: int) -> Sequence[Tried]:
        raise NotExercised("there are no links")

    async def ask(self, check: CheckPlan, values: Mapping[str, object]) -> tuple[Observation, Judgement]:
        raise NotExercised("there is no trial")

    def log_files(self) -> Mapping[str, Path]:
        return self.files

    def log_mark(self) -> Mapping[str, int]:
        return self.marks

    def log_explained(self) -> Mapping[str, Sequence[tuple[int, int]]]:
        return self.explained

    def declared(self) -> Mapping[str, Declaration]:
        return self.promises

    async def actual(self) -> Mapping[str, Actual]:
        return self.real

    async def health(self) -> Mapping[str, tuple[bool, str]]:
        return self.well

    def changes(self) -> Sequence[Instance]:
        if self.changed is None:
            raise NotExercised("the stack was running before")
        return self.changed


async def observe(
    verb: str,
    what: object,
    *ports: int,
    scheme: str = "http",
    target: str = "web#1",
    headers: Mapping[str, str] | None = None,
    timeout_s: float = 5,
    around: Around | None = None,
    instances: Sequence[Instance] = (),
    **arguments: object,
) -> Observation:
    """One attempt of a probe, with endpoints at these ports of this machine; argument names with _ for -."""
    probe: Probe = load(probes.VERBS[verb].run)
    endpoints = {
        "http" if n == 0 else f"http#{n + 1}": Endpoint(name="http", scheme=scheme, host="127.0.0.1", port=port)
        for n, port in enumerate(ports)
    }
    return await probe(
        ProbeRequest(
            what=what,
            arguments={name.replace("_", "-"): argument for name, argument in arguments.items()},
            reach=Reach(name=target, service=target.split("#")[0], kind="process", endpoints=endpoints),
            headers=headers or {},
            timeout_ns=round(timeout_s * 1e9),
            around=around or Around(),
            instances=instances,
        )
    )


@pytest.fixture
async def serve() -> AsyncIterator[Callable[..., object]]:
    """Starts TCP servers with a handler of streams; gives the port. Pooled clients are closed at the end."""
    async with contextlib.AsyncExitStack() as servers:

        async def start(handler: Handler) -> int:
            return await servers.enter_async_context(accepting(handler))

        yield start
        await probes.close()


@dataclass
class Web:
    """A small HTTP server that remembers its requests; answers in turn as the instances that it stands for."""

    names: Sequence[str] = ("a", "b")
    requests: list[tuple[str, dict[str, str], str]] = field(default_factory=list)

    async def __call__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError, asyncio.IncompleteReadError):
            while line := await reader.readline():
                headers = {}
                while (head := (await reader.readline()).decode().strip()) != "":
                    name, _, given = head.partition(":")
                    headers[name.lower()] = given.strip()
                body = (await reader.readexactly(int(headers.get("content-length", "0")))).decode()
                start = line.decode().rsplit(" ", 1)[0]
                self.requests.append((start, headers, body))
                writer.write(self._answer(start, headers, body))
                await writer.drain()
        writer.close()

    def _answer(self, start: str, headers: Mapping[str, str], body: str) -> bytes:
        path = start.split()[1].partition("?")[0]
        more = ""
        if path == "/moved":
            more = "Location: /ok\r\n"
        content = json.dumps({"start": start, "body": body}) if path != "/plain" else "plain words"
        status = {"/moved": "302 Found", "/broken": "503 Unavailable"}.get(path, "200 OK")
        name = self.names[len(self.requests) % len(self.names)]
        return (
            f"HTTP/1.1 {status}\r\n{more}Set-Cookie: session=of-{len(self.requests)}\r\nX-Instance: {name}\r\n"
            f"Content-Length: {len(content)}\r\n\r\n{content}"
        ).encode()


@pytest.fixture
def closed_port() -> int:
    """A port that refuses connections."""
    return free_port()


@dataclass
class Kit:
    observe: Callable[..., object] = observe
    Around: type = Around
    Web: type = Web


@pytest.fixture
def kit() -> Kit:
    return Kit()
