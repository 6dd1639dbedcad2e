"""Runs what was generated for checks that no window has proven, and says what it has shown."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from ..core.errors import Interrupted, SeatrialError
from ..core.plan import Plan
from ..core.proofs import Heard, Proof, Proven
from ..core.results import Finding
from ..core.verdicts import Verdict
from ..engine.generating import NAME, Generated, Shows, generate
from .running import Request
from .variants import evidence_text
from .vocabulary import vocabulary

if TYPE_CHECKING:
    from rich.console import Console


_RANK = (Proven.PROVEN, Proven.NOT_PROVABLE, Proven.WRONG_REASON, Proven.BLIND)


@dataclass(frozen=True, kw_only=True)
class Tried:
    """What came of it. `settled`: findings of which nothing else would come of another try."""

    proofs: Mapping[str, Proof]
    settled: frozenset[str]
    directory: Path | None = None


def try_generated(
    plan: Plan,
    open_: Collection[str],
    mute: Collection[str],
    root: Path | None,
    console: Console,
    *,
    quiet: bool = False,
) -> Tried:
    """Proofs of findings that are open, by one run of what was generated for them."""
    from .following import follow_on

    made = generate(plan, open_, vocabulary(), mute)
    proofs = {
        i: Proof(finding=i, outcome=Proven.NOT_PROVABLE, why=why) for i, why in made.why_not.items() if i in open_
    }
    settled = frozenset(proofs)
    if not made.shows:
        return Tried(proofs=proofs, settled=settled)
    if not quiet:
        console.rule(f"{NAME}: {made.variant.title}", align="left")
    try:
        run = follow_on(made.plan, Request(only=made.variant.only, root=root, variant=NAME), console, quiet=quiet)
    except Interrupted:
        raise
    except SeatrialError as error:
        why = f"what was generated for it could not be run: {error}"
        failed = {
            s.finding: Proof(finding=s.finding, outcome=Proven.NOT_PROVABLE, why=why) for s in made.shows.values()
        }
        return Tried(proofs=proofs | failed, settled=settled)
    shown = judge_generated(made, run.ledger.findings)
    settled |= {i for i, p in shown.items() if p.outcome is Proven.PROVEN}
    return Tried(proofs=proofs | shown, settled=settled, directory=run.directory)


def judge_generated(made: Generated, findings: Mapping[str, Finding]) -> dict[str, Proof]:
    """What each finding of the run shows: red as it had to be, with what it rests on witnessed and named; or why not."""
    found: dict[str, list[Proof]] = {}
    for id_, shows in made.shows.items():
        found.setdefault(shows.finding, []).append(_judge(id_, shows, findings))
    return {finding: together(proofs) for finding, proofs in found.items()}


def together(proofs: Sequence[Proof]) -> Proof:
    """Of what was shown of one check in several states that it has to notice: the worst; proven by all of them."""
    worst = max(proofs, key=lambda p: _RANK.index(p.outcome))
    if worst.outcome is not Proven.PROVEN:
        return worst
    return replace(worst, by=tuple(dict.fromkeys(b for p in proofs for b in p.by)))


def _judge(id_: str, shows: Shows, findings: Mapping[str, Finding]) -> Proof:
    finding = findings.get(id_)
    unseen = [f for f in shows.faults if f not in findings or findings[f].verdict is not Verdict.PASS]
    if finding is None:
        return _open(shows, "its run ended before it")
    if unseen:
        why = findings[unseen[0]].reason if unseen[0] in findings else "it was not reached"
        return _open(shows, f"{unseen[0]}: {why}")
    if finding.verdict is Verdict.PASS and not shows.faults:  # a check, and what it asks was broken for certain
        why = f"green in spite of {', '.join(shows.states)}"
        return Proof(finding=shows.finding, outcome=Proven.BLIND, blind_to=shows.states, why=why)
    if finding.verdict is not Verdict.FAIL:
        return _open(shows, finding.reason or "it stayed green")
    if shows.names and not any(name in evidence_text(finding) for name in shows.names):
        why = f"it is red, and its evidence does not speak of {' or '.join(shows.names)}"
        return Proof(finding=shows.finding, outcome=Proven.WRONG_REASON, why=why)
    control = findings.get(shows.finding)
    if control is not None and id_ != shows.finding and control.verdict is not Verdict.PASS:
        why = f"{', '.join(shows.states)}: it is not green when all is whole, either: {control.reason}"
        return Proof(finding=shows.finding, outcome=Proven.WRONG_REASON, why=why)
    red = [s for s in shows.states if f"{s}: {Heard.RED}" in finding.measured] or shows.states
    return Proof(finding=shows.finding, outcome=Proven.PROVEN, by=(f"{NAME}: {', '.join(red)}",))


def _open(shows: Shows, why: str) -> Proof:
    said = any(why.startswith(f"{s}:") for s in shows.states)
    words = why if said else f"{', '.join(shows.states)}: {why}"
    return Proof(finding=shows.finding, outcome=Proven.NOT_PROVABLE, why=words)
