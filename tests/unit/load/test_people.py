"""Who comes next: kinds by weight, evenly, and numbers that workers share."""

from __future__ import annotations

from collections import Counter
from itertools import islice

from hypothesis import given
from hypothesis import strategies as st

from seatrial.load.flows import in_turn


@given(st.lists(st.integers(0, 20), min_size=1, max_size=6).filter(any))
def test_a_whole_round_has_each_as_often_as_its_weight(weights: list[int]) -> None:
    found = Counter(islice(in_turn(weights), 3 * sum(weights)))
    assert [found[n] for n in range(len(weights))] == [3 * w for w in weights]


@given(st.lists(st.floats(0.01, 100), min_size=1, max_size=6), st.integers(1, 300))
def test_no_kind_is_ever_far_from_its_share(weights: list[float], count: int) -> None:
    found = Counter(islice(in_turn(weights), count))
    for number, weight in enumerate(weights):
        assert abs(found[number] - count * weight / sum(weights)) < len(weights)
