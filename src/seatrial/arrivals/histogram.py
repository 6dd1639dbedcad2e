"""Log-linear histograms of durations: every value within 0.1 %, mergeable by adding counts.

Each octave has 1,024 linear buckets (the layout of HdrHistogram, Gil Tene, 2012), so that a bucket is at most 1/1,024 of its values
wide and its middle at most 0.05 % off. Values below 2,048 ns are exact.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

Ns = NDArray[np.int64]
BITS = 10
OCTAVES = 34  # up to 2**44 ns: four hours and more
BUCKETS = (OCTAVES + 1) << BITS
_MOST = (1 << (OCTAVES + BITS)) - 1


def bucket(ns: Ns) -> NDArray[np.int64]:
    """The bucket of each duration; negative ones count as 0, ones beyond the range as the longest."""
    value = np.clip(ns, 0, _MOST)
    octave = np.maximum(np.frexp(value.astype(np.float64))[1].astype(np.int64) - (BITS + 1), 0)
    found: NDArray[np.int64] = (octave << BITS) + (value >> octave)
    return found


def middle(index: NDArray[np.int64]) -> NDArray[np.float64]:
    """The middle of each bucket, ns."""
    octave = np.maximum((index >> BITS) - 1, 0)
    lowest = (index - (octave << BITS)) << octave
    found: NDArray[np.float64] = lowest + ((1 << octave) - 1) / 2
    return found


class Histogram:
    """Counts by bucket."""

    def __init__(self) -> None:
        self.counts: Ns = np.zeros(BUCKETS, np.int64)

    def add(self, ns: Ns) -> None:
        """Count durations."""
        if len(ns):
            self.put(bucket(ns))

    def put(self, buckets: NDArray[np.int64]) -> None:
        """Count durations by their buckets."""
        if len(buckets) < 256:
            np.add.at(self.counts, buckets, 1)
        elif len(buckets):
            found = np.bincount(buckets)
            self.counts[: len(found)] += found

    def add_sparse(self, buckets: NDArray[np.int64], counts: Ns) -> None:
        """Merge what `sparse` gave; a bucket may come more than once."""
        if len(buckets):
            found = np.bincount(buckets, weights=counts, minlength=BUCKETS)
            self.counts += found[:BUCKETS].astype(np.int64)

    def merge(self, other: Histogram) -> None:
        """Add another histogram's counts."""
        self.counts += other.counts

    def sparse(self) -> tuple[NDArray[np.int64], Ns]:
        """(buckets, counts) of the buckets that hold something."""
        buckets = np.flatnonzero(self.counts)
        return buckets, self.counts[buckets]

    @property
    def total(self) -> int:
        """How many durations were counted."""
        return int(self.counts.sum())

    def percentiles(self, percents: Sequence[float]) -> list[float]:
        """Durations in ns that at least these percentages of all do not exceed; raises ValueError when there is none."""
        return percentiles(*self.sparse(), percents)


def percentiles(buckets: NDArray[np.int64], counts: Ns, percents: Sequence[float]) -> list[float]:
    """As Histogram.percentiles, of sparse counts in ascending order of buckets."""
    if not len(buckets):
        raise ValueError("a percentile of nothing")
    upto = np.cumsum(counts)
    ranks = np.maximum(1, np.ceil(upto[-1] * np.asarray(percents) / 100 - 1e-9))
    return [float(v) for v in middle(buckets[np.searchsorted(upto, ranks)])]


def percentiles_by(
    groups: NDArray[np.int64], buckets: NDArray[np.int64], counts: Ns, percents: Sequence[float]
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """(groups that hold something, ascending; their percentiles in ns, a row each). Counts in any order, a bucket may come again."""
    order = np.argsort(groups * BUCKETS + buckets, kind="stable")
    groups, buckets, upto = groups[order], buckets[order], np.cumsum(counts[order])
    found, first = np.unique(groups, return_index=True)
    before = np.concatenate([[0], upto])[first]
    totals = np.diff(before, append=upto[-1:])
    ranks = before[:, None] + np.maximum(1, np.ceil(totals[:, None] * np.asarray(percents) / 100 - 1e-9))
    return found, middle(buckets[np.searchsorted(upto, ranks)])
