"""Counters since a moment: what a check says has changed since a scenario began, since a step of it ended, or since the setup.

What was counted by then is looked at in that moment, and subtracted. Who counts may have been started anew meanwhile, and then counts from
the beginning: nothing is known of the difference.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from ..core.expressions import Missing
from ..core.observations import Observation, Seen, probe_error
from ..core.plan import BEGIN, SETUP, CheckPlan, ProbeStep, ScenarioPlan
from ..core.quantities import Quantity
from .probing import DEFAULT_TIMEOUT_NS, Prober

_Identities = Mapping[str, str | None]


@dataclass(frozen=True, kw_only=True, slots=True)
class Baseline:
    """What was counted at a moment, and who counted it: the identities of the target's instances by name."""

    since: str
    seen: Observation
    identities: _Identities


class Counting:
    """Keeps what was counted at the moments that checks go by."""

    def __init__(self, prober: Prober) -> None:
        self._prober = prober
        self._known: dict[tuple[str, str], Baseline] = {}

    async def mark(self, plan: ScenarioPlan, moment: str, values: Mapping[str, object]) -> None:
        """A moment of a scenario is now: look at what its checks will subtract."""
        for id_, check in counted(plan):
            if check.since == moment:
                identities = await self._identities(check)
                seen = await self._prober.call(check.call, values, check.timeout_ns or DEFAULT_TIMEOUT_NS)
                self._known[plan.id, id_] = Baseline(since=moment, seen=seen, identities=identities)

    def baseline(self, scenario: str, id_: str, check: CheckPlan) -> Baseline | None:
        """What a check subtracts; None where it goes by no moment."""
        if check.since is None:
            return None
        missed = probe_error("since", f"{said(check.since)} has not come")
        return self._known.get((scenario, id_), Baseline(since=check.since, seen=missed, identities={}))

    async def since(self, check: CheckPlan, baseline: Baseline, now: Observation) -> Observation:
        """An observation with what was counted since in place of what was counted at all."""
        verb, then, when = self._prober.verb(check.call.verb), baseline.seen, said(baseline.since)
        if now.seen is not Seen.VALUE or verb is None:
            return now
        if then.seen is not Seen.VALUE:
            return _unknown(now, f"what was counted by {when} is not known: {then.message}")
        if then.at != now.at:
            return _unknown(now, f"{then.at} was asked at {when}, and {now.at} now: name one instance")
        anew = _anew(baseline.identities, await self._identities(check), now.at)
        if anew:
            return _unknown(now, f"{anew} was started anew since {when}, and counts from the beginning")
        values, shown = dict(now.values), dict[str, object]()
        for name in verb.counts:
            before, after = then.values.get(name), now.values.get(name)
            if isinstance(after, Missing) or after is None:
                continue
            difference = _difference(after, 0 if before is None or isinstance(before, Missing) else before)
            if difference is None:
                return _unknown(now, f"{name} was {before} at {when} and is {after} now: it has begun anew")
            values[name], shown[name] = difference, str(difference)
        record = {**now.record, "since": {"moment": when, "then": dict(then.record), "difference": shown}}
        message = ", ".join(f"{name} {amount}" for name, amount in shown.items())
        return replace(now, values=values, record=record, message=f"since {when}: {message}")

    async def _identities(self, check: CheckPlan) -> _Identities:
        at = check.call.at
        if at is None:
            return {}
        return {i.name: i.identity for i in (await self._prober.view(at.service)).instances}


def counted(plan: ScenarioPlan) -> Iterator[tuple[str, CheckPlan]]:
    """The checks of a scenario that go by a moment, by their ids."""
    steps: Sequence[object] = (*plan.steps, *plan.finally_)
    yield from ((s.id, s.check) for s in steps if isinstance(s, ProbeStep) and s.check.since is not None)
    yield from ((h.id, h.check) for h in plan.holds if h.check.since is not None)


def said(moment: str) -> str:
    """A moment for people."""
    return {BEGIN: "the scenario's begin", SETUP: "the end of the setup"}.get(moment, f"the end of step {moment}")


def _anew(then: _Identities, now: _Identities, at: str) -> str:
    """Who was started anew: the one that answered, or any where that is not known; empty where nobody was."""
    names = [at] if at in then else list(then)
    return next((name for name in names if now.get(name) != then[name]), "")


def _difference(after: object, before: object) -> object:
    """None where it is less than it was."""
    if isinstance(after, Quantity):
        less = before.value if isinstance(before, Quantity) else 0.0
        return Quantity(after.value - less, after.dimension) if after.value >= less else None
    if isinstance(after, int | float) and isinstance(before, int | float):
        return after - before if after >= before else None
    return None


def _unknown(now: Observation, why: str) -> Observation:
    return replace(probe_error("since", why, now.record), at=now.at, started_ns=now.started_ns, ended_ns=now.ended_ns)
