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
NULL = "~|"


def row_texts(columns: Sequence[Any], free: Sequence[bool]) -> Any:
    """Arrays of canonical texts as one array: each followed by |, NULL as ~|, what is `free` text preceded by its length in bytes.

    No two different rows have the same text: only free text can hold a | itself.
    """
    parts: list[Any] = []
    for column, is_free in zip(columns, free, strict=True):
        if is_free:
            length = pc.binary_length(column).cast(pa.string())
            column = pc.binary_join_element_wise(length, column, ":")
        parts.append(pc.fill_null(pc.binary_join_element_wise(column, "|", ""), NULL))
    return pc.binary_join_element_wise(*parts, "") if len(parts) > 1 else parts[0]


def hash_texts(texts: Any) -> Hashes:
    """hashtextextended(text, 0) of each; none may be null."""
    texts = texts.cast(pa.string())
    count = len(texts)
    if count == 0:
        return np.empty(0, np.int64)
    _, offsets_buffer, data_buffer = texts.buffers()
    offsets = np.frombuffer(offsets_buffer, np.int32, count + 1, texts.offset * 4).astype(np.int64)
    data = np.frombuffer(data_buffer, np.uint8) if data_buffer is not None else np.empty(0, np.uint8)
    data = np.concatenate(
        [data[offsets[0] : offsets[-1]], np.zeros(12, np.uint8)]
    )  # so that a last word can be read whole
    starts = offsets[:-1] - offsets[0]
    lengths = np.diff(offsets)
    order = np.argsort(-lengths, kind="stable")  # the longest first: those with words left stay at the beginning
    starts, left = starts[order], lengths[order]
    a = (lengths[order].astype(np.uint64) + _SEED).astype(np.uint32)
    b, c = a.copy(), a.copy()
    words = np.lib.stride_tricks.sliding_window_view(data, 4) if len(data) >= 4 else None
    assert words is not None
    active = int(np.searchsorted(-left, -12, side="right"))
    while active:
        at = starts[:active]
        x, y, z = a[:active], b[:active], c[:active]
        x += _word(words, at)
        y += _word(words, at + 4)
        z += _word(words, at + 8)
        _mix(x, y, z)
        starts[:active] += 12
        left[:active] -= 12
        active = int(np.searchsorted(-left[:active], -12, side="right"))
    _tail(words, starts, left, a, b, c)
    _final(a, b, c)
    hashed = (b.astype(np.uint64) << np.uint64(32)) | c.astype(np.uint64)
    result = np.empty(count, np.int64)
    result[order] = hashed.view(np.int64)
    return result


def _word(words: Any, at: npt.NDArray[np.int64]) -> _Words:
    """Four bytes from there as a little-endian number."""
    return np.ascontiguousarray(words[at]).view("<u4").reshape(-1)


def _tail(
    words: Any, starts: npt.NDArray[np.int64], left: npt.NDArray[np.int64], a: _Words, b: _Words, c: _Words
) -> None:
    """The last 0 to 11 bytes; the lowest byte of c is kept for the length."""
    last = len(words) - 1
    for number, target in enumerate((a, b, c)):
        rest = np.clip(left - 4 * number, 0, 4)
        mask = ((np.uint64(1) << (rest.astype(np.uint64) * np.uint64(8))) - np.uint64(1)).astype(np.uint32)
        value = _word(words, np.minimum(starts + 4 * number, last)) & mask
        target += value << np.uint32(8) if number == 2 else value


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
