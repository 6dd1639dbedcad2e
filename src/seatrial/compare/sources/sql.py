"""Any database that SQLAlchemy speaks to; its driver is the user's to install, SQLite's comes with Python."""

from __future__ import annotations

from collections.abc import Iterator

import sqlalchemy
from sqlalchemy.exc import ArgumentError, NoSuchModuleError, SQLAlchemyError

from ...core.errors import UsageError
from ..results import SourceError
from ..tables import Stop
from .spooled import Page, Spooled

_ROWS = 10_000


class SqlSource(Spooled):
    """tables.Source. Raises UsageError for an address that SQLAlchemy does not know, SourceError where nothing answers."""

    def __init__(self, url: str, label: str, stop: Stop, *, table: str = "", query: str = "", where: str = "") -> None:
        super().__init__(label, stop)
        try:
            self._engine = sqlalchemy.create_engine(url)
        except (ArgumentError, NoSuchModuleError, ModuleNotFoundError) as error:
            raise UsageError.simple(
                f"{label}: {error}", "an address as SQLAlchemy has it, its driver installed"
            ) from None
        self._table = table
        schema, _, name = table.rpartition(".")
        self._parts = (name, schema or None)
        quote = self._engine.dialect.identifier_preparer.quote
        inner = f"({query.strip().rstrip(';')}) q" if query else ".".join(quote(p) for p in table.split("."))
        self._statement = f"select * from {inner}" + (f" where {where}" if where else "")
        database = self._engine.url.database
        if self._engine.dialect.name == "sqlite" and database and database != ":memory:":
            _there(database, label)

    def pages(self) -> Iterator[Page]:
        """Spooled."""
        try:
            with self._engine.connect() as connection:
                result = connection.execution_options(stream_results=True, yield_per=_ROWS).execute(
                    sqlalchemy.text(self._statement)
                )
                names = list(result.keys())
                self.know(names)
                for rows in result.partitions():
                    yield dict(zip(names, zip(*rows, strict=True), strict=True))
        except SQLAlchemyError as error:
            raise self._failed(error) from None

    def primary_key(self) -> tuple[str, ...]:
        """Spooled."""
        if not self._table:
            return ()
        name, schema = self._parts
        try:
            return tuple(
                sqlalchemy.inspect(self._engine).get_pk_constraint(name, schema).get("constrained_columns") or ()
            )
        except SQLAlchemyError:
            return ()  # a view has none

    def close(self) -> None:
        """Spooled."""
        super().close()
        self._engine.dispose()

    def _failed(self, error: SQLAlchemyError) -> SourceError:
        said = " ".join(str(getattr(error, "orig", None) or error).split())[:300]
        folded = said.lower()
        absent = "no such table" in folded or "doesn't exist" in folded or "does not exist" in folded
        word = "absent" if absent else "refused" if "connect" in folded or "unable to open" in folded else "sql"
        return SourceError(word, f"{self.label}: {said}")


def _there(database: str, label: str) -> None:
    """SQLite makes a file that is not there: an empty database is not what was asked for."""
    from pathlib import Path

    if not Path(database).is_file() and not database.startswith("file:"):
        raise SourceError("absent", f"{label}: there is no file {database}")
