"""What a trial showed of its own checks: the matrix of checks and failures, and what proved each finding."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Protocol

from ..core.proofs import Heard, alike, deaf_to_all, unnoticed
from .model import TrialModel

if TYPE_CHECKING:
    from rich.table import Table

WORDS: Mapping[str, str] = {"proven": "PASS", "blind": "FAIL", "wrong reason": "FAIL", "not provable": "INCONCLUSIVE"}
GLYPHS: Mapping[str, str] = {
    Heard.RED: "■", Heard.GREEN: "·", Heard.UNSURE: "?", Heard.NOT_ASKED: " ", Heard.SKIPPED: "s", Heard.NO_END: "∞",
}  # fmt: skip
_LEGEND = "■ red, · green, ? unsure"
_OF_SUITES = f"{_LEGEND}, s skips itself, ∞ did not end"


class Reacted(Protocol):
    """What a check said in a state: core.proofs.Reaction, and the event of that name."""

    @property
    def finding(self) -> str: ...
    @property
    def state(self) -> str: ...
    @property
    def heard(self) -> str: ...
    @property
    def must(self) -> bool: ...


def detection(model: TrialModel) -> dict[str, Any] | None:
    """The matrix as the template wants it; None for a trial that proved nothing."""
    if not model.proofs:
        return None
    states = list(dict.fromkeys(r.state for r in model.reactions))
    heard = [(r.finding, r.state, r.heard) for r in model.reactions]
    by_place = {(r.finding, r.state): r for r in model.reactions}
    rows = [
        {
            "finding": p.finding,
            "judged": p.finding in model.findings,
            "outcome": p.outcome,
            "word": WORDS.get(p.outcome, "INCONCLUSIVE"),
            "why": p.why,
            "cells": [by_place.get((p.finding, s)) for s in states],
        }
        for p in sorted(model.proofs.values(), key=lambda p: list(WORDS).index(p.outcome), reverse=True)
    ]
    return {
        "suite": model.suite is not None,
        "legend": _OF_SUITES if model.suite is not None else _LEGEND,
        "glyphs": {str(h): g for h, g in GLYPHS.items()},
        "states": states,
        "rows": rows,
        "unnoticed": unnoticed(states, heard),
        "silent": deaf_to_all(heard),
    }


def matrix(
    states: Sequence[str],
    reactions: Sequence[Reacted],
    title: str = f"notices  ({_LEGEND}; bold where it must)",
    *,
    without: str = "",
) -> Table:
    """Check x state, for a terminal: which checks notice which failures. The states are numbered: see `numbered`.

    `without`: what all names begin with, and is not shown.
    """
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False, padding=(0, 1, 0, 0))
    table.add_column(title, overflow="fold")
    for number in range(1, len(states) + 1):
        table.add_column(str(number), justify="center", no_wrap=True)
    heard = {(r.finding, r.state): r for r in reactions}
    for finding in dict.fromkeys(r.finding for r in reactions):
        cells = []
        for state in states:
            reaction = heard.get((finding, state))
            if reaction is None:
                cells.append(Text(" "))
                continue
            bad = reaction.must and reaction.heard != Heard.RED
            style = ("bold " if reaction.must else "") + (
                "red" if bad else "green" if reaction.heard == Heard.RED else "dim"
            )
            cells.append(Text(GLYPHS.get(reaction.heard, "?"), style=style))
        table.add_row(Text(finding.removeprefix(without)), *cells)
    return table


def numbered(states: Sequence[str]) -> str:
    """1 stop web  2 pause web"""
    return "  ".join(f"{n} {s}" for n, s in enumerate(states, 1))


def remarks(states: Sequence[str], reactions: Sequence[Reacted]) -> list[str]:
    """What the matrix tells as a whole: failures that nothing notices, checks that notice nothing, checks that say the same."""
    heard = [(r.finding, r.state, r.heard) for r in reactions]
    lines = [f"nothing notices: {', '.join(u)}"] if (u := unnoticed(states, heard)) else []
    lines += [f"notice nothing: {', '.join(d)}"] if (d := deaf_to_all(heard)) else []
    return lines + [f"say the same here: {', '.join(names)}" for names in alike(heard)]


def proven_by(model: TrialModel, finding: str) -> str:
    """Of a finding's check, for people; empty where there is nothing to prove, or the journal does not say."""
    own = model.proofs.get(finding)
    if own is not None:
        return f"{own.outcome}: {', '.join(own.by) or own.why}"
    known = model.started.proven if model.started else {}
    if finding not in known:
        return ""
    return (
        f"proven by {', '.join(known[finding])}"
        if known[finding]
        else "not proven: seatrial prove shows whether it can fail"
    )
