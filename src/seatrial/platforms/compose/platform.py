"""The platform of Docker Compose: thin, made of collaborators that each do one thing."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from pathlib import Path

from ...core.errors import NotExercised, PlatformError, UsageError
from ...core.fingerprints import Part
from ...core.links import KIND, LinkEnd, LinkTraffic, Tried
from ...core.networks import Sound, Sounding
from ...core.platforms import Prober, Progress, ServiceView, Sighting
from ...core.processes import CommandResult, ProcessId, Residue, Supervisor
from ...core.stack import LINK, Actual, Declaration, Instance, StackPlan, Usage
from ...core.vocabulary import ServiceKind
from ..feeds import Feeds
from ..ports import Ports
from . import actual, readiness, secret_values, usage, witness
from .acts import Acts
from .address import EngineAddress, refuse_unless_allowed, resolve, same_machine
from .apart import step_aside
from .bringing import Bringing, address_of, recorded
from .clock import EngineClock
from .config import Config
from .engine import Engine
from .events import Event, EventStream, keep_measuring
from .execution import execute
from .fleet import Fleet
from .limits import Limiter
from .linking import ContainerLinks
from .networking import ContainerNetworks
from .project import own_name
from .starting import Waiting, unready

_CAPABILITIES = frozenset(
    {
        "start",
        "kill",
        "stop",
        "pause",
        "restart",
        "execute",
        "usage",
        "logs",
        "network",
        "disconnect",
        "link",
        "constrain",
    }
)
_LAST_LOGS_S = 3.0
_SAID = {"create": "creating", "start": "starting", "die": "ended", "oom": "out of memory"}


class ComposePlatform:
    """core.platforms.Platform on containers.

    `directory`: the trial's; the project as it is brought up goes to `stack/` in it (claimed: gone at the end), logs to `logs/`. A project
    of the trial's own is removed at its end, with networks, volumes and the images that it built; one that is adopted goes on.
    """

    def __init__(
        self,
        stack: StackPlan,
        *,
        directory: Path,
        supervisor: Supervisor,
        prober: Prober,
        kinds: Mapping[str, ServiceKind],
        secrets: Callable[[str], str],
        on_secret: Callable[[str], None],
        owner: ProcessId | None = None,
        address: EngineAddress | None = None,
    ) -> None:
        if stack.compose is None:
            raise PlatformError(f"the stack {stack.name} has no compose file")
        self._stack, self._plan, self._kinds = stack, stack.compose, kinds
        self._directory, self._data, self._trial = directory, directory / "stack", str(directory.resolve())
        self._supervisor, self._prober = supervisor, prober
        self._secret, self._on_secret = secrets, on_secret
        self._address = address
        self._owner, self._ports = owner, Ports(owner=owner)
        self._feeds = Feeds()
        self._tasks: list[asyncio.Task[None]] = []
        self._engine: Engine | None = None
        self._fleet: Fleet | None = None
        self._acts: Acts | None = None
        self._networks: ContainerNetworks | None = None
        self._links: ContainerLinks | None = None
        self._limiter: Limiter | None = None
        self._bringing: Bringing | None = None
        self._clock = EngineClock()
        self._local = False
        self._residue: Residue | None = None
        self._declared: Mapping[str, Declaration] = {}  # before ports were pinned

    @property
    def name(self) -> str:
        """compose"""
        return "compose"

    @property
    def capabilities(self) -> frozenset[str]:
        """What an engine can do; what this machine's rights do not allow says so when it is asked for."""
        return _CAPABILITIES

    @property
    def fleet(self) -> Fleet:
        """All instances. Raises PlatformError before `up`."""
        if self._fleet is None:
            raise PlatformError("the stack was not brought up")
        return self._fleet

    @property
    def engine(self) -> Engine:
        """The engine. Raises PlatformError before `up`."""
        if self._engine is None:
            raise PlatformError("the stack was not brought up")
        return self._engine

    @property
    def clock(self) -> EngineClock:
        """The engine's clock on ours, and how well it is known."""
        return self._clock

    @property
    def local(self) -> bool:
        """Whether the engine's containers are processes of this machine."""
        return self._local

    @property
    def supervisor(self) -> Supervisor:
        """Who keeps remedies."""
        return self._supervisor

    # -- the stack as a whole

    async def prepare(self, progress: Callable[[Progress], None]) -> None:
        """All that precedes a start: read and write out the project, build and fetch its images; one that is adopted has to be there.

        Raises UsageError in Compose's words, PlatformError for images that cannot be had.
        """
        await self._supervisor.claim(directories=[self._data], locks=[self._ports.directory])
        self._data.mkdir(mode=0o700, parents=True, exist_ok=True)
        bringing = await self._meet(self._address or resolve())
        config = await asyncio.to_thread(bringing.read)
        for name in self._plan.secrets:
            self._on_secret(self._secret(name))
        if self._plan.adopt:
            await self._adopt(bringing, config)
            return
        pin = self._pin if self._local else None
        self._declared = actual.declared(config)
        config = await asyncio.to_thread(bringing.prepare, config, pin)
        await self._supervisor.claim(ports=self._ports.held)
        await self._muster(bringing, config, progress)
        await bringing.make(config, progress)

    async def up(self, progress: Callable[[Progress], None]) -> None:
        """Bring the project up, and wait until it is ready and steady. Raises as `prepare` does, PlatformError naming what did not
        get ready and why. What was started goes on running after a failure, to be looked at, until `down`.
        """
        if self._bringing is None:
            await self.prepare(progress)
        assert self._bringing is not None
        if self._plan.adopt:
            await self.fleet.refresh()
            await self._linked().begin()
            self.fleet.found_running()
        else:
            await self._linked().begin()
            try:
                await self._bringing.up(self.fleet.config)
            except PlatformError as error:
                raise PlatformError(await self._explained(str(error))) from error
            await self.fleet.refresh()
        await self._step_aside(progress)
        await self._linked().settled()
        self.fleet.follow_logs()
        await Waiting(self.fleet, self._prober, progress).all()

    async def attach(self, progress: Callable[[Progress], None]) -> None:
        """Take over a project that another process brought up in this directory. Raises PlatformError if there is none."""
        record = recorded(self._data)
        bringing = await self._meet(address_of(record))
        config = bringing.written()
        await self._muster(bringing, config, progress)
        await self.fleet.refresh()
        missing = [c.name for c in self.fleet.containers.values() if not c.id]
        if missing:
            raise PlatformError(f"project {config.name} has no {', '.join(missing)}: end it with `seatrial down`")
        self.fleet.found_running()
        await self._linked().begin()
        await self._step_aside(progress)
        await self._linked().settled()
        await Waiting(self.fleet, self._prober, progress).all()

    async def survey(self) -> Mapping[str, ServiceView]:
        """All services, as the engine's events tell; none before `up`."""
        if self._fleet is None:
            return {}
        return {**self._fleet.views(), **(self._links.views() if self._links is not None else {})}

    def changes(self) -> AsyncIterator[Instance]:
        """Every change of an instance from this call on, until `down`."""
        return self._feeds.listen()

    async def down(self) -> Residue:
        """End everything; what is left. Also after a failed `up`; a second call changes nothing."""
        if self._residue is not None:
            return self._residue
        if self._limiter is not None:
            await self._limiter.close()
        if self._bringing is not None and self._bringing.begun and self._fleet is not None:
            if self._acts is not None:
                await self._acts.close(forget=True)
            await self._linked().close(forget=True)
            await self._bringing.down(self._fleet.config.name)  # what resists, the remedy says
        await self.leave(within_s=_LAST_LOGS_S)
        try:
            self._residue = await self._supervisor.end()
        finally:
            self._ports.release()
        return self._residue

    async def leave(self, *, within_s: float = 0.0) -> None:
        """Look no longer; what runs goes on. What was done to it is undone by who keeps the remedies."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._tasks.clear()
        if self._limiter is not None:
            await self._limiter.close()
        if self._acts is not None:
            await self._acts.close(forget=False)
        if self._links is not None:
            await self._links.close(forget=False)
        if self._fleet is not None:
            await self._fleet.close(within_s=within_s)
        if self._engine is not None:
            await self._engine.close()
        self._feeds.close()

    # -- acts on instances

    async def kill(self, instance: Instance, hold_ns: int | None) -> None:
        """CanKill; see Acts."""
        await self._act().kill(instance, hold_ns)

    async def stop(self, instance: Instance, hold_ns: int | None) -> None:
        """CanStop."""
        await self._act().stop(instance, hold_ns)

    async def release(self, instance: Instance) -> None:
        """CanRelease."""
        await self._act().release(instance)

    async def pause(self, instance: Instance) -> None:
        """CanPause."""
        await self._act().pause(instance)

    async def execute(self, instance: Instance, argv: Sequence[str], timeout_ns: int, stdin: str = "") -> CommandResult:
        """CanExecute."""
        return await execute(self.engine, self.fleet.get(instance).id, argv, timeout_ns, stdin)

    async def impair_network(self, instance: Instance, kind: str, arguments: Mapping[str, object]) -> int:
        """CanImpairNetworks; see ContainerNetworks. Raises NotExercised for peers whose traffic a link leads elsewhere."""
        peers = arguments.get("peers")
        led = self._linked().between(instance.service, peers) if isinstance(peers, list | tuple) else ()
        if led:
            raise NotExercised(
                f"what {instance.name} and its peers send each other goes by {', '.join(led)}: hit that link"
            )
        return await self._nets().impair(instance, kind, arguments)

    async def mend_network(self, instance: Instance, number: int) -> None:
        """CanImpairNetworks. Links are led to where it is then."""
        await self._nets().mend(instance, number)
        await self._linked().settled()

    # -- acts on links

    def ends(self, link: Instance) -> Sequence[LinkEnd]:
        """HasLinks; see ContainerLinks."""
        return self._linked().ends(link)

    async def impair(self, link: Instance, kind: str, arguments: Mapping[str, object]) -> int:
        """HasLinks."""
        return await self._linked().impair(link, kind, arguments)

    async def mend(self, link: Instance, number: int) -> None:
        """HasLinks."""
        await self._linked().mend(link, number)

    async def traffic(self, link: Instance) -> LinkTraffic:
        """HasLinks."""
        return await self._linked().traffic(link)

    async def tries(self, link: Instance, since_ns: int) -> Sequence[Tried]:
        """HasLinks."""
        return await self._linked().tries(link, since_ns)

    async def around(self, link: Instance) -> Sequence[str]:
        """HasWaysAround."""
        return await self._linked().around(link)

    # -- what instances may use

    async def constrain(self, instance: Instance, kind: str, arguments: Mapping[str, object]) -> int:
        """CanConstrain; see limits."""
        return await self._limits().begin(instance, kind, arguments)

    async def relax(self, instance: Instance, number: int) -> None:
        """CanConstrain."""
        await self._limits().end(number)

    def presser(self, number: int) -> ProcessId | None:
        """CanConstrain."""
        return self._limits().presser(number)

    async def leader(self, instance: Instance) -> ProcessId | None:
        """CanLocate."""
        return self._limits().leader(instance)

    # -- looking at instances

    async def sound(self, victim: Instance, sound: Sound, origin: Instance | None) -> Sequence[Sounding]:
        """CanSoundNetworks."""
        return await self._nets().sound(victim, sound, origin)

    async def look(self, instance: Instance) -> Sighting:
        """CanWitness: the kernel is asked; the engine only where it runs elsewhere."""
        container = self.fleet.get(instance)
        if self._local:
            return await witness.look(instance, container.process)
        return await witness.ask(instance, container.id, self.engine)

    async def usage(self, instance: Instance) -> Usage:
        """CanMeasure: from control groups where they can be seen. Raises PlatformError for an instance that is down, and for a link."""
        return await usage.of(self.fleet.get(instance), self.engine)

    async def parts(self) -> Sequence[Part]:
        """CanIdentify: the image of each instance, by its id."""
        seen = [(c, str(c.details.get("Image") or "")) for c in self.fleet.containers.values() if c.id]
        return [Part(subject=c.name, name=c.service.image or "image", digest=image) for c, image in seen if image]

    async def sockets(self) -> Mapping[str, tuple[int, int]]:
        """CanSeeSockets: in each container's own network."""
        return await asyncio.to_thread(usage.sockets_of, list(self.fleet.containers.values()))

    def log_file(self, instance: Instance) -> Path:
        """CanReadLogs; of a link the proxy's."""
        if LINK in instance.service:
            return self._linked().log
        return self.fleet.get(instance).output

    def declared(self) -> Mapping[str, Declaration]:
        """Declares."""
        return self._declared or actual.declared(self.fleet.config)

    async def actual(self, instance: Instance) -> Actual:
        """Declares. Raises PlatformError for an instance that is down."""
        container = self.fleet.get(instance)
        await self.fleet.inspect(container)
        return actual.of(container)

    # -- inside

    def _act(self) -> Acts:
        if self._acts is None:
            raise PlatformError("the stack was not brought up")
        return self._acts

    def _nets(self) -> ContainerNetworks:
        if self._networks is None:
            raise PlatformError("the stack was not brought up")
        return self._networks

    def _linked(self) -> ContainerLinks:
        if self._links is None:
            raise PlatformError("the stack was not brought up")
        return self._links

    def _limits(self) -> Limiter:
        if self._limiter is None:
            raise PlatformError("the stack was not brought up")
        return self._limiter

    async def _meet(self, address: EngineAddress) -> Bringing:
        """The engine: is it there, is it on this machine, what does its clock say?"""
        if address.socket is None:
            refuse_unless_allowed(address.host, self._stack.allow)
        self._engine = Engine(address)
        info = await self._engine.get("/info")
        self._local = address.socket is not None and same_machine(info)
        engine = self._engine
        if not self._local:

            async def ask() -> str:
                return str((await engine.get("/info"))["SystemTime"])

            self._clock = EngineClock(ask)
        await self._clock.measure()
        self._bringing = Bringing(
            plan=self._plan,
            data=self._data,
            trial=self._trial,
            own=own_name(self._stack.name, self._directory),
            engine=engine,
            supervisor=self._supervisor,
            secret=self._secret,
        )
        return self._bringing

    async def _step_aside(self, progress: Callable[[Progress], None]) -> None:
        seen = [c.process for c in self.fleet.containers.values() if c.process is not None]
        if words := await step_aside(self._supervisor, self._owner, self._directory.name, seen):
            progress(Progress(subject="processor time", state="shared", detail=words))

    async def _explained(self, said: str) -> str:
        """What Compose said, and what is known of the services that are not ready."""
        with contextlib.suppress(PlatformError):
            await self.fleet.refresh()
            self.fleet.follow_logs()
        await self.fleet.settle_logs(_LAST_LOGS_S)
        there = [c for c in self.fleet.crews.values() if any(i.id and not i.ready for i in c.containers)]
        return "\n".join([said, *(unready(c, f"{c.name} is not ready") for c in there)])

    async def _adopt(self, bringing: Bringing, config: Config) -> None:
        if not await bringing.containers(config.name):
            raise UsageError.simple(
                f"there is no project {config.name} to adopt",
                "start it (docker compose up -d), name it (project: NAME), or leave `adopt` out: seatrial brings up one of its own",
            )
        bringing.adopt(config)
        await self._muster(bringing, config, lambda _: None)

    async def _muster(self, bringing: Bringing, config: Config, progress: Callable[[Progress], None]) -> None:
        """Know the instances, and listen to what happens to them from now on; what is secret of theirs first."""
        for value in secret_values.values(config, bringing.environment):
            self._on_secret(value)
        fleet = self._fleet = Fleet(
            self.engine,
            self._clock,
            stack=self._stack,
            config=config,
            kinds=self._kinds,
            logs=self._directory / "logs",
            local=self._local,
            feeds=self._feeds,
            on_secret=self._on_secret,
        )
        self._acts = Acts(self.engine, fleet, self._supervisor, local=self._local)
        self._networks = ContainerNetworks(
            self.engine,
            fleet,
            self._supervisor,
            local=self._local,
            logs=self._directory / "logs",
            comment=self._directory.name,
        )
        self._links = ContainerLinks(
            [plan for plan in self._stack.services.values() if plan.kind == KIND],
            fleet,
            self._networks,
            self._supervisor,
            self._ports,
            data=self._data,
            logs=self._directory / "logs",
            local=self._local,
            own=not self._plan.adopt,
        )
        self._limiter = Limiter(self.engine, fleet, self._supervisor, self._data, local=self._local)
        stream = EventStream(self.engine, config.name, self._clock)
        self._tasks.append(asyncio.create_task(self._follow(stream, fleet, progress)))
        self._tasks.append(asyncio.create_task(keep_measuring(self._clock)))
        for container in fleet.containers.values():
            self._tasks.append(asyncio.create_task(readiness.watch(container, self._prober, fleet.show)))
        await stream.connected.wait()

    async def _follow(self, stream: EventStream, fleet: Fleet, progress: Callable[[Progress], None]) -> None:
        async for event in stream.follow(again=fleet.refresh):
            container = await fleet.happened(event)
            if container is not None and self._links is not None:
                self._links.changed(container, event.action)
            if container is not None and (word := _word(event)):
                progress(Progress(subject=container.name, state=word, detail=event.health))

    def _pin(self, service: str, port: int) -> int:
        del service, port
        return self._ports.allocate()


def _word(event: Event) -> str:
    return "health" if event.action == "health_status" else _SAID.get(event.action, "")
