"""What clients saw of a fault, told from samples."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from seatrial.core.events import CellSwept, decode, encode
from seatrial.core.sweeps import LEAST, Impact, Moments, Sample, Seen, Swept, classify, hit_most, worst

MS = 1_000_000
PACE = 50 * MS
# Three seconds of steady state, a fault for five, and four more.
AT = Moments(from_ns=0, began_ns=3000 * MS, witnessed_ns=3010 * MS, healed_ns=8000 * MS, ended_ns=12000 * MS)
USUAL = 200 << 32 | 7


def client(
    *,
    bad: tuple[int, int] | None = None,
    slow: tuple[int, int, int] | None = None,
    other: tuple[int, int] | None = None,
) -> list[Sample]:
    """Twenty a second, each answered in 5 ms; what is due between two moments (ms) fails, takes longer, or is answered otherwise."""
    found = []
    for due in range(0, 12000, 50):
        failed = bad is not None and bad[0] <= due < bad[1]
        took = slow[2] if slow is not None and slow[0] <= due < slow[1] else 5
        answer = USUAL + 1 if other is not None and other[0] <= due < other[1] else USUAL
        found.append(Sample(due * MS, (due + took) * MS, not failed, 503 << 32 if failed else answer))
    return found


def impact(samples: list[Sample]) -> Impact:
    return classify(samples, AT, PACE).impact


def test_nothing_happened() -> None:
    seen = classify(client(), AT, PACE)
    assert (seen.impact, seen.failed, seen.before, seen.during) == (Impact.UNAFFECTED, 0, 60, 100)
    assert seen.compared == "status and body"


def test_some_failed_and_for_how_long() -> None:
    seen = classify(client(bad=(3000, 3500)), AT, PACE)
    assert seen.impact is Impact.ERRORS
    assert seen.errors_ns is not None
    low, high = seen.errors_ns
    assert low == 450 * MS  # from the first that failed to the last
    assert 550 * MS <= high <= 560 * MS  # from the answer before to the one after
    assert seen.failed == 10


def test_nothing_until_it_was_healed() -> None:
    seen = classify(client(bad=(3000, 8050)), AT, PACE)
    assert seen.impact is Impact.DOWN
    assert "served 55ms after" in seen.words


def test_what_was_started_again_by_itself_was_not_down_until_it_was_healed() -> None:
    seen = classify(client(bad=(3000, 9000)), replace(AT, mending=False), PACE)
    assert seen.impact is Impact.ERRORS
    assert seen.errors_ns is not None
    assert seen.errors_ns[0] == 5950 * MS


def test_what_was_held_back_while_it_was_paused_is_no_answer() -> None:
    held = [s._replace(done_ns=8001 * MS) if 6000 * MS <= s.due_ns < 8000 * MS else s for s in client(bad=(3000, 6000))]
    assert impact(held) is Impact.DOWN


def test_where_some_are_answered_late_to_the_end_it_was_not_down() -> None:
    crowded = [
        s._replace(ok=s.due_ns % (500 * MS) == 0, done_ns=s.due_ns + 1900 * MS)
        if 3000 * MS <= s.due_ns < 8000 * MS
        else s
        for s in client()
    ]
    assert impact(crowded) is Impact.ERRORS


def test_still_down_when_nobody_looked_any_more() -> None:
    assert impact(client(bad=(3000, 12000))) is Impact.STILL_DOWN
    half = [s._replace(ok=s.due_ns // PACE % 2 == 0) if s.due_ns >= 3000 * MS else s for s in client()]
    seen = classify(half, AT, PACE)
    assert seen.impact is Impact.STILL_DOWN
    assert seen.words.startswith(("48%", "50%", "52%"))


def test_slower_by_the_middle_or_by_the_tail() -> None:
    assert impact(client(slow=(3000, 8000, 50))) is Impact.SLOWER
    assert impact(client(slow=(3000, 3600, 900))) is Impact.SLOWER  # 12 of 100
    assert impact(client(slow=(3000, 8000, 9))) is Impact.UNAFFECTED  # nearly twice, and 4 ms: no matter of a fault
    assert "10.0x" in classify(client(slow=(3000, 8000, 50)), AT, PACE).words


def test_another_answer_is_worse_than_none() -> None:
    seen = classify(client(other=(3500, 4000)), AT, PACE)
    assert (seen.impact, seen.differing) == (Impact.WRONG, 10)
    assert impact([*client(other=(3500, 4000), bad=(4000, 5000))]) is Impact.WRONG
    assert "still when it was over" in classify(client(other=(3500, 12000)), AT, PACE).words


def test_answers_that_differ_anyway_are_compared_by_status_alone() -> None:
    counting = [s._replace(answer=USUAL + n) for n, s in enumerate(client())]
    seen = classify(counting, AT, PACE)
    assert seen.impact is Impact.UNAFFECTED
    assert "bodies differ" in seen.compared


def test_nothing_is_said_without_answers() -> None:
    assert impact([]) is Impact.NOT_EXERCISED
    assert impact([s for s in client() if s.due_ns >= 3000 * MS]) is Impact.NOT_EXERCISED  # none before
    assert impact([s for s in client() if not 3000 * MS <= s.due_ns < 8000 * MS]) is Impact.NOT_EXERCISED
    assert impact([s for s in client() if s.due_ns < 8000 * MS]) is Impact.NOT_EXERCISED  # none after
    few = [s for s in client() if s.due_ns < 3000 * MS or s.due_ns % (1000 * MS) == 0]
    seen = classify(few, AT, PACE)
    assert seen.impact is Impact.NOT_EXERCISED
    assert "5 answers" in seen.words
    assert impact(client(bad=(2000, 2100))) is Impact.NOT_EXERCISED  # it was not steady before


MOMENT = st.integers(min_value=0, max_value=12_500)
SAMPLE = st.builds(
    lambda due, took, done, ok, answer: Sample(due * MS, (due + took) * MS if done or ok else 0, ok, answer),
    MOMENT,
    st.integers(min_value=0, max_value=3000),
    st.booleans(),
    st.booleans(),
    st.integers(min_value=0, max_value=5),
)


@given(st.lists(SAMPLE, max_size=80), st.booleans())
def test_any_samples_are_exactly_one_thing(samples: list[Sample], steady: bool) -> None:
    if steady:
        samples = [s for s in samples if s.due_ns >= 3000 * MS] + [s for s in client() if s.due_ns < 2900 * MS]
    seen = classify(samples, AT, PACE)
    assert seen.impact in Impact
    assert seen.words
    under = [s for s in samples if s.ok and s.due_ns < AT.healed_ns and not s.done_ns <= AT.began_ns]
    after = [s for s in samples if AT.healed_ns <= s.due_ns < AT.ended_ns]
    if seen.impact is Impact.UNAFFECTED:
        assert seen.failed == 0
        assert len(under) >= LEAST
        assert after
        assert all(s.ok for s in after)
    if seen.impact in (Impact.ERRORS, Impact.DOWN, Impact.STILL_DOWN):
        assert seen.failed > 0
        assert seen.errors_ns is not None
        assert 0 <= seen.errors_ns[0] <= seen.errors_ns[1]


@pytest.mark.parametrize(
    ("impacts", "most"),
    [
        ((Impact.UNAFFECTED, Impact.ERRORS), Impact.ERRORS),
        ((Impact.NOT_EXERCISED, Impact.ERRORS), Impact.ERRORS),
        ((Impact.NOT_EXERCISED, Impact.UNAFFECTED), Impact.NOT_EXERCISED),  # what the blind one saw is not known
        ((Impact.WRONG, Impact.DOWN), Impact.WRONG),
    ],
)
def test_the_client_that_was_hit_most_speaks_for_all(impacts: tuple[Impact, ...], most: Impact) -> None:
    seen = {f"c{n}": Seen(impact=i, words="x") for n, i in enumerate(impacts)}
    found = worst(seen)
    assert found is not None
    assert found.impact is most
    assert hit_most({}) is None


def test_a_swept_cell_survives_the_journal() -> None:
    seen = classify(client(bad=(3000, 3500)), AT, PACE)
    swept = Swept(
        service="db", fault="kill", target="db#1", impact=seen.impact, words=seen.words, seen={"at-web": seen}
    )
    entry = decode(json.dumps(encode(1, 2, CellSwept(swept=swept))))
    assert entry is not None
    assert entry.event == CellSwept(swept=swept)
