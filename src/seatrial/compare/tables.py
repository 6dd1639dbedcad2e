"""A table as the comparison sees it, wherever its rows are hashed; and one whose rows are hashed here, as they stream by."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from .canonical import canonical, decimal_of, microseconds
from .hashing import Hashes, hash_texts, row_texts
from .kinds import Kind
from .layout import Column, Description, Layout
from .partitions import NOWHERE, Folds, Ids, Partition
from .results import SourceError

Key = int | str | None
Row = tuple[str | None, ...]  # canonical texts, keys first
_MASK = (1 << 64) - 1


@dataclass(frozen=True, kw_only=True, slots=True)
class Root:
    """All rows of a table in two numbers: how many, and the sum of their hashes mod 2**64, in which doubled rows do not cancel."""

    rows: int
    total: int
    null_keys: int = 0

    @property
    def sums(self) -> tuple[int, int]:
        """What is equal when the rows are."""
        return self.rows, self.total & _MASK


@dataclass(frozen=True, kw_only=True, slots=True)
class Extent:
    """What a server knows of a table without reading it: about how many rows, and the least and the greatest of its keys."""

    rows: int
    low: int
    high: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Blocks:
    """The same for each block, by ascending id: arrays of one length."""

    ids: Ids
    rows: npt.NDArray[np.int64]
    total: npt.NDArray[np.uint64]
    null_keys: int = 0

    @property
    def root(self) -> Root:
        """Of all of them."""
        return Root(rows=int(self.rows.sum()), total=int(self.total.sum(dtype=np.uint64)), null_keys=self.null_keys)


def integers(values: Ids, null: npt.NDArray[np.bool_] | None = None) -> Any:
    """Numbers as an Arrow array, over the same memory: pa.array would first import all of numpy.ma, in case they are masked."""
    valid = None if null is None or not null.any() else pa.py_buffer(np.packbits(~null, bitorder="little"))
    return pa.Array.from_buffers(pa.int64(), len(values), [valid, pa.py_buffer(np.ascontiguousarray(values, np.int64))])


@dataclass(frozen=True, kw_only=True, slots=True)
class Pairs:
    """Rows as (key, hash): an Arrow array (int64 or text, null for no key), and numbers."""

    keys: Any
    hashes: Hashes


@runtime_checkable
class Table(Protocol):
    """What the comparison asks of a side. All of it is of one state of the store, where its source can hold it still."""

    def extent(self) -> Extent | None:
        """Of a table whose rows an index finds by ranges of its one key, a whole number; None of any other."""
        ...

    def root(self) -> Root: ...

    def blocks(self, partition: Partition) -> Blocks: ...

    def pairs(self, partition: Partition, ids: Ids) -> Pairs:
        """The rows of these blocks; NOWHERE is that of rows without a key."""
        ...

    def rows(self, keys: Sequence[Key]) -> list[Row]:
        """Whole rows with these keys, none of them null."""
        ...


class Source(Protocol):
    """A store's table. Methods raise SourceError when it cannot be read."""

    @property
    def label(self) -> str:
        """For people, without credentials."""
        ...

    @property
    def taken(self) -> str:
        """When its state was taken, ISO 8601 in UTC; "" before it was."""
        ...

    @property
    def snapshot(self) -> str:
        """What holds it still meanwhile, in words; "" for nothing."""
        ...

    def describe(self) -> Description: ...

    def batches(self, columns: Sequence[str]) -> Iterable[Any]:
        """Arrow record batches of these columns in this order, as often as asked; values of any type, or texts of the column's kind."""
        ...

    def close(self) -> None: ...


@runtime_checkable
class CanHash(Protocol):
    """A source whose server hashes rows as `hashing` does, or with its own types."""

    def hashed(self, layout: Layout, side: int) -> Table | None:
        """The table with its rows hashed there; None where this layout asks for what only we can do."""
        ...


class Stop:
    """Ends a comparison from outside: sources look at it between batches, and are called where they wait."""

    def __init__(self) -> None:
        self._event = threading.Event()
        self._calls: list[Callable[[], None]] = []

    @property
    def is_set(self) -> bool:
        """Whether it is over."""
        return self._event.is_set()

    def on_set(self, call: Callable[[], None]) -> None:
        """Have this called when it is over; it must not block, and may be called from another thread."""
        self._calls.append(call)

    def set(self) -> None:
        """It is over."""
        self._event.set()
        for call in self._calls:
            call()

    def wait(self, seconds: float) -> bool:
        """Whether it is over within that time."""
        return self._event.wait(seconds)

    def check(self) -> None:
        """Raises SourceError when it is over."""
        if self.is_set:
            raise SourceError("timeout", "its time was over")


Progress = Callable[[int, int], None]  # side, rows that were read since the last call


def key_texts(layout: Layout, columns: Sequence[Any]) -> Any:
    """The identity of rows, from the canonical texts of their keys: of one column its value, of several all as one text."""
    if len(layout.keys) == 1:
        return columns[0].cast(pa.int64()) if layout.integer_key else columns[0]
    return row_texts(columns[: len(layout.keys)], [k.free for k in layout.keys])


class StreamTable:
    """A table whose rows are made canonical and hashed here, in batches; of a pass nothing is kept but its sums."""

    def __init__(self, source: Source, layout: Layout, side: int, stop: Stop, progress: Progress) -> None:
        self._source = source
        self._layout = layout
        self._side = side
        self._stop = stop
        self._progress = progress
        self._names = [c.names[side] for c in layout.all]
        self._sums: tuple[Folds, Blocks] | None = None

    def extent(self) -> Extent | None:
        """None: nothing finds ranges here."""
        return None

    def root(self) -> Root:
        """One pass."""
        return self.blocks(Folds(self._layout.integer_key)).root

    def blocks(self, partition: Partition) -> Blocks:
        """One pass; those of folds are known from the root's."""
        if self._sums is not None and self._sums[0] == partition:
            return self._sums[1]
        rows, total = np.zeros(partition.count + 1, np.int64), np.zeros(partition.count + 1, np.uint64)
        nulls = 0
        for batch, identity, keys in self._scan():
            nulls += _without(identity)
            at = partition.of(keys) - NOWHERE
            rows += np.bincount(at, minlength=len(rows))
            np.add.at(total, at, self._hashes([*identity, *self._columns(batch, len(identity))]).view(np.uint64))
        there = np.flatnonzero(rows)
        blocks = Blocks(ids=there + NOWHERE, rows=rows[there], total=total[there], null_keys=nulls)
        if isinstance(partition, Folds):
            self._sums = partition, blocks
        return blocks

    def pairs(self, partition: Partition, ids: Ids) -> Pairs:
        """One pass."""
        wanted = np.zeros(partition.count + 1, np.bool_)
        wanted[ids - NOWHERE] = True
        found: list[Any] = []
        hashes: list[Hashes] = []
        for batch, _, keys in self._scan():
            mask = pa.array(wanted[partition.of(keys) - NOWHERE])
            if mask.true_count:
                found.append(keys.filter(mask))
                hashes.append(self._hashes(self._columns(batch.filter(mask))))
        empty = pa.array([], pa.int64() if self._layout.integer_key else pa.string())
        return Pairs(
            keys=pa.concat_arrays(found) if found else empty,
            hashes=np.concatenate(hashes) if hashes else np.empty(0, np.int64),
        )

    def rows(self, keys: Sequence[Key]) -> list[Row]:
        """One pass."""
        wanted = pa.array(keys, pa.int64() if self._layout.integer_key else pa.string())
        found: list[Row] = []
        for batch, _, here in self._scan():
            mask = pc.is_in(here, value_set=wanted)
            if mask.true_count:
                found += zip(*(c.to_pylist() for c in self._columns(batch.filter(mask))), strict=True)
        return found

    def _scan(self) -> Iterator[tuple[Any, list[Any], Any]]:
        """Batches as they are, the canonical columns of their keys, and the identities of their rows."""
        for batch in self._source.batches(self._names):
            self._stop.check()
            if len(batch) == 0:
                continue
            identity = self._columns(batch, 0, len(self._layout.keys))
            self._progress(self._side, len(batch))
            yield batch, identity, key_texts(self._layout, identity)

    def _columns(self, batch: Any, first: int = 0, end: int | None = None) -> list[Any]:
        """Columns of a batch made canonical."""
        chosen = list(enumerate(self._layout.all))[first:end]
        return [canonical(batch.column(n), c.kind, nfc=self._layout.nfc) for n, c in chosen]

    def _hashes(self, columns: Sequence[Any]) -> Hashes:
        pairs = list(zip(self._layout.all, columns, strict=True))
        return hash_texts(row_texts([cells(c, texts) for c, texts in pairs], [c.free for c, _ in pairs]))


def _without(keys: Sequence[Any]) -> int:
    """Rows of which a column of the key is null."""
    if not any(k.null_count for k in keys):
        return 0
    nulls = keys[0].is_null()
    for other in keys[1:]:
        nulls = pc.or_(nulls, other.is_null())
    return int(pc.sum(nulls).as_py() or 0)


def cells(column: Column, texts: Any) -> Any:
    """What of a column goes into the hash: its texts, or where it has a tolerance, the cell of width tolerance / 2 that a value is in.

    Values of one cell are within the tolerance of each other, so none beyond it is missed; those of different cells may be, and are
    looked at. Towards zero, as PostgreSQL's div: the two cells at zero are one, as wide as the tolerance.
    """
    tolerance = column.tolerance
    if not tolerance:
        return texts
    if column.kind is Kind.NUMBER:
        return pa.array([_number_cell(t, tolerance) for t in texts.to_pylist()], pa.string())
    half = int(tolerance) // 2
    return pa.array([_time_cell(t, half) for t in texts.to_pylist()], pa.string()) if half else texts


def _number_cell(text: str | None, tolerance: Any) -> str | None:
    number = None if text is None else decimal_of(text)
    if number is None or not number.is_finite():
        return text
    top, bottom = number.as_integer_ratio(), (tolerance / 2).as_integer_ratio()
    quotient = abs(top[0]) * bottom[1] // (top[1] * bottom[0])
    return str(-quotient if top[0] < 0 else quotient)


def _time_cell(text: str | None, half: int) -> str | None:
    moment = None if text is None else microseconds(text)
    if moment is None:
        return text
    quotient = abs(moment) // half
    return str(-quotient if moment < 0 else quotient)
