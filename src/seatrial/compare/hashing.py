"""A row as one text, and its 64-bit hash, as PostgreSQL's hashtextextended(text, 0) gives it.

That is Bob Jenkins' lookup3 (public domain, 2006) as in PostgreSQL's src/common/hashfn.c, hash_bytes_extended, on a little-endian
machine. Here it runs over all rows of a batch at once, 12 bytes of each at a time.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

Hashes = npt.NDArray[np.int64]
_Words = npt.NDArray[np.uint32]
_SEED = 0x9E3779B9 + 3923095
_TRIPLE = 12  # bytes
_SHORT = 1 << 16
NULL = "~|"
# Of a last triple, the bytes that a text still has (by how many), as masks of its three words.
_MASKS = np.array(
    [[(1 << 8 * min(max(left - 4 * word, 0), 4)) - 1 for word in range(3)] for left in range(_TRIPLE)], np.uint32
)


def row_texts(columns: Sequence[Any], free: Sequence[bool]) -> Any:
    """Arrays of canonical texts as one array: each followed by |, NULL as ~|, what is `free` text preceded by its length in bytes.

    No two different rows have the same text: only free text can hold a | itself.
    """
    parts: list[Any] = []
    for column, is_free in zip(columns, free, strict=True):
        if is_free:
            length = pc.binary_length(column).cast(pa.string())
            column = pc.binary_join_element_wise(length, column, ":")
        parts.append(pc.fill_null(column, NULL[0]) if column.null_count else column)
    return pc.binary_join_element_wise(*parts, "", NULL[1])


def hash_texts(texts: Any) -> Hashes:
    """hashtextextended(text, 0) of each; none may be null."""
    texts = texts.cast(pa.string())
    count = len(texts)
    if count == 0:
        return np.empty(0, np.int64)
    _, offsets_buffer, data_buffer = texts.buffers()
    offsets = np.frombuffer(offsets_buffer, np.int32, count + 1, texts.offset * 4).astype(np.int64)
    data = np.frombuffer(data_buffer, np.uint8) if data_buffer is not None else np.empty(0, np.uint8)
    data = np.concatenate([data[offsets[0] : offsets[-1]], np.zeros(_TRIPLE, np.uint8)])  # a last triple is read whole
    triples = np.ndarray((len(data) - _TRIPLE + 1,), f"V{_TRIPLE}", data, 0, (1,))  # one begins at each byte
    lengths = np.diff(offsets)
    order = _longest_first(lengths)  # those with triples left stay at the beginning
    starts, left = (offsets[:-1] - offsets[0])[order], lengths[order]
    a = (left.astype(np.uint64) + _SEED).astype(np.uint32)
    b, c = a.copy(), a.copy()
    active = len(left)
    while active := int(np.searchsorted(-left[:active], -_TRIPLE, side="right")):
        words = _words(triples, starts[:active])
        x, y, z = a[:active], b[:active], c[:active]
        x += words[:, 0]
        y += words[:, 1]
        z += words[:, 2]
        _mix(x, y, z)
        starts[:active] += _TRIPLE
        left[:active] -= _TRIPLE
    words = _words(triples, starts) & _MASKS[left]
    a += words[:, 0]
    b += words[:, 1]
    c += words[:, 2] << np.uint32(8)  # its lowest byte is kept for the length
    _final(a, b, c)
    hashed = (b.astype(np.uint64) << np.uint64(32)) | c.astype(np.uint64)
    result = np.empty(count, np.int64)
    result[order] = hashed.view(np.int64)
    return result


def _longest_first(lengths: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """The order; numbers of 16 bits are sorted in a tenth of the time."""
    longest = int(lengths.max())
    behind = longest - lengths
    return np.argsort(behind.astype(np.uint16) if longest < _SHORT else behind, kind="stable")


def _words(triples: Any, at: npt.NDArray[np.int64]) -> _Words:
    """Twelve bytes from there as three little-endian numbers: shape (n, 3)."""
    words: _Words = triples[at].view("<u4").reshape(-1, 3)
    return words


def _rotated(x: _Words, bits: int) -> _Words:
    return (x << np.uint32(bits)) | (x >> np.uint32(32 - bits))


def _mix(a: _Words, b: _Words, c: _Words) -> None:
    for bits, (x, y, z) in zip((4, 6, 8, 16, 19, 4), ((a, b, c), (b, c, a), (c, a, b)) * 2, strict=True):
        x -= z
        x ^= _rotated(z, bits)
        z += y


def _final(a: _Words, b: _Words, c: _Words) -> None:
    for bits, (x, y) in zip(
        (14, 11, 25, 16, 4, 14, 24), ((c, b), (a, c), (b, a), (c, b), (a, c), (b, a), (c, b)), strict=True
    ):
        x ^= y
        x -= _rotated(y, bits)
