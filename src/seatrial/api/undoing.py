"""`seatrial undo`: what to undo, and what was done."""

from __future__ import annotations

import sys
from pathlib import Path

from ..keeper import UndoReport, undo, undo_all
from .directories import find_trial, trials_root


def undo_trials(trial: str | None, *, every: bool, force: bool, root: Path | None) -> int:
    """Undo one trial, or all that have a keeper's record; exit status 0 when nothing remains.

    Among all, those whose keeper lives are left alone and are no failure; raises SupervisorError for one that was named.
    """
    reports = undo_all(trials_root(root), force=force) if every else (undo(find_trial(trial, root), force=force),)
    left = False
    for report in reports:
        for line in _lines(report):
            sys.stdout.write(f"{report.directory.name}: {line}\n")
        left = left or not (report.clean or report.live)
    if not reports:
        sys.stdout.write(f"nothing to undo in {trials_root(root)}\n")
    return 1 if left else 0


def _lines(report: UndoReport) -> list[str]:
    if report.refused:
        return [f"nothing was done: {report.refused}"]
    who = (
        "its keeper ended it"
        if report.by_keeper
        else f"{len(report.ended)} processes ended, {len(report.removed)} directories removed"
    )
    return [
        who,
        *report.ended,
        *(f"undone: {name}" for name in report.undone),
        *(f"still there: {line}" for line in report.residue.lines),
    ]
