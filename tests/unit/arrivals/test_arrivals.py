"""Schedules, the timer, and records that survive their writer."""

from __future__ import annotations

import asyncio
import itertools
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from seatrial.arrivals.records import FAIL, OK, UNKNOWN, Recorder, read, seal, whole
from seatrial.arrivals.schedules import Times, constant, of, poisson, ramp, spike, steps
from seatrial.arrivals.timer import AbsoluteTimer

S = 1_000_000_000
RATES = st.floats(0.5, 5000)


def first(chunks, count: int) -> np.ndarray:
    found = np.empty(0, np.int64)
    for chunk in chunks:
        found = np.concatenate([found, chunk])
        if len(found) >= count:
            break
    return found[:count]


@given(RATES)
def test_a_constant_rate_is_even_over_any_chunk(rate: float) -> None:
    times = first(constant(rate), 300)
    assert times[0] == 0
    assert np.abs(np.diff(times) - S / rate).max() <= 1


@given(RATES, st.integers(0, 2**32 - 1))
def test_poisson_arrivals_rise_and_repeat_with_their_seed(rate: float, seed: int) -> None:
    times = first(poisson(rate, seed), 200)
    assert (np.diff(times) >= 0).all()
    assert (times == first(poisson(rate, seed), 200)).all()


def test_poisson_gaps_have_the_mean_they_should() -> None:
    times = first(poisson(100, 7), 20000)
    assert float(np.diff(times).mean()) == pytest.approx(S / 100, rel=0.03)


@given(st.floats(0, 200), st.floats(0, 200), st.floats(0.1, 20))
def test_a_ramp_has_as_many_arrivals_as_its_area(start: float, end: float, seconds: float) -> None:
    chunks, area = ramp(start, end, int(seconds * S)), (start + end) / 2 * seconds
    times = next(chunks, np.empty(0, np.int64))
    while len(times) < area - 1.5:
        times = np.concatenate([times, next(chunks)])
    assert len(times) == pytest.approx((start + end) / 2 * seconds, abs=1.5)
    assert (np.diff(times) >= 0).all()
    assert not len(times) or times[-1] <= seconds * S + 1


@given(st.floats(0, 1e-9, exclude_min=True), st.floats(0.1, 1e6))
def test_a_rate_next_to_nothing_ends_instead_of_overflowing(rate: float, seconds: float) -> None:
    span = int(seconds * S)
    for schedule in (
        constant(rate),
        poisson(rate, 7),
        ramp(0, rate, span),
        ramp(rate, rate, span),
        steps([(rate, span), (1, S)]),
        spike(rate, 1, span, S),
    ):
        found = [times for times, _ in zip(schedule, range(5), strict=False)]
        assert all((times >= 0).all() for times in found)


def test_steps_follow_each_other_and_end() -> None:
    times = np.concatenate(list(steps([(10, S), (0, S), (20, S)])))
    assert ((times < S).sum(), ((times >= S) & (times < 2 * S)).sum(), (times >= 2 * S).sum()) == (10, 0, 20)
    assert times[10] == 2 * S
    assert times[-1] < 3 * S


@pytest.mark.parametrize("schedule", [lambda: steps([(5000, 60 * S), (100, S)]), lambda: ramp(0, 5000, 120 * S)])
def test_long_schedules_come_in_chunks(schedule: Callable[[], Iterator[Times]]) -> None:
    chunks = list(itertools.islice(schedule(), 7))
    assert max(len(c) for c in chunks) <= 50_000
    assert (np.diff(np.concatenate(chunks)) >= 0).all()


@pytest.mark.parametrize("wrong", [{"sawtooth": 1}, {"constant": 1, "poisson": 1}])
def test_an_unknown_schedule_is_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(ValueError):
        next(of(wrong))


async def test_the_timer_wakes_at_the_moment_and_not_before() -> None:
    woken: list[int] = []
    done = asyncio.Event()

    def wake() -> None:
        woken.append(time.monotonic_ns())
        done.set()

    timer = AbsoluteTimer(wake)
    due = time.monotonic_ns() + 30_000_000
    timer.at(due)
    async with asyncio.timeout(5):
        await done.wait()
    timer.close()
    assert woken[0] >= due


async def test_a_moment_that_is_over_wakes_at_once() -> None:
    done = asyncio.Event()
    timer = AbsoluteTimer(done.set)
    timer.at(time.monotonic_ns() - S)
    async with asyncio.timeout(5):
        await done.wait()
    timer.close()


def test_records_come_back_as_they_were_written(tmp_path: Path) -> None:
    recorder = Recorder(tmp_path / "x.ops")
    for n in range(20000):
        number = recorder.invoke(n)
        recorder.sent(number, n + 1)
        recorder.done(number, n + 2, OK if n % 2 else FAIL, 1, 200)
    recorder.close()
    rows, digest = seal(tmp_path / "x.ops")
    records = read(tmp_path / "x.ops")
    assert rows == len(records) == 20000
    assert (records["done"] - records["intended"] == 2).all()
    assert whole(tmp_path / "x.ops", rows, digest)


def test_a_changed_record_is_not_whole(tmp_path: Path) -> None:
    path = tmp_path / "x.ops"
    recorder = Recorder(path)
    recorder.invoke(1)
    recorder.close()
    rows, digest = seal(path)
    data = bytearray(path.read_bytes())
    data[80] ^= 1
    path.write_bytes(data)
    assert not whole(path, rows, digest)


def test_a_killed_writer_leaves_unknowns_and_no_gap(tmp_path: Path) -> None:
    path = tmp_path / "x.ops"
    code = (
        "import sys, time\nfrom pathlib import Path\nfrom seatrial.arrivals.records import Recorder, OK\n"
        "r = Recorder(Path(sys.argv[1]))\n"
        "for n in range(10):\n    i = r.invoke(n); r.sent(i, n)\n    if n < 7: r.done(i, n, OK)\n"
        "print('written', flush=True)\ntime.sleep(60)\n"
    )
    writer = subprocess.Popen([sys.executable, "-c", code, str(path)], stdout=subprocess.PIPE)
    assert writer.stdout is not None
    writer.stdout.readline()
    os.kill(writer.pid, signal.SIGKILL)
    writer.wait()
    writer.stdout.close()
    statuses = read(path)["status"].tolist()
    assert statuses == [OK] * 7 + [UNKNOWN] * 3


def test_a_file_of_another_kind_is_refused(tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes(b"hello" * 100)
    with pytest.raises(ValueError, match="no record"):
        read(tmp_path / "x")


def test_endless_schedules_are_endless() -> None:
    assert sum(len(c) for c in itertools.islice(constant(1), 5)) == 50
