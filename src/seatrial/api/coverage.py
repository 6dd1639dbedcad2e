"""Which requirement is exercised by what, with the verdict of the latest trial."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..core.errors import UsageError
from ..core.plan import Plan
from ..engine.ledger import in_scope, planned_findings
from ..reports.model import TrialModel
from .directories import find_trial, trials_root

if TYPE_CHECKING:
    from rich.console import Console


def coverage(plan: Plan, model: TrialModel | None) -> list[dict[str, Any]]:
    """A row a requirement: id, text, status, findings with their verdicts, evidence in a word."""
    covering: dict[str, list[str]] = {}
    for planned in planned_findings(plan, plan.scenarios):
        for covered in planned.covers:
            covering.setdefault(covered, []).append(planned.id)
    verdicts = {r.id: r.status for r in model.requirements()} if model else {}
    scope = in_scope(plan)
    rows = []
    for requirement in plan.requirements.values():
        ids = covering.get(requirement.id, [])
        if requirement.id not in scope:
            status = "out of scope"
        elif not ids:
            status = "not covered"
        else:
            status = verdicts.get(requirement.id, "not run")
        findings = [_row(i, model) for i in ids]
        rows.append(
            {
                "id": requirement.id,
                "text": requirement.text,
                "status": status,
                "findings": findings,
                "reason": requirement.open_reason,
            }
        )
    return rows


def _row(id_: str, model: TrialModel | None) -> dict[str, Any]:
    finding = model.findings.get(id_) if model else None
    if finding is None:
        return {"id": id_, "verdict": "not run", "evidence": ""}
    return {"id": id_, "verdict": finding.verdict.value, "evidence": finding.measured or finding.reason}


def latest_of(plan: Plan, root: Path | None) -> Path | None:
    """The newest finished trial of this very spec that ran all of it."""
    for directory in sorted(trials_root(root).glob("*"), reverse=True):
        try:
            model = TrialModel.read(directory)
        except OSError:
            continue
        started = model.started
        if started and model.ended and started.digest == plan.digest and not started.selection and not started.variant:
            return directory
    return None


def show_coverage(plan: Plan, trial: str | None, root: Path | None, *, as_json: bool, console: Console) -> int:
    """Print the table; exit status 0."""
    if not plan.requirements:
        raise UsageError.simple(f"{plan.file} names no requirements", "requirements: requirements.md")
    directory = find_trial(trial, root) if trial else latest_of(plan, root)
    model = TrialModel.read(directory) if directory else None
    rows = coverage(plan, model)
    if as_json:
        console.file.write(json.dumps(rows, indent=1, ensure_ascii=False) + "\n")
        return 0
    from rich.table import Table
    from rich.text import Text

    from ..reports.words import mark, style

    console.print(
        f"verdicts of {directory.name}" if directory else "no finished trial of this spec as it is now: not run"
    )
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    for heading in ("requirement", "status", "findings and evidence"):
        table.add_column(heading, overflow="fold")
    for row in rows:
        shown = Text()
        for finding in row["findings"]:
            shown.append(f"{finding['id']}  ").append(f"{finding['evidence']}\n", style="dim")
        shown = shown if row["findings"] else Text(row["reason"], style="dim")
        shown.rstrip()
        table.add_row(row["id"], Text(f"{mark(row['status'])} {row['status']}", style=style(row["status"])), shown)
    console.print(table)
    console.print(
        ", ".join(f"{sum(r['status'] == s for r in rows)} {s}" for s in dict.fromkeys(r["status"] for r in rows))
    )
    return 0
