"""What came of a comparison. Values are canonical texts (`canonical`), None is NULL; A is the first store, B the one held against it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

Values = Mapping[str, str | None]


class SourceError(Exception):
    """A store cannot be read, or not be compared: nothing is said of what is in it. `word` as in an observation's `error`."""

    def __init__(self, word: str, message: str) -> None:
        self.word = word
        self.message = message
        super().__init__(message)


def no_client(error: ImportError) -> SourceError:
    """What a library that is not here means."""
    return SourceError("no-client", f"{error.name or error} is not installed: pip install 'seatrial[compare]'")


@dataclass(frozen=True, kw_only=True, slots=True)
class Cell:
    """A value that differs. `kind`: null, number, time, text, boolean, bytes, json, type (one of them is none of its column's kind).

    `by`: how far B is from A, where that can be said: "+0.01", "-1.5s", "Unicode form".
    """

    column: str
    kind: str
    a: str | None
    b: str | None
    by: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class RowDifference:
    """A row that is not the same in both. `kind`: missing (in B), extra (in B alone), different, orphan.

    `copies`: of that many rows of the key; `a` and `b` are whole rows, where they were fetched.
    """

    kind: str
    key: Values
    a: Values | None = None
    b: Values | None = None
    cells: tuple[Cell, ...] = ()
    copies: int = 1


@dataclass(frozen=True, kw_only=True, slots=True)
class ColumnDifference:
    """How often a column differs, by kind; `farthest`: the largest distance of numbers or times, in words."""

    column: str
    kinds: Mapping[str, int]
    farthest: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class Side:
    """One store as it was read. `taken`: when its snapshot was, ISO 8601 in UTC; `snapshot`: what it holds still by.

    `duplicates`: keys that several rows have, among the blocks that differ (where both agree nobody looked); `null_keys`: rows without
    a whole key; `only_columns`: those that the other has not.
    """

    label: str
    rows: int
    taken: str = ""
    snapshot: str = ""
    duplicates: int = 0
    null_keys: int = 0
    only_columns: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True, slots=True)
class Comparison:
    """Counts are of rows: A's are equal + missing + different (+ orphans and what they refer to), B's equal + extra + different."""

    a: Side
    b: Side
    keys: tuple[str, ...]
    columns: tuple[str, ...]
    equal: int
    missing: int = 0
    extra: int = 0
    different: int = 0
    orphans: int = 0
    by_column: tuple[ColumnDifference, ...] = ()
    first: tuple[RowDifference, ...] = ()
    unexpected: str = ""  # what of the expected differences was not so, in words
    as_expected: bool = False  # there are differences, and they were stated
    references: bool = False
    how: str = ""  # hashed by whom
    took_ns: int = 0
    attempts: int = 1
    notes: tuple[str, ...] = field(default=())

    @property
    def holds(self) -> bool:
        """Whether there is no difference, or exactly what was expected."""
        return not self.unexpected and (self.as_expected or not self.differing)

    @property
    def differing(self) -> int:
        """Rows that differ in any way."""
        return self.missing + self.extra + self.different + self.orphans

    @property
    def words(self) -> str:
        """The difference in a few words: none, as expected, or what it is."""
        if self.unexpected:
            return self.unexpected
        if not self.differing:
            return "none"
        if self.as_expected:
            return "as expected"
        return self.said

    @property
    def said(self) -> str:
        """The kinds of difference with their counts."""
        counts = {"missing": self.missing, "extra": self.extra, "different": self.different, "orphans": self.orphans}
        parts = [f"{count:,} {name}" for name, count in counts.items() if count]
        columns = [c.column for c in self.by_column]
        if self.different and columns:
            parts[-1 if not self.orphans else -2] += f" ({', '.join(columns[:5])}{', ...' if len(columns) > 5 else ''})"
        return ", ".join(parts) or "none"
