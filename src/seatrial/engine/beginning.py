"""How a trial begins: what was asked for, and what it promises to judge."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from ..core.events import TrialStarted
from ..core.plan import Plan, ScenarioPlan
from ..core.results import PlannedFinding
from ..core.verdicts import Severity
from .ledger import Ledger, in_scope
from .proving import Wanted


@dataclass(frozen=True, kw_only=True)
class Options:
    """How a trial is run. `start`: bring the stack up (False: attach to one that runs); `keep`: leave it running."""

    trial: str
    version: str
    command: tuple[str, ...] = ()
    start: bool = True
    keep: bool = False
    fail_fast: bool = False
    selection: str = ""
    variant: str = ""
    proving: Wanted | None = None  # prove the checks when the scenarios have ended
    fingerprints: Mapping[str, str] = field(default_factory=dict)  # of checks, by finding
    proven: Mapping[str, tuple[str, ...]] = field(default_factory=dict)  # every check to what has proven it


def unproven(plan: Plan, planned: Sequence[PlannedFinding], options: Options) -> list[str]:
    """Findings that show nothing when they pass, where the spec wants proofs; a trial that proves them is to see them as they are."""
    if not plan.require_proof or options.proving is not None:
        return []
    blocking = [p.id for p in planned if p.severity is Severity.BLOCKING]
    return [i for i in blocking if i in options.proven and not options.proven[i]]


def waived(plan: Plan) -> dict[str, str]:
    """Findings that somebody answers for today, and who does."""
    today = datetime.now(UTC).date()
    return {w.finding: str(w) for w in plan.waivers.values() if w.counts(today)}


def beginning(
    plan: Plan, selected: Sequence[ScenarioPlan], options: Options, ledger: Ledger, machine: Mapping[str, Any]
) -> TrialStarted:
    """The first event of a trial's journal."""
    scope, chosen = in_scope(plan), {s.id for s in selected}
    return TrialStarted(
        trial=options.trial,
        name=plan.name,
        spec=str(plan.file),
        digest=plan.digest,
        seatrial=options.version,
        platform=plan.stack.platform,
        wall=datetime.now(UTC).isoformat(timespec="milliseconds"),
        command=options.command,
        machine=machine,
        selection=options.selection,
        variant=options.variant,
        scale=plan.scale,
        proven=options.proven,
        requirements=tuple(
            {
                "id": r.id,
                "text": r.text,
                "severity": r.severity.value,
                "in_scope": r.id in scope,
                "open_reason": r.open_reason,
            }
            for r in plan.requirements.values()
        ),
        findings=tuple(ledger.planned.values()),
        scenarios=tuple(
            {
                "id": s.id,
                "title": s.title,
                "covers": list(s.covers),
                "disrupting": s.disrupting,
                "severity": s.severity.value,
                "selected": s.id in chosen,
            }
            for s in plan.scenarios
        ),
    )
