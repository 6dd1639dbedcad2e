"""Commands that remember: history."""

from __future__ import annotations

from typing import Annotated

import typer

from .app import app, examples
from .options import Json, Root


@app.command(
    epilog=examples(
        "seatrial history",
        "seatrial history --last 100 --json",
        "seatrial history --finding postgres-failover/back",
        "seatrial history --finding postgres-failover     all findings that begin so",
        "SEATRIAL_HISTORY=postgresql://ci@db/seatrial seatrial history     one history for many machines",
    )
)
def history(
    last: Annotated[int, typer.Option("--last", min=1, help="So many trials, or points of a trend.")] = 20,
    finding: Annotated[
        str | None, typer.Option("--finding", help="How this finding went: its id, or the beginning of ids.")
    ] = None,
    name: Annotated[str | None, typer.Option("--name", help="Trials of specs of this name.")] = None,
    rounds: Annotated[bool, typer.Option("--rounds", help="With the rounds of soaks and repetitions.")] = False,
    json: Json = False,
    directory: Root = None,
) -> int:
    """The last trials, what is flaky, slow, or worse than the baseline; or the trend of a finding. Kept when records are deleted."""
    from ..api.history import show_history

    return show_history(directory, last=last, finding=finding, rounds=rounds, name=name, as_json=json)
