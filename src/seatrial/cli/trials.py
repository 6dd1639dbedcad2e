"""Commands that run trials and read specs: run, variants, plan, check, coverage, init."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ..core.errors import UsageError
from ..core.selections import Wish
from ..core.verdicts import Outcome
from .app import app, examples
from .options import (
    Changed,
    Critical,
    Failed,
    Json,
    On,
    OnCa,
    OnCert,
    OnKey,
    Profile,
    Root,
    Scale,
    SkipTags,
    Spec,
    StackFile,
    Tags,
    Variables,
    cluster_of,
    listed,
    load_plan,
    stack_file,
)

if TYPE_CHECKING:
    from rich.console import Console

    from ..core.plan import Plan


@app.command(
    epilog=examples(
        "seatrial run seatrial.yaml",
        "seatrial run --only postgres-failover --keep",
        "seatrial run --var rate=50/s --labels smoke",
        "seatrial run --profile smoke --scale 0.1",
        "seatrial run --failed                only what did not pass when it ran last",
        "seatrial run --changed=main --critical",
        "seatrial run --repeat 50              again and again: how often does it pass?",
        "seatrial run --tags browse --skip-tags write      only these users and tasks of loads",
        "seatrial run --attach latest          against a stack that `seatrial up` or --keep left running",
        "seatrial run --for 4h --detach        rounds for a long time, in the background; seatrial status shows where it is",
    )
)
def run(
    spec: Spec = Path("seatrial.yaml"),
    only: Annotated[list[str] | None, typer.Option("--only", help="Run these scenarios and what they need.")] = None,
    labels: Annotated[list[str] | None, typer.Option("--labels", help="Run scenarios with these labels.")] = None,
    tags: Tags = None,
    skip_tags: SkipTags = None,
    var: Variables = None,
    stack: StackFile = None,
    keep: Annotated[bool, typer.Option("--keep", help="Leave the stack running; end it with `seatrial down`.")] = False,
    attach: Annotated[str | None, typer.Option("--attach", help="Use a kept stack: its trial, or `latest`.")] = None,
    scale: Scale = None,
    profile: Profile = None,
    fail_fast: Annotated[bool, typer.Option("--fail-fast", help="Stop at the first scenario that fails.")] = False,
    failed: Failed = False,
    critical: Critical = False,
    changed: Changed = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show what would run, start nothing.")] = False,
    for_: Annotated[
        str | None, typer.Option("--for", help="Again and again, for so long: a soak.", metavar="4h")
    ] = None,
    resume: Annotated[
        str | None, typer.Option("--resume", help="Go on with a soak that was stopped: its name, or latest.")
    ] = None,
    detach: Annotated[
        bool, typer.Option("--detach", help="Of --for, --repeat and --resume: in the background.")
    ] = False,
    repeat: Annotated[
        int | None, typer.Option("--repeat", help="So many times: how often does it pass?", metavar="TIMES")
    ] = None,
    at_least: Annotated[
        str | None,
        typer.Option(
            "--at-least", help="Of --repeat: the rate to be shown; it ends when that is decided.", metavar="99%"
        ),
    ] = None,
    one_stack: Annotated[
        bool, typer.Option("--repeat-on-one-stack", help="Of --repeat: one stack for all rounds, not one for each.")
    ] = False,
    on: On = None,
    on_ca: OnCa = None,
    on_cert: OnCert = None,
    on_key: OnKey = None,
    directory: Root = None,
) -> int:
    """Bring the stack up, run the scenarios, judge: GO, NO-GO or INCONCLUSIVE."""
    wish = Wish(failed=failed, critical=critical, changed=changed)
    if (at_least or one_stack) and repeat is None:
        raise UsageError.simple(
            "--at-least and --repeat-on-one-stack go with --repeat", "seatrial run --repeat 300 --at-least 99%"
        )
    if for_ is not None or resume is not None or repeat is not None:
        options: dict[str, Any] = {
            "var": var,
            "stack": str(stack) if stack else None,
            "scale": scale,
            "profile": profile,
            "tags": tags,
            "skip_tags": skip_tags,
        }
        options |= {"only": only, "labels": labels}
        others = {"--attach": attach, "--keep": keep, "--dry-run": dry_run, "--fail-fast": fail_fast, "--on": on}
        others |= {"--failed, --critical, --changed": bool(wish)}
        repetition = None if repeat is None else {"times": repeat, "at_least": share(at_least), "shared": one_stack}
        return soak(spec, for_, resume, options, others, directory, repetition, detach=detach)
    if detach:
        raise UsageError.simple("--detach goes with --for, --repeat or --resume", "seatrial run --for 4h --detach")
    plan = load_plan(spec, var, stack=stack, scale=scale, profile=profile, tags=tags, skip_tags=skip_tags)
    chosen = selected(plan, only, labels, wish, directory)
    if chosen is None:
        return Outcome.INCONCLUSIVE.exit_status
    if dry_run:
        return show_plan(plan, chosen.only, chosen.labels)
    from ..api.following import follow
    from ..api.running import Request
    from ..api.stacks import find_kept

    request = Request(
        only=chosen.only,
        labels=chosen.labels,
        selected=chosen.text,
        keep=keep,
        fail_fast=fail_fast,
        attach=find_kept(attach, directory) if attach else None,
        root=directory,
        on=cluster_of(on, on_ca, on_cert, on_key),
        tags=listed(tags),
        skip_tags=listed(skip_tags),
    )
    return follow(plan, request, console()).outcome.exit_status


@dataclass(frozen=True, kw_only=True)
class Selected:
    """Scenarios by name or label, and what else chose them."""

    only: tuple[str, ...]
    labels: tuple[str, ...]
    text: str = ""


def selected(
    plan: Plan, only: list[str] | None, labels: list[str] | None, wish: Wish, directory: Path | None
) -> Selected | None:
    """What runs; None where nothing does, which is said."""
    given = Selected(only=tuple(only or ()), labels=tuple(labels or ()))
    if not wish:
        return given
    from ..api.running import Request, check_selection
    from ..api.selecting import choose

    check_selection(plan, Request(only=given.only, labels=given.labels))
    choice = choose(plan, given.only, given.labels, wish, directory)
    for line in choice.said:
        typer.echo(line)
    if not choice.only:
        typer.echo("nothing was run, so nothing was shown: no scenario is chosen")
        return None
    return Selected(only=choice.only if choice.text else (), labels=(), text=choice.text)


def soak(
    spec: Path,
    for_: str | None,
    resume: str | None,
    options: dict[str, Any],
    others: Mapping[str, object],
    directory: Path | None,
    repetition: dict[str, Any] | None,
    *,
    detach: bool,
) -> int:
    """`run --for`, `run --repeat` and `run --resume`."""
    from ..api import soaking
    from ..api.running import Request, check_selection
    from ..core.quantities import Dimension, QuantityError, parse_quantity

    word = "--resume" if resume is not None else "--for" if repetition is None else "--repeat"
    for option in (o for o, given in others.items() if given):
        raise UsageError.simple(
            f"{option} does not go with {word}",
            "its rounds have stacks of their own, and the scenarios of --only and --labels",
        )
    if for_ is not None and repetition is not None:
        raise UsageError.simple(
            "--for or --repeat, not both", "--repeat 50 says how often it passes, --for 4h how long it lasts"
        )
    if resume is not None:
        if for_ is not None or repetition is not None or any(options.values()):
            raise UsageError.simple("--resume goes on as it was begun", f"seatrial run --resume {resume}")
        books = soaking.find(resume, directory)
        options, spec = books.soak.options, Path(books.soak.spec)
    chosen = {n: options[n] for n in ("scale", "profile", "tags", "skip_tags")}
    stack = options.get("stack")
    plan = load_plan(spec, options["var"], stack=Path(stack) if stack else None, **chosen)
    request = Request(
        only=tuple(options["only"] or ()),
        labels=tuple(options["labels"] or ()),
        tags=listed(options["tags"]),
        skip_tags=listed(options["skip_tags"]),
    )
    check_selection(plan, request)
    if resume is None:
        for_ns = 0
        try:
            if repetition is None:
                for_ns = int(parse_quantity(for_ or "", Dimension.DURATION).value)
        except QuantityError as error:
            raise UsageError.simple(f"--for: {error}") from None
        books = soaking.begin(plan, for_ns, options, directory, repetition)
    if detach:
        soaking.detach(books, directory)
        typer.echo(f"{books.soak.name} goes on in the background: seatrial status, seatrial stop")
        return 0
    return soaking.carry_on(books, plan, request, console())


def share(text: str | None) -> float | None:
    """A rate as typed: 99%. Raises UsageError."""
    from ..core.quantities import Dimension, QuantityError, parse_quantity

    try:
        return None if text is None else parse_quantity(text, Dimension.RATIO).value
    except QuantityError as error:
        raise UsageError.simple(f"--at-least: {error}", "--at-least 99%") from None


def console() -> Console:
    """A console that honours NO_COLOR and plain output."""
    from rich.console import Console

    return Console(file=sys.stdout, highlight=False)


@app.command(
    epilog=examples(
        "seatrial plan seatrial.yaml",
        "seatrial plan --only postgres-failover",
        "seatrial plan --profile smoke --scale 0.1",
    )
)
def plan(
    spec: Spec = Path("seatrial.yaml"),
    only: Annotated[list[str] | None, typer.Option("--only", help="These scenarios and what they need.")] = None,
    labels: Annotated[list[str] | None, typer.Option("--labels", help="Scenarios with these labels.")] = None,
    tags: Tags = None,
    skip_tags: SkipTags = None,
    var: Variables = None,
    stack: StackFile = None,
    scale: Scale = None,
    profile: Profile = None,
) -> int:
    """Show what would run, in which order, and what cannot be exercised here."""
    plan = load_plan(spec, var, stack=stack, scale=scale, profile=profile, tags=tags, skip_tags=skip_tags)
    return show_plan(plan, tuple(only or ()), tuple(labels or ()))


def show_plan(plan: Plan, only: tuple[str, ...], labels: tuple[str, ...]) -> int:
    """Print the plan."""
    from ..api.planning import describe
    from ..api.running import Request, check_selection

    check_selection(plan, Request(only=only, labels=labels))
    for line in describe(plan, only, labels):
        typer.echo(line)
    return 0


@app.command(
    epilog=examples(
        "seatrial check 'http: GET http://127.0.0.1:8000/healthz'",
        "seatrial check '{http: GET http://127.0.0.1:8000/, expect: status == 200 and latency < 200ms, within: 10s}'",
        "seatrial check 'sql: select 1' --at postgres/primary --attach latest",
    )
)
def check(
    text: Annotated[str, typer.Argument(help="A step as in a spec, on one line.", metavar="STEP")],
    at: Annotated[str | None, typer.Option("--at", help="Where, in a kept stack.")] = None,
    expect: Annotated[str | None, typer.Option("--expect", help="What must be true.")] = None,
    within: Annotated[
        str | None, typer.Option("--within", help="Until when it may become true, for example 30s.")
    ] = None,
    attach: Annotated[str | None, typer.Option("--attach", help="A kept stack: its trial, or `latest`.")] = None,
    json: Json = False,
    directory: Root = None,
) -> int:
    """Make one probe now, show what was seen, and judge it if there is an expectation."""
    from ..api.checking import check_once

    return check_once(
        text, at=at, expect=expect, within=within, attach=attach, root=directory, as_json=json, console=console()
    )


@app.command(epilog=examples("seatrial variants examples/jewelry-shop", "seatrial variants . --only tenant-leak"))
def variants(
    directory: Annotated[Path, typer.Argument(help="A directory with seatrial.yaml and variants/*.yaml.")] = Path(),
    only: Annotated[list[str] | None, typer.Option("--only", help="These variants.")] = None,
    control: Annotated[bool, typer.Option("--control/--no-control", help="Run the unmodified spec first.")] = True,
    stack: StackFile = None,
    root: Root = None,
) -> int:
    """Run the spec as it is and made wrong in one way each: as declared, blind, or red for another reason?"""
    from ..api.variants import run_variants

    return run_variants(
        directory, tuple(only or ()), control=control, root=root, console=console(), stack=stack_file(stack)
    )


@app.command(epilog=examples("seatrial coverage examples/jewelry-shop", "seatrial coverage --json"))
def coverage(
    spec: Spec = Path("seatrial.yaml"),
    trial: Annotated[
        str | None, typer.Option("--trial", help="Take verdicts from this trial (default: the latest).")
    ] = None,
    stack: StackFile = None,
    json: Json = False,
    root: Root = None,
) -> int:
    """Every requirement: exercised with its verdict and evidence, out of scope on this platform, or not covered."""
    from ..api.coverage import show_coverage

    return show_coverage(load_plan(spec, None, stack=stack), trial, root, as_json=json, console=console())


@app.command(
    epilog=examples("seatrial init http://127.0.0.1:8000", "seatrial init http://127.0.0.1:8000/api --output shop.yaml")
)
def init(
    url: Annotated[str, typer.Argument(help="Where your service answers.")],
    output: Annotated[Path, typer.Option("--output", "-o", help="The spec to write.")] = Path("seatrial.yaml"),
    force: Annotated[bool, typer.Option("--force", help="Write over an existing file.")] = False,
) -> int:
    """Look at a running service and write a spec for it that `seatrial run` turns into a verdict."""
    from ..api.starting import write_spec

    if output.exists() and not force:
        raise UsageError.simple(f"{output} is there already", "--force writes over it, --output writes elsewhere")
    return write_spec(url, output)
