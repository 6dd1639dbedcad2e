"""What many rounds say together, and that it stays small."""

from __future__ import annotations

import json

from hypothesis import given
from hypothesis import strategies as st

from seatrial.core.results import Finding, decide
from seatrial.core.soaks import Soak, soak_of
from seatrial.core.verdicts import Outcome, Severity, Verdict

S = 1_000_000_000


def finding(name: str, verdict: Verdict, severity: Severity = Severity.BLOCKING, low: float = 1.0) -> Finding:
    return Finding(
        id=name, scenario="s", claim="c", verdict=verdict, severity=severity, reason=f"{verdict}",
        interval=(low, low + 1), dimension="duration",
    )  # fmt: skip


ROUNDS = st.lists(
    st.lists(
        st.builds(finding, st.sampled_from("abc"), st.sampled_from(Verdict), st.sampled_from(Severity)),
        min_size=1,
        max_size=4,
    ),
    min_size=1,
    max_size=30,
)


def soak(seconds: int = 60) -> Soak:
    return Soak(name="n", spec="s", for_ns=seconds * S, began="now")


@given(ROUNDS)
def test_it_is_as_good_as_its_worst_round_and_as_long_as_it_was_watched(rounds: list[list[Finding]]) -> None:
    found = soak(len(rounds))
    for each in rounds:
        assert found.left_ns
        assert found.outcome is not Outcome.GO  # not before all of its time was watched
        found.add(S, decide(each), each)
    outcomes = [decide(each) for each in rounds]
    assert found.outcome is max(outcomes, key=[Outcome.GO, Outcome.INCONCLUSIVE, Outcome.NO_GO].index)
    assert sum(found.outcomes.values()) == len(rounds) == found.rounds


def test_what_is_left_at_the_end_counts_too() -> None:
    found = soak(1)
    found.add(S, Outcome.GO, [finding("a", Verdict.PASS)])
    assert found.outcome is Outcome.GO
    found.end(finding("trial/nothing-remains", Verdict.FAIL))
    assert found.outcome is Outcome.NO_GO
    assert soak_of(json.loads(json.dumps(found.as_fields()))) == found


def test_it_stays_small_however_many_rounds_there_are() -> None:
    sizes = []
    for count in (100, 10_000):
        found = soak(count)
        for number in range(count):
            found.add(S, Outcome.NO_GO, [finding("a", Verdict.FAIL, low=float(number)), finding("b", Verdict.PASS)])
        text = json.dumps(found.as_fields())
        sizes.append(len(text))
        assert soak_of(json.loads(text)) == found
        assert found.findings["a"].range() == f"0s to {'100ns' if count == 100 else '10us'}"
    assert sizes[1] < sizes[0] + 100
