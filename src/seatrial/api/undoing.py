"""`seatrial undo`: what to undo, and what was done."""

from __future__ import annotations

import sys
from pathlib import Path

from ..keeper import UndoReport, undo
from .directories import find_trial, trials_root

KEEPER = "keeper.jsonl"


def undo_trials(trial: str | None, *, every: bool, force: bool, root: Path | None) -> int:
    """Undo one trial, or all that have a keeper's record; exit status 0 when nothing remains."""
    directories = (
        sorted(p.parent for p in trials_root(root).glob(f"*/{KEEPER}")) if every else [find_trial(trial, root)]
    )
    left = False
    for directory in directories:
        report: UndoReport = undo(directory, force=force)
        for line in _lines(report):
            sys.stdout.write(f"{directory.name}: {line}\n")
        left = left or not report.clean
    if not directories:
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
    left = [*report.residue.processes, *report.residue.ports, *report.residue.directories]
    return [who, *report.ended, *(f"still there: {line}" for line in left)]
