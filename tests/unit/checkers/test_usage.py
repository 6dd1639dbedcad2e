"""Growth is told with its interval: a leak is found, a level is not one, and what was started anew is not judged."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from seatrial.checkers.usage import student, usage_figures
from seatrial.core.expressions import Missing
from seatrial.core.intervals import Interval
from seatrial.core.quantities import Dimension, Quantity
from seatrial.core.stack import Usage
from seatrial.core.usage import Looks, PoolSample, SocketSample, UsageSample
from seatrial.core.workloads import Window

S = 1_000_000_000
MIB = 1 << 20


def looks(
    memory: Callable[[int], float],
    count: int = 60,
    instance: str = "web#1",
    identity: Callable[[int], str] = lambda n: "a",
) -> list[UsageSample]:
    return [
        UsageSample(
            at_ns=n * 2 * S,
            instance=instance,
            service="web",
            identity=identity(n),
            usage=Usage(cpu_seconds=n * 0.5, memory_bytes=int(memory(n)), descriptors=20, threads=4, processes=1),
        )
        for n in range(count)
    ]


def web(samples: list[UsageSample]) -> dict[str, dict[str, object]]:
    found: dict[str, dict[str, object]] = usage_figures(Looks(usage=samples), Window(from_ns=0, to_ns=10**15))["web"]
    return found


@settings(max_examples=40)
@given(st.integers(0, 2**32 - 1), st.floats(0, 5))
def test_a_slope_is_inside_its_interval_most_of_the_time(seed: int, mib_a_look: float) -> None:
    noise = np.random.default_rng(seed).normal(0, 2 * MIB, 200)
    found = web(looks(lambda n: 500 * MIB + n * mib_a_look * MIB + noise[n], 200))["memory"]["growth"]
    assert isinstance(found, Interval)
    truth, half = mib_a_look * MIB * 300, (found.high - found.low) / 2
    assert abs(found.point - truth) < 3 * half + 1  # 95 % are within one half; three are never left


def test_a_leak_is_above_a_bound_and_a_level_is_below_it() -> None:
    wave = lambda n: 300 * MIB + 5 * MIB * np.sin(n)  # noqa: E731 - a collector at work
    level, leak = web(looks(wave))["memory"]["growth"], web(looks(lambda n: wave(n) + n * MIB))["memory"]["growth"]
    assert level.high < 100 * MIB < leak.low
    assert leak.low < 300 * MIB < leak.high + 1


def test_an_instance_that_was_started_anew_has_no_growth() -> None:
    found = web(looks(lambda n: 300 * MIB, identity=lambda n: "a" if n < 30 else "b"))
    assert isinstance(found["memory"]["growth"], Missing)
    assert found["memory"]["max"] == Quantity(300.0 * MIB, found["memory"]["max"].dimension)


def test_few_looks_tell_no_slope() -> None:
    assert isinstance(web(looks(lambda n: n * MIB, 10))["memory"]["growth"], Missing)


def test_instances_count_together() -> None:
    found = web([*looks(lambda n: 100 * MIB), *looks(lambda n: 50 * MIB, instance="web#2")])
    assert found["memory"]["max"].value == 150 * MIB
    assert found["descriptors"]["max"] == 40
    assert found["cpu"]["mean"].value == pytest.approx(0.5)


def test_a_window_leaves_out_what_was_before() -> None:
    samples = looks(lambda n: 900 * MIB if n < 20 else 100 * MIB)
    found = usage_figures(Looks(usage=samples), Window(from_ns=40 * S, to_ns=10**15))["web"]
    assert found["memory"]["max"].value == 100 * MIB


@pytest.mark.parametrize(("degrees", "value"), [(1, 12.706), (5, 2.571), (13, 2.160), (30, 2.042)])
def test_students_t(degrees: int, value: float) -> None:
    assert student(degrees) == pytest.approx(value, abs=0.001)


def pool(*shares: float | None) -> list[PoolSample]:
    return [
        PoolSample(at_ns=n * S, service="web", share=s, why="" if s else "turned away") for n, s in enumerate(shares)
    ]


def pool_of(*looks_at: PoolSample) -> object:
    seen = Looks(usage=looks(lambda n: MIB, 5), pools=looks_at)
    return usage_figures(seen, Window(from_ns=0, to_ns=10**15))["web"]["pool"]


def test_connections_and_pools_count_at_their_worst_in_the_window() -> None:
    sockets = [SocketSample(at_ns=n * S, service="web", connections=n, backlog=9 - n) for n in range(10)]
    seen = Looks(usage=looks(lambda n: MIB, 5), sockets=sockets, pools=pool(0.9, 0.3, 0.4, 0.5))
    found = usage_figures(seen, Window(from_ns=2 * S, to_ns=6 * S))["web"]
    assert (found["connections"], found["backlog"]) == (5, 7)
    assert found["pool"] == Quantity(0.5, Dimension.RATIO)


@pytest.mark.parametrize(
    ("shares", "below", "above"),
    [
        ((0.03, 0.5), True, False),
        ((0.03, None, 0.5), None, None),
        ((None, 0.95), False, True),
        ((1.0, None), False, True),
    ],
)
def test_a_look_at_a_pool_without_an_answer_may_have_been_the_worst(
    shares: tuple[float | None, ...], below: bool | None, above: bool | None
) -> None:
    found, bound = Interval.of(pool_of(*pool(*shares))), Interval.exact(0.8, Dimension.RATIO)  # type: ignore[arg-type]
    assert (found.compare("<", bound), found.compare(">", bound)) == (below, above)


def test_an_instance_that_did_not_answer_leaves_the_fullest_of_the_others_as_the_least() -> None:
    look = PoolSample(at_ns=S, service="web", share=0.03, why="web#1: no answer within 1s")
    assert pool_of(look) == Interval(0.03, 1.0, Dimension.RATIO)


def test_what_was_not_looked_at_is_missing() -> None:
    found = web(looks(lambda n: MIB))
    assert all(isinstance(found[n], Missing) for n in ("connections", "backlog", "pool"))
    blind = usage_figures(Looks(usage=looks(lambda n: MIB), pools=pool(None)), Window(from_ns=0, to_ns=10**15))["web"]
    assert blind["pool"] == Missing("its pool could not be asked: turned away")
