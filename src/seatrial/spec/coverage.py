"""What a whole plan covers, judges and uses."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from ..core.fingerprints import UNCHANGED
from ..core.load_plans import abort_finding
from ..core.plan import FaultStep, LoadStep, Plan, ProbeStep, ScenarioPlan, Step, calls_in
from ..core.templates import secret_names
from .reading import Reader


def check_requirements(reader: Reader, plan: Plan) -> None:
    """Each requirement in scope is covered, or declared as not covered and why; never both."""
    python = {r: s for s in plan.scenarios if s.python is not None for r in s.covers}
    for requirement in plan.requirements.values():
        place = reader.used.get(("requirement", requirement.id))
        covered = place is not None or requirement.id in python
        in_scope = not requirement.applies or plan.stack.platform in requirement.applies
        if covered and requirement.open_reason:
            node = place or reader.known.requirements[requirement.id]
            reader.wrong(node, f"{requirement.id} is declared as not covered", "take it out of not-covered")
        elif in_scope and not covered and not requirement.open_reason:
            node = reader.known.requirements[requirement.id]
            hint = f"covers: [{requirement.id}] where it is shown, or not-covered: {{{requirement.id}: why}}"
            reader.wrong(node, f"nothing covers the requirement {requirement.id}", hint)


def findings_of(scenario: ScenarioPlan) -> Iterator[str]:
    """The ids of a scenario's findings, without the scenario's own."""
    if scenario.python is not None:
        yield "body"
    yield from _of_steps((*scenario.steps, *scenario.finally_))
    yield from map(abort_finding, scenario.abortable)
    yield from (h.id for h in scenario.holds)
    yield from scenario.judged
    yield from (e.name for e in scenario.expect)


def finding_ids(plan: Plan) -> dict[str, str]:
    """The id of every finding that the plan can have, and its scenario (steady, setup and trial among them)."""
    found = {"steady/stack": "steady", "trial/nothing-remains": "trial", UNCHANGED: "trial"}
    found |= {f"steady/{c.id}": "steady" for c in plan.steady}
    found |= {f"setup/{name}": "setup" for name in _of_steps(plan.setup)}
    found |= {f"{s.id}/{name}": s.id for s in plan.scenarios for name in findings_of(s)}
    found |= {f"trial/{name}": "trial" for name in plan.judged}
    found |= {f"trial/{abort_finding(n)}": "trial" for n in plan.throughout if n in plan.loads and plan.loads[n].abort}
    return found | {f"trial/{e.name}": "trial" for e in plan.expect}


def _of_steps(steps: tuple[Step, ...]) -> Iterator[str]:
    for step in steps:
        judged = isinstance(step, LoadStep) and step.judged
        if judged or isinstance(step, FaultStep) or (isinstance(step, ProbeStep) and step.check.expect is not None):
            yield step.id


def with_needs(scenarios: Mapping[str, ScenarioPlan], names: tuple[str, ...]) -> set[str]:
    """These scenarios and all that they need."""
    found: set[str] = set()
    left = list(names)
    while left:
        name = left.pop()
        if name in scenarios and name not in found:
            found.add(name)
            left += scenarios[name].needs
    return found


def secrets_used(plan: Plan) -> tuple[str, ...]:
    """Names of all secrets that the plan's templates use."""
    trees: list[object] = [s.arguments for s in plan.stack.services.values()]
    identities = plan.identities.values()
    trees += [(i.headers, i.arguments, *((i.login.what, i.login.arguments) if i.login else ())) for i in identities]
    for workload in plan.workloads.values():
        reads = [r.call for r in (workload.initial, workload.read_back) if r is not None]
        trees += [(c.what, c.arguments) for c in (workload.call, *reads)]
    trees += [(c.what, c.arguments) for load in plan.loads.values() for c in load.calls]
    trees += [load.tool.environment for load in plan.loads.values() if load.tool is not None]
    checks = [c.check for c in plan.steady]
    checks += [h.check for s in plan.scenarios for h in s.holds]
    steps = [*plan.setup, *(x for s in plan.scenarios for x in (*s.steps, *s.finally_))]
    checks += [s.check for s in steps if isinstance(s, ProbeStep)]
    trees += [(call.what, call.arguments) for c in checks for call in calls_in(c.call)]
    trees += [s.arguments for s in steps if isinstance(s, FaultStep)]
    return secret_names(trees)
