"""Rows by key in blocks that both sides cut alike: what does not agree on a block's sums is looked into, and nothing else.

Dense whole numbers are cut into ranges, which an index finds again; other keys fall into a fixed number of folds.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow.compute as pc

from .hashing import hash_texts

FOLDS = 1 << 14  # of 610 rows at 10^7
_BITS = 8  # rows of a block are at least 2**8: of fewer, blocks cost more than looking into them
_MOST = 1 << 16  # blocks: what is kept of each is 24 bytes a side
_SPARSE = 8  # numbers for each row, up to which ranges are not too empty
_FAR = 1 << 62  # beyond it a server's sums may overflow
NOWHERE = -1  # the block of rows whose key is NULL

Ids = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Ranges:
    """Block (key - base) >> bits, of `count` blocks."""

    base: int
    bits: int
    count: int

    def of(self, keys: Any) -> Ids:
        """The block of each key (an Arrow array of int64)."""
        return np.where(_null(keys), NOWHERE, (_integers(keys) - self.base) >> self.bits)


@dataclass(frozen=True, slots=True)
class Folds:
    """Block: the key's bits laid over each other, of a text those of its hash."""

    integer: bool

    @property
    def count(self) -> int:
        """Of blocks."""
        return FOLDS

    def of(self, keys: Any) -> Ids:
        """The block of each key (an Arrow array of int64 or text)."""
        if self.integer:
            k = _integers(keys)
            folded = (k ^ (k >> 14) ^ (k >> 28) ^ (k >> 42)) & (FOLDS - 1)
        else:
            folded = hash_texts(pc.fill_null(keys, "")) & (FOLDS - 1)
        return np.where(_null(keys), NOWHERE, folded)


Partition = Ranges | Folds


def partition_of(bounds: tuple[int, int] | None, rows: int, *, integer: bool) -> Partition:
    """Ranges of keys from the least to the greatest, where they are known and not mostly empty."""
    if bounds is None:
        return Folds(integer)
    low, high = bounds
    count = high - low + 1
    if count > max(1 << _BITS, _SPARSE * rows) or max(-low, high) >= _FAR:
        return Folds(integer)
    bits = max(_BITS, (-(-count // _MOST) - 1).bit_length())
    return Ranges(low, bits, ((high - low) >> bits) + 1)


def _integers(keys: Any) -> Ids:
    values: Ids = pc.fill_null(keys, 0).to_numpy(zero_copy_only=False)
    return values


def _null(keys: Any) -> npt.NDArray[np.bool_]:
    nulls: npt.NDArray[np.bool_] = keys.is_null().to_numpy(zero_copy_only=False)
    return nulls
