"""Checks that could hardly fail, told from the Plan alone: each finding is certain, and says what would make it able to.

`seatrial prove` shows by breaking what a check looks at whether it notices; this needs no run, and finds less.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from ..core.answers import conditions, counts_alone
from ..core.errors import Position, Problem
from ..core.expressions import Expression, Type
from ..core.plan import CheckPlan, Expectation, NamedCheck, Plan, ProbeStep, ScenarioPlan, calls_in
from ..core.possible import Seen, enough_by_status, holds_when_broken, holds_without_answer, never_false, never_true
from ..core.quantities import Dimension, Quantity, format_duration
from ..core.templates import Template
from ..core.vocabulary import Verb, Vocabulary
from .keys import ALWAYS

RULES: Mapping[str, str] = {
    "any-answer": "an expectation that any answer meets",
    "accepts-failure": "an expectation that an answer which says that it failed meets, too",
    "skip-on-error": "an expectation that holds when nobody answers",
    "no-expectation": "something that is done or measured, and nothing is expected of it",
    "pause": "a fixed pause",
    "port-for-operation": "a port that accepts, where something is said to work",
    "masking-retry": "trying again for longer than the failure that is to be seen",
    "no-minimum-of-samples": "a bound that holds where hardly anything was measured",
    "cannot-fail": "a requirement covered by nothing that can fail",
}
_PORTS = re.compile(
    r"\b(ports?|listens?|listening|tcp|connect\w*|accept\w*|reach\w*|open|closed|firewall\w*)\b", re.IGNORECASE
)
_SOON = Quantity(1.0, Dimension.DURATION)


@dataclass(frozen=True, kw_only=True)
class Looked:
    """A check of the plan, and what it is to show. `words`: what is said of it; `claims`: it has a title or covers of its own."""

    check: CheckPlan
    position: Position | None
    scenario: ScenarioPlan | None
    covers: tuple[str, ...]
    words: tuple[str, ...]
    claims: bool = False


def hollow(message: str, position: Position | None, rule: str, hint: str) -> Problem:
    """A finding of one of RULES."""
    return Problem(message=f"hollow: {message}", position=position, rule=rule, hint=hint)


class Hollow:
    """Looks through one plan. `figures`: what expectations may read of workloads, loads, the stack and its usage."""

    def __init__(self, plan: Plan, vocabulary: Vocabulary, figures: Mapping[str, Type]) -> None:
        self._plan = plan
        self._vocabulary = vocabulary
        self._figures = figures
        self.deaf: set[int] = set()  # conditions, by id(), that nothing makes false

    def find(self) -> Iterator[Problem]:
        """All of them but those that count samples and requirements."""
        looks = list(looked(self._plan))
        spoken = self._spoken(looks)
        for look in looks:
            for call in calls_in(look.check.call):
                for argument in call.arguments.values():
                    if isinstance(argument, CheckPlan):
                        yield from self._expected(argument, call.position)
            yield from self._expected(look.check, look.position)
            yield from self._port(look, looks, spoken)
        yield from self._holds()
        for expectation in self._expectations():
            yield from self._of_figures(expectation)
        yield from self._loads()

    # -- expectations of checks

    def _expected(self, check: CheckPlan, position: Position | None) -> Iterator[Problem]:
        verb = self._vocabulary.verbs[check.call.verb]
        if check.expect is None or check.expect.source == verb.default_expect:
            return
        yield from self._condition(check.expect, verb, check, position)

    def _condition(
        self, expect: Expression, verb: Verb, check: CheckPlan, position: Position | None
    ) -> Iterator[Problem]:
        seen = seen_of(verb, check)
        found = [e.source for e in never_false(expect, seen)]
        if set(expect.names) <= set(self._plan.values):
            found = [expect.source]
        for source in found:
            hint = "expect what the right answer alone has: a value in it, how many rows, one status"
            yield hollow(f"any answer meets {source}", position, "any-answer", hint)
        if len(found) == sum(1 for _ in conditions(expect.tree)):
            self.deaf.add(id(expect))
            return
        word = holds_without_answer(expect, seen)
        if word:
            hint = "two checks: one for the answer, one for the time in which there is to be none"
            message = f"it holds where nobody answers ({word}), and where somebody does: {expect.source}"
            yield hollow(message, position, "skip-on-error", hint)
        for source, status in enough_by_status(expect, seen):
            hint = f"status == {status} and ...: both, in place of either"
            yield hollow(f"with status {status} any answer meets {source}", position, "any-answer", hint)
        yield from self._failure(expect, verb, position)

    def _failure(self, expect: Expression, verb: Verb, position: Position | None) -> Iterator[Problem]:
        both = holds_when_broken(expect) if "status" in verb.observes else None
        if both is not None:
            good, broken = both
            message = f"{expect.source} holds for status {broken} as it does for {good}"
            yield hollow(message, position, "accepts-failure", f"status == {good}")
        read = [n for n in expect.names if n in verb.observes or n in ALWAYS]
        if verb.transport and read and all(n in verb.transport or n in ALWAYS for n in read):
            types = {**verb.observes, **ALWAYS}
            quick: dict[str, object] = {n: _SOON if types[n] == Type.DURATION else 0 for n in read}
            quick |= {"error": None, "attempts": 1, "instance": ""}
            if expect.evaluate(quick).truth is True:
                message = f"{expect.source} says nothing of the answer: one that says 500 meets it, too"
                yield hollow(
                    message, position, "accepts-failure", f"and {verb.default_expect}" if verb.default_expect else ""
                )

    # -- ports

    def _spoken(self, looks: list[Looked]) -> dict[str, str]:
        """What each service is known to speak: by its kind, or because the spec asks it so."""
        found: dict[str, str] = {}
        for service in self._plan.stack.services.values():
            own = next((v.name for v in self._vocabulary.verbs.values() if service.kind in v.schemes), None)
            if own is not None:
                found[service.name] = own
        checks = [look.check for look in looks]
        checks += [s.ready for s in self._plan.stack.services.values() if s.ready is not None]
        calls = [c for check in checks for c in calls_in(check.call)]
        calls += [w.call for w in self._plan.workloads.values()]
        calls += [c for load in self._plan.loads.values() for c in load.calls]
        for call in calls:
            verb = self._vocabulary.verbs.get(call.verb)
            if call.at is not None and verb is not None and verb.client:
                found.setdefault(call.at.service, verb.name)
        return found

    def _port(self, look: Looked, looks: list[Looked], spoken: Mapping[str, str]) -> Iterator[Problem]:
        """A connection that is accepted: the kernel does that for a process that hangs, too."""
        call, verb = look.check.call, self._vocabulary.verbs[look.check.call.verb]
        if call.at is None or call.at.on_link or verb.opens is None or not verb.opens(call.what, call.arguments):
            return
        words = (*look.words, *(self._plan.requirements[r].text for r in look.covers if r in self._plan.requirements))
        other = spoken.get(call.at.service)
        if other is None or any(_PORTS.search(w) for w in words) or look.check.expect is None:
            return
        met = {"accepted": True, "latency": _SOON, "took": _SOON, "error": None, "attempts": 1, "instance": ""}
        if look.check.expect.evaluate(met).truth is not True or (not look.claims and self._asked_beside(look, looks)):
            return
        message = f"{call.at} accepts a connection, also while it hangs: nothing is asked of it"
        hint = f"ask it what it is for ({other}: ...), or say that it is about the port"
        yield hollow(message, look.position, "port-for-operation", hint)

    def _asked_beside(self, look: Looked, looks: list[Looked]) -> bool:
        """Whether another check of the same scenario asks that service."""
        at = look.check.call.at
        return any(
            o.scenario is look.scenario
            and o is not look
            and o.check.expect is not None
            and self._vocabulary.verbs[o.check.call.verb].client
            and any(c.at is not None and at is not None and c.at.service == at.service for c in calls_in(o.check.call))
            for o in looks
        )

    # -- retries

    def _holds(self) -> Iterator[Problem]:
        for scenario in self._plan.scenarios:
            for named in scenario.holds:
                within = named.check.within_ns
                if within:
                    message = f"{named.id} is to hold throughout, and an outage of up to {format_duration(within)} is not seen"
                    hint = "leave out within: it is looked at again each second anyway"
                    yield hollow(message, named.check.call.position, "masking-retry", hint)

    # -- figures

    def _expectations(self) -> Iterator[Expectation]:
        yield from self._plan.expect
        for scenario in self._plan.scenarios:
            yield from scenario.expect

    def _of_figures(self, expectation: Expectation) -> Iterator[Problem]:
        found = [e.source for e in never_false(expectation.condition, Seen(types=self._figures))]
        for source in found:
            yield hollow(
                f"whatever is measured meets {source}", expectation.position, "any-answer", "a bound that can be missed"
            )
        if len(found) == sum(1 for _ in conditions(expectation.condition.tree)):
            self.deaf.add(id(expectation.condition))

    def _loads(self) -> Iterator[Problem]:
        """What users of a load expect, what a search looks for, and what is to stop a load."""
        for load in self._plan.loads.values():
            figures = self._figures.get(load.name)
            seen = Seen(types=dict(figures.fields) if figures is not None else {})
            for rule in load.abort:
                if never_true(rule.when, seen):
                    message = f"{rule.when.source} is never true: it stops nothing"
                    yield hollow(message, load.position, "any-answer", "a bound that can be passed")
            for condition in load.search.conditions if load.search is not None else ():
                for one in never_false(condition, seen):
                    yield hollow(
                        f"every rate meets {one.source}", load.position, "any-answer", "a bound that can be missed"
                    )
            yield from self._accepted(load.accept, load.name, load.position)
            for kind in load.flows.kinds if load.flows is not None else ():
                for step in (*kind.begin, *(s for t in kind.tasks for s in t.steps)):
                    if step.call is not None and step.expect is not None:
                        verb = self._vocabulary.verbs[step.call.verb]
                        check = CheckPlan(call=step.call, expect=step.expect)
                        yield from self._condition(step.expect, verb, check, step.call.position or load.position)
        for workload in self._plan.workloads.values():
            yield from self._accepted(workload.accept, workload.name, workload.position)

    def _accepted(self, accept: tuple[int, ...], name: str, position: Position | None) -> Iterator[Problem]:
        broken = [s for s in accept if s in (500, 502, 504)]
        if broken:
            message = f"{name} counts status {broken[0]} as an answer that is right"
            yield hollow(message, position, "accepts-failure", "accept what a right answer says: [404], [409]")


def looked(plan: Plan) -> Iterator[Looked]:
    """Every check of a plan, judged or not."""
    for named in plan.steady:
        yield _named(named, None)
    for step in plan.setup:
        if isinstance(step, ProbeStep):
            yield _step(step, None)
    for scenario in plan.scenarios:
        for part in (*scenario.steps, *scenario.finally_):
            if isinstance(part, ProbeStep):
                yield _step(part, scenario)
        for named in scenario.holds:
            yield _named(named, scenario)


def _step(step: ProbeStep, scenario: ScenarioPlan | None) -> Looked:
    own = step.title if not step.title.startswith(f"{step.check.call.verb} ") else ""
    covers = step.covers or (scenario.covers if scenario is not None else ())
    words = (own, step.id if not step.id.startswith(step.check.call.verb) else "")
    words = (*words, *((scenario.title, scenario.id) if scenario is not None else ()))
    claims = bool(own or step.covers)
    return Looked(
        check=step.check, position=step.position, scenario=scenario, covers=covers, words=words, claims=claims
    )


def _named(named: NamedCheck, scenario: ScenarioPlan | None) -> Looked:
    covers = named.covers or (scenario.covers if scenario is not None else ())
    own = named.title if named.check.expect is None or named.check.expect.source not in named.title else ""
    words = (own, named.id, *((scenario.title, scenario.id) if scenario is not None else ()))
    return Looked(check=named.check, position=named.check.call.position, scenario=scenario, covers=covers, words=words)


def seen_of(verb: Verb, check: CheckPlan) -> Seen:
    """What can be seen of a call, as far as its text tells."""
    what = check.call.what
    text = what.source if isinstance(what, Template) else str(what)
    return Seen(
        types={**verb.observes, **ALWAYS},
        whole=verb.can_be(text, check.call.arguments) if verb.can_be is not None else {},
        counts=frozenset({"rows"}) if "rows" in verb.observes and counts_alone(text) else frozenset(),
    )
