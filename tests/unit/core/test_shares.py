"""Exact bounds of shares, and how many trials tell one from another; held against sums that are written out."""

from __future__ import annotations

import math
from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from seatrial.core.intervals import Interval
from seatrial.core.quantities import Dimension
from seatrial.core.shares import at_most, power, trials_needed, two_sided

RATIO = Dimension.RATIO


def chance(k: int, n: int, p: float) -> float:
    """P(X = k), in whole numbers but for the last step."""
    exact = Fraction(p)
    return float(math.comb(n, k) * exact**k * (1 - exact) ** (n - k))


def below(k: int, n: int, p: float) -> float:
    return math.fsum(chance(i, n, p) for i in range(k + 1))


def judged(k: int, n: int, share: float, difference: float) -> bool | None:
    low, high = two_sided(k, n)
    return Interval(low, high, RATIO, apart=difference).compare("==", Interval.exact(share, RATIO))


@given(st.integers(1, 60), st.data())
def test_a_cumulated_chance_is_the_sum_of_its_parts(n: int, data: st.DataObject) -> None:
    k, p = data.draw(st.integers(-1, n)), data.draw(st.sampled_from([0.0, 0.01, 0.1, 0.37, 0.5, 0.9, 1.0]))
    assert at_most(k, n, p) == pytest.approx(below(k, n, p), abs=1e-12)


# Newcombe, Two-sided confidence intervals for the single proportion (1998), table I, method 5.
@pytest.mark.parametrize(
    ("k", "n", "low", "high"),
    [(81, 263, 0.2527, 0.3676), (15, 148, 0.0578, 0.1617), (0, 20, 0.0, 0.1684), (1, 29, 0.0009, 0.1776)],
)
def test_an_interval_is_that_of_clopper_and_pearson(k: int, n: int, low: float, high: float) -> None:
    assert two_sided(k, n, 0.95) == (pytest.approx(low, abs=5e-5), pytest.approx(high, abs=5e-5))


@given(st.integers(1, 80), st.data())
def test_beyond_its_ends_so_few_or_so_many_have_half_a_per_cent(n: int, data: st.DataObject) -> None:
    k = data.draw(st.integers(0, n))
    low, high = two_sided(k, n)
    assert low == 0 if k == 0 else 1 - below(k - 1, n, low) == pytest.approx(0.005, abs=1e-9)
    assert high == 1 if k == n else below(k, n, high) == pytest.approx(0.005, abs=1e-9)


@settings(max_examples=30)
@given(st.integers(1, 80), st.floats(0.01, 0.99))
def test_it_holds_the_true_share_in_99_of_100_samples(n: int, p: float) -> None:
    held = [k for k in range(n + 1) if two_sided(k, n)[0] <= p <= two_sided(k, n)[1]]
    assert math.fsum(chance(k, n, p) for k in held) >= 0.99


@settings(max_examples=25)
@given(st.integers(20, 150), st.sampled_from([(0.1, 0.05), (0.5, 0.2), (0.9, 0.1), (0.0, 0.1), (1.0, 0.2)]))
def test_the_power_is_that_of_what_is_judged(n: int, case: tuple[float, float]) -> None:
    share, difference = case
    truths = [judged(k, n, share, difference) for k in range(n + 1)]
    found = [
        math.fsum(chance(k, n, p) for k, truth in enumerate(truths) if truth is False)
        for p in (share - difference, share + difference)
        if 0 <= p <= 1
    ]
    passed = math.fsum(chance(k, n, share) for k, truth in enumerate(truths) if truth is True)
    reached = power(n, share, difference)
    assert reached.found == pytest.approx(min(found), abs=1e-9)
    assert reached.passed == pytest.approx(passed, abs=1e-9)


@pytest.mark.parametrize(
    ("share", "difference"),
    [(0.1, 0.05), (0.01, 0.005), (0.5, 0.05), (0.9, 0.05), (0.0, 0.01), (1.0, 0.01), (0.05, 0.05)],
)
def test_as_many_are_chosen_as_it_takes_and_not_many_more(share: float, difference: float) -> None:
    n = trials_needed(share, difference)
    assert power(n, share, difference).found >= 0.995
    assert power(n, share, difference).passed >= 0.985
    less = power(round(n * 0.9), share, difference)
    assert less.found < 0.995 or less.passed < 0.985


def test_what_cannot_be_told_is_refused() -> None:
    for share, difference in ((0.5, 0.0), (1.5, 0.1), (0.5, 1.0)):
        with pytest.raises(ValueError, match="difference"):
            trials_needed(share, difference)
    with pytest.raises(ValueError, match="more than 1,000,000"):
        trials_needed(0.5, 0.0001)


@given(st.integers(1, 20_000))
def test_one_counterexample_rules_out_all_and_none(n: int) -> None:
    assert judged(1, n, 0.0, 0.01) is False
    assert judged(n - 1, n, 1.0, 0.01) is False


def test_it_is_equal_only_where_the_difference_that_matters_is_ruled_out() -> None:
    assert judged(10, 100, 0.1, 0.05) is None
    assert judged(116, 1163, 0.1, 0.05) is True
    assert judged(174, 1163, 0.1, 0.05) is False
    assert Interval(0.08, 0.12, RATIO).compare("==", Interval.exact(0.1, RATIO)) is None
    found = Interval(0.08, 0.12, RATIO, apart=0.05)
    assert found.compare("!=", Interval.exact(0.1, RATIO)) is False
    assert Interval.exact(0.1, RATIO).compare("==", found) is True
    assert found.compare("<", Interval.exact(0.1, RATIO)) is None
    assert found.compare("==", Interval(0.09, 0.11, RATIO)) is None
