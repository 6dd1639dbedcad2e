"""From a stack as declared to what will be started: services in the order of their dependencies, made concrete."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from ..core.errors import NotExercised, Problem, UsageError
from ..core.links import KIND
from ..core.plan import CheckPlan, NamedCheck
from ..core.quantities import NS_PER_S, Quantity
from ..core.stack import Blueprint, ServicePlan, StackPlan
from ..core.templates import TemplateError
from ..core.vocabulary import ServiceKind, load
from .ground import LocalGround, Site
from .links import HOST, LinkGround, host_blueprint, lead
from .rendering import settle
from .secret_files import named

START_WITHIN_NS = 60 * NS_PER_S


@dataclass(frozen=True, kw_only=True, slots=True)
class Part:
    """A service that will be started: one of the stack file's, or a companion of one. `after` names parts."""

    blueprint: Blueprint
    after: tuple[str, ...]
    ready: CheckPlan | None
    roles: Mapping[str, CheckPlan]
    steady: tuple[NamedCheck, ...]
    start_within_ns: int
    optional: bool = False

    @property
    def name(self) -> str:
        """The service's name."""
        return self.blueprint.service


def expand(stack: StackPlan, kinds: Mapping[str, ServiceKind], site: Site) -> Mapping[str, Part]:
    """All parts by name, each after those it depends on.

    Raises UsageError for a declaration that cannot be met, NotExercised for a kind whose software is not installed, unless the service
    is optional: then there is no part of it, `site.absent` says why, and what it would export is empty.
    """
    made: dict[str, Sequence[Blueprint]] = {}
    for service in in_order(stack):
        plan = stack.services[service]
        blueprints = _made(plan, stack, kinds, site)
        if blueprints is None:
            site.exports[service] = dict.fromkeys(kinds[plan.kind].exports if plan.kind in kinds else (), "")
            continue
        made[service] = blueprints
        for blueprint in blueprints:
            site.exports[blueprint.service] = blueprint.exports
            for secret in (*blueprint.secrets, *_in_files(blueprint)):
                site.on_secret(secret)
    parts: dict[str, Part] = {}
    if any(stack.services[name].kind == KIND for name in made):
        parts[HOST] = _host(stack, made, site)
    for service, blueprints in made.items():
        for blueprint in blueprints:
            if blueprint.service in parts:
                raise UsageError.simple(
                    f"two services are called {blueprint.service}: {service} brings one of that name along"
                )
            parts[blueprint.service] = _part(stack.services[service], blueprint, made, stack)
    for service in made:
        for other in parts[service].after:
            if other not in parts:
                raise _no_service(stack.services[service], other, parts)
    return parts


def _in_files(blueprint: Blueprint) -> Iterator[str]:
    """Secrets that its instances are told to read from files, which may be relative to where they run."""
    for instance in blueprint.instances:
        yield from named(instance.environment, instance.directory.joinpath)


def _made(
    plan: ServicePlan, stack: StackPlan, kinds: Mapping[str, ServiceKind], site: Site
) -> Sequence[Blueprint] | None:
    """None for a service that may be missing, and is. What runs already was there when it was started: then it is not asked for anew."""
    if plan.kind == KIND and (why := site.absent.get(str(plan.arguments["to"]))) is not None:
        site.absent[plan.name] = why
    if plan.name in site.absent:
        return None
    try:
        return _lead(plan, stack, kinds, site) or _expand_service(plan, kinds, LocalGround(site, plan.name))
    except NotExercised as error:
        if not plan.optional or site.restored:
            raise
        site.absent[plan.name] = str(error)
        return None


def _lead(plan: ServicePlan, stack: StackPlan, kinds: Mapping[str, ServiceKind], site: Site) -> Sequence[Blueprint]:
    """A link: what it leads to, once more, with ports of its own. Nothing for what is none."""
    if plan.kind != KIND:
        return []
    to = stack.services[str(plan.arguments["to"])]
    seen = _expand_service(to, kinds, LinkGround(site, to.name, plan.name))
    blueprint = lead(plan.name, next(b for b in seen if b.service == to.name))
    site.led.setdefault(str(plan.arguments["from"]), {})[to.name] = blueprint.exports
    return [blueprint]


def _host(stack: StackPlan, made: Mapping[str, Sequence[Blueprint]], site: Site) -> Part:
    """The process that all links live in."""
    links = [p for p in stack.services.values() if p.kind == KIND and p.name in made]
    pairs = [(made[p.name][0], made[str(p.arguments["to"])][0]) for p in links]
    blueprint = host_blueprint(pairs, site)
    return Part(blueprint=blueprint, after=(), ready=None, roles={}, steady=(), start_within_ns=START_WITHIN_NS)


def in_order(stack: StackPlan) -> Sequence[str]:
    """Names of the services, each after those in its `after`. Raises UsageError naming a circle or an unknown service."""
    done: dict[str, None] = {}
    path: list[str] = []

    def visit(name: str) -> None:
        if name in done:
            return
        if name in path:
            circle = " -> ".join([*path[path.index(name) :], name])
            raise UsageError(
                Problem(message=f"services wait for each other: {circle}", position=stack.services[name].position)
            )
        path.append(name)
        for other in stack.services[name].after:
            known = _planned(other, stack)
            if known is None:
                raise _no_service(stack.services[name], other, stack.services)
            visit(known)
        path.pop()
        done[name] = None

    for name in stack.services:
        visit(name)
    return list(done)


def _no_service(plan: ServicePlan, other: str, known: Iterable[str]) -> UsageError:
    return UsageError(
        Problem(
            message=f"service {plan.name} is to start after {other}, which is no service of this stack",
            position=plan.position,
            hint=f"services: {', '.join(known)}",
        )
    )


def _planned(name: str, stack: StackPlan) -> str | None:
    """The planned service of that name, or the one that brings it along (redis for redis-sentinel)."""
    if name in stack.services:
        return name
    owners = [service for service in stack.services if name.startswith(f"{service}-")]
    return max(owners, key=len, default=None)


def _expand_service(plan: ServicePlan, kinds: Mapping[str, ServiceKind], ground: LocalGround) -> Sequence[Blueprint]:
    kind = kinds.get(plan.kind)
    if kind is None:
        raise UsageError(
            Problem(
                message=f"service {plan.name} is of unknown kind {plan.kind!r}",
                position=plan.position,
                hint=f"kinds: {', '.join(sorted(kinds))}",
            )
        )
    try:
        expand_kind = load(kind.expand)
        blueprints: Sequence[Blueprint] = expand_kind(plan, settle(plan.arguments, ground), ground)
    except TemplateError as error:
        raise UsageError(Problem(message=f"service {plan.name}: {error}", position=plan.position)) from error
    except ImportError as error:
        extra = f": pip install 'seatrial[{kind.extra}]'" if kind.extra else ""
        raise NotExercised(
            f"service {plan.name} ({plan.kind}) needs {error.name}, which is not installed{extra}"
        ) from error
    return blueprints


def _part(plan: ServicePlan, blueprint: Blueprint, made: Mapping[str, Sequence[Blueprint]], stack: StackPlan) -> Part:
    main = blueprint.service == plan.name
    after: dict[str, None] = {}
    for other in plan.after if main else ():
        if not _waited_for(other, made, stack):
            continue
        # Whoever waits for a service waits for its companions, too: its exports may name them.
        after.update(dict.fromkeys(b.service for b in made[other]) if other in made else {other: None})
    after.update(dict.fromkeys(blueprint.after))
    ready = plan.ready if main and plan.ready is not None else blueprint.ready
    within = plan.arguments.get("start-within")
    start_within_ns = START_WITHIN_NS
    if isinstance(within, Quantity):
        start_within_ns = round(within.value)
    elif ready is not None and ready.within_ns is not None:
        start_within_ns = ready.within_ns
    return Part(
        blueprint=blueprint,
        after=tuple(after),
        ready=ready,
        roles={**blueprint.roles, **(plan.roles if main else {})},
        steady=tuple(
            NamedCheck(id=f"{blueprint.service}/steady-{number}", title=describe(check), check=check)
            for number, check in enumerate(blueprint.steady, 1)
        ),
        start_within_ns=start_within_ns,
        optional=plan.optional,
    )


def _waited_for(name: str, made: Mapping[str, Sequence[Blueprint]], stack: StackPlan) -> bool:
    """Not what is optional: it may never come. What is unknown is, to be told."""
    planned = _planned(name, stack)
    return planned is None or (planned in made and not stack.services[planned].optional)


def describe(check: CheckPlan) -> str:
    """A check in the words of the spec: ``http GET /readyz expect status == 200``."""
    text = f"{check.call.verb} {check.call.what}".strip()
    return f"{text} expect {check.expect.source}" if check.expect is not None else text
