"""All figures of a workload in a window, by the names of `metrics`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ..arrivals.errors import ERRORS
from ..arrivals.records import FAIL, NOT_SENT, OK, UNKNOWN, Records
from ..core.expressions import Missing
from ..core.intervals import Interval
from ..core.quantities import Dimension, Quantity
from ..core.shares import bounds
from ..core.workloads import FaultSpan
from .history import History
from .outages import Recovery, after_fault, outages, totals

_PERCENTILES = {"p50": 50.0, "p95": 95.0, "p99": 99.0, "max": 100.0}


def figures(history: History, faults: Sequence[FaultSpan]) -> tuple[dict[str, Any], dict[str, Any]]:
    """(metrics as nested mappings, detail for the report). Without operations every figure is Missing."""
    found = outages(history)
    inside = [f for f in faults if history.window.from_ns <= f.began_ns < history.window.to_ns]
    inside.sort(key=lambda f: f.began_ns)
    limits: list[int | None] = [*(f.began_ns for f in inside[1:]), None]
    recoveries = [after_fault(history, found, f, until) for f, until in zip(inside, limits, strict=False)]
    if not len(history.records):
        return _nothing("no operation was due in this window"), {}
    longest, total = totals(history, found)
    windows = [(r.fault.began_ns, max(r.until_ns, r.fault.acts_until_ns)) for r in recoveries]
    counts = {
        w: int((history.records["status"] == s).sum())
        for w, s in (("ok", OK), ("failed", FAIL), ("unknown", UNKNOWN), ("not_sent", NOT_SENT))
    }
    seconds = (history.window.to_ns - history.window.from_ns) / 1e9
    metrics: dict[str, Any] = {
        **_relative(recoveries),
        "outage": {"longest": longest, "total": total},
        "availability": _availability(history, windows),
        "latency": _latency(history, windows),
        "sent": len(history.records),
        **counts,
        "rate": Quantity(counts["ok"] / seconds if seconds else 0.0, Dimension.RATE),
        "lag": {"max": Quantity(history.lag_ns, Dimension.DURATION)},
    }
    invalid = history.invalid()
    if invalid:
        metrics |= _nothing(invalid, keep=("sent", "ok", "failed", "unknown", "not_sent"))
    return metrics, _detail(history, recoveries, windows)


def _nothing(reason: str, keep: Sequence[str] = ()) -> dict[str, Any]:
    missing = Missing(reason)
    nested = {
        "outage": {"longest": missing, "total": missing},
        "availability": {"overall": missing, "outside_faults": missing},
        "latency": {
            **dict.fromkeys(_PERCENTILES, missing),
            **{w: dict.fromkeys(_PERCENTILES, missing) for w in ("before", "during", "after")},
        },
        "lag": {"max": missing},
    }
    flat = ("detect", "recovery", "stable", "last_failure", "sent", "ok", "failed", "unknown", "not_sent", "rate")
    return {**nested, **{n: missing for n in flat if n not in keep}}


def _relative(recoveries: Sequence[Recovery]) -> dict[str, Any]:
    """Of several faults the worst: the last one that was recovered from."""
    if not recoveries:
        missing = Missing("no fault acted in this window")
        return dict.fromkeys(("detect", "recovery", "stable", "last_failure"), missing)
    return {
        "detect": _worst(recoveries, lambda r: r.detect, "no client noticed the fault"),
        "recovery": _worst(recoveries, lambda r: r.recovery, "service was not back when the window ended"),
        "stable": _worst(recoveries, lambda r: r.stable, "no second without a failure before the window ended"),
        "last_failure": _worst(recoveries, lambda r: r.last_failure, ""),
    }


def _worst(recoveries: Sequence[Recovery], pick: Callable[[Recovery], Interval | None], why: str) -> Interval | Missing:
    values = [pick(r) for r in recoveries]
    if any(v is None for v in values) and why != "no client noticed the fault":
        unended = next(r for r in recoveries if pick(r) is None)
        least = float(max(0, unended.until_ns - unended.fault.witnessed_ns))
        return Interval(least, float("inf"), Dimension.DURATION)
    known = [v for v in values if v is not None]
    return max(known, key=lambda v: v.high) if known else Missing(why)


def _availability(history: History, windows: Sequence[tuple[int, int]]) -> dict[str, Any]:
    records = history.records
    outside = np.ones(len(records), dtype=bool)
    ended = np.where(records["done"] > 0, records["done"], records["intended"])
    for begin, end in windows:
        outside &= (ended < begin) | (records["intended"] > end)
    return {"overall": _share(records), "outside_faults": _share(records[outside])}


def _share(records: Records) -> Interval | Missing:
    if not len(records):
        return Missing("no operation was due there")
    ok = int((records["status"] == OK).sum())
    low, high = bounds(ok, len(records))
    return Interval(low, high, Dimension.RATIO, point=ok / len(records))


def _latency(history: History, windows: Sequence[tuple[int, int]]) -> dict[str, Any]:
    ok = history.ok
    due = ok["intended"]
    during = np.zeros(len(ok), dtype=bool)
    for begin, end in windows:
        during |= (due >= begin) & (due <= end)
    first = min((b for b, _ in windows), default=history.window.to_ns)
    last = max((e for _, e in windows), default=history.window.to_ns)
    parts = {"before": due < first, "during": during, "after": due > last}
    return {**_percentiles(ok), **{when: _percentiles(ok[chosen]) for when, chosen in parts.items()}}


def _percentiles(ok: Records) -> dict[str, Any]:
    if not len(ok):
        return dict.fromkeys(_PERCENTILES, Missing("no operation was acknowledged there"))
    response = (ok["done"] - ok["intended"]).astype(np.float64)
    values = np.percentile(response, list(_PERCENTILES.values()), method="higher")
    return {name: Quantity(float(v), Dimension.DURATION) for name, v in zip(_PERCENTILES, values, strict=True)}


def _detail(history: History, recoveries: Sequence[Recovery], windows: Sequence[tuple[int, int]]) -> dict[str, Any]:
    codes, counts = np.unique(history.bad["error"], return_counts=True)
    errors = {ERRORS[c] if c < len(ERRORS) else "other": int(n) for c, n in zip(codes, counts, strict=True)}
    outside = [
        r for r in history.bad if not any(b <= max(r["done"], r["intended"]) and r["intended"] <= e for b, e in windows)
    ]
    return {
        "errors": {k or "none": v for k, v in errors.items()},
        "failed_outside_faults": [
            {"n": int(r["number"]), "due_ns": int(r["intended"]), "error": ERRORS[r["error"]]} for r in outside[:20]
        ],
        "faults": {
            r.fault.id: {
                "recovery": str(r.recovery),
                "detect": str(r.detect),
                "stable": str(r.stable),
                "note": r.reason,
            }
            for r in recoveries
        },
        "pace_ns": history.pace_ns,
        "normal_ns": history.normal_ns,
    }
