"""Quantities with units: durations, rates, ratios, sizes, bandwidths and counts.

A quantity is a number in the base unit of its dimension (nanoseconds, per second, fraction, bytes, bytes a second, count), and is
written with a unit everywhere a person reads or writes it: ``30s``, ``100/s``, ``99.9%``, ``64 MiB``.
"""

from __future__ import annotations

import enum
import math
import re
from dataclasses import dataclass
from fractions import Fraction

NS_PER_S = 1_000_000_000


class Dimension(enum.Enum):
    """What a quantity measures; the value names the dimension in messages."""

    DURATION = "duration"
    RATE = "rate"
    RATIO = "ratio"
    SIZE = "size"
    BANDWIDTH = "bandwidth"
    NUMBER = "number"


# Exact, so that 99.9% is the double nearest to 0.999 and 60/min is 1/s.
_FACTORS: dict[Dimension, dict[str, Fraction]] = {
    Dimension.DURATION: {
        "ns": Fraction(1),
        "us": Fraction(1_000),
        "ms": Fraction(1_000_000),
        "s": Fraction(NS_PER_S),
        "m": Fraction(60 * NS_PER_S),
        "h": Fraction(3600 * NS_PER_S),
        "d": Fraction(86400 * NS_PER_S),
    },
    Dimension.RATE: {"/s": Fraction(1), "/min": Fraction(1, 60), "/h": Fraction(1, 3600)},
    Dimension.RATIO: {"%": Fraction(1, 100)},
    Dimension.SIZE: {
        "B": Fraction(1),
        "kB": Fraction(1000),
        "MB": Fraction(1000**2),
        "GB": Fraction(1000**3),
        "KiB": Fraction(1024),
        "MiB": Fraction(1024**2),
        "GiB": Fraction(1024**3),
    },
    Dimension.BANDWIDTH: {
        "B/s": Fraction(1),
        "kB/s": Fraction(1000),
        "MB/s": Fraction(1000**2),
        "GB/s": Fraction(1000**3),
        "KiB/s": Fraction(1024),
        "MiB/s": Fraction(1024**2),
        "GiB/s": Fraction(1024**3),
        "kbit/s": Fraction(1000, 8),
        "Mbit/s": Fraction(1000**2, 8),
        "Gbit/s": Fraction(1000**3, 8),
    },
}
UNITS: dict[Dimension, dict[str, float]] = {
    dimension: {unit: float(factor) for unit, factor in units.items()} for dimension, units in _FACTORS.items()
}
_DIMENSION_OF = {unit: dimension for dimension, units in UNITS.items() for unit in units}
_LOOKALIKES = {
    "s": ("sec", "secs", "second", "seconds"),
    "m": ("min", "mins", "minute", "minutes"),
    "h": ("hr", "hrs", "hour", "hours"),
    "d": ("day", "days"),
    "ms": ("msec", "msecs", "millisecond", "milliseconds", "millis"),
    "us": ("µs", "μs", "usec", "microsecond", "microseconds"),
    "ns": ("nsec", "nanosecond", "nanoseconds"),
    "/s": ("/sec", "/second", "rps", "qps", "hz"),
    "/min": ("/m", "/minute", "rpm"),
    "/h": ("/hour",),
    "%": ("percent", "pct"),
    "B": ("b", "byte", "bytes"),
    "kB": ("k", "kb"),
    "MB": ("mb",),
    "GB": ("g", "gb"),
    "KiB": ("ki", "kib"),
    "MiB": ("mi", "mib"),
    "GiB": ("gi", "gib"),
    "kbit/s": ("kbps", "kbit"),
    "Mbit/s": ("mbps", "mbit"),
    "Gbit/s": ("gbps", "gbit"),
}
_MEANT = {written: unit for unit, all_ in _LOOKALIKES.items() for written in all_}
_EXAMPLE = {
    Dimension.DURATION: "30s",
    Dimension.RATE: "100/s",
    Dimension.RATIO: "99.9%",
    Dimension.SIZE: "64 MiB",
    Dimension.BANDWIDTH: "1 MiB/s",
    Dimension.NUMBER: "3",
}
NUMBER_PATTERN = r"\d+(?:_\d+)*(?:\.\d+)?(?:[eE][+-]?\d+)?"
UNIT_PATTERN = r"ns|us|ms|s|min|m|h|d|/s|/min|/h|%|(?:KiB|MiB|GiB|kB|MB|GB|B|[kMG]bit)/s|KiB|MiB|GiB|kB|MB|GB|B"
_QUANTITY = re.compile(rf"\s*([+-]?{NUMBER_PATTERN})\s*(/?[^\W\d_]+(?:/s)?|%)?\s*")
_COMPOUND = re.compile(r"\s*([+-]?)((?:\d+\s*[dhm]\s*)+\d+(?:\.\d+)?\s*(?:ms|h|m|s))\s*")
_COMPOUND_PART = re.compile(r"([\d.]+)\s*([a-z]+)")


class QuantityError(ValueError):
    """A text that is no quantity, or one of the wrong dimension; the message says what to write instead."""


@dataclass(frozen=True, slots=True, order=False)
class Quantity:
    """A number in its dimension's base unit (ns, 1/s, fraction, B, plain)."""

    value: float
    dimension: Dimension

    def text(self, digits: int = 3) -> str:
        """As a person reads it, to `digits` significant digits."""
        return format_quantity(self.value, self.dimension, digits)

    def __str__(self) -> str:
        return self.text()


def example(dimension: Dimension) -> str:
    """A well-formed quantity of that dimension, for messages."""
    return _EXAMPLE[dimension]


def parse_quantity(text: str | float, dimension: Dimension | None = None) -> Quantity:
    """Read ``30s``, ``1m 30s``, ``64 MiB``, ``99.9%``; a bare number is of dimension NUMBER.

    Raises QuantityError, with a hint, for a text that is none or that has another dimension than the wanted one.
    """
    if isinstance(text, bool):
        raise QuantityError("a truth value is not a quantity")
    match = _QUANTITY.fullmatch(str(text))
    if match is not None:
        found = _simple(str(text).strip(), match[1].replace("_", ""), match[2], dimension)
    else:
        compound = _COMPOUND.fullmatch(str(text))
        if compound is None:
            wanted = f", for example {_EXAMPLE[dimension]}" if dimension else ""
            raise QuantityError(f"{str(text)!r} is not a number with a unit{wanted}")
        found = _compound(str(text).strip(), compound[2], -1 if compound[1] == "-" else 1)
    if dimension is not None and found.dimension is not dimension:
        raise QuantityError(_wrong(str(text).strip(), found.dimension, dimension))
    return found


def _simple(text: str, number: str, unit: str | None, dimension: Dimension | None) -> Quantity:
    kind = Dimension.NUMBER if unit is None else _DIMENSION_OF.get(unit)
    if kind is None:
        known = " ".join(UNITS[dimension]) if dimension in UNITS and dimension else " ".join(_DIMENSION_OF)
        meant = _MEANT.get(str(unit).casefold())
        raise QuantityError(f"unknown unit {unit!r}" + (f": write {meant}" if meant else "") + f"; units here: {known}")
    rough = float(number)
    if not math.isfinite(rough):
        raise QuantityError(f"{text} is too large")
    if unit is None or rough == 0:
        return Quantity(rough, kind)
    return _exactly(text, Fraction(number) * _FACTORS[kind][unit], kind)


def _compound(text: str, parts: str, sign: int) -> Quantity:
    """``1m 30s``: each unit smaller than the one before it."""
    total, before = Fraction(0), Fraction(NS_PER_S) ** 2
    for number, unit in _COMPOUND_PART.findall(parts):
        factor = _FACTORS[Dimension.DURATION][unit]
        if factor >= before:
            raise QuantityError(f"{text}: the units of a duration go from large to small, for example 1m 30s")
        if not math.isfinite(float(number)):
            raise QuantityError(f"{text} is too large")
        total, before = total + Fraction(number) * factor, factor
    return _exactly(text, sign * total, Dimension.DURATION)


def _exactly(text: str, value: Fraction, kind: Dimension) -> Quantity:
    try:
        rough = float(value)
        return Quantity(
            round(value) if kind in (Dimension.DURATION, Dimension.SIZE, Dimension.BANDWIDTH) else rough, kind
        )
    except OverflowError:
        raise QuantityError(f"{text} is too large") from None


def _wrong(text: str, found: Dimension, wanted: Dimension) -> str:
    if found is Dimension.NUMBER:
        units = " ".join(UNITS.get(wanted, {}))
        return f"{text} has no unit; a {wanted.value} is wanted, for example {_EXAMPLE[wanted]} (units: {units})"
    return f"{text} is a {found.value}; a {wanted.value} is wanted, for example {_EXAMPLE[wanted]}"


def format_quantity(value: float, dimension: Dimension, digits: int = 3) -> str:
    """The value with its unit, to `digits` significant digits, as a person reads it."""
    match dimension:
        case Dimension.DURATION:
            return format_duration(value, digits)
        case Dimension.RATE:
            return f"{_number(value, digits)}/s" if math.isfinite(value) else _number(value, digits)
        case Dimension.RATIO:
            return _percent(value, digits)
        case Dimension.SIZE:
            return _scaled(value, UNITS[Dimension.SIZE], ("GiB", "MiB", "KiB", "B"), digits)
        case Dimension.BANDWIDTH:
            return _scaled(value, UNITS[Dimension.BANDWIDTH], ("GiB/s", "MiB/s", "KiB/s", "B/s"), digits)
        case Dimension.NUMBER:
            return f"{int(value):,}" if float(value).is_integer() and abs(value) < 1e15 else _number(value, digits)


def format_duration(ns: float, digits: int = 3) -> str:
    """``2.61s``, ``12.4ms``, ``1m 12s``; ns in, never a bare number out."""
    size = abs(ns)
    if size >= 120 * NS_PER_S and math.isfinite(size):
        whole = round(size / NS_PER_S)
        hours, rest = divmod(whole, 3600)
        minutes, seconds = divmod(rest, 60)
        text = f"{hours}h {minutes}m" if hours else f"{minutes}m {seconds}s"
        return f"-{text}" if ns < 0 else text
    return _scaled(ns, UNITS[Dimension.DURATION], ("s", "ms", "us", "ns"), digits)


def _scaled(value: float, units: dict[str, float], order: tuple[str, ...], digits: int) -> str:
    if value == 0:
        return f"0{order[0] if order[0] == 's' else order[-1]}"
    if not math.isfinite(value):
        return _number(value, digits)
    unit = next((u for u in order if abs(value) >= units[u]), order[-1])
    larger = order[max(0, order.index(unit) - 1)]
    if larger != unit and abs(_rounded(value / units[unit], digits)) >= units[larger] / units[unit]:
        unit = larger  # 999.9996 ms are 1s, not 1,000ms
    space = " " if unit.endswith(("B", "B/s")) else ""
    return f"{_number(value / units[unit], digits)}{space}{unit}"


def _number(value: float, digits: int) -> str:
    if value == 0 or not math.isfinite(value):
        return "0" if value == 0 else "infinite" if value > 0 else "-infinite" if value < 0 else "not a number"
    text = f"{value:,.{_places(value, digits)}f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def _places(value: float, digits: int) -> int:
    return max(0, digits - 1 - math.floor(math.log10(abs(value))))


def _rounded(value: float, digits: int) -> float:
    return round(value, _places(value, digits))


def _percent(fraction: float, digits: int) -> str:
    """Percent with as many nines as matter: 99.983 %, never rounded up to 100 %, and never down to 0 %."""
    percent = fraction * 100
    if percent >= 100 or not math.isfinite(percent):
        return f"{_number(percent, max(4, digits))}%"
    if percent < 90:
        return f"{_number(percent, digits)}%"
    missing = 100 - percent
    places = 1 if missing >= 1 else min(6, 1 - math.floor(math.log10(missing)))
    scale: float = 10**places
    return f"{math.floor(percent * scale + 1e-9) / scale:.{places}f}".rstrip("0").rstrip(".") + "%"
