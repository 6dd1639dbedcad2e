"""`seatrial prove`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from .app import app, examples
from .options import Json, Root, Spec, Variables, load_plan, spec_file
from .trials import console


@app.command(
    epilog=examples(
        "seatrial prove seatrial.yaml",
        "seatrial prove --only journey/sale --again       this check, though it is proven already",
        "seatrial prove --no-variants --no-generated       faults alone, and only where a check must notice them",
        "seatrial prove --json > proofs.json",
    )
)
def prove(
    spec: Spec = Path("seatrial.yaml"),
    only: Annotated[
        list[str] | None, typer.Option("--only", help="Prove these findings alone.", metavar="FINDING")
    ] = None,
    again: Annotated[bool, typer.Option("--again", help="Also what is proven already, and has not changed.")] = False,
    variants: Annotated[
        bool, typer.Option("--variants/--no-variants", help="Run the variants that turn red what no fault proves.")
    ] = True,
    generated: Annotated[
        bool,
        typer.Option("--generated/--no-generated", help="Run what follows from the checks that no window has proven."),
    ] = True,
    matrix: Annotated[
        bool,
        typer.Option("--matrix/--no-matrix", help="Ask every check in every state, not only where it must notice it."),
    ] = True,
    var: Variables = None,
    json: Json = False,
    directory: Root = None,
) -> int:
    """Show of every check that it can fail: break what it looks at, judge other answers, run the variants.

    Exit status 0: every blocking check is proven; 1: one is blind, or red for another reason; 2: something could not be shown.
    """
    from ..api.proving import Wish, proofs_json, tell
    from ..api.proving import prove as prove_checks

    plan = load_plan(spec, var)
    wish = Wish(
        findings=tuple(only or ()), again=again, variants=variants, generated=generated, matrix=matrix, root=directory
    )
    shown = prove_checks(plan, spec_file(spec).resolve().parent, wish, console(), quiet=json)
    if json:
        typer.echo(proofs_json(shown))
    else:
        tell(shown, console())
    return shown.exit_status
