"""Stacks of embedded servers, on the local platform, under a keeper of their own."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from seatrial.api.vocabulary import vocabulary
from seatrial.core.observations import Observation
from seatrial.core.plan import ProbeCall
from seatrial.core.redaction import Redactor
from seatrial.core.stack import Instance, ServicePlan, StackPlan, Target
from seatrial.core.templates import Template
from seatrial.engine.probing import Prober, reach_of
from seatrial.keeper import KeeperClient
from seatrial.platforms.local import LocalPlatform


def service(name: str, kind: str = "", after: tuple[str, ...] = (), **arguments: object) -> ServicePlan:
    """A service as the compiler makes it; the kind is the name where none is given."""
    made = {
        key.replace("_", "-"): Template.parse(text) if isinstance(text, str) and "{{" in text else text
        for key, text in arguments.items()
    }
    return ServicePlan(name=name, kind=kind or name, arguments=made, after=after)


@dataclass
class Stack:
    """A running stack and what a scenario would use of it."""

    platform: LocalPlatform
    prober: Prober

    async def instance(self, service: str, ordinal: int) -> Instance:
        return (await self.platform.survey())[service].instances[ordinal - 1]

    async def exports(self, service: str) -> dict[str, str]:
        return dict((await self.platform.survey())[service].exports)

    async def holding(self, service: str, role: str) -> list[str]:
        return [i.name for i in await self.prober.bind(service, role)]

    async def ask(self, verb: str, what: str, at: Target, **arguments: object) -> Observation:
        return await self.prober.call(ProbeCall(verb=verb, what=what, at=at, arguments=arguments), {}, 3_000_000_000)

    async def is_steady(self, service: str) -> bool:
        """Whether each steady check holds at one instance at least."""
        view = (await self.platform.survey())[service]
        for named in view.steady:
            tries = [await self.prober.attempt(named.check, reach_of(view, i), 2_000_000_000) for i in view.instances]
            if not any(judgement.truth is True for _, judgement in tries):
                return False
        return True

    async def until(self, condition: Callable[[], Awaitable[bool]], what: str, within_s: float) -> float:
        """Wait for a condition; seconds that it took."""
        began = time.monotonic()
        while not await condition():
            assert time.monotonic() - began < within_s, f"not within {within_s} s: {what}"
            await asyncio.sleep(0.1)
        return time.monotonic() - began


@dataclass
class Harbour:
    """Brings stacks up, and all of them down at the end."""

    directory: Path
    made: list[tuple[LocalPlatform, KeeperClient]] = field(default_factory=list)

    async def stack(self, *services: ServicePlan) -> Stack:
        directory = self.directory / f"trial-{len(self.made)}"
        keeper = await KeeperClient.launch(directory)
        redactor = Redactor()
        prober = Prober(vocabulary(), lambda name: {}[name], redactor)
        platform = LocalPlatform(
            StackPlan(name="bench", platform="local", services={s.name: s for s in services}, directory=self.directory),
            directory=directory,
            supervisor=keeper,
            prober=prober,
            kinds=vocabulary().kinds,
            secrets=lambda name: {}[name],
            on_secret=redactor.add,
            owner=keeper.keeper,
        )
        prober.platform = platform
        self.made.append((platform, keeper))
        await platform.up(lambda _: None)
        return Stack(platform=platform, prober=prober)

    async def close(self) -> None:
        for platform, keeper in self.made:
            try:
                residue = await platform.down()
            finally:
                await keeper.close()
            assert not residue


@pytest.fixture
async def harbour(tmp_path: Path) -> AsyncIterator[Harbour]:
    harbour = Harbour(tmp_path)
    try:
        yield harbour
    finally:
        await harbour.close()
