"""Where the history is, and what goes into it: every trial at its end, and at the next command those that had no end."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Iterator
from pathlib import Path

from ..core.errors import SeatrialError
from ..history.database import Database, open_database
from ..history.records import read_trial
from ..history.remembering import forgotten, remember
from .directories import trials_root

PLACE = "SEATRIAL_HISTORY"  # a file, or the address of a PostgreSQL
_SOAKS = "soaks"


def home_of(trial: Path) -> tuple[Path, str]:
    """The directory that a trial's history is kept in, and the soak or repetition that it is a round of."""
    above = trial.parent.parent
    return (above.parent.parent, above.name) if above.parent.name == _SOAKS else (above, "")


@contextlib.contextmanager
def history_of(home: Path) -> Iterator[Database]:
    """The history. Raises UsageError, SeatrialError where it cannot be opened."""
    database = open_database(os.environ.get(PLACE) or home / "history.db")
    try:
        yield database
    finally:
        database.close()


def remember_trial(trial: Path) -> None:
    """A trial that has just ended. What it came to does not depend on whether it can be remembered: that is only said."""
    home, part_of = home_of(trial)
    try:
        row = read_trial(trial, part_of)
        with history_of(home) as database:
            remember(database, [row] if row is not None else [])
    except Exception as error:  # noqa: BLE001 - whatever a database thinks of
        sys.stderr.write(f"seatrial: this trial is not in the history: {error}\n")


@contextlib.contextmanager
def whole_history(root: Path | None) -> Iterator[Database]:
    """The history, with the trials that nobody could put in: killed ones, and those of before there was one."""
    home = trials_root(root).parent
    with history_of(home) as database:
        rows = list(forgotten(database, places(home)))
        if rows:
            with contextlib.suppress(SeatrialError):
                remember(database, rows)
        yield database


def places(home: Path) -> list[tuple[Path, str]]:
    """Directories of trials, with what these are rounds of."""
    soaks = home / _SOAKS
    names = sorted(p.name for p in soaks.iterdir()) if soaks.is_dir() else []
    return [(home / "trials", ""), *((soaks / name / "trials", name) for name in names)]
