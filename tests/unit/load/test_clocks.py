"""What is known of another machine's clock: never less than it is off."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from seatrial.load.clocks import UNKNOWN_NS, Clock

MS = 1_000_000
TRIPS = st.lists(st.tuples(st.integers(0, 500 * MS), st.integers(0, 500 * MS)), min_size=1, max_size=30)
OFFSETS = st.integers(-(10**18), 10**18)


def measured(clock: Clock, offset: int, trips: list[tuple[int, int]]) -> None:
    """Trips that took so long there and back, with the other clock so far ahead."""
    now = 10**15
    for there, back in trips:
        clock.add(now, now + there + offset, now + there + back)
        now += there + back
    clock.settle()


@given(OFFSETS, TRIPS)
def test_the_offset_is_within_what_is_said_however_uneven_the_ways(offset: int, trips: list[tuple[int, int]]) -> None:
    clock = Clock()
    measured(clock, offset, trips)
    assert abs(clock.offset_ns - offset) <= clock.uncertainty_ns
    assert clock.uncertainty_ns <= min(there + back for there, back in trips) // 2 + 1


@given(OFFSETS, st.lists(st.tuples(st.integers(-MS, MS), TRIPS), min_size=1, max_size=5))
def test_a_clock_that_drifts_is_known_less_well(offset: int, later: list[tuple[int, list[tuple[int, int]]]]) -> None:
    clock = Clock()
    measured(clock, offset, [(MS, MS)])
    fixed = clock.offset_ns
    for drift, trips in later:
        measured(clock, offset + drift, trips)
        assert abs(clock.offset_ns - offset - drift) <= clock.uncertainty_ns
    assert clock.offset_ns == fixed


@given(OFFSETS, TRIPS, st.integers(0, 10**18))
def test_there_and_back_is_the_same_moment(offset: int, trips: list[tuple[int, int]], at: int) -> None:
    clock = Clock()
    measured(clock, offset, trips)
    assert clock.here(clock.there(at)) == at


def test_without_a_trip_nothing_is_known() -> None:
    clock = Clock()
    clock.settle()
    assert clock.uncertainty_ns == UNKNOWN_NS
