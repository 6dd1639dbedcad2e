"""What waits between two sides arrives whole and in order, whatever is made of its stages meanwhile."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any
from unittest import mock

import pytest
from hypothesis import given
from hypothesis import strategies as st

from seatrial.links import lanes
from seatrial.links.impairments import make
from seatrial.links.lanes import MOST_HELD, Lane, Piece, Signal, Stage, Timed

MS = 1_000_000


class Clock:
    """As much of an event loop as a lane sees, whose time passes when it is told to."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.timers: list[Timer] = []

    def time(self) -> float:
        return self.now

    def call_at(self, at: float, call: Callable[[], None]) -> Timer:
        assert at > self.now, "a timer that rings at once"
        self.timers.append(Timer(self, at, call))
        return self.timers[-1]

    def forward(self, seconds: float = 1e9) -> None:
        """Time passes, from timer to timer."""
        until = self.now + seconds
        while self.timers and min(t.at for t in self.timers) <= until:
            timer = min(self.timers, key=lambda t: t.at)
            self.timers.remove(timer)
            self.now = timer.at
            timer.call()
        self.now = until


class Timer:
    def __init__(self, clock: Clock, at: float, call: Callable[[], None]) -> None:
        self.clock, self.at, self.call = clock, at, call

    def cancel(self) -> None:
        if self in self.clock.timers:
            self.clock.timers.remove(self)


@contextmanager
def ticking() -> Iterator[Clock]:
    clock = Clock()
    with mock.patch.object(lanes.asyncio, "get_running_loop", return_value=clock):
        yield clock


class Bench:
    """A lane, and what came out of it, and when."""

    def __init__(self, clock: Clock, stages: Iterable[Stage] = ()) -> None:
        self.clock = clock
        self.out: list[tuple[float, Piece]] = []
        self.throttled: list[bool] = []
        self.lane = Lane(list(stages), lambda p: self.out.append((clock.now, p)), self.throttled.append)

    @property
    def data(self) -> bytes:
        return b"".join(p for _, p in self.out if isinstance(p, bytes))


def stage(kind: str, **arguments: Any) -> Stage:
    made = make(kind, arguments).stage("to")
    assert made is not None
    return made


HOLD = ("hold", {})
KINDS = st.sampled_from(
    [
        HOLD,
        ("latency", {"delay_ns": 20 * MS}),
        ("latency", {"delay_ns": 5 * MS, "jitter_ns": 50 * MS}),
        ("latency", {"delay_ns": 0, "jitter_ns": 30 * MS, "distribution": "normal"}),
        ("latency", {"delay_ns": 1, "jitter_ns": 30 * MS, "distribution": "pareto"}),
        ("bandwidth", {"rate": 50}),
        ("bandwidth", {"rate": 10_000}),
        ("stall", {"share": 0.5, "stall_ns": 40 * MS}),
        ("slow-close", {"delay_ns": 30 * MS}),
    ]
)
PIECES = st.one_of(st.binary(min_size=1, max_size=200), st.just(Signal.FIN))
ACTS = st.one_of(
    st.tuples(st.just("put"), PIECES, st.floats(0, 0.1)),
    st.tuples(st.just("wait"), st.floats(0, 0.2), st.none()),
    st.tuples(st.just("add"), KINDS, st.none()),
    st.tuples(st.just("take"), st.integers(0, 5), st.booleans()),
)


@given(st.lists(KINDS, max_size=3), st.lists(ACTS, max_size=25))
def test_no_byte_is_lost_or_doubled_or_overtaken_through_any_stages(kinds: list[Any], acts: list[Any]) -> None:
    with ticking() as clock:
        stages = [stage(kind, **arguments) for kind, arguments in kinds]
        bench = Bench(clock, stages)
        sent: list[Piece] = []
        for what, one, two in acts:
            if what == "put":
                sent.append(one)
                bench.lane.put(one, clock.now + two)
            elif what == "wait":
                clock.forward(one)
            elif what == "add":
                stages = [*stages, stage(one[0], **one[1])]
                bench.lane.change(stages)
            elif stages:
                stages = [s for n, s in enumerate(stages) if n != one % len(stages)]
                bench.lane.change(stages, at_once=two)
            assert bench.lane.held == sum(len(p) for p in sent if isinstance(p, bytes)) - len(bench.data)
        clock.forward()
        bench.lane.change([])
        clock.forward()
        assert bench.lane.idle
        assert bench.lane.held == 0
        assert not clock.timers
        assert together(p for _, p in bench.out) == together(sent)


def together(pieces: Iterable[Piece]) -> list[Piece]:
    """Data that is not parted by signals is one."""
    whole: list[Piece] = []
    for piece in pieces:
        if isinstance(piece, bytes) and whole and isinstance(whole[-1], bytes):
            whole[-1] += piece
        else:
            whole.append(piece)
    return whole


def test_what_is_held_waits_for_the_change_and_for_nothing_else() -> None:
    with ticking() as clock:
        bench = Bench(clock, [hold := stage("hold")])
        bench.lane.put(b"one")
        bench.lane.put(Signal.FIN)
        clock.forward()
        assert bench.out == []
        assert not clock.timers
        assert bench.lane.held == 3
        bench.lane.change([hold, late := stage("latency", delay_ns=100 * MS)])
        clock.forward()
        assert bench.out == []
        began = clock.now
        bench.lane.change([late])
        assert bench.out == []
        clock.forward(0.11)
        assert [p for _, p in bench.out] == [b"one", Signal.FIN]
        assert bench.out[0][0] >= began + 0.1


def test_another_impairment_that_comes_or_goes_does_not_make_a_delay_begin_anew() -> None:
    with ticking() as clock:
        late, other = stage("latency", delay_ns=100 * MS), stage("slow-close", delay_ns=MS)
        bench, began = Bench(clock, [late]), clock.now
        bench.lane.put(b"one")
        for stages in ([late, other], [late], [late, other]):
            clock.forward(0.03)
            bench.lane.change(stages)
        clock.forward(0.02)
        assert bench.out == [(pytest.approx(began + 0.1), b"one")]


def test_delays_add_up() -> None:
    with ticking() as clock:
        bench, began = (
            Bench(clock, [stage("latency", delay_ns=100 * MS), stage("latency", delay_ns=50 * MS)]),
            clock.now,
        )
        bench.lane.put(b"one", began + 0.2)
        clock.forward()
        assert bench.out == [(pytest.approx(began + 0.35), b"one")]


def test_a_limit_counts_on_when_other_impairments_come_and_go() -> None:
    with ticking() as clock:
        limit, other = stage("close-after", bytes=10), stage("slow-close", delay_ns=MS)
        bench = Bench(clock, [limit])
        bench.lane.put(b"123456")
        for stages in ([limit, other], [limit]):
            bench.lane.change(stages)
        bench.lane.put(b"7890abc")
        bench.lane.put(b"def")
        clock.forward()
        assert bench.data == b"1234567890"
        assert [p for _, p in bench.out if not isinstance(p, bytes)] == [Signal.RESET]


def test_what_was_not_to_go_before_a_time_keeps_it_unless_it_is_to_go_at_once() -> None:
    with ticking() as clock:
        bench, began = Bench(clock), clock.now
        bench.lane.put(b"late", began + 0.1)
        bench.lane.put(b"behind it")
        bench.lane.change([other := stage("slow-close", delay_ns=MS)])
        clock.forward(0.05)
        assert bench.out == []
        clock.forward(0.06)
        assert bench.out == [(pytest.approx(began + 0.1), b"late"), (pytest.approx(began + 0.1), b"behind it")]
        bench.lane.put(b"late", clock.now + 9)
        bench.lane.change([other], at_once=True)
        assert bench.out[2:] == [(clock.now, b"late")]
        bench.lane.put(b"as ever")
        assert bench.data.endswith(b"as ever")


def test_bandwidth_passes_as_much_as_it_says_in_small_portions_that_are_not_too_many() -> None:
    with ticking() as clock:
        bench, began = Bench(clock, [stage("bandwidth", rate=1000)]), clock.now
        bench.lane.put(bytes(2000))
        clock.forward(1.0)
        assert len(bench.data) == pytest.approx(1000, abs=10)
        clock.forward(1.01)
        assert len(bench.data) == 2000
        assert bench.out[-1][0] == pytest.approx(began + 2)
        bench.lane.put(bytes(1 << 20))
        clock.forward()
        assert len(bench.data) == 2000 + (1 << 20)
        assert len(bench.out) < 1000


def test_the_sender_waits_while_too_much_does_and_only_then() -> None:
    with ticking() as clock:
        bench = Bench(clock, [late := stage("latency", delay_ns=100 * MS)])
        bench.lane.put(bytes(MOST_HELD))
        assert bench.throttled == []
        bench.lane.put(b"!")
        bench.lane.put(b"!")
        assert bench.throttled == [True]
        clock.forward()
        assert bench.throttled == [True, False]
        bench.lane.put(bytes(MOST_HELD + 1))
        bench.lane.change([late, stage("hold")])
        clock.forward()
        assert bench.throttled == [True, False, True]
        bench.lane.change([])
        assert bench.throttled == [True, False, True, False]
        assert len(bench.data) == 2 * MOST_HELD + 3


def test_what_is_dropped_never_arrives_and_makes_nobody_wait() -> None:
    with ticking() as clock:
        bench = Bench(clock, [stage("latency", delay_ns=100 * MS)])
        bench.lane.put(bytes(MOST_HELD + 1))
        bench.lane.drop()
        assert not clock.timers
        assert bench.throttled == [True, False]
        clock.forward()
        assert bench.out == []
        assert bench.lane.held == 0


def test_times_that_go_back_do_not_turn_the_order_round() -> None:
    class Backwards:
        def __init__(self) -> None:
            self.delay = 1.0

        def carry(self, piece: Piece, at: float) -> Iterable[Timed]:
            self.delay /= 2
            yield at + self.delay, piece

    with ticking() as clock:
        bench = Bench(clock, [Backwards()])
        for n in range(5):
            bench.lane.put(bytes([n]))
        clock.forward()
        assert bench.data == bytes(range(5))


@pytest.mark.parametrize("distribution", ["uniform", "normal", "pareto"])
def test_jitter_is_as_it_is_said_to_be(distribution: str) -> None:
    late = stage("latency", delay_ns=100 * MS, jitter_ns=10 * MS, distribution=distribution)
    # Far apart, so that none waits for the one before it.
    delays = [next(iter(late.carry(b"x", 1000.0 * n)))[0] - 1000.0 * n for n in range(1, 20_001)]
    mean = sum(delays) / len(delays)
    deviation = math.sqrt(sum((d - mean) ** 2 for d in delays) / len(delays))
    if distribution == "pareto":
        assert mean == pytest.approx(0.110, rel=0.02)
        assert min(delays) >= 0.1 - 1e-6
        assert max(delays) > 0.15
    else:
        assert mean == pytest.approx(0.100, rel=0.02)
        assert deviation == pytest.approx(0.01 if distribution == "normal" else 0.01 / math.sqrt(3), rel=0.1)


def test_loss_is_a_wait_that_doubles() -> None:
    lost = stage("stall", share=0.5, stall_ns=100 * MS)
    waits = [next(iter(lost.carry(b"x", 1000.0 * n)))[0] - 1000.0 * n for n in range(1, 20_001)]
    counts = [sum(abs(w - 0.1 * (2**n - 1)) < 1e-6 for w in waits) for n in range(8)]
    assert sum(counts) == len(waits)
    for n in range(4):
        assert counts[n] == pytest.approx(len(waits) * 0.5 ** (n + 1), rel=0.15)
    assert counts[7] == 0


async def test_on_a_real_loop_nothing_comes_early() -> None:
    loop, done = asyncio.get_running_loop(), asyncio.Event()
    out: list[tuple[float, Piece]] = []
    lane = Lane(
        [stage("latency", delay_ns=30 * MS)], lambda p: (out.append((loop.time(), p)), done.set()), lambda _: None
    )
    began = loop.time()
    lane.put(b"one")
    async with asyncio.timeout(30):
        await done.wait()
    assert out[0][1] == b"one"
    assert out[0][0] - began >= 0.028  # of a clock that counts milliseconds
    assert lane.idle is False


def test_what_was_held_is_not_late_for_ever_at_the_stages_behind() -> None:
    with ticking() as clock:
        rest = [stage("bandwidth", rate=1000), stage("latency", delay_ns=MS)]
        bench = Bench(clock, [stage("hold"), *rest])
        bench.lane.put(b"one")
        clock.forward()
        bench.lane.change(rest)
        clock.forward(0.1)
        assert bench.data == b"one"
