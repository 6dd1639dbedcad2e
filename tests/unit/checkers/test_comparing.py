"""A regression is told from noise, and what cannot be told is said to be so."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from seatrial.arrivals import samples
from seatrial.arrivals.histogram import bucket
from seatrial.arrivals.samples import row, rows_of
from seatrial.checkers.comparing import change_figures, compare_loads
from seatrial.checkers.loads import LoadSamples
from seatrial.core.expressions import Missing, compile_expression
from seatrial.core.intervals import Interval
from seatrial.core.workloads import Window

MS = 1_000_000


def run(seed: int, *, seconds: int = 30, slower: float = 1.0, failed: int = 0, bursts: bool = False) -> LoadSamples:
    """A run of 100 requests a second with log-normal times, in which some seconds are disturbed."""
    random = np.random.default_rng(seed)
    slots = np.repeat(np.arange(seconds * 10), 10)
    factor = np.repeat(random.choice([1.0, 3.0], seconds, p=[0.7, 0.3]) if bursts else np.ones(seconds), 100)
    ns = (random.lognormal(0, 0.3, len(slots)) * 10 * MS * slower * factor).astype(np.int64)
    one, none = np.ones(len(slots), np.int64), np.zeros(len(slots), np.int64)
    rows = [rows_of(samples.RESPONSE, slots, bucket(ns), one, none), rows_of(samples.DUE, slots, none, one, none)]
    rows += [row(samples.FAILED, n % (seconds * 10), 1, code=3) for n in range(failed)]
    return LoadSamples(start_ns=0, rows=np.concatenate(rows), tags=())


def words(before: LoadSamples, after: LoadSamples) -> dict[str, str]:
    return {c.name: c.word for c in compare_loads(before, after).changes}


@pytest.mark.parametrize("seed", range(20))
def test_two_runs_of_the_same_are_never_called_worse(seed: int) -> None:
    found = words(run(seed), run(seed + 100))
    assert "worse" not in found.values()
    assert "better" not in found.values()


@pytest.mark.parametrize("seed", range(5))
def test_a_third_slower_is_worse_and_the_other_way_round_better(seed: int) -> None:
    slow, fast = run(seed, slower=1.33), run(seed + 100)
    assert [words(fast, slow)[n] for n in ("p50", "p95", "p99")] == ["worse"] * 3
    assert [words(slow, fast)[n] for n in ("p50", "p95", "p99")] == ["better"] * 3


@pytest.mark.parametrize("seed", range(10))
def test_disturbed_seconds_are_noise_not_a_regression(seed: int) -> None:
    assert "worse" not in words(run(seed, bursts=True), run(seed + 100, bursts=True)).values()


def test_more_errors_are_worse_and_few_tell_nothing() -> None:
    assert words(run(1), run(2, failed=100))["errors"] == "worse"
    assert words(run(1), run(2, failed=1))["errors"] == "cannot be told"


def test_the_effect_is_the_chance_to_be_slower() -> None:
    assert compare_loads(run(1), run(2)).slower == pytest.approx(0.5, abs=0.03)
    assert compare_loads(run(1), run(2, slower=100.0)).slower == pytest.approx(1.0, abs=0.01)


def test_a_short_run_is_not_compared() -> None:
    assert "first run has under 5 seconds" in compare_loads(run(1, seconds=2), run(2)).why
    assert compare_loads(LoadSamples(start_ns=0, rows=np.empty(0, samples.ROW), tags=()), run(2)).changes == ()


WHOLE = Window(from_ns=0, to_ns=10**15)


def test_changes_are_ratios_with_their_intervals_and_decide_three_valued() -> None:
    found, _ = change_figures(run(1), run(2, slower=1.5), WHOLE)
    for name in ("p50", "p95", "p99"):
        change = found[name]
        assert isinstance(change, Interval)
        assert 1.3 < change.low < change.high < 1.7
    judged = {text: compile_expression(text).evaluate({"change": found}).truth for text in CONDITIONS}
    assert judged == CONDITIONS


CONDITIONS = {
    "change.p95 < 1.2": False,
    "change.p95 < 3": True,
    "change.p50 < 1.5": None,
    "change.errors < 5%": True,
}


def test_a_window_leaves_out_what_came_before() -> None:
    bad, good = run(1, slower=9.0, seconds=20), run(2, seconds=20)
    later = good.rows.copy()
    later["slot"] += 200
    both = LoadSamples(start_ns=0, rows=np.concatenate([bad.rows, later]), tags=())
    found, _ = change_figures(run(3), both, Window(from_ns=20_000 * MS, to_ns=10**15))
    assert isinstance(found["p95"], Interval)
    assert found["p95"].high < 1.2


@pytest.mark.parametrize(
    ("before", "after", "words"),
    [
        (run(1, seconds=3), run(2), "the first run has under 5 seconds"),
        (run(1), replace(run(2), doubt="1 of its 1 generators died"), "of the load, 1 of its 1 generators died"),
        (replace(run(1), users=5, reached=2), run(2), "of the baseline, only 2 of 5 users"),
    ],
)
def test_what_cannot_be_compared_is_missing_and_says_why(before: LoadSamples, after: LoadSamples, words: str) -> None:
    found, comparison = change_figures(before, after, WHOLE)
    assert all(isinstance(v, Missing) and words in v.reason for v in found.values())
    assert set(found) == {"p50", "p95", "p99", "errors"}
    assert words in comparison.why


def test_loads_of_different_rates_are_not_compared() -> None:
    twice = run(2)
    twice.rows["count"][twice.rows["kind"] == samples.DUE] *= 2
    found, _ = change_figures(run(1), twice, WHOLE)
    assert isinstance(found["p95"], Missing)
    assert "100 requests a second, this load 200" in found["p95"].reason


def test_a_short_window_late_in_a_run_is_too_short_to_compare() -> None:
    before, after = run(1, seconds=60), run(2, seconds=60)
    window = Window(from_ns=after.start_ns + 57_000 * MS, to_ns=after.start_ns + 58_000 * MS)
    metrics, compared = change_figures(before, after, window)
    assert isinstance(metrics["p95"], Missing)
    assert "seconds" in compared.why
