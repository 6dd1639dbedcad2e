"""Counts differences as they are found, keeps the first, and passes all of them on."""

from __future__ import annotations

import decimal
from collections import Counter
from collections.abc import Callable, Iterator, Sequence

from .canonical import decimal_of, microseconds
from .layout import ALL, Expected, Layout
from .pairing import seconds_text
from .results import Cell, ColumnDifference, RowDifference, Values
from .tables import Row

Sink = Callable[[RowDifference], None]
_FEW = 5


class Tally:
    """Of one comparison."""

    def __init__(self, layout: Layout, expected: Expected, limit: int, sink: Sink | None) -> None:
        self._layout = layout
        self._expected = expected
        self._limit = limit
        self._sink = sink
        self._columns: dict[str, Counter[str]] = {}
        self._farthest: dict[str, decimal.Decimal] = {}
        self._stated = {
            k: set(v) for k in ("missing", "extra", "different") if isinstance(v := getattr(expected, k), frozenset)
        }
        self._unstated: dict[str, list[str]] = {}
        self.counts: Counter[str] = Counter()
        self.first: list[RowDifference] = []

    @property
    def wants_rows(self) -> bool:
        """Whether whole rows are of use: some are still to be shown, or all to be written."""
        return self._sink is not None or len(self.first) < self._limit

    @property
    def wants_keys(self) -> bool:
        """Whether each key is of use."""
        return self.wants_rows or bool(self._stated)

    def count(self, kind: str, rows: int) -> None:
        """Differences that nobody needs to know more of."""
        self.counts[kind] += rows

    def add(self, found: RowDifference) -> None:
        """A difference."""
        self.counts[found.kind] += found.copies
        for cell in found.cells:
            self._columns.setdefault(cell.column, Counter())[cell.kind] += 1
            self._distance(cell)
        stated = self._stated.get(found.kind)
        if stated is not None:
            key = tuple(v or "" for v in found.key.values())
            if key in stated and found.copies == 1:
                stated.discard(key)
            else:
                self._unstated.setdefault(found.kind, []).append(", ".join(key))
                del self._unstated[found.kind][_FEW:]
        if len(self.first) < self._limit:
            self.first.append(found)
        if self._sink is not None:
            self._sink(found)

    def named(self, row: Row) -> Values:
        """A row by the names of its columns."""
        return dict(zip((c.name for c in self._layout.all), row, strict=True))

    def key(self, row: Sequence[str | None]) -> Values:
        """The key of a row."""
        return dict(zip((c.name for c in self._layout.keys), row, strict=False))

    def _distance(self, cell: Cell) -> None:
        if cell.a is None or cell.b is None or cell.kind not in ("number", "time"):
            return
        read = decimal_of if cell.kind == "number" else microseconds
        a, b = read(cell.a), read(cell.b)
        if a is not None and b is not None:
            by = decimal.Decimal(b) - decimal.Decimal(a)
            if by.is_finite() and abs(by) > abs(self._farthest.get(cell.column, decimal.Decimal(0))):
                self._farthest[cell.column] = by

    def by_column(self) -> tuple[ColumnDifference, ...]:
        """How often each column differs; the most often first."""
        return tuple(
            ColumnDifference(column=name, kinds=dict(kinds), farthest=self._words(name, kinds))
            for name, kinds in sorted(self._columns.items(), key=lambda p: -p[1].total())
        )

    def _words(self, name: str, kinds: Counter[str]) -> str:
        by = self._farthest.get(name)
        if by is None:
            return ""
        return seconds_text(int(by)) if "time" in kinds else f"{by:+f}"

    def judged(self, rows_a: int, rows_b: int) -> tuple[bool, str]:
        """(whether differences were stated and are exactly those, what was otherwise in words)."""
        if not self._expected:
            return False, ""
        wrong = [w for kind in ("missing", "extra", "different") for w in self._judged(kind, rows_a, rows_b)]
        return not wrong, "; ".join(wrong)

    def _judged(self, kind: str, rows_a: int, rows_b: int) -> Iterator[str]:
        seen = self.counts[kind]
        wanted = getattr(self._expected, kind)
        if isinstance(wanted, frozenset):
            if self._unstated.get(kind):
                yield f"{kind} beyond those expected: {'; '.join(self._unstated[kind])}"
            left = sorted(self._stated[kind])
            if left:
                yield f"expected to be {kind}, and not so: {'; '.join(', '.join(k) for k in left[:_FEW])}"
            return
        count = 0 if wanted is None else (rows_b if kind == "extra" else rows_a) if wanted == ALL else wanted
        if seen != count:
            yield f"{seen:,} {kind}, expected {count:,}"
