"""The comparison: sums of all rows first (or at once of blocks), then the rows of blocks that do not agree, then the values of those.

Each stage asks only for what the one before could not settle, and none goes over what a client can hold: blocks are at most 2**16,
rows are looked into so many at a time. A hash that differs makes a row doubtful, and no more: its values decide.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from .layout import Layout, Options, layout_of
from .pairing import pair
from .partitions import Ids, Partition, Ranges, partition_of
from .results import Comparison, RowDifference, Side, SourceError
from .tables import Blocks, CanHash, Extent, Key, Pairs, Progress, Root, Row, Source, Stop, StreamTable, Table, integers
from .tally import Sink, Tally

CHUNK = 400_000  # rows of both sides that are looked into at a time
_MANY = 20_000_000  # rows, from which on their sums are asked for before those of blocks
_FETCH = 20_000  # whole rows that are fetched at a time
_COPIES = 1_000  # rows of one key, beyond which they are compared by their hashes alone


@dataclass(frozen=True, kw_only=True)
class Both:
    """Two tables that are ready to be compared."""

    sources: tuple[Source, Source]
    tables: tuple[Table, Table]
    layout: Layout

    def roots(self) -> tuple[Root, Root]:
        """Of both, at the same time."""
        return at_once(self.tables[0].root, self.tables[1].root)

    def extents(self) -> tuple[Extent, Extent] | None:
        """Of both; None where one has none."""
        first, second = at_once(self.tables[0].extent, self.tables[1].extent)
        return None if first is None or second is None else (first, second)

    @property
    def how(self) -> str:
        """Who hashed what."""
        there = [name for name, t in zip("AB", self.tables, strict=True) if not isinstance(t, StreamTable)]
        if not there:
            return "hashed here, by canonical texts"
        where = "by both servers" if len(there) == 2 else f"by the server of {there[0]} and here"
        return f"hashed {where}, by {'their own types' if self.layout.native else 'canonical texts'}"


def at_once(first: Callable[[], Any], second: Callable[[], Any]) -> tuple[Any, Any]:
    """What two calls return, made at the same time; the first one's error before the second's."""
    with ThreadPoolExecutor(2, thread_name_prefix="seatrial-compare") as pool:
        a, b = pool.submit(first), pool.submit(second)
        return a.result(), b.result()


def prepare(a: Source, b: Source, options: Options, stop: Stop, progress: Progress) -> Both:
    """Columns matched, and each side's rows hashed where that is best. Raises UsageError, SourceError."""
    described = at_once(a.describe, b.describe)
    layout = layout_of(*described, options)
    found: list[Table] = []
    for side, source in enumerate((a, b)):
        table = source.hashed(layout, side) if isinstance(source, CanHash) else None
        found.append(table or StreamTable(source, layout, side, stop, progress))
    return Both(sources=(a, b), tables=(found[0], found[1]), layout=layout)


def compare(
    both: Both, options: Options, stop: Stop, sink: Sink | None = None, roots: tuple[Root, Root] | None = None
) -> Comparison:
    """Row by row. Raises SourceError when a store cannot be read to the end.

    Sums of all rows first only where they are many: a server can go through those in parallel, and of few the sums of blocks cost
    hardly more.
    """
    began = time.monotonic_ns()
    tally = Tally(both.layout, options.expected, options.limit, sink)
    duplicates = [0, 0]
    extents = both.extents()
    if roots is None and extents is not None and min(e.rows for e in extents) >= _MANY:
        roots = both.roots()
    if roots is None or roots[0].sums != roots[1].sums:
        partition = _partition(both, extents)
        first, second = both.tables
        blocks = at_once(lambda: first.blocks(partition), lambda: second.blocks(partition))
        roots = blocks[0].root, blocks[1].root
        for ids in chunks(*doubtful(*blocks), CHUNK):
            stop.check()
            pairs = at_once(partial(first.pairs, partition, ids), partial(second.pairs, partition, ids))
            if isinstance(partition, Ranges):  # of primary keys
                pairs = unequal(*pairs)
            _look_into(both, *pairs, tally, duplicates)
    root_a, root_b = roots
    as_expected, unexpected = tally.judged(root_a.rows, root_b.rows)
    counts = tally.counts
    equal = root_a.rows - counts["missing"] - counts["different"]
    if equal != root_b.rows - counts["extra"] - counts["different"]:
        raise SourceError("changed", "a store changed while it was compared: its rows do not add up")
    return Comparison(
        a=side_of(both, 0, root_a, duplicates[0]),
        b=side_of(both, 1, root_b, duplicates[1]),
        keys=tuple(c.name for c in both.layout.keys),
        columns=tuple(c.name for c in both.layout.columns),
        equal=equal,
        missing=counts["missing"],
        extra=counts["extra"],
        different=counts["different"],
        by_column=tally.by_column(),
        first=tuple(tally.first),
        as_expected=as_expected,
        unexpected=unexpected,
        how=both.how,
        took_ns=time.monotonic_ns() - began,
    )


def side_of(both: Both, side: int, root: Root, duplicates: int = 0) -> Side:
    """A side of the result."""
    source = both.sources[side]
    return Side(
        label=source.label,
        rows=root.rows,
        taken=source.taken,
        snapshot=source.snapshot,
        duplicates=duplicates,
        null_keys=root.null_keys,
        only_columns=both.layout.only[side],
    )


def _partition(both: Both, extents: tuple[Extent, Extent] | None) -> Partition:
    bounds = None if extents is None else (min(e.low for e in extents), max(e.high for e in extents))
    rows = 0 if extents is None else max(e.rows for e in extents)
    return partition_of(bounds, rows, integer=both.layout.integer_key)


def doubtful(a: Blocks, b: Blocks) -> tuple[Ids, npt.NDArray[np.int64]]:
    """Blocks whose sums differ, and how many rows both have in each."""
    ids = np.sort(np.concatenate([a.ids, b.ids]))  # not union1d, which first imports what it hardly ever needs
    ids = ids[np.r_[True, ids[1:] != ids[:-1]][: len(ids)]]
    whole = np.zeros((2, 2, len(ids)), np.uint64)  # side, rows or total, block
    for side, blocks in enumerate((a, b)):
        at = np.searchsorted(ids, blocks.ids)
        whole[side, 0, at] = blocks.rows.astype(np.uint64)
        whole[side, 1, at] = blocks.total
    bad = (whole[0] != whole[1]).any(axis=0)
    return ids[bad], whole[:, 0].sum(axis=0)[bad].astype(np.int64)


def chunks(ids: Ids, rows: npt.NDArray[np.int64], most: int) -> Iterator[Ids]:
    """Blocks in groups of about so many rows; at least one each."""
    start, total = 0, 0
    for at, count in enumerate(rows.tolist()):
        if total and total + count > most:
            yield ids[start:at]
            start, total = at, 0
        total += count
    if start < len(ids):
        yield ids[start:]


def unequal(a: Pairs, b: Pairs) -> tuple[Pairs, Pairs]:
    """Without the rows that both have, of tables whose keys are whole numbers, unique and never null."""
    keys, hashes = [np.asarray(side.keys) for side in (a, b)], [a.hashes, b.hashes]
    orders = [np.argsort(k, kind="stable") for k in keys]
    if not len(keys[0]) or not len(keys[1]):
        return a, b
    first, second = orders
    partner = second[np.minimum(np.searchsorted(keys[1][second], keys[0][first]), len(second) - 1)]
    same = (keys[0][first] == keys[1][partner]) & (hashes[0][first] == hashes[1][partner])
    left = np.ones(len(first), np.bool_), np.ones(len(second), np.bool_)
    left[0][first[same]] = left[1][partner[same]] = False
    one, other = (
        Pairs(keys=p.keys.take(integers(np.flatnonzero(m))), hashes=p.hashes[m])
        for p, m in zip((a, b), left, strict=True)
    )
    return one, other


@dataclass(frozen=True, slots=True)
class _Alone:
    """Rows of a key that one side has and the other has not; `fetched`: by the key, which has no others."""

    key: Key
    copies: int
    fetched: bool


@dataclass(frozen=True, kw_only=True)
class _Matched:
    """Keys of a chunk: those whose rows are to be looked at, and rows that surely are on one side alone, with their number."""

    values: list[Key]
    missing: list[_Alone]
    extra: list[_Alone]
    duplicates: tuple[int, int]


def _matched(a: Pairs, b: Pairs) -> _Matched:
    """Rows with the same key and hash cancel one by one; of what is left, keys that both have need a look at their values."""
    count_a = len(a.hashes)
    encoded = pa.concat_arrays([a.keys, b.keys]).dictionary_encode(null_encoding="encode")
    codes, number = encoded.indices.to_numpy().astype(np.int64), len(encoded.dictionary)
    copies = [np.bincount(c, minlength=number) for c in (codes[:count_a], codes[count_a:])]
    hashes = np.concatenate([a.hashes, b.hashes])
    order = np.lexsort((hashes, codes))
    codes, hashes = codes[order], hashes[order]
    starts = np.flatnonzero(np.r_[True, (codes[1:] != codes[:-1]) | (hashes[1:] != hashes[:-1])])
    balance, group = np.add.reduceat(np.where(order < count_a, 1, -1), starts), codes[starts]
    left = [np.bincount(group, np.maximum(sign * balance, 0), number).astype(np.int64) for sign in (1, -1)]
    whole = ~encoded.dictionary.is_null().to_numpy(
        zero_copy_only=False
    )  # rows without a key have no partner, only equals
    few = (copies[0] <= _COPIES) & (copies[1] <= _COPIES)
    both = (copies[0] > 0) & (copies[1] > 0) & whole & few

    def alone(side: int) -> list[_Alone]:
        at = np.flatnonzero(~both & (left[side] > 0))
        fetched = (whole & few & (copies[1 - side] == 0))[at].tolist()
        return [_Alone(*found) for found in zip(_keys(encoded, at), left[side][at].tolist(), fetched, strict=True)]

    return _Matched(
        values=_keys(encoded, np.flatnonzero(both & ((left[0] > 0) | (left[1] > 0)))),
        missing=alone(0),
        extra=alone(1),
        duplicates=(int(((copies[0] > 1) & whole).sum()), int(((copies[1] > 1) & whole).sum())),
    )


def _keys(encoded: Any, at: Ids) -> list[Key]:
    keys: list[Key] = encoded.dictionary.take(integers(at)).to_pylist()
    return keys


def _look_into(both: Both, a: Pairs, b: Pairs, tally: Tally, duplicates: list[int]) -> None:
    if not len(a.hashes) and not len(b.hashes):
        return
    found = _matched(a, b)
    for side in (0, 1):
        duplicates[side] += found.duplicates[side]
    for keys in _groups(sorted(found.values, key=_key_order)):
        _values(both, keys, tally)
    for side, kind, rows in ((0, "missing", found.missing), (1, "extra", found.extra)):
        _alone(both, side, kind, sorted(rows, key=lambda f: _key_order(f.key)), tally)


def _values(both: Both, keys: Sequence[Key], tally: Tally) -> None:
    """Rows of keys that both have, held against each other."""
    first, second = both.tables
    fetched = at_once(lambda: first.rows(keys), lambda: second.rows(keys))
    by_key: dict[Row, tuple[list[Row], list[Row]]] = {}
    width = len(both.layout.keys)
    for side, rows in enumerate(fetched):
        for row in rows:
            by_key.setdefault(row[:width], ([], []))[side].append(row)
    for key, (rows_a, rows_b) in by_key.items():
        paired = pair(rows_a, rows_b, both.layout)
        named = tally.key(key)
        for one, other, cells in paired.different:
            tally.add(RowDifference(kind="different", key=named, a=tally.named(one), b=tally.named(other), cells=cells))
        for row in paired.missing:
            tally.add(RowDifference(kind="missing", key=named, a=tally.named(row)))
        for row in paired.extra:
            tally.add(RowDifference(kind="extra", key=named, b=tally.named(row)))


def _alone(both: Both, side: int, kind: str, found: Sequence[_Alone], tally: Tally) -> None:
    """Rows of keys that are on one side alone, and those that have no key."""
    for start in range(0, len(found), _FETCH):
        group = found[start : start + _FETCH]
        if not tally.wants_keys:
            tally.count(kind, sum(f.copies for f in group))
            continue
        fetched = [f.key for f in group if f.fetched]
        rows = both.tables[side].rows(fetched) if fetched else []
        for row in sorted(rows, key=lambda r: tuple(v or "" for v in r)):
            whole = tally.named(row)
            difference = RowDifference(kind=kind, key=tally.key(row))
            tally.add(replace(difference, a=whole) if side == 0 else replace(difference, b=whole))
        for one in (f for f in group if not f.fetched):
            tally.add(
                RowDifference(kind=kind, key=tally.key([None if one.key is None else str(one.key)]), copies=one.copies)
            )


def _groups(keys: Sequence[Key]) -> Iterator[Sequence[Key]]:
    for start in range(0, len(keys), _FETCH):
        yield keys[start : start + _FETCH]


def _key_order(key: Key) -> tuple[bool, Any]:
    return key is None, 0 if key is None else key


__all__ = ["Both", "at_once", "compare", "prepare", "side_of"]
