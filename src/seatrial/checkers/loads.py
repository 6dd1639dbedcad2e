"""All figures of a load in a window, by the names of `metrics.LOAD_METRICS`, from its samples.

A response counts where it was due. A window is cut at slots of 100 ms. Without samples a figure is missing, never zero; where the
generator itself could not do what it was to do, everything but the counts is missing, with the reason: what a client would have seen
was not shown.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..arrivals import samples
from ..arrivals.errors import ERRORS
from ..arrivals.histogram import middle, percentiles, percentiles_by
from ..arrivals.samples import SLOT_NS, Rows
from ..core.expressions import Missing
from ..core.intervals import Interval
from ..core.quantities import Dimension, Quantity, format_duration
from ..core.shares import bounds
from ..core.workloads import FaultSpan, Window
from .metrics import TAG_METRICS

PERCENTS: Mapping[str, float] = {"p50": 50.0, "p90": 90.0, "p95": 95.0, "p99": 99.0, "p999": 99.9}
LATE_SHARE = 0.01
SATURATED = 0.97
SATURATED_SHARE = 0.05
_TIMED = ("outage", "before", "during", "after", "worst")  # what rests on when, and not on how long alone
_COUNTED = ("due", "ok", "failed", "bytes")
_SLOTS_A_SECOND = 1_000_000_000 // SLOT_NS


@dataclass(frozen=True, kw_only=True, eq=False)
class LoadSamples:
    """The rows of a load and what was asked of it. `rate` 0: closed, with `users`, of which `reached` had a connection."""

    start_ns: int
    rows: Rows
    tags: Sequence[str]
    rate: float = 0.0
    workers: int = 1
    users: int = 0
    reached: int | None = None
    warm_up_ns: int = 0
    window_ns: int = 10_000_000_000
    doubt: str = ""  # why nothing of it can be trusted: a part of it is missing, and what was counted is the least
    machines: int = 0  # others that sent it
    clock_ns: int = 0  # to within what their clocks are known

    def of(self, kind: int, first: int = 0, last: int = samples.WHOLE) -> Rows:
        """Rows of a kind, slots [first, last); WHOLE is no slot."""
        slots = self.rows["slot"]
        chosen: Rows = self.rows[(self.rows["kind"] == kind) & (slots >= first) & (slots < last)]
        return chosen

    @property
    def end(self) -> int:
        """The slot after the last one in which a request was due."""
        kinds = self.rows["kind"]
        due = self.of(samples.DUE) if (kinds == samples.DUE).any() else self.rows[self._asked(kinds)]
        return int(due["slot"].max()) + 1 if len(due) else 0

    def _asked(self, kinds: Any) -> Any:
        return ((kinds == samples.RESPONSE) | (kinds == samples.FAILED)) & (self.rows["slot"] != samples.WHOLE)

    def slot(self, ns: int) -> int:
        """The slot that begins at or after a moment."""
        return max(0, -(-(ns - self.start_ns) // SLOT_NS))


def load_figures(
    load: LoadSamples, window: Window, faults: Sequence[FaultSpan]
) -> tuple[dict[str, Any], dict[str, Any]]:
    """(metrics as nested mappings, detail for the report)."""
    first = load.slot(max(window.from_ns, load.start_ns + load.warm_up_ns))
    last = max(first, min(load.slot(window.to_ns), load.end))
    whole = _Part(load, first, last)
    inside = [f for f in faults if window.from_ns <= f.began_ns < window.to_ns]
    metrics: dict[str, Any] = {
        **whole.figures(),
        "service": _whole_run(load, samples.SERVICE),
        **whole.counts(),
        "outage": {"longest": _silence(load, window)},
        "lag": {"max": _quantity(load.of(samples.LAG_MAX, first, last)["count"], Dimension.DURATION)},
        "cpu": {"max": _quantity(load.of(samples.CPU, first, last)["count"] / 1e9, Dimension.RATIO)},
        **_around(load, first, last, inside),
        "worst": _worst(load, first, last),
        "tag": {name: _Part(load, first, last, tag=n).figures() for n, name in enumerate(load.tags) if name},
    }
    if load.clock_ns > SLOT_NS // 2:
        why = f"the clocks of the machines that sent it are known to within {format_duration(load.clock_ns, 2)} only"
        metrics |= _missing({n: metrics[n] for n in _TIMED}, why)
    missed = [f.id for f in inside if f.began_ns >= load.start_ns + load.end * SLOT_NS]
    if missed:
        metrics["outage"] = _missing(metrics["outage"], f"the load had ended before {missed[0]} acted")
    if not metrics["due"]:
        nothing = {n: metrics[n] for n in (*_COUNTED, "outage")}
        metrics |= _missing(nothing, "no request was due there")
    why = invalid(load, first, last)
    if why:
        kept = {n: metrics[n] for n in ("due", "ok", "failed", "bytes", "lag", "cpu")}
        metrics = {**_missing(metrics, why), **kept, **(_at_least(kept) if load.doubt else {})}
    sent_from = {"machines": load.machines, "clock_ns": load.clock_ns} if load.machines else {}
    return metrics, {"errors": whole.errors(), "invalid": why, "slot_ns": SLOT_NS, **sent_from}


def _at_least(counts: Mapping[str, Any]) -> dict[str, Interval]:
    """Counts of which a part is missing."""
    known = {n: Interval.of(v) for n, v in counts.items() if n in _COUNTED and not isinstance(v, Missing)}
    return {n: Interval(v.low, math.inf, v.dimension) for n, v in known.items()}


def invalid(load: LoadSamples, first: int, last: int) -> str:
    """Why the generator's own figures cannot be trusted there; empty when they can."""
    if load.doubt:
        return load.doubt
    if load.users and load.reached is not None and load.reached < load.users:
        return f"only {load.reached:,} of {load.users:,} users had a connection"
    due = int(load.of(samples.DUE, first, last)["count"].sum())
    late = int(load.of(samples.LATE, first, last)["count"].sum())
    if due and late > LATE_SHARE * due:
        return f"the generator was late for {late / due:.1%} of its requests"
    cpu = load.of(samples.CPU, first, last)["count"]
    full = int((cpu >= SATURATED * 1e9).sum())
    if load.rate and full > max(1, SATURATED_SHARE * len(cpu)):
        return f"a generator's core was saturated in {full} of {len(cpu)} seconds"
    return ""


class _Part:
    """Slots [first, last), of one tag or of all."""

    def __init__(self, load: LoadSamples, first: int, last: int, tag: int | None = None) -> None:
        self._load, self._first, self._last, self._tag = load, first, last, tag
        self.response = self._rows(samples.RESPONSE)
        self.failed = self._rows(samples.FAILED)

    def _rows(self, kind: int) -> Rows:
        rows = self._load.of(kind, self._first, self._last)
        chosen: Rows = rows if self._tag is None else rows[rows["tag"] == self._tag]
        return chosen

    def figures(self) -> dict[str, Any]:
        """The figures of TAG_METRICS."""
        ok, failed = int(self.response["count"].sum()), int(self.failed["count"].sum())
        seconds = (self._last - self._first) / _SLOTS_A_SECOND
        found: dict[str, Any] = response_times(self.response)
        if ok + failed:
            low, high = bounds(failed, ok + failed)
            found["errors"] = Interval(low, high, Dimension.RATIO, point=failed / (ok + failed))
            answered = int(self._rows(samples.OK)["count"].sum())
            found["rate"] = (
                Quantity(answered / seconds, Dimension.RATE) if seconds else Missing("a window of no length")
            )
        else:
            found |= dict.fromkeys(("errors", "rate"), Missing("no request was due there"))
        return found

    def counts(self) -> dict[str, Any]:
        """due, ok, failed, bytes, offered, served."""
        ok, failed = int(self.response["count"].sum()), int(self.failed["count"].sum())
        due = int(self._rows(samples.DUE)["count"].sum()) or ok + failed
        seconds = (self._last - self._first) / _SLOTS_A_SECOND
        nothing = Missing("no request was due there")
        return {
            "due": due,
            "ok": ok,
            "failed": failed,
            "bytes": Quantity(float(self._rows(samples.BYTES)["count"].sum()), Dimension.SIZE),
            "offered": Quantity(due / seconds, Dimension.RATE) if due and seconds else nothing,
            "served": Quantity(ok / due, Dimension.RATIO) if due else nothing,
        }

    def errors(self) -> dict[str, int]:
        """Failures by kind."""
        codes = np.bincount(self.failed["bucket"].astype(np.int64), weights=self.failed["count"])
        return {ERRORS[c] if c < len(ERRORS) else "other": int(codes[c]) for c in np.flatnonzero(codes)}


def response_times(rows: Rows) -> dict[str, Any]:
    """Percentiles and the longest of rows by bucket; missing without any."""
    if not len(rows):
        return dict.fromkeys((*PERCENTS, "max"), Missing("no request was answered there"))
    counts = np.bincount(rows["bucket"].astype(np.int64), weights=rows["count"]).astype(np.int64)
    buckets = np.flatnonzero(counts)
    values = percentiles(buckets, counts[buckets], [*PERCENTS.values(), 100.0])
    return {n: Quantity(v, Dimension.DURATION) for n, v in zip((*PERCENTS, "max"), values, strict=True)}


def _whole_run(load: LoadSamples, kind: int) -> dict[str, Any]:
    rows = load.rows[(load.rows["kind"] == kind) & (load.rows["slot"] == samples.WHOLE)]
    if not len(rows):
        return dict.fromkeys(PERCENTS, Missing("known when the load has ended"))
    found = response_times(rows)
    return {n: found[n] for n in PERCENTS}


def _silence(load: LoadSamples, window: Window) -> Interval | Missing:
    """The longest silence between two answers. Its ends are known to within the pace, the generator's lag around them, and the clocks."""
    if not int(load.of(samples.OK)["count"].sum()):
        return Missing("no request was answered")
    pace = 1e9 / load.rate if load.rate else 0.0
    spans = [(a, b) for a, b in _silences(load) if b > window.from_ns and a < window.to_ns]
    if not spans:
        least = max(10_000_000.0, 5 * pace * load.workers)  # of what a generator notes
        return Interval(0.0, least + 2 * load.clock_ns, Dimension.DURATION)
    begin, end = max(spans, key=lambda s: s[1] - s[0])
    lag = load.of(samples.LAG_MAX, max(0, load.slot(begin) - 1), load.slot(end) + 2)
    slack = pace + (float(lag["count"].max()) if len(lag) else 0.0) + 2 * load.clock_ns
    length = float(end - begin)
    if end >= load.start_ns + (load.end - 1) * SLOT_NS:  # it went on when the load ended
        return Interval(max(0.0, length - slack), math.inf, Dimension.DURATION)
    return Interval(max(0.0, length - slack), length + slack, Dimension.DURATION, point=length)


def _silences(load: LoadSamples) -> list[tuple[int, int]]:
    """(begin, end) in ns of what all generators together saw as silent."""
    froms, tos = load.of(samples.GAP_FROM)["count"], load.of(samples.GAP_TO)["count"]
    pairs = min(len(froms), len(tos))  # the last one may be half written
    edges = sorted([(int(a), 1) for a in froms[:pairs]] + [(int(b), -1) for b in tos[:pairs]])
    found, silent, since = [], 0, 0
    for at, change in edges:
        if silent == load.workers and change < 0:
            found.append((since + load.start_ns, at + load.start_ns))
        silent += change
        since = at if silent == load.workers else since
    return found


def _around(load: LoadSamples, first: int, last: int, faults: Sequence[FaultSpan]) -> dict[str, Any]:
    """Before the first fault, while one lives, and after the last one was healed."""
    if not faults:
        nothing = dict.fromkeys(TAG_METRICS, Missing("no fault acted in this window"))
        return dict.fromkeys(("before", "during", "after"), nothing)
    begin = min(load.slot(f.began_ns) for f in faults)
    end = max(load.slot(f.healed_ns) if f.healed_ns is not None else last for f in faults)
    parts = {"before": (first, begin), "during": (begin, max(end, begin)), "after": (max(end, begin), last)}
    return {when: _Part(load, a, max(a, min(b, last))).figures() for when, (a, b) in parts.items()}


def _worst(load: LoadSamples, first: int, last: int) -> dict[str, Any]:
    """Each figure in the sliding window where it is worst; windows move by a tenth of their length and are whole."""
    length = max(1, load.window_ns // SLOT_NS)
    if last - first < length:
        return dict.fromkeys(TAG_METRICS, Missing("the load was shorter than a window"))
    starts = range(first, last - length + 1, max(1, length // 10))
    each = [_Part(load, a, a + length).figures() for a in starts]
    return {name: _worst_of(name, [f[name] for f in each]) for name in TAG_METRICS}


def _worst_of(name: str, values: Sequence[Any]) -> Any:
    known = [v for v in values if not isinstance(v, Missing)]
    if not known:
        return values[0]
    if name == "rate":
        return min(known, key=lambda q: q.value)
    return max(known, key=lambda v: v.point if isinstance(v, Interval) and v.point is not None else v.value)


def _quantity(values: Any, dimension: Dimension) -> Quantity | Missing:
    return Quantity(float(values.max()), dimension) if len(values) else Missing("nothing was recorded there")


def _missing(metrics: Mapping[str, Any], why: str) -> dict[str, Any]:
    return {n: _missing(v, why) if isinstance(v, Mapping) else Missing(why) for n, v in metrics.items()}


def lately_figures(load: LoadSamples, span_ns: int, *, waiting: bool) -> dict[str, Any]:
    """Metrics of the rows that were written in a span, whenever what they count was due. `waiting`: requests are in flight.

    So a late answer counts when it comes, a time-out when it is over, and `served` is what was answered of as much as was due meanwhile:
    a server that stops answering shows at once, not after the time-out.
    """
    whole = _Part(load, 0, samples.WHOLE)
    found = {**whole.figures(), **whole.counts()}
    answered, due = int(load.of(samples.OK)["count"].sum()), int(load.of(samples.DUE)["count"].sum())
    asked = due or int(found["ok"]) + int(found["failed"])
    nothing = Missing("no request was due or answered in these seconds")
    found["rate"] = Quantity(answered * 1e9 / span_ns, Dimension.RATE) if (asked or waiting) and span_ns else nothing
    found["offered"] = Quantity(asked * 1e9 / span_ns, Dimension.RATE) if asked and span_ns else nothing
    found["served"] = Quantity(answered / asked, Dimension.RATIO) if asked else nothing
    found["lag"] = {"max": _quantity(load.of(samples.LAG_MAX)["count"], Dimension.DURATION)}
    found["cpu"] = {"max": _quantity(load.of(samples.CPU)["count"] / 1e9, Dimension.RATIO)}
    found["tag"] = {name: _tag_lately(load, n, span_ns) for n, name in enumerate(load.tags) if name}
    why = invalid(load, 0, samples.WHOLE)
    return {**_missing(found, why), "lag": found["lag"], "cpu": found["cpu"]} if why else found


def _tag_lately(load: LoadSamples, tag: int, span_ns: int) -> dict[str, Any]:
    found = _Part(load, 0, samples.WHOLE, tag=tag).figures()
    ok = load.of(samples.OK)
    if isinstance(found["rate"], Quantity) and span_ns:
        found["rate"] = Quantity(float(ok["count"][ok["tag"] == tag].sum()) * 1e9 / span_ns, Dimension.RATE)
    return found


def load_series(load: LoadSamples, start_ns: int, end_ns: int, points: int = 1200) -> dict[str, Any]:
    """Curves as checkers.series gives them, from samples."""
    span = max(1, end_ns - start_ns)
    step = max(SLOT_NS, -(-span // points // SLOT_NS) * SLOT_NS)
    count = int(-(-span // step))

    def place(rows: Rows) -> Any:
        return np.clip((rows["slot"].astype(np.int64) * SLOT_NS + load.start_ns - start_ns) // step, 0, count - 1)

    def total(kind: int) -> Any:
        rows = load.of(kind)
        return np.bincount(place(rows), weights=rows["count"], minlength=count)

    response = load.of(samples.RESPONSE)
    at = place(response)
    groups, values = percentiles_by(at, response["bucket"].astype(np.int64), response["count"], (50, 95, 99, 100))
    times: dict[int, Any] = dict(zip(groups.tolist(), (values / 1e6).round(2).tolist(), strict=True))
    offered, good, bad = total(samples.DUE), total(samples.OK), total(samples.FAILED)
    if not offered.any():
        offered = good + bad
    alive = (offered.cumsum() > 0) & (offered[::-1].cumsum()[::-1] > 0)
    rates = {
        n: [round(float(v) * 1e9 / step, 1) if a else None for v, a in zip(x, alive, strict=True)]
        for n, x in (("offered", offered), ("ok", good), ("bad", bad))
    }
    curves = {
        n: [times[at][i] if at in times else None for at in range(count)]
        for i, n in enumerate(("p50", "p95", "p99", "max"))
    }
    return {"t": [round(i * step / 1e9, 3) for i in range(count)], "step": step / 1e9, **rates, **curves}


_CURVE = (0, 25, 50, 75, 90, 95, 99, 99.5, 99.9, 99.99, 100)
_COLUMNS = 160
_ROWS_A_DECADE = 6


def load_shapes(load: LoadSamples, start_ns: int) -> dict[str, Any] | None:
    """For the report: `curve` as [percent, ms], and a heat map of response times over time; None without an answer.

    `heat`: `from` and `step` in s since `start_ns`, `edges` in ms (logarithmic rows), `counts` by column and row.
    """
    rows = load.of(samples.RESPONSE, load.slot(load.start_ns + load.warm_up_ns))
    if not len(rows):
        return None
    counts = np.bincount(rows["bucket"].astype(np.int64), weights=rows["count"]).astype(np.int64)
    found = np.flatnonzero(counts)
    curve = percentiles(found, counts[found], _CURVE)
    ms = middle(rows["bucket"].astype(np.int64)) / 1e6
    lowest, highest = np.floor(np.log10(max(1e-3, ms.min())) * _ROWS_A_DECADE), np.log10(ms.max()) * _ROWS_A_DECADE
    height = int(np.floor(highest) - lowest) + 1
    level = np.clip(np.floor(np.log10(np.maximum(ms, 1e-3)) * _ROWS_A_DECADE) - lowest, 0, height - 1).astype(np.int64)
    first, last = int(rows["slot"].min()), int(rows["slot"].max())
    step = max(1, -(-(last - first + 1) // _COLUMNS))
    column = (rows["slot"].astype(np.int64) - first) // step
    width = int(column.max()) + 1
    heat = np.bincount(column * height + level, weights=rows["count"], minlength=width * height).astype(np.int64)
    edges = 10 ** ((lowest + np.arange(height + 1)) / _ROWS_A_DECADE)
    return {
        "curve": [[p, round(v / 1e6, 3)] for p, v in zip(_CURVE, curve, strict=True)],
        "heat": {
            "from": round((load.start_ns - start_ns + first * SLOT_NS) / 1e9, 3),
            "step": step * SLOT_NS / 1e9,
            "edges": [float(f"{e:.3g}") for e in edges],
            "counts": heat.reshape(width, height).tolist(),
        },
    }
