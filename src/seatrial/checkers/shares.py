"""Exact binomial bounds (Clopper and Pearson, 1934), without SciPy."""

from __future__ import annotations

import math
from functools import lru_cache


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
