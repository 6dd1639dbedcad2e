"""The command sweep."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from .app import app, examples
from .options import Json, Root, listed
from .trials import console


@app.command(
    epilog=examples(
        "seatrial sweep stack.yaml",
        "seatrial sweep .                                  a directory with a stack, a compose file or a spec",
        "seatrial sweep stack.yaml --client web/items --client http://127.0.0.1:8080/",
        "seatrial sweep stack.yaml --services redis,web --faults kill,pause --for 10s",
        "seatrial sweep stack.yaml --faults cut,latency,loss     on every way between services",
        "seatrial sweep stack.yaml --emit weak.yaml --gate down-after-heal",
    )
)
def sweep(
    target: Annotated[
        Path, typer.Argument(help="A stack file, a spec, or a directory with one.", metavar="[TARGET]")
    ] = Path(),
    client: Annotated[
        list[str] | None,
        typer.Option(
            "--client",
            help="What clients ask: an address, a service, SERVICE/PATH, or a workload of the spec (made of readiness checks).",
        ),
    ] = None,
    services: Annotated[list[str] | None, typer.Option("--services", help="These services (all).")] = None,
    faults: Annotated[
        list[str] | None,
        typer.Option(
            "--faults", help="These faults (kill, stop, pause, restart; cut and latency where there are links)."
        ),
    ] = None,
    all_instances: Annotated[
        bool, typer.Option("--all-instances", help="Hit all instances of a service (the first, or who leads).")
    ] = False,
    hold: Annotated[str, typer.Option("--for", help="How long each fault lives.")] = "5s",
    recover: Annotated[
        str, typer.Option("--recover", help="How long clients have to be served again after it.")
    ] = "30s",
    rate: Annotated[str, typer.Option("--rate", help="Requests of each client.")] = "20/s",
    timeout: Annotated[str, typer.Option("--timeout", help="Of a request.")] = "2s",
    emit: Annotated[
        Path | None, typer.Option("--emit", help="Write scenarios for the weaknesses here.", metavar="FILE")
    ] = None,
    gate: Annotated[
        str | None,
        typer.Option("--gate", help="Exit with 1 where clients saw this or worse.", metavar="down-after-heal"),
    ] = None,
    json: Json = False,
    directory: Root = None,
) -> int:
    """Break every service in every way while clients ask, and show what they saw. No spec is needed; nothing is judged.

    Exit status: 0 all was exercised, 2 something was not, 1 what --gate forbids was seen.
    """
    from ..api.sweeping import SweepRequest
    from ..api.sweeping import sweep as run

    given = SweepRequest(
        target=target,
        clients=tuple(client or ()),
        services=listed(services),
        faults=listed(faults),
        all_instances=all_instances,
        hold=hold,
        recover=recover,
        rate=rate,
        timeout=timeout,
        emit=emit,
        gate=gate,
        root=directory,
    )
    return run(given, console(), as_json=json)
