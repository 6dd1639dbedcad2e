"""Bringing a stack up: whatever can start at the same time does; a failure says which part, what for, and what was seen."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from ..core.errors import PlatformError, SupervisorError
from ..core.plan import NamedCheck
from ..core.platforms import Prober, Progress
from ..core.processes import CommandResult, Supervisor, UnitState
from ..core.quantities import NS_PER_S, format_duration
from .expansion import START_WITHIN_NS, Part
from .inspection import log_tail
from .instances import Copy, ended_with, make_places
from .readiness import EVERY_NS, ask, waited_for

_REFRESH_S = 1.0


@dataclass(kw_only=True, eq=False)
class Crew:
    """A part with its copies, while it is brought up."""

    part: Part
    copies: Sequence[Copy]
    stirred: asyncio.Event = field(default_factory=asyncio.Event)  # something about a copy has changed
    ready: asyncio.Event = field(default_factory=asyncio.Event)  # all copies have been ready


class Starter:
    """Starts all parts. `learn` takes over statuses; `refresh` asks the supervisor for all of them."""

    def __init__(
        self,
        crews: Mapping[str, Crew],
        *,
        directory: Path,
        supervisor: Supervisor,
        prober: Prober,
        refresh: Callable[[], Awaitable[None]],
        progress: Callable[[Progress], None],
    ) -> None:
        self._crews = crews
        self._directory = directory
        self._supervisor = supervisor
        self._prober = prober
        self._refresh = refresh
        self._asked = 0.0
        self._progress = progress

    async def start(self, begin: Callable[[Copy], Awaitable[None]]) -> None:
        """Start everything (`begin` starts one copy) and wait until all is ready and steady; what is optional and does not come is told
        of, no more. Raises PlatformError.
        """
        await self._each(lambda crew: self._start_part(crew, begin))

    async def wait(self) -> None:
        """Wait for what runs already. Raises PlatformError."""
        await self._each(lambda crew: self._wait(crew, time.monotonic_ns()))

    async def _each(self, work: Callable[[Crew], Coroutine[None, None, None]]) -> None:
        try:
            async with asyncio.TaskGroup() as group:
                for crew in self._crews.values():
                    group.create_task(self._tolerated(crew, work) if crew.part.optional else work(crew))
        except ExceptionGroup as errors:
            known, unknown = errors.split((PlatformError, SupervisorError))
            if unknown is not None or known is None:
                raise
            # The first failure has cancelled the others: there are several only if they came at the same moment.
            raise _first(known) from None

    async def _tolerated(self, crew: Crew, work: Callable[[Crew], Coroutine[None, None, None]]) -> None:
        try:
            await work(crew)
        except* (PlatformError, SupervisorError) as errors:
            self._progress(Progress(subject=crew.part.name, state="given up", detail=str(_first(errors))))

    async def _start_part(self, crew: Crew, begin: Callable[[Copy], Awaitable[None]]) -> None:
        waits = [self._crews[name] for name in crew.part.after]
        if not all(other.ready.is_set() for other in waits):
            self._progress(
                Progress(subject=crew.part.name, state="waiting", detail=f"for {', '.join(crew.part.after)}")
            )
        for other in waits:
            await other.ready.wait()
        began_ns = time.monotonic_ns()
        async with asyncio.TaskGroup() as group:
            group.create_task(self._wait(crew, began_ns))
            at_once = [c for c in crew.copies if not c.blueprint.after_ready]
            for copy in crew.copies:
                if copy.blueprint.after_ready:
                    group.create_task(self._start_later(copy, crew, began_ns, begin))
            # In order, and all of them before any start: a migration is over before any copy serves.
            for copy in at_once:
                await self._prepare(copy, began_ns)
            for copy in at_once:
                group.create_task(self._begin(copy, begin))

    async def _start_later(
        self, copy: Copy, crew: Crew, began_ns: int, begin: Callable[[Copy], Awaitable[None]]
    ) -> None:
        for other in crew.copies:
            if other.name in copy.blueprint.after_ready:
                await other.first_ready.wait()
        await self._prepare(copy, began_ns)
        await self._begin(copy, begin)

    async def _begin(self, copy: Copy, begin: Callable[[Copy], Awaitable[None]]) -> None:
        if not copy.blueprint.within:
            self._progress(Progress(subject=copy.name, state="starting", detail=waited_for(copy)))
        try:
            await begin(copy)
        except SupervisorError as error:
            raise PlatformError(f"{copy.name} could not be started: {error}") from error

    async def _prepare(self, copy: Copy, began_ns: int) -> None:
        if copy.blueprint.within:
            return
        make_places(copy, self._directory)
        deadline_ns = began_ns + copy.part.start_within_ns
        for argv in copy.blueprint.prepare:
            self._progress(Progress(subject=copy.name, state="preparing", detail=" ".join(argv)))
            timeout_ns = max(deadline_ns - time.monotonic_ns(), NS_PER_S)
            try:
                result = await self._supervisor.run(tuple(argv), copy.surroundings, timeout_ns)
            except SupervisorError as error:
                raise PlatformError(f"{copy.part.name} could not be prepared: {error}") from error
            if result.exit_status != 0 or result.timed_out:
                raise PlatformError(_unprepared(copy, argv, result))

    async def _wait(self, crew: Crew, began_ns: int) -> None:
        deadline_ns = began_ns + crew.part.start_within_ns
        told: set[tuple[str, int]] = set()
        while not all(copy.first_ready.is_set() for copy in crew.copies):
            self._tell_crashes(crew, told)
            for copy in crew.copies:
                if copy.status is not None and copy.status.state is UnitState.ENDED and not copy.first_ready.is_set():
                    raise PlatformError(
                        _unready(crew, f"{crew.part.name} did not become ready: {copy.name} {copy.detail()}")
                    )
            if time.monotonic_ns() >= deadline_ns:
                within = format_duration(crew.part.start_within_ns)
                raise PlatformError(_unready(crew, f"{crew.part.name} is not ready after {within}"))
            await self._stir(crew, deadline_ns)
        crew.ready.set()
        for check in crew.part.steady:
            await self._steady(check, crew)
        self._progress(
            Progress(
                subject=crew.part.name, state="ready", detail=f"after {format_duration(time.monotonic_ns() - began_ns)}"
            )
        )

    def _tell_crashes(self, crew: Crew, told: set[tuple[str, int]]) -> None:
        for copy in crew.copies:
            status = copy.status
            if status is None or status.state is not UnitState.BACKING_OFF or (copy.name, status.restarts) in told:
                continue
            told.add((copy.name, status.restarts))
            self._progress(Progress(subject=copy.name, state="backing-off", detail=copy.detail()))

    async def _stir(self, crew: Crew, deadline_ns: int) -> None:
        """Wait for news of the part, not beyond the deadline; without news, ask."""
        crew.stirred.clear()
        patience = min(_REFRESH_S, max(0.0, (deadline_ns - time.monotonic_ns()) / NS_PER_S))
        try:
            async with asyncio.timeout(patience):
                await crew.stirred.wait()
        except TimeoutError:
            if time.monotonic() - self._asked >= _REFRESH_S:  # one of many that wait asks for all
                self._asked = time.monotonic()
                await self._refresh()

    async def _steady(self, named: NamedCheck, crew: Crew) -> None:
        within_ns = named.check.within_ns or START_WITHIN_NS
        deadline_ns = time.monotonic_ns() + within_ns
        self._progress(Progress(subject=crew.part.name, state="steadying", detail=named.title))
        while True:
            answers = await asyncio.gather(*(ask(named.check, copy.reach, self._prober) for copy in crew.copies))
            if any(holds for holds, _ in answers):
                return
            if time.monotonic_ns() >= deadline_ns:
                seen = [
                    f"  {c.name}: last seen: {text or 'nothing'}"
                    for c, (_, text) in zip(crew.copies, answers, strict=True)
                ]
                head = f"{crew.part.name} is ready, but not in its steady state after {format_duration(within_ns)}"
                raise PlatformError("\n".join([head, f"  waited for: {named.title}", *seen, *_logs(crew.copies)]))
            await asyncio.sleep((named.check.every_ns or EVERY_NS) / NS_PER_S)


def _first(errors: BaseExceptionGroup[BaseException]) -> PlatformError:
    inner: BaseException = errors
    while isinstance(inner, BaseExceptionGroup):
        inner = inner.exceptions[0]
    return inner if isinstance(inner, PlatformError) else PlatformError(str(inner))


def _unprepared(copy: Copy, argv: Sequence[str], result: CommandResult) -> str:
    how = f"took more than {format_duration(result.took_ns)}" if result.timed_out else ended_with(result.exit_status)
    said = (result.stderr.strip() or result.stdout.strip()).splitlines()[-15:]
    head = f"{copy.part.name} could not be prepared: {' '.join(argv)} {how}"
    return "\n".join([head, f"  for {copy.name}, in {copy.blueprint.directory}", *(f"    | {line}" for line in said)])


def _unready(crew: Crew, head: str) -> str:
    """What is known of a part that did not become ready: each instance, and its log."""
    lines = [head]
    missing = [copy for copy in crew.copies if not copy.ready]
    for copy in missing:
        status = copy.status
        if status is None:
            lines.append(f"  {copy.name} was not started")
            continue
        pid = f"pid {status.process.pid}" if status.process else "no process"
        lines.append(f"  {copy.name} is {status.state} ({pid}, restarted {status.restarts} times)")
        lines.append(f"    waited for: {waited_for(copy)}")
        if copy.last_seen:
            lines.append(f"    last seen: {copy.last_seen}")
        if status.exit_status is not None:
            lines.append(f"    its last process {ended_with(status.exit_status)}")
    return "\n".join([*lines, *_logs([copy for copy in missing if copy.status is not None])])


def _logs(copies: Sequence[Copy]) -> list[str]:
    lines: list[str] = []
    for copy in copies:
        for path in dict.fromkeys((copy.log, copy.output)):
            tail = log_tail(path)
            if tail:
                lines += [f"  the end of {path}:", *(f"    | {line}" for line in tail)]
                break
        else:
            lines.append(f"  its log is empty: {copy.log}")
    return lines
