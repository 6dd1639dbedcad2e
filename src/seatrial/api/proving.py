"""`seatrial prove`: shows of every check that it can fail, by breaking what it looks at, by other answers, and by variants."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..core.errors import UsageError
from ..core.plan import Plan
from ..core.proofs import Proof, Proven, Reaction, State, by_variants
from ..core.results import PlannedFinding
from ..core.verdicts import Outcome, Severity
from ..engine.ledger import planned_findings
from ..engine.proving import Wanted, subjects_of
from .following import follow
from .proofs import Memory, fingerprints
from .running import Request
from .variants import AS_DECLARED, find_variants, run_variant
from .vocabulary import vocabulary

if TYPE_CHECKING:
    from rich.console import Console

_STYLES = {Proven.PROVEN: "green", Proven.BLIND: "red", Proven.WRONG_REASON: "red", Proven.NOT_PROVABLE: "yellow"}
_MARKS = {Proven.PROVEN: "✔", Proven.BLIND: "✘", Proven.WRONG_REASON: "✘", Proven.NOT_PROVABLE: "?"}


@dataclass(frozen=True, kw_only=True)
class Wish:
    """What is asked for. `findings`: those alone; `again`: also what is proven already."""

    findings: tuple[str, ...] = ()
    again: bool = False
    variants: bool = True
    matrix: bool = True
    root: Path | None = None


@dataclass(frozen=True, kw_only=True)
class Shown:
    """What a proof came to. `proofs` by finding, those of non-blocking ones, too."""

    proofs: Mapping[str, Proof]
    planned: Mapping[str, PlannedFinding]
    states: tuple[State, ...] = ()
    reactions: tuple[Reaction, ...] = ()
    control: Outcome | None = None  # None: nothing had to be run
    directory: Path | None = None

    @property
    def exit_status(self) -> int:
        """0: every blocking check is proven; 1: one is blind, or red for another reason; 2: something was not shown."""
        outcomes = {p.outcome for i, p in self.proofs.items() if self.planned[i].severity is Severity.BLOCKING}
        if outcomes & {Proven.BLIND, Proven.WRONG_REASON}:
            return 1
        return 0 if outcomes == {Proven.PROVEN} and self.control in (None, Outcome.GO) else 2

    def as_fields(self) -> dict[str, Any]:
        """As JSON."""
        return {
            "control": self.control.value if self.control is not None else None,
            "trial": str(self.directory) if self.directory is not None else None,
            "states": [{"id": s.id, "witnessed": s.witnessed, "detail": s.detail} for s in self.states],
            "checks": [
                {
                    "finding": p.finding,
                    "claim": self.planned[i].claim,
                    "severity": self.planned[i].severity.value,
                    "outcome": p.outcome.value,
                    "by": list(p.by),
                    "blind_to": list(p.blind_to),
                    "why": p.why,
                    "remembered": p.remembered,
                    "heard": {r.state: r.heard.value for r in self.reactions if r.finding == i},
                }
                for i, p in self.proofs.items()
            ],
        }


def prove(plan: Plan, directory: Path, wish: Wish, console: Console, *, quiet: bool = False) -> Shown:
    """Prove the checks of a plan; `directory`: where its variants are. Raises UsageError for a finding that it has not."""
    words = vocabulary()
    planned = {p.id: p for p in planned_findings(plan, plan.scenarios)}
    checked = {s.finding for s in subjects_of(plan, words)}
    prints = fingerprints(plan, words, wish.root)
    wanted = {i for i in prints if i in planned}
    unknown = [i for i in wish.findings if i not in wanted]
    if unknown:
        raise UsageError.simple(f"no check {', '.join(unknown)}", f"checks: {', '.join(sorted(wanted))}")
    wanted = set(wish.findings) or wanted
    memory = Memory.of(wish.root)
    known = {} if wish.again else {i: p for i, p in memory.known(prints).items() if i in wanted}
    proofs: dict[str, Proof] = dict(known)
    todo = wanted - set(known)
    states: tuple[State, ...] = ()
    reactions: tuple[Reaction, ...] = ()
    control, where = None, None
    if todo & checked:
        request = Request(
            root=wish.root,
            proving=Wanted(findings=frozenset(todo & checked), matrix=wish.matrix),
            fingerprints=prints,
        )
        run = follow(plan, request, console, quiet=quiet)
        control, where, states, reactions = run.outcome, run.directory, run.states, run.reactions
        proofs |= {p.finding: p for p in run.proofs}
    for finding in todo - set(proofs):
        why = "the trial ended before it" if finding in checked else "no variant turns it red"
        proofs[finding] = Proof(finding=finding, outcome=Proven.NOT_PROVABLE, why=why)
    if wish.variants:
        proofs = _with_variants(proofs, directory, wish, console, quiet=quiet)
    proofs = {i: replace(p, fingerprint=prints[i]) for i, p in proofs.items()}
    memory.add(proofs.values())
    memory.save()
    order = [i for i in planned if i in proofs]
    return Shown(
        proofs={i: proofs[i] for i in order},
        planned=planned,
        states=states,
        reactions=reactions,
        control=control,
        directory=where,
    )


def _with_variants(
    proofs: dict[str, Proof], directory: Path, wish: Wish, console: Console, *, quiet: bool
) -> dict[str, Proof]:
    """Run the variants that turn something red that is not proven yet; those that are as declared prove it."""
    if not (directory / "variants").is_dir():
        return proofs
    open_ = {i for i, p in proofs.items() if p.outcome is Proven.NOT_PROVABLE}
    seen: dict[str, list[str]] = {}
    for variant in find_variants(directory, ()):
        if not open_ & set(variant.red):
            continue
        judged = run_variant(variant, directory, wish.root, console, quiet=quiet)
        if judged.word == AS_DECLARED:
            for finding in variant.red:
                if finding in proofs:
                    seen.setdefault(finding, []).append(variant.name)
        open_ -= set(seen)
    return by_variants(proofs, seen)


def tell(shown: Shown, console: Console) -> None:
    """The proofs as a table, the matrix below it, and the sum."""
    from rich.table import Table
    from rich.text import Text

    from ..reports.proofs import matrix, numbered, remarks

    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    for heading in ("check", "", "by, or why not"):
        table.add_column(heading, overflow="fold")
    worst_first = sorted(shown.proofs.values(), key=lambda p: list(_STYLES).index(p.outcome), reverse=True)
    for proof in worst_first:
        style = _STYLES[proof.outcome]
        word = f"{_MARKS[proof.outcome]} {proof.outcome}{' (before)' if proof.remembered else ''}"
        table.add_row(
            proof.finding, Text(word, style=style), Text("; ".join(filter(None, (", ".join(proof.by), proof.why))))
        )
    console.print(table)
    if shown.states:
        states = [s.id for s in shown.states]
        console.print()
        console.print(numbered(states), highlight=False, style="dim")
        console.print(matrix(states, shown.reactions))
        for line in remarks([s.id for s in shown.states if s.witnessed], shown.reactions):
            console.print(line, highlight=False, style="yellow")
    console.print()
    console.print(summary(shown), highlight=False)


def summary(shown: Shown) -> str:
    """One line: how many of the blocking checks are proven, and what the others are."""
    blocking = [p for i, p in shown.proofs.items() if shown.planned[i].severity is Severity.BLOCKING]
    counts = {o: sum(p.outcome is o for p in blocking) for o in Proven}
    parts = [f"{counts[Proven.PROVEN]} of {len(blocking)} blocking checks proven"]
    parts += [f"{counts[o]} {o}" for o in (Proven.BLIND, Proven.WRONG_REASON, Proven.NOT_PROVABLE) if counts[o]]
    if shown.control not in (None, Outcome.GO):
        parts.append(f"the control is {shown.control}: what was not green was not asked")
    return ", ".join(parts)


def proofs_json(shown: Shown) -> str:
    """For a pipe."""
    return json.dumps(shown.as_fields(), indent=2)


__all__: Sequence[str] = ("Shown", "Wish", "proofs_json", "prove", "tell")
