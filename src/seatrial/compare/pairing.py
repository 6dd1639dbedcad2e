"""Rows of one key on both sides: which are the same within the tolerances, which differ and in what, and which are left over."""

from __future__ import annotations

import decimal
import unicodedata
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from .canonical import UNREADABLE, decimal_of, json_text, microseconds, read_json
from .kinds import Kind
from .layout import Column, Layout
from .results import Cell
from .tables import Row

_TRIES = 10_000  # pairs of rows of one key that are held against each other


@dataclass(frozen=True, kw_only=True, slots=True)
class Paired:
    """What came of the rows of one key."""

    different: Sequence[tuple[Row, Row, tuple[Cell, ...]]]
    missing: Sequence[Row]
    extra: Sequence[Row]


def pair(a: Sequence[Row], b: Sequence[Row], layout: Layout) -> Paired:
    """Rows that are equal cancel one by one; the rest differ in order, and what has no partner is missing or extra."""
    left_a, left_b = Counter(a), Counter(b)
    left_a, left_b = left_a - left_b, left_b - left_a
    rest_a, rest_b = sorted(left_a.elements(), key=_order), sorted(left_b.elements(), key=_order)
    if len(rest_a) * len(rest_b) <= _TRIES:
        rest_a, rest_b = _cancelled(rest_a, rest_b, layout)
    different = []
    missing, extra = list(rest_a), list(rest_b)
    for one, other in zip(rest_a, rest_b, strict=False):
        cells = tuple(differences(one, other, layout))
        missing.remove(one)
        extra.remove(other)
        if cells:
            different.append((one, other, cells))
    return Paired(different=different, missing=missing, extra=extra)


def _order(row: Row) -> tuple[str, ...]:
    return tuple(v or "" for v in row)


def _cancelled(a: Sequence[Row], b: Sequence[Row], layout: Layout) -> tuple[list[Row], list[Row]]:
    """Without rows that are the same within the tolerances."""
    rest_a, rest_b = [], list(b)
    for row in a:
        partner = next((o for o in rest_b if not any(differences(row, o, layout))), None)
        if partner is None:
            rest_a.append(row)
        else:
            rest_b.remove(partner)
    return rest_a, rest_b


def differences(a: Row, b: Row, layout: Layout) -> Iterator[Cell]:
    """Values of two rows that are not the same."""
    for column, one, other in zip(layout.all, a, b, strict=True):
        cell = difference(column, one, other)
        if cell is not None:
            yield cell


def difference(column: Column, a: str | None, b: str | None) -> Cell | None:
    """What two canonical values of a column differ in; None where they do not."""
    if a == b:
        return None
    if a is None or b is None:
        return Cell(column=column.name, kind="null", a=a, b=b)
    kind, by = column.kind.value, ""
    match column.kind:
        case Kind.NUMBER:
            found = _numbers(column, a, b)
        case Kind.TIME | Kind.DATE:
            found = _times(column, a, b)
        case Kind.JSON:
            one, other = read_json(a), read_json(b)
            found = ("json", "")
            if UNREADABLE in (one, other) if not isinstance(one, list | dict) else other is UNREADABLE:
                found = ("type", "")
            elif json_text(one) == json_text(other):
                return None
        case Kind.BOOLEAN:
            found = ("boolean", "") if {a, b} <= {"true", "false"} else ("type", "")
        case Kind.TEXT:
            found = ("text", _texts(a, b))
        case _:
            found = (kind, by)
    return None if found is None else Cell(column=column.name, kind=found[0], a=a, b=b, by=found[1])


def _numbers(column: Column, a: str, b: str) -> tuple[str, str] | None:
    one, other = decimal_of(a), decimal_of(b)
    if one is None or other is None:
        return "type", ""
    if not (one.is_finite() and other.is_finite()):
        return None if one == other else ("number", "")
    with decimal.localcontext(prec=400):
        by = other - one
    if not by or (column.tolerance is not None and abs(by) <= column.tolerance):
        return None
    return "number", f"{by.normalize():+f}" if abs(by.adjusted()) < 40 else f"{by:+.6g}"


def _times(column: Column, a: str, b: str) -> tuple[str, str] | None:
    one, other = microseconds(a), microseconds(b)
    if one is None or other is None:
        return "type", ""
    by = other - one
    if not by or (column.tolerance is not None and abs(by) <= column.tolerance):
        return None
    return "time", seconds_text(by)


def seconds_text(us: int) -> str:
    """Microseconds as +1.5s."""
    text = f"{us / 1_000_000:+.6f}".rstrip("0").rstrip(".")
    return f"{text}s"


def _texts(a: str, b: str) -> str:
    """What alone tells two texts apart, where it is hardly seen."""
    if unicodedata.normalize("NFC", a) == unicodedata.normalize("NFC", b):
        return "Unicode form"
    if a.strip() == b.strip():
        return "blanks around it"
    return "case" if a.casefold() == b.casefold() else ""
