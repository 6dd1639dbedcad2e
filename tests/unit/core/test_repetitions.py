"""What repetitions claim is what they can show: rates of error by exact sums and by simulation, bounds that hold whenever one looks."""

from __future__ import annotations

import random
from collections.abc import Iterator

import pytest

from seatrial.core.repetitions import ALPHA, BAD, BETA, GOOD, OPEN, Question, Repetition, always_valid, down, spread, up
from seatrial.core.results import Finding
from seatrial.core.shares import bounds
from seatrial.core.soaks import soak_of
from seatrial.core.verdicts import Outcome, Verdict

QUESTIONS = [
    Question.of(50),
    Question.of(10),
    Question.of(200),
    Question.of(300, 0.9),
    Question.of(150, 0.95),
    Question.of(60, 0.9),
]


def ends(question: Question, rate: float) -> Iterator[tuple[int, int, str, float]]:
    """Every way a repetition can end: passed, others, the answer, and its chance where each round passes with this rate. Exact."""
    states = {(0, 0): 1.0}
    for _ in range(question.times):
        following: dict[tuple[int, int], float] = {}
        for (passed, others), chance in states.items():
            for state, share in (((passed + 1, others), rate), ((passed, others + 1), 1 - rate)):
                answer = question.answer(*state)
                if answer != OPEN or sum(state) == question.times:
                    yield *state, answer, chance * share
                else:
                    following[state] = following.get(state, 0.0) + chance * share
        states = following


@pytest.mark.parametrize("question", QUESTIONS, ids=str)
def test_errors_are_as_rare_as_stated(question: Question) -> None:
    """Exactly: at the rate that is too low it is called good with a chance of alpha at most, and at the good one bad with beta at most."""
    wrong = sum(chance for *_, answer, chance in ends(question, question.bad) if answer == GOOD)
    assert wrong <= ALPHA + 1e-9
    wrong = sum(chance for *_, answer, chance in ends(question, question.good) if answer == BAD)
    assert wrong <= BETA + 1e-9
    assert sum(chance for *_, chance in ends(question, 0.9)) == pytest.approx(1)


def test_errors_by_simulation() -> None:
    """The same with dice, and no sum that might share a mistake with the test."""
    chance, question, runs = random.Random(6), Question.of(300, 0.9), 4000

    def ended(rate: float) -> str:
        passed = others = 0
        while not (answer := question.answer(passed, others)) and passed + others < question.times:
            good = chance.random() < rate
            passed, others = passed + good, others + (not good)
        return answer

    assert sum(ended(question.bad) == GOOD for _ in range(runs)) / runs <= ALPHA + 0.01
    assert sum(ended(question.good) == BAD for _ in range(runs)) / runs <= BETA + 0.01
    assert sum(ended(question.good) == GOOD for _ in range(runs)) / runs >= 0.9  # and it does find what is good


def test_fifty_of_fifty_shows_94_percent_and_not_more() -> None:
    question = Question.of(50)
    assert question.bad == pytest.approx(0.9418, abs=1e-4)
    assert [question.answer(n, 0) for n in (1, 49, 50)] == [OPEN, OPEN, GOOD]
    assert question.answer(49, 1) == OPEN  # neither is shown
    assert question.answer(8, 2) == BAD


def test_a_claim_is_decided_as_soon_as_it_can_be() -> None:
    question = Question.of(1000, 0.9)
    assert question.soonest == 32
    assert [question.answer(n, 0) for n in (31, 32)] == [OPEN, GOOD]
    assert question.answer(100, 1) == GOOD
    assert question.answer(3, 3) == BAD


@pytest.mark.parametrize("rate", [0.5, 0.9, 0.97, 0.995])
def test_bounds_hold_at_every_moment(rate: float) -> None:
    """Of 600 runs of 100 rounds those in which the bounds were ever wrong, at any of the moments, are 5 % at most."""
    chance, runs, wrong = random.Random(int(rate * 1000)), 600, 0
    known: dict[tuple[int, int], tuple[float, float]] = {}
    for _ in range(runs):
        passed = 0
        for whole in range(1, 101):
            passed += chance.random() < rate
            key = (passed, whole)
            if key not in known:
                known[key] = always_valid(*key)
            low, high = known[key]
            if not low <= rate <= high:
                wrong += 1
                break
    assert wrong / runs <= ALPHA + 0.01


def test_a_bound_that_is_always_valid_says_less() -> None:
    for passed, whole in ((50, 50), (45, 50), (0, 7), (1, 2)):
        low, high = always_valid(passed, whole)
        exact = bounds(passed, whole)
        assert low <= exact[0] <= exact[1] <= high
        assert low <= passed / whole <= high
    assert always_valid(0, 0) == (0, 1)


@pytest.mark.parametrize(("times", "at_least"), [(0, None), (10_001, None), (50, 0.0), (50, 1.0)])
def test_questions_that_are_none(times: int, at_least: float | None) -> None:
    with pytest.raises(ValueError, match=r"rounds|rate"):
        Question.of(times, at_least)


def repeated(verdicts: str, times: int = 0, at_least: float | None = None) -> Repetition:
    """p passes, f fails, i is inconclusive: a round each."""
    repetition = Repetition(name="r", spec="s", for_ns=0, began="", times=times or len(verdicts), at_least=at_least)
    words = {
        "p": (Verdict.PASS, Outcome.GO),
        "f": (Verdict.FAIL, Outcome.NO_GO),
        "i": (Verdict.INCONCLUSIVE, Outcome.INCONCLUSIVE),
    }
    for number, letter in enumerate(verdicts, 1):
        verdict, outcome = words[letter]
        finding = Finding(id="s/back", scenario="s", claim="c", verdict=verdict, reason=f"reason {number}")
        repetition.add(10**9, outcome, [finding, Finding(id="s/ok", scenario="s", claim="c", verdict=Verdict.PASS)])
        repetition.time([("s", number * 10**9)])
    return repetition


def test_all_of_them() -> None:
    found = repeated("p" * 50)
    assert (found.outcome, found.over) == (Outcome.GO, True)
    assert found.summary() == "GO: more than 94.1 % of all rounds pass; GO in 50 of 50: at least 94.1 % (at 95 %)"
    assert found.flaky() == {}


def test_what_is_flaky_and_on_which_evidence() -> None:
    found = repeated("pppfppf", times=50)
    assert (found.outcome, found.over, found.whole) == (Outcome.NO_GO, True, False)
    assert list(found.flaky()) == ["s/back"]
    assert found.flaky()["s/back"].reasons == ["round 4: reason 4", "round 7: reason 7"]
    assert "ended after 7 of 50 rounds" in found.summary()


def test_one_that_does_not_pass_leaves_it_open() -> None:
    found = repeated("p" * 30 + "f" + "p" * 19)
    assert (found.outcome, found.over) == (Outcome.INCONCLUSIVE, True)
    assert "is open; GO in 49 of 50: 90.8 % to 99.90 %" in found.summary()


def test_rounds_that_say_nothing_are_no_failures_and_no_passes() -> None:
    assert repeated("pipi", times=50).outcome is Outcome.INCONCLUSIVE
    assert repeated("pi" * 10, times=50).answer == BAD


def test_the_end_of_a_shared_stack_counts() -> None:
    found = repeated("p" * 50)
    found.end(Finding(id="trial/nothing-remains", scenario="trial", claim="", verdict=Verdict.FAIL))
    assert found.outcome is Outcome.NO_GO


def test_it_is_kept_and_gone_on_with() -> None:
    found = repeated("ppf", times=50)
    assert soak_of(found.as_fields(), Repetition) == found
    assert not found.over


def test_lengths_have_their_spread() -> None:
    assert spread([10**9]) == "1s"
    assert repeated("ppppp").lengths() == {"s": "3s, half of them 2s to 4s, all 1s to 5s"}


def test_shares_are_never_said_to_be_more_than_they_are() -> None:
    for share in (0.0, 0.05, 0.368403, 0.94184, 0.9983, 0.99991, 1.0):
        assert float(down(share).split()[0]) / 100 <= share + 1e-9
        assert float(up(share).split()[0]) / 100 >= share - 1e-9
        assert abs(float(up(share).split()[0]) / 100 - share) < max(1e-3, (1 - share))
