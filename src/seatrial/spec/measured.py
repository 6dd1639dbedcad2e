"""What is done or measured and nobody judges, and bounds that hold where hardly anything was measured."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence

from ..core.errors import Position, Problem
from ..core.expressions import Expression
from ..core.expressions.syntax import Path, walk
from ..core.load_plans import LoadPlan, steps_of
from ..core.plan import CheckPlan, Expectation, FaultStep, LoadStep, Plan, ProbeStep, ScenarioPlan, Step, calls_in
from ..core.quantities import NS_PER_S, Quantity
from ..core.templates import template_names
from ..core.vocabulary import Vocabulary
from .hollow import hollow, looked

_NEEDS = {"p50": 2, "p90": 10, "p95": 20, "p99": 100, "p999": 1000, "latency_p95": 20}  # 1 in so many is beyond it
# Of a workload: zero where nothing was acknowledged at all.
_OF_NOTHING = frozenset(
    {"lost", "doubled", "phantom", "recovered", "drift", "failed", "unknown", "not_sent", "sent", "lag"}
)


def unjudged(plan: Plan) -> Iterator[Problem]:
    """Workloads and loads that run, and values that are saved, of which nothing comes."""
    if any(s.python is not None for s in plan.scenarios):
        return  # code may read anything
    read = _read(plan)
    for scenario in plan.scenarios:
        for name, later in _running(scenario):
            load, workload = plan.loads.get(name), plan.workloads.get(name)
            own = load is not None and (load.abort or load.tool is not None)
            if name in read or own or scenario.holds or any(_looks(s) for s in later):
                continue
            example = f"{name}.errors < 1%" if load is not None else f"{name}.availability.overall > 99%"
            position = load.position if load is not None else workload.position if workload is not None else None
            message = f"nothing is expected of {name}, and nothing is looked at after it: whatever it meets, no finding says so"
            yield hollow(message, position, "no-expectation", f"expect: {{served: {example}}}")
    for look_at in (plan.setup, *((*s.steps, *s.finally_) for s in plan.scenarios)):
        yield from _kept_for_nobody(look_at, read)


def _running(scenario: ScenarioPlan) -> Iterator[tuple[str, Sequence[Step]]]:
    """What runs in a scenario, and the steps that come after it began."""
    steps = (*scenario.steps, *scenario.finally_)
    yield from ((name, steps) for name in scenario.throughout)
    yield from ((s.load, steps[n + 1 :]) for n, s in enumerate(steps) if isinstance(s, LoadStep))


def _looks(step: Step) -> bool:
    return isinstance(step, ProbeStep) and step.check.expect is not None


def _kept_for_nobody(steps: Iterable[Step], read: set[str]) -> Iterator[Problem]:
    for step in steps:
        if isinstance(step, ProbeStep) and step.check.expect is None and not read.intersection(step.save):
            message = f"{step.id} expects nothing, and nobody reads what it saves ({', '.join(step.save)})"
            yield hollow(message, step.position, "no-expectation", "expect: what is to be true of it")


def _read(plan: Plan) -> set[str]:
    """Every name that an expression or a template of the plan uses."""
    expressions: list[Expression] = [e.condition for e in plan.expect]
    trees: list[object] = [s.arguments for s in plan.stack.services.values()]
    checks = [look.check for look in looked(plan)]
    for identity in plan.identities.values():
        trees += [dict(identity.headers), dict(identity.arguments)]
        checks += [CheckPlan(call=identity.login)] if identity.login is not None else []
    for scenario in plan.scenarios:
        expressions += [e.condition for e in scenario.expect]
        for step in (*scenario.steps, *scenario.finally_):
            expressions += step.save.values() if isinstance(step, ProbeStep) else ()
            trees += [dict(step.arguments)] if isinstance(step, FaultStep) else []
    for workload in plan.workloads.values():
        backs = [r for r in (workload.initial, workload.read_back) if r is not None]
        checks += [CheckPlan(call=c) for c in (workload.call, *(b.call for b in backs))]
        expressions += [b.path for b in backs]
    for load in plan.loads.values():
        checks += [CheckPlan(call=c) for c in load.calls]
        flows = steps_of(load.flows.kinds) if load.flows is not None else ()
        expressions += [e for s in flows for e in (s.expect, *s.save.values()) if e is not None]
        trees += [list(load.tool.arguments), dict(load.tool.environment)] if load.tool is not None else []
    for check in checks:
        for call in calls_in(check.call):
            trees += [call.what, dict(call.arguments)]
            inside = [a for a in call.arguments.values() if isinstance(a, Expression)]
            expressions += inside
            expressions += [a.expect for a in call.arguments.values() if isinstance(a, CheckPlan) and a.expect]
        expressions += [check.expect] if check.expect is not None else []
    return {n for e in expressions for n in e.names} | set(template_names(trees))


# -- samples


def few_samples(plan: Plan, vocabulary: Vocabulary) -> Iterator[Problem]:
    """Bounds that hold where hardly anything was measured."""
    yield from _of_nothing(plan, plan.expect, (), plan.throughout)
    for scenario in plan.scenarios:
        yield from _of_nothing(plan, scenario.expect, plan.expect, (*scenario.throughout, *plan.throughout))
    for expectation in (*plan.expect, *(e for s in plan.scenarios for e in s.expect)):
        for path in _paths(expectation.condition):
            load = plan.loads.get(path.root)
            if load is not None:
                yield from _percentile(path, most_due(load), load.name, expectation.position)
    for look in looked(plan):
        call, verb = look.check.call, vocabulary.verbs[look.check.call.verb]
        times = verb.samples(call.what, call.arguments) if verb.samples is not None else None
        if look.check.expect is not None and times is not None:
            for path in _paths(look.check.expect):
                yield from _percentile(path, times, "them", look.position)


def _percentile(path: Path, most: float | None, whose: str, position: Position | None) -> Iterator[Problem]:
    """A percentile of so few that it is the longest of them."""
    last = str(path.parts[-1].key) if path.parts else path.root
    needed = _NEEDS.get(last)
    if needed is not None and most is not None and most < needed:
        message = f"{last} of at most {math.floor(most)} requests is the slowest of {whose}"
        hint = f"{needed} requests at least, or say max, which is what it is"
        yield hollow(message, position, "no-minimum-of-samples", hint)


def most_due(load: LoadPlan) -> float | None:
    """How many requests can count at most; None where that is not known beforehand."""
    rate = load.arrivals.get("constant")
    if load.for_ns is None or load.search is not None or not isinstance(rate, Quantity):
        return None
    return rate.value * max(0, load.for_ns - load.warm_up_ns) / NS_PER_S


def _of_nothing(
    plan: Plan, here: tuple[Expectation, ...], beside: tuple[Expectation, ...], running: tuple[str, ...]
) -> Iterator[Problem]:
    """Books that balance because nobody bought anything: what is lost is zero where nothing was acknowledged."""
    paths = [p for e in (*here, *beside) for p in _paths(e.condition)]
    for name in dict.fromkeys(running):
        if name not in plan.workloads:
            continue
        figures = [str(p.parts[0].key) for p in paths if p.root == name and p.parts]
        if not figures or not set(figures) <= _OF_NOTHING or {"failed", "unknown"} <= set(figures):
            continue
        first = next((e for e in here if name in e.condition.names), None)
        if first is not None:
            message = f"{first.condition.source} holds where no operation of {name} was acknowledged at all"
            yield hollow(message, first.position, "no-minimum-of-samples", f"and {name}.ok > 0, or its availability")


def _paths(condition: Expression) -> Iterator[Path]:
    for node in walk(condition.tree):
        if isinstance(node, Path):
            yield node
