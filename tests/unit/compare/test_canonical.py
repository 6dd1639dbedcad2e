"""A value has one canonical text, whatever store it came from, and no other value has it."""

from __future__ import annotations

import datetime
import decimal
import json
import unicodedata

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from seatrial.compare.canonical import canonical, json_text, microseconds, number_text, read_json, time_text
from seatrial.compare.kinds import Kind, common

DECIMALS = st.decimals(allow_nan=False, allow_infinity=False, places=6, min_value=-(10**20), max_value=10**20)
MOMENTS = st.datetimes(min_value=datetime.datetime(1, 1, 2), max_value=datetime.datetime(9999, 12, 30))
ZONES = st.integers(-14 * 60, 14 * 60).map(lambda m: datetime.timezone(datetime.timedelta(minutes=m)))
JSONS = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)


def one(value: object, kind: Kind, type_: object = None) -> str | None:
    (text,) = canonical(pa.array([value], type_), kind).to_pylist()
    return text


@given(DECIMALS, DECIMALS)
def test_numbers_are_equal_exactly_when_their_texts_are(a: decimal.Decimal, b: decimal.Decimal) -> None:
    wide = pa.decimal128(38, 9)
    assert one(a, Kind.NUMBER, wide) == one(str(a), Kind.NUMBER) == one(f"{a:e}", Kind.NUMBER) == number_text(str(a))
    assert (one(a, Kind.NUMBER, wide) == one(b, Kind.NUMBER, wide)) == (a == b)


@given(st.integers(-(2**63), 2**63 - 1))
def test_whole_numbers_are_the_same_in_every_type(number: int) -> None:
    texts = {
        one(number, Kind.NUMBER),
        one(str(number), Kind.NUMBER),
        one(decimal.Decimal(number), Kind.NUMBER),
        one(f"{number}.000", Kind.NUMBER),
    }
    assert texts == {str(number)}


@given(st.floats())
def test_a_float_is_its_shortest_decimal(number: float) -> None:
    text = one(number, Kind.NUMBER)
    assert text is not None
    assert "e" not in text.lower() or text in ("Infinity", "-Infinity")
    assert float(text) == number or number != number
    if number == number and abs(number) != float("inf"):
        assert decimal.Decimal(text) == decimal.Decimal(repr(number))


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("1.50", "1.5"), ("-0", "0"), ("-0.00", "0"), ("+7", "7"), ("007", "7"), ("1e3", "1000"), ("1E-7", "0.0000001"), (".5", "0.5"),
        ("5.", "5"), ("nan", "NaN"), ("-inf", "-Infinity"), ("Infinity", "Infinity"), ("true", "1"), ("abc", "abc"), ("1_000", "1_000"),
        ("1e999999999", "1e999999999"), ("", ""), ("12345678901234567890123456789.10", "12345678901234567890123456789.1"),
    ],
)  # fmt: skip
def test_ways_to_write_a_number(written: str, meant: str) -> None:
    assert one(written, Kind.NUMBER) == meant


@given(MOMENTS, MOMENTS, ZONES)
def test_moments_are_equal_exactly_when_their_texts_are(
    a: datetime.datetime, b: datetime.datetime, zone: datetime.timezone
) -> None:
    there = a.replace(tzinfo=datetime.UTC).astimezone(zone)
    written = {
        one(a, Kind.TIME),
        one(there, Kind.TIME, pa.timestamp("us", "UTC")),
        one(there.isoformat(), Kind.TIME),
        one(a.isoformat(" "), Kind.TIME),
    }
    assert written == {time_text(a.isoformat())}
    assert (one(a, Kind.TIME) == one(b, Kind.TIME)) == (a == b)
    assert microseconds(time_text(a.isoformat())) == (a - datetime.datetime(1970, 1, 1)) // datetime.timedelta(
        microseconds=1
    )


@pytest.mark.parametrize(
    "written",
    [
        "2024-03-01 12:00:00", "2024-03-01T12:00:00Z", "2024-03-01 12:00:00+00", "2024-03-01T13:30:00+01:30", "2024-03-01 05:00:00-07",
        "2024-03-01T12:00:00.000000", "2024-03-01 12:00:00 UTC", "2024-03-01T12:00:00.000+00:00",
    ],
)  # fmt: skip
def test_ways_to_write_a_moment(written: str) -> None:
    assert one(written, Kind.TIME) == "2024-03-01 12:00:00"


def test_units_of_time_are_one() -> None:
    moment = datetime.datetime(2024, 3, 1, 12)
    assert {one(moment, Kind.TIME, pa.timestamp(u)) for u in ("s", "ms", "us", "ns")} == {"2024-03-01 12:00:00"}
    assert one(datetime.date(2024, 3, 1), Kind.TIME) == "2024-03-01 00:00:00"
    assert one(datetime.date(2024, 3, 1), Kind.DATE) == one("2024-03-01T00:00:00Z", Kind.DATE) == "2024-03-01"
    assert one("2024-03-01 00:00:01", Kind.DATE) == "2024-03-01 00:00:01"
    assert one("infinity", Kind.TIME) == "infinity"


@pytest.mark.parametrize("yes", ["true", "t", "1", "TRUE", True])
def test_truth_is_written_in_many_ways(yes: object) -> None:
    assert one(yes, Kind.BOOLEAN) == "true"
    assert one(True, Kind.NUMBER) == "1"
    assert one("perhaps", Kind.BOOLEAN) == "perhaps"


@given(st.text())
def test_texts_stay_as_they_are_unless_nfc_is_asked_for(text: str) -> None:
    assert one(text, Kind.TEXT) == text
    assert canonical(pa.array([text]), Kind.TEXT, nfc=True).to_pylist() == [unicodedata.normalize("NFC", text)]


@given(st.binary())
def test_bytes_are_hexadecimal(data: bytes) -> None:
    assert (
        one(data, Kind.BYTES)
        == one(f"\\x{data.hex()}", Kind.BYTES)
        == one(data.hex().upper(), Kind.BYTES)
        == data.hex()
    )


@given(JSONS, JSONS)
def test_json_is_equal_exactly_when_its_texts_are(a: object, b: object) -> None:
    def exact(value: object) -> str:
        return json.dumps(value, sort_keys=True)

    assert one(json.dumps(a), Kind.JSON) == one(json.dumps(a, indent=3), Kind.JSON) == json_text(a)
    assert (json_text(a) == json_text(b)) == (exact(a) == exact(b))
    assert read_json(json_text(a)) == a


def test_json_numbers_are_exact_and_keys_ordered_as_by_the_server() -> None:
    assert (
        one('{"bb": 1.50, "a": 12345678901234567890.1, "é": null}', Kind.JSON)
        == '{"a": 12345678901234567890.1, "bb": 1.5, "é": null}'
    )
    assert one("{broken", Kind.JSON) == "{broken"
    assert one([{"a": 1}], Kind.JSON) == '[{"a": 1}]'


def test_null_is_null_in_every_kind_and_other_arrays_are_read() -> None:
    assert [one(None, kind, pa.string()) for kind in Kind] == [None] * len(Kind)
    assert one(None, Kind.NUMBER) is None
    coded = pa.array(["a", None, "a"]).dictionary_encode()
    assert canonical(coded, Kind.TEXT).to_pylist() == ["a", None, "a"]
    assert one(datetime.time(10, 0, 0, 500000), Kind.TEXT) == "10:00:00.5"


def test_what_columns_have_in_common() -> None:
    assert common(Kind.TEXT, Kind.TIME) is Kind.TIME
    assert common(Kind.NUMBER, Kind.BOOLEAN) is Kind.NUMBER
    assert common(Kind.DATE, Kind.TIME) is Kind.TIME
    assert common(Kind.NUMBER, Kind.TIME) is None
