"""Judges what the tool of a load thought of its own run: it counts beside our thresholds."""

from __future__ import annotations

import time

from ..core.results import Evidence, Finding
from ..core.verdicts import Verdict
from ..core.workloads import OwnVerdict
from .ledger import Ledger


def judge_own(ledger: Ledger, id_: str, own: OwnVerdict, began_ns: int) -> Finding:
    """One finding, in the tool's words; without a verdict of its it is INCONCLUSIVE."""
    planned, now = ledger.planned[id_], time.monotonic_ns()
    verdict = Verdict.INCONCLUSIVE if own.passed is None else Verdict.PASS if own.passed else Verdict.FAIL
    return ledger.judge(
        Finding(
            id=id_,
            scenario=planned.scenario,
            claim=planned.claim,
            verdict=verdict,
            covers=planned.covers,
            severity=planned.severity,
            measured=own.words,
            bound="nothing wrong",
            reason="" if own.passed else own.words,
            began_ns=began_ns,
            ended_ns=now,
            evidence=(Evidence(kind="file", summary=own.words, at_ns=now, data={"files": list(own.files)}),),
        )
    )
