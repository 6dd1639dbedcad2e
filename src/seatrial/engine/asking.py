"""What was asked of a load, in words; and what a load that ran for a shorter time cannot show."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from ..core.load_plans import LoadPlan
from ..core.plan import LoadStep, Plan, ScenarioPlan
from ..core.quantities import format_duration


def asked(load: LoadPlan) -> str:
    """A rate or users, over time: "0 to 100 users over 30s"; or a tool's file."""
    if load.tool is not None:
        return ", ".join((f"{load.tool.title} {load.tool.file}", *([f"{load.users:,} users"] if load.users else ())))
    if load.search is not None:
        return f"search {load.search.lowest:g}/s to {load.search.highest:g}/s"
    if load.crowd:
        return _over_time(load.crowd, "over_ns", "after_ns", "for_ns", int, lambda n: f"{n:,}", " users")
    if not load.arrivals:
        return f"{load.users:,} users"
    steps = load.arrivals.get("steps")
    described = {"steps": [[s["rate"], s["for"]] for s in steps]} if isinstance(steps, Sequence) else load.arrivals
    return _over_time(described, "over", "after", "for", lambda q: int(q.value), str, "")


def _over_time(
    described: Mapping[str, Any],
    over: str,
    after: str,
    long: str,
    ns: Callable[[Any], int],
    shown: Callable[[Any], str],
    what: str,
) -> str:
    """Of a description whose durations stand under these names, as `ns` reads them."""

    def took(duration: Any) -> str:
        return format_duration(ns(duration))

    match dict(described):
        case {"ramp": ramp}:
            return f"{shown(ramp['from'])} to {shown(ramp['to'])}{what} over {took(ramp[over])}"
        case {"steps": steps}:
            return ", ".join(f"{shown(n)}{what} for {took(span)}" for n, span in steps)
        case {"spike": spike}:
            return f"{shown(spike['base'])}{what}, {shown(spike['peak'])} after {took(spike[after])} for {took(spike[long])}"
    return ", ".join(f"{kind} {value}" for kind, value in described.items())


def profile_of(load: LoadPlan) -> dict[str, Any]:
    """For the journal; empty for a load without one."""
    profile = load.profile
    if profile is None:
        return {}
    return {
        "name": profile.name,
        "scale": profile.scale,
        "whole_ns": profile.whole_ns,
        "for_ns": profile.for_ns,
        "text": profile.text,
    }


def too_short(plan: Plan, scenario: ScenarioPlan) -> str:
    """Why a scenario that needs the whole time says nothing in this trial; empty where it does."""
    if not scenario.full_length:
        return ""
    if plan.scale < 1:
        return f"it needs the full length, and profiles are scaled to {plan.scale:g}"
    steps = (*scenario.steps, *scenario.finally_)
    names = [*scenario.throughout, *plan.throughout, *(s.load for s in steps if isinstance(s, LoadStep))]
    profiles = {n: plan.loads[n].profile for n in dict.fromkeys(names) if n in plan.loads}
    shorter = [f"load {n}: {p.text}" for n, p in profiles.items() if p is not None and p.for_ns < p.own_ns]
    return f"it needs the full length, and has a shorter profile ({'; '.join(shorter)})" if shorter else ""
