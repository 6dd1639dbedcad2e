"""Which scenarios run when: observing ones together, disrupting ones alone, each after what it needs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from ..core.plan import Plan, ScenarioPlan
from ..core.verdicts import Verdict


def select(plan: Plan, only: Sequence[str] = (), labels: Sequence[str] = ()) -> tuple[ScenarioPlan, ...]:
    """The chosen scenarios with everything they need, in the plan's order. No choice chooses all."""
    if not only and not labels:
        return plan.scenarios
    by_id = {s.id: s for s in plan.scenarios}
    chosen = {s.id for s in plan.scenarios if s.id in only or set(labels) & set(s.labels)}
    frontier = list(chosen)
    while frontier:
        for need in by_id[frontier.pop()].needs:
            if need not in chosen:
                chosen.add(need)
                frontier.append(need)
    return tuple(s for s in plan.scenarios if s.id in chosen)


def next_batch(left: Sequence[ScenarioPlan], done: Mapping[str, Verdict]) -> list[ScenarioPlan]:
    """What runs next: every observing scenario that can, else the first disrupting one that can; empty when none can."""
    able = [s for s in left if all(n in done for n in s.needs)]
    observing = [s for s in able if not s.disrupting]
    return observing or able[:1]
