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
    """What runs next: every observing scenario that needs nothing but what is done or runs with it, else the first disrupting one.

    The scenarios of a batch wait for each other by their needs; empty when none can ever run. Those that are to be `last` run when
    no other can.
    """
    return _next([s for s in left if not s.last], done) or _next([s for s in left if s.last], done)


def _next(left: Sequence[ScenarioPlan], done: Mapping[str, Verdict]) -> list[ScenarioPlan]:
    batch = [s for s in left if not s.disrupting]
    while stuck := [s for s in batch if not all(n in done or n in {b.id for b in batch} for n in s.needs)]:
        batch = [s for s in batch if s not in stuck]
    return batch or [s for s in left if s.disrupting and all(n in done for n in s.needs)][:1]
