"""Options that several commands share."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ..core.clusters import EXAMPLE, Cluster, is_address
from ..core.errors import UsageError

if TYPE_CHECKING:
    from ..core.plan import Plan

Spec = Annotated[Path, typer.Argument(help="The spec, or a directory with a seatrial.yaml.", metavar="[SPEC]")]
Variables = Annotated[
    list[str] | None, typer.Option("--var", help="Set a value of the spec: name=value.", metavar="NAME=VALUE")
]
Scale = Annotated[
    float | None,
    typer.Option("--scale", help="Scale the durations of profiles, never their users.", metavar="FACTOR"),
]
Profile = Annotated[
    str | None, typer.Option("--profile", help="The profile of all loads that have one.", metavar="NAME")
]
Tags = Annotated[
    list[str] | None, typer.Option("--tags", help="Of loads: only users and tasks with one of these tags.")
]
SkipTags = Annotated[list[str] | None, typer.Option("--skip-tags", help="Of loads: not those with these tags.")]
Failed = Annotated[bool, typer.Option("--failed", help="Scenarios that did not pass when they ran last.")]
Critical = Annotated[bool, typer.Option("--critical", help="Scenarios that can decide: with blocking findings.")]
Changed = Annotated[
    str | None,
    typer.Option(
        "--changed",
        help="Scenarios whose paths: match files that changed since the last GO, or since a git reference.",
        metavar="[=REF]",
    ),
]
Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]
StackFile = Annotated[
    Path | None,
    typer.Option("--stack", help="A stack file or compose file to use in place of the spec's own.", metavar="FILE"),
]
Root = Annotated[
    Path | None,
    typer.Option(
        "--directory", help="Where trials are kept (default: .seatrial, or SEATRIAL_DIRECTORY).", show_default=False
    ),
]


On = Annotated[
    str | None,
    typer.Option("--on", help="Send loads from the workers of this Dask cluster.", metavar="tcp://HOST:PORT"),
]
OnCa = Annotated[str | None, typer.Option("--on-ca", help="For tls://: the cluster's authority.", metavar="FILE")]
OnCert = Annotated[str | None, typer.Option("--on-cert", help="For tls://: our certificate.", metavar="FILE")]
OnKey = Annotated[str | None, typer.Option("--on-key", help="For tls://: its key.", metavar="FILE")]


def cluster_of(on: str | None, ca: str | None, cert: str | None, key: str | None) -> Cluster:
    """The cluster that was typed. Raises UsageError."""
    if on is not None and not is_address(on):
        raise UsageError.simple(f"--on {on} is no address of a Dask scheduler", f"for example {EXAMPLE}")
    for option, file in (("--on-ca", ca), ("--on-cert", cert), ("--on-key", key)):
        if file is not None and on is None:
            raise UsageError.simple(f"{option} goes with --on", f"--on {EXAMPLE}")
        if file is not None and not Path(file).is_file():
            raise UsageError.simple(f"{option}: there is no file {file}")
    return Cluster(address=on or "", ca=ca or "", cert=cert or "", key=key or "")


def spec_file(path: Path) -> Path:
    """The spec behind a path: a file, or the seatrial.yaml in a directory."""
    found = path / "seatrial.yaml" if path.is_dir() else path
    if not found.exists():
        raise UsageError.simple(f"{found} does not exist", "write one with: seatrial init URL")
    return found


def stack_file(path: Path | None) -> Path | None:
    """What `--stack` names. Raises UsageError for nothing."""
    if path is not None and not path.is_file():
        raise UsageError.simple(f"--stack: there is no file {path}", "a stack file, or a compose file")
    return path


def parse_variables(given: Sequence[str] | None) -> dict[str, str]:
    """`name=value` pairs as a mapping."""
    return pairs_of("--var", given)


def pairs_of(option: str, given: Sequence[str] | None) -> dict[str, str]:
    """What an option that is given as `name=value` says. Raises UsageError."""
    pairs = {}
    for text in given or ():
        name, equals, value = text.partition("=")
        if not equals or not name:
            raise UsageError.simple(f"{option} {text!r} is not name=value")
        pairs[name] = value
    return pairs


def listed(given: Sequence[str] | None) -> tuple[str, ...]:
    """Words that were given several times, or with commas between them."""
    return tuple(word.strip() for text in given or () for word in text.split(",") if word.strip())


def load_plan(
    spec: Path,
    var: Sequence[str] | None,
    overlays: Sequence[Path] = (),
    *,
    stack: Path | None = None,
    scale: float | None = None,
    profile: str | None = None,
    tags: Sequence[str] | None = None,
    skip_tags: Sequence[str] | None = None,
) -> Plan:
    """Compile a spec with our whole vocabulary, and choose among the users of its loads. Raises UsageError with every mistake."""
    from ..api.vocabulary import vocabulary
    from ..spec import compile_spec
    from ..spec.profiles import Choice

    plan = compile_spec(
        spec_file(spec),
        vocabulary(),
        environment=os.environ,
        variables=parse_variables(var),
        overlays=overlays,
        stack_override=stack_file(stack),
        profiles=Choice(scale=scale, name=profile),
    )
    if not tags and not skip_tags:
        return plan
    from ..api.users import select_users

    return select_users(plan, listed(tags), listed(skip_tags))
