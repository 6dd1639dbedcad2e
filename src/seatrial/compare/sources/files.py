"""Files: CSV and TSV (all texts, read as what stands beside them), Parquet, Arrow's own format."""

from __future__ import annotations

import datetime
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet

from ..kinds import Kind
from ..layout import Description, Field
from ..results import SourceError
from ..tables import Stop

_ROWS = 1 << 14  # of a batch: what is made of one stays in the processor's caches, and in bounds
_BUFFER = 1 << 20  # bytes of a column that are read at a time; else it would be all that a row group has of it


class FileSource:
    """tables.Source. In CSV an empty field is NULL, and "" an empty text, as PostgreSQL writes it."""

    snapshot = "the file"

    def __init__(self, path: Path, label: str, stop: Stop, *, delimiter: str = "") -> None:
        self.label = label
        self._path = path
        self._stop = stop
        self._delimiter = delimiter or ("\t" if path.suffix == ".tsv" else ",")
        if not path.is_file():
            raise SourceError("absent", f"there is no file {label}")
        self._state = self._stat()
        self.taken = datetime.datetime.fromtimestamp(path.stat().st_mtime, datetime.UTC).isoformat(
            timespec="milliseconds"
        )

    def describe(self) -> Description:
        """tables.Source."""
        schema = self._guarded(self._schema)
        names = [n for n in schema.names if schema.names.count(n) > 1]
        if names:
            raise SourceError("protocol", f"{self.label}: several columns are called {names[0]}")
        return Description(fields={f.name: field_of(f.type) for f in schema})

    def batches(self, columns: Sequence[str]) -> Iterator[Any]:
        """tables.Source. Raises SourceError when the file changed meanwhile."""
        reader = self._guarded(lambda: self._opened(columns))
        while (batch := self._guarded(lambda: next(reader, None))) is not None:
            self._stop.check()
            yield batch
        if self._stat() != self._state:
            raise SourceError("changed", f"{self.label} changed while it was read")

    def close(self) -> None:
        """tables.Source."""

    def _stat(self) -> tuple[int, int]:
        state = self._path.stat()
        return state.st_size, state.st_mtime_ns

    def _guarded(self, call: Any) -> Any:
        try:
            return call()
        except (pa.ArrowException, OSError, ValueError, StopIteration) as error:
            raise SourceError("protocol", f"{self.label}: {' '.join(str(error).split())[:300]}") from None

    def _schema(self) -> Any:
        match self._path.suffix:
            case ".csv" | ".tsv":
                return pa.schema([(n, pa.string()) for n in self._header()])
            case ".parquet":
                return pyarrow.parquet.read_schema(self._path)
        with pa.memory_map(str(self._path)) as file:
            return _arrow(file).schema

    def _header(self) -> list[str]:
        names: list[str] = self._csv({}).schema.names
        return names

    def _opened(self, columns: Sequence[str]) -> Iterator[Any]:
        match self._path.suffix:
            case ".csv" | ".tsv":
                return iter(self._csv(dict.fromkeys(self._header(), pa.string()), columns))
            case ".parquet":
                return self._parquet_batches(columns)
        return self._arrow_batches(columns)

    def _parquet_batches(self, columns: Sequence[str]) -> Iterator[Any]:
        """A row group at a time, by one thread: a reader keeps what it unpacked until its last row, and each thread memory of its own."""
        file = pyarrow.parquet.ParquetFile(self._path, buffer_size=_BUFFER)
        for group in range(file.num_row_groups):
            for batch in file.iter_batches(_ROWS, row_groups=[group], columns=list(columns), use_threads=False):
                yield batch.select(columns)

    def _arrow_batches(self, columns: Sequence[str]) -> Iterator[Any]:
        with pa.memory_map(str(self._path)) as file:
            reader = _arrow(file)
            batches = (
                reader
                if hasattr(reader, "read_next_batch")
                else map(reader.get_batch, range(reader.num_record_batches))
            )
            for batch in batches:
                chosen = batch.select(columns)
                yield from (chosen.slice(at, _ROWS) for at in range(0, len(chosen), _ROWS))

    def _csv(self, types: Mapping[str, Any], columns: Sequence[str] = ()) -> Any:
        return pyarrow.csv.open_csv(
            self._path,
            read_options=pyarrow.csv.ReadOptions(block_size=4 << 20),
            parse_options=pyarrow.csv.ParseOptions(delimiter=self._delimiter, newlines_in_values=True),
            convert_options=pyarrow.csv.ConvertOptions(
                column_types=types,
                include_columns=list(columns),
                strings_can_be_null=True,
                quoted_strings_can_be_null=False,
                null_values=[""],
            ),
        )


def _arrow(file: Any) -> Any:
    """A reader of Arrow's file format, or of its stream format."""
    try:
        return pa.ipc.open_file(file)
    except pa.ArrowInvalid:
        file.seek(0)
        return pa.ipc.open_stream(file)


def field_of(type_: Any) -> Field:
    """A column of an Arrow type."""
    types = pa.types
    if types.is_dictionary(type_):
        return field_of(type_.value_type)
    kind = Kind.TEXT
    if types.is_integer(type_) or types.is_floating(type_) or types.is_decimal(type_):
        kind = Kind.NUMBER
    elif types.is_boolean(type_):
        kind = Kind.BOOLEAN
    elif types.is_timestamp(type_):
        kind = Kind.TIME
    elif types.is_date(type_):
        kind = Kind.DATE
    elif types.is_binary(type_) or types.is_large_binary(type_) or types.is_fixed_size_binary(type_):
        kind = Kind.BYTES
    elif types.is_nested(type_):
        kind = Kind.JSON
    return Field(kind=kind, integer=types.is_integer(type_) and type_ != pa.uint64(), type=str(type_))
