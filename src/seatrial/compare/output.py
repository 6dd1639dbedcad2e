"""All differing rows as a file: a line for each, its columns of both sides beside each other, values as canonical texts."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet

from ..core.errors import UsageError
from .layout import Layout
from .results import RowDifference
from .tally import Sink

SUFFIXES = (".parquet", ".csv")
_ROWS = 5_000


class Output:
    """The file, written anew with each attempt. Raises UsageError for one that cannot be made.

    Columns: difference, rows, differing (names), the keys, then NAME_a and NAME_b of each column.
    """

    def __init__(self, path: Path) -> None:
        if path.suffix not in SUFFIXES:
            raise UsageError.simple(
                f"--output {path}: what kind of file?", f"its name ends with {' or '.join(SUFFIXES)}"
            )
        self._path = path
        self._writer: Any = None
        self._schema: Any = None
        self._layout: Layout | None = None
        self._lines: list[tuple[Any, ...]] = []

    def fresh(self, layout: Layout) -> Sink:
        """Begin, or begin anew."""
        self.close()
        self._layout = layout
        names = ["difference", "rows", "differing", *(k.name for k in layout.keys)]
        names += [f"{c.name}_{side}" for c in layout.columns for side in "ab"]
        self._schema = pa.schema([(n, pa.int64() if n == "rows" else pa.string()) for n in names])
        opened = pyarrow.parquet.ParquetWriter if self._path.suffix == ".parquet" else pyarrow.csv.CSVWriter
        try:
            self._writer = opened(str(self._path), self._schema)
        except OSError as error:
            raise UsageError.simple(f"--output {self._path}: {error}") from None
        return self._add

    def close(self) -> None:
        """Write what is left, and close the file."""
        if self._writer is not None:
            self._flush()
            self._writer.close()
            self._writer = None

    def _add(self, found: RowDifference) -> None:
        assert self._layout is not None
        a, b = found.a or {}, found.b or {}
        sides = (side.get(c.name) for c in self._layout.columns for side in (a, b))
        keys = (found.key.get(k.name) for k in self._layout.keys)
        self._lines.append((found.kind, found.copies, ", ".join(c.column for c in found.cells), *keys, *sides))
        if len(self._lines) >= _ROWS:
            self._flush()

    def _flush(self) -> None:
        if self._lines:
            columns = zip(*self._lines, strict=True)
            arrays = [pa.array(list(values), f.type) for values, f in zip(columns, self._schema, strict=True)]
            self._writer.write_batch(pa.record_batch(arrays, schema=self._schema))
            self._lines.clear()
