"""Probe `compare`: the rows of two stores, or the references of one to another. What it does lies in the package `compare`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from ..core.errors import UsageError
from ..core.expressions import Type
from ..core.quantities import NS_PER_S
from ..core.shapes import ANY, BOOLEAN, COUNT, TARGET, TEXT, Field, choice, list_of, mapping_of, record, union
from ..core.stores import is_file_name, read_store
from ..core.vocabulary import Verb

_DATABASE = Field(shape=TEXT, doc="Another database than the service's own.")
_OTHER = record(
    {
        "at": Field(shape=TARGET, required=True, doc="Its service.", example="listings-db"),
        "of": Field(shape=TEXT, doc="Its table, query, path or index (the same as the first's)."),
        "where": Field(
            shape=TEXT, doc="Of its rows, those alone: a condition in SQL, or a query string of a search engine."
        ),
        "database": _DATABASE,
    },
    "the other store",
)


def hosts(what: object, arguments: Mapping[str, object]) -> Iterator[str]:
    """The hosts of stores that are named by their addresses."""
    other = arguments.get("with")
    for text in (what, other.get("of") if isinstance(other, Mapping) else other):
        if isinstance(text, str) and "://" in text.split("#")[0].split(" ")[0]:
            yield from read_store(text).hosts


def check_what(text: str) -> str | None:
    """What is wrong with an address or a file."""
    if "{{" in text or not ("://" in text.split("#")[0].split(" ")[0] or is_file_name(text)):
        return None if text.strip() else "nothing to compare; a table, a query, an address or a file"
    try:
        read_store(text)
    except UsageError as error:
        return f"{error.problems[0].message}; {error.problems[0].hint}"
    return None


VERB = Verb(
    name="compare",
    doc="Holds two stores against each other, row by row by a key; or, with `references`, shows keys of the first that the other has not.",
    what=TEXT,
    observes={
        "difference": Type.TEXT,
        "rows": Type.NUMBER,
        "other_rows": Type.NUMBER,
        "equal": Type.NUMBER,
        "missing": Type.NUMBER,
        "extra": Type.NUMBER,
        "different": Type.NUMBER,
        "orphans": Type.NUMBER,
        "columns": Type.map_of(Type.NUMBER),
        "differences": Type.list_of(Type.ANY),
    },
    run="seatrial.compare.probe:run",
    arguments={
        "with": Field(
            shape=union(TEXT, _OTHER), required=True, doc="The other store: an address, a file, or {at: service, of: table}.",
            example="{at: listings-db}",
        ),
        "key": Field(shape=list_of(TEXT), doc="The columns that tell rows apart (the primary key).", example="id"),
        "columns": Field(shape=list_of(TEXT), doc="What is compared (all that both have)."),
        "ignore": Field(shape=list_of(TEXT), doc="What is not."),
        "map": Field(shape=mapping_of(TEXT), doc="Columns with another name in the other store.", example="{seller: seller_id}"),
        "tolerances": Field(shape=mapping_of(ANY), doc="By column: a number, or a duration for times.", example="{updated_at: 1s}"),
        "where": Field(shape=TEXT, doc="Of the first one's rows, those alone."),
        "database": _DATABASE,
        "expected": Field(
            shape=mapping_of(ANY), doc="Differences that are right: a number, `all`, or keys, of missing, extra, different.",
            example="{missing: all}",
        ),
        "references": Field(shape=BOOLEAN, doc="Each key of the first is one of the other (false); NULL refers to nothing."),
        "unicode": Field(shape=choice("as-is", "nfc"), doc="How texts are compared (as-is)."),
        "show": Field(shape=COUNT, doc="So many differing rows are kept as evidence (20)."),
        "directory": Field(shape=TEXT, doc="Where paths of files begin (where seatrial runs).", example='"{{ spec.directory }}"'),
    },
    default_expect='difference in ["none", "as expected"]',
    needs_target=False,
    timeout_ns=60 * NS_PER_S,
    extra="compare",
    example="{compare: listings.csv, with: listings.parquet, key: id}",
    check_what=check_what,
    hosts=hosts,
)  # fmt: skip
