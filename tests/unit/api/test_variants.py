"""A variant's run, held against what it declares."""

from __future__ import annotations

from pathlib import Path

from seatrial.api.variants import AS_DECLARED, BLIND, NOT_EXERCISED, OTHERWISE, judge_variant
from seatrial.core.plan import RedEvidence, Variant
from seatrial.core.results import Finding
from seatrial.core.verdicts import Severity, Verdict

VARIANT = Variant(name="v", title="", why="", file=Path("v.yaml"), red={"index/count": RedEvidence(evidence="rows")})
WITHOUT = {"search": "OpenSearch comes in no wheel"}
WELL = Finding(id="web/get", scenario="web", claim="", verdict=Verdict.PASS)
MISSED = Finding(
    id="index/count",
    scenario="index",
    claim="",
    verdict=Verdict.INCONCLUSIVE,
    severity=Severity.INFORMATIONAL,
    exercised=False,
)


def word(*findings: Finding, without: dict[str, str] | None = None) -> str:
    return judge_variant(VARIANT, {f.id: f for f in findings}, without)[0]


def test_what_needs_a_service_that_is_not_here_was_not_exercised() -> None:
    found, notes = judge_variant(VARIANT, {f.id: f for f in (WELL, MISSED)}, WITHOUT)
    assert (found, notes) == (NOT_EXERCISED, ("search is not here: OpenSearch comes in no wheel",))


def test_that_is_no_excuse_for_anything_else() -> None:
    unseen = Finding(id="web/get", scenario="web", claim="", verdict=Verdict.INCONCLUSIVE)
    green = Finding(id="index/count", scenario="index", claim="", verdict=Verdict.PASS)
    broken = Finding(id="web/get", scenario="web", claim="", verdict=Verdict.FAIL)
    assert word(WELL, MISSED) == BLIND  # nothing was missing
    assert word(unseen, MISSED, without=WITHOUT) == BLIND  # and something that decides was not shown
    assert word(WELL, green, without=WITHOUT) == BLIND  # it was looked at
    assert word(broken, MISSED, without=WITHOUT) == OTHERWISE
    red = Finding(id="index/count", scenario="index", claim="", verdict=Verdict.FAIL, reason="5 rows")
    assert word(WELL, red, without={"other": "gone"}) == AS_DECLARED
