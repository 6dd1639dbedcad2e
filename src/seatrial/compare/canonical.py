"""Values as texts that are equal exactly when the values are, whatever store they came from.

number   plain decimal notation without trailing zeros: 1.50 and 1.5 are "1.5", 1e3 is "1000"; NaN, Infinity, -Infinity
boolean  true, false; beside a number 1, 0
time     YYYY-MM-DD HH:MM:SS.ffffff in UTC, trailing zeros of the fraction left out
date     YYYY-MM-DD
text     as it is, or in Unicode's form NFC where that is asked for
bytes    hexadecimal
json     keys sorted as PostgreSQL's jsonb sorts them (length, then bytes), ", " and ": " between

NULL is null. What cannot be read as its column's kind stays the text that it is. PostgreSQL writes the same texts itself
(`sources.postgres_types`): where the two should ever differ, a row is looked at by its values and found equal there.
"""

from __future__ import annotations

import datetime
import decimal
import json
import re
from collections.abc import Callable
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from .kinds import Kind

_EXACT = decimal.Context(prec=400, Emin=-(10**6), Emax=10**6)
_PLAIN_NUMBER = r"^-?[1-9][0-9]*(\.[0-9]*[1-9])?$|^0$|^-?0\.[0-9]*[1-9]$"
_PLAIN_TIME = r"^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d(\.\d*[1-9])?$"
_PLAIN_DATE = r"^\d{4}-\d\d-\d\d$"
# Other zeros, T, or UTC said: what most stores write. Pattern, and what to make of it.
_USUAL_NUMBER = (r"^(-?)0*([0-9]+)(?:(\.[0-9]*[1-9])0*|\.0*)?$", r"\1\2\3")
_USUAL_TIME = (
    r"^(\d{4}-\d\d-\d\d)[ T](\d\d:\d\d:\d\d)(?:(\.\d*[1-9])0*|\.0*)?(?:Z|[+-]00(?::?00)?)?$",
    r"\1 \2\3",
)
_LONGEST = 10_000  # digits that a number is written out to; 1e999999 is a short text, too
_SPECIAL = {"nan": "NaN", "inf": "Infinity", "infinity": "Infinity", "-inf": "-Infinity", "-infinity": "-Infinity"}
_TRUE, _FALSE = frozenset({"true", "t", "1", "yes"}), frozenset({"false", "f", "0", "no"})
_SHORT_OFFSET = re.compile(r"[+-]\d\d$")
_EPOCH = datetime.datetime(1970, 1, 1)
MICROSECOND = datetime.timedelta(microseconds=1)


def canonical(values: Any, kind: Kind, *, nfc: bool = False) -> Any:
    """An Arrow array of any type as an array of texts of that kind (class pyarrow.StringArray)."""
    if isinstance(values, pa.ChunkedArray):
        values = values.combine_chunks()
    if pa.types.is_dictionary(values.type):
        values = values.dictionary_decode()
    if isinstance(values, pa.ExtensionArray):
        values = values.storage
    type_ = values.type
    if pa.types.is_string(type_) or pa.types.is_large_string(type_) or pa.types.is_string_view(type_):
        return _parsed(values.cast(pa.string()), kind, nfc=nfc)
    written = _written(values)
    if kind is Kind.NUMBER and pa.types.is_boolean(type_):
        return pc.if_else(values, "1", "0")
    if kind is Kind.TIME and pa.types.is_date(type_):
        return pc.binary_join_element_wise(written, " 00:00:00", "")
    return written


def _written(values: Any) -> Any:
    """A typed array as texts."""
    type_, types = values.type, pa.types
    if types.is_null(type_):
        return pa.nulls(len(values), pa.string())
    if types.is_boolean(type_):
        return pc.if_else(values, "true", "false")
    if types.is_integer(type_):
        return values.cast(pa.string())
    if types.is_floating(type_):
        texts = values.cast(pa.string())
        return _parsed(texts, Kind.NUMBER)
    if types.is_decimal(type_):
        return _parsed(_trimmed(values.cast(pa.string())), Kind.NUMBER)
    if types.is_timestamp(type_):
        texts = values.cast(pa.timestamp(type_.unit)).cast(pa.string())
        return _trimmed(texts)
    if types.is_date(type_):
        return values.cast(pa.date32()).cast(pa.string())
    if types.is_time(type_):
        return _trimmed(values.cast(pa.string()))
    if types.is_binary(type_) or types.is_large_binary(type_) or types.is_fixed_size_binary(type_):
        return _each(values, lambda v: v.hex())
    if types.is_nested(type_):
        return _each(values, json_text)
    return _each(values, str)


def _trimmed(texts: Any) -> Any:
    """Without trailing zeros of a fraction, where there is one."""
    fraction = pc.match_substring(texts, ".")
    return pc.if_else(fraction, pc.utf8_rtrim(pc.utf8_rtrim(texts, characters="0"), characters="."), texts)


def _each(values: Any, function: Callable[[Any], str]) -> Any:
    return pa.array([None if v is None else function(v) for v in values.to_pylist()], pa.string())


def _parsed(texts: Any, kind: Kind, *, nfc: bool = False) -> Any:
    """Texts read as a kind; the many that are canonical already are left alone."""
    match kind:
        case Kind.TEXT:
            return pc.utf8_normalize(texts, form="NFC") if nfc else texts
        case Kind.NUMBER:
            return _mended(texts, _PLAIN_NUMBER, number_text, _USUAL_NUMBER)
        case Kind.TIME:
            return _mended(texts, _PLAIN_TIME, time_text, _USUAL_TIME)
        case Kind.DATE:
            return _mended(texts, _PLAIN_DATE, date_text)
        case Kind.BOOLEAN:
            return _mended(texts, "^(true|false)$", boolean_text)
        case Kind.BYTES:
            return pc.utf8_lower(pc.replace_substring_regex(texts, r"^\\x", ""))
        case Kind.JSON:
            return _each(texts, _json_again)


def _mended(texts: Any, plain: str, function: Callable[[str], str], usual: tuple[str, str] | None = None) -> Any:
    """Each text that is not plain, read and written anew: by a pattern where it is written as usual, else one by one."""
    odd = _not(plain, texts)
    if usual is not None and pc.any(odd).as_py():
        texts = pc.if_else(odd, pc.replace_substring_regex(texts, *usual), texts)
        odd = _not(plain, texts)
    if not pc.any(odd).as_py():
        return texts
    new = [function(t) for t in texts.filter(odd).to_pylist()]
    return pc.replace_with_mask(texts, odd, pa.array(new, pa.string()))


def _not(plain: str, texts: Any) -> Any:
    return pc.fill_null(pc.invert(pc.match_substring_regex(texts, plain)), False)


def decimal_of(text: str) -> decimal.Decimal | None:
    """The number that a text is; None where it is none."""
    try:
        return _EXACT.create_decimal(_SPECIAL.get(text.strip().lower(), text.strip()))
    except (decimal.InvalidOperation, decimal.Overflow, decimal.Underflow, ValueError):
        return None


def number_text(text: str) -> str:
    """A number's text in plain notation."""
    if text.strip().lower() in ("true", "false"):  # beside numbers
        return "1" if text.strip().lower() == "true" else "0"
    number = decimal_of(text) if "_" not in text else None
    if number is None or number.is_snan():
        return text
    if not number.is_finite():
        return "NaN" if number.is_nan() else "Infinity" if number > 0 else "-Infinity"
    if not number:
        return "0"
    if abs(number.adjusted()) > _LONGEST:
        return text
    plain = f"{number:f}"
    return plain.rstrip("0").rstrip(".") if "." in plain else plain


def boolean_text(text: str) -> str:
    """true or false; anything else as it is."""
    word = text.strip().lower()
    return "true" if word in _TRUE else "false" if word in _FALSE else text


def time_text(text: str) -> str:
    """A moment in UTC; without a zone it is taken to be that. Anything else as it is."""
    stripped = text.strip()
    if stripped.endswith(" UTC"):
        stripped = f"{stripped[:-4]}Z"
    if _SHORT_OFFSET.search(stripped) and ":" in stripped:
        stripped += ":00"  # PostgreSQL's way to write an offset of whole hours
    try:
        moment = datetime.datetime.fromisoformat(stripped)
        if moment.tzinfo is not None:
            moment = moment.astimezone(datetime.UTC).replace(tzinfo=None)
    except (ValueError, OverflowError):
        return text
    fraction = f".{moment.microsecond:06d}".rstrip("0").rstrip(".")
    return f"{moment.year:04d}-{moment:%m-%d %H:%M:%S}{fraction}"  # not %Y, which not every platform pads


def date_text(text: str) -> str:
    """A date, or midnight of it. Anything else as it is."""
    moment = time_text(text)
    return moment[:10] if moment.endswith(" 00:00:00") else text


def microseconds(text: str) -> int | None:
    """Since 1970, of a canonical moment or date; None where it is none."""
    try:
        return (datetime.datetime.fromisoformat(text) - _EPOCH) // MICROSECOND
    except (ValueError, TypeError):
        return None


class _Unreadable:
    """What is no JSON."""


UNREADABLE = _Unreadable()


def read_json(text: str) -> Any:
    """The value of a JSON text, numbers exact; UNREADABLE where it is none."""
    try:
        return json.loads(text, parse_float=decimal.Decimal)
    except (ValueError, RecursionError):
        return UNREADABLE


def _json_again(text: str) -> str:
    value = read_json(text)
    return text if value is UNREADABLE else json_text(value)


def json_text(value: Any) -> str:
    """A value as canonical JSON, as PostgreSQL writes a jsonb; numbers without trailing zeros."""
    match value:
        case None:
            return "null"
        case bool():
            return "true" if value else "false"
        case str():
            return json.dumps(value, ensure_ascii=False)
        case int() | float() | decimal.Decimal():
            return number_text(str(value))
        case dict():
            keys = sorted(((str(k), v) for k, v in value.items()), key=lambda p: (len(p[0].encode()), p[0].encode()))
            return "{" + ", ".join(f"{json_text(k)}: {json_text(v)}" for k, v in keys) + "}"
        case list() | tuple():
            return "[" + ", ".join(map(json_text, value)) + "]"
        case bytes():
            return json_text(value.hex())
        case datetime.datetime():
            return json_text(time_text(value.isoformat()))
    return json_text(str(value))
