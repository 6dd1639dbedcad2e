"""What a plan would do, in lines for people."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from ..core.plan import FaultStep, Plan, ScenarioPlan
from ..core.quantities import format_duration
from ..core.verdicts import Verdict
from ..core.vocabulary import load
from ..engine.asking import too_short
from ..engine.ledger import in_scope, planned_findings
from ..engine.schedule import next_batch, select
from .vocabulary import vocabulary

CAPABILITIES = {
    "local": frozenset({"start", "kill", "stop", "pause", "restart", "execute", "usage", "logs", "link", "constrain"}),
    "compose": frozenset(
        {
            "start",
            "kill",
            "stop",
            "pause",
            "restart",
            "execute",
            "usage",
            "logs",
            "link",
            "network",
            "disconnect",
            "constrain",
        }
    ),
    "remote": frozenset[str](),
}


def describe(plan: Plan, only: Sequence[str] = (), labels: Sequence[str] = ()) -> Iterator[str]:
    """The stack, the scenarios in the order in which they run, what cannot be exercised, and the sums."""
    selected = select(plan, only, labels)
    yield f"{plan.name} on platform {plan.stack.platform}: {', '.join(plan.stack.services) or 'no services'}"
    yield from (f"  {name} is not here, and what asks it is not exercised: {why}" for name, why in missing(plan))
    if plan.setup:
        yield f"  setup: {len(plan.setup)} steps"
    if plan.throughout:
        yield f"  throughout: {', '.join(plan.throughout)}"
    for each in plan.loads.values():
        if each.profile is not None:
            yield f"  load {each.name}: {each.profile.text}"
    done: dict[str, Verdict] = {}
    left = list(selected)
    while left and (batch := next_batch(left, done)):
        alone = batch[0].disrupting or batch[0].alone
        yield "" if alone else f"together ({len(batch)}):"
        for scenario in batch:
            yield from _scenario(plan, scenario)
            done[scenario.id] = Verdict.PASS
        left = [s for s in left if s not in batch]
    for said in plan.left_out:
        yield f"  left out of stack-health: {said}"
    findings = planned_findings(plan, selected)
    covered = {r for f in findings for r in f.covers}
    scope = in_scope(plan)
    yield ""
    yield f"{len(findings)} findings planned"
    if plan.requirements:
        yield (
            f"{len(plan.requirements)} requirements: {len(scope & covered)} covered, "
            f"{len(plan.requirements) - len(scope)} out of scope here, {len(scope - covered)} not covered"
        )


def missing(plan: Plan) -> Iterator[tuple[str, str]]:
    """Services that may be missing, and are, as far as that is known before the stack is started; and why."""
    yield from plan.stack.without.items()
    for service in plan.stack.services.values():
        kind = vocabulary().kinds.get(service.kind)
        asked = plan.stack.platform == "local" and service.optional and kind is not None and kind.lacks
        if asked and (why := load(asked)()):
            yield service.name, why


def _scenario(plan: Plan, scenario: ScenarioPlan) -> Iterator[str]:
    covers = f"  [{', '.join(scenario.covers)}]" if scenario.covers else ""
    yield f"  {scenario.id}: {scenario.title}{covers}"
    short = too_short(plan, scenario)
    if short:
        yield f"      not exercised: {short}"
    for step in scenario.steps:
        note = ""
        if isinstance(step, FaultStep):
            kind = vocabulary().faults[step.fault].hitting(link=step.at.on_link)
            if kind is not None and kind.capability not in CAPABILITIES.get(plan.stack.platform, frozenset()):
                note = f"  (not exercised: {kind.lacking(plan.stack.platform)})"
        within = getattr(getattr(step, "check", None), "within_ns", None)
        yield f"      {step.title}" + (f"  within {format_duration(within)}" if within else "") + note
    for expectation in scenario.expect:
        yield f"      expect {expectation.name}: {expectation.condition.source}"
