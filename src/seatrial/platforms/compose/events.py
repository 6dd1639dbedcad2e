"""The engine's events of one project: the ground truth of when a container started, died, was well, ran out of memory."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Mapping
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any

from ...core.errors import PlatformError
from .clock import EngineClock, Moment, stamp
from .engine import Engine

PROJECT, SERVICE, NUMBER, ONE_OFF = (
    f"com.docker.compose.{x}" for x in ("project", "service", "container-number", "oneoff")
)
# Those that say something of an instance; a health check alone makes three others each time.
ACTIONS = ("create", "start", "die", "oom", "pause", "unpause", "kill", "stop", "destroy", "health_status")
MEASURE_S = 2.0
_RETRY_S = 0.2
_BACK_NS = 1_000_000_000  # asked for again after a break: events are known by their own time, those that were seen are left out


@dataclass(frozen=True, kw_only=True, slots=True)
class Event:
    """Something that happened to a container. `exit_status` of a `die`, `health` of a `health_status`."""

    action: str  # create, start, die, oom, pause, unpause, kill, stop, destroy, health_status ...
    container: str
    service: str
    number: int
    at: Moment
    engine_ns: int
    exit_status: int | None = None
    health: str = ""


def parse(content: Mapping[str, Any], clock: EngineClock) -> Event | None:
    """An event as the engine sends it; None for one of no container of a service."""
    actor = content.get("Actor") or {}
    attributes = actor.get("Attributes") or {}
    service = attributes.get(SERVICE)
    if content.get("Type") != "container" or not service or attributes.get(ONE_OFF) == "True":
        return None
    action, _, detail = str(content.get("Action") or "").partition(": ")
    number, status = str(attributes.get(NUMBER) or "1"), str(attributes.get("exitCode") or "")
    engine_ns = int(content.get("timeNano") or 0)
    return Event(
        action=action,
        container=str(actor.get("ID") or ""),
        service=str(service),
        number=int(number) if number.isdecimal() else 1,
        at=clock.moment(engine_ns),
        engine_ns=engine_ns,
        exit_status=int(status) if action == "die" and status.lstrip("-").isdecimal() else None,
        health=detail if action == "health_status" else "",
    )


class EventStream:
    """Follows the events of a project; after a break it asks for what it has missed."""

    def __init__(self, engine: Engine, project: str, clock: EngineClock) -> None:
        self._engine = engine
        self._project = project
        self._clock = clock
        self._since_ns = 0
        self._seen: dict[tuple[int, str, str], None] = {}
        self.connected = asyncio.Event()
        self.breaks = 0

    async def follow(
        self,
        broken: Callable[[PlatformError], None] = lambda _: None,
        again: Callable[[], Awaitable[None]] | None = None,
    ) -> AsyncIterator[Event]:
        """From now on, for ever. `broken` is told when the engine cannot be reached; it is tried again, and `again` called when it can."""
        offset = await self._clock.measure()
        self._since_ns = offset.at_ns
        while True:
            try:
                if self.breaks and again is not None:
                    await again()
                async with aclosing(self._once()) as events:
                    async for event in events:
                        yield event
            except PlatformError as error:
                broken(error)
            self.breaks += 1
            self.connected.clear()
            await asyncio.sleep(_RETRY_S)

    async def _once(self) -> AsyncGenerator[Event]:
        filters = {"type": ["container"], "label": [f"{PROJECT}={self._project}"], "event": list(ACTIONS)}
        async with aclosing(self._engine.lines("/events", filters=filters, since=stamp(self._since_ns))) as lines:
            self.connected.set()
            async for content in lines:
                event = parse(content, self._clock)
                if event is None:
                    continue
                key = (event.engine_ns, event.container, event.action)
                if key in self._seen:
                    continue
                self._seen[key] = None
                self._forget(event.engine_ns)
                yield event

    def _forget(self, engine_ns: int) -> None:
        self._since_ns = max(self._since_ns, engine_ns - _BACK_NS)
        while self._seen and next(iter(self._seen))[0] < self._since_ns - _BACK_NS:
            del self._seen[next(iter(self._seen))]


async def keep_measuring(clock: EngineClock, broken: Callable[[PlatformError], None] = lambda _: None) -> None:
    """Compare the clocks again and again, until cancelled."""
    while True:
        await asyncio.sleep(MEASURE_S)
        try:
            await clock.measure()
        except PlatformError as error:
            broken(error)
