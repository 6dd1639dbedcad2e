"""The accounting: planned is always pass + fail + inconclusive, whatever happens."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from seatrial.core.events import FindingJudged, read_journal
from seatrial.core.expressions import compile_expression
from seatrial.core.fingerprints import UNCHANGED
from seatrial.core.plan import CheckPlan, Expectation, FaultStep, Plan, ProbeCall, ProbeStep, Requirement, ScenarioPlan
from seatrial.core.redaction import Redactor
from seatrial.core.results import Finding, PlannedFinding, decide
from seatrial.core.stack import StackPlan, Target
from seatrial.core.verdicts import Outcome, Severity, Verdict, combine
from seatrial.engine.journal import Journal
from seatrial.engine.ledger import RESIDUE, STEADY, Ledger, planned_findings

VERDICTS = st.sampled_from(list(Verdict))


@pytest.fixture
def journal(tmp_path: Path):
    with Journal(tmp_path, Redactor([])) as journal:
        yield journal


def finding(id_: str, verdict: Verdict, severity: Severity = Severity.BLOCKING) -> Finding:
    return Finding(id=id_, scenario=id_.split("/")[0], claim=id_, verdict=verdict, severity=severity)


def plan(**changes: object) -> Plan:
    probe = ProbeStep(
        id="look",
        title="look",
        check=CheckPlan(call=ProbeCall(verb="http", what="GET /"), expect=compile_expression("status == 200")),
    )
    fault = FaultStep(id="kill", title="kill a", fault="kill", at=Target(service="a"))
    scenario = ScenarioPlan(
        id="s",
        title="s",
        covers=("R-1",),
        deadline_ns=1,
        steps=(fault, probe),
        disrupting=True,
        expect=(Expectation(name="back", condition=compile_expression("sales.recovery < 30s"), covers=("R-2",)),),
    )
    stack = StackPlan(name="x", platform="local", services={}, directory=Path())
    given = {
        "requirements": {
            "R-1": Requirement(id="R-1", text="one"),
            "R-2": Requirement(id="R-2", text="two"),
            "R-3": Requirement(id="R-3", text="three", applies=("kubernetes",)),
            "R-4": Requirement(id="R-4", text="four", open_reason="later"),
        },
        "scenarios": (scenario,),
    }
    return Plan(name="x", file=Path("x.yaml"), stack=stack, digest="", files=(), **{**given, **changes})


def test_every_claim_is_planned_before_anything_runs() -> None:
    ids = [p.id for p in planned_findings(plan(), plan().scenarios)]
    assert ids == [STEADY, "s/kill", "s/look", "s/back", UNCHANGED, RESIDUE]


def test_what_covers_an_expectation_is_its_own_and_not_its_scenarios() -> None:
    covers = {p.id: p.covers for p in planned_findings(plan(), plan().scenarios)}
    assert covers["s/look"] == ("R-1",)
    assert covers["s/back"] == ("R-2",)


@given(st.dictionaries(st.sampled_from("abcdef"), VERDICTS))
def test_the_sums_add_up_after_any_run(judged: dict[str, Verdict]) -> None:
    import tempfile

    with tempfile.TemporaryDirectory() as name, Journal(Path(name), Redactor([])) as journal:
        ledger = Ledger([PlannedFinding(id=f"s/{i}", scenario="s", claim=i) for i in "abcdef"], journal)
        for id_, verdict in judged.items():
            ledger.judge(finding(f"s/{id_}", verdict))
        ledger.close()
        sums = ledger.accounting(plan())
        assert sums.planned == 6 == sums.passed + sums.failed + sums.inconclusive
        assert sums.not_exercised == 6 - len(judged)


def test_a_later_success_does_not_erase_an_earlier_failure(journal: Journal) -> None:
    ledger = Ledger([PlannedFinding(id="s/a", scenario="s", claim="a")], journal)
    ledger.judge(finding("s/a", Verdict.FAIL))
    ledger.judge(finding("s/a", Verdict.PASS))
    assert ledger.findings["s/a"].verdict is Verdict.FAIL


def test_a_finding_that_was_never_judged_makes_the_trial_inconclusive(journal: Journal) -> None:
    ledger = Ledger([PlannedFinding(id=f"s/{i}", scenario="s", claim=i) for i in "ab"], journal)
    ledger.judge(finding("s/a", Verdict.PASS))
    ledger.close("the power went")
    assert ledger.outcome() is Outcome.INCONCLUSIVE
    assert ledger.findings["s/b"].reason == "the power went"
    assert not ledger.findings["s/b"].exercised


def test_findings_reach_the_journal(journal: Journal, tmp_path: Path) -> None:
    Ledger([PlannedFinding(id="s/a", scenario="s", claim="a")], journal).judge(finding("s/a", Verdict.FAIL))
    events = [e.event for e in read_journal(tmp_path)]
    assert isinstance(events[0], FindingJudged)
    assert events[0].finding == finding("s/a", Verdict.FAIL)


@pytest.mark.parametrize("verdict", list(Verdict))
def test_a_scenario_that_promises_nothing_blocking_has_the_verdict_of_what_it_promises(
    journal: Journal, verdict: Verdict
) -> None:
    mild = Severity.WARNING
    planned = [
        PlannedFinding(id=f"s/{n}", scenario="s", claim=n, covers=(), severity=severity)
        for n, severity in (("a", mild), ("b", Severity.INFORMATIONAL), ("c", Severity.BLOCKING))
    ]
    ledger = Ledger(planned[:2], journal)
    ledger.judge(finding("s/a", verdict, mild))
    assert ledger.verdict("s") is combine([verdict, Verdict.INCONCLUSIVE])
    ledger.judge(finding("s/b", Verdict.PASS, Severity.INFORMATIONAL))
    assert ledger.verdict("s") is verdict
    blocking = Ledger(planned, journal)
    blocking.judge(finding("s/a", verdict, mild))
    blocking.judge(finding("s/c", Verdict.PASS))
    assert blocking.verdict("s") is Verdict.PASS


def test_the_summary_says_what_the_verdict_does_not_speak_for(journal: Journal) -> None:
    the_plan = plan()
    ledger = Ledger(planned_findings(the_plan, the_plan.scenarios), journal)
    for planned in ledger.planned.values():
        ledger.judge(
            Finding(id=planned.id, scenario=planned.scenario, claim="", verdict=Verdict.PASS, covers=planned.covers)
        )
    assert ledger.summary(the_plan) == "GO for 2 of 4 lines, 1 out of scope, 1 not covered"


@given(st.lists(VERDICTS))
def test_the_worst_verdict_decides_and_nothing_is_inconclusive(verdicts: list[Verdict]) -> None:
    worst = combine(verdicts)
    if Verdict.FAIL in verdicts:
        assert worst is Verdict.FAIL
    elif Verdict.INCONCLUSIVE in verdicts or not verdicts:
        assert worst is Verdict.INCONCLUSIVE
    else:
        assert worst is Verdict.PASS


@given(st.lists(VERDICTS), st.lists(VERDICTS))
def test_combining_is_associative(a: list[Verdict], b: list[Verdict]) -> None:
    if a and b:
        assert combine([combine(a), combine(b)]) is combine(a + b)


def test_only_blocking_findings_decide() -> None:
    findings = [finding("a", Verdict.PASS), finding("b", Verdict.FAIL, Severity.WARNING)]
    assert decide(findings) is Outcome.GO
    assert decide(findings[1:]) is Outcome.INCONCLUSIVE


@pytest.mark.parametrize(("outcome", "status"), [(Outcome.GO, 0), (Outcome.NO_GO, 1), (Outcome.INCONCLUSIVE, 2)])
def test_exit_status(outcome: Outcome, status: int) -> None:
    assert outcome.exit_status == status


def test_a_waived_finding_stays_red_and_does_not_decide(journal: Journal) -> None:
    planned = [PlannedFinding(id=f"s/{i}", scenario="s", claim=i, covers=("R-1",)) for i in "ab"]
    ledger = Ledger(
        planned, journal, waived={"s/a": "by Ada until 2027-01-31: later", "s/b": "by Ada until 2027-01-31: later"}
    )
    ledger.judge(finding("s/a", Verdict.FAIL))
    assert ledger.outcome() is Outcome.INCONCLUSIVE  # nothing is left that could be shown
    ledger.judge(finding("s/b", Verdict.PASS))
    assert ledger.outcome() is Outcome.GO
    assert ledger.findings["s/a"].verdict is Verdict.FAIL
    assert ledger.findings["s/a"].waived.startswith("by Ada")
    assert ledger.findings["s/b"].waived == ""  # what passes needs nobody
    sums = ledger.accounting(plan())
    assert (sums.planned, sums.passed, sums.failed, sums.inconclusive, sums.waived) == (2, 1, 1, 0, 1)
    assert "1 failed, 1 waived" in ledger.summary(plan(requirements={"R-1": Requirement(id="R-1", text="one")}))
    assert ledger.verdict("s") is Verdict.FAIL  # of the scenario: who needs it does without it
