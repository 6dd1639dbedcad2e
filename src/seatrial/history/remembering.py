"""Trials into the history: each once, however often it is tried and by how many at the same time."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from ..core.files import JOURNAL
from .database import Database
from .records import KILLED, TrialRow, goes_on, read_trial

_COLUMNS = (
    "trial", "name", "spec", "digest", "tested", "seatrial", "platform", "began", "took_ns", "outcome", "summary", "reason", "selection",
    "variant", "directory", "part_of", "planned", "passed", "failed", "inconclusive", "waived",
)  # fmt: skip
_VALUES = f"({', '.join(_COLUMNS)}) values ({', '.join('?' * len(_COLUMNS))})"
_TRIAL = f"insert into trials {_VALUES} on conflict (trial) do nothing returning id"
_FINDING = "insert into findings values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
_SCENARIO = "insert into scenarios values (?, ?, ?, ?)"


def remember(database: Database, rows: Iterable[TrialRow]) -> int:
    """So many of them were new."""
    fresh = 0
    with database.transaction():
        known: dict[tuple[str, str], int] = {}
        for row in rows:
            fresh += _insert(database, row, known)
    return fresh


def _insert(database: Database, row: TrialRow, known: dict[tuple[str, str], int]) -> bool:
    if row.reason != KILLED:
        _forget_killed(database, row.trial)
    made = database.rows(_TRIAL, *(getattr(row, c) for c in _COLUMNS))
    if not made:
        return False  # it is there
    trial = made[0][0]
    names = [_name(database, row.spec, f.id, f.scenario, known) for f in row.findings]
    database.many(
        _FINDING,
        [
            (
                name,
                trial,
                f.verdict,
                f.severity,
                f.measured,
                f.bound,
                f.reason,
                f.low,
                f.high,
                f.dimension,
                f.took_ns,
                int(f.exercised),
                f.waived,
                f.proven,
            )
            for name, f in zip(names, row.findings, strict=True)
        ],
    )
    database.many(_SCENARIO, [(trial, *scenario) for scenario in row.scenarios])
    return True


def _forget_killed(database: Database, trial: str) -> None:
    """A trial that was taken for killed, where locks tell nothing, and ended after all."""
    for (number,) in database.rows("select id from trials where trial = ? and reason = ?", trial, KILLED):
        database.rows("delete from findings where trial = ?", number)
        database.rows("delete from scenarios where trial = ?", number)
        database.rows("delete from trials where id = ?", number)


def _name(database: Database, spec: str, finding: str, scenario: str, known: dict[tuple[str, str], int]) -> int:
    """The number under which a finding of a spec is kept."""
    if (spec, finding) not in known:
        find = "select id from names where finding = ? and spec = ?"
        found = database.rows(find, finding, spec)
        if not found:
            make = "insert into names (spec, finding, scenario) values (?, ?, ?) on conflict (finding, spec) do nothing"
            database.rows(make, spec, finding, scenario)
            found = database.rows(find, finding, spec)
        known[spec, finding] = found[0][0]
    return known[spec, finding]


def _names_in(place: Path) -> set[str]:
    try:
        with os.scandir(place) as entries:  # many thousands: paths would take their time
            return {e.name for e in entries}
    except OSError:
        return set()


def forgotten(database: Database, places: Sequence[tuple[Path, str]]) -> Iterator[TrialRow]:
    """Trials that have ended, or were killed, and that nobody remembered. `places`: directories of trials, with what they are part of."""
    known = {row[0] for row in database.rows("select trial from trials")}
    for place, part_of in places:
        for name in sorted(_names_in(place) - known):
            directory = place / name
            if not (directory / JOURNAL).exists() or goes_on(directory):
                continue
            row = read_trial(directory, part_of)
            if row is not None:
                yield row
