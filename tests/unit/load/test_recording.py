"""What a recorder writes adds up to what it was told."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from seatrial.arrivals import samples
from seatrial.arrivals.histogram import Histogram, percentiles
from seatrial.arrivals.samples import SLOT_NS, WHOLE, Rows, read
from seatrial.load.recording import Recorder

MS = 1_000_000
START = 7 * 10**12
FILES = settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=50)


def rows(recorder: Recorder, kind: int, *, whole: bool = False) -> Rows:
    _, found = read(recorder.path)
    chosen: Rows = found[(found["kind"] == kind) & ((found["slot"] == WHOLE) == whole)]
    return chosen


def answer(recorder: Recorder, due: int, sent: int, done: int, tag: int = 0) -> None:
    """Times in ns since the start."""
    recorder.due_at.append(START + due)
    recorder.sent_at.append(START + sent)
    recorder.done_at.append(START + done)
    if recorder.tagged:
        recorder.tags.append(tag)


MOMENTS = st.lists(
    st.tuples(st.integers(0, 3000 * MS), st.integers(0, 50 * MS), st.integers(0, 900 * MS), st.integers(0, 3)),
    min_size=1,
    max_size=60,
)


@FILES
@given(MOMENTS, st.booleans())
def test_every_answer_is_in_its_slot_tag_and_bucket(
    tmp_path: Path, moments: list[tuple[int, ...]], tagged: bool
) -> None:
    recorder = Recorder(tmp_path / "x.load", START, tagged=tagged)
    moments = sorted(moments, key=lambda m: m[0] + m[1] + m[2])
    for at, (due, wait, took, tag) in enumerate(moments):
        answer(recorder, due, due + wait, due + wait + took, tag if tagged else 0)
        if at % 7 == 0:
            recorder.fold(START + due + wait + took, 0)
    recorder.close(START + 5000 * MS)
    for tag in range(4 if tagged else 1):
        mine = [m for m in moments if not tagged or m[3] == tag]
        response = rows(recorder, samples.RESPONSE)
        response = response[response["tag"] == tag]
        expected = np.bincount([m[0] // SLOT_NS for m in mine], minlength=31)
        assert np.bincount(response["slot"], weights=response["count"], minlength=31).tolist() == expected.tolist()
        for kind, times in ((samples.RESPONSE, [m[1] + m[2] for m in mine]), (samples.SERVICE, [m[2] for m in mine])):
            exact = Histogram()
            exact.add(np.array(times, np.int64))
            whole = rows(recorder, kind, whole=True)
            whole = whole[whole["tag"] == tag]
            assert whole["bucket"].tolist() == exact.sparse()[0].tolist()
            assert whole["count"].tolist() == exact.sparse()[1].tolist()
    ok = rows(recorder, samples.OK)
    done = np.bincount([sum(m[:3]) // SLOT_NS for m in moments], minlength=41)
    assert np.bincount(ok["slot"], weights=ok["count"], minlength=41).tolist() == done.tolist()


def test_users_who_send_at_once_need_not_say_when_it_was_due(tmp_path: Path) -> None:
    recorder = Recorder(tmp_path / "x.load", START)
    recorder.prompt = True
    recorder.sent_at.append(START)
    recorder.done_at.append(START + 5 * MS)
    recorder.close(START + 10 * MS)
    for kind in (samples.RESPONSE, samples.SERVICE):
        whole = rows(recorder, kind, whole=True)
        assert percentiles(whole["bucket"].astype(np.int64), whole["count"], [50])[0] == pytest.approx(5 * MS, rel=1e-3)


def test_errors_count_where_they_were_due(tmp_path: Path) -> None:
    recorder = Recorder(tmp_path / "x.load", START)
    for due, code, tag in ((0, 1, 0), (50 * MS, 1, 0), (150 * MS, 1, 0), (150 * MS, 3, 2)):
        recorder.error(code, START + due, tag)
    recorder.close(START + SLOT_NS)
    found = [(r["slot"], r["bucket"], r["count"], r["tag"]) for r in rows(recorder, samples.FAILED)]
    assert sorted(found) == [(0, 1, 2, 0), (1, 1, 1, 0), (1, 3, 1, 2)]
    assert recorder.failed == 4


def test_arrivals_count_where_they_were_due_and_their_lag_with_them(tmp_path: Path) -> None:
    recorder = Recorder(tmp_path / "x.load", START, warm_up_ns=SLOT_NS)
    recorder.lags.extend([1 * MS, 2 * MS, 250 * MS, 4])
    recorder.expected(START + np.array([0, 99 * MS, 100 * MS]))
    recorder.expected(START + np.array([110 * MS]))
    recorder.expected(np.empty(0, np.int64))
    recorder.close(START + 2 * SLOT_NS)
    assert [(r["slot"], r["count"]) for r in rows(recorder, samples.DUE)] == [(0, 2), (1, 1), (1, 1)]
    assert [(r["slot"], r["count"]) for r in rows(recorder, samples.LAG_MAX)] == [(0, 2 * MS), (1, 250 * MS), (1, 4)]
    assert [(r["slot"], r["count"]) for r in rows(recorder, samples.LATE)] == [(1, 1)]
    assert rows(recorder, samples.LAG, whole=True)["count"].sum() == 2  # the first two while it warmed up
    assert (recorder.due, recorder.lag_max, recorder.lags) == (4, 250 * MS, [])


def test_what_a_script_asks_further_is_due_too(tmp_path: Path) -> None:
    recorder = Recorder(tmp_path / "x.load", START)
    recorder.further.extend([START, START + 1, START + SLOT_NS])
    recorder.close(START + SLOT_NS)
    assert [(r["slot"], r["count"]) for r in rows(recorder, samples.DUE)] == [(0, 2), (1, 1)]
    assert recorder.due == 3


def silences(recorder: Recorder) -> list[tuple[int, int]]:
    begins, ends = rows(recorder, samples.GAP_FROM), rows(recorder, samples.GAP_TO)
    assert begins["bucket"].tolist() == ends["bucket"].tolist() == list(range(1, len(begins) + 1))
    return list(zip(begins["count"].tolist(), ends["count"].tolist(), strict=True))


def test_a_silence_lasts_from_one_answer_to_the_next_also_across_folds(tmp_path: Path) -> None:
    recorder = Recorder(tmp_path / "x.load", START, pace_ns=MS)
    for done in (1, 2, 3, 50, 51):
        answer(recorder, done * MS, done * MS, done * MS)
    recorder.fold(START + 60 * MS, 0)
    recorder.fold(START + 160 * MS, 0)
    answer(recorder, 70 * MS, 70 * MS, 170 * MS)
    recorder.close(START + 300 * MS)
    assert silences(recorder) == [(3 * MS, 50 * MS), (51 * MS, 170 * MS)]


def test_a_silence_that_never_ends_is_one_when_something_failed_in_it(tmp_path: Path) -> None:
    recorder = Recorder(tmp_path / "x.load", START, pace_ns=MS)
    answer(recorder, MS, MS, MS)
    recorder.fold(START + 2 * MS, 0)
    recorder.error(1, START + 2 * MS)
    recorder.close(START + 500 * MS)
    assert silences(recorder) == [(MS, 500 * MS)]


def test_an_end_without_failures_is_no_silence(tmp_path: Path) -> None:
    recorder = Recorder(tmp_path / "x.load", START, pace_ns=MS)
    recorder.error(1, START)
    answer(recorder, MS, MS, MS)
    recorder.close(START + 500 * MS)
    assert silences(recorder) == []


def test_what_is_in_flight_is_said_once_a_slot(tmp_path: Path) -> None:
    recorder = Recorder(tmp_path / "x.load", START)
    for now in (10, 20, 110, 120, 330):
        recorder.fold(START + now * MS, now)
    recorder.close(START + 340 * MS)
    assert [(r["slot"], r["count"]) for r in rows(recorder, samples.IN_FLIGHT)] == [(0, 10), (1, 110), (3, 330)]


def test_answers_that_are_told_out_of_order_are_no_silence(tmp_path: Path) -> None:
    recorder = Recorder(tmp_path / "x.load", START)
    for done in (5 * MS, 12 * MS, MS, 13 * MS):
        answer(recorder, 0, 0, done)
    recorder.close(START + 14 * MS)
    assert len(rows(recorder, samples.GAP_FROM)) == 0
