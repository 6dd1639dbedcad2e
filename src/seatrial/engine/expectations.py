"""Judges named expectations (of a scenario, of the trial) over measured figures."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence

from ..core.plan import Expectation
from ..core.results import Evidence, Finding
from ..core.verdicts import from_truth
from .ledger import Ledger


def judge_expectation(
    ledger: Ledger,
    scenario: str,
    expectation: Expectation,
    figures: Mapping[str, object],
    began_ns: int,
    evidence: Sequence[Evidence] = (),
) -> Finding:
    """One finding: measured beside bound, with the interval where the measured value is one."""
    id_ = f"{scenario}/{expectation.name}"
    planned = ledger.planned[id_]
    judgement = expectation.condition.evaluate(figures)
    if ledger.figures is not None:
        ledger.figures[id_] = figures
    interval = judgement.interval
    now = time.monotonic_ns()
    return ledger.judge(
        Finding(
            id=id_,
            scenario=scenario,
            claim=expectation.condition.source,
            verdict=from_truth(judgement.truth),
            covers=planned.covers,
            severity=expectation.severity,
            measured=", ".join(f"{path} = {shown}" for path, shown in judgement.measured),
            bound=judgement.bound,
            reason=judgement.reason,
            interval=(interval.low, interval.high) if interval else None,
            dimension=interval.dimension.value if interval else "",
            began_ns=began_ns,
            ended_ns=now,
            evidence=tuple(evidence),
        )
    )
