"""References that lead nowhere: rows of A whose value is in no row of B."""

from __future__ import annotations

import time
from collections.abc import Iterator
from functools import partial

import pyarrow.compute as pc

from ..core.errors import UsageError
from .comparing import CHUNK, Both, at_once, chunks, side_of
from .layout import Options
from .partitions import NOWHERE, Folds, Ranges
from .results import Comparison, RowDifference
from .tables import Pairs, Stop
from .tally import Sink, Tally


def check_references(both: Both, options: Options, stop: Stop, sink: Sink | None = None) -> Comparison:
    """Orphans of A. A NULL refers to nothing, and is none. Raises UsageError, SourceError."""
    began = time.monotonic_ns()
    if len(both.layout.keys) != 1:
        raise UsageError.simple("references are of one column", "--key listing_id --map listing_id=id")
    root_a, root_b = both.roots()
    tally = Tally(both.layout, options.expected, options.limit, sink)
    for a, b in _side_by_side(both):
        stop.check()
        alone = pc.and_(a.keys.is_valid(), pc.invert(pc.is_in(a.keys, value_set=b.keys)))
        for found in pc.value_counts(a.keys.filter(alone)).sort().to_pylist() if pc.any(alone).as_py() else ():
            tally.add(RowDifference(kind="orphan", key=tally.key([str(found["values"])]), copies=found["counts"]))
    orphans = tally.counts["orphan"]
    return Comparison(
        a=side_of(both, 0, root_a),
        b=side_of(both, 1, root_b),
        keys=(both.layout.keys[0].name,),
        columns=(),
        equal=root_a.rows - root_a.null_keys - orphans,
        orphans=orphans,
        first=tuple(tally.first),
        references=True,
        how=both.how,
        took_ns=time.monotonic_ns() - began,
    )


def _side_by_side(both: Both) -> Iterator[tuple[Pairs, Pairs]]:
    """Keys of A, and those of B that could be the same, so many at a time."""
    partition: Folds | Ranges = Folds(both.layout.integer_key)
    first, second = both.tables
    a, b = at_once(lambda: first.blocks(partition), lambda: second.blocks(partition))
    there = dict(zip(b.ids.tolist(), b.rows.tolist(), strict=True))
    ids = a.ids[a.ids != NOWHERE]
    rows = a.rows[a.ids != NOWHERE] + [there.get(i, 0) for i in ids.tolist()]
    for group in chunks(ids, rows, CHUNK):
        yield at_once(partial(first.pairs, partition, group), partial(second.pairs, partition, group))
