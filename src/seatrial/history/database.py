"""The database: SQLite in a file, or PostgreSQL by its address. What both understand is written once; `?` is put as each wants it.

Findings are clustered by their name: a trend is one stretch of the file. Many trials may end at once: SQLite is in WAL, and waits for its
turn.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol

from ..core.errors import SeatrialError, UsageError

VERSION = 1
_WAIT_S = 30
_SCHEMA = """
create table if not exists seatrial_history (version integer not null);
create table if not exists trials (
  id {serial}, trial text not null unique, name text not null, spec text not null, digest text not null, tested text not null,
  seatrial text not null, platform text not null, began text not null, took_ns bigint not null, outcome text not null,
  summary text not null, reason text not null, selection text not null, variant text not null, directory text not null,
  part_of text not null, planned integer not null, passed integer not null, failed integer not null,
  inconclusive integer not null, waived integer not null);
create index if not exists trials_by_time on trials (began);
create index if not exists trials_by_spec on trials (spec, began);
create index if not exists trials_alone on trials (part_of, began);
create table if not exists names (id {serial}, spec text not null, finding text not null, scenario text not null, unique (finding, spec));
create table if not exists findings (
  name bigint not null, trial bigint not null, verdict text not null, severity text not null, measured text not null,
  bound text not null, reason text not null, low double precision, high double precision, dimension text not null,
  took_ns bigint not null, exercised integer not null, waived text not null, proven text not null,
  primary key (name, trial)){clustered};
create index if not exists findings_by_trial on findings (trial, verdict, exercised);
create table if not exists accepted (spec text primary key, trial text not null, by_whom text not null, at text not null);
create table if not exists scenarios (
  trial bigint not null, scenario text not null, verdict text not null, took_ns bigint not null, primary key (trial, scenario)){clustered};
"""


class Database(Protocol):
    """What queries need."""

    def rows(self, sql: str, *values: object) -> list[tuple[Any, ...]]:
        """All rows of a statement, `?` for values."""
        ...

    def many(self, sql: str, values: Iterable[Sequence[object]]) -> None:
        """A statement for each of many values."""
        ...

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """All or nothing; one writer at a time."""
        ...

    def close(self) -> None: ...


class Sqlite:
    """A file."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            self._connection = sqlite3.connect(path, timeout=_WAIT_S, isolation_level=None)
            self._connection.execute("pragma journal_mode=wal")
            self._connection.execute("pragma synchronous=normal")
            self._prepare(path)
        except sqlite3.Error as error:
            raise SeatrialError(f"the history {path} cannot be read: {error}") from error

    def _prepare(self, path: Path) -> None:
        found = self._connection.execute("pragma user_version").fetchone()[0]
        if found > VERSION:
            raise UsageError.simple(
                f"{path} was written by a later seatrial (version {found}; this one knows {VERSION})"
            )
        if found == VERSION:
            return
        schema = _SCHEMA.format(serial="integer primary key", clustered=" without rowid")
        self._connection.executescript(f"begin immediate;{schema}pragma user_version={VERSION};commit;")

    def rows(self, sql: str, *values: object) -> list[tuple[Any, ...]]:
        return self._connection.execute(sql, values).fetchall()

    def many(self, sql: str, values: Iterable[Sequence[object]]) -> None:
        self._connection.executemany(sql, values)

    @contextmanager
    def transaction(self) -> Iterator[None]:
        self._connection.execute("begin immediate")
        try:
            yield
        except BaseException:
            self._connection.execute("rollback")
            raise
        self._connection.execute("commit")

    def close(self) -> None:
        self._connection.close()


class Postgres:
    """A server; its tables are in the schema that the connection has first."""

    def __init__(self, address: str) -> None:
        try:
            import psycopg
        except ImportError:
            raise UsageError.simple(
                "a history in PostgreSQL needs psycopg", "pip install 'seatrial[postgres]'"
            ) from None
        try:
            self._connection = psycopg.connect(address, autocommit=True, connect_timeout=10)
            with self.transaction():  # `if not exists` is no protection against another who does the same
                self._connection.execute("select pg_advisory_xact_lock(hashtext('seatrial history'))")
                serial = "bigint generated always as identity primary key"
                self._connection.execute(_SCHEMA.format(serial=serial, clustered=""))
        except psycopg.Error as error:
            raise SeatrialError(f"the history in PostgreSQL cannot be reached: {str(error).strip()}") from error

    def rows(self, sql: str, *values: object) -> list[tuple[Any, ...]]:
        found = self._connection.execute(sql.replace("%", "%%").replace("?", "%s"), values)
        return found.fetchall() if found.description else []

    def many(self, sql: str, values: Iterable[Sequence[object]]) -> None:
        with self._connection.cursor() as cursor:
            cursor.executemany(sql.replace("?", "%s"), values)

    @contextmanager
    def transaction(self) -> Iterator[None]:
        with self._connection.transaction():
            yield

    def close(self) -> None:
        self._connection.close()


def open_database(place: str | Path) -> Database:
    """By path, or by an address (postgresql://...). Raises UsageError, SeatrialError."""
    text = str(place)
    if text.startswith(("postgres://", "postgresql://")):
        return Postgres(text)
    if "://" in text:
        raise UsageError.simple(
            f"{text.partition('://')[0]}:// is no history", "a file, or postgresql://user@host/database"
        )
    return Sqlite(Path(text))
