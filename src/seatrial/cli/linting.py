"""`seatrial lint`: what is wrong with a spec, and checks that could hardly fail, of specs and of test suites."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ..core.errors import UsageError
from .app import app, examples
from .options import Json, Profile, Scale, StackFile, Variables, load_plan


@app.command(
    epilog=examples(
        "seatrial lint seatrial.yaml",
        "seatrial lint --strict                    warnings are mistakes, too",
        "seatrial lint --suite tests/e2e           pytest and unittest files, read and not run",
        "seatrial lint --suite tests/e2e --suite tests/smoke --strict --json",
    )
)
def lint(
    specs: Annotated[
        list[Path] | None,
        typer.Argument(
            help="The spec, or its directory; after --suite: more tests.", metavar="[SPEC]", show_default=False
        ),
    ] = None,
    suite: Annotated[
        list[Path] | None,
        typer.Option(
            "--suite", help="Look through the tests in this file or directory, in place of a spec.", metavar="PATH"
        ),
    ] = None,
    var: Variables = None,
    stack: StackFile = None,
    scale: Scale = None,
    profile: Profile = None,
    strict: Annotated[
        bool, typer.Option("--strict", help="Warnings are mistakes too, but what only may be hollow.")
    ] = False,
    json: Json = False,
) -> int:
    """Find every mistake in a spec, with file, line, column and what would be right; and checks that could hardly fail."""
    from ..api.linting import lint_spec, lint_suite

    if suite:
        return lint_suite([*suite, *(specs or ())], strict=strict, as_json=json, say=typer.echo)
    if len(specs or ()) > 1:
        raise UsageError.simple("one spec at a time", "tests are looked through with --suite PATH")
    spec = specs[0] if specs else Path("seatrial.yaml")
    plan = load_plan(spec, var, stack=stack, scale=scale, profile=profile)
    return lint_spec(plan, strict=strict, as_json=json, say=typer.echo)
