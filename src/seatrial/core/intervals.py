"""Measured values as intervals: what was shown, and no more.

A recovery time is known to within the pace of the clients, an availability to within its confidence bound. Comparing
an interval with a bound is three-valued: true where the whole interval satisfies it, false where none of it does,
unknown (None) between.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from .quantities import Dimension, Quantity, format_quantity


@dataclass(frozen=True, slots=True)
class Interval:
    """Closed interval [low, high] in the dimension's base unit; low == high is an exact value.

    `point` is the best single figure to show (for example the share itself beside its confidence bounds).
    """

    low: float
    high: float
    dimension: Dimension
    point: float | None = None

    def __post_init__(self) -> None:
        if not self.low <= self.high:
            raise ValueError(f"interval ends in the wrong order: [{self.low}, {self.high}]")

    @classmethod
    def exact(cls, value: float, dimension: Dimension) -> Interval:
        """An exactly known value."""
        return cls(value, value, dimension)

    @classmethod
    def of(cls, value: Interval | Quantity | float) -> Interval:
        """Anything numeric as an interval."""
        if isinstance(value, Interval):
            return value
        if isinstance(value, Quantity):
            return cls(value.value, value.value, value.dimension)
        return cls(value, value, Dimension.NUMBER)

    @property
    def is_exact(self) -> bool:
        """Whether the value is known exactly."""
        return self.low == self.high

    def compare(self, operator: str, other: Interval) -> bool | None:
        """Three-valued ``== != < <= > >=``; None where the intervals overlap so that both answers are possible.

        Raises ValueError for intervals of different dimensions.
        """
        if self.dimension is not other.dimension:
            raise ValueError(f"a {self.dimension.value} cannot be compared with a {other.dimension.value}")
        a, b = self, other
        match operator:
            case "<":
                return True if a.high < b.low else False if a.low >= b.high else None
            case "<=":
                return True if a.high <= b.low else False if a.low > b.high else None
            case ">":
                return b.compare("<", a)
            case ">=":
                return b.compare("<=", a)
            case "==":
                if a.is_exact and b.is_exact:
                    return a.low == b.low
                return False if a.high < b.low or b.high < a.low else None
            case "!=":
                same = self.compare("==", other)
                return None if same is None else not same
        raise ValueError(f"unknown comparison {operator!r}")

    def __str__(self) -> str:
        if self.is_exact:
            return format_quantity(self.low, self.dimension)
        low, high = self._ends()
        if self.point is not None:
            return f"{format_quantity(self.point, self.dimension)} [{low}, {high}]"
        if math.isinf(self.high):
            return f"at least {low}"
        return low if low == high else f"{low} to {high}"

    def _ends(self) -> tuple[str, str]:
        """Both ends, with more digits where three do not tell them apart."""
        ends = "", ""
        for digits in (3, 4, 5, 6):
            ends = format_quantity(self.low, self.dimension, digits), format_quantity(self.high, self.dimension, digits)
            if ends[0] != ends[1]:
                break
        return ends
