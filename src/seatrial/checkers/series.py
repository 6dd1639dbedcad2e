"""A workload's curves for the report: buckets of 100 ms or coarser. Gaps stay gaps."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..arrivals.records import OK, Records

FINEST_NS = 100_000_000


def series(records: Records, start_ns: int, end_ns: int, points: int = 1200) -> dict[str, Any]:
    """Lists of one length: t (s since `start_ns`), offered, ok, bad (per second), p50, p95, p99, max (ms; None without a sample)."""
    span = max(1, end_ns - start_ns)
    step = max(FINEST_NS, -(-span // points // FINEST_NS) * FINEST_NS)
    count = int(-(-span // step))
    due = ((records["intended"] - start_ns) // step).astype(np.int64)
    inside = (due >= 0) & (due < count)
    records, due = records[inside], due[inside]
    ok = records["status"] == OK
    per_second = 1e9 / step
    offered = np.bincount(due, minlength=count)
    good = np.bincount(due[ok], minlength=count)
    bad = np.bincount(due[~ok & (records["done"] > 0)], minlength=count)
    response = (records["done"] - records["intended"])[ok] / 1e6
    order = np.argsort(due[ok], kind="stable")
    groups = np.split(response[order], np.cumsum(good)[:-1])
    percentiles = [np.percentile(g, [50, 95, 99, 100]) if len(g) else None for g in groups]
    started = offered.cumsum() > 0
    ended = offered[::-1].cumsum()[::-1] > 0
    alive = started & ended
    shown = [round(float(i * step / 1e9), 3) for i in range(count)]
    rates = {
        n: [round(float(v) * per_second, 1) if a else None for v, a in zip(x, alive, strict=True)]
        for n, x in (("offered", offered), ("ok", good), ("bad", bad))
    }
    curves = {
        n: [round(float(p[i]), 2) if p is not None else None for p in percentiles]
        for i, n in enumerate(("p50", "p95", "p99", "max"))
    }
    return {"t": shown, "step": step / 1e9, **rates, **curves}
