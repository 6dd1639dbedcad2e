"""Tables in memory, an oracle that holds them against each other, and comparisons of them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa

from seatrial.compare.comparing import compare, prepare
from seatrial.compare.layout import Description, Options
from seatrial.compare.references import check_references
from seatrial.compare.results import Comparison
from seatrial.compare.running import Task, nobody, run
from seatrial.compare.sources.files import field_of
from seatrial.compare.tables import Stop
from seatrial.compare.tally import Sink
from seatrial.core.stores import read_store


class Memory:
    """tables.Source over an Arrow table, in batches of a few rows."""

    taken, snapshot = "now", "memory"

    def __init__(self, table: Any, label: str = "memory", primary_key: tuple[str, ...] = ()) -> None:
        self.table, self.label, self._primary_key = table, label, primary_key

    def describe(self) -> Description:
        return Description(fields={f.name: field_of(f.type) for f in self.table.schema}, primary_key=self._primary_key)

    def batches(self, columns: Sequence[str]) -> Iterable[Any]:
        return self.table.select(columns).to_batches(max_chunksize=7)

    def close(self) -> None: ...


def table(columns: Mapping[str, Sequence[Any]], **types: Any) -> Any:
    """An Arrow table; types where they are not to be guessed."""
    return pa.table({n: pa.array(v, types.get(n)) for n, v in columns.items()})


def held(a: Any, b: Any, options: Options | None = None, sink: Sink | None = None) -> Comparison:
    """A comparison of two Arrow tables; the key is `id` where nothing else is said."""
    asked = options or Options(keys=("id",))
    both = prepare(Memory(a, "a"), Memory(b, "b"), asked, Stop(), nobody)
    return (check_references if asked.references else compare)(both, asked, Stop(), sink)


def stores(a: str, b: str, options: Options, directory: Path = Path(), **more: Any) -> Comparison:
    """A comparison of two stores by their names."""
    return run(Task(stores=(read_store(a), read_store(b)), options=options, directory=directory, **more), Stop())


def counts(found: Comparison) -> tuple[int, int, int, int]:
    """(equal, missing, extra, different)"""
    return found.equal, found.missing, found.extra, found.different


def oracle(a: Sequence[tuple[Any, ...]], b: Sequence[tuple[Any, ...]]) -> tuple[int, int, int, int]:
    """The same counts of rows whose first value is the key: equal rows cancel one by one, then rows of one key; NULL has no partner."""
    left, right = Counter(a), Counter(b)
    equal = (left & right).total()
    left, right = left - right, right - left
    keys_a, keys_b = (Counter(row[0] for row in side.elements() if row[0] is not None) for side in (left, right))
    different = (keys_a & keys_b).total()
    return equal, left.total() - different, right.total() - different, different
