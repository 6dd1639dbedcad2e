"""Rows of data for users: .csv with a header, .jsonl, or .json with a list."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

Row = Mapping[str, object]
KINDS = (".csv", ".jsonl", ".json")


def read_rows(path: Path) -> list[Row]:
    """All rows, at least one; those of a .csv are text. Raises ValueError, saying in which line what is wrong; OSError."""
    if path.suffix not in KINDS:
        raise ValueError("a file of no known kind")
    text = path.read_text(encoding="utf-8-sig")
    rows = list({".csv": _csv, ".jsonl": _lines, ".json": _list}[path.suffix](text))
    if not rows:
        raise ValueError("no rows")
    return rows


def columns(rows: Sequence[Row]) -> tuple[str, ...]:
    """The names that every row has, in the order of the first."""
    return tuple(name for name in rows[0] if all(name in row for row in rows))


def _csv(text: str) -> Iterator[Row]:
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    header: list[str] = []
    try:
        for fields in reader:
            if not header:
                header = fields
                _check_header(header)
            elif fields:
                if len(fields) != len(header):
                    raise ValueError(f"line {reader.line_num}: {len(fields)} values for {len(header)} columns")
                yield dict(zip(header, fields, strict=True))
    except csv.Error as error:
        raise ValueError(f"line {reader.line_num}: {error}") from None


def _check_header(header: Sequence[str]) -> None:
    twice = next((name for name in header if header.count(name) > 1), None)
    if twice is not None:
        raise ValueError(f"line 1: two columns have the name {twice!r}")


def _lines(text: str) -> Iterator[Row]:
    for number, line in enumerate(text.split("\n"), 1):
        if line.strip():
            yield _row(_json(line, f"line {number}"), f"line {number}")


def _list(text: str) -> Iterator[Row]:
    found = _json(text, "it")
    if not isinstance(found, list):
        raise ValueError("a list of rows is wanted")
    for number, item in enumerate(found, 1):
        yield _row(item, f"row {number}")


def _json(text: str, where: str) -> object:
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{where} is no JSON: {error}") from None


def _row(found: object, where: str) -> Row:
    if not isinstance(found, dict):
        raise ValueError(f"{where} is no object with names")
    return found
