"""Shares of a number of trials: exact binomial bounds (Clopper and Pearson, 1934), and how many trials tell a share from another.

Standard library only. Exact bounds, and not Wilson's, which are shorter: those cover less than they say near 0 and 1, where shares of
1 % and of nobody at all have to be told apart, and with them one counterexample would not rule out a share of exactly 0.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

MOST_TRIALS: Final = 1_000_000


def _log_beta(a: float, b: float) -> float:
    return math.lgamma(a) + math.lgamma(b) - math.lgamma(a + b)


def regularized_beta(x: float, a: float, b: float) -> float:
    """I_x(a, b) by its continued fraction (Numerical Recipes, 6.4)."""
    if x <= 0:
        return 0.0
    if x >= 1:
        return 1.0
    front = math.exp(a * math.log(x) + b * math.log1p(-x) - _log_beta(a, b))
    if x < (a + 1) / (a + b + 2):
        return front * _fraction(x, a, b) / a
    return 1 - front * _fraction(1 - x, b, a) / b


def _fraction(x: float, a: float, b: float) -> float:
    tiny = 1e-300
    c, d = 1.0, 1 - (a + b) * x / (a + 1)
    d = 1 / (d if abs(d) > tiny else tiny)
    h = d
    for m in range(1, 1000):
        for numerator in (
            m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m)),
            -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1)),
        ):
            d = 1 + numerator * d
            c = 1 + numerator / c
            d = 1 / (d if abs(d) > tiny else tiny)
            c = c if abs(c) > tiny else tiny
            h *= d * c
        if abs(d * c - 1) < 1e-14:
            break
    return h


def _quantile(p: float, a: float, b: float) -> float:
    low, high = 0.0, 1.0
    for _ in range(200):
        middle = (low + high) / 2
        if high - low <= 1e-15 * high:
            break
        if regularized_beta(middle, a, b) < p:
            low = middle
        else:
            high = middle
    return (low + high) / 2


@lru_cache(maxsize=256)
def bounds(successes: int, trials: int, confidence: float = 0.95) -> tuple[float, float]:
    """One-sided lower and upper bounds of a share, each at `confidence`; (0, 1) without trials.

    With no failure the lower bound is (1 - confidence)^(1/n): 2,995 clean trials show 99.9 %.
    """
    if not 0 <= successes <= trials:
        raise ValueError("more successes than trials")
    if trials == 0:
        return 0.0, 1.0
    alpha = 1 - confidence
    failures = trials - successes
    lower = (
        0.0 if successes == 0 else alpha ** (1 / trials) if failures == 0 else _quantile(alpha, successes, failures + 1)
    )
    upper = (
        1.0
        if failures == 0
        else 1 - alpha ** (1 / trials)
        if successes == 0
        else _quantile(1 - alpha, successes + 1, failures)
    )
    return lower, upper


def two_sided(successes: int, trials: int, confidence: float = 0.99) -> tuple[float, float]:
    """Clopper and Pearson's interval of a share: it holds the true one in at least `confidence` of all samples."""
    return bounds(successes, trials, (1 + confidence) / 2)


def at_most(successes: int, trials: int, share: float) -> float:
    """P(X <= successes) of a binomial distribution."""
    if successes < 0:
        return 0.0
    return 1.0 if successes >= trials else regularized_beta(1 - share, trials - successes, successes + 1)


@dataclass(frozen=True, kw_only=True, slots=True)
class Power:
    """What so many trials tell of a share, as chances. `found`: one that is off by the difference is ruled out, on the worse side;
    `passed`: the right one is held while those that are off are ruled out.
    """

    found: float
    passed: float


def power(trials: int, share: float, difference: float, confidence: float = 0.99) -> Power:
    """By sums over the binomial distribution: which numbers of successes have an interval of `two_sided` that holds `share`, and no share
    that is off by `difference` or more.

    The interval of k begins above p exactly where P(X >= k | p) is less than a tail, and ends below p where P(X <= k | p) is.
    """
    tail, low, high = (1 - confidence) / 2, share - difference, share + difference
    first = _first(trials, lambda k: at_most(k, trials, share) >= tail)
    last = _first(trials, lambda k: 1 - at_most(k - 1, trials, share) < tail) - 1
    above = _first(trials, lambda k: 1 - at_most(k - 1, trials, low) < tail) if low >= 0 else 0
    below = _first(trials, lambda k: at_most(k, trials, high) >= tail) - 1 if high <= 1 else trials
    found = [1 - _between(first, last, trials, p) for p in (low, high) if 0 <= p <= 1]
    return Power(found=min(found, default=0.0), passed=_between(max(first, above), min(last, below), trials, share))


@lru_cache(maxsize=64)
def trials_needed(share: float, difference: float, confidence: float = 0.99, wanted: float = 0.995) -> int:
    """So many trials that a share which is off by `difference` is ruled out with the chance `wanted`, and the right one is neither ruled
    out nor left open but with the chances of error of both, 1 - confidence + 1 - wanted. Raises ValueError for what cannot be told.
    """
    if not 0 <= share <= 1 or not 0 < difference < 1:
        raise ValueError("a share is from 0% to 100%, and a difference is more than 0%")
    trials = max(
        1, round(0.8 * _normally(share, difference))
    )  # the exact numbers go up and down a little: look from below
    while trials <= MOST_TRIALS:
        reached = power(trials, share, difference, confidence)
        if reached.found >= wanted and reached.passed >= confidence + wanted - 1:
            return trials
        trials += max(1, trials // 200)
    raise ValueError(f"it takes more than {MOST_TRIALS:,} to tell a difference so small")


def _normally(share: float, difference: float) -> float:
    """Trials by the normal distribution, at 99 % and 99 % (Fleiss, Statistical Methods for Rates and Proportions, chapter 2)."""
    spread = [
        2.576 * math.sqrt(share * (1 - share)) + 2.326 * math.sqrt(p * (1 - p))
        for p in (share - difference, share + difference)
        if 0 <= p <= 1
    ]
    return (max(spread, default=0.0) / difference) ** 2


def _first(trials: int, holds: Callable[[int], bool]) -> int:
    """The least number of successes from which on it holds; trials + 1 where it never does."""
    low, high = 0, trials + 1
    while low < high:
        middle = (low + high) // 2
        low, high = (low, middle) if holds(middle) else (middle + 1, high)
    return low


def _between(first: int, last: int, trials: int, share: float) -> float:
    return max(0.0, at_most(last, trials, share) - at_most(first - 1, trials, share)) if first <= last else 0.0
