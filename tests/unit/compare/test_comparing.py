"""Comparisons of tables in memory: each kind of difference is found, by number and by row, and nothing else is."""

from __future__ import annotations

import datetime
import decimal
import random
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from compare_support import counts, held, oracle, table
from hypothesis import given, settings
from hypothesis import strategies as st

from seatrial.compare import comparing
from seatrial.compare.layout import ALL, Expected, Options
from seatrial.compare.results import RowDifference, SourceError
from seatrial.compare.tables import Pairs, integers
from seatrial.core.errors import UsageError

ROWS = st.lists(
    st.tuples(st.none() | st.integers(-3, 6), st.none() | st.sampled_from(["x", "y", "é"]), st.integers(0, 2)),
    max_size=12,
)
TEXT_ROWS = st.lists(
    st.tuples(st.none() | st.sampled_from(["", "a", "b", "~|"]), st.none() | st.integers(0, 1)), max_size=12
)
DAY = datetime.datetime(2024, 3, 1, 12)


def of(rows: list[tuple[Any, ...]], *types: Any) -> Any:
    columns = list(zip(*rows, strict=True)) if rows else [()] * len(types)
    return pa.table([pa.array(c, t) for c, t in zip(columns, types, strict=True)], ["id", "v", "w"][: len(types)])


@settings(max_examples=40)
@given(ROWS, ROWS)
def test_counts_are_those_of_holding_every_row_against_every_other(a: list[Any], b: list[Any]) -> None:
    types = (pa.int64(), pa.string(), pa.int32())
    found = held(of(a, *types), of(b, *types))
    assert counts(found) == oracle(a, b)
    assert (found.a.null_keys, found.b.null_keys) == tuple(sum(r[0] is None for r in side) for side in (a, b))
    assert sum(d.copies for d in found.first) == found.differing
    assert found.holds == (sorted(map(str, a)) == sorted(map(str, b)))


@settings(max_examples=40)
@given(TEXT_ROWS, TEXT_ROWS)
def test_keys_may_be_texts(a: list[Any], b: list[Any]) -> None:
    types = (pa.string(), pa.int8())
    assert counts(held(of(a, *types), of(b, *types))) == oracle(a, b)


@settings(max_examples=40)
@given(ROWS, ROWS)
def test_keys_may_have_several_columns(a: list[Any], b: list[Any]) -> None:
    types = (pa.int64(), pa.string(), pa.int32())
    found = held(of(a, *types), of(b, *types), Options(keys=("id", "v")))
    merged = [[((r[0], r[1]), r[2]) for r in side] for side in (a, b)]
    assert counts(found) == oracle(*merged)


def test_many_rows_in_many_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(comparing, "CHUNK", 50)
    monkeypatch.setattr(comparing, "_FETCH", 7)
    chance = random.Random(7)
    a = [(i, chance.choice("xy"), 1) for i in range(2000) if chance.random() < 0.95]
    b = [(i, chance.choice("xy"), 1) for i in range(2000) if chance.random() < 0.95]
    seen: list[RowDifference] = []
    types = (pa.int64(), pa.string(), pa.int32())
    found = held(of(a, *types), of(b, *types), Options(keys=("id",), limit=3), seen.append)
    assert counts(found) == oracle(a, b)
    assert len(found.first) == 3
    in_a, in_b = ({r[0] for r in side} for side in (a, b))
    for difference in seen:
        key = int(str(difference.key["id"]))
        kind = "different" if key in in_a & in_b else "missing" if key in in_a else "extra"
        assert difference.kind == kind
    assert len(seen) == found.differing


@given(
    st.dictionaries(st.integers(-5, 9), st.integers(0, 2)),
    st.dictionaries(st.integers(-5, 9), st.integers(0, 2)),
    st.randoms(),
)
def test_what_both_have_is_taken_out_and_nothing_else(a: dict[int, int], b: dict[int, int], chance: Any) -> None:
    sides = []
    for rows in (a, b):
        listed = list(rows.items())
        chance.shuffle(listed)
        keys, hashes = np.array([r[0] for r in listed], np.int64), np.array([r[1] for r in listed], np.int64)
        sides.append(Pairs(keys=integers(keys), hashes=hashes))
    left = comparing.unequal(sides[0], sides[1])
    found = [set(zip(p.keys.to_pylist(), p.hashes.tolist(), strict=True)) for p in left]
    assert found == [set(a.items()) - set(b.items()), set(b.items()) - set(a.items())]


def test_a_difference_says_column_kind_and_distance() -> None:
    a = table({"id": [1, 2, 3, 4, 5], "n": [1.5, 2, None, 4, 5], "t": [DAY] * 5, "s": ["a", "b", "c", "é", "E"]})
    b = table(
        {
            "id": [1, 2, 3, 4, 5],
            "n": ["1.25", "two", "3", "4", "5"],
            "t": [DAY, DAY, DAY, DAY + datetime.timedelta(seconds=1, milliseconds=500), DAY],
            "s": ["a", "b ", "C", "e\u0301", "F"],
        }
    )
    found = held(a, b)
    cells = {(d.key["id"], c.column): (c.kind, c.by) for d in found.first for c in d.cells}
    assert cells == {
        ("1", "n"): ("number", "-0.25"),
        ("2", "n"): ("type", ""),
        ("2", "s"): ("text", "blanks around it"),
        ("3", "n"): ("null", ""),
        ("3", "s"): ("text", "case"),
        ("4", "t"): ("time", "+1.5s"),
        ("4", "s"): ("text", "Unicode form"),
        ("5", "s"): ("text", ""),
    }
    assert {c.column: dict(c.kinds) for c in found.by_column} == {
        "s": {"text": 4}, "n": {"number": 1, "type": 1, "null": 1}, "t": {"time": 1}
    }  # fmt: skip
    assert {c.column: c.farthest for c in found.by_column if c.farthest} == {"n": "-0.25", "t": "+1.5s"}
    assert found.said == "5 different (s, n, t)"


def test_unicode_forms_are_one_where_that_is_asked_for() -> None:
    a, b = table({"id": [1], "s": ["é"]}), table({"id": [1], "s": ["e\u0301"]})
    assert not held(a, b).holds
    assert held(a, b, Options(keys=("id",), nfc=True)).holds


def test_doubled_rows_do_not_cancel() -> None:
    a = table({"id": [1, 1, 2, 2], "v": [7, 7, 8, 8]})
    b = table({"id": [1, 1, 3, 3], "v": [7, 7, 9, 9]})
    found = held(a, b)
    assert counts(found) == (2, 2, 2, 0)
    once = held(a, table({"id": [1, 2], "v": [7, 8]}))
    assert counts(once) == (2, 2, 0, 0)
    assert (once.a.duplicates, once.b.duplicates) == (2, 0)
    swapped = held(table({"id": [1, 2], "v": [7, 8]}), table({"id": [1, 2], "v": [8, 7]}))
    assert counts(swapped) == (0, 0, 0, 2)


def test_a_key_with_thousands_of_rows_is_held_by_hashes_alone() -> None:
    a = table({"id": [1] * 3000, "v": list(range(3000))})
    b = table({"id": [1] * 3000, "v": [*range(2999), -1]})
    found = held(a, b)
    assert counts(found) == (2999, 1, 1, 0)
    assert [(d.kind, d.copies, d.a) for d in found.first] == [("missing", 1, None), ("extra", 1, None)]


# -- tolerances


@settings(max_examples=40)
@given(
    st.lists(st.integers(-(10**6), 10**6), min_size=1, max_size=30),
    st.lists(st.integers(-25, 25), min_size=30, max_size=30),
    st.sampled_from(["0.1", "0.13", "0", "1"]),
)
def test_a_tolerance_of_a_number_is_kept_to_exactly(values: list[int], by: list[int], tolerance: str) -> None:
    a = [decimal.Decimal(v) / 100 for v in values]
    b = [v + decimal.Decimal(d) / 100 for v, d in zip(a, by, strict=False)]
    ids = list(range(len(a)))
    wide = pa.decimal128(20, 2)
    options = Options(keys=("id",), tolerances={"v": tolerance})
    found = held(table({"id": ids, "v": a}, v=wide), table({"id": ids, "v": b}, v=wide), options)
    assert found.different == sum(abs(x - y) > decimal.Decimal(tolerance) for x, y in zip(a, b, strict=True))
    assert found.missing == found.extra == 0


@settings(max_examples=40)
@given(st.lists(st.tuples(st.integers(-(10**12), 10**12), st.integers(-3_000_000, 3_000_000)), min_size=1, max_size=30))
def test_a_tolerance_of_a_time_is_kept_to_exactly(moments: list[tuple[int, int]]) -> None:
    def at(us: int) -> datetime.datetime:
        return datetime.datetime(1970, 1, 1) + datetime.timedelta(microseconds=us)

    ids = list(range(len(moments)))
    a, b = [at(m) for m, _ in moments], [at(m + d) for m, d in moments]
    found = held(table({"id": ids, "v": a}), table({"id": ids, "v": b}), Options(keys=("id",), tolerances={"v": "1s"}))
    assert found.different == sum(abs(d) > 1_000_000 for _, d in moments)
    assert all(abs(float(c.by[:-1])) > 1 for d in found.first for c in d.cells)


def test_what_is_beyond_a_tolerance_is_found_beside_what_is_not() -> None:
    a = table({"id": [1, 2, 3, 4], "v": [1.0, 2.0, None, float("nan")]})
    b = table({"id": [1, 2, 3, 4], "v": [1.05, 2.2, 3.0, float("nan")]})
    found = held(a, b, Options(keys=("id",), tolerances={"v": 0.1}))
    assert [(d.key["id"], d.cells[0].kind) for d in found.first] == [("2", "number"), ("3", "null")]


def test_rows_of_one_key_find_their_partners_within_the_tolerance() -> None:
    a = table({"id": [1, 1, 1], "v": [1.0, 2.0, 3.0]})
    b = table({"id": [1, 1, 1], "v": [3.01, 1.01, 9.0]})
    found = held(a, b, Options(keys=("id",), tolerances={"v": 0.1}))
    assert counts(found) == (2, 0, 0, 1)


@pytest.mark.parametrize(
    ("tolerance", "complaint"),
    [
        ({"s": "1"}, "a text has none"),
        ({"n": "-1"}, "not 0 or more"),
        ({"n": "x"}, "no number"),
        ({"t": "1"}, "s"),
        ({"zz": "1"}, "not compared"),
    ],
)
def test_a_tolerance_that_makes_no_sense_is_refused(tolerance: dict[str, str], complaint: str) -> None:
    one = table({"id": [1], "n": [1], "t": [DAY], "s": ["a"]})
    with pytest.raises(UsageError, match=complaint):
        held(one, one, Options(keys=("id",), tolerances=tolerance))


# -- columns


def test_columns_that_one_side_alone_has_are_said_and_left_out() -> None:
    found = held(table({"id": [1], "a": [1], "x": [1]}), table({"id": [1], "b": [2], "x": [1]}))
    assert found.holds
    assert (found.columns, found.a.only_columns, found.b.only_columns) == (("x",), ("a",), ("b",))


def test_columns_may_have_other_names_and_be_ignored() -> None:
    a = table({"id": [1], "seller": [5], "x": [1], "synced": [1]})
    b = table({"nr": [1], "seller_id": [5], "x": [2], "synced": [2], "seller": [6]})
    options = Options(keys=("id",), mapping={"id": "nr", "seller": "seller_id"}, ignore=("synced",))
    assert [c.column for d in held(a, b, options).first for c in d.cells] == ["x"]
    assert held(a, b, Options(keys=("id",), mapping=options.mapping, columns=("seller",))).holds


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        (Options(), "neither store knows a primary key"),
        (Options(keys=("nr",)), "the first has no column nr"),
        (Options(keys=("only",)), "the second has no column only for the key"),
        (Options(keys=("id",), columns=("nam",)), "the first has no column nam"),
        (Options(keys=("id",), ignore=("nam",)), "ignored is nam"),
        (Options(keys=("id",), mapping={"x": "y"}), "the first has no column x"),
    ],
)
def test_names_of_nothing_are_refused(options: Options, complaint: str) -> None:
    with pytest.raises(UsageError, match=complaint):
        held(table({"id": [1], "name": ["a"], "only": [1]}), table({"id": [1], "name": ["a"]}), options)


def test_columns_of_kinds_that_have_nothing_in_common_cannot_be_told() -> None:
    with pytest.raises(SourceError, match=r"column v cannot be compared: int64 with timestamp"):
        held(table({"id": [1], "v": [1]}), table({"id": [1], "v": [DAY]}))


# -- expected differences

ABOUT = table({"id": [1, 2, 3], "v": [1, 2, 3]})
NOTHING = table({"id": [], "v": []}, id=pa.int64(), v=pa.int64())


@pytest.mark.parametrize(
    ("b", "expected", "words"),
    [
        (NOTHING, Expected(missing=ALL), "as expected"),
        (NOTHING, Expected(missing=3), "as expected"),
        (NOTHING, Expected(missing=2), "3 missing, expected 2"),
        (ABOUT, Expected(missing=ALL), "0 missing, expected 3"),
        (ABOUT, Expected(missing=0), "none"),
        (table({"id": [1, 2], "v": [1, 2]}), Expected(missing=ALL), "1 missing, expected 3"),
        (table({"id": [1, 2], "v": [1, 2]}), Expected(missing=frozenset({("3",)})), "as expected"),
        (
            table({"id": [1, 3], "v": [1, 3]}), Expected(missing=frozenset({("3",)})),
            "missing beyond those expected: 2; expected to be missing, and not so: 3",
        ),
        (table({"id": [1, 2, 3, 4], "v": [1, 2, 4, 4]}), Expected(extra=1), "1 different, expected 0"),
        (table({"id": [1, 2, 3, 4], "v": [1, 2, 4, 4]}), Expected(extra=ALL, different=1), "1 extra, expected 4"),
        (table({"id": [1, 2, 3, 4], "v": [1, 2, 4, 4]}), Expected(extra=1, different=frozenset({("3",)})), "as expected"),
    ],
)  # fmt: skip
def test_a_stated_difference_has_to_be_exactly_that(b: Any, expected: Expected, words: str) -> None:
    found = held(ABOUT, b, Options(keys=("id",), expected=expected))
    assert found.words == words
    assert found.holds == (words in ("as expected", "none"))


def test_stated_keys_are_looked_for_beyond_what_is_shown() -> None:
    stated = frozenset((str(n),) for n in range(100))
    rows = table({"id": list(range(100)), "v": [0] * 100})
    assert held(rows, NOTHING, Options(keys=("id",), expected=Expected(missing=stated), limit=2)).holds
    assert not held(rows, NOTHING, Options(keys=("id",), expected=Expected(missing=stated - {("50",)}), limit=2)).holds


# -- references


@settings(max_examples=40)
@given(st.lists(st.none() | st.integers(0, 9), max_size=20), st.lists(st.integers(0, 9), max_size=6))
def test_references_that_lead_nowhere_are_found(references: list[int | None], there: list[int]) -> None:
    options = Options(keys=("ref",), mapping={"ref": "id"}, references=True)
    found = held(table({"ref": references}, ref=pa.int64()), table({"id": there}, id=pa.int64()), options)
    assert found.orphans == sum(r is not None and r not in there for r in references)
    assert {d.key["ref"] for d in found.first} == {str(r) for r in references if r is not None and r not in there}
    assert found.a.null_keys == references.count(None)
    assert found.equal + found.orphans + found.a.null_keys == len(references)
    assert found.holds == (found.orphans == 0)


def test_references_are_of_one_column() -> None:
    one = table({"id": [1], "v": [1]})
    with pytest.raises(UsageError, match="of one column"):
        held(one, one, Options(keys=("id", "v"), references=True))
