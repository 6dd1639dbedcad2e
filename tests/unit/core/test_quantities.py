from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from seatrial.core.quantities import (
    UNITS,
    Dimension,
    Quantity,
    QuantityError,
    format_duration,
    format_quantity,
    parse_quantity,
)

PAIRS = [(unit, dimension) for dimension, units in UNITS.items() for unit in units]


@pytest.mark.parametrize(
    ("text", "value", "dimension"),
    [
        ("30s", 30_000_000_000, Dimension.DURATION),
        ("1.5ms", 1_500_000, Dimension.DURATION),
        ("1m 30s", 90_000_000_000, Dimension.DURATION),
        ("1h30m", 5_400_000_000_000, Dimension.DURATION),
        ("-1m 5s", -65_000_000_000, Dimension.DURATION),
        ("1d 2h 3m 4.5s", 93_784_500_000_000, Dimension.DURATION),
        ("100/s", 100, Dimension.RATE),
        ("60/min", 1, Dimension.RATE),
        ("99.9%", 0.999, Dimension.RATIO),
        ("0.1 %", 0.001, Dimension.RATIO),
        ("64 MiB", 64 * 1024**2, Dimension.SIZE),
        ("1.5kB", 1500, Dimension.SIZE),
        ("1_000", 1000, Dimension.NUMBER),
        ("-2.5", -2.5, Dimension.NUMBER),
        ("0ns", 0, Dimension.DURATION),
    ],
)
def test_reads_numbers_with_units_exactly(text: str, value: float, dimension: Dimension) -> None:
    assert parse_quantity(text, dimension) == Quantity(value, dimension)


@pytest.mark.parametrize(
    ("text", "dimension", "said"),
    [
        ("5 parsecs", None, "unknown unit 'parsecs'; units here: ns us"),
        ("30sec", None, "unknown unit 'sec': write s"),
        ("64 mb", Dimension.SIZE, "unknown unit 'mb': write MB; units here: B kB"),
        ("200", Dimension.DURATION, "200 has no unit; a duration is wanted, for example 30s"),
        ("5%", Dimension.DURATION, "5% is a ratio; a duration is wanted"),
        ("soon", Dimension.DURATION, "'soon' is not a number with a unit, for example 30s"),
        ("1m 2h", None, "from large to small"),
        ("1e999", None, "too large"),
        ("1e999s", None, "too large"),
        ("1e308h", None, "too large"),
        ("1e308d", Dimension.DURATION, "too large"),
        ("", None, "not a number"),
        ("nan", None, "not a number"),
    ],
)
def test_refuses_with_what_to_write_instead(text: str, dimension: Dimension | None, said: str) -> None:
    with pytest.raises(QuantityError) as caught:
        parse_quantity(text, dimension)
    assert said in str(caught.value)


def test_a_truth_value_is_no_quantity() -> None:
    with pytest.raises(QuantityError):
        parse_quantity(True)


def test_a_tiny_exponent_is_read_at_once() -> None:
    assert parse_quantity("1e-999999999s").value == 0


@pytest.mark.parametrize(
    ("value", "dimension", "text"),
    [
        (2_614_000_000, Dimension.DURATION, "2.61s"),
        (999_999_999, Dimension.DURATION, "1s"),
        (72_000_000_000, Dimension.DURATION, "72s"),
        (125_000_000_000, Dimension.DURATION, "2m 5s"),
        (-7_260_000_000_000, Dimension.DURATION, "-2h 1m"),
        (0, Dimension.DURATION, "0s"),
        (math.inf, Dimension.DURATION, "infinite"),
        (12.34, Dimension.RATE, "12.3/s"),
        (0.0004, Dimension.RATIO, "0.04%"),
        (1e-9, Dimension.RATIO, "0.0000001%"),
        (0.99983, Dimension.RATIO, "99.983%"),
        (0.9999999999, Dimension.RATIO, "99.999999%"),
        (1.0, Dimension.RATIO, "100%"),
        (0.0, Dimension.RATIO, "0%"),
        (-0.2, Dimension.RATIO, "-20%"),
        (1024**2 - 1, Dimension.SIZE, "1 MiB"),
        (64 * 1024**2, Dimension.SIZE, "64 MiB"),
        (1234567, Dimension.NUMBER, "1,234,567"),
        (0.5, Dimension.NUMBER, "0.5"),
    ],
)
def test_formats_for_people(value: float, dimension: Dimension, text: str) -> None:
    assert format_quantity(value, dimension) == text
    assert str(Quantity(value, dimension)) == text


@given(st.integers(0, 10**9), st.sampled_from(PAIRS))
def test_reading_is_linear_in_the_number(number: int, pair: tuple[str, Dimension]) -> None:
    unit, dimension = pair
    found = parse_quantity(f"{number}{unit}", dimension)
    assert found.value == pytest.approx(number * UNITS[dimension][unit])
    assert parse_quantity(f" {number} {unit} ") == found


@given(st.integers(1, 10**18), st.sampled_from([Dimension.DURATION, Dimension.SIZE, Dimension.RATE, Dimension.NUMBER]))
def test_what_is_formatted_reads_back_within_its_digits(value: int, dimension: Dimension) -> None:
    back = parse_quantity(format_quantity(value, dimension).replace(",", ""), dimension)
    # Hours and minutes alone are shown of a duration beyond an hour.
    assert back.value == pytest.approx(value, rel=0.02)


@given(st.floats(0, 1))
def test_a_ratio_is_never_rounded_up_to_all_nor_down_to_none(share: float) -> None:
    text = format_quantity(share, Dimension.RATIO)
    if share < 1 and share * 100 < 100:
        assert text != "100%"
    if share * 100 > 0:
        assert text != "0%"


@given(st.text(alphabet="0123456789.eE+-_ nsmhdu/%BkMGi", max_size=20) | st.text(max_size=12))
def test_reading_any_text_gives_a_finite_quantity_or_a_teaching_error(text: str) -> None:
    try:
        found = parse_quantity(text)
    except QuantityError as error:
        assert str(error)  # noqa: PT017
    else:
        assert math.isfinite(found.value)
        assert str(found)


@given(st.floats(allow_nan=True, allow_infinity=True), st.sampled_from(Dimension))
def test_formatting_never_fails(value: float, dimension: Dimension) -> None:
    assert format_quantity(value, dimension)


def test_a_duration_is_never_a_bare_number() -> None:
    assert format_duration(0.5) == "0.5ns"
