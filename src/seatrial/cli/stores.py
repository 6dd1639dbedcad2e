"""The command that holds two stores against each other."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from .app import app, examples
from .options import Json, listed, pairs_of
from .trials import console

_FORMS = "postgres://user:password@host/db#table=listings (or #query=select ...), sqlite:///shop.db#table=listings, "
_FORMS += "http://host/api/listings#records=data.items&next=links.next, opensearch://host:9200/listings, listings.parquet, .csv, .arrow"
Store = Annotated[str, typer.Argument(help=f"A store: {_FORMS}.")]
Words = list[str] | None


@app.command(
    "compare-data",
    epilog=examples(
        "seatrial compare-data 'postgres://app@127.0.0.1/old#table=listings' 'postgres://app@127.0.0.1/new#table=listings'",
        "seatrial compare-data 'sqlite:///shop.db#table=items' items.csv --key id --ignore synced_at --tolerance updated_at=1s",
        "seatrial compare-data $A $B --key id --map seller=seller_id --where \"status = 'active'\" --within 60s",
        "seatrial compare-data $A $B --key id --expected missing=all",
        "seatrial compare-data $IMAGES $LISTINGS --references --key listing_id --map listing_id=id",
        "seatrial compare-data $A $B --output differences.parquet --json",
    )
    + "\n\nExit status: 0 equal (or as expected), 1 different, 2 it cannot be told, 3 wrong usage.",
)
def compare_data(
    a: Store,
    b: Annotated[str, typer.Argument(help="The store to hold against it.")],
    key: Annotated[Words, typer.Option("--key", help="The columns that tell rows apart (the primary key).")] = None,
    columns: Annotated[Words, typer.Option("--columns", help="What is compared (all that both have).")] = None,
    ignore: Annotated[Words, typer.Option("--ignore", help="Columns that are not compared.")] = None,
    map_: Annotated[
        Words, typer.Option("--map", help="A column of A by another name in B.", metavar="A_NAME=B_NAME")
    ] = None,
    tolerance: Annotated[
        Words, typer.Option("--tolerance", help="price=0.01, or updated_at=1s.", metavar="COLUMN=TOLERANCE")
    ] = None,
    where: Annotated[str | None, typer.Option("--where", help="Those rows alone, on both sides: SQL.")] = None,
    where_a: Annotated[str | None, typer.Option("--where-a", help="Of A, in place of --where.")] = None,
    where_b: Annotated[str | None, typer.Option("--where-b", help="Of B, in place of --where.")] = None,
    expected: Annotated[
        Words,
        typer.Option(
            "--expected",
            help="A difference that is right: missing=100, missing=all, extra='[1, 2]' (keys).",
            metavar="KIND=WHAT",
        ),
    ] = None,
    references: Annotated[
        bool, typer.Option("--references", help="Each key of A is one of B; rows are not compared.")
    ] = False,
    nfc: Annotated[
        bool, typer.Option("--nfc", help="Compare texts in Unicode's form NFC rather than as they are.")
    ] = False,
    within: Annotated[str, typer.Option("--within", help="Try again until it holds, at most this long (60s).")] = "0s",
    show: Annotated[int, typer.Option("--show", min=1, help="So many differing rows.")] = 20,
    output: Annotated[
        Path | None, typer.Option("--output", help="All differing rows, to a .parquet or .csv file.")
    ] = None,
    json: Json = False,
) -> int:
    """Hold two stores against each other, row by row: what is missing, extra, different, and by how much."""
    from ..api.stores import DataComparison, compare_data

    given = DataComparison(
        stores=(a, b),
        where=(where if where_a is None else where_a, where if where_b is None else where_b),
        key=listed(key),
        columns=listed(columns),
        ignore=listed(ignore),
        map=pairs_of("--map", map_),
        tolerances=pairs_of("--tolerance", tolerance),
        expected=pairs_of("--expected", expected),
        references=references,
        nfc=nfc,
        within=within,
        show=show,
        output=output,
    )
    return compare_data(given, console(), as_json=json)
