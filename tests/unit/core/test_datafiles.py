"""Rows of files: what they hold, and where one is wrong."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from seatrial.core.datafiles import columns, read_rows

TEXTS = st.text(
    st.characters(exclude_categories=["Cs"], exclude_characters="\r\0"),
    min_size=1,
    max_size=12,
)


def written(directory: Path, name: str, text: str) -> Path:
    path = directory / name
    path.write_text(text, encoding="utf-8", newline="")
    return path


@given(st.lists(st.tuples(TEXTS, TEXTS), min_size=1, max_size=5))
def test_a_csv_that_is_written_is_read(tmp_path_factory: pytest.TempPathFactory, rows: list[tuple[str, str]]) -> None:
    out = io.StringIO()
    csv.writer(out).writerows([("id", "a name"), *rows])
    path = written(tmp_path_factory.mktemp("rows"), "x.csv", out.getvalue())
    assert read_rows(path) == [{"id": a, "a name": b} for a, b in rows]


@given(st.lists(st.dictionaries(TEXTS, st.none() | st.integers() | TEXTS, max_size=4), min_size=1, max_size=5))
def test_json_is_read_by_line_and_as_a_list(
    tmp_path_factory: pytest.TempPathFactory, rows: list[dict[str, object]]
) -> None:
    directory = tmp_path_factory.mktemp("rows")
    assert read_rows(written(directory, "x.json", json.dumps(rows))) == rows
    lines = "\n\n".join(json.dumps(r, ensure_ascii=False) for r in rows)
    assert read_rows(written(directory, "x.jsonl", lines)) == rows


def test_a_byte_order_mark_is_no_part_of_a_name(tmp_path: Path) -> None:
    (tmp_path / "x.csv").write_bytes(b"\xef\xbb\xbfid\n1\n")
    assert read_rows(tmp_path / "x.csv") == [{"id": "1"}]


def test_columns_are_those_that_every_row_has() -> None:
    assert columns([{"a": 1, "b": 2, "c": 3}, {"c": 1, "a": 2}]) == ("a", "c")


@pytest.mark.parametrize(("name", "text", "words"), [
    ("x.csv", "", "no rows"), ("x.csv", "id\n", "no rows"), ("x.csv", "id,id\n1,2\n", "two columns"),
    ("x.csv", "a,b\n1,2\n1\n", "line 3: 1 values for 2 columns"), ("x.csv", 'a\n"b\n', "line 2"),
    ("x.jsonl", '{"a": 1}\n{', "line 2 is no JSON"), ("x.jsonl", "[1]", "line 1 is no object"),
    ("x.json", "{}", "a list of rows"), ("x.json", "[{}, 1]", "row 2"), ("x.json", "[", "no JSON"), ("x.json", "[]", "no rows"),
    ("x.txt", "a", "no known kind"),
])  # fmt: skip
def test_what_is_wrong_is_told(tmp_path: Path, name: str, text: str, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        read_rows(written(tmp_path, name, text))
