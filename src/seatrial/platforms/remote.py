"""The remote platform: endpoints of a stack that runs elsewhere. It can be looked at, and nothing else."""

from __future__ import annotations

import asyncio
import ipaddress
import time
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from ..core.errors import PlatformError, Problem, UsageError
from ..core.observations import Reach
from ..core.platforms import Prober, Progress, ServiceView
from ..core.processes import Residue
from ..core.quantities import NS_PER_S, Quantity, format_duration
from ..core.stack import Blueprint, Endpoint, Ground, Instance, InstanceState, ServicePlan, StackPlan
from ..core.templates import render
from .expansion import describe
from .feeds import Feeds
from .inspection import CONNECT_NS, accepts_connection
from .readiness import EVERY_NS, ask

REACHED_WITHIN_NS = 10 * NS_PER_S
_PORTS = {
    "http": 80,
    "https": 443,
    "ws": 80,
    "wss": 443,
    "postgres": 5432,
    "postgresql": 5432,
    "redis": 6379,
    "rediss": 6379,
    "amqp": 5672,
    "amqps": 5671,
    "ldap": 389,
    "smtp": 25,
    "dns": 53,
}


def expand(plan: ServicePlan, arguments: Mapping[str, object], ground: Ground) -> Sequence[Blueprint]:
    """There is nothing to start. Raises UsageError."""
    raise UsageError(
        Problem(
            message=f"service {plan.name} runs elsewhere, and cannot be part of a stack that is started here",
            position=plan.position,
            hint="a stack of `platform: remote` has services of kind `remote` alone",
        )
    )


@dataclass(kw_only=True, eq=False)
class _Remote:
    """A service and what was last seen of its instances."""

    plan: ServicePlan
    endpoints: Sequence[Endpoint]
    parameters: Mapping[str, str]
    instances: list[Instance] = field(default_factory=list)


class RemotePlatform:
    """core.platforms.Platform without any capability.

    Nothing is asked of a host that is neither loopback nor in the stack's `allow`: every method raises UsageError, saying
    how to allow it, while there is one.
    """

    def __init__(self, stack: StackPlan, *, prober: Prober, secrets: Callable[[str], str]) -> None:
        self._stack = stack
        self._prober = prober
        self._secrets = secrets
        self._services: dict[str, _Remote] = {}
        self._feeds = Feeds()

    @property
    def name(self) -> str:
        """remote"""
        return "remote"

    @property
    def capabilities(self) -> frozenset[str]:
        """None."""
        return frozenset()

    async def up(self, progress: Callable[[Progress], None]) -> None:
        """Start nothing; wait until every instance answers its `ready` check (or, without one, accepts connections).

        Raises UsageError for a host that is not allowed, PlatformError naming what was not reached.
        """
        await self._know()
        reached = await asyncio.gather(
            *(
                self._reach(service, position, progress)
                for service in self._services.values()
                for position in range(len(service.instances))
            )
        )
        failures = [failure for failure in reached if failure]
        if failures:
            raise PlatformError("\n".join(failures))

    async def survey(self) -> Mapping[str, ServiceView]:
        """One instance for each address, as it was last seen."""
        await self._know()
        return {name: self._view(service) for name, service in self._services.items()}

    def changes(self) -> AsyncIterator[Instance]:
        """What `up` finds out; nothing is watched afterwards."""
        return self._feeds.listen()

    async def down(self) -> Residue:
        """Nothing was started."""
        self._feeds.close()
        return Residue()

    def _view(self, service: _Remote) -> ServiceView:
        plan = service.plan
        return ServiceView(
            name=plan.name,
            kind=plan.kind,
            instances=tuple(service.instances),
            wanted=len(service.instances),
            parameters=service.parameters,
            exports=_exports(service.endpoints),
            roles=plan.roles,
            ready=plan.ready,
        )

    async def _know(self) -> None:
        """Read the declarations, once they are known to be allowed."""
        if self._services:
            return
        found: dict[str, _Remote] = {}
        problems: list[Problem] = []
        for plan in self._stack.services.values():
            rendered = render(dict(plan.arguments), {}, self._secrets)
            arguments = rendered if isinstance(rendered, Mapping) else {}
            try:
                endpoints = [read_url(url, plan) for url in _listed(arguments.get("url"))]
            except UsageError as error:
                problems += error.problems
                continue
            problems += await refusals(endpoints, plan, self._stack.allow)
            parameters = arguments.get("parameters")
            found[plan.name] = _Remote(
                plan=plan,
                endpoints=endpoints,
                parameters={k: str(v) for k, v in parameters.items()} if isinstance(parameters, Mapping) else {},
                instances=[_instance(plan.name, ordinal, e) for ordinal, e in enumerate(endpoints, 1)],
            )
        if problems:
            raise UsageError(*problems)
        self._services = found

    async def _reach(self, service: _Remote, position: int, progress: Callable[[Progress], None]) -> str:
        """Wait for one instance; what went wrong, or nothing."""
        plan, instance = service.plan, service.instances[position]
        endpoint = service.endpoints[position]
        wanted = describe(plan.ready) if plan.ready else f"connections to {endpoint.host}:{endpoint.port}"
        within_ns = _within(plan)
        deadline_ns = time.monotonic_ns() + within_ns
        progress(Progress(subject=instance.name, state="waiting", detail=wanted))
        while True:
            holds, seen = await self._attempt(service, instance, endpoint)
            if holds:
                self._saw(service, position, ready=True, detail="")
                progress(Progress(subject=instance.name, state="ready"))
                return ""
            if time.monotonic_ns() >= deadline_ns:
                self._saw(service, position, ready=False, detail=seen)
                return (
                    f"{instance.name} at {endpoint.url} is not ready after {format_duration(within_ns)}\n"
                    f"  waited for: {wanted}\n  last seen: {seen or 'nothing'}"
                )
            every_ns = (plan.ready.every_ns if plan.ready else None) or EVERY_NS
            await asyncio.sleep(every_ns / NS_PER_S)

    async def _attempt(self, service: _Remote, instance: Instance, endpoint: Endpoint) -> tuple[bool, str]:
        check = service.plan.ready
        if check is None:
            return await accepts_connection(
                endpoint, CONNECT_NS * 4
            ), f"{endpoint.host}:{endpoint.port} does not accept connections"
        reach = Reach(
            name=instance.name,
            service=service.plan.name,
            kind=service.plan.kind,
            endpoints=instance.endpoints,
            parameters=service.parameters,
            instance=instance,
        )
        return await ask(check, reach, self._prober)

    def _saw(self, service: _Remote, position: int, *, ready: bool, detail: str) -> None:
        before = service.instances[position]
        service.instances[position] = _instance(
            before.service, before.ordinal, service.endpoints[position], ready=ready, detail=detail
        )
        self._feeds.publish(service.instances[position])


def read_url(url: str, plan: ServicePlan) -> Endpoint:
    """scheme://host[:port] as an endpoint named by its scheme. Raises UsageError for anything else."""

    def wrong(message: str, hint: str = "for example https://shop.test:8443") -> UsageError:
        return UsageError(Problem(message=f"service {plan.name}: {message}", position=plan.position, hint=hint))

    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError as error:
        raise wrong(f"{url!r} is no address: {error}") from error
    if parts.username or parts.password:
        raise wrong("an address with a user or password in it", "write them under `parameters`")
    if not parts.scheme or not host:
        raise wrong(f"{url!r} is no address of the form scheme://host:port")
    if parts.path.strip("/") or parts.query or parts.fragment:
        raise wrong(f"{url!r} has a path", "the address ends with host or port; paths belong to the probes")
    port = port or _PORTS.get(parts.scheme)
    if port is None:
        raise wrong(f"{url!r} names no port, and {parts.scheme} has no usual one")
    return Endpoint(name=parts.scheme, scheme=parts.scheme, host=host, port=port)


async def refusals(endpoints: Sequence[Endpoint], plan: ServicePlan, allow: Sequence[str]) -> list[Problem]:
    """Which hosts may not be addressed, and how to allow them.

    A host may be if it is in `allow` itself, or if every address that its name has is loopback: a name with one other
    address could lead anywhere.
    """
    allowed = {name.strip().strip("[]").rstrip(".").lower() for name in allow}
    problems = []
    for host in dict.fromkeys(e.host for e in endpoints):
        if host.rstrip(".").lower() in allowed:
            continue
        addresses = await _addresses(host)
        beyond = [address for address in addresses if not ipaddress.ip_address(address.partition("%")[0]).is_loopback]
        if addresses and not beyond:
            continue
        found = (
            f" ({', '.join(beyond)})"
            if beyond and beyond != [host]
            else ""
            if addresses
            else " (which has no address here)"
        )
        problems.append(
            Problem(
                message=f"service {plan.name}: {host}{found} is not this machine, and the stack does not allow it",
                position=plan.position,
                hint=f"if it is yours to test, write in the stack file: allow: [{host}]",
            )
        )
    return problems


async def _addresses(host: str) -> list[str]:
    try:
        found = await asyncio.get_running_loop().getaddrinfo(host, None)
    except OSError:
        return []
    return list(dict.fromkeys(str(address[0]) for *_, address in found))


def _within(plan: ServicePlan) -> int:
    within = plan.arguments.get("start-within")
    if isinstance(within, Quantity):
        return round(within.value)
    return (plan.ready.within_ns if plan.ready else None) or REACHED_WITHIN_NS


def _listed(urls: object) -> list[str]:
    return [str(url) for url in urls] if isinstance(urls, (list, tuple)) else [str(urls)]


def _instance(
    service: str, ordinal: int, endpoint: Endpoint, *, ready: bool = False, detail: str = "not asked yet"
) -> Instance:
    return Instance(
        name=f"{service}#{ordinal}",
        service=service,
        ordinal=ordinal,
        state=InstanceState.RUNNING,
        ready=ready,
        endpoints={endpoint.name: endpoint},
        identity=None,
        restarts=0,
        since_ns=time.monotonic_ns(),
        detail=detail,
    )


def _exports(endpoints: Sequence[Endpoint]) -> dict[str, str]:
    first = endpoints[0]
    return {
        "host": first.host,
        "port": str(first.port),
        "url": first.url,
        "addresses": ",".join(f"{e.host}:{e.port}" for e in endpoints),
    }
