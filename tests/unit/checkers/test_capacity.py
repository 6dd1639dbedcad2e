"""A search finds the knee: exactly where probes do not err, nearly always where they do, and it always comes to an end."""

from __future__ import annotations

import math
import random
from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from seatrial.checkers.capacity import BROKE, GENERATOR, HELD, TRIES, UNTOLD, Search
from seatrial.core.expressions import Missing
from seatrial.core.intervals import Interval

rates = st.floats(0.5, 1000)
spans = st.floats(1.5, 1000)
resolutions = st.floats(0.01, 0.3)
Asked = Callable[[float], str]


def most_probes(lowest: float, highest: float, resolution: float) -> int:
    """No search takes more."""
    doublings = math.ceil(math.log2(highest / lowest)) + 1
    halvings = max(0, math.ceil(math.log2(math.log(highest / lowest) / math.log1p(resolution))))
    return TRIES * (doublings + 2 * halvings + 2)


def found(search: Search, asked: Asked, most: int = 1000) -> tuple[Interval | Missing, int]:
    """Run a search to its end."""
    probes = 0
    while (rate := search.rate) is not None:
        search.tell(asked(rate))
        probes += 1
        assert probes <= most, "it never ends"
    return search.capacity, probes


@given(rates, spans, resolutions, st.floats(0.001, 1.2))
def test_without_noise_the_knee_is_inside_and_the_interval_is_as_narrow_as_asked(
    lowest: float, span: float, resolution: float, place: float
) -> None:
    highest = lowest * span
    knee = lowest * math.exp(place * math.log(span))
    search = Search(lowest, highest, resolution)
    capacity, probes = found(search, lambda rate: HELD if rate <= knee else BROKE)
    assert isinstance(capacity, Interval)
    assert capacity.low <= knee
    assert knee < capacity.high
    assert capacity.high / capacity.low <= 1 + resolution + 1e-9 or math.isinf(capacity.high)
    assert math.isinf(capacity.high) == (knee >= highest)
    assert probes <= most_probes(lowest, highest, resolution)


@settings(max_examples=300)
@given(rates, spans, resolutions, st.data())
def test_whatever_probes_say_it_ends_in_time_and_in_order(
    lowest: float, span: float, resolution: float, data: st.DataObject
) -> None:
    said = data.draw(st.lists(st.sampled_from([HELD, BROKE, UNTOLD, GENERATOR]), min_size=1, max_size=400))
    tried: list[float] = []

    def asked(rate: float) -> str:
        tried.append(rate)
        return said[len(tried) % len(said)]

    capacity, probes = found(Search(lowest, lowest * span, resolution), asked)
    assert probes <= most_probes(lowest, lowest * span, resolution)
    assert all(lowest <= rate <= lowest * span for rate in tried)
    assert isinstance(capacity, Missing) or 0 <= capacity.low < capacity.high


def noisy(knee: float, noise: float, hiccups: float, seed: int) -> Asked:
    """A system whose probes near the knee err by a logistic law, and fail for nothing now and then."""
    draw = random.Random(seed)

    def asked(rate: float) -> str:
        holds = 1 / (1 + math.exp(max(-50.0, min(50.0, math.log(rate / knee) / noise))))
        return HELD if draw.random() < holds * (1 - hiccups) else BROKE

    return asked


@pytest.mark.parametrize(("noise", "hiccups"), [(0.002, 0.0), (0.01, 0.0), (0.01, 0.05), (0.02, 0.05)])
def test_with_noise_the_knee_is_inside_nearly_always(noise: float, hiccups: float) -> None:
    inside, total, runs = 0, 0, 400
    for seed in range(runs):
        knee = 50 * math.exp(random.Random(seed).uniform(0.3, 4.3))
        capacity, probes = found(Search(50, 5000, 0.05), noisy(knee, noise, hiccups, seed + 1))
        assert isinstance(capacity, Interval)
        inside += capacity.low <= knee * (1 + 2 * noise) and knee * (1 - 2 * noise) <= capacity.high
        total += probes
    assert inside >= 0.96 * runs
    assert total / runs < 30


def test_one_hiccup_decides_nothing() -> None:
    """Each single probe that fails, at whatever place, leaves the interval where it is."""
    whole, probes = found(Search(50, 5000, 0.05), lambda rate: HELD if rate <= 700 else BROKE)
    for place in range(probes):
        count = iter(range(1000))
        hiccup = lambda rate, n=place, c=count: BROKE if next(c) == n or rate > 700 else HELD  # noqa: E731
        capacity, _ = found(Search(50, 5000, 0.05), hiccup)
        assert isinstance(capacity, Interval)
        assert capacity.low <= 700 < capacity.high
    assert isinstance(whole, Interval)


def test_what_the_generator_cannot_keep_bounds_nothing() -> None:
    search = Search(50, 5000, 0.05)
    capacity, _ = found(search, lambda rate: HELD if rate < 900 else GENERATOR)
    assert isinstance(capacity, Interval)
    assert 850 < capacity.low < 900
    assert capacity.high == math.inf
    assert "generator" in search.ends


def test_a_knee_below_the_generators_limit_is_still_found() -> None:
    capacity, _ = found(
        Search(50, 5000, 0.05), lambda rate: HELD if rate < 900 else BROKE if rate < 1100 else GENERATOR
    )
    assert isinstance(capacity, Interval)
    assert 850 < capacity.low < 900 < capacity.high < 950


def test_rates_at_which_nothing_can_be_told_are_climbed_over() -> None:
    capacity, _ = found(Search(10, 5000, 0.05), lambda rate: UNTOLD if rate < 100 else HELD if rate < 1000 else BROKE)
    assert isinstance(capacity, Interval)
    assert capacity.low < 1000 < capacity.high < 1060


def test_where_only_the_rates_that_are_too_high_can_be_told_the_lower_end_is_nothing() -> None:
    capacity, _ = found(Search(10, 5000, 0.05), lambda rate: UNTOLD if rate < 100 else BROKE)
    assert isinstance(capacity, Interval)
    assert capacity.low == 0
    assert capacity.high < 110


def test_where_nothing_can_be_told_it_is_unknown() -> None:
    search = Search(10, 5000, 0.05)
    capacity, _ = found(search, lambda _: UNTOLD)
    assert isinstance(capacity, Missing)
    assert search.ends == "nothing could be told"


def test_a_search_that_has_ended_is_told_nothing() -> None:
    search = Search(1, 2, 0.1)
    found(search, lambda _: HELD)
    with pytest.raises(ValueError, match="ended"):
        search.tell(HELD)


@pytest.mark.parametrize("wrong", [(0, 1, 0.1), (2, 1, 0.1), (1, 1, 0.1), (1, 2, 0)])
def test_a_search_of_nothing_is_refused(wrong: tuple[float, float, float]) -> None:
    with pytest.raises(ValueError, match="from a rate to a higher one"):
        Search(*wrong)
