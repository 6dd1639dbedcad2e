"""The verdict algebra: FAIL > INCONCLUSIVE > PASS, and nothing is INCONCLUSIVE."""

from __future__ import annotations

import enum
from collections.abc import Iterable


class Verdict(enum.StrEnum):
    """The verdict of one finding."""

    PASS = "PASS"  # noqa: S105 - a verdict, not a password
    FAIL = "FAIL"
    INCONCLUSIVE = "INCONCLUSIVE"


class Outcome(enum.StrEnum):
    """The verdict of a trial."""

    GO = "GO"
    NO_GO = "NO-GO"
    INCONCLUSIVE = "INCONCLUSIVE"

    @property
    def exit_status(self) -> int:
        """What the command exits with: 0, 1 or 2."""
        return {Outcome.GO: 0, Outcome.NO_GO: 1, Outcome.INCONCLUSIVE: 2}[self]


class Severity(enum.StrEnum):
    """How much a finding counts: only blocking ones decide the trial."""

    BLOCKING = "blocking"
    WARNING = "non-blocking"
    INFORMATIONAL = "informational"


_RANK = {Verdict.PASS: 0, Verdict.INCONCLUSIVE: 1, Verdict.FAIL: 2}


def combine(verdicts: Iterable[Verdict]) -> Verdict:
    """The worst of the verdicts; of none, INCONCLUSIVE: nothing was shown."""
    worst = max(verdicts, key=_RANK.__getitem__, default=None)
    return Verdict.INCONCLUSIVE if worst is None else worst


def from_truth(truth: bool | None) -> Verdict:
    """Three-valued logic as a verdict."""
    return Verdict.INCONCLUSIVE if truth is None else Verdict.PASS if truth else Verdict.FAIL


def outcome(verdict: Verdict) -> Outcome:
    """The trial's word for the worst blocking verdict."""
    return {Verdict.PASS: Outcome.GO, Verdict.FAIL: Outcome.NO_GO, Verdict.INCONCLUSIVE: Outcome.INCONCLUSIVE}[verdict]
