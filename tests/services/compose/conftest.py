from __future__ import annotations

import asyncio
import contextlib
import json
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from seatrial.core.compose import ComposeProject
from seatrial.core.stack import Instance, StackPlan
from seatrial.embedded import KINDS as EMBEDDED
from seatrial.keeper import KeeperClient
from seatrial.platforms import KINDS
from seatrial.platforms.compose.address import EngineAddress
from seatrial.platforms.compose.platform import ComposePlatform
from seatrial.platforms.compose.project import own_name

HERE = Path(__file__).parent
SERVER = HERE.parents[1] / "conformance/platforms/shop.pl"
IMAGE = "debian:bookworm"


def service(**options: Any) -> dict[str, Any]:
    """A tiny web server in a container."""
    return {
        "image": IMAGE,
        "command": ["perl", "/shop.pl", "8000"],
        "volumes": [f"{SERVER}:/shop.pl:ro"],
        "environment": {"WHO": "web"},
        "ports": ["127.0.0.1::8000"],
        "restart": "always",
        "x-seatrial": {"endpoints": {"http": 8000}},
        **options,
    }


def docker(*words: str) -> str:
    """The docker CLI's answer."""
    return subprocess.run(["docker", *words], capture_output=True, text=True, check=True).stdout


def belongings(project: str) -> list[str]:
    """Everything that there is of a project, by its label."""
    mine = f"label=com.docker.compose.project={project}"
    return [
        *docker("ps", "--all", "--quiet", "--filter", mine).split(),
        *docker("network", "ls", "--quiet", "--filter", mine).split(),
        *docker("volume", "ls", "--quiet", "--filter", mine).split(),
        *docker("images", "--quiet", "--filter", f"reference={project}*").split(),
    ]


async def until(condition: Callable[[], Awaitable[bool] | bool], what: str, within_s: float = 60) -> None:
    """Wait for a condition."""
    deadline = time.monotonic() + within_s
    while True:
        seen = condition()
        if seen if isinstance(seen, bool) else await seen:
            return
        assert time.monotonic() < deadline, f"not within {within_s} s: {what}"
        await asyncio.sleep(0.05)


class NoProber:
    """Nothing here has a `ready` check."""

    async def attempt(self, *_: object) -> Any:
        raise AssertionError("nobody asked for that")


@dataclass
class Bench:
    """Makes platforms, and ends them all."""

    directory: Path
    made: list[tuple[ComposePlatform, KeeperClient]] = field(default_factory=list)
    told: list[str] = field(default_factory=list)  # secrets

    def file(self, services: dict[str, Any], **others: Any) -> Path:
        file = self.directory / f"compose-{len(list(self.directory.iterdir()))}.yaml"
        file.write_text(json.dumps({"services": services, **others}))
        return file

    async def platform(
        self, file: Path, *, address: EngineAddress | None = None, allow: tuple[str, ...] = (), **options: Any
    ) -> ComposePlatform:
        directory = self.directory / f"trial-{len(self.made)}"
        keeper = await KeeperClient.launch(directory)
        project = ComposeProject(files=(file,), directory=file.parent, **options)
        stack = StackPlan(name="bench", platform="compose", services={}, directory=HERE, compose=project, allow=allow)
        platform = ComposePlatform(
            stack,
            directory=directory,
            supervisor=keeper,
            prober=NoProber(),
            kinds={kind.name: kind for kind in (*KINDS, *EMBEDDED)},
            secrets=lambda name: f"value of {name}",
            on_secret=self.told.append,
            owner=keeper.keeper,
            address=address,
        )
        self.made.append((platform, keeper))
        return platform

    def project(self, platform: ComposePlatform) -> str:
        number = next(n for n, (made, _) in enumerate(self.made) if made is platform)
        return own_name("bench", self.directory / f"trial-{number}")

    async def close(self) -> None:
        for platform, keeper in reversed(self.made):
            await platform.down()
            await keeper.close()


@pytest.fixture
async def bench(tmp_path: Path) -> AsyncIterator[Bench]:
    bench = Bench(tmp_path)
    try:
        yield bench
    finally:
        await bench.close()


@pytest.fixture
def project(tmp_path: Path) -> AsyncIterator[Callable[[Path], str]]:
    """Brings a project up by hand, as somebody does who knows nothing of seatrial; gone at the end."""
    names: list[tuple[str, Path]] = []

    def up(file: Path) -> str:
        name = f"byhand-{abs(hash(str(tmp_path))) % 10**8}-{len(names)}"
        names.append((name, file))
        docker("compose", "--project-name", name, "--file", str(file), "up", "--detach")
        return name

    yield up
    for name, file in names:
        with contextlib.suppress(subprocess.CalledProcessError):
            docker("compose", "--project-name", name, "--file", str(file), "down", "--volumes", "--timeout", "0")


async def one(platform: ComposePlatform, name: str) -> Instance:
    """An instance now."""
    return next(i for v in (await platform.survey()).values() for i in v.instances if i.name == name)


@dataclass
class Kit:
    service: Callable[..., dict[str, Any]] = service
    docker: Callable[..., str] = docker
    belongings: Callable[[str], list[str]] = belongings
    until: Callable[..., Awaitable[None]] = until
    one: Callable[..., Awaitable[Instance]] = one
    python: str = sys.executable


@pytest.fixture
def kit() -> Kit:
    return Kit()
