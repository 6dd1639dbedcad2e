"""Is one load slower than another, or is it noise? Percentiles with bootstrap intervals, the share of errors, and an effect size.

Requests near in time are alike, so whole seconds are drawn, not single requests (block bootstrap; Künsch, 1989). What is told is the
ratio of the second to the first with its 95 % interval: worse or better where the whole interval is beyond the tolerance, the same where
it lies within, and else it cannot be told from these runs.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..arrivals import samples
from ..arrivals.histogram import middle
from ..core.expressions import Missing
from ..core.intervals import Interval
from ..core.quantities import Dimension
from ..core.shares import bounds
from ..core.workloads import Window
from .loads import LoadSamples, invalid

DRAWS = 2000
BLOCK_SLOTS = 10  # a second
LEAST_BLOCKS = 5
TOLERANCE = 0.05
PACE_TOLERANCE = 0.1
_SLOTS_A_SECOND = BLOCK_SLOTS
PERCENTS = {"p50": 0.50, "p95": 0.95, "p99": 0.99}
WORSE, BETTER, SAME, UNKNOWN = "worse", "better", "the same", "cannot be told"


@dataclass(frozen=True, kw_only=True)
class Change:
    """A figure before and after: seconds for times, shares for errors. `low` and `high` bound the ratio (of errors: the difference)."""

    name: str
    before: float
    after: float
    low: float
    high: float
    word: str


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """Two runs of a load. `slower`: the chance that a request of the second took longer than one of the first (0.5: alike)."""

    changes: tuple[Change, ...]
    slower: float
    why: str = ""  # why nothing could be compared


def compare_loads(
    before: LoadSamples, after: LoadSamples, *, tolerance: float = TOLERANCE, seed: int = 1
) -> Comparison:
    """Compare two runs of the same load."""
    a, b = _Blocks.of(before), _Blocks.of(after)
    short = [w for w, x in (("first", a), ("second", b)) if len(x.counts) < LEAST_BLOCKS]
    if short:
        return Comparison(
            changes=(), slower=0.5, why=f"the {' and the '.join(short)} run has under {LEAST_BLOCKS} seconds"
        )
    random = np.random.default_rng(seed)
    drawn_a, drawn_b = a.drawn(random), b.drawn(random)
    changes = []
    for place, name in enumerate(PERCENTS):
        ratios = drawn_b[:, place] / np.maximum(1e-12, drawn_a[:, place])
        low, high = (float(v) for v in np.percentile(ratios, [2.5, 97.5]))
        word = _word(low - 1, high - 1, tolerance)
        first, second = float(a.percentiles()[place]), float(b.percentiles()[place])
        changes.append(Change(name=name, before=first, after=second, low=low, high=high, word=word))
    return Comparison(changes=(*changes, _errors(a, b)), slower=_slower(a, b))


def change_figures(
    before: LoadSamples, after: LoadSamples, window: Window
) -> tuple[dict[str, Interval | Missing], Comparison]:
    """(metrics by the names of CHANGE_METRICS without `change.`, the comparison) of a run in a window with one before it."""
    slots = after.rows["slot"]
    inside = (slots >= after.slot(window.from_ns)) & (slots < after.slot(window.to_ns))
    warm_up = max(after.warm_up_ns, window.from_ns - after.start_ns)
    part = replace(after, rows=after.rows[inside], warm_up_ns=warm_up)
    why = _unlike(before, after) or invalid(part, part.slot(part.start_ns + warm_up), part.slot(window.to_ns))
    compared = compare_loads(before, part) if not why else None
    if compared is None or compared.why:
        why = compared.why if compared is not None else why
        missing = dict.fromkeys((*PERCENTS, "errors"), Missing(f"not compared: {why}"))
        return {**missing}, compared or Comparison(changes=(), slower=0.5, why=why)
    return {c.name: _interval(c) for c in compared.changes}, compared


def _interval(change: Change) -> Interval:
    if change.name == "errors":
        return Interval(change.low, change.high, Dimension.RATIO, point=change.after - change.before)
    ratio = change.after / change.before if change.before else None
    return Interval(change.low, change.high, Dimension.NUMBER, point=ratio)


def _unlike(before: LoadSamples, after: LoadSamples) -> str:
    """Why two runs cannot be held against each other; empty when they can."""
    for what, load in (("baseline", before), ("load", after)):
        doubt = invalid(load, load.slot(load.start_ns + load.warm_up_ns), load.end)
        if doubt:
            return f"of the {what}, {doubt}"
    first, second = _pace(before), _pace(after)
    if first and second and abs(second / first - 1) > PACE_TOLERANCE:
        return f"the baseline was sent {first:,.4g} requests a second, this load {second:,.4g}"
    return ""


def _pace(load: LoadSamples) -> float:
    """Requests that were due a second; 0 for a closed load, whose pace is what is measured."""
    due = load.of(samples.DUE)
    return float(due["count"].sum()) * _SLOTS_A_SECOND / load.end if len(due) else 0.0


def _word(low: float, high: float, tolerance: float) -> str:
    if low > tolerance:
        return WORSE
    if high < -tolerance:
        return BETTER
    return SAME if low >= -tolerance and high <= tolerance else UNKNOWN


def _errors(a: _Blocks, b: _Blocks) -> Change:
    """The difference of two shares by Newcombe's method 10 (1998), on exact bounds."""
    first, second = a.failed / max(1, a.asked), b.failed / max(1, b.asked)
    (la, ua), (lb, ub) = bounds(a.failed, a.asked), bounds(b.failed, b.asked)
    difference = second - first
    low = difference - float(np.hypot(second - lb, ua - first))
    high = difference + float(np.hypot(ub - second, first - la))
    word = WORSE if low > 0 else BETTER if high < 0 else SAME if high < 0.001 and low > -0.001 else UNKNOWN
    return Change(name="errors", before=first, after=second, low=low, high=high, word=word)


def _slower(a: _Blocks, b: _Blocks) -> float:
    """Vargha and Delaney's A (2000) of the second over the first."""
    both = np.union1d(a.buckets, b.buckets)
    x, y = a.on(both), b.on(both)
    below = np.cumsum(x) - x
    return float((y * (below + x / 2)).sum() / max(1.0, float(x.sum()) * float(y.sum())))


@dataclass(frozen=True, kw_only=True, eq=False)
class _Blocks:
    """Counts of response times by block of a second, on the buckets that occur."""

    buckets: NDArray[np.int64]
    counts: NDArray[np.float64]  # blocks x buckets
    asked: int
    failed: int

    @classmethod
    def of(cls, load: LoadSamples) -> _Blocks:
        first = load.slot(load.start_ns + load.warm_up_ns)
        rows = load.of(samples.RESPONSE, first)
        failed = int(load.of(samples.FAILED, first)["count"].sum())
        buckets, place = np.unique(rows["bucket"].astype(np.int64), return_inverse=True)
        block = (rows["slot"].astype(np.int64) - first) // BLOCK_SLOTS
        height = int(block.max()) + 1 if len(rows) else 0
        cells = np.bincount(block * len(buckets) + place, weights=rows["count"], minlength=height * len(buckets))
        counts: Any = cells.reshape(height, len(buckets)) if height else np.empty((0, 0))
        return cls(buckets=buckets, counts=counts, asked=int(counts.sum()) + failed, failed=failed)

    def percentiles(self) -> NDArray[np.float64]:
        """Of all blocks, in seconds."""
        found: NDArray[np.float64] = self._of(self.counts.sum(axis=0)[None, :])[0]
        return found

    def drawn(self, random: np.random.Generator) -> NDArray[np.float64]:
        """DRAWS x percentiles: of as many blocks, drawn with replacement."""
        height = len(self.counts)
        weights = random.multinomial(height, np.full(height, 1 / height), size=DRAWS).astype(np.float64)
        return self._of(weights @ self.counts)

    def _of(self, counts: NDArray[np.float64]) -> NDArray[np.float64]:
        upto = np.cumsum(counts, axis=1)
        seconds = middle(self.buckets) / 1e9
        found = [seconds[np.argmax(upto >= p * upto[:, -1:], axis=1)] for p in PERCENTS.values()]
        stacked: NDArray[np.float64] = np.stack(found, axis=1)
        return stacked

    def on(self, buckets: NDArray[np.int64]) -> NDArray[np.float64]:
        """Totals on other buckets that include its own."""
        total = np.zeros(len(buckets))
        total[np.searchsorted(buckets, self.buckets)] = self.counts.sum(axis=0)
        return total
