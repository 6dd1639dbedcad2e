"""The local platform: a stack of processes on this machine, owned by a supervisor."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from pathlib import Path

from ..core import procfs
from ..core.errors import NotExercised, PlatformError, SupervisorError
from ..core.fingerprints import OpenFile
from ..core.fingerprints import Part as CorePart
from ..core.links import LinkEnd, LinkTraffic, Tried, sum_of
from ..core.platforms import Prober, Progress, ServiceView, Sighting
from ..core.processes import CommandResult, ProcessId, Residue, Supervisor, Surroundings, UnitStatus
from ..core.quantities import NS_PER_S
from ..core.stack import Actual, Declaration, Instance, StackPlan, Usage
from ..core.vocabulary import ServiceKind
from ..links.control import LinkControl
from . import declaring, inspection
from .constraints import LOCAL, Constraints
from .expansion import Part, expand
from .feeds import Feeds
from .ground import LocalGround, Site
from .instances import Copy, make_copies, search_path
from .links import HOST, ends
from .parts import parts_of
from .ports import LOOPBACK, Ports
from .readiness import watch
from .starting import Crew, Starter

_PROBE_NAME = "seatrial-probe"
_CAPABILITIES = frozenset(
    {"start", "kill", "stop", "pause", "restart", "execute", "usage", "logs", "link", "constrain"}
)


class LocalPlatform:
    """core.platforms.Platform with every capability there is.

    `directory`: the trial's; data goes to `stack/` in it (claimed: gone at the end), logs to `logs/`. `secrets` gives the
    value of a secret of the spec, `on_secret` is told every password that is made. `owner` is the process for whose life
    the ports are held: the supervisor's, where it may outlive this one.
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
    ) -> None:
        self._stack = stack
        self._kinds = kinds
        self._data = directory / "stack"
        self._logs = directory / "logs"
        self._supervisor = supervisor
        self._prober = prober
        self._ports = Ports(owner=owner)
        self._site = Site(
            directory=self._data,
            stack_directory=stack.directory,
            stack_name=stack.name,
            ports=self._ports,
            secret=secrets,
            on_secret=on_secret,
        )
        self._crews: dict[str, Crew] = {}
        self._copies: dict[str, Copy] = {}
        self._lodgers: dict[str, list[Copy]] = {}  # by the instance in whose process they live
        self._control: LinkControl | None = None
        self._constraints = Constraints(supervisor, self._data)
        self._tasks: list[asyncio.Task[None]] = []
        self._feeds = Feeds()
        self._residue: Residue | None = None

    @property
    def name(self) -> str:
        """local"""
        return "local"

    @property
    def capabilities(self) -> frozenset[str]:
        """All of them."""
        return _CAPABILITIES

    @property
    def lacking(self) -> Mapping[str, str]:
        """Lacks."""
        return self._site.absent

    # -- the stack as a whole

    async def up(self, progress: Callable[[Progress], None]) -> None:
        """Start everything, in the order of dependencies, and wait until it is ready and steady.

        Raises PlatformError naming what did not and why, UsageError and NotExercised for what cannot be started at all.
        What was started goes on running after a failure, to be looked at, until `down`.
        """
        try:
            await self._supervisor.claim(directories=[self._data], locks=[self._ports.directory])
            self._data.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._site.names_resolve = await self._names_resolve()
            self._muster(expand(self._stack, self._kinds, self._site))
            await self._supervisor.claim(ports=self._ports.held)
        except SupervisorError as error:
            raise PlatformError(f"the stack could not be started: {error}") from error
        self._site.save()
        for name, why in self._site.absent.items():
            progress(Progress(subject=name, state="absent", detail=why))
        self._watch()
        await self._starter(progress).start(self._begin)

    async def attach(self, progress: Callable[[Progress], None]) -> None:
        """Take over a stack that another process brought up in this directory, and wait until it is ready.

        Raises PlatformError if there is none, or if it does not become ready.
        """
        self._site.restore()
        self._muster(expand(self._stack, self._kinds, self._site))
        self._watch()
        await self._refresh()
        missing = [copy.name for copy in self._copies.values() if copy.status is None]
        if missing:
            raise PlatformError(
                f"the stack in {self._data} does not run {', '.join(missing)}: end it with `seatrial down`"
            )
        await self._starter(progress).wait()

    async def survey(self) -> Mapping[str, ServiceView]:
        """All services now; none before `up`. Raises SupervisorError if the supervisor cannot be reached."""
        if self._copies:
            await self._refresh()
        return {name: _view(crew) for name, crew in self._crews.items()}

    def changes(self) -> AsyncIterator[Instance]:
        """Every change of an instance from this call on, until `down`."""
        return self._feeds.listen()

    async def down(self) -> Residue:
        """End everything and give the ports back; what is left. Also after a failed `up`; a second call changes nothing."""
        if self._residue is not None:
            return self._residue
        await self.leave()
        try:
            self._residue = await self._supervisor.end()
        finally:
            self._ports.release()
        return self._residue

    async def leave(self) -> None:
        """Look no longer, and mend what was impaired and cut down; what runs goes on."""
        await self._constraints.end_all()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._tasks.clear()
        if self._control is not None:
            await self._control.close()
        self._feeds.close()

    # -- acts on instances; all raise SupervisorError when the supervisor cannot do it

    async def kill(self, instance: Instance, hold_ns: int | None) -> None:
        """CanKill."""
        self._learn(await self._supervisor.kill(instance.name, hold_ns))

    async def stop(self, instance: Instance, hold_ns: int | None) -> None:
        """CanStop."""
        self._learn(await self._supervisor.stop(instance.name, hold_ns))

    async def release(self, instance: Instance) -> None:
        """CanRelease."""
        self._learn(await self._supervisor.release(instance.name))

    async def pause(self, instance: Instance) -> None:
        """CanPause."""
        self._learn(await self._supervisor.pause(instance.name))

    async def execute(self, instance: Instance, argv: Sequence[str], timeout_ns: int, stdin: str = "") -> CommandResult:
        """CanExecute."""
        return await self._supervisor.run(argv, self._copy(instance).surroundings, timeout_ns, stdin)

    async def constrain(self, instance: Instance, kind: str, arguments: Mapping[str, object]) -> int:
        """CanConstrain; see constraints. Raises NotExercised and PlatformError, too."""
        leader = await self.leader(instance)
        if leader is None:
            raise PlatformError(f"{instance.name} is down: nothing to constrain")
        return await self._constraints.begin(LOCAL[kind], instance.name, leader, arguments)

    async def relax(self, instance: Instance, number: int) -> None:
        """CanConstrain."""
        await self._constraints.end(number)

    def presser(self, number: int) -> ProcessId | None:
        """CanConstrain."""
        return self._constraints.presser(number)

    # -- acts on links

    def ends(self, link: Instance) -> Sequence[LinkEnd]:
        """HasLinks."""
        to = self._stack.services[link.service].arguments["to"]
        return ends(self._copy(link).blueprint, self._copies[f"{to}#{link.ordinal}"].blueprint)

    async def impair(self, link: Instance, kind: str, arguments: Mapping[str, object]) -> int:
        """HasLinks; see seatrial.links.impairments. Raises PlatformError when the proxy cannot be reached, or does not want to."""
        return await self._proxy().impair(link.name, kind, arguments)

    async def mend(self, link: Instance, number: int) -> None:
        """HasLinks."""
        await self._proxy().ask("mend", link=link.name, number=number)

    async def traffic(self, link: Instance) -> LinkTraffic:
        """HasLinks: of all its addresses together."""
        return sum_of([LinkTraffic(**each) for each in await self._proxy().ask("traffic", link=link.name)])

    async def tries(self, link: Instance, since_ns: int) -> Sequence[Tried]:
        """HasLinks."""
        return [Tried(*each) for each in await self._proxy().ask("tries", link=link.name, since=since_ns)]

    def _proxy(self) -> LinkControl:
        if self._control is None:
            if HOST not in self._crews:
                raise PlatformError("this stack has no links: links: in the stack file says between which services")
            host = self._crews[HOST].copies[0]
            control = host.blueprint.endpoints["control"]
            secret = LocalGround(self._site, HOST).secret("control")
            self._control = LinkControl((control.host, control.port), secret)
        return self._control

    # -- looking at instances

    async def leader(self, instance: Instance) -> ProcessId | None:
        """CanLocate."""
        copy = self._copy(instance)
        if copy.blueprint.within:
            raise NotExercised(f"{instance.name} lives in the process of {copy.blueprint.within}")
        process = copy.status.process if copy.status else None
        return process if process is not None and procfs.is_alive(process) else None

    async def usage(self, instance: Instance) -> Usage:
        """CanMeasure; see inspection.usage_of. Raises PlatformError for an instance that is down."""
        copy = self._copy(instance)
        if copy.blueprint.within:
            raise PlatformError(f"{instance.name} lives in the process of {copy.blueprint.within}")
        process = copy.status.process if copy.status else None
        usage = inspection.usage_of(process) if process else None
        if usage is None:
            raise PlatformError(f"{instance.name} is down ({copy.detail()}): nothing to measure")
        return usage

    async def parts(self) -> Sequence[CorePart]:
        """What the instances run, as the kernel has it."""
        alive = self._alive()
        return await asyncio.to_thread(lambda: list(parts_of(alive)))

    async def writers(self) -> Mapping[OpenFile, str]:
        """CanSeeWriters: the directories of other kinds are none of what is tested."""
        return await asyncio.to_thread(inspection.writers_of, self._alive("process"))

    async def sockets(self) -> Mapping[str, tuple[int, int]]:
        """CanSeeSockets."""
        ports = {name: [e.port for e in copy.instance().endpoints.values()] for name, copy in self._copies.items()}
        return await asyncio.to_thread(inspection.sockets_of, ports)

    def log_file(self, instance: Instance) -> Path:
        """CanReadLogs: its output, or the log that its kind says tells more."""
        return self._copy(instance).log

    async def look(self, instance: Instance) -> Sighting:
        """CanWitness: from /proc and by a connection of its own; the supervisor is not asked."""
        copy = self._copy(instance)
        known = inspection.process_of(instance.identity) if instance.identity else None
        current = copy.status.process if copy.status else None
        endpoint = next(iter(instance.endpoints.values()), None)
        return await inspection.look(known, current, endpoint)

    def declared(self) -> Mapping[str, Declaration]:
        """Declares; none before `up`."""
        return declaring.declared(self._crews, HOST)

    async def actual(self, instance: Instance) -> Actual:
        """Declares: what its process was given, and what it listens on."""
        copy = self._copy(instance)
        status = (copy.host or copy).status
        if status is None or status.process is None:
            raise PlatformError(f"{instance.name} is down ({copy.detail()}): nothing to read")
        return await asyncio.to_thread(declaring.actual, copy, status.process)

    # -- inside

    def _alive(self, kind: str = "") -> dict[str, ProcessId]:
        """Processes by instance; of one kind, where it is given."""
        copies = (c for c in self._copies.values() if not c.host and kind in ("", c.part.blueprint.kind))
        running = {c.name: c.status.process for c in copies if c.status is not None}
        return {name: process for name, process in running.items() if process is not None}

    def _copy(self, instance: Instance) -> Copy:
        if instance.name not in self._copies:
            raise PlatformError(f"this stack has no instance {instance.name}; instances: {', '.join(self._copies)}")
        return self._copies[instance.name]

    def _muster(self, parts: Mapping[str, Part]) -> None:
        hosts = dict.fromkeys(parts, LOOPBACK) if self._site.names_resolve else {}
        for name, part in parts.items():
            copies = make_copies(part, homes=self._data / ".home", logs=self._logs, hosts=hosts)
            self._crews[name] = Crew(part=part, copies=copies)
            self._copies.update({copy.name: copy for copy in copies})
        for copy in self._copies.values():
            if copy.blueprint.within:
                copy.host = self._copies[copy.blueprint.within]
                self._lodgers.setdefault(copy.blueprint.within, []).append(copy)

    def _starter(self, progress: Callable[[Progress], None]) -> Starter:
        return Starter(
            self._crews,
            directory=self._data,
            supervisor=self._supervisor,
            prober=self._prober,
            refresh=self._refresh,
            progress=progress,
        )

    async def _begin(self, copy: Copy) -> None:
        if copy.blueprint.within:
            return  # it began with its process
        self._learn(await self._supervisor.start(copy.order()))

    async def _names_resolve(self) -> bool:
        """Whether processes here can be given names of their own: tried, not guessed."""
        surroundings = Surroundings(
            directory=self._data, environment={"PATH": search_path()}, hosts={_PROBE_NAME: LOOPBACK}
        )
        try:
            answer = await self._supervisor.run(["getent", "hosts", _PROBE_NAME], surroundings, 5 * NS_PER_S)
        except SupervisorError:
            return False
        return answer.exit_status == 0 and LOOPBACK in answer.stdout

    def _watch(self) -> None:
        self._tasks.append(asyncio.create_task(self._follow(self._supervisor.changes())))
        for copy in self._copies.values():
            self._tasks.append(asyncio.create_task(watch(copy, self._prober, self._show)))

    async def _follow(self, changes: AsyncIterator[UnitStatus]) -> None:
        try:
            async for status in changes:
                self._learn(status)
        except SupervisorError:
            # Whoever asks next is told by the supervisor itself.
            return

    async def _refresh(self) -> None:
        for status in (await self._supervisor.statuses()).values():
            self._learn(status)

    def _learn(self, status: UnitStatus) -> None:
        for name in (status.name, *(c.name for c in self._lodgers.get(status.name, ()))):
            copy = self._copies.get(name)
            if copy is not None and copy.status != status:
                copy.learn(status)
                self._show(copy)

    def _show(self, copy: Copy) -> None:
        """Tell everybody whom it concerns, if something has changed."""
        instance = copy.instance()
        if copy.shown is not None and _same(instance, copy.shown):
            return
        copy.shown = instance
        copy.stirred.set()
        self._crews[copy.part.name].stirred.set()
        self._feeds.publish(instance)


def _same(one: Instance, other: Instance) -> bool:
    """Whether nothing but words has changed."""
    return (one.state, one.ready, one.identity, one.restarts, one.since_ns) == (
        other.state,
        other.ready,
        other.identity,
        other.restarts,
        other.since_ns,
    )


def _view(crew: Crew) -> ServiceView:
    part, blueprint = crew.part, crew.part.blueprint
    return ServiceView(
        name=part.name,
        kind=blueprint.kind,
        instances=[copy.instance() for copy in crew.copies],
        wanted=len(crew.copies),
        parameters=blueprint.parameters,
        exports=blueprint.exports,
        roles=part.roles,
        steady=part.steady,
        ready=part.ready,
        optional=part.optional,
    )
