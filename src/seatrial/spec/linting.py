"""What is not wrong and still deserves a second look."""

from __future__ import annotations

from ..core.errors import Problem
from ..core.plan import FaultStep, PauseStep, Plan, ProbeStep, ScenarioPlan


def lint(plan: Plan) -> list[Problem]:
    """Warnings with their places."""
    found = [w for s in plan.scenarios for w in _scenario(plan, s)]
    used = {*plan.throughout, *(w for s in plan.scenarios for w in s.throughout)}
    found += [
        Problem(
            message=f"warning: the workload {w.name} never runs", position=w.position, hint=f"throughout: [{w.name}]"
        )
        for w in plan.workloads.values()
        if w.name not in used
    ]
    return found


def _scenario(plan: Plan, scenario: ScenarioPlan) -> list[Problem]:
    found: list[Problem] = []
    hint = "wait for a condition: within; or say why there is none: reason"
    pauses = [s for s in scenario.steps if isinstance(s, PauseStep)]
    found += [Problem(message="warning: a fixed pause", position=s.position, hint=hint) for s in pauses]
    steps = scenario.steps
    for place, step in enumerate(steps):
        if (
            isinstance(step, FaultStep)
            and not scenario.expect
            and not any(isinstance(s, ProbeStep) for s in steps[place + 1 :])
        ):
            message = f"warning: nothing is looked at after the fault {step.id}"
            found.append(
                Problem(message=message, position=step.position, hint="add a check after it, or an expectation")
            )
    inner = any(getattr(x, "covers", ()) for x in (*steps, *scenario.expect, *scenario.holds))
    if plan.requirements and not scenario.covers and not inner:
        found.append(
            Problem(
                message=f"warning: scenario {scenario.id} covers no requirement",
                position=scenario.position,
                hint="covers: [...]",
            )
        )
    return found
