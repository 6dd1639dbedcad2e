"""Connections to PostgreSQL: one by psycopg that asks and gets a few rows, and one by ADBC that streams many of the same snapshot.

psycopg is connected in a tenth of the time that ADBC's driver takes, which reads all types of the database first; ADBC moves rows in
a fraction of psycopg's. So the second is opened when there are rows to stream, and not before.
"""

from __future__ import annotations

import contextlib
import re
import time
from collections.abc import Generator, Iterator, Mapping, Sequence
from typing import Any
from urllib.parse import parse_qsl, quote, urlencode, urlsplit, urlunsplit

import psycopg
from psycopg.waiting import wait_selector

from ...clients.postgres_words import word
from ..results import SourceError, no_client
from ..tables import Stop

_BATCH_BYTES = 1 << 20
_LOOK_S = 0.1  # how often a waiting connection looks whether its time is over
_CANCEL_S = 2.0  # how long a server that was told to end a query is given
_SESSION = {
    "timezone": "UTC",
    "datestyle": "ISO, YMD",
    "intervalstyle": "postgres",
    "bytea_output": "hex",
    "extra_float_digits": "1",
    "standard_conforming_strings": "on",
    "jit": "off",  # compiling takes longer than what it speeds up
    "work_mem": "16MB",
}
_DEFAULTS = {
    "connect_timeout": "10",
    "application_name": "seatrial",
    "client_encoding": "UTF8",
    "gssencmode": "disable",
}
_BEGIN = "begin isolation level repeatable read, read only"


class _Connection(psycopg.Connection[tuple[Any, ...]]):
    """One that does not wait for a silent server after its time is over."""

    stop: Stop

    def wait(self, gen: Any, interval: float = _LOOK_S, timeout: float | None = None) -> Any:
        """psycopg: until the generator is done. `timeout` is for calls that are not made here."""
        return wait_selector(self._watched(gen), self.pgconn.socket, interval=_LOOK_S)

    def _watched(self, gen: Any) -> Generator[Any, Any, Any]:
        """The generator; given up when it was to end, and did not."""
        over = 0.0
        state = next(gen)
        while True:
            ready = yield state
            if self.stop.is_set:
                over = over or time.monotonic() + _CANCEL_S
                if time.monotonic() > over:
                    self.pgconn.finish()
                    self.stop.check()
            try:
                state = gen.send(ready)
            except StopIteration as done:
                return done.value


class Session:
    """One repeatable-read transaction. Raises SourceError for whatever goes wrong."""

    def __init__(self, url: str, label: str, stop: Stop, settings: Mapping[str, str]) -> None:
        self._url, self._label, self._stop = _with_defaults(url), label, stop
        self._settings = {**_SESSION, **settings}
        self._streams: Any = None
        self._cursor: Any = None
        stop.check()
        with self._told():
            self._connection = _Connection.connect(self._url, autocommit=True, prepare_threshold=None)
        self._connection.stop = stop
        stop.on_set(self._cancel)
        try:
            with self._told():
                self._connection.execute(_set(self._settings))
                self._connection.execute(_BEGIN)
        except BaseException:
            self.close()
            raise

    def read(self, sql: str) -> list[tuple[Any, ...]]:
        """All rows of a result, which is small."""
        with self._told():
            return self._connection.execute(sql, binary=True).fetchall()

    def columns(self, sql: str) -> list[tuple[str, int]]:
        """A result's columns: names, and the oids of their types, domains as what they are made of."""
        with self._told():
            return [(c.name, c.type_code) for c in self._connection.execute(sql).description or ()]

    def stream(self, sql: str) -> Iterator[Any]:
        """A result of any size as Arrow record batches."""
        try:
            import adbc_driver_manager
            import adbc_driver_postgresql  # noqa: F401 - for _opened
        except ImportError as error:
            raise no_client(error) from None
        try:
            if self._streams is None:
                self._streams = self._opened()
            cursor = self._cursor = self._streams.cursor()
            cursor.adbc_statement.set_options(**{"adbc.postgresql.batch_size_hint_bytes": str(_BATCH_BYTES)})
            cursor.execute(sql)
            for batch in cursor.fetch_record_batch():
                self._stop.check()
                yield batch
        except adbc_driver_manager.Error as error:
            self._stop.check()
            raise _failed(self._label, error, self._url) from None
        except OSError as error:  # as its streams say it
            self._stop.check()
            raise SourceError("reset", f"{self._label}: {_told(str(error))}") from None
        finally:
            self._end_cursor()

    def _opened(self) -> Any:
        """The connection that streams, of the snapshot that the other one has, on the same host."""
        import adbc_driver_postgresql.dbapi as adbc

        ((snapshot,),) = self.read("select pg_export_snapshot()")
        info = self._connection.info
        connection = adbc.connect(_with(self._url, host=info.host, port=str(info.port)), autocommit=True)
        try:
            with connection.cursor() as cursor:
                for sql in (_set(self._settings), _BEGIN, f"set transaction snapshot {literal(snapshot)}"):
                    cursor.execute(sql)
        except BaseException:
            connection.close()
            raise
        return connection

    def close(self) -> None:
        """Both connections."""
        self._end_cursor()
        self._connection.close()
        if self._streams is not None:
            with contextlib.suppress(self._streams.Error, RuntimeError):
                self._streams.close()

    @contextlib.contextmanager
    def _told(self) -> Iterator[None]:
        self._stop.check()
        try:
            yield
        except psycopg.Error as error:
            self._stop.check()
            raise _failed(self._label, error, self._url) from None
        except UnicodeDecodeError as error:
            raise SourceError("protocol", f"{self._label}: a text is no UTF-8: {error}") from None

    def _end_cursor(self) -> None:
        cursor, self._cursor = self._cursor, None
        if cursor is not None:
            with contextlib.suppress(self._streams.Error, RuntimeError):
                cursor.close()

    def _cancel(self) -> None:
        """Ask the server to end what it does for either connection."""
        with contextlib.suppress(psycopg.Error):
            self._connection.cancel_safe(timeout=_CANCEL_S)
        cursor = self._cursor
        if cursor is not None:
            with contextlib.suppress(self._streams.Error, RuntimeError):
                cursor.adbc_cancel()


def literal(text: str) -> str:
    """A text in SQL."""
    doubled = text.replace("'", "''")
    return f"'{doubled}'"


def _set(settings: Mapping[str, str]) -> str:
    return f"select {', '.join(f'set_config({literal(n)}, {literal(v)}, false)' for n, v in settings.items())}"


def _with_defaults(url: str) -> str:
    given = dict(parse_qsl(urlsplit(url).query, keep_blank_values=True))
    return _with(url, **{**_DEFAULTS, **given})


def _with(url: str, **settings: str) -> str:
    """With these beside those it has; libpq reads %20, and no +."""
    parts = urlsplit(url)
    given = dict(parse_qsl(parts.query, keep_blank_values=True))
    return urlunsplit(parts._replace(query=urlencode({**given, **settings}, quote_via=quote)))


_SAID = re.compile(r"(?:ERROR|FATAL|PANIC):\s+(.*?)(?=\s+LINE \d+:|\s+(?:DETAIL|HINT|CONTEXT|QUERY):|$)", re.DOTALL)
_DRIVER = re.compile(
    r"^[A-Z_]+: \[libpq\] (?:Failed to connect: )?|^connection failed: |\.? SQLSTATE: [0-9A-Z]{5}$|"
    r"\s+Is the server running.*$|\s+LINE \d+:.*$",
    re.DOTALL,
)


def _told(message: str) -> str:
    """What the server said, or libpq: without the drivers' words, and without our query, which can be long."""
    said = message.partition("Query was:")[0].strip()
    server = _SAID.search(said)
    return " ".join((server[1] if server else _DRIVER.sub("", said)).split())[:300]


def _failed(label: str, error: Exception, url: str) -> SourceError:
    state = getattr(error, "sqlstate", None) or ""
    said = str(error).replace(url, label)  # which has the password
    found = "absent" if state in ("42P01", "3D000", "3F000") else word(state, said)
    return SourceError(found, f"{label}: {_told(said)}")


__all__: Sequence[str] = ("Session", "literal")
