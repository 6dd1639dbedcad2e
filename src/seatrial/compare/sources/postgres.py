"""PostgreSQL: rows hashed by the server, or streamed as Arrow batches, all of one repeatable-read snapshot."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from ..kinds import Kind
from ..layout import Description, Field, Layout
from ..results import SourceError
from ..tables import Stop
from .postgres_session import Session, literal
from .postgres_table import Place, PostgresTable, clause, quoted
from .postgres_types import canonical_sql, field_of


class PostgresSource:
    """tables.Source and tables.CanHash. `table`: schema.table, or a `query`; `where`: a condition in SQL."""

    def __init__(self, url: str, label: str, stop: Stop, *, table: str = "", query: str = "", where: str = "") -> None:
        self.label = label
        self.snapshot = "repeatable read"
        inner = f"({query.strip().rstrip(';')})" if query else _quoted_path(table)
        self._place = Place(rows=f"{inner} q", where=f"({where})" if where else "", table="" if query else inner)
        self._fields: dict[str, Field] = {}
        self._key: tuple[str, ...] = ()
        # Blocks are few, which the planner cannot know: it would sort.
        self._session = Session(url, label, stop, {} if query else {"enable_sort": "off"})
        try:
            ((self.taken, version),) = self._session.read(
                """select to_char(now(), 'YYYY-MM-DD"T"HH24:MI:SS.MS"+00:00"'), current_setting('server_version_num')::int8"""
            )
        except BaseException:
            self.close()
            raise
        self._version = version // 10000

    def describe(self) -> Description:
        """tables.Source."""
        columns = self._session.columns(f"select * from {self._place.rows} limit 0")
        if not columns:
            raise SourceError("absent", f"{self.label}: no columns")
        oids = dict(columns)
        if len(oids) < len(columns):
            raise SourceError("statement", f"{self.label}: two columns of one name; name them in the query")
        wanted = ",".join(map(str, set(oids.values())))
        types = self._session.read(
            f"select oid::int8, typname::text, typcategory::text from pg_type where oid = any('{{{wanted}}}'::oid[])"
        )
        by_oid = {oid: field_of(name, category, self._version) for oid, name, category in types}
        self._fields = {n: by_oid[oid] for n, oid in oids.items()}
        self._key = self._primary_key()
        return Description(fields=self._fields, primary_key=self._key)

    def _primary_key(self) -> tuple[str, ...]:
        if not self._place.table:
            return ()
        rows = self._session.read(
            "select a.attname::text from pg_index i, unnest(i.indkey) with ordinality k(number, place), pg_attribute a "
            f"where i.indrelid = {literal(self._place.table)}::regclass and i.indisprimary and a.attrelid = i.indrelid "
            "and a.attnum = k.number order by k.place"
        )
        return tuple(name for (name,) in rows)

    def batches(self, columns: Sequence[str]) -> Iterator[Any]:
        """tables.Source: canonical texts."""
        chosen = ", ".join(
            f"{canonical_sql(f'q.{quoted(n)}', self._fields[n], self._fields[n].kind, nfc=False)} as c{i}"
            for i, n in enumerate(columns)
        )
        return self._session.stream(f"select {chosen} from {self._place.rows}{clause(self._place.where)}")

    def hashed(self, layout: Layout, side: int) -> PostgresTable | None:
        """tables.CanHash: None where a text is to be read as something else, which only we can do."""
        read = any(c.fields[side].kind is Kind.TEXT and c.kind is not Kind.TEXT for c in layout.all)
        return None if read else PostgresTable(self._session, layout, side, self._place, self._key)

    def close(self) -> None:
        """tables.Source."""
        self._session.close()


def _quoted_path(table: str) -> str:
    """schema.table, each part quoted; what has quotes already stays."""
    return table if '"' in table else ".".join(map(quoted, table.split(".")))
