"""A table of PostgreSQL whose rows its server hashes: by its own types, or by the canonical texts that any store's rows have."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from ..hashing import NULL
from ..kinds import Kind
from ..layout import Column, Layout
from ..partitions import FOLDS, NOWHERE, Ids, Partition, Ranges
from ..tables import Blocks, Extent, Key, Pairs, Root, Row, integers
from .postgres_session import Session, literal
from .postgres_types import canonical_sql, cell_sql, hash_sql

# Of a table whose rows lie in the order of its key, blocks of at least so many rows are read by its index: that takes about four fifths
# of the time of one pass that looks each row's block up.
_IN_ORDER = 0.99
_DENSE = 64


@dataclass(frozen=True, kw_only=True, slots=True)
class Place:
    """What is read, as SQL: `rows` after FROM (as q), the condition, and the table's own name where it is one."""

    rows: str
    where: str
    table: str


class PostgresTable:
    """tables.Table. Each hash is used by one aggregate alone: the planner would have every row hashed anew for another."""

    def __init__(
        self, session: Session, layout: Layout, side: int, place: Place, primary_key: tuple[str, ...] = ()
    ) -> None:
        self._session, self._layout, self._side = session, layout, side
        self._from, self._where, self._table = place.rows, place.where, place.table
        self._primary_key = primary_key
        self._in_order = 0  # rows, where they are
        keys = [self._canonical(c) for c in layout.keys]
        if layout.integer_key:
            self._key = f"{self._name(layout.keys[0])}::int8"
        else:
            self._key = keys[0] if len(keys) == 1 else _joined(keys, [k.free for k in layout.keys])
        self._hash = self._native_hash() if layout.native else self._text_hash()
        self._no_key = " or ".join(f"{self._name(c)} is null" for c in layout.keys)

    def extent(self) -> Extent | None:
        """tables.Table: of a whole table with its primary key, as it was last analyzed."""
        name = self._layout.keys[0].names[self._side]
        if not self._layout.integer_key or (name,) != self._primary_key or self._where:
            return None
        key, table = f"q.{quoted(name)}", f"{literal(self._table)}::regclass"
        ((low, high, rows, order),) = self._session.read(
            f"select min({key})::int8, max({key})::int8, (select reltuples::int8 from pg_class where oid = {table}), "
            "(select correlation::float8 from pg_class c join pg_namespace n on n.oid = c.relnamespace "
            f"join pg_stats s on s.schemaname = n.nspname and s.tablename = c.relname and s.attname = {literal(name)} "
            f"where c.oid = {table} and c.relkind = 'r' and not s.inherited) from {self._from}"
        )
        if low is None or rows < 1:
            return None
        self._in_order = rows if (order or 0) >= _IN_ORDER else 0
        return Extent(rows=rows, low=low, high=high)

    def root(self) -> Root:
        """tables.Table."""
        inner = f"select {self._hash} as h, ({self._no_key}) as n from {self._from}{clause(self._where)}"
        ((rows, total, nulls),) = self._session.read(
            f"select count(*), coalesce(sum(h), 0)::text, count(*) filter (where n) from ({inner}) s"
        )
        return Root(rows=rows, total=int(total), null_keys=nulls)

    def blocks(self, partition: Partition) -> Blocks:
        """tables.Table: by the key's index where that goes through the table from its beginning to its end, else in one pass."""
        if isinstance(partition, Ranges) and self._in_order >= _DENSE * partition.count:
            return _blocks(self._session.read(self._by_index(partition)))
        several = len(self._layout.keys) > 1  # else those without a key have a block of their own
        nulls = "count(*) filter (where n)" if several else f"case b when {NOWHERE} then count(*) else 0 end"
        # `offset 0`: planned by itself, a block is a value like another, of which there are few.
        inner = (
            f"select {self._block(partition, self._key)} as b, {self._hash} as h, ({self._no_key}) as n "
            f"from {self._from}{clause(self._where)} offset 0"
        )
        return _blocks(self._session.read(f"select b, count(*), sum(h)::text, {nulls} from ({inner}) s group by b"))

    def _by_index(self, partition: Ranges) -> str:
        """Sums of blocks, one after the other."""
        sums = f"select count(*) as rows, sum({self._hash})::text as total from {self._range(partition)}"
        return (
            f"select seatrial_block, s.rows, s.total, 0 from generate_series(0::int8, {partition.count - 1}) seatrial_block "
            f"cross join lateral ({sums}) s where s.rows > 0"
        )

    def pairs(self, partition: Partition, ids: Ids) -> Pairs:
        """tables.Table: ranges by the key's index, anything else in one pass."""
        chosen = f"select {self._key} as k, {self._hash} as h from {self._within(partition, ids)}{clause(self._where)}"
        if not self._layout.integer_key:
            found = self._session.read(chosen)
            return Pairs(
                keys=pa.array([k for k, _ in found], pa.string()), hashes=np.array([h for _, h in found], np.int64)
            )
        # All of a block's rows as one value: bytes that are numbers already, rather than numbers to be made of each row.
        packed = self._session.read(
            f"select k is null, string_agg(int8send(coalesce(k, 0)) || int8send(h), ''::bytea) from ({chosen} offset 0) s group by 1"
        )
        rows = [np.frombuffer(data, ">i8").astype(np.int64).reshape(-1, 2) for _, data in packed]
        no_key = [np.full(len(r), n) for r, (n, _) in zip(rows, packed, strict=True)]
        keys, hashes = np.concatenate([*rows, np.empty((0, 2), np.int64)]).T.copy()
        return Pairs(keys=integers(keys, np.concatenate([*no_key, np.empty(0, np.bool_)])), hashes=hashes)

    def rows(self, keys: Sequence[Key]) -> list[Row]:
        """tables.Table."""
        chosen = ", ".join(f"{self._canonical(c)} as c{i}" for i, c in enumerate(self._layout.all))
        type_ = "int8" if self._layout.integer_key else "text"
        wanted = f"{self._name(self._layout.keys[0]) if self._bare else self._key} = any({_array(keys)}::{type_}[])"
        return self._session.read(f"select {chosen} from {self._from}{clause(self._where, wanted)}")

    @property
    def _bare(self) -> bool:
        """Whether the key's column itself is compared with wanted keys, so that its index serves."""
        column = self._layout.keys[0]
        return self._layout.integer_key or (
            len(self._layout.keys) == 1
            and column.fields[self._side].type in ("text", "varchar")
            and not self._layout.nfc
        )

    def _within(self, partition: Partition, ids: Ids) -> str:
        """Rows of blocks, as what to read from."""
        array = f"'{{{','.join(map(str, ids.tolist()))}}}'::int8[]"
        if not isinstance(partition, Ranges):
            return f"(select * from {self._from} where {self._block(partition, self._key)} = any({array}) offset 0) q"
        rows = f"(select * from {self._range(partition)} offset 0) q"
        return f"unnest({array}) seatrial_blocks(seatrial_block) cross join lateral {rows}"

    def _range(self, partition: Ranges) -> str:
        """Rows of the block seatrial_block."""
        name = self._name(self._layout.keys[0])
        low = f"{partition.base} + (seatrial_block << {partition.bits})"
        return f"{self._from} where {name} >= {low} and {name} < {low} + {1 << partition.bits}"

    def _block(self, partition: Partition, key: str) -> str:
        if isinstance(partition, Ranges):
            return f"(({key} - {partition.base}) >> {partition.bits})"  # of a primary key, which is never null
        k = f"({key})"
        folded = (
            f"({k} # ({k} >> 14) # ({k} >> 28) # ({k} >> 42))" if partition.integer else f"hashtextextended({k}, 0)"
        )
        return f"coalesce({folded} & {FOLDS - 1}, {NOWHERE})"

    def _native_hash(self) -> str:
        """Of values hashed as their types are: each with the one before it as its seed. A NULL ends that with NULL (all these functions are
        strict); then each is hashed by itself, laid over the others and mixed once more.
        """
        chain, apart = "0", []
        for seed, column in enumerate(self._layout.all, 1):
            name, type_ = self._name(column), column.fields[self._side].type
            as_text = self._cell(column) or (
                self._canonical(column) if self._layout.nfc and column.kind is Kind.TEXT else None
            )
            if as_text is not None:
                name, type_ = as_text, "text"
            chain = hash_sql(name, type_, chain)
            apart.append(f"coalesce({hash_sql(name, type_, str(seed))}, {seed})")
        return f"coalesce({chain}, hashint8extended({' # '.join(apart)}, 0))"

    def _text_hash(self) -> str:
        texts = [self._cell(c) or self._canonical(c) for c in self._layout.all]
        return f"hashtextextended({_joined(texts, [c.free for c in self._layout.all])}, 0)"

    def _cell(self, column: Column) -> str | None:
        return cell_sql(self._name(column), column, column.fields[self._side])

    def _canonical(self, column: Column) -> str:
        return canonical_sql(self._name(column), column.fields[self._side], column.kind, nfc=self._layout.nfc)

    def _name(self, column: Column) -> str:
        return f"q.{quoted(column.names[self._side])}"


def _joined(texts: Sequence[str], free: Sequence[bool]) -> str:
    """hashing.row_texts as SQL."""
    parts = (
        f"coalesce(octet_length({t})::text || ':' || {t} || '|', '{NULL}')" if f else f"coalesce({t} || '|', '{NULL}')"
        for t, f in zip(texts, free, strict=True)
    )
    return f"({' || '.join(parts)})"


def clause(*conditions: str) -> str:
    """All of these that there are, as WHERE."""
    given = [c for c in conditions if c]
    return f" where {' and '.join(given)}" if given else ""


def quoted(name: str) -> str:
    """A name in SQL."""
    doubled = name.replace('"', '""')
    return f'"{doubled}"'


def _blocks(found: Sequence[tuple[int, int, str, int]]) -> Blocks:
    """From (block, rows, sum of hashes as text, rows without a key), in any order."""
    found = sorted(found)
    return Blocks(
        ids=np.array([b for b, _, _, _ in found], np.int64),
        rows=np.array([r for _, r, _, _ in found], np.int64),
        total=np.array([int(t) & ((1 << 64) - 1) for _, _, t, _ in found], np.uint64),
        null_keys=sum(n for _, _, _, n in found),
    )


def _array(keys: Sequence[Key]) -> str:
    """An array's literal."""
    if all(isinstance(k, int) for k in keys):
        return f"'{{{','.join(map(str, keys))}}}'"
    texts = (str(k).replace("\\", "\\\\").replace('"', '\\"') for k in keys)
    return literal("{" + ",".join(f'"{t}"' for t in texts) + "}")
