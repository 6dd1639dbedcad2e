"""What reports show of loads: figures, comparisons with a baseline, and the rates that a capacity search tried."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from ..core.events import LoadProbed
from ..core.quantities import Dimension, format_duration, format_quantity
from .model import TrialModel
from .words import took

_WORDS = {"held": "PASS", "did not hold": "FAIL"}
_FIGURES = ("offered", "rate", "p50", "p95", "p99", "max", "errors", "served")
_WIDTH, _HEIGHT, _LEFT, _BOTTOM, _TOP = 640, 200, 70, 26, 10


def load_rows(model: TrialModel) -> list[dict[str, Any]]:
    """Each run of a load as it was last measured, by scenario."""
    last = {}
    for measured in model.measured:
        run = model.run_at(measured.workload, measured.to_ns)
        if run is not None and run.kind == "load":
            last[run.name, measured.scenario, run.began_ns] = run, measured
    rows = []
    for (name, scenario, _), (view, measured) in last.items():
        rows.append(
            {
                "name": name,
                "scenario": scenario,
                "asked": view.rate,
                "invalid": str(measured.detail.get("invalid") or ""),
                "sent_from": sent_from(measured.detail),
                "profile": str(view.profile.get("text", "")),
                "aborted": view.aborted.reason if view.aborted is not None else "",
                "comparison": comparison(measured.detail.get("comparison")),
                "search": search(measured.detail.get("search"), shown(measured.metrics.get("capacity")), view.probes),
                **{n: shown(measured.metrics.get(n)) for n in _FIGURES},
            }
        )
    return rows


def sent_from(detail: Mapping[str, Any]) -> str:
    """Which other machines sent a load; empty when this one did."""
    if "machines" not in detail:
        return ""
    return f"from {detail['machines']} machines, whose clocks are known to within {took(detail['clock_ns'])}"


def shown(value: object) -> str:
    """A journalled figure for a table."""
    if isinstance(value, Mapping):
        return str(value.get("text") or value.get("missing", ""))
    return "" if value is None else f"{value:,}" if isinstance(value, int) else str(value)


def comparison(detail: Mapping[str, Any] | None) -> dict[str, Any] | None:
    """Both sides of what changed since a baseline, as texts; None without one."""
    if not detail:
        return None
    changes = [{"name": c["name"], "word": c["word"], **_sides(c)} for c in detail["changes"]]
    return {"with": detail["with"], "why": detail["why"], "changes": changes, "slower": f"{detail['slower']:.0%}"}


def _sides(change: Mapping[str, Any]) -> dict[str, str]:
    before, after, low, high = (float(change[n]) for n in ("before", "after", "low", "high"))
    if change["name"] == "errors":
        shares = {n: format_quantity(v, Dimension.RATIO) for n, v in (("before", before), ("after", after))}
        return {**shares, "ratio": f"{after - before:+.2%}", "interval": f"{low:+.2%} to {high:+.2%}"}
    times = {n: format_duration(v * 1e9) for n, v in (("before", before), ("after", after))}
    ratio = f"{after / before:.3g}" if before else ""
    return {**times, "ratio": ratio, "interval": f"{low:.3g} to {high:.3g}"}


def search(detail: Mapping[str, Any] | None, capacity: str, probes: Sequence[LoadProbed]) -> dict[str, Any] | None:
    """The rates that were tried, as a table and as points; None for a load that did not search."""
    if not detail:
        return None
    rows = [
        {
            **{n: shown(p.figures.get(n)) for n in _FIGURES},
            "tried": format_quantity(p.rate, Dimension.RATE),
            "word": probe_word(p.outcome),
            "outcome": p.outcome,
            "reason": p.reason,
        }
        for p in probes
    ]
    conditions = " and ".join(detail["conditions"])
    return {"capacity": capacity, "ends": detail["ends"], "while": conditions, "rows": rows, "chart": points(probes)}


def points(probes: Sequence[LoadProbed]) -> dict[str, Any] | None:
    """Places of the probes by rate and 95th percentile on logarithmic axes, for a drawing; None where fewer than two have one."""
    known = [(p, float(p.figures["p95"]["low"])) for p in probes if "low" in (p.figures.get("p95") or {})]
    if len(known) < 2:
        return None
    rates, times = [p.rate for p, _ in known], [max(1.0, ns) for _, ns in known]
    left, right, low, high = (math.log(v) for v in (min(rates), max(rates), min(times), max(times)))

    def place(rate: float, ns: float) -> tuple[float, float]:
        x = (math.log(rate) - left) / max(1e-9, right - left)
        y = (math.log(max(1.0, ns)) - low) / max(1e-9, high - low)
        return round(_LEFT + x * (_WIDTH - _LEFT - 40), 1), round(_HEIGHT - _BOTTOM - y * (_HEIGHT - _BOTTOM - _TOP), 1)

    marks = [
        {"x": (at := place(p.rate, ns))[0], "y": at[1], "word": probe_word(p.outcome)}
        | {"title": f"{format_quantity(p.rate, Dimension.RATE)}: {p.outcome}, p95 {format_duration(ns)}"}
        for p, ns in known
    ]
    across = [
        {"at": place(r, min(times))[0], "text": format_quantity(r, Dimension.RATE)} for r in (min(rates), max(rates))
    ]
    up = [{"at": place(min(rates), ns)[1], "text": format_duration(ns)} for ns in (min(times), max(times))]
    return {
        "width": _WIDTH,
        "height": _HEIGHT,
        "left": _LEFT,
        "bottom": _HEIGHT - _BOTTOM,
        "marks": marks,
        "x": across,
        "y": up,
    }


def probe_word(outcome: str) -> str:
    """The verdict of a rate that was tried: only what was seen to hold, or not to, is one."""
    return _WORDS.get(outcome, "INCONCLUSIVE")


def probe_line(rate: float, outcome: str, p95: str, errors: str, reason: str) -> str:
    """A rate that was tried, on one line; why, where it could not be told."""
    tried = f"{format_quantity(rate, Dimension.RATE):>9}  {outcome:<14} p95 {p95:<9} errors {errors}"
    return f"{tried}  {reason}" if probe_word(outcome) == "INCONCLUSIVE" else tried
