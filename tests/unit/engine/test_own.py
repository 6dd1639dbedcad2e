"""What the tool of a load thought of its own run, as a finding."""

from __future__ import annotations

from pathlib import Path

import pytest

from seatrial.core.redaction import Redactor
from seatrial.core.results import PlannedFinding
from seatrial.core.verdicts import Severity, Verdict
from seatrial.core.workloads import OwnVerdict
from seatrial.engine.journal import Journal
from seatrial.engine.ledger import Ledger
from seatrial.engine.own import judge_own


@pytest.mark.parametrize(
    ("passed", "verdict", "reason"),
    [
        (True, Verdict.PASS, ""),
        (False, Verdict.FAIL, "p95 was crossed"),
        (None, Verdict.INCONCLUSIVE, "p95 was crossed"),
    ],
)
def test_it_is_a_finding_in_its_words(tmp_path: Path, passed: bool | None, verdict: Verdict, reason: str) -> None:
    planned = PlannedFinding(
        id="up/load", scenario="up", claim="no complaint", covers=("R-1",), severity=Severity.WARNING
    )
    with Journal(tmp_path, Redactor([])) as journal:
        ledger = Ledger([planned], journal)
        own = OwnVerdict(passed=passed, words="p95 was crossed", files=("samples/a.html",))
        found = judge_own(ledger, "up/load", own, 7)
    assert ledger.findings["up/load"] is found
    assert (found.verdict, found.reason, found.measured) == (verdict, reason, "p95 was crossed")
    assert (found.covers, found.severity, found.exercised, found.began_ns) == (("R-1",), Severity.WARNING, True, 7)
    assert found.evidence[0].data == {"files": ["samples/a.html"]}
