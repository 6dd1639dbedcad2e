from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from seatrial.platforms.compose.clock import EngineClock, Offset, from_rfc3339, stamp

S = 1_000_000_000


async def test_the_clock_of_this_machine_is_known_to_microseconds():
    clock = EngineClock()
    await clock.measure()
    now, engine = time.monotonic_ns(), time.time_ns()
    found = clock.moment(engine)
    assert abs(found.ns - now) < 5_000_000
    assert found.bound_ns < 1_000_000


async def test_the_clock_of_another_is_known_to_half_of_what_its_answer_took():

    async def ask() -> str:
        return f"2026-01-01T01:00:00.{123456789}Z"

    clock = EngineClock(ask)
    offset = await clock.measure()
    assert offset.at_ns == from_rfc3339("2026-01-01T01:00:00.123456789Z")
    assert clock.moment(offset.at_ns).bound_ns >= offset.bound_ns


@given(
    st.lists(
        st.tuples(st.integers(0, 10**6), st.integers(-1000, 1000), st.integers(0, 500)),
        min_size=1,
        max_size=20,
        unique_by=lambda t: t[0],
    ),
    st.integers(0, 10**6),
)
def test_the_bound_holds_both_neighbours(measured, at):
    clock = EngineClock()
    for when, offset, bound in measured:
        clock.learn(Offset(at_ns=when, ns=offset, bound_ns=bound))
    found = clock.moment(at)
    known = sorted(measured)
    before = [m for m in known if m[0] < at][-1:]
    after = [m for m in known if m[0] >= at][:1]
    for _, offset, bound in (*before, *after):
        for extreme in (offset - bound, offset + bound):
            assert found.ns - found.bound_ns <= at - extreme <= found.ns + found.bound_ns


def test_nothing_is_said_before_anything_was_measured():
    with pytest.raises(LookupError):
        EngineClock().moment(1)


@pytest.mark.parametrize(
    ("text", "ns"),
    [
        ("1970-01-01T00:00:01Z", S),
        ("1970-01-01T00:00:01.5Z", S + S // 2),
        ("1970-01-01T00:00:01.000000001Z", S + 1),
        ("1970-01-01T02:00:01.25+02:00", S + S // 4),
        ("0001-01-01T00:00:00Z", 0),
    ],
)
def test_times_of_the_engine(text, ns):
    assert from_rfc3339(text) == ns


@given(st.integers(0, 2**62))
def test_a_stamp_keeps_every_nanosecond(ns):
    seconds, _, rest = stamp(ns).partition(".")
    assert int(seconds) * S + int(rest) == ns
    assert len(rest) == 9
