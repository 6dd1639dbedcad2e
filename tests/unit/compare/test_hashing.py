"""Rows as texts that tell them apart, and their hashes as PostgreSQL gives them."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from seatrial.compare.hashing import hash_texts, row_texts

VALUES = st.none() | st.text(alphabet="a|~:1", max_size=4)
# select t, hashtextextended(t, 0): PostgreSQL 16 on x86_64
KNOWN = {
    "": -6939563903564495251,
    "a": 3591986179850072241,
    "hello world": 6947366892317592103,
    "hello world!": -2866487628948787489,
    "xxxxxxxxxxxxx": 4585758890028022275,
    "1|7919|1047.29|4:paid|2024-01-01 00:00:01.000001|": 5670299205369903833,
    "é☃é☃é☃é☃é☃é☃é☃é☃é☃": -516918921660661964,
    "long " * 50: -7062704522096998482,
}


def test_hashes_are_those_of_the_server() -> None:
    assert hash_texts(pa.array(list(KNOWN))).tolist() == list(KNOWN.values())


@given(st.lists(st.text(max_size=60), min_size=1, max_size=20), st.integers(0, 5))
def test_a_hash_depends_on_its_text_alone(texts: list[str], skip: int) -> None:
    alone = [int(hash_texts(pa.array([t]))[0]) for t in texts]
    assert hash_texts(pa.array(texts)).tolist() == alone
    assert hash_texts(pa.array(texts).slice(skip)).tolist() == alone[skip:]
    assert len(set(alone)) == len(set(texts))


def test_a_hash_depends_on_its_text_alone_beside_a_very_long_one() -> None:
    assert hash_texts(pa.array([*KNOWN, "x" * 70_000])).tolist()[:-1] == list(KNOWN.values())


def test_nothing_has_no_hash() -> None:
    assert hash_texts(pa.array([], pa.string())).tolist() == []
    assert hash_texts(pa.array(["", ""])).dtype == np.int64


@given(st.lists(st.tuples(VALUES, VALUES, VALUES), min_size=1, max_size=30))
def test_different_rows_have_different_texts(rows: list[tuple[str | None, str | None, str | None]]) -> None:
    columns = [pa.array(values, pa.string()) for values in zip(*rows, strict=True)]
    texts = row_texts(columns, [True, True, True]).to_pylist()
    assert len(set(texts)) == len(set(rows))
    assert None not in texts


def test_what_cannot_hold_a_bar_needs_no_length() -> None:
    assert row_texts([pa.array(["7", None]), pa.array(["a|b", None])], [False, True]).to_pylist() == [
        "7|3:a|b|",
        "~|~|",
    ]
