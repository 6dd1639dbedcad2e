from __future__ import annotations

import math
import operator
from collections.abc import Callable

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from seatrial.core.intervals import Interval
from seatrial.core.quantities import Dimension, Quantity

WORDS: dict[str, Callable[[float, float], bool]] = {
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
    "==": operator.eq,
    "!=": operator.ne,
}
NUMBER = Dimension.NUMBER


@st.composite
def intervals(draw: st.DrawFn) -> Interval:
    # Few values, so that ends touch and intervals are exact often.
    low, high = sorted((draw(st.integers(-4, 4)), draw(st.integers(-4, 4))))
    return Interval(low, high, NUMBER)


def points(interval: Interval) -> list[float]:
    return [interval.low + n / 2 for n in range(int(interval.high - interval.low) * 2 + 1)]


@given(intervals(), intervals(), st.sampled_from(list(WORDS)))
def test_a_comparison_says_what_holds_for_all_points_and_no_more(a: Interval, b: Interval, word: str) -> None:
    answers = {WORDS[word](x, y) for x in points(a) for y in points(b)}
    found = a.compare(word, b)
    if found is not None:
        assert answers == {found}
    else:
        assert answers == {True, False}


@given(intervals(), intervals())
def test_comparisons_mirror_and_negate(a: Interval, b: Interval) -> None:
    for word, mirrored, negated in (("<", ">", ">="), ("<=", ">=", ">"), ("==", "==", "!=")):
        assert a.compare(word, b) == b.compare(mirrored, a)
        found = a.compare(word, b)
        assert a.compare(negated, b) == (None if found is None else not found)


@given(st.floats(allow_nan=False), st.floats(allow_nan=False), st.sampled_from(list(WORDS)))
def test_exact_values_compare_as_numbers(x: float, y: float, word: str) -> None:
    assert Interval.of(x).compare(word, Interval.of(y)) is WORDS[word](x, y)


@given(st.floats(), st.floats())
def test_ends_in_the_wrong_order_and_nan_are_refused(low: float, high: float) -> None:
    assume(not low <= high)
    with pytest.raises(ValueError, match="wrong order"):
        Interval(low, high, NUMBER)


def test_dimensions_are_not_mixed() -> None:
    with pytest.raises(ValueError, match="a duration cannot be compared with a ratio"):
        Interval.exact(1, Dimension.DURATION).compare("<", Interval.exact(1, Dimension.RATIO))


def test_an_unknown_operator_is_refused() -> None:
    with pytest.raises(ValueError, match="unknown comparison"):
        Interval.of(1).compare("~", Interval.of(1))


def test_anything_numeric_is_an_interval() -> None:
    seconds = Quantity(5, Dimension.DURATION)
    assert Interval.of(seconds) == Interval.exact(5, Dimension.DURATION)
    assert Interval.of(3) == Interval(3, 3, NUMBER)
    assert Interval.of(Interval.of(3)) == Interval.of(3)
    assert Interval.of(3).is_exact


@pytest.mark.parametrize(
    ("interval", "text"),
    [
        (Interval(2.61e9, 2.64e9, Dimension.DURATION), "2.61s to 2.64s"),
        (Interval(2.61e9, 2.614e9, Dimension.DURATION), "2.61s to 2.614s"),
        (Interval(2.61e9, 2.61e9, Dimension.DURATION), "2.61s"),
        (Interval(30e9, math.inf, Dimension.DURATION), "at least 30s"),
        (Interval(0.9985, 0.9999, Dimension.RATIO, point=0.9995), "99.95% [99.85%, 99.99%]"),
    ],
)
def test_shows_both_ends(interval: Interval, text: str) -> None:
    assert str(interval) == text
