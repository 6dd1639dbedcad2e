from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from seatrial.core.verdicts import Outcome, Verdict, combine, from_truth, outcome

verdicts = st.lists(st.sampled_from(Verdict))


def test_nothing_is_inconclusive() -> None:
    assert combine([]) is Verdict.INCONCLUSIVE
    assert combine(iter(())) is Verdict.INCONCLUSIVE


@given(verdicts.filter(bool))
def test_fail_outweighs_inconclusive_outweighs_pass(found: list[Verdict]) -> None:
    expected = next(v for v in (Verdict.FAIL, Verdict.INCONCLUSIVE, Verdict.PASS) if v in found)
    assert combine(found) is expected


@given(verdicts.filter(bool), verdicts.filter(bool))
def test_combining_is_independent_of_grouping_and_order(one: list[Verdict], two: list[Verdict]) -> None:
    assert combine([combine(one), combine(two)]) is combine(one + two) is combine(two + one)


@given(verdicts.filter(bool))
def test_more_findings_never_make_it_better(found: list[Verdict]) -> None:
    for added in Verdict:
        assert combine([combine(found), added]) is combine([*found, added])
        if combine([*found, added]) is Verdict.PASS:
            assert combine(found) is Verdict.PASS


@pytest.mark.parametrize(
    ("truth", "verdict", "word", "status"),
    [
        (True, Verdict.PASS, "GO", 0),
        (False, Verdict.FAIL, "NO-GO", 1),
        (None, Verdict.INCONCLUSIVE, "INCONCLUSIVE", 2),
    ],
)
def test_truth_verdict_outcome_and_exit_status_go_together(
    truth: bool | None, verdict: Verdict, word: str, status: int
) -> None:
    assert from_truth(truth) is verdict
    assert outcome(verdict) == word
    assert Outcome(word).exit_status == status
