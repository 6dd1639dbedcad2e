"""Durations come back within 0.1 %, and histograms add up."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from seatrial.arrivals.histogram import BUCKETS, Histogram, bucket, middle, percentiles, percentiles_by

MOST = 2**44 - 1
DURATIONS = st.integers(0, MOST)
MANY = st.lists(DURATIONS, min_size=1, max_size=400)
PERCENT = st.floats(0, 100)


def of(values: list[int]) -> Histogram:
    histogram = Histogram()
    histogram.add(np.array(values, np.int64))
    return histogram


@given(DURATIONS)
def test_the_middle_of_a_bucket_is_within_a_thousandth(ns: int) -> None:
    (found,) = middle(bucket(np.array([ns])))
    assert abs(found - ns) <= ns / 1000


@given(DURATIONS, DURATIONS)
def test_a_longer_duration_is_in_no_lower_bucket(a: int, b: int) -> None:
    low, high = bucket(np.array([min(a, b), max(a, b)]))
    assert 0 <= low <= high < BUCKETS


@pytest.mark.parametrize("edge", [2**n + d for n in range(45) for d in (-1, 0, 1) if 0 <= 2**n + d <= MOST])
def test_the_edges_of_octaves_too(edge: int) -> None:
    (found,) = middle(bucket(np.array([edge])))
    assert abs(found - edge) <= edge / 1000


def test_what_is_out_of_range_counts_as_its_end() -> None:
    low, high, most = bucket(np.array([-5, 2**60, MOST]))
    assert (low, high) == (0, most)


@given(MANY, PERCENT)
def test_a_percentile_is_the_sample_of_its_rank_within_a_thousandth(values: list[int], percent: float) -> None:
    (found,) = of(values).percentiles([percent])
    rank = max(1, int(np.ceil(len(values) * percent / 100 - 1e-9)))
    exact = sorted(values)[rank - 1]
    assert abs(found - exact) <= exact / 1000


def test_a_percentile_of_nothing_is_an_error() -> None:
    with pytest.raises(ValueError, match="nothing"):
        Histogram().percentiles([50])


@given(MANY, MANY)
def test_a_merge_is_the_sum(a: list[int], b: list[int]) -> None:
    merged = of(a)
    merged.merge(of(b))
    assert (merged.counts == of(a + b).counts).all()
    assert merged.total == len(a) + len(b)


@given(MANY, MANY)
def test_sparse_counts_come_back_and_add_up(a: list[int], b: list[int]) -> None:
    back = Histogram()
    for values in (a, b):
        back.add_sparse(*of(values).sparse())
    assert (back.counts == of(a + b).counts).all()
    together = [np.concatenate(part) for part in zip(of(a).sparse(), of(b).sparse(), strict=True)]
    once = Histogram()
    once.add_sparse(*together)
    assert (once.counts == back.counts).all()


def test_nothing_adds_nothing() -> None:
    histogram = Histogram()
    histogram.add(np.empty(0, np.int64))
    histogram.add_sparse(*Histogram().sparse())
    assert histogram.total == 0


def test_many_are_counted_as_few_are() -> None:
    values = np.arange(1, 100_000, 37)
    few = Histogram()
    for part in np.array_split(values, 100):
        few.add(part)
    many = Histogram()
    many.add(values)
    assert (few.counts == many.counts).all()


@given(st.lists(st.tuples(st.integers(0, 5), DURATIONS, st.integers(1, 9)), min_size=1, max_size=100), PERCENT)
def test_percentiles_of_groups_are_those_of_each(rows: list[tuple[int, int, int]], percent: float) -> None:
    groups, ns, counts = (np.array(column, np.int64) for column in zip(*rows, strict=True))
    buckets = bucket(ns)
    found, values = percentiles_by(groups, buckets, counts, [percent, 100])
    assert found.tolist() == sorted(set(groups.tolist()))
    for group, row in zip(found, values, strict=True):
        mine = groups == group
        histogram = Histogram()
        histogram.add_sparse(buckets[mine], counts[mine])
        assert row.tolist() == percentiles(*histogram.sparse(), [percent, 100])
