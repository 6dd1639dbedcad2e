"""Containers for benchmarks: a small web server, a platform with a keeper of its own, waiting."""

from __future__ import annotations

import asyncio
import contextlib
import json
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

from seatrial.api.vocabulary import vocabulary
from seatrial.core.compose import ComposeProject
from seatrial.core.stack import Instance, StackPlan
from seatrial.keeper import KeeperClient
from seatrial.platforms.compose.platform import ComposePlatform

BACK_WITHIN_S = 30.0
SERVER = r"""
use strict; use warnings; use IO::Socket::INET; use IO::Select;
$| = 1; $SIG{TERM} = sub { exit 0 }; $SIG{PIPE} = "IGNORE";
my $server = IO::Socket::INET->new(LocalPort => $ENV{PORT} // 8000, Listen => 1024, ReuseAddr => 1) or die $!;
my $all = IO::Select->new($server);
print "listens\n";
while (1) {
    for my $ready ($all->can_read) {
        if ($ready == $server) { $all->add($server->accept // next); next }
        my $got = sysread $ready, my $request, 65536;
        if (!$got) { $all->remove($ready); close $ready; next }
        my $asked = () = $request =~ /\r\n\r\n/g;
        syswrite $ready, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok" x $asked;
    }
}
"""


def service(**options: Any) -> dict[str, Any]:
    """A web server that keeps its connections."""
    return {
        "image": "debian:bookworm",
        "command": ["perl", "-e", SERVER.replace("$", "$$")],
        "ports": ["127.0.0.1::8000"],
        "restart": "always",
        "x-seatrial": {"endpoints": {"http": 8000}},
        **options,
    }


class Nobody:
    """No `ready` check here needs a prober."""

    async def attempt(self, *_: object) -> Any:
        raise AssertionError


async def make(directory: Path, file: Path, **options: Any) -> tuple[ComposePlatform, KeeperClient]:
    """A platform with a keeper of its own."""
    keeper = await KeeperClient.launch(directory)
    project = ComposeProject(files=(file,), directory=file.parent, **options)
    platform = ComposePlatform(
        StackPlan(name="bench", platform="compose", services={}, directory=file.parent, compose=project),
        directory=directory,
        supervisor=keeper,
        prober=Nobody(),
        kinds=vocabulary().kinds,
        secrets=lambda name: name,
        on_secret=lambda _: None,
        owner=keeper.keeper,
    )
    return platform, keeper


@contextlib.asynccontextmanager
async def running(directory: Path, services: dict[str, Any]) -> AsyncIterator[ComposePlatform]:
    """A project that is up."""
    file = directory / "compose.yaml"
    file.write_text(json.dumps({"services": services}))
    platform, keeper = await make(directory / "trial", file)
    try:
        await platform.up(lambda _: None)
        yield platform
    finally:
        residue = await platform.down()
        await keeper.close()
        if residue:
            print(f"LEFT {residue.lines}")


async def now(platform: ComposePlatform, service: str) -> Instance:
    """Its one instance."""
    return (await platform.survey())[service].instances[0]


async def until(condition: Callable[[], Awaitable[bool]], within_s: float = BACK_WITHIN_S) -> bool:
    """Whether it came true in time."""
    deadline = time.monotonic() + within_s
    while not await condition():
        if time.monotonic() > deadline:
            return False
        await asyncio.sleep(0.01)
    return True


async def restarted_by_hand(platform: ComposePlatform, service: str) -> None:
    """Make the engine forget earlier crashes: it waits twice as long before each restart of what has not run for 10 s."""
    instance = await now(platform, service)
    await platform.stop(instance, None)
    await platform.release(instance)
    await ready(platform, service)


async def ready(platform: ComposePlatform, service: str) -> bool:
    """Whether it is ready within the time."""

    async def holds() -> bool:
        return (await now(platform, service)).ready

    return await until(holds)
