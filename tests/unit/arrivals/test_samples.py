"""Rows can be read while they are written, a torn one is none, and several files are one."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from seatrial.arrivals.samples import (
    DUE,
    GAP_FROM,
    HEADER,
    OK,
    ROW,
    SLOT_NS,
    WHOLE,
    SampleWriter,
    gathered,
    join,
    read,
    row,
    rows_of,
    seal,
    together,
)

ROWS = st.lists(st.tuples(st.integers(0, 2**32 - 1), st.integers(0, 2**32 - 1), st.integers(0, 2**62)), max_size=50)
FILES = settings(suppress_health_check=[HealthCheck.function_scoped_fixture])


def written(path: Path, start: int, rows: list[tuple[int, int, int]]) -> Path:
    writer = SampleWriter(path, start)
    for slot, code, count in rows:
        writer.write(row(OK, slot, count, code=code, tag=3))
    writer.close()
    return path


@FILES
@given(ROWS, st.integers(0, 2**62))
def test_rows_come_back(tmp_path: Path, rows: list[tuple[int, int, int]], start: int) -> None:
    at, found = read(written(tmp_path / "x.load", start, rows))
    assert at == start
    assert [(r["slot"], r["bucket"], r["count"]) for r in found] == rows
    assert all((r["tag"], r["kind"]) == (3, OK) for r in found)


def test_rows_are_there_as_soon_as_they_are_written(tmp_path: Path) -> None:
    writer = SampleWriter(tmp_path / "x.load", 1)
    for number in range(1, 50):
        columns = [np.full(number, v, np.int64) for v in (number, 0, 1, 0)]
        writer.write(rows_of(DUE, columns[0], columns[1], columns[2], columns[3]))
        _, found = read(tmp_path / "x.load")
        assert found["count"].sum() == number * (number + 1) // 2
        assert found["slot"][-1] == number
    writer.close()


@pytest.mark.parametrize("torn", range(1, ROW.itemsize))
def test_a_torn_last_row_is_none(tmp_path: Path, torn: int) -> None:
    path = written(tmp_path / "x.load", 0, [(1, 2, 3), (4, 5, 6)])
    os.truncate(path, path.stat().st_size - torn)
    _, found = read(path)
    assert found["slot"].tolist() == [1]
    assert seal(path)[0] == 1


@pytest.mark.parametrize("content", [b"", b"STLOAD01", b"x" * HEADER])
def test_a_file_of_another_kind_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "x").write_bytes(content)
    with pytest.raises(ValueError, match="no samples"):
        read(tmp_path / "x")


@FILES
@given(st.lists(ROWS, min_size=1, max_size=4))
def test_joined_files_hold_what_the_parts_held(tmp_path: Path, parts: list[list[tuple[int, int, int]]]) -> None:
    files = [written(tmp_path / f"{n}.load", 100, rows) for n, rows in enumerate(parts)]
    _, before = together(files)
    join(files, tmp_path / "all.load")
    start, after = read(tmp_path / "all.load")
    assert start == 100
    assert (np.asarray(before) == np.asarray(after)).all()
    assert len(after) == sum(map(len, parts))
    assert not any(f.exists() for f in files)


def test_a_part_of_a_dead_worker_joins_with_what_it_had(tmp_path: Path) -> None:
    whole, torn = (written(tmp_path / f"{n}.load", 0, [(1, 1, 1), (2, 2, 2)]) for n in "ab")
    os.truncate(torn, torn.stat().st_size - 7)
    join([whole, torn], tmp_path / "all.load")
    assert len(read(tmp_path / "all.load")[1]) == 3


def test_a_seal_covers_every_byte(tmp_path: Path) -> None:
    path = written(tmp_path / "x.load", 0, [(1, 2, 3)])
    rows, digest = seal(path)
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(data)
    assert rows == 1
    assert seal(path)[1] != digest


def test_a_worker_that_began_later_counts_in_the_slots_that_it_ran_in(tmp_path: Path) -> None:
    early, late = tmp_path / "a.load", tmp_path / "b.load"
    for path, start in ((early, 1000), (late, 1000 + 3 * SLOT_NS + 7)):
        writer = SampleWriter(path, start)
        writer.write(row(OK, 2, 5))
        writer.write(row(OK, WHOLE, 5))
        writer.write(row(GAP_FROM, 1, 250))
        writer.close()
    start, rows = together([early, late])
    assert start == 1000
    assert rows["slot"].tolist() == [2, WHOLE, 1, 5, WHOLE, 4]
    assert rows["count"].tolist() == [5, 5, 250, 5, 5, 250 + 3 * SLOT_NS + 7]


def test_tags_that_workers_numbered_themselves_get_common_numbers(tmp_path: Path) -> None:
    for name, counts in (("a", (1, 2)), ("b", (10, 20, 40))):
        writer = SampleWriter(tmp_path / name, 0)
        for tag, count in enumerate(counts):
            writer.write(row(OK, 0, count, tag=tag))
        writer.close()
    names = join([tmp_path / "a", tmp_path / "b"], tmp_path / "all", [["x", "y"], ["y", "z", "x"]])
    _, rows = read(tmp_path / "all")
    found = {name: int(rows[rows["tag"] == n]["count"].sum()) for n, name in enumerate(names)}
    assert found == {"x": 41, "y": 12, "z": 20}


def test_tags_that_workers_numbered_are_joined_by_name(tmp_path: Path) -> None:
    files = [tmp_path / "a.load", tmp_path / "b.load"]
    for file, tag, count in ((files[0], 1, 5), (files[1], 0, 7)):
        writer = SampleWriter(file, 0)
        writer.write(row(OK, 1, count, tag=tag))
        writer.write(row(OK, 1, 100, tag=3))  # it died before it could say what that is
        writer.close()
    _, rows, names = gathered(files, [["home", "cart"], ["cart"]])
    counts = {name: int(rows["count"][rows["tag"] == n].sum()) for n, name in enumerate(names)}
    assert counts == {"home": 0, "cart": 12, "": 200}
