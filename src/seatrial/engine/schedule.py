"""Which scenarios run when: observing ones together, some alone, disrupting ones alone and last; each after what it waits for."""

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
    """What runs next: every observing scenario that waits for nothing but what is done or runs with it, else the first one that is to be
    alone, else the first disrupting one.

    The scenarios of a batch wait for each other; empty when none can ever run. What was not selected is not waited for.
    """
    waiting = {s.id for s in left}
    batch = [s for s in left if not (s.disrupting or s.alone)]
    while stuck := [s for s in batch if not _free(s, {b.id for b in batch}, waiting, done)]:
        batch = [s for s in batch if s not in stuck]
    free = [s for s in left if _free(s, set(), waiting, done)]
    alone = [s for s in free if s.alone and not s.disrupting]
    return batch or alone[:1] or [s for s in free if s.disrupting][:1]


def _free(scenario: ScenarioPlan, beside: set[str], waiting: set[str], done: Mapping[str, Verdict]) -> bool:
    needed = all(n in done or n in beside for n in scenario.needs)
    return needed and all(n not in waiting or n in beside for n in scenario.after)
