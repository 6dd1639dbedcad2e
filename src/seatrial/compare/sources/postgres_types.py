"""PostgreSQL's types: what kind of value they hold, and the SQL that writes it as `canonical` does."""

from __future__ import annotations

from ..kinds import Kind
from ..layout import Column, Field

_INTEGERS = frozenset({"int2", "int4", "int8"})
_KINDS = {
    **dict.fromkeys((*_INTEGERS, "numeric", "float4", "float8"), Kind.NUMBER),
    "bool": Kind.BOOLEAN,
    **dict.fromkeys(("timestamp", "timestamptz"), Kind.TIME),
    "date": Kind.DATE,
    "bytea": Kind.BYTES,
    **dict.fromkeys(("json", "jsonb"), Kind.JSON),
}
# Hash functions of types that two servers of one version share; {} is the value. An enum's values have numbers that only one database
# knows, and a char(n)'s trailing blanks mean nothing.
_HASHES = {
    "int2": "hashint2extended({}, ",
    "int4": "hashint4extended({}, ",
    "int8": "hashint8extended({}, ",
    "numeric": "hash_numeric_extended({}, ",
    "float4": "hashfloat4extended({}, ",
    "float8": "hashfloat8extended({}, ",
    "bool": "hashint4extended({}::int, ",
    "text": "hashtextextended({}, ",
    "varchar": "hashtextextended({}::text, ",
    "uuid": "uuid_hash_extended({}, ",
    "bytea": "hashtextextended(encode({}, 'hex'), ",
    "jsonb": "jsonb_hash_extended({}, ",
    "timestamp": "timestamp_hash_extended({}, ",
    "timestamptz": "timestamp_hash_extended({} at time zone 'UTC', ",
    "date": "timestamp_hash_extended({}::timestamp, ",
}


def field_of(type_: str, category: str, version: int) -> Field:
    """A column of a type (pg_type.typname and typcategory; domains as what they are made of)."""
    kind = Kind.JSON if category in ("A", "C", "R") else _KINDS.get(type_, Kind.TEXT)
    native = f"postgres {version} {type_}" if type_ in _HASHES and version >= 12 else ""
    return Field(kind=kind, integer=type_ in _INTEGERS, native=native, type=f"{type_}[]" if category == "A" else type_)


def canonical_sql(name: str, field: Field, kind: Kind, *, nfc: bool) -> str:
    """The canonical text of a column (quoted already) as SQL; of another kind than its own, text to be read as that."""
    text = _text_sql(name, field)
    if kind is Kind.TEXT and nfc:
        return f"normalize({text}, NFC)"
    if kind is Kind.NUMBER and field.kind is Kind.BOOLEAN:
        return f"{name}::int::text"
    if kind is Kind.TIME and field.kind is Kind.DATE:
        return f"{name}::timestamp::text"
    return text


def _text_sql(name: str, field: Field) -> str:
    match field.type:
        case "numeric":
            return f"trim_scale({name})::text"
        case "float4" | "float8":
            return f"trim_scale({name}::text::numeric)::text"
        case "timestamptz":
            return f"({name} at time zone 'UTC')::text"
        case "bytea":
            return f"encode({name}, 'hex')"
        case "json" | "jsonb":
            return f"{name}::jsonb::text"
    return f"to_jsonb({name})::text" if field.kind is Kind.JSON else f"{name}::text"


def cell_sql(name: str, column: Column, field: Field) -> str | None:
    """The cell of a column with a tolerance (`tables.cells`) as SQL; None where all of the value counts."""
    if not column.tolerance:
        return None
    if column.kind is Kind.NUMBER:
        number = (
            f"{name}::int"
            if field.kind is Kind.BOOLEAN
            else f"{name}::text"
            if field.type.startswith("float")
            else name
        )
        return f"div({number}::numeric, {column.tolerance}::numeric * 0.5)::text"
    half = int(column.tolerance) // 2
    if not half:
        return None
    moment = f"{name}::timestamp" if field.type == "date" else name
    return f"div(extract(epoch from {moment})::numeric * 1000000, {half})::text"


def hash_sql(name: str, type_: str, seed: str) -> str:
    """The hash of a column by its type's own function (`text` for what is one), from a seed; NULL where either is."""
    return f"{_HASHES[type_].format(name)}{seed})"
