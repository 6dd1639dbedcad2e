"""PostgreSQL by ADBC: rows as Arrow batches, and hashed by the server, all of one repeatable-read snapshot."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator, Sequence
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

import adbc_driver_manager
import adbc_driver_postgresql.dbapi as adbc
import numpy as np
import pyarrow as pa

from ...clients.postgres_words import word
from ..hashing import NULL
from ..kinds import Kind
from ..layout import Column, Description, Field, Layout
from ..partitions import FOLDS, NOWHERE, Ids, Partition, Ranges
from ..results import SourceError
from ..tables import Blocks, Extent, Key, Pairs, Root, Row, Stop
from .postgres_types import canonical_sql, cell_sql, field_of, hash_sql

_BATCH_BYTES = 4 << 20
_CONNECT_S = 10
_SESSION = {
    "timezone": "UTC",
    "datestyle": "ISO, YMD",
    "intervalstyle": "postgres",
    "bytea_output": "hex",
    "extra_float_digits": "1",
    "standard_conforming_strings": "on",
    "jit": "off",  # compiling takes longer than what it speeds up
    "work_mem": "16MB",
    "default_transaction_isolation": "repeatable read",
    "default_transaction_read_only": "on",
}


class PostgresSource:
    """tables.Source and tables.CanHash. `table`: schema.table, or a `query`; `where`: a condition in SQL."""

    def __init__(self, url: str, label: str, stop: Stop, *, table: str = "", query: str = "", where: str = "") -> None:
        self.label = label
        self.snapshot = "repeatable read"
        self.taken = ""
        inner = f"({query.strip().rstrip(';')})" if query else _quoted_path(table)
        self.table = "" if query else inner
        self.primary_key: tuple[str, ...] = ()
        self._from = f"{inner} q"
        self._where = f"({where})" if where else ""
        self._stop = stop
        self._fields: dict[str, Field] = {}
        self._cursor: Any = None
        stop.check()
        try:
            self._connection = adbc.connect(_with_time_out(url), autocommit=True)
        except adbc_driver_manager.Error as error:
            raise _failed(self.label, error) from None
        stop.on_set(self._cancel)
        try:
            settings = (
                _SESSION if query else {**_SESSION, "enable_sort": "off"}
            )  # blocks are few, which the planner cannot know
            self.ask(
                f"select {', '.join(f'set_config({_literal(n)}, {_literal(v)}, false) as {n}' for n, v in settings.items())}"
            )
            self._connection.adbc_connection.set_autocommit(False)
            self.taken, version = self.ask(
                """select to_char(now(), 'YYYY-MM-DD"T"HH24:MI:SS.MS"+00:00"'), current_setting('server_version_num')::int8"""
            ).values()
        except BaseException:
            self.close()
            raise
        self._version = int(version) // 10000

    def describe(self) -> Description:
        """tables.Source."""
        names = self.read(f"select * from {self._from} limit 0").column_names
        if not names:
            raise SourceError("absent", f"{self.label}: no columns")
        if len(set(names)) < len(names):
            raise SourceError("statement", f"{self.label}: two columns of one name; name them in the query")
        types = ", ".join(f"pg_typeof({_quoted(n)})::oid::int8 as {_quoted(n)}" for n in names)
        oids = self.ask(f"select {types} from (select 1) one left join {self._from} on true limit 1")
        known = self.read(
            "select t.oid::int8 as oid, b.typname::text as name, b.typcategory::text as category from pg_type t "
            "join pg_type b on b.oid = coalesce(nullif(t.typbasetype, 0), t.oid) "
            f"where t.oid = any('{{{','.join(map(str, set(oids.values())))}}}'::oid[])"
        ).to_pylist()
        by_oid = {row["oid"]: field_of(row["name"], row["category"], self._version) for row in known}
        self._fields = {n: by_oid[oids[n]] for n in names}
        self.primary_key = self._primary_key()
        return Description(fields=self._fields, primary_key=self.primary_key)

    def _primary_key(self) -> tuple[str, ...]:
        if not self.table:
            return ()
        rows = self.read(
            "select a.attname::text as name from pg_index i, unnest(i.indkey) with ordinality k(number, place), pg_attribute a "
            f"where i.indrelid = {_literal(self.table)}::regclass and i.indisprimary and a.attrelid = i.indrelid "
            "and a.attnum = k.number order by k.place"
        ).to_pylist()
        return tuple(row["name"] for row in rows)

    def batches(self, columns: Sequence[str]) -> Iterator[Any]:
        """tables.Source: canonical texts."""
        chosen = ", ".join(
            f"{canonical_sql(f'q.{_quoted(n)}', self._fields[n], self._fields[n].kind, nfc=False)} as c{i}"
            for i, n in enumerate(columns)
        )
        with self._opened(f"select {chosen} from {self._from}{_clause(self._where)}") as reader:
            yield from self._each(reader)

    def hashed(self, layout: Layout, side: int) -> PostgresTable | None:
        """tables.CanHash: None where a text is to be read as something else, which only we can do."""
        read = any(c.fields[side].kind is Kind.TEXT and c.kind is not Kind.TEXT for c in layout.all)
        return None if read else PostgresTable(self, layout, side, self._from, self._where)

    def close(self) -> None:
        """tables.Source."""
        self._end_cursor()
        with contextlib.suppress(adbc_driver_manager.Error, RuntimeError):
            self._connection.close()

    def ask(self, sql: str) -> dict[str, Any]:
        """The only row of a query."""
        (row,) = self.read(sql).to_pylist()
        return dict(row)

    def read(self, sql: str) -> Any:
        """All of a small result, as an Arrow table."""
        with self._opened(sql) as reader:
            return pa.Table.from_batches(list(self._each(reader)), reader.schema)

    @contextlib.contextmanager
    def _opened(self, sql: str) -> Iterator[Any]:
        self._stop.check()
        cursor = self._cursor = self._connection.cursor()
        try:
            cursor.adbc_statement.set_options(**{"adbc.postgresql.batch_size_hint_bytes": str(_BATCH_BYTES)})
            cursor.execute(sql)
            yield cursor.fetch_record_batch()
        except adbc_driver_manager.Error as error:
            self._stop.check()
            raise _failed(self.label, error) from None
        except OSError as error:  # as its streams say it
            self._stop.check()
            raise SourceError("reset", f"{self.label}: {_told(str(error))}") from None
        finally:
            self._end_cursor()

    def _each(self, reader: Any) -> Iterator[Any]:
        for batch in reader:
            self._stop.check()
            yield batch

    def _end_cursor(self) -> None:
        cursor, self._cursor = self._cursor, None
        if cursor is not None:
            with contextlib.suppress(adbc_driver_manager.Error, RuntimeError):
                cursor.close()

    def _cancel(self) -> None:
        cursor = self._cursor
        if cursor is not None:
            with contextlib.suppress(adbc_driver_manager.Error, RuntimeError):
                cursor.adbc_cancel()


class PostgresTable:
    """tables.Table. Each hash is used by one aggregate alone: the planner would have every row hashed anew for another."""

    def __init__(self, source: PostgresSource, layout: Layout, side: int, from_: str, where: str) -> None:
        self._source, self._layout, self._side = source, layout, side
        self._from, self._where = from_, where
        keys = [self._canonical(c) for c in layout.keys]
        if layout.integer_key:
            self._key = f"{self._name(layout.keys[0])}::int8"
        else:
            self._key = keys[0] if len(keys) == 1 else _joined(keys, [k.free for k in layout.keys])
        self._hash = self._native_hash() if layout.native else self._text_hash()
        self._no_key = " or ".join(f"{self._name(c)} is null" for c in layout.keys)

    def extent(self) -> Extent | None:
        """tables.Table: of a whole table with its primary key, as it was last analyzed."""
        if (
            not self._layout.integer_key
            or (self._layout.keys[0].names[self._side],) != self._source.primary_key
            or self._where
        ):
            return None
        key = self._name(self._layout.keys[0])
        found = self._source.ask(
            f"select min({key})::int8 as low, max({key})::int8 as high, (select reltuples::int8 from pg_class where oid = "
            f"{_literal(self._source.table)}::regclass) as rows from {self._from}"
        )
        return None if found["low"] is None or found["rows"] < 1 else Extent(**found)

    def root(self) -> Root:
        """tables.Table."""
        inner = f"select {self._hash} as h, ({self._no_key}) as n from {self._from}{_clause(self._where)}"
        found = self._source.ask(
            "select count(*) as rows, coalesce(sum(h), 0)::text as total, count(*) filter (where n) as nulls "
            f"from ({inner}) s"
        )
        return Root(rows=found["rows"], total=int(found["total"]), null_keys=found["nulls"])

    def blocks(self, partition: Partition) -> Blocks:
        """tables.Table."""
        several = len(self._layout.keys) > 1  # else those without a key have a block of their own
        nulls = ", count(*) filter (where n) as nulls" if several else ""
        # `offset 0`: planned by itself, a block is a value like another, of which there are few.
        block = self._block(partition, self._key)
        inner = f"select {block} as b, {self._hash} as h, ({self._no_key}) as n from {self._from}{_clause(self._where)} offset 0"
        found = self._source.read(
            f"select b, count(*) as rows, sum(h)::text as total{nulls} from ({inner}) s group by 1"
        ).sort_by("b")
        total = [int(t) & ((1 << 64) - 1) for t in found["total"].to_pylist()]
        ids, rows = found["b"].to_numpy(), found["rows"].to_numpy()
        return Blocks(
            ids=ids,
            rows=rows,
            total=np.array(total, np.uint64),
            null_keys=int(found["nulls"].to_numpy().sum() if several else rows[ids == NOWHERE].sum()),
        )

    def pairs(self, partition: Partition, ids: Ids) -> Pairs:
        """tables.Table: ranges by the key's index, anything else in one pass."""
        found = self._source.read(
            f"select {self._key} as k, {self._hash} as h from {self._within(partition, ids)}{_clause(self._where)}"
        )
        keys = (
            pa.concat_arrays(found["k"].chunks)
            if len(found)
            else pa.array([], pa.int64() if self._layout.integer_key else pa.string())
        )
        return Pairs(keys=keys, hashes=found["h"].to_numpy())

    def rows(self, keys: Sequence[Key]) -> list[Row]:
        """tables.Table."""
        chosen = ", ".join(f"{self._canonical(c)} as c{i}" for i, c in enumerate(self._layout.all))
        type_ = "int8" if self._layout.integer_key else "text"
        wanted = f"{self._name(self._layout.keys[0]) if self._bare else self._key} = any({_array(keys)}::{type_}[])"
        found = self._source.read(f"select {chosen} from {self._from}{_clause(self._where, wanted)}")
        return list(zip(*(column.to_pylist() for column in found.columns), strict=True))

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
        name = self._name(self._layout.keys[0])
        low = f"{partition.base} + (seatrial_block << {partition.bits})"
        lateral = (
            f"(select * from {self._from} where {name} >= {low} and {name} < {low} + {1 << partition.bits} offset 0) q"
        )
        return f"unnest({array}) seatrial_blocks(seatrial_block) cross join lateral {lateral}"

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
        return f"q.{_quoted(column.names[self._side])}"


def _joined(texts: Sequence[str], free: Sequence[bool]) -> str:
    """hashing.row_texts as SQL."""
    parts = (
        f"coalesce(octet_length({t})::text || ':' || {t} || '|', '{NULL}')" if f else f"coalesce({t} || '|', '{NULL}')"
        for t, f in zip(texts, free, strict=True)
    )
    return f"({' || '.join(parts)})"


def _clause(*conditions: str) -> str:
    given = [c for c in conditions if c]
    return f" where {' and '.join(given)}" if given else ""


def _quoted(name: str) -> str:
    doubled = name.replace('"', '""')
    return f'"{doubled}"'


def _quoted_path(table: str) -> str:
    """schema.table, each part quoted; what has quotes already stays."""
    return table if '"' in table else ".".join(map(_quoted, table.split(".")))


def _literal(text: str) -> str:
    doubled = text.replace("'", "''")
    return f"'{doubled}'"


def _array(keys: Sequence[Key]) -> str:
    """An array's literal."""
    if all(isinstance(k, int) for k in keys):
        return f"'{{{','.join(map(str, keys))}}}'"
    quoted = (str(k).replace("\\", "\\\\").replace('"', '\\"') for k in keys)
    return _literal("{" + ",".join(f'"{k}"' for k in quoted) + "}")


def _with_time_out(url: str) -> str:
    parts = urlsplit(url)
    given = dict(parse_qsl(parts.query, keep_blank_values=True))
    settings = {"connect_timeout": str(_CONNECT_S), "application_name": "seatrial", **given}
    return urlunsplit(parts._replace(query=urlencode(settings)))


_SAID = re.compile(r"(?:ERROR|FATAL|PANIC):\s+(.*?)(?=\s+LINE \d+:|\s+(?:DETAIL|HINT|CONTEXT|QUERY):|$)", re.DOTALL)
_DRIVER = re.compile(
    r"^[A-Z_]+: \[libpq\] (?:Failed to connect: )?|\.? SQLSTATE: [0-9A-Z]{5}$|\s+Is the server running.*$", re.DOTALL
)


def _told(message: str) -> str:
    """What the server said, or libpq: without the driver's words, and without our query, which can be long."""
    said = message.partition("Query was:")[0].strip()
    server = _SAID.search(said)
    return " ".join((server[1] if server else _DRIVER.sub("", said)).split())[:300]


def _failed(label: str, error: adbc_driver_manager.Error) -> SourceError:
    found = word(getattr(error, "sqlstate", None) or "", str(error))
    absent = (getattr(error, "sqlstate", None) or "") in ("42P01", "3D000", "3F000")
    return SourceError("absent" if absent else found, f"{label}: {_told(str(error))}")
