"""Commands for the stack alone: up, down, status."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from .app import app, examples
from .options import Json, Root, StackFile, stack_file
from .trials import console

Kept = Annotated[str | None, typer.Argument(help="A kept stack: its trial (default: the only one, or the latest).")]


@app.command(
    epilog=examples("seatrial up examples/jewelry-shop", "seatrial up stack.yaml", "seatrial up --stack compose.yaml")
)
def up(
    spec: Annotated[
        Path,
        typer.Argument(
            help="A spec, a stack file, a compose file, or a directory with one of them.", metavar="[STACK]"
        ),
    ] = Path(),
    stack: StackFile = None,
    directory: Root = None,
) -> int:
    """Bring a stack up and leave it running under its keeper; end it with `seatrial down`."""
    from ..api.stacks import bring_up

    return bring_up(spec, directory, console(), stack_file(stack))


@app.command(epilog=examples("seatrial down", "seatrial down --all"))
def down(
    stack: Kept = None,
    all_: Annotated[bool, typer.Option("--all", help="All kept stacks.")] = False,
    directory: Root = None,
) -> int:
    """End a kept stack, and say if anything remains."""
    from ..api.stacks import bring_down

    return bring_down(stack, directory, every=all_)


@app.command(epilog=examples("seatrial status", "seatrial status --json"))
def status(stack: Kept = None, json: Json = False, directory: Root = None) -> int:
    """The kept stacks and their instances (state, pid, restarts), and soaks: how far they are, and what they found."""
    from ..api.status import show_status

    return show_status(stack, directory, as_json=json, console=console())


@app.command(epilog=examples("seatrial stop", "seatrial stop 2026-11-20T10-14"))
def stop(
    soak: Annotated[
        str | None, typer.Argument(help="A soak: the beginning of its name (default: the last one).")
    ] = None,
    directory: Root = None,
) -> int:
    """Have a soak stop and heal; `seatrial run --resume` goes on with it."""
    from ..api.soaking import stop as stop_soak

    return stop_soak(soak, directory, console())
