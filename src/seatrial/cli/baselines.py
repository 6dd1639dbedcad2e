"""Commands about baselines: what loads of later trials are compared with."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from .app import app, examples
from .options import Root
from .trials import console

baseline = typer.Typer(
    no_args_is_help=True,
    rich_markup_mode=None,
    help="Keep the samples of a load, to compare later trials with (`baseline:` in a load).",
    epilog=examples("seatrial baseline keep latest --load shoppers --to baselines/shoppers.load"),
)
app.add_typer(baseline, name="baseline")


@baseline.callback()
def _group() -> None:
    """Keep the samples of a load, to compare later trials with (`baseline:` in a load)."""


@baseline.command(
    epilog=examples(
        "seatrial baseline keep latest --to baselines/shoppers.load",
        "seatrial baseline keep 2026-11-20T10-14 --load shoppers --scenario quiet --to baselines/shoppers.load",
    )
)
def keep(
    trial: Annotated[str, typer.Argument(help="A trial: its directory, the beginning of its name, or latest.")],
    to: Annotated[Path, typer.Option("--to", help="The file to make.")],
    load: Annotated[str | None, typer.Option("--load", help="Which of its loads, where there are several.")] = None,
    scenario: Annotated[
        str | None,
        typer.Option(
            "--scenario", help="The run of this scenario (trial: the whole), where it ran in several; else the last."
        ),
    ] = None,
    directory: Root = None,
) -> int:
    """Keep a load's samples of a trial as a file, for `baseline: FILE` in the load."""
    from ..api.baselines import keep_baseline

    return keep_baseline(trial, load, scenario, to, directory, console())


@baseline.command(epilog=examples("seatrial baseline accept latest --by 'Ada Lovelace'"))
def accept(
    trial: Annotated[str, typer.Argument(help="A trial of the history: the beginning of its name, or latest.")],
    by: Annotated[str, typer.Option("--by", help="Who accepts it.")],
    directory: Root = None,
) -> int:
    """Hold later trials of its spec against this one: `seatrial history` says what is worse (else: than in the last GO)."""
    from ..api.history import accept_baseline

    return accept_baseline(trial, by, directory)
