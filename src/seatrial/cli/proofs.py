"""`seatrial prove`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ..core.errors import UsageError
from .app import app, examples
from .options import Json, Root, Spec, StackFile, Variables, listed, load_plan, spec_file, stack_file
from .trials import console

if TYPE_CHECKING:
    from ..api.suites import SuiteWish


@app.command(
    epilog=examples(
        "seatrial prove seatrial.yaml",
        "seatrial prove --only journey/sale --again       this check, though it is proven already",
        "seatrial prove --no-variants --no-generated       faults alone, and only where a check must notice them",
        "seatrial prove --json > proofs.json",
        "seatrial prove --suite 'pytest tests/e2e --junitxml={junit}'     the tests of a suite of yours",
        "seatrial prove --suite 'go test -v ./e2e | go-junit-report > {junit}' stack.yaml",
        "seatrial prove --suite ./smoke.sh --services web,postgres --limit 2m",
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
    suite: Annotated[
        str | None,
        typer.Option(
            "--suite",
            help="Prove the tests of this command instead: it writes JUnit to {junit}, TAP to {tap} or its output, or says all by its exit "
            "status.",
            metavar="COMMAND",
        ),
    ] = None,
    services: Annotated[
        list[str] | None, typer.Option("--services", help="Of a suite: break these services and links alone (all).")
    ] = None,
    faults: Annotated[
        list[str] | None, typer.Option("--faults", help="Of a suite: these faults alone (stop, pause, cut).")
    ] = None,
    limit: Annotated[
        str | None,
        typer.Option("--limit", help="Of a suite: how long a run may take while something is broken.", metavar="90s"),
    ] = None,
    between: Annotated[
        bool,
        typer.Option("--between/--no-between", help="Of a suite: run it between windows, too, to see it green again."),
    ] = True,
    stack: StackFile = None,
    var: Variables = None,
    json: Json = False,
    directory: Root = None,
) -> int:
    """Show of every check that it can fail: break what it looks at, judge other answers, run the variants.

    Exit status 0: every blocking check is proven; 1: one is blind, or red for another reason; 2: something could not be shown.
    """
    from ..api.proving import Wish, proofs_json, tell
    from ..api.proving import prove as prove_checks

    if suite is not None:
        whole = {
            "--only": only,
            "--again": again,
            "--no-variants": not variants,
            "--no-generated": not generated,
            "--no-matrix": not matrix,
        }
        for option in (o for o, given in whole.items() if given):
            raise UsageError.simple(f"{option} is of checks: a suite runs as a whole", "--services, --faults")
        wish = _wish(suite, services, faults, limit, directory, between=between)
        return _prove_suite(spec, var, stack, wish, as_json=json)
    of_suites = {"--services": services, "--faults": faults, "--limit": limit, "--no-between": not between}
    for option in (o for o, given in of_suites.items() if given):
        raise UsageError.simple(f"{option} goes with --suite", '--suite "pytest tests/e2e --junitxml={junit}"')
    plan = load_plan(spec, var, stack=stack)
    wanted = Wish(
        findings=tuple(only or ()), again=again, variants=variants, generated=generated, matrix=matrix, root=directory
    )
    shown = prove_checks(plan, spec_file(spec).resolve().parent, wanted, console(), quiet=json)
    if json:
        typer.echo(proofs_json(shown))
    else:
        tell(shown, console())
    return shown.exit_status


def _wish(
    suite: str,
    services: list[str] | None,
    faults: list[str] | None,
    limit: str | None,
    root: Path | None,
    *,
    between: bool,
) -> SuiteWish:
    from ..api.quickload import quantity_of
    from ..api.suites import SuiteWish
    from ..core.quantities import Dimension

    limit_ns = int(quantity_of("--limit", limit, Dimension.DURATION).value) if limit is not None else 0
    if limit is not None and limit_ns < 1_000_000_000:
        raise UsageError.simple(f"--limit {limit}: a suite needs a second at least", "--limit 90s")
    return SuiteWish(
        command=suite, services=listed(services), faults=listed(faults), between=between, limit_ns=limit_ns, root=root
    )


def _prove_suite(spec: Path, var: list[str] | None, stack: Path | None, wish: SuiteWish, *, as_json: bool) -> int:
    """A spec's stack, or one without a spec."""
    from ..api.stacks import is_spec, stack_plan
    from ..api.suites import prove_suite, suite_json
    from ..reports.suites import exit_status, show

    found = spec / "seatrial.yaml" if spec.is_dir() and (spec / "seatrial.yaml").exists() else spec
    has_spec = found.is_file() and is_spec(found)
    if var and not has_spec:
        raise UsageError.simple("--var sets a value of a spec, and there is none", "a spec, or no --var")
    plan = load_plan(found, var, stack=stack) if has_spec else stack_plan(_with_stack(found, stack))
    model, directory = prove_suite(plan, wish, console(), quiet=as_json)
    if as_json:
        typer.echo(suite_json(model, directory))
    else:
        show(model, directory, console())
    return exit_status(model)


def _with_stack(path: Path, stack: Path | None) -> Path:
    """A stack file that was named stands for itself, where no spec does."""
    return stack_file(stack) or path if not path.exists() or stack is not None else path
