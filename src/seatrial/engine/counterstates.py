"""States that a step's check has to notice, as follows from what it looks at; for where no window after the scenarios can show it.

Who asks over the network asks through a link of its own, and that is cut: nothing loses what it knows, and nothing that was sent is done
later. Who looks at the platform sees an instance gone, or started anew. Who counts at a link counts something. A program is replaced by
one that does nothing, and a name by one that nobody has.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from ..core.links import KIND, OUTSIDE, link_name
from ..core.plan import (
    CheckPlan,
    CounterState,
    CounterStep,
    FaultStep,
    Plan,
    ProbeCall,
    ProbeStep,
    ScenarioPlan,
    Step,
    calls_in,
)
from ..core.stack import LINK, Target
from ..core.verdicts import Severity
from ..core.vocabulary import Vocabulary

NOBODY = "nobody-has-this-name.invalid"
NOTHING = (("true", "its program does nothing, and is content"), ("false", "its program does nothing, and fails"))


@dataclass(frozen=True, kw_only=True)
class Placed:
    """A counter step and where it stands: before or after a step of its scenario."""

    step: CounterStep
    beside: str
    after: bool = False


@dataclass(frozen=True, kw_only=True)
class Ways:
    """The links of a generated plan: those that the stack has, and `made` ones, to services that nobody has a link to from outside."""

    services: Mapping[str, str]  # by name, the kind
    can_make: bool
    made: set[str]

    @classmethod
    def of(cls, plan: Plan) -> Ways:
        """Those of a plan. Links are made where its platform makes them without further ado."""
        kinds = {name: service.kind for name, service in plan.stack.services.items()}
        return cls(services=kinds, can_make=plan.stack.platform == "local", made=set())

    def to(self, at: Target | None) -> Target | None:
        """The same target by way of a link from outside; None where there is none."""
        if at is None or at.on_link:
            return at
        name = link_name(OUTSIDE, at.service)
        known = self.services.get(name) == KIND
        if not known and not (self.can_make and at.service in self.services):
            return None
        if not known:
            self.made.add(at.service)
        return replace(at, service=name, position=None)


def placed(
    plan: Plan, scenario: ScenarioPlan, step: ProbeStep, vocabulary: Vocabulary, ways: Ways, *, mute: bool
) -> list[Placed] | str:
    """How a check is asked in the states that it has to notice, or why there is none: once for what it looks at, once for each that it says
    it notices. `mute`: it is green when its target does not answer.
    """
    if mute:
        return _before_it_broke(scenario, step)
    own, found = list(states_of(plan, step, vocabulary, ways)), list[Placed]()
    if own:
        traces = any(s.first is not None or (s.fault is not None and not s.fault.at.on_link) for s in own)
        found.append(Placed(step=_counter(step, own, "broken"), beside=step.id, after=traces))
    for name in step.notices if step.check.call.at is not None else ():
        kind = "cut" if LINK in name else "stop"
        state = CounterState(id=f"{kind} {name}", check=step.check, fault=_fault(kind, name))
        counter = _counter(step, [state], f"without-{name.replace(LINK, '-')}")
        # Before its step, whatever traces that leaves: a moment that has passed is red in any case.
        found.append(Placed(step=counter, beside=step.id))
    what = step.check.call.what
    words = f"{step.check.call.verb} {what if isinstance(what, str) else ''}".rstrip()
    return found or f"no state is known that {words} has to notice"


def _before_it_broke(scenario: ScenarioPlan, step: ProbeStep) -> list[Placed] | str:
    """What must not answer is asked before the scenario has broken anything: it answers, and that has to be noticed."""
    before: list[Step] = []
    for other in scenario.steps:
        if other.id == step.id:
            break
        before.append(other)
    fault = next((s for s in reversed(before) if isinstance(s, FaultStep)), None)
    if fault is None:
        return "it is green when its target does not answer, and no fault of its scenario comes before it"
    state = CounterState(id=f"before {fault.title}", check=step.check)
    return [Placed(step=_counter(step, [state], "broken"), beside=fault.id)]


def _counter(step: ProbeStep, states: Sequence[CounterState], how: str) -> CounterStep:
    """Named after the step, and after how it is asked. Its finding decides nothing."""
    id_ = f"{step.id}--{how}"
    named = tuple(s if s.fault is None else replace(s, fault=replace(s.fault, id=id_)) for s in states)
    title = f"{step.title}: {', or '.join(s.id for s in states)}"
    return CounterStep(id=id_, title=title, severity=Severity.WARNING, of=step.id, states=named)


def states_of(plan: Plan, step: ProbeStep, vocabulary: Vocabulary, ways: Ways) -> Iterator[CounterState]:
    """The states that follow from a check; red in one of them is enough, for each is one that it may have been made for."""
    check, call = step.check, step.check.call
    match call.verb:
        case "command":
            for program, words in NOTHING:
                yield CounterState(id=words, check=_with(check, what=[program]))
        case "dns":
            yield CounterState(id="a name that nobody has", check=_with(check, what=NOBODY), errors=("name",))
        case "link":
            first = _something(plan, call, vocabulary)
            if first is not None:
                yield CounterState(id=f"something passes {call.at}", check=check, first=first)
        case "stack" if call.what == "order":
            yield CounterState(id="in the record of starts, the other way round", check=check, turned=True)
        case "process" | "services" | "stack":
            yield from _instances_gone(plan, check, step.notices)
        case _ if vocabulary.verbs[call.verb].asks:
            yield from _cut_off(check, ways, step.notices)


def _with(check: CheckPlan, *, what: object) -> CheckPlan:
    return replace(check, call=replace(check.call, what=what))


def _cut_off(check: CheckPlan, ways: Ways, notices: Collection[str]) -> Iterator[CounterState]:
    """Each target that it has, asked through a link, and that cut; and what it says that it notices, stopped or cut where it is."""
    at = check.call.at
    way = ways.to(at)
    if way is not None and at is not None:
        through = replace(check, call=replace(check.call, at=way))
        yield CounterState(id=f"cut {way.service}", check=through, fault=_fault("cut", way.service))
    elif at is not None:
        yield CounterState(id=f"stop {at.service}", check=check, fault=_fault("stop", at.service))
    elif at is None:
        for name in notices:
            kind = "cut" if LINK in name else "stop"
            yield CounterState(id=f"{kind} {name}", check=check, fault=_fault(kind, name))


def _instances_gone(plan: Plan, check: CheckPlan, notices: Collection[str]) -> Iterator[CounterState]:
    """An instance is gone, or another one than before. Of a look at the whole stack, the service that it says it notices, or the last one,
    which nobody waits for.
    """
    services = [n for n, s in plan.stack.services.items() if s.kind != KIND]
    named = [c.at.service for c in calls_in(check.call) if c.at is not None and not c.at.on_link]
    chosen = (*named, *(n for n in notices if n in services), *services[-1:])[:1]
    for service in chosen:
        for kind in ("stop", "restart", "kill"):
            yield CounterState(id=f"{kind} {service}", check=check, fault=_fault(kind, service))


def _fault(kind: str, service: str) -> FaultStep:
    at = Target(service=service, everywhere=True)
    return FaultStep(id="", title=f"{kind} {service}", severity=Severity.WARNING, fault=kind, at=at)


def _something(plan: Plan, call: ProbeCall, vocabulary: Vocabulary) -> ProbeCall | None:
    """A harmless request to the service behind a link, for which the spec or the stack has one."""
    if call.at is None:
        return None
    link = plan.stack.services.get(call.at.service)
    to = str(link.arguments.get("to")) if link is not None else ""
    service = plan.stack.services.get(to)
    known = [service.ready.call] if service is not None and service.ready is not None else []
    steps = (s for scenario in plan.scenarios for s in scenario.steps if isinstance(s, ProbeStep))
    known += [s.check.call for s in steps if s.check.call.at is not None and s.check.call.at.service == to]
    for one in known:
        verb = vocabulary.verbs[one.verb]
        if verb.client and not verb.writes(one.what, one.arguments):
            return replace(one, at=replace(call.at, position=None))
    return None
