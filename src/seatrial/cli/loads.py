"""Commands about load: a quick look, and two trials side by side."""

from __future__ import annotations

from typing import Annotated

import typer

from .app import app, examples
from .options import Json, On, OnCa, OnCert, OnKey, Root, cluster_of
from .trials import console


@app.command(
    epilog=examples(
        "seatrial load http://127.0.0.1:8000/ --rate 500/s --for 30s",
        "seatrial load http://127.0.0.1:8000/ --users 100 --think 1s --expect 'p95 < 200ms' --expect 'errors < 1%'",
        "seatrial load http://127.0.0.1:8000/ --capacity --while 'p95 < 50ms' --while 'errors < 1%'",
        "seatrial load https://shop.test/ --rate 20000/s --for 1m --on tls://scheduler:8786",
        "seatrial load http://127.0.0.1:8000/items --method POST --header 'Content-Type: application/json' --body '{}'",
    )
)
def load(
    url: Annotated[str, typer.Argument(help="Where to send.")],
    rate: Annotated[str | None, typer.Option("--rate", help="Requests at a constant rate (50/s).")] = None,
    users: Annotated[
        int | None, typer.Option("--users", help="Users who wait for their answers, instead of a rate.")
    ] = None,
    think: Annotated[str, typer.Option("--think", help="How long a user waits before the next request.")] = "0s",
    duration: Annotated[
        str | None, typer.Option("--for", help="How long (10s; each rate of --capacity: 5s).", show_default=False)
    ] = None,
    method: Annotated[str, typer.Option("--method", help="The method.")] = "GET",
    header: Annotated[list[str] | None, typer.Option("--header", help="A header, NAME: VALUE.")] = None,
    body: Annotated[str | None, typer.Option("--body", help="The content.")] = None,
    timeout: Annotated[str, typer.Option("--timeout", help="Of a request, from when it was due.")] = "5s",
    connections: Annotated[int, typer.Option("--connections", min=1, help="At most so many.")] = 256,
    workers: Annotated[int, typer.Option("--workers", min=1, help="Generator processes that share the load.")] = 1,
    on: On = None,
    on_ca: OnCa = None,
    on_cert: OnCert = None,
    on_key: OnKey = None,
    expect: Annotated[
        list[str] | None, typer.Option("--expect", help="A threshold, for example 'p95 < 200ms'.")
    ] = None,
    capacity: Annotated[
        bool, typer.Option("--capacity", help="Look for the highest rate at which all --while hold.")
    ] = False,
    while_: Annotated[list[str] | None, typer.Option("--while", help="What holds up to the capacity.")] = None,
    lowest: Annotated[str | None, typer.Option("--from", help="Of --capacity: where it begins (10/s).")] = None,
    highest: Annotated[str | None, typer.Option("--to", help="Of --capacity: where it ends (100000/s).")] = None,
    resolution: Annotated[str | None, typer.Option("--resolution", help="Of --capacity: how exactly (5%).")] = None,
    json: Json = False,
) -> int:
    """Send requests over time to a URL, and show how long the answers took; with --expect, judge them."""
    from ..api.quickload import QuickLoad, quick_load
    from ..core.errors import UsageError

    given = QuickLoad(
        url=url,
        rate=rate,
        users=users,
        think=think,
        duration=duration or "10s",
        method=method,
        headers=tuple(header or ()),
        body=body,
        timeout=timeout,
        connections=connections,
        workers=workers,
        on=cluster_of(on, on_ca, on_cert, on_key),
        expect=tuple(expect or ()),
    )
    asked = {"--while": while_, "--from": lowest, "--to": highest, "--resolution": resolution}
    if not capacity:
        for option in (o for o, value in asked.items() if value):
            raise UsageError.simple(f"{option} goes with --capacity", "--expect 'p95 < 200ms' judges a load")
        return quick_load(given, console(), as_json=json)
    from ..api.quicksearch import QuickSearch, quick_search

    search = QuickSearch(
        load=given,
        conditions=tuple(while_ or ()),
        lowest=lowest or QuickSearch.lowest,
        highest=highest or QuickSearch.highest,
        each=duration or QuickSearch.each,
        resolution=resolution or QuickSearch.resolution,
    )
    return quick_search(search, console(), as_json=json)


@app.command(epilog=examples("seatrial compare 2026-11-20T10-14 latest", "seatrial compare before after --json"))
def compare(
    before: Annotated[str, typer.Argument(help="A trial: its directory, the beginning of its name, or latest.")],
    after: Annotated[str, typer.Argument(help="The trial to hold against it.")] = "latest",
    json: Json = False,
    directory: Root = None,
) -> int:
    """Two trials side by side: what changed, and what is noise. Exit status 1 when the second is worse."""
    from ..api.comparing import show_comparison
    from ..api.directories import find_trial

    first, second = (find_trial(None if t == "latest" else t, directory) for t in (before, after))
    return show_comparison(first, second, console(), as_json=json)
