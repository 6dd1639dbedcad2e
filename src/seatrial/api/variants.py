"""Runs a spec unmodified and made wrong in one way each, and says which variants were seen for what they are."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from ..core.errors import Interrupted, SeatrialError, UsageError
from ..core.plan import Plan, Variant
from ..core.results import Finding, decide
from ..core.verdicts import Outcome, Verdict
from .running import Request
from .vocabulary import vocabulary

if TYPE_CHECKING:
    from rich.console import Console

AS_DECLARED, BLIND, OTHERWISE = "as declared", "blind", "red for another reason"
NOT_EXERCISED = "not exercised"
CONTROL = "(control)"


@dataclass(frozen=True, kw_only=True)
class Judged:
    """A variant's run held against what it declares."""

    name: str
    title: str
    word: str  # as declared, blind, red for another reason, not exercised
    outcome: Outcome | None
    directory: Path | None
    notes: tuple[str, ...]


def judge_variant(
    variant: Variant, findings: Mapping[str, Finding], without: Mapping[str, str] | None = None
) -> tuple[str, tuple[str, ...]]:
    """Exactly the declared findings red, each with the declared evidence. `without`: services that were missing, as they may be, and why:
    where nothing of what was declared was exercised, nothing blocking failed to be shown, and nothing is red, that is why.
    """
    red = {f.id for f in findings.values() if f.verdict is Verdict.FAIL}
    declared = {i for i, evidence in variant.red.items() if evidence.verdict is Verdict.FAIL}
    notes = [
        f"{i} stayed {findings[i].verdict if i in findings else 'unplanned'}"
        for i in variant.red
        if not _as_wanted(variant, i, findings)
    ]
    missing_evidence = [
        f"{i} is red, and its evidence does not say {wanted.evidence!r}: {evidence_text(findings[i])[:160]}"
        for i, wanted in variant.red.items()
        if i in findings
        and _as_wanted(variant, i, findings)
        and wanted.evidence
        and wanted.evidence not in evidence_text(findings[i])
    ]
    others = [
        f"{i} is red and was not declared: {findings[i].reason or findings[i].measured}" for i in sorted(red - declared)
    ]
    if without and not red and decide(findings.values()) is Outcome.GO and not _exercised(variant, findings):
        return NOT_EXERCISED, tuple(f"{name} is not here: {why}" for name, why in without.items())
    if notes and not red:
        return BLIND, tuple(notes)
    if notes or missing_evidence or others:
        return OTHERWISE, tuple(notes + missing_evidence + others)
    return AS_DECLARED, ()


def _as_wanted(variant: Variant, id_: str, findings: Mapping[str, Finding]) -> bool:
    return id_ in findings and findings[id_].verdict is variant.red[id_].verdict


def _exercised(variant: Variant, findings: Mapping[str, Finding]) -> bool:
    return any(i not in findings or findings[i].exercised for i in variant.red)


def evidence_text(finding: Finding) -> str:
    """All that a finding says of what was seen."""
    evidence = " ".join(
        f"{e.summary} {json.dumps(dict(e.data), default=str, ensure_ascii=False)}" for e in finding.evidence
    )
    return f"{finding.measured} {finding.reason} {evidence}"


def find_variants(directory: Path, only: Sequence[str]) -> list[Variant]:
    """The variants of a directory, chosen by name. Raises UsageError for unknown names and where there are none."""
    from ..spec import load_variant

    found = [load_variant(p) for p in sorted((directory / "variants").glob("*.yaml"))]
    if not found:
        raise UsageError.simple(
            f"no variants in {directory / 'variants'}", "a variant is an overlay: variants/NAME.yaml"
        )
    names = {v.name: v for v in found}
    unknown = [n for n in only if n not in names]
    if unknown:
        raise UsageError.simple(f"no variant {', '.join(unknown)}", f"variants: {', '.join(names)}")
    return [names[n] for n in only] if only else found


def _compile(directory: Path, overlays: Sequence[Path], stack: Path | None = None) -> Plan:
    from ..spec import compile_spec

    return compile_spec(
        directory / "seatrial.yaml",
        vocabulary(),
        environment=os.environ,
        variables={},
        overlays=overlays,
        stack_override=stack,
    )


def run_variants(
    directory: Path,
    only: Sequence[str],
    *,
    control: bool,
    root: Path | None,
    console: Console,
    stack: Path | None = None,
) -> int:
    """Exit status 0 when the control is GO and every variant as declared, those that an optional service was missing for left out; 1 when
    not; 2 when a run could not be made, or no variant was exercised.
    """
    variants = find_variants(directory, only)
    # Every mistake before the first start.
    plans = [(v, _compile(directory, [v.file] if v.file is not None else [], stack)) for v in variants]
    judged: list[Judged] = []
    if control:
        judged.append(_control(_compile(directory, [], stack), root, console))
    for variant, plan in plans:
        judged.append(_one(variant, plan, root, console))
    console.print()
    _table(judged, console)
    if any(j.word not in (AS_DECLARED, NOT_EXERCISED) for j in judged):
        return 1
    return 0 if any(j.word == AS_DECLARED and j.name != CONTROL for j in judged) else 2


def _control(plan: Plan, root: Path | None, console: Console) -> Judged:
    from .following import follow_on

    console.rule("control: the spec as it is", align="left")
    run = follow_on(plan, Request(root=root), console)
    word = AS_DECLARED if run.outcome is Outcome.GO else OTHERWISE
    return Judged(
        name=CONTROL,
        title="unmodified",
        word=word,
        outcome=run.outcome,
        directory=run.directory,
        notes=() if run.outcome is Outcome.GO else ("the control is not GO: what the variants show means little",),
    )


def run_variant(
    variant: Variant, directory: Path, root: Path | None, console: Console, *, quiet: bool = False
) -> Judged:
    """One variant, held against what it declares. Raises UsageError for mistakes in it."""
    plan = variant.plan or _compile(directory, [variant.file] if variant.file is not None else [])
    return _one(variant, plan, root, console, quiet=quiet)


def _one(variant: Variant, plan: Plan, root: Path | None, console: Console, *, quiet: bool = False) -> Judged:
    from .following import follow_on

    if not quiet:
        console.rule(f"{variant.name}: {variant.title}", align="left")
    try:
        run = follow_on(plan, Request(only=variant.only, root=root, variant=variant.name), console, quiet=quiet)
    except Interrupted:  # whoever stops one means all of them
        raise
    except SeatrialError as error:
        return Judged(
            name=variant.name, title=variant.title, word=OTHERWISE, outcome=None, directory=None, notes=(str(error),)
        )
    word, notes = judge_variant(variant, run.ledger.findings, run.without)
    return Judged(
        name=variant.name, title=variant.title, word=word, outcome=run.outcome, directory=run.directory, notes=notes
    )


def _table(judged: Sequence[Judged], console: Console) -> None:
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    for heading in ("variant", "made wrong", "verdict", "seen", ""):
        table.add_column(heading, overflow="fold")
    for row in judged:
        mark, style = {AS_DECLARED: ("✔", "green"), NOT_EXERCISED: ("○", "yellow")}.get(row.word, ("✘", "red"))
        word = Text(f"{mark} {row.word}", style=style)
        table.add_row(row.name, Text(row.title), str(row.outcome or "no run"), word, Text("\n".join(row.notes)))
    console.print(table)
    variants = [j for j in judged if j.name != CONTROL]
    seen = sum(j.word == AS_DECLARED for j in variants)
    no_go = sum(j.outcome is Outcome.NO_GO for j in variants)
    missed = sum(j.word == NOT_EXERCISED for j in variants)
    more = f", {missed} not exercised" if missed else ""
    console.print(f"{seen} of {len(variants)} variants as declared, {no_go} NO-GO{more}", highlight=False)
