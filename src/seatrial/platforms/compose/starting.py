"""Waiting until a project is ready and steady; a failure says which service, what for, and what was seen."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping, Sequence

from ...core.compose import EXTENSION
from ...core.errors import PlatformError
from ...core.plan import NamedCheck
from ...core.platforms import Prober, Progress
from ...core.processes import Restart
from ...core.quantities import NS_PER_S, QuantityError, format_duration, parse_quantity
from ..expansion import START_WITHIN_NS
from ..inspection import log_tail
from ..readiness import EVERY_NS, ask
from .config import Config
from .containers import Container
from .fleet import Crew, Fleet
from .readiness import waited_for

_LOOK_S = 1.0


class Waiting:
    """Waits for all services of a fleet, those that are optional left out."""

    def __init__(self, fleet: Fleet, prober: Prober, progress: Callable[[Progress], None]) -> None:
        self._fleet, self._prober, self._progress = fleet, prober, progress

    async def all(self) -> None:
        """Raises PlatformError, naming the first that did not get ready."""
        began_ns = time.monotonic_ns()
        try:
            async with asyncio.TaskGroup() as group:
                for job in self._fleet.jobs.values():
                    group.create_task(self._job(job, began_ns))
                for crew in self._fleet.crews.values():
                    if not crew.optional:
                        group.create_task(self._crew(crew, began_ns))
        except ExceptionGroup as errors:
            known, unknown = errors.split(PlatformError)
            if unknown is not None or known is None:
                raise
            raise _first(known) from None

    async def _job(self, job: Container, began_ns: int) -> None:
        deadline_ns = began_ns + start_within(self._fleet.config, job.service.name, None)
        while job.status in ("running", "created", "paused"):
            if time.monotonic_ns() >= deadline_ns:
                raise PlatformError(f"{job.service.name} has not ended; it is a job that others wait for\n{_log(job)}")
            await _stir(job.stirred, deadline_ns)
        if job.exit_status not in (0, None):
            raise PlatformError(f"{job.service.name} failed: {job.detail()}\n{_log(job)}")

    async def _crew(self, crew: Crew, began_ns: int) -> None:
        ready = crew.plan.ready
        within_ns = start_within(
            self._fleet.config,
            crew.containers[0].service.name if crew.containers else "",
            ready.within_ns if ready else None,
        )
        deadline_ns = began_ns + within_ns
        while not all(c.ready for c in crew.containers):
            for container in crew.containers:
                if _has_ended(container):
                    raise PlatformError(unready(crew, _ended(crew, container)))
            if time.monotonic_ns() >= deadline_ns:
                raise PlatformError(unready(crew, f"{crew.name} is not ready after {format_duration(within_ns)}"))
            await _stir(crew.stirred, deadline_ns)
        for named in crew.steady if crew.containers else ():
            await self._steady(named, crew, within_ns)
        took = format_duration(time.monotonic_ns() - began_ns)
        self._progress(Progress(subject=crew.name, state="ready", detail=f"{took} after it was brought up"))

    async def _steady(self, named: NamedCheck, crew: Crew, within_ns: int) -> None:
        deadline_ns = time.monotonic_ns() + (named.check.within_ns or within_ns)
        self._progress(Progress(subject=crew.name, state="steadying", detail=named.title))
        while True:
            seen = await asyncio.gather(*(ask(named.check, c.reach, self._prober) for c in crew.containers))
            if any(holds for holds, _ in seen):
                return
            if time.monotonic_ns() >= deadline_ns:
                lines = [
                    f"  {c.name}: last seen: {t or 'nothing'}" for c, (_, t) in zip(crew.containers, seen, strict=True)
                ]
                head = f"{crew.name} is ready, but not in its steady state after {format_duration(within_ns)}"
                raise PlatformError("\n".join([head, f"  waited for: {named.title}", *lines]))
            await asyncio.sleep((named.check.every_ns or EVERY_NS) / NS_PER_S)


def start_within(config: Config, service: str, default_ns: int | None) -> int:
    """How long a service may take, from `start-within` of its x-seatrial."""
    found = config.services.get(service)
    text = found.settings.get("start-within") if found is not None else None
    if text is not None:
        try:
            return round(parse_quantity(str(text)).value)
        except QuantityError as error:
            raise PlatformError(f"{service}: start-within: {error}") from error
    return default_ns or START_WITHIN_NS


def unready(crew: Crew, head: str) -> str:
    """What is known of a service that did not get ready: each instance, and its log."""
    lines = [head]
    missing = [c for c in crew.containers if not c.ready]
    for container in missing:
        lines.append(
            f"  {container.name} is {container.status or 'not created'} (restarted {container.restarts} times)"
        )
        lines.append(f"    waited for: {waited_for(container)}")
        if container.last_seen:
            lines.append(f"    last seen: {container.last_seen}")
        said = _health_said(container.details)
        lines += [f"    its health check said: {said}"] if said else []
        if container.exit_status is not None:
            lines.append(f"    its last process ended with exit status {container.exit_status}")
    return "\n".join([*lines, *(_log(c) for c in missing)])


def _ended(crew: Crew, container: Container) -> str:
    """What is wrong with one that has ended, and what may have been meant."""
    said = f"{crew.name} did not become ready: {container.name} {container.detail()}; not restarted"
    if container.exit_status == 0:
        said += f"\n  if it is meant to end, say so in the compose file: {container.service.name}: {{{EXTENSION}: {{job: true}}}}"
    return said


def _has_ended(container: Container) -> bool:
    """Whether it has ended, and nobody starts it again."""
    if container.status not in ("exited", "dead"):
        return False
    policy = container.service.declaration.restart
    return policy is Restart.NEVER or (policy is Restart.ON_FAILURE and container.exit_status == 0)


def _health_said(details: Mapping[str, object]) -> str:
    state = details.get("State")
    health = state.get("Health") if isinstance(state, dict) else None
    entries = health.get("Log") or [] if isinstance(health, dict) else []
    return str(entries[-1].get("Output") or "").strip()[-300:] if entries else ""


def _log(container: Container) -> str:
    tail: Sequence[str] = log_tail(container.output)
    if not tail:
        return f"  its log is empty: {container.output}"
    return "\n".join([f"  the end of {container.output}:", *(f"    | {line}" for line in tail)])


async def _stir(event: asyncio.Event, deadline_ns: int) -> None:
    """Wait until something has changed, or a second has passed, or the deadline."""
    event.clear()
    left = min(_LOOK_S, max(0.0, (deadline_ns - time.monotonic_ns()) / NS_PER_S))
    try:
        async with asyncio.timeout(left):
            await event.wait()
    except TimeoutError:
        return


def _first(errors: BaseExceptionGroup[BaseException]) -> PlatformError:
    inner: BaseException = errors
    while isinstance(inner, BaseExceptionGroup):
        inner = inner.exceptions[0]
    return inner if isinstance(inner, PlatformError) else PlatformError(str(inner))
