"""Explains a finding: wanted, seen, when, and what to try next."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from ..core.errors import UsageError
from ..core.fingerprints import UNCHANGED
from ..core.remedies import LIKELY
from ..core.results import Finding
from ..core.verdicts import Verdict
from .model import TrialModel
from .words import mark, moment, style

if TYPE_CHECKING:
    from rich.console import Console


def find(model: TrialModel, name: str) -> list[Finding]:
    """Findings by id, by the id's beginning or end, or by requirement. Raises UsageError with the ids there are."""
    exact = model.findings.get(name)
    if exact is not None:
        return [exact]
    found = [
        f for f in model.findings.values() if name in f.covers or f.id.startswith(name) or f.id.endswith(f"/{name}")
    ]
    if not found:
        raise UsageError.simple(
            f"no finding {name!r} in this trial", f"findings: {', '.join(list(model.findings)[:40])}"
        )
    return found


def explain(model: TrialModel, name: str, console: Console) -> None:
    """Print what is known of the findings behind a name."""
    from rich.text import Text

    for finding in find(model, name):
        word = finding.verdict.value
        console.print(
            Text(f"{mark(word)} {word}  {finding.id}", style=style(word)).append(
                f"  {', '.join(finding.covers)}", style="dim"
            )
        )
        rows = {
            "claim": finding.claim,
            "wanted": finding.bound,
            "seen": finding.measured,
            "why": finding.reason,
            "when": f"{moment(model.since(finding.began_ns))} to {moment(model.since(finding.ended_ns))}",
            "meanwhile": "; ".join(meanwhile(model, finding)),
            "try next": "; ".join(advice(finding)),
        }
        for label, text in rows.items():
            if text:
                console.print(Text(f"  {label:<10} ", style="dim").append(text), soft_wrap=True)
        for evidence in finding.evidence:
            console.print(Text(f"  evidence   {evidence.summary}"), soft_wrap=True)
            if evidence.data:
                for line in json.dumps(evidence.data, indent=1, ensure_ascii=False).splitlines()[:40]:
                    console.print(Text(f"             {line}", style="dim"), soft_wrap=True)
        console.print()


def meanwhile(model: TrialModel, finding: Finding) -> list[str]:
    """Faults and instance changes in the finding's time."""
    began, ended = finding.began_ns, finding.ended_ns
    lines = [
        f"{moment(model.since(f.began_ns))} {f.kind} {', '.join(f.victims)}"
        for f in model.faults.values()
        if f.began_ns is not None and began <= f.began_ns <= ended
    ]
    changes = [i for i in model.instances if began <= i.at_ns <= ended and not i.ready]
    return lines + [f"{moment(model.since(i.at_ns))} {i.instance} {i.state}" for i in changes[:10]]


def advice(finding: Finding) -> list[str]:
    """What to do next, by the kind of verdict and evidence."""
    if finding.verdict is Verdict.PASS:
        return []
    if not finding.exercised:
        return ["nothing was shown: mend what it depended on, and run again"]
    if finding.id == UNCHANGED:
        said = next((str(e.data["ignore"]) for e in finding.evidence if e.data.get("ignore")), "")
        if not said:
            return ["a program or a configuration changed: find who does that while a trial runs, or make it before"]
        return [f"if services write that themselves, it is no part of what is tested. In the spec: {said}"]
    scenario = finding.scenario
    lines = (
        [f"run it alone: seatrial run --only {scenario} --keep"] if scenario not in ("trial", "steady", "setup") else []
    )
    lines = [str(e.data[LIKELY]) for e in finding.evidence if LIKELY in e.data] + lines
    kinds = {e.kind for e in finding.evidence}
    if "operations" in kinds:
        lines.append("the operations by key are in the trial's histories/ directory")
    if "observation" in kinds:
        lines.append("make the same probe by hand against the kept stack: seatrial check --attach latest")
    lines.append("the services' logs of that time are in the trial's logs/ directory")
    return lines
