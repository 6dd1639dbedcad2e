"""Measured values as intervals: what was shown, and no more.

A recovery time is known to within the pace of the clients, an availability to within its confidence bound. Comparing
an interval with a bound is three-valued: true where the whole interval satisfies it, false where none of it does,
unknown (None) between. That a measured value equals another is true of an interval only where it was said beforehand which
difference matters (`apart`).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from .quantities import Dimension, Quantity, format_quantity


@dataclass(frozen=True, slots=True)
class Interval:
    """Closed interval [low, high] in the dimension's base unit; low == high is an exact value.

    `point` is the best single figure to show (for example the share itself beside its confidence bounds). `apart`: the difference
    that the measurement had to be able to find, for ``==``: a value inside an interval that rules out all that is so far off is equal.
    `doubt`: why it is as wide as it is, where more than chance makes it so.
    """

    low: float
    high: float
    dimension: Dimension
    point: float | None = None
    apart: float | None = None
    doubt: str = ""

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
                if a.high < b.low or b.high < a.low:
                    return False
                return True if a.tells(b) or b.tells(a) else None
            case "!=":
                same = self.compare("==", other)
                return None if same is None else not same
        raise ValueError(f"unknown comparison {operator!r}")

    def tells(self, other: Interval) -> bool:
        """Whether an exact value inside this interval is told from all that are `apart` from it."""
        if self.apart is None or not other.is_exact:
            return False
        return other.low - self.apart < self.low <= other.low <= self.high < other.low + self.apart

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
