from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from ports import free_port
from streams import accepting

from seatrial.core.compose import ComposeProject
from seatrial.core.expressions import Judgement, Scope, compile_expression
from seatrial.core.observations import Observation, Reach, target_error, value
from seatrial.core.plan import CheckPlan, ProbeCall
from seatrial.core.platforms import Platform, Progress
from seatrial.core.processes import Residue
from seatrial.core.stack import Instance, ServicePlan, StackPlan
from seatrial.core.templates import Template
from seatrial.embedded import KINDS as EMBEDDED
from seatrial.keeper import KeeperClient
from seatrial.platforms import KINDS
from seatrial.platforms.compose.platform import ComposePlatform
from seatrial.platforms.local import LocalPlatform
from seatrial.platforms.remote import RemotePlatform

HERE = Path(__file__).parent
IMAGE = "debian:bookworm"
SECRETS = {"TOKEN": "planted-token"}


class HttpProber:
    """A prober of one verb: http GET, giving the status."""

    async def attempt(self, check: CheckPlan, reach: Reach, timeout_ns: int) -> tuple[Observation, Judgement]:
        endpoint = next(iter(reach.endpoints.values()))
        try:
            async with asyncio.timeout(timeout_ns / 1e9):
                status = await self._status(endpoint.host, endpoint.port, str(check.call.what).split()[1])
            seen = value({"status": status}, message=f"status {status}")
        except (OSError, TimeoutError) as error:
            seen = target_error("refused", f"{endpoint.url}: {type(error).__name__}")
        if check.expect is None or not seen.values:
            return seen, Judgement(truth=bool(seen.values), measured=(), bound="", reason=seen.message)
        return seen, check.expect.evaluate(seen.values)

    @staticmethod
    async def _status(host: str, port: int, path: str) -> int:
        reader, writer = await asyncio.open_connection(host, port)
        try:
            writer.write(f"GET {path} HTTP/1.0\r\n\r\n".encode())
            line = await reader.readline()
        finally:
            writer.close()
        if not line:
            raise ConnectionResetError
        return int(line.split()[1])


def http_check(path: str = "/ready", *, status: int = 200, within_s: float | None = None) -> CheckPlan:
    """GET the path and expect a status."""
    return CheckPlan(
        call=ProbeCall(verb="http", what=f"GET {path}"),
        expect=compile_expression(f"status == {status}", Scope(open=True)),
        within_ns=None if within_s is None else round(within_s * 1e9),
    )


def process(name: str, command: str, **options: object) -> ServicePlan:
    """A service of kind process; texts are templates, as the compiler makes them."""
    after = options.pop("after", ())
    ready = options.pop("ready", None)
    environment = {key: Template.parse(str(text)) for key, text in (options.pop("environment", None) or {}).items()}
    arguments = {"command": Template.parse(command), "environment": environment, **options}
    return ServicePlan(
        name=name,
        kind="process",
        arguments={key.replace("_", "-"): argument for key, argument in arguments.items()},
        after=tuple(after),
        ready=ready,
    )


def shop(name: str = "web", **options: object) -> ServicePlan:
    """Copies of the tiny service."""
    needs = f" {{{{ {options['after'][0]}.url }}}}" if options.get("after") else ""
    settings = {"ports": "auto", "ready": http_check(), "environment": {"WHO": "{{ instance.name }}"}, **options}
    return process(name, f"python shop.py {{{{ instance.port.http }}}}{needs}", **settings)


async def until(condition: Callable[[], Awaitable[bool]], what: str, within_s: float = 15) -> None:
    """Wait for a condition."""
    deadline = time.monotonic() + within_s
    while not await condition():
        assert time.monotonic() < deadline, f"not within {within_s} s: {what}"
        await asyncio.sleep(0.02)


@dataclass
class Bench:
    """Makes local platforms, each with a keeper of its own, and ends them all."""

    directory: Path
    made: list[tuple[LocalPlatform | ComposePlatform, KeeperClient]] = field(default_factory=list)
    told: list[str] = field(default_factory=list)
    ended: set[int] = field(default_factory=set)

    async def local(self, *services: ServicePlan, **options: object) -> LocalPlatform:
        directory = self.directory / f"trial-{len(self.made)}"
        keeper = await KeeperClient.launch(directory)
        platform = LocalPlatform(
            StackPlan(name="bench", platform="local", services={s.name: s for s in services}, directory=HERE),
            directory=directory,
            supervisor=keeper,
            prober=HttpProber(),
            kinds={kind.name: kind for kind in (*KINDS, *options.get("kinds", ()))},
            secrets=SECRETS.__getitem__,
            on_secret=self.told.append,
            owner=keeper.keeper,
        )
        self.made.append((platform, keeper))
        return platform

    async def compose(self, services: Mapping[str, Any], *plans: ServicePlan, **options: Any) -> ComposePlatform:
        """Containers; `services` as in a compose file, `plans` what a spec adds to them, `options` of the project."""
        directory = self.directory / f"trial-{len(self.made)}"
        directory.mkdir()
        file = directory / "compose.yaml"
        file.write_text(json.dumps({"services": services, **options.pop("file", {})}))
        keeper = await KeeperClient.launch(directory)
        project = ComposeProject(files=(file,), directory=HERE, **options)
        stack = StackPlan(
            name="bench", platform="compose", services={p.name: p for p in plans}, directory=HERE, compose=project
        )
        platform = ComposePlatform(
            stack,
            directory=directory,
            supervisor=keeper,
            prober=HttpProber(),
            kinds={kind.name: kind for kind in (*KINDS, *EMBEDDED)},
            secrets=SECRETS.__getitem__,
            on_secret=self.told.append,
            owner=keeper.keeper,
        )
        self.made.append((platform, keeper))
        return platform

    def keeper(self, platform: LocalPlatform | ComposePlatform) -> KeeperClient:
        return next(keeper for made, keeper in self.made if made is platform)

    async def down(self, platform: LocalPlatform | ComposePlatform) -> Residue:
        self.ended.add(id(platform))
        return await platform.down()

    async def close(self) -> None:
        for platform, keeper in reversed(self.made):
            if id(platform) not in self.ended:
                await platform.down()
            await keeper.close()


@pytest.fixture
async def bench(tmp_path: Path) -> AsyncIterator[Bench]:
    bench = Bench(tmp_path)
    try:
        yield bench
    finally:
        await bench.close()


@dataclass
class Harness:
    """One implementation of the protocol with a stack: `web` twice, `front` once, which needs `web`."""

    platform: Platform
    broken: Callable[[], Awaitable[Platform]]  # the same kind of platform with a `web` that never gets ready
    progress: list[Progress] = field(default_factory=list)
    who: Callable[[Instance], str] = lambda instance: instance.name  # what it is told that it is
    port: Callable[[Instance], int] = lambda instance: instance.endpoints["http"].port  # what it listens on

    async def up(self) -> None:
        await self.platform.up(self.progress.append)

    async def instance(self, name: str) -> Instance:
        views = await self.platform.survey()
        return next(i for view in views.values() for i in view.instances if i.name == name)

    async def becomes(self, name: str, condition: Callable[[Instance], bool], what: str) -> Instance:
        async def holds() -> bool:
            return condition(await self.instance(name))

        await until(holds, what)
        return await self.instance(name)


def container(**options: Any) -> dict[str, Any]:
    """The tiny service in a container; it needs nothing but Perl, which every Debian has."""
    return {
        "image": IMAGE,
        "command": ["perl", "/conformance/platforms/shop.pl", "8000"],
        "working_dir": "/conformance/platforms",
        "volumes": [f"{HERE}:/conformance/platforms:ro"],
        "environment": {"WHO": "web"},
        "ports": ["127.0.0.1::8000"],
        "restart": "always",
        "x-seatrial": {"endpoints": {"http": 8000}},
        **options,
    }


@pytest.fixture(params=["local", "remote", pytest.param("compose", marks=pytest.mark.docker)])
async def harness(request: pytest.FixtureRequest, bench: Bench) -> AsyncIterator[Harness]:
    if request.param == "compose":
        services = {"web": container(deploy={"replicas": 2}), "front": container(depends_on=["web"])}
        idle = {"web": container(command=["sleep", "99"], init=True)}

        def plans(within_s: float | None = None) -> list[ServicePlan]:
            ready = http_check(within_s=within_s)
            return [ServicePlan(name=n, kind="process", arguments={}, ready=ready) for n in ("web", "front")]

        yield Harness(
            platform=await bench.compose(services, *plans()),
            broken=lambda: bench.compose(idle, *plans(within_s=1)),
            who=lambda _: "web",
            port=lambda _: 8000,
        )
        return
    if request.param == "local":
        yield Harness(
            platform=await bench.local(shop(replicas=2), shop("front", after=["web"])),
            broken=lambda: bench.local(process("web", "python -c 'import time; print(\"idle\", flush=True); time.sleep(99)'",
                                               ports="auto", ready=http_check(within_s=1))),
        )  # fmt: skip
        return
    async with AsyncExitStack() as servers:
        urls = [f"http://127.0.0.1:{await servers.enter_async_context(accepting(_answer))}" for _ in range(3)]
        yield Harness(
            platform=remote({"web": urls[:2], "front": urls[2:]}),
            broken=lambda: _resolved(remote({"web": [f"http://127.0.0.1:{free_port()}"]}, within_s=0.3)),
        )


def remote(urls: Mapping[str, list[str]], *, allow: tuple[str, ...] = (), within_s: float = 5) -> RemotePlatform:
    """A remote platform with services at these addresses."""
    services = {
        name: ServicePlan(name=name, kind="remote", arguments={"url": tuple(each)}, ready=http_check(within_s=within_s))
        for name, each in urls.items()
    }
    stack = StackPlan(name="bench", platform="remote", services=services, directory=HERE, allow=allow)
    return RemotePlatform(stack, prober=HttpProber(), secrets=SECRETS.__getitem__)


async def _resolved(platform: Platform) -> Platform:
    return platform


async def _answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.readline()
    writer.write(b"HTTP/1.0 200 OK\r\n\r\n")


@dataclass
class Kit:
    """What tests call to declare stacks."""

    shop: Callable[..., ServicePlan] = shop
    process: Callable[..., ServicePlan] = process
    check: Callable[..., CheckPlan] = http_check
    remote: Callable[..., RemotePlatform] = remote
    container: Callable[..., dict[str, Any]] = container
    until: Callable[..., Awaitable[None]] = until


@pytest.fixture
def kit() -> Kit:
    return Kit()
