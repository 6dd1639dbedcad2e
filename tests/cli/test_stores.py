"""`seatrial compare-data`: what it says, how it exits, what it writes."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from pathlib import Path

import pyarrow.csv
import pyarrow.parquet
import pytest

Run = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def files(tmp_path: Path) -> Path:
    (tmp_path / "a.csv").write_text("id,price,at\n1,1.50,2024-01-01 00:00:00\n2,2,2024-01-01 00:00:00\n3,3,\n")
    (tmp_path / "b.csv").write_text("id,price,at\n1,1.50,2024-01-01 00:00:00\n2,2.5,2024-01-01 00:00:00\n4,4,\n")
    (tmp_path / "ref.csv").write_text("listing_id\n1\n9\n9\n")
    return tmp_path


def test_equal_stores_are_status_0(seatrial: Run, files: Path) -> None:
    done = seatrial("compare-data", "a.csv", "a.csv", "--key", "id")
    assert done.returncode == 0
    assert "✔ no difference; 3 rows are equal" in done.stdout
    assert "a.csv: 3 rows" in done.stdout


def test_different_stores_are_status_1_and_show_their_rows(seatrial: Run, files: Path) -> None:
    done = seatrial("compare-data", "a.csv", "b.csv", "--key", "id", "--output", "o.csv")
    assert done.returncode == 1
    assert "✘ 1 missing, 1 extra, 1 different (price); 1 rows are equal" in done.stdout
    assert ["different", "2", "price", "2", "2.5", "text"] in [line.split() for line in done.stdout.splitlines()]
    written = pyarrow.csv.read_csv(files / "o.csv").to_pylist()
    assert [(r["difference"], r["id"], r["price_a"], r["price_b"]) for r in written] == [
        ("different", 2, 2.0, 2.5), ("missing", 3, 3.0, None), ("extra", 4, None, 4.0)
    ]  # fmt: skip


def test_all_of_it_as_json_and_as_parquet(seatrial: Run, files: Path) -> None:
    done = seatrial("compare-data", "a.csv", "b.csv", "--key", "id", "--json", "--show", "1", "--output", "o.parquet")
    found = json.loads(done.stdout)
    assert (found["holds"], found["missing"], found["extra"], found["different"], found["equal"]) == (False, 1, 1, 1, 1)
    assert found["differences"] == [
        {"difference": "different", "key": {"id": "2"}, "values": {"price": {"a": "2", "b": "2.5", "kind": "text"}}}
    ]
    assert pyarrow.parquet.read_table(files / "o.parquet").num_rows == 3


@pytest.mark.parametrize(
    ("more", "status", "said"),
    [
        (
            ["--expected", "missing=1", "--expected", "extra=1", "--expected", "different=1"],
            0,
            "as expected: 1 missing",
        ),
        (["--expected", "missing=[3]", "--expected", "extra=[4]", "--expected", "different=[2]"], 0, "as expected"),
        (["--expected", "missing=all"], 1, "1 missing, expected 3"),
        (["--columns", "at", "--expected", "missing=1", "--expected", "extra=1"], 0, "as expected"),
        (["--ignore", "price", "--within", "0.2s"], 1, "1 missing, 1 extra;"),
    ],
)
def test_what_is_stated_decides(seatrial: Run, files: Path, more: list[str], status: int, said: str) -> None:
    done = seatrial("compare-data", "a.csv", "b.csv", "--key", "id", *more)
    assert (done.returncode, said in done.stdout) == (status, True), done.stdout + done.stderr


def test_references(seatrial: Run, files: Path) -> None:
    done = seatrial("compare-data", "ref.csv", "a.csv", "--references", "--key", "listing_id", "--map", "listing_id=id")
    assert done.returncode == 1
    assert "✘ 2 orphans; 1 refer to a row of B" in done.stdout
    assert "2 rows" in done.stdout


def test_a_store_that_is_down_is_status_2_and_its_password_is_not_shown(seatrial: Run, files: Path) -> None:
    for more in ([], ["--json"]):
        done = seatrial("compare-data", "a.csv", "postgres://app:s3cr%40tpw@127.0.0.1:1/shop#table=items", *more)
        assert done.returncode == 2
        assert "Connection refused" in done.stdout
        assert "s3cr" not in done.stdout + done.stderr
    assert json.loads(done.stdout)["holds"] is None


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["a.csv", "b.csv"], "neither store knows a primary key"),
        (["a.csv", "b.csv", "--key", "nr"], "the first has no column nr"),
        (["a.csv", "listings"], "neither an address nor a file"),
        (["a.csv", "postgres://u:secretpw@127.0.0.1/db"], "which table"),
        (["a.csv", "b.csv", "--key", "id", "--tolerance", "price"], "--tolerance 'price' is not name=value"),
        (["a.csv", "b.csv", "--key", "id", "--tolerance", "at=x", "--where", "x"], "a file has no `where`"),
        (["a.csv", "b.csv", "--key", "id", "--expected", "lost=1"], "no kind of difference"),
        (["a.csv", "b.csv", "--key", "id", "--expected", "missing=[1"], "is no list"),
        (["a.csv", "b.csv", "--key", "id", "--within", "1"], "--within"),
        (["a.csv", "b.csv", "--key", "id", "--output", "o.xlsx"], "what kind of file"),
        (["a.csv", "b.csv", "--key", "id", "--output", "none/o.csv"], "--output none/o.csv"),
        (["a.csv"], "Missing argument"),
    ],
)
def test_a_wrong_command_line_is_status_3_with_what_would_be_right(
    seatrial: Run, files: Path, arguments: list[str], said: str
) -> None:
    done = seatrial("compare-data", *arguments)
    assert done.returncode == 3
    assert said in done.stderr
    assert "Traceback" not in done.stderr
    assert "secretpw" not in done.stderr


def test_help_has_examples_and_statuses(seatrial: Run) -> None:
    done = seatrial("compare-data", "--help")
    assert "seatrial compare-data 'postgres://" in done.stdout
    assert "2 it cannot be told" in done.stdout
