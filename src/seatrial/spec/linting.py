"""What is not wrong and still deserves a second look."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path

from ..core.allowances import UNUSED, allowances, judged
from ..core.errors import Position, Problem
from ..core.expressions import Type
from ..core.load_plans import PROBE_WARM_UP_NS
from ..core.plan import FaultStep, HealStep, LoadStep, PauseStep, Plan, ProbeStep, ScenarioPlan, Step
from ..core.quantities import format_duration
from ..core.vocabulary import Vocabulary
from .deciding import cannot_fail
from .health_steps import LABEL
from .hollow import RULES, Hollow, hollow
from .judging import LAST_GOOD
from .measured import few_samples, unjudged
from .nodes import is_file

_PROBES_AT_THE_EDGE = 10  # usually
_START_NS = 1_000_000_000  # of the generators of a probe


def lint(plan: Plan, vocabulary: Vocabulary, figures: Mapping[str, Type]) -> list[Problem]:
    """Warnings with their places, each once; hollow checks that nobody allows. `figures`: what expectations may read."""
    found = [*_pauses(plan.setup)]
    for scenario in plan.scenarios:
        found += _pauses((*scenario.steps, *scenario.finally_))
        found += _unseen(scenario)
        found += _short_holds(scenario)
        found += _uncovering(plan, scenario)
    used = {*plan.throughout, *(w for s in plan.scenarios for w in s.throughout)}
    found += [
        _warning(f"the workload {w.name} never runs", w.position, f"throughout: [{w.name}]")
        for w in plan.workloads.values()
        if w.name not in used
    ]
    steps = (*plan.setup, *(t for s in plan.scenarios for t in (*s.steps, *s.finally_)))
    used |= {t.load for t in steps if isinstance(t, LoadStep)}
    found += [
        _warning(f"the load {load.name} never runs", load.position, f"a step with load: {load.name}, or throughout")
        for load in plan.loads.values()
        if load.name not in used
    ]
    found += _baselines(plan)
    found += _expired(plan)
    found += [w for s in plan.scenarios for w in _long_searches(plan, s)]
    looks = Hollow(plan, vocabulary, figures)
    found += looks.find()
    found += cannot_fail(plan, looks.deaf)
    found += unjudged(plan)
    found += few_samples(plan, vocabulary)
    return list(_allowed(dict.fromkeys(found), plan.files))


def _allowed(found: Mapping[Problem, None], files: Sequence[Path]) -> Iterator[Problem]:
    """What is left where comments allow some of it, and comments that allow nothing."""
    by_file: defaultdict[str, list[Problem]] = defaultdict(list)
    for problem in found:
        by_file[problem.position.file if problem.position is not None else ""].append(problem)
    for file in dict.fromkeys((*by_file, *map(str, files))):
        try:
            lines = Path(file).read_text(encoding="utf-8").splitlines() if file and not file.endswith(".py") else []
        except (OSError, ValueError):
            lines = []
        here = [(p, (p.position.line,) if p.position is not None else ()) for p in by_file[file]]
        yield from judged(here, allowances(file, lines), (*RULES, UNUSED))


def _expired(plan: Plan) -> Iterator[Problem]:
    """Waivers that count no longer."""
    today = datetime.now(UTC).date()
    for waiver in plan.waivers.values():
        if not waiver.counts(today):
            message = f"the waiver of {waiver.finding} by {waiver.by} expired on {waiver.expires.isoformat()}: it does not count"
            yield _warning(message, waiver.position, "mend what it waives, or have somebody answer for it anew")


def _baselines(plan: Plan) -> Iterator[Problem]:
    """Files that a comparison needs and that nobody has made yet."""
    for load in plan.loads.values():
        if load.baseline and load.baseline != LAST_GOOD and not is_file(load.directory / load.baseline):
            hint = f"seatrial baseline keep TRIAL --load {load.name} --to {load.baseline}"
            yield _warning(f"there is no baseline {load.baseline} yet: no change can be told", load.position, hint)


def _long_searches(plan: Plan, scenario: ScenarioPlan) -> Iterator[Problem]:
    """A search that its scenario's deadline cuts off shows nothing."""
    for step in scenario.steps:
        load = plan.loads.get(step.load) if isinstance(step, LoadStep) else None
        search = load.search if load is not None else None
        if load is None or search is None:
            continue
        ways = math.ceil(math.log2(search.highest / search.lowest)) + _PROBES_AT_THE_EDGE
        needs = ways * (_START_NS + (load.warm_up_ns or PROBE_WARM_UP_NS) + search.for_ns)
        if needs > scenario.deadline_ns:
            message = f"the search of {step.id} may take {format_duration(needs)}, and its scenario has "
            message += format_duration(scenario.deadline_ns)
            yield _warning(message, step.position, "deadline: 5m in the scenario, or a shorter for in the search")


def _warning(message: str, position: Position | None, hint: str) -> Problem:
    return Problem(message=f"warning: {message}", position=position, hint=hint)


def _pauses(steps: tuple[Step, ...]) -> Iterator[Problem]:
    for step in steps:
        if isinstance(step, PauseStep):
            hint = "" if step.reason else "; or say why there is none: reason"
            yield hollow("a fixed pause", step.position, "pause", f"wait for a condition: within{hint}")


def _unseen(scenario: ScenarioPlan) -> Iterator[Problem]:
    """Faults after which nothing looks."""
    for place, step in enumerate(scenario.steps):
        later = (*scenario.steps[place + 1 :], *scenario.finally_)
        looked = scenario.expect or scenario.holds or any(isinstance(s, ProbeStep) for s in later)
        if isinstance(step, FaultStep) and not looked:
            message = f"nothing is looked at after the fault {step.id}"
            yield hollow(message, step.position, "no-expectation", "add a check after it, or an expectation")


def _short_holds(scenario: ScenarioPlan) -> Iterator[Problem]:
    """What was killed may be back before the check after it gives up, and pass it without a failover."""
    for place, step in enumerate(scenario.steps):
        if not isinstance(step, FaultStep) or step.hold_ns is None:
            continue
        for later in scenario.steps[place + 1 :]:
            if isinstance(later, FaultStep) or (isinstance(later, HealStep) and later.fault in (None, step.id)):
                break
            within = later.check.within_ns if isinstance(later, ProbeStep) else None
            if within is not None and within > step.hold_ns:
                message = f"the hold of {step.id} ({format_duration(step.hold_ns)}) ends before {later.id} gives up"
                hint = f"hold it longer than {format_duration(within)}: what was hit may be back, and pass that check"
                yield hollow(message, step.position, "masking-retry", hint)
                break


def _uncovering(plan: Plan, scenario: ScenarioPlan) -> Iterator[Problem]:
    parts = (*scenario.steps, *scenario.finally_, *scenario.holds, *scenario.expect)
    if LABEL in scenario.labels:
        return  # its line says what it covers, or nothing
    if plan.requirements and not scenario.covers and not any(p.covers for p in parts if not isinstance(p, _UNJUDGED)):
        yield _warning(f"scenario {scenario.id} covers no requirement", scenario.position, "covers: [...]")


_UNJUDGED = (HealStep, PauseStep)
