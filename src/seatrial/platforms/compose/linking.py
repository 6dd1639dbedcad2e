"""Links between services of a project: the fault proxy on this machine, to which rules in the clients' networks lead.

A client goes on asking for the service by its name and is told its address; what it sends there is led to the proxy, which listens at the
gateway of the network that both are in (DNAT in the client's own network), and goes on to the service. Connections that a client opened
before its rule was there go past the proxy, and are told of (`around`); so that there are none, a client's processes are stopped for the
moment between its start and its rule, and where that came too late (a busy machine), such connections are ended at the service, and the
client makes them anew. Those of an adopted project are left alone. When somebody starts anew, addresses are looked at again.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sys
from collections.abc import AsyncIterator, Collection, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from secrets import token_urlsafe

from ...core import procfs
from ...core.errors import NotExercised, PlatformError, SupervisorError
from ...core.links import KIND, OUTSIDE, LinkEnd, LinkTraffic, Tried, sum_of
from ...core.platforms import ServiceView
from ...core.processes import ProcessId, Supervisor, Surroundings, UnitOrder
from ...core.stack import Endpoint, Instance, InstanceState, ServicePlan
from ...links.control import LinkControl
from ...links.proxy import orders_of, written
from ...links.route import RouteOrder
from ..links import INSTANCE
from ..namespaces.networks import Networks
from ..namespaces.orders import Lead
from ..ports import LOOPBACK, Ports
from .containers import Container
from .fleet import Crew, Fleet
from .networking import ContainerNetworks, networks_of
from .sockets import end_strangers, strangers

_BEGINS_S, _LOOK_S = 15.0, 0.05
_AGE_S = 2.0  # of a process that is held: one that is older has long opened what it opens
_FILE = "links.json"
_TICKS = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True, kw_only=True, slots=True)
class _Way:
    """One address of a link: where the proxy listens for it, and what is behind; `network` that both are in (empty: this machine)."""

    link: str  # the instance
    endpoint: str
    network: str
    listens: Endpoint
    to: Endpoint

    @property
    def order(self) -> RouteOrder:
        """As the proxy is told."""
        return RouteOrder(
            link=self.link,
            listen=(self.listens.host, self.listens.port),
            to=(self.to.host, self.to.port),
            scheme=self.to.scheme,
        )


@dataclass(frozen=True, kw_only=True, slots=True)
class _Led:
    """A client whose connections are led: by which process it was known, where to, and the number of the rule."""

    process: ProcessId
    leads: tuple[Lead, ...]
    number: int


class ContainerLinks:
    """core.links.HasLinks for one project. `plans`: the links. `why_not`: why there can be none here, said when one is to be impaired."""

    def __init__(
        self,
        plans: Sequence[ServicePlan],
        fleet: Fleet,
        nets: ContainerNetworks,
        supervisor: Supervisor,
        ports: Ports,
        *,
        data: Path,
        logs: Path,
        local: bool,
        own: bool,
    ) -> None:
        self._own = own
        self._plans, self._fleet, self._nets, self._supervisor, self._ports = plans, fleet, nets, supervisor, ports
        self._file, self.log = data / _FILE, logs / f"{INSTANCE.replace('#', '-')}.log"
        self.why_not = "" if not plans or (local and os.geteuid() == 0) else _WHY_NOT
        self._numbers: dict[tuple[str, str, str], int] = {}  # ports by link, endpoint and network
        self._ways: dict[tuple[str, str, str], _Way] = {}
        self._led: dict[str, _Led] = {}
        self._told: set[RouteOrder] = set()
        self._trouble: dict[str, str] = {}  # by link: why what a client sends is not led to it; who impairs it is told
        self._control: LinkControl | None = None
        self._fitting = asyncio.Lock()
        self._tasks: set[asyncio.Task[None]] = set()

    # -- life

    async def begin(self) -> None:
        """Start the proxy, or find the one that runs. Raises PlatformError when it does not answer."""
        if self.why_not or not self._plans:
            return
        if self._file.exists():
            orders, control, token = await asyncio.to_thread(orders_of, self._file)
            self._ports.adopt([control[1], *(o.listen[1] for o in orders)])
            self._told = set(orders)
        else:
            control, token = (LOOPBACK, self._ports.allocate()), token_urlsafe(24)
        self._control = LinkControl(control, token)
        self._where, self._token = control, token
        if not self._file.exists():
            self._write()
            await self._start()
        try:
            async with asyncio.timeout(_BEGINS_S):
                while not await self._answers():  # noqa: ASYNC110 - it begins by itself
                    await asyncio.sleep(_LOOK_S)
        except TimeoutError:
            raise PlatformError(
                f"the fault proxy did not begin within {_BEGINS_S:g} s: {self.log} may say why"
            ) from None

    async def _answers(self) -> bool:
        try:
            await self._proxy().ask("beat")
        except PlatformError:
            return False
        return True

    def changed(self, container: Container, action: str) -> None:
        """Somebody has started: look at addresses again. A client is held until what it sends is led."""
        if self._control is None or action != "start":
            return
        task = asyncio.create_task(self._received(container))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def settled(self) -> None:
        """All that runs is led, as far as it can be: who impairs a link is told. Raises SupervisorError."""
        if self._control is not None:
            await asyncio.gather(*self._tasks)
            await self.fit()

    async def close(self, *, forget: bool) -> None:
        """Order nothing more. `forget`: the containers will be removed, and rules with them; else clients are led no more."""
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        with contextlib.suppress(PlatformError):
            if forget:
                await self._networks.forget(led.number for led in self._led.values())
        self._led.clear()
        if self._control is not None:
            await self._control.close()

    async def _received(self, container: Container) -> None:
        crews = [self._fleet.crews.get(str(plan.arguments["from"])) for plan in self._plans]
        is_client = any(crew is not None and container in crew.containers for crew in crews)
        async with self._held(container) if is_client else contextlib.nullcontext():
            with contextlib.suppress(SupervisorError):  # that is told by whoever speaks to it next
                await self.fit()

    @contextlib.asynccontextmanager
    async def _held(self, container: Container) -> AsyncIterator[None]:
        """Its processes are stopped meanwhile, where they have only just begun."""
        process = container.process
        if process is None or _age_s(process) > _AGE_S:
            yield
            return
        members = list(procfs.descendants([process]))
        name = f"let go of {container.name}, held until it is led ({process.pid})"
        letting_go = ["sh", "-c", 'kill -CONT "$@" 2>/dev/null; true', "sh", *(str(m.pid) for m in members)]
        await self._supervisor.remedy(name, [letting_go], process)
        _send(members, signal.SIGSTOP)
        try:
            yield
        finally:
            _send(members[::-1], signal.SIGCONT)
            await self._supervisor.settle(name, run=False)

    async def _start(self) -> None:
        environment = {
            "PATH": os.environ.get("PATH", os.defpath),
            "PYTHONPATH": os.pathsep.join([str(Path(__file__).parents[3]), *filter(None, sys.path)]),
        }
        self.log.parent.mkdir(parents=True, exist_ok=True)
        unit = UnitOrder(
            name=INSTANCE,
            argv=[sys.executable, "-m", "seatrial.links", str(self._file)],
            surroundings=Surroundings(directory=self._file.parent, environment=environment),
            log=self.log,
        )
        await self._supervisor.claim(ports=[self._where[1]])
        await self._supervisor.start(unit)

    def _write(self) -> None:
        """What the proxy begins with, should it be started anew."""
        text = written([way.order for way in self._ways.values()], self._where, self._token)
        new = self._file.with_suffix(".new")
        with os.fdopen(os.open(new, os.O_CREAT | os.O_TRUNC | os.O_WRONLY | os.O_CLOEXEC, 0o600), "w") as stream:
            stream.write(text)
        new.replace(self._file)

    # -- fitting routes and rules to the addresses that there are

    async def fit(self) -> None:
        """Routes to where the services are, rules where the clients are."""
        async with self._fitting:
            try:
                await self._route()
            except PlatformError as error:
                self._trouble.update({plan.name: str(error) for plan in self._plans})
                return
            self._trouble.clear()
            for container in {c.name: c for plan in self._plans for c in self._clients(plan)}.values():
                try:
                    await self._lead(container)
                except (PlatformError, NotExercised) as error:
                    mine = [plan.name for plan in self._plans if container in self._clients(plan)]
                    self._trouble.update(dict.fromkeys(mine, str(error)))

    async def _route(self) -> None:
        for plan in self._plans:
            for way in self._found(plan):
                self._ways[way.link, way.endpoint, way.network] = way
        new = [w.order for w in self._ways.values() if w.order not in self._told]
        told = {order.listen[1] for order in self._told}
        if new:
            self._write()
            # These alone: at others that are held the engine listens by now.
            await self._supervisor.claim(ports=sorted({order.listen[1] for order in new} - told))
            for order in new:
                await self._proxy().ask("route", route=asdict(order))
            self._told = {way.order for way in self._ways.values()}

    def _found(self, plan: ServicePlan) -> Iterator[_Way]:
        """Ways of a link to where its service is now; one that is down keeps those that it had."""
        for container in self._to(plan).containers:
            link = f"{plan.name}#{container.ordinal}"
            for name, port in container.service.endpoints.items():
                if plan.arguments["from"] == OUTSIDE:
                    to = container.endpoints.get(name)
                    if to is not None and to.port:
                        yield self._way(link, name, "", LOOPBACK, to)
                    continue
                for network, each in networks_of(container).items():
                    if each.get("Gateway") and each.get("IPAddress"):
                        to = Endpoint(name=name, scheme=port.scheme, host=str(each["IPAddress"]), port=port.number)
                        yield self._way(link, name, network, str(each["Gateway"]), to)

    def _way(self, link: str, name: str, network: str, host: str, to: Endpoint) -> _Way:
        key = (link, name, network)
        before = self._ways.get(key)
        if key not in self._numbers:
            known = [
                o.listen[1] for o in self._told if o.link == link and o.listen[0] == host and o.to == (to.host, to.port)
            ]
            self._numbers[key] = known[0] if known else self._ports.allocate()
        if before is not None and before.to == to and before.listens.host == host:
            return before
        listens = Endpoint(name=name, scheme=to.scheme, host=host, port=self._numbers[key])
        return _Way(link=link, endpoint=name, network=network, listens=listens, to=to)

    async def _lead(self, container: Container) -> None:
        process, before = container.process, self._led.get(container.name)
        if process is None:
            return
        mine = [p.name for p in self._plans if container in self._clients(p)]
        wanted = tuple(
            Lead(address=w.to.host, port=w.to.port, to=w.listens.host, to_port=w.listens.port)
            for w in self._ways.values()
            if w.network in networks_of(container) and w.link.rpartition("#")[0] in mine
        )
        if not wanted or (before is not None and before.process == process and before.leads == wanted):
            return  # there is nowhere to lead it, or it is led there
        number = await self._networks.lead(process, container.name, wanted)
        self._led[container.name] = _Led(process=process, leads=wanted, number=number)
        if before is not None:
            with contextlib.suppress(PlatformError):
                await self._networks.mend(before.number)  # after the new one: nothing slips through between them
        if self._own and (before is None or before.process != process):
            await self._part(container, mine)

    async def _part(self, client: Container, links: Collection[str]) -> None:
        """Connections that a client opened before it was led are ended, once."""
        addresses = dict.fromkeys(self._nets.addresses(client).values(), client.name)
        for plan in self._plans:
            for to in self._to(plan).containers if plan.name in links else ():
                ports = {port.number for port in to.service.endpoints.values()}
                if to.process is not None and strangers(to.process.pid, ports, addresses):
                    await end_strangers(to.process.pid, ports, addresses)

    def between(self, service: str, others: Collection[str]) -> Sequence[str]:
        """Links between a service and others, either way: what they send each other goes by this machine."""
        ends = [(p.name, str(p.arguments["from"]), str(p.arguments["to"])) for p in self._plans if not self.why_not]
        return [
            name for name, one, to in ends if (one == service and to in others) or (to == service and one in others)
        ]

    # -- HasLinks

    def views(self) -> Mapping[str, ServiceView]:
        """Links as services: what their service is, at addresses of the proxy."""
        found = {}
        for plan in self._plans:
            to = self._fleet.view(self._to(plan))
            instances = [
                self._instance(plan, c.ordinal, i) for c, i in zip(self._to(plan).containers, to.instances, strict=True)
            ]
            found[plan.name] = ServiceView(
                name=plan.name,
                kind=KIND,
                instances=instances,
                wanted=len(instances),
                parameters=to.parameters,
                exports={},
                roles=to.roles,
            )
        return found

    def _instance(self, plan: ServicePlan, ordinal: int, to: Instance) -> Instance:
        name = f"{plan.name}#{ordinal}"
        listens: dict[str, Endpoint] = {}
        for way in self._of(name):
            listens.setdefault(way.endpoint, way.listens)
        return Instance(
            name=name,
            service=plan.name,
            ordinal=ordinal,
            state=InstanceState.RUNNING if listens or self.why_not else InstanceState.STARTING,
            ready=bool(listens) or bool(self.why_not),
            endpoints=listens,
            identity=None,
            restarts=0,
            since_ns=to.since_ns,
            detail=self.why_not,
        )

    def ends(self, link: Instance) -> Sequence[LinkEnd]:
        """HasLinks: one for each endpoint."""
        self._possible(link)
        found: dict[str, LinkEnd] = {}
        for way in self._of(link.name):
            found.setdefault(way.endpoint, LinkEnd(listens=way.listens, to=way.to))
        return list(found.values())

    async def impair(self, link: Instance, kind: str, arguments: Mapping[str, object]) -> int:
        """HasLinks. Raises NotExercised where there can be no links, or what a client sends could not be led."""
        self._possible(link)
        return await self._proxy().impair(link.name, kind, arguments)

    async def mend(self, link: Instance, number: int) -> None:
        """HasLinks."""
        await self._proxy().ask("mend", link=link.name, number=number)

    async def traffic(self, link: Instance) -> LinkTraffic:
        """HasLinks."""
        self._possible(link)
        return sum_of([LinkTraffic(**each) for each in await self._proxy().ask("traffic", link=link.name)])

    async def tries(self, link: Instance, since_ns: int) -> Sequence[Tried]:
        """HasLinks."""
        self._possible(link)
        return [Tried(*each) for each in await self._proxy().ask("tries", link=link.name, since=since_ns)]

    async def around(self, link: Instance) -> Sequence[str]:
        """HasWaysAround: rules that are missing, and connections at the service that come from a client itself."""
        plan = next(p for p in self._plans if p.name == link.service)
        if plan.arguments["from"] == OUTSIDE:
            return []
        found, addresses = list[str](), dict[str, str]()
        for client in self._clients(plan):
            if client.process is None:
                continue
            led = self._led.get(client.name)
            if led is None or led.process != client.process or not await self._networks.stands(led.number):
                found.append(f"what {client.name} sends is not led to this link")
            addresses |= dict.fromkeys(self._nets.addresses(client).values(), client.name)
        to = self._to(plan).containers[link.ordinal - 1]
        if to.process is not None:
            ports = {port.number for port in to.service.endpoints.values()}
            for name, count in strangers(to.process.pid, ports, addresses).items():
                found.append(f"{count} connections of {name} go past this link: they were there before it")
        return found

    # -- inside

    def _possible(self, link: Instance) -> None:
        if self.why_not:
            raise NotExercised(self.why_not)
        if link.service in self._trouble:
            raise NotExercised(f"{link.service}: {self._trouble[link.service]}")

    def _proxy(self) -> LinkControl:
        if self._control is None:
            raise PlatformError("this stack has no links: links: says between which services")
        return self._control

    @property
    def _networks(self) -> Networks:
        return self._nets.networks

    def _of(self, link: str) -> list[_Way]:
        return [way for way in self._ways.values() if way.link == link]

    def _to(self, plan: ServicePlan) -> Crew:
        return self._fleet.crews[str(plan.arguments["to"])]

    def _clients(self, plan: ServicePlan) -> Sequence[Container]:
        crew = self._fleet.crews.get(str(plan.arguments["from"]))
        return crew.containers if crew is not None else ()


_WHY_NOT = (
    "links between containers are led through a proxy by rules in the containers' networks: "
    "seatrial has to run on the engine's own machine, as root"
)


def _send(members: Sequence[ProcessId], number: signal.Signals) -> None:
    for each in members:
        with contextlib.suppress(ProcessLookupError):
            if procfs.is_alive(each):
                os.kill(each.pid, number)


def _age_s(process: ProcessId) -> float:
    uptime = float(Path("/proc/uptime").read_text("ascii").split()[0])
    return uptime - process.started / _TICKS
