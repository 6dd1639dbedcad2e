"""All instances of a project: learnt from the engine's events, looked at where those do not tell, and shown as services."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ...core.errors import PlatformError
from ...core.plan import CheckPlan, NamedCheck
from ...core.platforms import ServiceView
from ...core.stack import Description, Endpoint, Instance, Presence, ServicePlan, StackPlan
from ...core.vocabulary import ServiceKind, load
from ..expansion import describe as words_of
from ..feeds import Feeds
from .clock import EngineClock, from_rfc3339
from .config import Config, Service
from .containers import Container, Role
from .engine import Engine
from .events import NUMBER, ONE_OFF, PROJECT, SERVICE, Event
from .logs import LogKeeper

_TRIES = 5
_MOMENT_S = 0.3
_LATE_NS = 5_000_000_000


@dataclass(kw_only=True, eq=False)
class Crew:
    """A service of the stack with its instances, and what its kind says of it by their present addresses."""

    plan: ServicePlan
    wanted: int
    optional: bool
    parameters: Mapping[str, str]
    containers: list[Container] = field(default_factory=list)
    described_for: tuple[tuple[Endpoint, ...], ...] | None = None
    description: Description = field(default_factory=lambda: Description(exports={}))
    steady: tuple[NamedCheck, ...] = ()
    stirred: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def name(self) -> str:
        """Of the service."""
        return self.plan.name

    @property
    def ready(self) -> CheckPlan | None:
        """What says that an instance is ready, beside its health check."""
        return self.plan.ready or self.description.ready


class Fleet:
    """Instances by name. `publish` tells listeners; `jobs` are containers that end, and are no instances."""

    def __init__(
        self,
        engine: Engine,
        clock: EngineClock,
        *,
        stack: StackPlan,
        config: Config,
        kinds: Mapping[str, ServiceKind],
        logs: Path,
        local: bool,
        feeds: Feeds,
        on_secret: Callable[[str], None],
    ) -> None:
        self._engine, self._clock, self._feeds, self._on_secret = engine, clock, feeds, on_secret
        self._kinds, self._local, self._logs_at = kinds, local, logs
        self.config = config
        self.crews: dict[str, Crew] = {}
        self.containers: dict[str, Container] = {}
        self.jobs: dict[tuple[str, int], Container] = {}
        self._by_place: dict[tuple[str, int], Container] = {}
        self._crew_of: dict[str, Crew] = {}
        self._logs: dict[str, LogKeeper] = {}
        self._events: dict[str, int] = {}  # how many came for each, so that an older look is not believed
        for name, members in config.members().items():
            self._enrol(name, members, stack.services.get(name))
        for service in config.services.values():
            if service.job:
                role = Role(name=service.name, kind="process")
                for number in range(1, service.declaration.replicas + 1):
                    self._add(role, service, number, number, self.jobs)

    def _enrol(self, name: str, members: Sequence[Service], plan: ServicePlan | None) -> None:
        kind = plan.kind if plan is not None else members[0].kind
        crew = Crew(
            plan=plan or ServicePlan(name=name, kind=kind, arguments={}),
            wanted=sum(m.declaration.replicas for m in members),
            optional=all(m.optional for m in members),
            parameters=members[0].parameters,
        )
        self.crews[name] = crew
        places = [(m, n) for m in members for n in range(1, m.declaration.replicas + 1)]
        for ordinal, (member, number) in enumerate(places, 1):
            container = self._add(Role(name=name, kind=kind), member, number, ordinal, self._by_place)
            crew.containers.append(container)
            self.containers[container.name] = container
            self._crew_of[container.name] = crew
        self._describe(crew)

    def _add(
        self, role: Role, service: Service, number: int, ordinal: int, to: dict[tuple[str, int], Container]
    ) -> Container:
        output = self._logs_at / f"{role.name}-{ordinal}.log"
        container = Container(
            role=role,
            service=service,
            number=number,
            ordinal=ordinal,
            output=output,
            local=self._local,
            host=self._engine.address.host,
        )
        to[service.name, number] = container
        self._logs[container.name] = LogKeeper(self._engine, output)
        return container

    # -- learning

    async def happened(self, event: Event) -> Container | None:
        """Take over an event; the container it was about, if it is one of ours."""
        place = (event.service, event.number)
        container = self._by_place.get(place) or self.jobs.get(place)
        if container is None:
            return None
        if event.action == "destroy" and event.container != container.id:
            return container  # one that was replaced
        self._events[container.name] = self._events.get(container.name, 0) + 1
        if event.action == "create":
            container.ours = 1
        container.happened(event)
        if event.action == "die":
            await self._date_death(container, event)
        if event.action in ("start", "unpause"):
            await self.inspect(container)
        if event.action == "start":
            self._follow_log(container)
        self.show(container)
        return container

    async def _date_death(self, container: Container, event: Event) -> None:
        """When it died: whoever waited for its process knows that, and tells the engine, which may be late with its event."""
        with suppress(PlatformError):
            state = (await self._engine.get(f"/containers/{event.container}/json"))["State"]
            finished = self._clock.moment(from_rfc3339(str(state["FinishedAt"]))).ns
            if event.at.ns - _LATE_NS < finished < event.at.ns and container.since_ns == event.at.ns:
                container.since_ns = finished

    async def inspect(self, container: Container) -> None:
        """Look at one now. What an event said meanwhile is newer than the look: it is looked again."""
        for _ in range(_TRIES):
            if not container.id:
                return
            before = self._events.get(container.name, 0)
            try:
                details = await self._engine.get(f"/containers/{container.id}/json")
            except PlatformError:
                return  # it was removed meanwhile: its event says so
            if self._events.get(container.name, 0) == before:
                container.inspected(details, self._clock)
                self._describe_of(container)
                return

    async def refresh(self) -> None:
        """Find all containers of the project, and look at each."""
        filters = {"label": [f"{PROJECT}={self.config.name}"]}
        for each in await self._engine.get("/containers/json", all=1, filters=filters):
            labels = each.get("Labels") or {}
            number = str(labels.get(NUMBER) or "1")
            place = (str(labels.get(SERVICE) or ""), int(number) if number.isdecimal() else 1)
            container = self._by_place.get(place) or self.jobs.get(place)
            if container is not None and labels.get(ONE_OFF) != "True":
                container.id = str(each["Id"])
        known = [*self.containers.values(), *self.jobs.values()]
        await asyncio.gather(*(self.inspect(c) for c in known))
        for container in known:
            self.show(container)

    def found_running(self) -> None:
        """What runs was started by somebody else, before: its restarts are those that the engine counts; logs are kept from its start."""
        for container in [*self.containers.values(), *self.jobs.values()]:
            container.restarts = int(container.details.get("RestartCount") or 0)
            if container.id:
                self._logs[container.name].begin_anew()
                self._follow_log(container)

    def follow_logs(self) -> None:
        """Keep the logs of what started before its event could be heard."""
        for container in [*self.containers.values(), *self.jobs.values()]:
            if container.id and not self._logs[container.name].followed:
                self._follow_log(container)

    def _follow_log(self, container: Container) -> None:
        terminal = bool((container.details.get("Config") or {}).get("Tty"))
        self._logs[container.name].follow(container.id, terminal=terminal)

    def show(self, container: Container) -> None:
        """Tell everybody whom it concerns, if something has changed."""
        container.stirred.set()
        crew = self._crew_of.get(container.name)
        if crew is not None:
            crew.stirred.set()
        instance = container.instance()
        before = container.shown
        if before is not None and _told(before) == _told(instance):
            return
        if before is None and not container.id:
            return  # it was never there
        container.shown = instance
        self._feeds.publish(instance)

    # -- services

    def view(self, crew: Crew) -> ServiceView:
        """A service now."""
        return ServiceView(
            name=crew.name,
            kind=crew.plan.kind,
            instances=[c.instance() for c in crew.containers],
            wanted=0 if crew.optional else crew.wanted,
            parameters=crew.description.parameters or crew.parameters,
            exports=crew.description.exports,
            roles={**crew.description.roles, **crew.plan.roles},
            steady=crew.steady,
            ready=crew.ready,
            optional=crew.optional,
        )

    def views(self) -> Mapping[str, ServiceView]:
        """All services."""
        return {name: self.view(crew) for name, crew in self.crews.items()}

    def get(self, instance: Instance) -> Container:
        """By name. Raises PlatformError for one that there is not."""
        if instance.name not in self.containers:
            known = ", ".join(self.containers)
            raise PlatformError(f"this stack has no instance {instance.name}; instances: {known}")
        return self.containers[instance.name]

    async def settle_logs(self, within_s: float) -> None:
        """Have the logs of what has ended, and a moment's of what runs."""
        await asyncio.gather(*(self._logs[c.name].settle(min(within_s, _MOMENT_S)) for c in self.containers.values()))

    async def close(self, *, within_s: float = 0.0) -> None:
        """Keep no more logs; those of what has ended are read to the end first."""
        await asyncio.gather(*(k.finish(within_s) if within_s else k.close() for k in self._logs.values()))

    def _describe_of(self, container: Container) -> None:
        with suppress(KeyError):
            self._describe(self._crew_of[container.name])

    def _describe(self, crew: Crew) -> None:
        """What its kind says of it, whenever addresses have changed."""
        addresses = tuple(tuple(c.endpoints.values()) for c in crew.containers)
        if addresses == crew.described_for:
            return
        crew.described_for = addresses
        presence = Presence(
            service=crew.name,
            instances=[dict(c.endpoints) or _nowhere(c.service) for c in crew.containers],
            parameters=crew.parameters,
        )
        kind = self._kinds.get(crew.plan.kind)
        crew.description = (
            load(kind.describe)(presence) if kind is not None and kind.describe else _plain_description(presence)
        )
        for secret in crew.description.secrets:
            self._on_secret(secret)
        crew.steady = tuple(
            NamedCheck(id=f"{crew.name}/steady-{n}", title=words_of(c), check=c)
            for n, c in enumerate(crew.description.steady, 1)
        )
        role = Role(
            name=crew.name,
            kind=crew.plan.kind,
            ready=crew.ready,
            parameters=crew.description.parameters or crew.parameters,
        )
        for container in crew.containers:
            container.role = role


def _plain_description(presence: Presence) -> Description:
    """A service of no kind that describes itself: where it is."""
    firsts = [next(iter(i.values())) for i in presence.instances if i]
    if not firsts or not firsts[0].port:
        return Description(exports={})
    first = firsts[0]
    return Description(
        exports={
            "host": first.host,
            "port": str(first.port),
            "url": first.url,
            "addresses": ",".join(f"{e.host}:{e.port}" for e in firsts),
        }
    )


def _nowhere(service: Service) -> dict[str, Endpoint]:
    """Endpoints of one that has no address yet, so that its kind knows what it has."""
    return {n: Endpoint(name=n, scheme=p.scheme, host="", port=0) for n, p in service.endpoints.items()}


def _told(instance: Instance) -> tuple[Any, ...]:
    """What of an instance is worth telling when it changes."""
    return (
        instance.state,
        instance.ready,
        instance.identity,
        instance.restarts,
        instance.since_ns,
        tuple(instance.endpoints.values()),
    )
