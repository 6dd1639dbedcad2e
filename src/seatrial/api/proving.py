"""`seatrial prove`: shows of every check that it can fail, by breaking what it looks at, by other answers, and by variants."""

from __future__ import annotations

import json
import time
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..core.errors import UsageError
from ..core.plan import Plan, Variant
from ..core.proofs import Proof, Proven, Reaction, State, by_variants
from ..core.quantities import format_duration
from ..core.results import PlannedFinding
from ..core.verdicts import Outcome, Severity, Verdict
from ..engine.ledger import planned_findings
from ..engine.proving import Wanted, expectations_of
from .following import follow_on
from .generated import try_generated
from .proofs import Memory, fingerprints
from .running import Request
from .variants import AS_DECLARED, find_variants, run_variant
from .vocabulary import vocabulary

if TYPE_CHECKING:
    from rich.console import Console

_STYLES = {Proven.PROVEN: "green", Proven.BLIND: "red", Proven.WRONG_REASON: "red", Proven.NOT_PROVABLE: "yellow"}
_MARKS = {Proven.PROVEN: "✔", Proven.BLIND: "✘", Proven.WRONG_REASON: "✘", Proven.NOT_PROVABLE: "?"}
_TIMED = "how long a trial takes cannot be told while it is proven: a variant has to show it"


@dataclass(frozen=True, kw_only=True)
class Wish:
    """What is asked for. `findings`: those alone; `again`: also what is proven already; `generated`: variants that follow from checks."""

    findings: tuple[str, ...] = ()
    again: bool = False
    variants: bool = True
    generated: bool = True
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
    took_ns: int = 0
    variants: tuple[str, ...] = ()  # that were run, and what they were

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
            "took_ns": self.took_ns,
            "variants": list(self.variants),
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
    began, words = time.monotonic_ns(), vocabulary()
    planned = {p.id: p for p in planned_findings(plan, plan.scenarios)}
    prints = fingerprints(plan, words, wish.root)
    wanted = {i for i in prints if i in planned}
    unknown = [i for i in wish.findings if i not in wanted]
    if unknown:
        raise UsageError.simple(f"no check {', '.join(unknown)}", f"checks: {', '.join(sorted(wanted))}")
    wanted = set(wish.findings) or wanted
    memory, variants = Memory.of(wish.root), directory / "variants"
    known = {} if wish.again else {i: p for i, p in memory.known(prints, plan).items() if i in wanted}
    course = _Course(proofs=dict(known))
    todo = wanted - set(known)
    timed = {i for i, e in expectations_of(plan) if "trial" in e.condition.names} & todo
    course.proofs |= {i: Proof(finding=i, outcome=Proven.NOT_PROVABLE, why=_TIMED) for i in timed}
    course.settled |= timed

    def keep(lasting: Collection[str] = ()) -> dict[str, Proof]:
        """Whoever interrupts it later finds again what was shown by now."""
        proofs = {i: replace(course.proofs[i], fingerprint=prints[i]) for i in planned if i in course.proofs}
        memory.add(proofs.values(), plan, course.files, lasting)
        memory.save()
        return proofs

    if todo - timed:
        _windows(course, plan, todo - timed, prints, wish, console, quiet=quiet)
        keep()
        if wish.generated:
            _generated(course, plan, todo - timed, wish, console, quiet=quiet)
            keep()
    if wish.variants and any(variants.glob("*.yaml")):
        for variant in find_variants(directory, ()):
            # Green to begin with: what is red anyway a variant does not turn red.
            open_ = course.open_of(todo) & (course.green | timed)
            if open_ & set(variant.red):
                _variant(course, variant, directory, todo, wish, console, quiet=quiet)
                keep()
    proofs = keep(_lasting(course, planned) if wish.generated and wish.variants else ())
    return Shown(
        proofs=proofs,
        planned=planned,
        states=course.states,
        reactions=course.reactions,
        control=course.control,
        directory=course.where,
        took_ns=time.monotonic_ns() - began,
        variants=tuple(course.ran),
    )


@dataclass(kw_only=True)
class _Course:
    """How far it is. `green`: findings that passed when nothing was broken for them; `idle`: those that were not exercised; `settled`:
    those of which another try would show the same.
    """

    proofs: dict[str, Proof]
    green: frozenset[str] = frozenset()
    idle: frozenset[str] = frozenset()
    mute: frozenset[str] = frozenset()
    settled: frozenset[str] = frozenset()
    states: tuple[State, ...] = ()
    reactions: tuple[Reaction, ...] = ()
    control: Outcome | None = None
    where: Path | None = None
    ran: list[str] = field(default_factory=list)  # variants, and what they were
    files: dict[str, Path] = field(default_factory=dict)  # theirs

    def open_of(self, findings: Iterable[str]) -> set[str]:
        """Those that nothing has proven yet, and nothing has shown to be blind."""
        return {i for i in findings if self.proofs[i].outcome in (Proven.NOT_PROVABLE, Proven.WRONG_REASON)}


def _windows(
    course: _Course,
    plan: Plan,
    todo: Collection[str],
    prints: Mapping[str, str],
    wish: Wish,
    console: Console,
    *,
    quiet: bool,
) -> None:
    """The control: the scenarios as they are; and then windows in which what their checks look at is broken."""
    request = Request(
        root=wish.root,
        only=_scenarios(plan, todo),
        proving=Wanted(findings=frozenset(todo), matrix=wish.matrix),
        fingerprints=prints,
    )
    run = follow_on(plan, request, console, quiet=quiet)
    course.control, course.where = run.outcome, run.directory
    course.states, course.reactions, course.mute = run.states, run.reactions, run.mute
    course.proofs |= {p.finding: p for p in run.proofs if p.finding in todo}
    course.green = frozenset(i for i, f in run.ledger.findings.items() if f.verdict is Verdict.PASS)
    if run.outcome is Outcome.GO:  # so that it was not for something that failed before them
        course.idle = frozenset(i for i, f in run.ledger.findings.items() if not f.exercised)
    for finding in set(todo) - set(course.proofs):
        why = "the trial ended before it"
        course.proofs[finding] = Proof(finding=finding, outcome=Proven.NOT_PROVABLE, why=why)


def _scenarios(plan: Plan, todo: Collection[str]) -> tuple[str, ...]:
    """Those that hold what is to be proven; all of them (none named) where none holds any of it."""
    chosen = {i.partition("/")[0] for i in todo}
    ids = [s.id for s in plan.scenarios if s.id in chosen]
    return () if len(ids) == len(plan.scenarios) else tuple(ids)


def _generated(
    course: _Course, plan: Plan, todo: Collection[str], wish: Wish, console: Console, *, quiet: bool
) -> None:
    """What no window could show, in one run of what is generated for it."""
    open_ = course.open_of(todo) & course.green
    if not open_:
        return
    tried = try_generated(plan, open_, course.mute, wish.root, console, quiet=quiet)
    course.settled |= tried.settled
    for finding, proof in tried.proofs.items():
        before = course.proofs[finding]
        weaker = proof.outcome is Proven.NOT_PROVABLE and before.outcome is Proven.WRONG_REASON
        course.proofs[finding] = replace(before, why=f"{before.why}; {proof.why}") if weaker else proof


def _variant(
    course: _Course,
    variant: Variant,
    directory: Path,
    todo: Collection[str],
    wish: Wish,
    console: Console,
    *,
    quiet: bool,
) -> None:
    """Run a variant that turns something red that is not proven yet: when it is as declared, it proves all that it turns red."""
    judged = run_variant(variant, directory, wish.root, console, quiet=quiet)
    course.ran.append(f"{variant.name}: {judged.word}{f' ({judged.notes[0]})' if judged.notes else ''}")
    if variant.file is not None:
        course.files[variant.name] = variant.file
    if judged.word == AS_DECLARED:
        course.proofs = by_variants(course.proofs, {i: [variant.name] for i in variant.red if i in todo})
    else:  # it may have been the machine, or is about to be mended
        course.settled -= set(variant.red)


def _lasting(course: _Course, planned: Mapping[str, PlannedFinding]) -> set[str]:
    """Findings that are not asked again before something changes: what nothing could prove, and of what does not block also what was not
    exercised, is blind, or red for another reason. What blocks is asked each time, for somebody is at it, or the machine was in the way.
    """
    found: set[str] = set()
    for finding, proof in course.proofs.items():
        if planned[finding].severity is Severity.BLOCKING:
            lasts = proof.outcome is Proven.NOT_PROVABLE and finding in course.settled
        else:
            lasts = proof.outcome is not Proven.NOT_PROVABLE or finding in course.settled | course.idle
        if lasts:
            found.add(finding)
    return found


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
    for line in shown.variants:
        console.print(f"variant {line}", highlight=False, style="dim" if line.endswith(AS_DECLARED) else "yellow")
    console.print()
    console.print(summary(shown), highlight=False)
    if any(p.remembered and p.outcome is not Proven.PROVEN for p in shown.proofs.values()):
        console.print("what is open as before is asked once more by --again", highlight=False, style="dim")


def summary(shown: Shown) -> str:
    """One line: how many of the blocking checks are proven, and what the others are."""
    blocking = [p for i, p in shown.proofs.items() if shown.planned[i].severity is Severity.BLOCKING]
    counts = {o: sum(p.outcome is o for p in blocking) for o in Proven}
    parts = [f"{counts[Proven.PROVEN]} of {len(blocking)} blocking checks proven"]
    parts += [f"{counts[o]} {o}" for o in (Proven.BLIND, Proven.WRONG_REASON, Proven.NOT_PROVABLE) if counts[o]]
    if shown.took_ns:
        remembered = sum(p.remembered for p in shown.proofs.values())
        parts.append(
            f"in {format_duration(shown.took_ns, 2)}" + (f", {remembered} of all as before" if remembered else "")
        )
    if shown.control not in (None, Outcome.GO):
        parts.append(f"the control is {shown.control}: what was not green was not asked")
    return ", ".join(parts)


def proofs_json(shown: Shown) -> str:
    """For a pipe."""
    return json.dumps(shown.as_fields(), indent=2)


__all__: Sequence[str] = ("Shown", "Wish", "proofs_json", "prove", "tell")
