"""Anomalies put into a clean history are found; clean histories stay clean."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from seatrial.arrivals.records import FAIL, NOT_SENT, OK, RECORD, UNKNOWN
from seatrial.checkers.figures import figures
from seatrial.checkers.history import History
from seatrial.checkers.models import judge_counter, judge_set, keys_of, number_of
from seatrial.checkers.outages import after_fault, outages, totals
from seatrial.checkers.series import series
from seatrial.core.expressions import Missing
from seatrial.core.shares import bounds
from seatrial.core.workloads import FaultSpan, Window

MS = 1_000_000
S = 1_000 * MS
PREFIX = "t-sales-"


def clean(count: int = 1000, rate: float = 100.0, service_ms: float = 3.0) -> np.ndarray:
    """Operations at a constant rate, all acknowledged after the same time."""
    records = np.zeros(count, RECORD)
    due = (np.arange(count) * (1e9 / rate)).astype(np.int64) + S
    records["number"] = np.arange(count)
    records["intended"] = due
    records["sent"] = records["first_sent"] = due + 100_000
    records["done"] = records["sent"] + int(service_ms * MS)
    records["status"] = OK
    records["attempts"] = records["used"] = 1
    return records


def window(records: np.ndarray) -> Window:
    return Window(from_ns=0, to_ns=int(records["done"].max()) + 2 * S)


def history(records: np.ndarray, rate: float = 100.0) -> History:
    return History.of(records, window(records), rate, 5 * S)


def stopped(records: np.ndarray, begin_ns: int, end_ns: int) -> np.ndarray:
    """A server that is stopped for a time: what was under way or came then is answered after it."""
    records = records.copy()
    hit = (records["done"] > begin_ns) & (records["sent"] < end_ns)
    records["done"][hit] = end_ns + 2 * MS + np.arange(hit.sum()) * 100_000
    return records


def refused(records: np.ndarray, begin_ns: int, end_ns: int) -> np.ndarray:
    """A server that is gone for a time: what comes then is refused at once."""
    records = records.copy()
    hit = (records["sent"] >= begin_ns) & (records["sent"] < end_ns)
    records["status"][hit] = FAIL
    records["error"][hit] = 1
    return records


def test_a_clean_history_has_no_outage() -> None:
    assert outages(history(clean())) == []


@settings(max_examples=60)
@given(
    st.floats(2.0, 6.0),
    st.floats(0.05, 2.0),
    st.sampled_from([stopped, refused]),
    st.sampled_from([50.0, 100.0, 400.0]),
)
def test_the_truth_is_inside_the_interval(begin_s: float, length_s: float, how: object, rate: float) -> None:
    begin, end = int(begin_s * S), int((begin_s + length_s) * S)
    past = history(how(clean(int(rate * 10), rate), begin, end), rate)  # type: ignore[operator]
    seen = max(outages(past), key=lambda o: o.high_ns)
    assert seen.low_ns <= end - begin <= seen.high_ns
    assert (seen.high_ns - seen.low_ns) / 2 <= 1e9 / rate + 10 * MS


def fault(at_ns: int) -> FaultSpan:
    return FaultSpan(
        id="s/kill", scenario="s", began_ns=at_ns, witnessed_ns=at_ns + 5 * MS, healed_ns=None, lasting=False
    )


def test_recovery_is_told_from_the_fault_to_the_first_ok() -> None:
    past = history(refused(clean(), 4 * S, 6 * S))
    seen = after_fault(past, outages(past), fault(4 * S - 3 * MS))
    assert seen.recovery is not None
    assert seen.recovery.low <= 2 * S <= seen.recovery.high
    assert seen.stable is not None
    assert seen.stable.high < 2.1 * S


def test_a_fault_that_nobody_noticed_has_a_recovery_of_nothing_to_the_resolution() -> None:
    past = history(clean())
    seen = after_fault(past, outages(past), fault(5 * S))
    assert seen.recovery is not None
    assert seen.recovery.low == 0
    assert seen.recovery.high < 20 * MS


def test_what_never_came_back_is_at_least_as_long_as_was_looked_at() -> None:
    metrics, _ = figures(history(refused(clean(), 5 * S, 100 * S)), [fault(5 * S)])
    assert metrics["recovery"].high == float("inf")
    assert metrics["recovery"].low > 5 * S


def test_a_hiccup_long_after_is_none_of_the_faults_doing() -> None:
    past = history(stopped(clean(2000), 15 * S, 15 * S + 400 * MS))
    seen = after_fault(past, outages(past), fault(4 * S))
    assert seen.recovery is not None
    assert seen.recovery.high < 20 * MS
    assert seen.reason == "no client noticed it"


@pytest.mark.parametrize(
    ("how", "length_ns"),
    [(refused, 300 * MS), (stopped, 1500 * MS)],
    ids=["requests failed", "a stall of over a second"],
)
def test_what_a_fault_causes_late_counts(how: Callable[..., Any], length_ns: int) -> None:
    past = history(how(clean(2000), 15 * S, 15 * S + length_ns))
    seen = after_fault(past, outages(past), fault(4 * S))
    assert seen.recovery is not None
    assert seen.recovery.low > 11 * S


def test_hiccups_while_service_comes_back_belong_to_the_recovery() -> None:
    past = history(stopped(refused(clean(2000), 4 * S, 5 * S), 5 * S + 600 * MS, 5 * S + 900 * MS))
    seen = after_fault(past, outages(past), fault(4 * S - 3 * MS))
    assert seen.recovery is not None
    assert seen.until_ns >= 5 * S


def test_what_came_back_because_the_fault_was_undone_has_not_recovered() -> None:
    past = history(refused(clean(2000), 4 * S, 9 * S + 100 * MS))
    cut = replace(fault(4 * S - 3 * MS), healed_ns=9 * S, held_ns=60 * S)
    metrics, _ = figures(past, [cut])
    assert metrics["recovery"].high == float("inf")
    assert 4.9 * S < metrics["recovery"].low < 5.1 * S
    assert metrics["availability"]["outside_faults"].point == pytest.approx(1.0, abs=0.01)
    assert after_fault(past, outages(past), replace(cut, held_ns=4 * S)).recovery is not None


def test_without_operations_every_figure_is_missing() -> None:
    empty = History.of(np.zeros(0, RECORD), Window(from_ns=0, to_ns=S), 100, S)
    metrics, _ = figures(empty, [])
    assert isinstance(metrics["sent"], Missing)
    assert isinstance(metrics["availability"]["overall"], Missing)


def test_failures_in_a_fault_window_do_not_count_outside() -> None:
    metrics, _ = figures(history(refused(clean(4000), 4 * S, 6 * S)), [fault(4 * S - MS)])
    assert metrics["availability"]["outside_faults"].point == 1.0
    assert metrics["availability"]["overall"].point == pytest.approx(0.95)


def test_a_late_generator_makes_figures_missing_and_keeps_the_counts() -> None:
    records = clean()
    records["first_sent"] += 500 * MS
    metrics, _ = figures(history(records), [])
    assert isinstance(metrics["latency"]["p95"], Missing)
    assert metrics["ok"] == 1000


def test_what_was_not_sent_is_no_success() -> None:
    records = clean()
    records["status"][:10] = NOT_SENT
    metrics, _ = figures(history(records), [])
    assert metrics["not_sent"] == 10
    assert metrics["availability"]["overall"].point == pytest.approx(0.99)


@settings(max_examples=60)
@given(
    st.sets(st.integers(0, 199), max_size=20),
    st.sets(st.integers(0, 199), max_size=20),
    st.sets(st.integers(0, 199), max_size=20),
)
def test_lost_doubled_and_phantom_are_found_exactly(lost: set[int], doubled: set[int], unknown: set[int]) -> None:
    records = clean(200)
    records["status"][list(unknown)] = UNKNOWN
    keys = [f"{PREFIX}{n}" for n in range(200) if n not in lost]
    keys += [f"{PREFIX}{n}" for n in doubled - lost] + [f"{PREFIX}9999", f"{PREFIX}x", "somebody-else-1"]
    judged = judge_set(records, keys, PREFIX, 100 * S)
    assert set(judged.lost) == lost - unknown
    assert set(judged.doubled) == doubled - lost
    assert set(judged.phantom) == {f"{PREFIX}9999", f"{PREFIX}x"}
    assert set(judged.recovered) == unknown - lost


def test_what_was_acknowledged_after_the_reading_began_is_not_lost() -> None:
    records = clean(10)
    assert judge_set(records, [], PREFIX, int(records["done"][4])).lost == (0, 1, 2, 3)


@given(st.integers(0, 50), st.integers(-20, 20))
def test_a_counter_drifts_by_what_nothing_explains(unknown: int, more: int) -> None:
    records = clean(100)
    records["status"][:unknown] = UNKNOWN
    ok = 100 - unknown
    drift, _ = judge_counter(records, 1000, 1000 - ok - more, 1, 1000 * S)
    expected = 0 if 0 <= more <= unknown else -more if more < 0 else unknown - more
    assert drift.low == drift.high == expected
    added, _ = judge_counter(records, 1000, 1000 + ok + more, -1, 1000 * S)
    assert added.low == added.high == -expected


@pytest.mark.parametrize(("n", "shows"), [(2995, True), (2994, False)])
def test_so_many_clean_operations_show_three_nines(n: int, shows: bool) -> None:
    assert (bounds(n, n)[0] >= 0.999) is shows


@pytest.mark.parametrize(
    ("ok", "n", "low", "high"),
    [(50, 50, 0.9418, 1.0), (0, 50, 0.0, 0.0582), (8, 10, 0.4931, 0.9632), (95, 100, 0.8977, 0.9801)],
)
def test_bounds_agree_with_published_values(ok: int, n: int, low: float, high: float) -> None:
    assert bounds(ok, n) == (pytest.approx(low, abs=2e-4), pytest.approx(high, abs=2e-4))


@given(st.integers(1, 300).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))))
def test_the_share_lies_between_its_bounds(case: tuple[int, int]) -> None:
    ok, n = case
    low, high = bounds(ok, n)
    assert 0 <= low <= ok / n <= high <= 1


def test_gaps_stay_gaps_in_the_curves() -> None:
    records = refused(clean(), 4 * S, 6 * S)
    curves = series(records, 0, 13 * S)
    middle = curves["t"].index(5.0)
    assert curves["p50"][middle] is None
    assert curves["bad"][middle] == 100.0
    assert curves["offered"][0] is None


def test_totals_add_up_over_two_outages() -> None:
    past = history(refused(refused(clean(), 3 * S, 4 * S), 6 * S, 8 * S))
    longest, total = totals(past, outages(past))
    assert longest.low <= 2 * S <= longest.high
    assert total.low <= 3 * S <= total.high


@pytest.mark.parametrize("seconds", [0.5, 2.0, 3.0])
def test_what_is_usual_is_not_told_from_a_window_in_which_most_operations_waited(seconds: float) -> None:
    records = clean(2000)
    begin, end = 11 * S, 11 * S + int(seconds * S)
    records = stopped(records, begin, end)
    around = Window(from_ns=begin - 500 * MS, to_ns=end + 500 * MS)
    seen = max(outages(History.of(records, around, 100.0, 5 * S)), key=lambda o: o.high_ns)
    assert seen.low_ns <= end - begin <= seen.high_ns
    assert seen.high_ns - seen.low_ns < 40 * MS


def test_a_hiccup_of_the_client_elsewhere_does_not_widen_an_outage() -> None:
    records = stopped(clean(2000), 11 * S, 12 * S)
    late = records["intended"] == records["intended"][300]
    for name in ("sent", "first_sent", "done"):
        records[name][late] += 400 * MS
    seen = next(o for o in outages(history(records)) if o.low_ns > 900 * MS)
    assert seen.high_ns - seen.low_ns < 40 * MS


def test_a_hiccup_of_the_client_at_the_outage_widens_it() -> None:
    records = stopped(clean(2000), 11 * S, 12 * S)
    before = np.flatnonzero(records["done"] < 11 * S)[-1]
    records["intended"][before] -= 30 * MS
    seen = max(outages(history(records)), key=lambda o: o.high_ns)
    assert seen.high_ns - seen.low_ns > 45 * MS


@pytest.mark.parametrize(
    ("value", "keys"),
    [
        (["a", "b"], ["a", "b"]),
        ([["a"], ("b",)], ["a", "b"]),  # rows of one column
        ([], []),
        (["a", None, 7], ["a", None, 7]),
    ],
)
def test_keys_are_a_list_of_them_or_rows_of_one_column(value: object, keys: list[object]) -> None:
    assert keys_of(value) == keys


@pytest.mark.parametrize(
    "value", [None, "a", 7, [["a", 1]], [[]], [{"id": "a"}], {"a": 1}, [Missing("no such column")]]
)
def test_what_is_no_list_of_keys_is_not_held_against_anybody(value: object) -> None:
    assert isinstance(keys_of(value), Missing)


@pytest.mark.parametrize(
    ("value", "number"),
    [(5, 5.0), ("5", 5.0), ("-5", -5.0), ("1.5", 1.5), (1.5, 1.5), (True, None), ("", None), ("5 ", None), ("0x5", None), (None, None),
     ("1e5", None), ("nan", None), ([5], None)],
)  # fmt: skip
def test_a_number_may_be_text(value: object, number: float | None) -> None:
    assert number_of(value) == number


def test_a_workload_that_began_after_the_window_says_nothing_of_the_time_before() -> None:
    records = refused(clean(), S, S + 50 * MS)
    early = Window(from_ns=-10 * S, to_ns=int(records["done"].max()) + 2 * S)
    (found,) = outages(History.of(records, early, 100.0, 5 * S))
    assert found.high_ns < 100 * MS


def test_clients_that_look_for_a_server_may_have_found_it_late() -> None:
    records = stopped(clean(), 4 * S, 5 * S)
    at_once, later = (
        outages(History.of(records, window(records), 100.0, 5 * S, finding))[0] for finding in (0, 50 * MS)
    )
    assert at_once.high_ns == later.high_ns
    assert at_once.low_ns - later.low_ns == 50 * MS
