"""What a trial showed of its own checks: the matrix of checks and failures, and what proved each finding."""

from __future__ import annotations

from typing import Any

from ..core.proofs import deaf_to_all, unnoticed
from .model import TrialModel

_WORDS = {"proven": "PASS", "blind": "FAIL", "wrong reason": "FAIL", "not provable": "INCONCLUSIVE"}


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
            "outcome": p.outcome,
            "word": _WORDS.get(p.outcome, "INCONCLUSIVE"),
            "why": p.why,
            "cells": [by_place.get((p.finding, s)) for s in states],
        }
        for p in sorted(model.proofs.values(), key=lambda p: list(_WORDS).index(p.outcome), reverse=True)
    ]
    return {"states": states, "rows": rows, "unnoticed": unnoticed(states, heard), "silent": deaf_to_all(heard)}


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
