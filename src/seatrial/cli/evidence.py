"""Commands that read finished trials, and what this machine can do: report, explain, undo, doctor, schema."""

from __future__ import annotations

import json as _json
from typing import Annotated

import typer

from ..core.errors import UsageError
from .app import app, examples
from .options import Root
from .trials import console

Trial = Annotated[
    str | None, typer.Argument(help="A trial: its directory or the beginning of its name (default: the latest).")
]


@app.command(epilog=examples("seatrial report", "seatrial report 2026-11-20T10-14"))
def report(trial: Trial = None, directory: Root = None) -> int:
    """Make report.html, report.json and junit.xml again from a trial's directory, and show its verdict."""
    from ..api.directories import find_trial
    from ..api.reporting import write_reports
    from ..reports.suites import show as show_suite
    from ..reports.sweep import show as show_sweep
    from ..reports.terminal import verdict

    found = find_trial(trial, directory)
    model = write_reports(found)
    show = show_sweep if model.sweep is not None else show_suite if model.suite is not None else verdict
    show(model, found, console())
    return 0


@app.command(
    epilog=examples("seatrial explain postgres-failover/no-loss", "seatrial explain JS-08 --trial 2026-11-20T10-14")
)
def explain(
    finding: Annotated[str, typer.Argument(help="A finding's id, its beginning, or a requirement's id.")],
    trial: Annotated[str | None, typer.Option("--trial", help="Of which trial (default: the latest).")] = None,
    directory: Root = None,
) -> int:
    """What was wanted, what was seen and when, and what to try next."""
    from ..api.directories import find_trial
    from ..reports.explain import explain as show
    from ..reports.model import TrialModel

    show(TrialModel.read(find_trial(trial, directory)), finding, console())
    return 0


@app.command(epilog=examples("seatrial undo", "seatrial undo --all"))
def undo(
    trial: Trial = None,
    all_: Annotated[bool, typer.Option("--all", help="Every trial of the directory that has something left.")] = False,
    force: Annotated[bool, typer.Option("--force", help="Also end trials whose keeper still lives.")] = False,
    directory: Root = None,
) -> int:
    """End and heal what a trial left behind when both seatrial and its keeper died. Trusts the keeper's records alone."""
    from ..api.undoing import undo_trials

    return undo_trials(trial, every=all_, force=force, root=directory)


@app.command(epilog=examples("seatrial doctor"))
def doctor(json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False) -> int:
    """What works on this machine: embedded servers, client libraries, rights, and what each is needed for."""
    from ..api.diagnosis import diagnose

    facts = diagnose()
    if json:
        typer.echo(_json.dumps(facts, indent=1))
        return 0
    for fact in facts:
        mark = "✔" if fact["works"] else "–"  # noqa: RUF001
        typer.echo(f" {mark} {fact['name']:<22} {fact['detail']}")
    return 0


@app.command(epilog=examples("seatrial schema > seatrial.schema.json", "seatrial schema report"))
def schema(
    what: Annotated[str, typer.Argument(help="spec (seatrial.yaml), stack (stack.yaml), variant or report.")] = "spec",
) -> int:
    """Print a JSON Schema: of specs for completion in an editor, or of report.json."""
    from ..api.schemas import SCHEMAS

    if what not in SCHEMAS:
        raise UsageError.simple(f"no schema {what!r}", f"schemas: {', '.join(SCHEMAS)}")
    typer.echo(_json.dumps(SCHEMAS[what](), indent=1))
    return 0
