"""Calls probes: finds what `at:` means now, fills in values and credentials, keeps the time-out, never raises."""

from __future__ import annotations

import asyncio
import math
import re
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cache, partial
from pathlib import Path

from ..core.credentials import Maker
from ..core.errors import Absent, NotExercised, SeatrialError
from ..core.expressions import Judgement, Missing
from ..core.links import KIND, HasLinks, LinkTraffic, Tried, sum_of
from ..core.observations import Observation, Probe, ProbeRequest, Reach, Seen, probe_error, target_error
from ..core.plan import ATTEMPT_NS, CheckPlan, IdentityPlan, ProbeCall
from ..core.platforms import CanExecute, CanMeasure, CanReadLogs, Declares, Lacks, Platform, ServiceView
from ..core.processes import CommandResult
from ..core.quantities import NS_PER_S, Dimension, Quantity
from ..core.redaction import Redactor
from ..core.stack import LINK, Actual, Declaration, Endpoint, Instance, InstanceState, Target, Usage
from ..core.templates import Template, TemplateError, render, render_partly
from ..core.vocabulary import Verb, Vocabulary, load
from .health import actual_of, health_of
from .values import missing

DEFAULT_TIMEOUT_NS = ATTEMPT_NS
NOT_HERE = "not-here"  # the service asked is missing, as it may be: it does not come while one waits
NOT_EXERCISED = (NOT_HERE, "not-exercised")
_ADDRESS = re.compile(r"\s*(?:[A-Z]+\s+)?https?://(?:[^/@\s]*@)?(\[[^\]]+\]|[^/:?#\s]+)")
_NOWHERE = Reach(name="", service="", kind="", endpoints={})


@dataclass(kw_only=True)
class Watched:
    """What a trial has seen of its stack. `changes` None: the stack ran before; `explained`: ranges of logs, by instance."""

    changes: Sequence[Instance] | None = None
    explained: Mapping[str, Sequence[tuple[int, int]]] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Around:
    """What a probe may do beside its own connection, at the instances it is pointed at."""

    platform: Platform
    instances: Sequence[Instance]
    marks: Mapping[str, int]
    adopt: Callable[[int, str], Awaitable[None]] | None = None
    asks: Callable[[CheckPlan, Mapping[str, object]], Awaitable[tuple[Observation, Judgement]]] | None = None
    copies: Mapping[str, Path] = field(default_factory=dict)  # read in place of the logs of these instances
    prober: Prober | None = None
    watched: Watched = field(default_factory=Watched)

    async def ask(self, check: CheckPlan, values: Mapping[str, object]) -> tuple[Observation, Judgement]:
        """A check inside a step."""
        if self.asks is None:
            raise NotExercised("there is nothing to ask outside a trial")
        return await self.asks(check, values)

    async def own(self, pid: int, purpose: str) -> None:
        """Have the keeper own a process of ours; a single look outside a trial has none."""
        if self.adopt is not None:
            await self.adopt(pid, purpose)

    async def execute(self, argv: Sequence[str], timeout_ns: int, stdin: str = "") -> CommandResult:
        """Run a command where the first instance runs."""
        if not isinstance(self.platform, CanExecute) or not self.instances:
            raise NotExercised(f"platform {self.platform.name} cannot run commands where the service runs")
        return await self.platform.execute(self.instances[0], argv, timeout_ns, stdin)

    async def usage(self) -> Usage:
        """Of all the instances together."""
        if not isinstance(self.platform, CanMeasure):
            raise NotExercised(f"platform {self.platform.name} does not show what its instances use")
        platform: CanMeasure = self.platform
        each = [await platform.usage(i) for i in self.instances]
        return Usage(
            cpu_seconds=sum(u.cpu_seconds for u in each),
            memory_bytes=sum(u.memory_bytes for u in each),
            descriptors=sum(u.descriptors for u in each),
            threads=sum(u.threads for u in each),
            processes=sum(u.processes for u in each),
        )

    async def usages(self) -> Mapping[str, Usage]:
        """By instance."""
        if not isinstance(self.platform, CanMeasure):
            raise NotExercised(f"platform {self.platform.name} does not show what its instances use")
        running = [i for i in self.instances if i.state is not InstanceState.DOWN]
        return {i.name: await self.platform.usage(i) for i in running}

    async def traffic(self) -> LinkTraffic:
        """Of all instances together."""
        links = self.platform
        if not isinstance(links, HasLinks):
            raise NotExercised(f"platform {self.platform.name} has no links")
        if not self.instances or any(LINK not in i.service for i in self.instances):
            raise NotExercised("what has passed is counted at links: at: web -> postgres")
        return sum_of([await links.traffic(i) for i in self.instances])

    async def tries(self, link: Target, since_ns: int) -> Sequence[Tried]:
        """At all instances of a link, or at one."""
        links = self.platform
        if not isinstance(links, HasLinks):
            raise NotExercised(f"platform {self.platform.name} has no links")
        view = (await self.platform.survey()).get(link.service)
        if view is None or view.kind != KIND:
            raise NotExercised(f"{link} is no link of this stack")
        chosen = [i for i in view.instances if link.ordinal in (None, i.ordinal)]
        found = [each for i in chosen for each in await links.tries(i, since_ns)]
        return sorted(found, key=lambda tried: tried.at_ns)

    def log_files(self) -> Mapping[str, Path]:
        """Log file by instance name."""
        if not isinstance(self.platform, CanReadLogs):
            raise NotExercised(f"platform {self.platform.name} does not show logs")
        return {i.name: self.copies.get(i.name) or self.platform.log_file(i) for i in self.instances}

    def log_mark(self) -> Mapping[str, int]:
        """Offsets at the scenario's start."""
        return self.marks

    def log_explained(self) -> Mapping[str, Sequence[tuple[int, int]]]:
        """What was written up to the first steady state, during disrupting scenarios, and until the steady state after each."""
        return self.watched.explained

    def declared(self) -> Mapping[str, Declaration]:
        """By service."""
        if not isinstance(self.platform, Declares):
            raise NotExercised(f"platform {self.platform.name} does not know what its stack file promises")
        return self.platform.declared()

    async def actual(self) -> Mapping[str, Actual]:
        """By instance, read now."""
        return await actual_of(self.platform, self.instances)

    async def health(self) -> Mapping[str, tuple[bool, str]]:
        """By instance, asked now."""
        if self.prober is None:
            raise NotExercised("there is nothing to ask outside a trial")
        return await health_of(self.platform, self.prober, self.instances)

    def changes(self) -> Sequence[Instance]:
        """Those since the start."""
        if self.watched.changes is None:
            raise NotExercised("the stack was running before: nobody saw it start")
        return self.watched.changes


class Prober:
    """Makes single attempts. One for the whole trial; also serves platforms that ask for readiness."""

    def __init__(self, vocabulary: Vocabulary, secrets: Callable[[str], str], redactor: Redactor) -> None:
        self._vocabulary = vocabulary
        self._secrets = secrets
        self._redactor = redactor
        self._identities: Mapping[str, IdentityPlan] = {}
        self._values: Callable[[], Mapping[str, object]] = dict
        # Headers, and when they are too old: ns of CLOCK_MONOTONIC.
        self._tokens: dict[str, tuple[Mapping[str, str], float]] = {}
        self._login_locks: dict[str, asyncio.Lock] = {}
        self.platform: Platform | None = None
        self.adopt: Callable[[int, str], Awaitable[None]] | None = None
        self.copies: Mapping[str, Path] = {}  # of logs, by instance: read in their place
        self.watched = Watched()
        self.without: Mapping[str, str] = {}  # services that the stack says it has not, and why
        self.allow: tuple[str, ...] | None = None  # None: whoever typed the address has allowed it

    def know(self, identities: Mapping[str, IdentityPlan], values: Callable[[], Mapping[str, object]] = dict) -> None:
        """The identities that calls may name, and the values of the trial that these may use."""
        self._identities, self._values = identities, values

    def secret(self, name: str) -> str:
        """A secret's value, known to the redactor from now on."""
        value = self._secrets(name)
        self._redactor.add(value)
        return value

    async def call(
        self,
        call: ProbeCall,
        values: Mapping[str, object],
        timeout_ns: int | None = None,
        marks: Mapping[str, int] | None = None,
    ) -> Observation:
        """One attempt; what goes wrong is in the observation."""
        began = time.monotonic_ns()
        try:
            async with asyncio.timeout((timeout_ns or DEFAULT_TIMEOUT_NS) / NS_PER_S + 0.25):
                reach, instances = await self._aim(call.at)
                observation = await self._probe(
                    call, reach, instances, values, timeout_ns or DEFAULT_TIMEOUT_NS, marks or {}
                )
        except TimeoutError:
            observation = target_error(
                "timeout", f"no answer within {Quantity(timeout_ns or DEFAULT_TIMEOUT_NS, Dimension.DURATION)}"
            )
        except _NoTarget as nobody:
            observation = target_error("absent", str(nobody))
        except Absent as error:
            observation = probe_error(NOT_HERE, str(error))
        except (SeatrialError, TemplateError) as error:
            observation = probe_error("not-exercised" if isinstance(error, NotExercised) else "spec", str(error))
        except Exception as error:  # noqa: BLE001 - a probe's bug says nothing about the target
            observation = probe_error("bug", f"{type(error).__name__}: {error}")
        return replace(
            observation,
            started_ns=observation.started_ns or began,
            ended_ns=observation.ended_ns or time.monotonic_ns(),
        )

    async def _ask(
        self, known: Mapping[str, object], check: CheckPlan, values: Mapping[str, object]
    ) -> tuple[Observation, Judgement]:
        """A check inside a step."""
        everything = {**known, **values}
        observation = await self.call(check.call, everything, check.timeout_ns)
        return observation, judge(check, observation, everything)

    async def at_instance(self, call: ProbeCall, reach: Reach, timeout_ns: int) -> Observation:
        """One attempt at a given reach; its own target is disregarded."""
        began = time.monotonic_ns()
        try:
            async with asyncio.timeout(timeout_ns / NS_PER_S + 0.25):
                instances = [reach.instance] if reach.instance else []
                observation = await self._probe(call, reach, instances, {}, timeout_ns, {})
        except TimeoutError:
            observation = target_error("timeout", f"no answer within {Quantity(timeout_ns, Dimension.DURATION)}")
        except (SeatrialError, TemplateError) as error:
            observation = probe_error("spec", str(error))
        except Exception as error:  # noqa: BLE001
            observation = probe_error("bug", f"{type(error).__name__}: {error}")
        return replace(observation, started_ns=began, ended_ns=time.monotonic_ns())

    async def attempt(self, check: CheckPlan, reach: Reach, timeout_ns: int) -> tuple[Observation, Judgement]:
        """core.platforms.Prober: a check once, at a reach."""
        observation = await self.at_instance(check.call, reach, timeout_ns)
        return observation, judge(check, observation, {})

    async def bind(self, service: str, role: str) -> list[Instance]:
        """The instances that have the role now; each is asked, none is believed to be what it was."""
        view = await self.view(service)
        check = view.roles.get(role)
        if check is None:
            raise NotExercised(f"service {service} has no role {role} on this platform")
        candidates = [i for i in view.instances if i.state is not InstanceState.DOWN]
        results = await asyncio.gather(*(self.attempt(check, reach_of(view, i), NS_PER_S) for i in candidates))
        return [i for i, (_, judgement) in zip(candidates, results, strict=True) if judgement.truth is True]

    async def view(self, service: str) -> ServiceView:
        """A service as it is now."""
        if self.platform is None:
            raise NotExercised("no stack: give the whole address")
        views = await self.platform.survey()
        if service not in views and (why := self.lacking().get(service)) is not None:
            raise Absent(f"{'link' if LINK in service else 'service'} {service} is not here: {why}")
        if service not in views:
            raise NotExercised(f"the stack has no service {service}; services: {', '.join(views)}")
        return views[service]

    def lacking(self) -> Mapping[str, str]:
        """Services that may be missing and are, and why."""
        return {**self.without, **(self.platform.lacking if isinstance(self.platform, Lacks) else {})}

    async def instances(self, target: Target) -> list[Instance]:
        """What a target means now: one instance, all, a share; running ones first."""
        view = await self.view(target.service)
        if target.role is not None:
            return await self.bind(target.service, target.role)
        if target.ordinal is not None:
            return [i for i in view.instances if i.ordinal == target.ordinal]
        return sorted(view.instances, key=lambda i: (i.state is InstanceState.DOWN, not i.ready, i.ordinal))

    async def reach(self, call: ProbeCall) -> Reach:
        """Where a call goes now: the endpoints that speak its verb, else all. Raises SeatrialError where nothing answers to it."""
        try:
            reach, _ = await self._aim(call.at)
        except _NoTarget as nobody:
            raise SeatrialError(str(nobody)) from None
        if not reach.endpoints:
            raise SeatrialError(f"{call.at} has no endpoint")
        schemes = self._vocabulary.verbs[call.verb].schemes
        fitting = {n: e for n, e in reach.endpoints.items() if e.scheme in schemes}
        return replace(reach, endpoints=fitting or reach.endpoints)

    def verb(self, name: str) -> Verb | None:
        """What a verb says of itself; None for one that is none."""
        return self._vocabulary.verbs.get(name)

    def verb_of(self, protocol: str) -> str:
        """The verb whose clients speak a protocol."""
        return next((n for n, v in self._vocabulary.verbs.items() if v.client == protocol), "http")

    async def credentials(self, identity: str | None, *, fresh: bool = False) -> Mapping[str, str]:
        """Headers for an identity; logs in once and remembers. What is made with a lifetime is used for half of it; `fresh`: it has all
        of it left, for who sends it for a long time.
        """
        if identity is None:
            return {}
        plan = self._identities[identity]
        fresh = fresh and bool(plan.kind)
        if fresh or self._aged(identity):
            async with self._login_locks.setdefault(identity, asyncio.Lock()):
                if fresh or self._aged(identity):
                    self._tokens[identity] = await self._log_in(plan)
        return self._tokens[identity][0]

    def _aged(self, identity: str) -> bool:
        return identity not in self._tokens or self._tokens[identity][1] <= time.monotonic_ns()

    async def _log_in(self, plan: IdentityPlan) -> tuple[Mapping[str, str], float]:
        values, until = self._values(), math.inf
        headers = {k: str(v) for k, v in _mapping(render(plan.headers, values, self.secret)).items()}
        if plan.kind:
            make: Maker = load(self._vocabulary.credentials[plan.kind].make)
            made = await make(_mapping(render(plan.arguments, values, self.secret)))
            for each in made.secrets:
                self._redactor.add(each)
            headers |= made.headers
            until = time.monotonic_ns() + made.lives_ns / 2 if made.lives_ns is not None else math.inf
        if plan.login is not None and plan.bearer is not None:
            answer = await self.call(plan.login, values)
            if answer.seen is not Seen.VALUE:
                raise SeatrialError(f"identity {plan.name} could not log in: {answer.message}")
            token = plan.bearer.value(answer.values)
            if missing(token) or not isinstance(token, str) or not token:
                raise SeatrialError(
                    f"identity {plan.name} could not log in: no {plan.bearer.source} in the answer ({answer.message})"
                )
            self._redactor.add(token)
            headers["Authorization"] = f"Bearer {token}"
        return headers, until

    def check_host(self, what: object) -> None:
        """An address that came out of a value is held to the same rule as a literal one: loopback, or allowed by name."""
        match = _ADDRESS.match(what) if isinstance(what, str) else None
        if match is not None:
            self._check_name(match[1].strip("[]"))

    def _check_name(self, host: str) -> None:
        if self.allow is None:
            return
        loopback = host in ("localhost", "::1") or host.startswith("127.") or host.endswith(".localhost")
        if not loopback and host not in self.allow:
            raise NotExercised(f"{host or 'no host'} is not loopback, and not allowed: allow: [{host}] in the stack")

    async def _aimed(self, tree: object) -> object:
        """Arguments, and in place of an `at` inside one what it reaches now (core.observations.Reach)."""
        if not isinstance(tree, Mapping):
            return tree
        return {
            k: (await self._aim(v))[0] if k == "at" and isinstance(v, Target) else await self._aimed(v)
            for k, v in tree.items()
        }

    async def _aim(self, target: Target | None) -> tuple[Reach, Sequence[Instance]]:
        if target is None:
            views = await self.platform.survey() if self.platform else {}
            return _NOWHERE, [i for v in views.values() for i in v.instances]
        view = await self.view(target.service)
        instances = await self.instances(target)
        if target.role is not None and not instances:
            raise _NoTarget(f"no instance of {target.service} has the role {target.role}")
        if target.ordinal is not None and not instances:
            raise NotExercised(f"{target.service} has no instance #{target.ordinal}")
        if target.role is not None or target.ordinal is not None:
            return reach_of(view, instances[0]), instances[:1]
        return reach_of_service(view, instances), instances

    async def _probe(
        self,
        call: ProbeCall,
        reach: Reach,
        instances: Sequence[Instance],
        values: Mapping[str, object],
        timeout_ns: int,
        marks: Mapping[str, int],
    ) -> Observation:
        verb = self._vocabulary.verbs[call.verb]
        probe = _probe_function(verb.run)
        asks = partial(self._ask, values)
        if self.platform is None:
            around = Around(platform=_NO_PLATFORM, instances=(), marks={}, adopt=self.adopt, asks=asks)
        else:
            around = Around(
                platform=self.platform,
                instances=instances,
                marks=marks,
                adopt=self.adopt,
                asks=asks,
                copies=self.copies,
                prober=self,
                watched=self.watched,
            )
        makes = verb.makes_of(call.arguments, values)
        what, arguments = (
            render_partly(tree, values, self.secret, makes) if makes else render(tree, values, self.secret)
            for tree in (call.what, call.arguments)
        )
        arguments = _mapping(await self._aimed(arguments))
        if verb.hosts is None:
            self.check_host(what.pieces[0] if isinstance(what, Template) else what)
        else:
            for host in verb.hosts(what, arguments):
                self._check_name(host)
        request = ProbeRequest(
            what=what,
            arguments=arguments,
            reach=reach,
            headers=await self.credentials(call.identity),
            timeout_ns=timeout_ns,
            around=around,
            instances=instances,
        )
        observation = await probe(request)
        return (
            observation
            if observation.at
            else replace(observation, at=reach.instance.name if reach.instance else reach.name)
        )


class _NoTarget(Exception):  # noqa: N818
    """Nothing answers to the role right now: the stack's doing."""


class _NoPlatform:
    name = "none"
    capabilities: frozenset[str] = frozenset()


_NO_PLATFORM: Platform = _NoPlatform()  # type: ignore[assignment]


@cache
def _probe_function(reference: str) -> Probe:
    probe: Probe = load(reference)
    return probe


def _mapping(value: object) -> dict[str, object]:
    return dict(value) if isinstance(value, Mapping) else {}


def reach_of(view: ServiceView, instance: Instance) -> Reach:
    """One instance."""
    return Reach(
        name=instance.name,
        service=view.name,
        kind=view.kind,
        endpoints=instance.endpoints,
        parameters=view.parameters,
        instance=instance,
    )


def reach_of_service(view: ServiceView, instances: Sequence[Instance]) -> Reach:
    """A service as its clients see it: all ways in, the ready ones first."""
    endpoints: dict[str, Endpoint] = {}
    for instance in instances:
        for name, endpoint in instance.endpoints.items():
            endpoints[name if name not in endpoints else f"{name}#{instance.ordinal}"] = endpoint
    only = instances[0] if len(instances) == 1 else None
    return Reach(
        name=view.name,
        service=view.name,
        kind=view.kind,
        endpoints=endpoints,
        parameters=view.parameters,
        instance=only,
    )


def judge(check: CheckPlan, observation: Observation, values: Mapping[str, object]) -> Judgement:
    """Three-valued: a target error is false unless the expectation asks about it, a probe error is unknown."""
    seen = observation.message or observation.error or ""
    if observation.seen is Seen.PROBE_ERROR:
        word = "not exercised" if observation.error in NOT_EXERCISED else "could not look"
        return Judgement(truth=None, measured=(), bound="", reason=f"{word}: {seen}")
    names: dict[str, object] = {
        **values,
        **observation.values,
        "error": observation.error,
        "instance": observation.at,
        "took": Quantity(observation.ended_ns - observation.started_ns, Dimension.DURATION),
    }
    expect = check.expect
    if observation.seen is Seen.TARGET_ERROR and (expect is None or "error" not in expect.names):
        return Judgement(truth=False, measured=(), bound=expect.source if expect else "", reason=seen)
    if expect is None:
        return Judgement(truth=True, measured=(), bound="", reason="")
    for name in expect.names:
        names.setdefault(name, Missing(f"{name} was not seen: {seen}" if seen else f"{name} was not seen"))
    return expect.evaluate(names)
