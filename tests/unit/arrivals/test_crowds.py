"""How many users there are, over time; and a spike of arrivals."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from seatrial.arrivals.crowds import changes, share
from seatrial.arrivals.schedules import highest_rate, of, spike
from seatrial.load.worker import Worker

S = 1_000_000_000
USERS = st.integers(0, 300)
SPANS = st.integers(1, 60 * S)
RATES = st.one_of(st.just(0.0), st.floats(0.1, 3000))
SPIKES = st.tuples(RATES, RATES, st.integers(0, 20 * S), st.integers(1, 20 * S))
CROWDS = st.one_of(
    st.builds(lambda a, b, t: {"ramp": {"from": a, "to": b, "over_ns": t}}, USERS, USERS, SPANS),
    st.builds(lambda parts: {"steps": parts}, st.lists(st.tuples(USERS, SPANS), min_size=1, max_size=6)),
    st.builds(
        lambda b, p, a, f: {"spike": {"base": b, "peak": p, "after_ns": a, "for_ns": f}}, USERS, USERS, SPANS, SPANS
    ),
)


def at(found: list[tuple[int, int]], moment: int) -> int:
    return found[bisect_right([t for t, _ in found], moment) - 1][1]


def upto(chunks: Iterator[np.ndarray], end: int) -> np.ndarray:
    """All arrivals before a moment."""
    found = [np.empty(0, np.int64)]
    for chunk in chunks:
        found.append(chunk)
        if len(chunk) and chunk[-1] >= end:
            break
    times = np.concatenate(found)
    return times[times < end]


@given(USERS, USERS, SPANS, st.floats(0, 1))
def test_a_ramp_follows_its_line_and_ends_where_it_should(start: int, end: int, over: int, where: float) -> None:
    found = changes({"ramp": {"from": start, "to": end, "over_ns": over}})
    moment = int(over * where)
    line = start + (end - start) * moment / over
    steepness = abs(end - start) / over  # users a ns: several may change at one
    assert abs(at(found, moment) - line) <= 1 + steepness
    assert (at(found, 0), at(found, over)) == (start if over > abs(end - start) else at(found, 0), end)


@given(st.lists(st.tuples(USERS, SPANS), min_size=1, max_size=6))
def test_each_step_has_its_users_and_after_the_last_there_is_nobody(parts: list[tuple[int, int]]) -> None:
    found, begin = changes({"steps": parts}), 0
    for users, span in parts:
        assert at(found, begin) == at(found, begin + span - 1) == users
        begin += span
    assert at(found, begin) == 0


@given(USERS, USERS, SPANS, SPANS)
def test_a_spike_of_users_is_there_for_its_time(base: int, peak: int, after: int, long: int) -> None:
    found = changes({"spike": {"base": base, "peak": peak, "after_ns": after, "for_ns": long}})
    seen = [at(found, t) for t in (0, after - 1, after, after + long - 1, after + long, after + 9 * long)]
    assert seen == [base, base, peak, peak, base, base]


@given(CROWDS, st.integers(1, 7))
def test_moments_ascend_and_shares_of_workers_are_all_users_at_each(crowd: dict[str, object], workers: int) -> None:
    found = changes(crowd)
    assert found[0][0] == 0
    assert [t for t, _ in found] == sorted({t for t, _ in found})
    for _, users in found:
        shares = [share(users, n, workers) for n in range(workers)]
        assert sum(shares) == users
        assert max(shares) - min(shares) <= 1


def test_a_constant_number_never_changes() -> None:
    assert changes({"constant": 7}) == [(0, 7)]


@pytest.mark.parametrize("wrong", [{"wave": 1}, {"constant": 1, "steps": []}])
def test_an_unknown_change_of_users_is_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(ValueError):
        changes(wrong)


def area(given: tuple[float, float, int, int], t: int) -> float:
    """The integral of a spike's rate up to a moment."""
    base, peak, after, long = given
    inside = min(max(0, t - after), long)
    return (base * (t - inside) + peak * inside) / S


@given(SPIKES, st.floats(0, 1), st.floats(0, 1))
def test_a_spike_has_its_area_in_any_window_within_one(
    given: tuple[float, float, int, int], begin: float, end: float
) -> None:
    last = given[2] + given[3] + 15 * S
    times = upto(spike(*given), last)
    assert (np.diff(times) >= 0).all()
    a, b = sorted((int(last * begin), int(last * end)))
    assert abs(((times >= a) & (times < b)).sum() - (area(given, b) - area(given, a))) <= 1.001


@given(SPIKES, st.integers(1, 5), st.integers(1, 40 * S))
def test_the_shares_of_several_workers_are_the_spike(
    given: tuple[float, float, int, int], workers: int, long: int
) -> None:
    base, peak, after, span = given
    described = {"spike": {"base": base, "peak": peak, "after_ns": after, "for_ns": span}}
    config = {
        "urls": [], "verify": True, "cert": "", "key": "", "tags": [], "headers": {}, "file": str(Path("x")), "users": 0,
        "timeout_ns": S, "for_ns": long, "schedule": described, "seed": 0, "script": "", "protocol": "http1",
    }  # fmt: skip
    parts = [Worker({**config, "share": [n, workers]})._schedule() for n in range(workers)]
    found = np.sort(np.concatenate([np.empty(0, np.int64), *(c for p in parts for c in p)]))
    assert found.tolist() == upto(of(described), long).tolist()


def test_a_spike_without_a_base_waits_and_ends() -> None:
    times = np.concatenate(list(spike(0, 10, 2 * S, S)))
    assert (len(times), times[0]) == (10, 2 * S)
    assert times[-1] < 3 * S


def test_the_highest_rate_of_a_spike_is_its_peak() -> None:
    assert highest_rate({"spike": {"base": 20, "peak": 200, "after_ns": 1, "for_ns": 1}}) == 200


@pytest.mark.parametrize("wrong", [(-1, 1, 0, 1), (1, -1, 0, 1), (1, 1, -1, 1), (1, 1, 0, 0)])
def test_a_spike_of_nothing_is_refused(wrong: tuple[float, float, int, int]) -> None:
    with pytest.raises(ValueError):
        next(spike(*wrong))
