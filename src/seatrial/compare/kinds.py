"""What a column holds, across kinds of store, and what two columns have in common."""

from __future__ import annotations

import enum


class Kind(enum.StrEnum):
    """What values of a column are."""

    NUMBER = "number"
    BOOLEAN = "boolean"
    TIME = "time"  # a moment, or a date and time without a zone: that is UTC
    DATE = "date"
    TEXT = "text"
    BYTES = "bytes"
    JSON = "json"


_WIDER = {
    frozenset({Kind.NUMBER, Kind.BOOLEAN}): Kind.NUMBER,  # true is 1
    frozenset({Kind.DATE, Kind.TIME}): Kind.TIME,  # a date begins at midnight
}


def common(a: Kind, b: Kind) -> Kind | None:
    """As what values of two columns are compared; None where they cannot be.

    A text beside something else is read as that: files, JSON and SQLite have no type of their own for many things.
    """
    if a is b:
        return a
    if Kind.TEXT in (a, b):
        return b if a is Kind.TEXT else a
    return _WIDER.get(frozenset({a, b}))
