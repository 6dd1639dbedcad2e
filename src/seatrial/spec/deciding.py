"""Requirements that are covered by nothing that decides, or by nothing that can fail."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import NamedTuple

from ..core.errors import Position, Problem
from ..core.plan import FaultStep, LoadStep, Plan, ProbeStep, ScenarioPlan, Step
from ..core.verdicts import Severity
from .hollow import hollow


class _Part(NamedTuple):
    """A finding that covers requirements. `able`: whether it can fail, as far as the plan tells."""

    covers: tuple[str, ...]
    position: Position | None
    severity: Severity
    able: bool


def cannot_fail(plan: Plan, deaf: Collection[int]) -> Iterator[Problem]:
    """Of the requirements that decide the trial. `deaf`: expectations, by id(), that any answer meets."""
    covering: dict[str, list[_Part]] = {}
    for part in _parts(plan, deaf):
        for requirement in part.covers:
            covering.setdefault(requirement, []).append(part)
    for requirement, parts in covering.items():
        known = plan.requirements.get(requirement)
        blocking = [p for p in parts if p.severity is Severity.BLOCKING]
        if known is None or known.severity is not Severity.BLOCKING or any(p.able for p in blocking):
            continue
        if any(p.able for p in parts):
            message = f"{requirement} is covered by nothing that decides: what covers it and can fail is not blocking"
            hint = f"severity: blocking there, or in the requirements severity: {{{requirement}: non-blocking}}"
        else:
            message = f"{requirement} is covered by nothing that can fail"
            hint = "covers: where something is expected that a broken system would not give"
        yield hollow(message, parts[0].position, "cannot-fail", hint)


def _parts(plan: Plan, deaf: Collection[int]) -> Iterator[_Part]:
    for named in plan.steady:
        yield _Part(named.covers, named.check.call.position, Severity.BLOCKING, id(named.check.expect) not in deaf)
    for expected in plan.expect:
        yield _Part(expected.covers, expected.position, expected.severity, id(expected.condition) not in deaf)
    for step in plan.setup:
        yield from _of_step(step, (), deaf)
    for scenario in plan.scenarios:
        yield from _of_scenario(scenario, deaf)


def _of_scenario(scenario: ScenarioPlan, deaf: Collection[int]) -> Iterator[_Part]:
    if scenario.python is not None or scenario.judged or scenario.abortable:
        severity = Severity.BLOCKING if scenario.python is not None or scenario.abortable else scenario.severity
        yield _Part(scenario.covers, scenario.position, severity, True)
    for step in (*scenario.steps, *scenario.finally_):
        yield from _of_step(step, scenario.covers, deaf)
    for hold in scenario.holds:
        able = id(hold.check.expect) not in deaf
        yield _Part(hold.covers or scenario.covers, hold.check.call.position, Severity.BLOCKING, able)
    for expected in scenario.expect:
        able = id(expected.condition) not in deaf
        yield _Part(expected.covers or scenario.covers, expected.position, expected.severity, able)


def _of_step(step: Step, covers: tuple[str, ...], deaf: Collection[int]) -> Iterator[_Part]:
    if isinstance(step, ProbeStep) and step.check.expect is not None:
        yield _Part(step.covers or covers, step.position, step.severity, id(step.check.expect) not in deaf)
    elif isinstance(step, FaultStep):  # that it acted was seen, or it is inconclusive: it never fails
        yield _Part(step.covers or covers, step.position, step.severity, False)
    elif isinstance(step, LoadStep) and step.judged:
        yield _Part(step.covers or covers, step.position, step.severity, True)
