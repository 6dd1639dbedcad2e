"""Sources that give their rows once, as Python values: kept as texts in a temporary file, so that each pass sees the same rows."""

from __future__ import annotations

import datetime
import decimal
import tempfile
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import pyarrow as pa

from ..canonical import json_text
from ..kinds import Kind
from ..layout import Description, Field
from ..results import SourceError
from ..tables import Stop

_INT64 = range(-(1 << 63), 1 << 63)
Page = Mapping[str, Sequence[Any]]  # values by column, all of one length


class Spooled(ABC):
    """tables.Source: what `pages` yields, read at once when its columns are asked for."""

    snapshot = "read once"

    def __init__(self, label: str, stop: Stop) -> None:
        self.label = label
        self.taken = ""
        self._stop = stop
        self._file: Any = None
        self._kinds: dict[str, set[Kind]] = {}
        self._whole: dict[str, bool] = {}

    @abstractmethod
    def pages(self) -> Iterator[Page]:
        """All rows, a few thousand at a time. Raises SourceError."""

    def primary_key(self) -> tuple[str, ...]:
        """Where it is known."""
        return ()

    def describe(self) -> Description:
        """tables.Source: kinds as the values have them."""
        if self._file is None:
            self._read()
        if not self._kinds:
            raise SourceError("absent", f"{self.label}: no rows, and no columns")
        fields = {
            name: Field(kind=kind, integer=kind is Kind.NUMBER and self._whole[name], type=kind.value)
            for name, kind in ((n, _one(k)) for n, k in self._kinds.items())
        }
        return Description(fields=fields, primary_key=self.primary_key())

    def batches(self, columns: Sequence[str]) -> Iterable[Any]:
        """tables.Source: texts."""
        self._file.seek(0)
        while self._file.peek(1):
            for batch in pa.ipc.open_stream(self._file):
                there = set(batch.schema.names)
                nulls = pa.nulls(len(batch), pa.string())
                yield pa.record_batch(
                    [batch.column(n) if n in there else nulls for n in columns], [f"c{i}" for i in range(len(columns))]
                )

    def close(self) -> None:
        """tables.Source."""
        if self._file is not None:
            self._file.close()

    def know(self, columns: Iterable[str]) -> None:
        """These columns are there, whether or not there are rows."""
        for name in columns:
            self._kinds.setdefault(name, set())
            self._whole.setdefault(name, True)

    def _read(self) -> None:
        self._file = tempfile.TemporaryFile(prefix="seatrial-compare-")  # noqa: SIM115 - until close
        self.taken = datetime.datetime.now(datetime.UTC).isoformat(timespec="milliseconds")
        for page in self.pages():
            self._stop.check()
            self.know(page)
            arrays = {name: self._texts(name, values) for name, values in page.items()}
            batch = pa.record_batch(list(arrays.values()), list(arrays))
            with pa.ipc.new_stream(self._file, batch.schema) as writer:
                writer.write_batch(batch)

    def _texts(self, name: str, values: Sequence[Any]) -> Any:
        kinds = self._kinds[name]
        texts: list[str | None] = []
        for value in values:
            if value is None:
                texts.append(None)
                continue
            kind, text = _kind_and_text(value)
            kinds.add(kind)
            if self._whole[name] and not (type(value) is int and value in _INT64):
                self._whole[name] = False
            texts.append(text)
        return pa.array(texts, pa.string())


def columns_of(records: Sequence[Mapping[str, Any]]) -> Page:
    """Records as columns; what a record has not is null."""
    names = dict.fromkeys(n for r in records for n in r)
    return {n: [r.get(n) for r in records] for n in names}


def _one(kinds: set[Kind]) -> Kind:
    """Of values of several kinds: text, unless true and false are among numbers."""
    if len(kinds) == 1:
        return next(iter(kinds))
    return Kind.NUMBER if kinds == {Kind.NUMBER, Kind.BOOLEAN} else Kind.TEXT


def _kind_and_text(value: Any) -> tuple[Kind, str]:
    match value:
        case bool():
            return Kind.BOOLEAN, "true" if value else "false"
        case str():
            return Kind.TEXT, value
        case int() | float() | decimal.Decimal():
            return Kind.NUMBER, str(value)
        case datetime.datetime():
            return Kind.TIME, value.isoformat()
        case datetime.date():
            return Kind.DATE, value.isoformat()
        case bytes() | memoryview():
            return Kind.BYTES, bytes(value).hex()
        case dict() | list() | tuple():
            return Kind.JSON, json_text(value)
    return Kind.TEXT, str(value)
