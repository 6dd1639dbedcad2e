"""report.json: the verdict and everything it rests on, for programs. Its schema is published as `seatrial schema report`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from ..core.events import plain
from .model import TrialModel
from .suites import counts as suite_counts
from .suites import summary_of
from .sweep import counts, summary
from .views import FaultView

SCHEMA_VERSION = 1


def report(model: TrialModel) -> dict[str, Any]:
    """The report as a mapping; times in seconds since the trial's start."""
    started, ended = model.started, model.ended
    return {
        "seatrial": SCHEMA_VERSION,
        "verdict": model.word,
        "summary": in_a_sentence(model),
        "reason": ended.reason if ended else "",
        "trial": {
            "id": started.trial if started else "",
            "name": started.name if started else "",
            "spec": started.spec if started else "",
            "digest": started.digest if started else "",
            "platform": started.platform if started else "",
            "seatrial": started.seatrial if started else "",
            "started": started.wall if started else "",
            "duration_s": (ended.took_ns if ended else model.last_ns - model.began_ns) / 1e9,
            "command": list(started.command) if started else [],
            "machine": plain(started.machine) if started else {},
            "selection": started.selection if started else "",
            "variant": started.variant if started else "",
            "scale": started.scale if started else 1.0,
        },
        "scenarios": [
            {
                "id": s.id,
                "title": s.title,
                "verdict": s.verdict or "INCONCLUSIVE",
                "disrupting": s.disrupting,
                "covers": list(s.covers),
                "from_s": model.since(s.began_ns) if s.began_ns else None,
                "to_s": model.since(s.ended_ns) if s.ended_ns else None,
                "reason": s.reason,
                "steps": [{"id": t.id, "title": t.title, "verdict": t.verdict, "message": t.message} for t in s.steps],
            }
            for s in model.scenarios.values()
        ],
        "requirements": {
            r.id: {"text": r.text, "verdict": r.status, "findings": r.findings} for r in model.requirements()
        },
        "findings": [_finding(model, i) for i in model.findings],
        "proofs": [plain(p) for p in model.proofs.values()],
        "detection": [plain(r) for r in model.reactions],
        "faults": [_fault(model, f) for f in model.faults.values()],
        "profiles": model.profiles(),
        **({"sweep": summary(model)} if model.sweep is not None else {}),
        **({"suite": summary_of(model)} if model.suite is not None else {}),
        "workloads": [plain(r) for r in model.runs],
        "accounting": plain(ended.accounting) if ended else {},
        "tested": _tested(model),
        "residue": list(ended.residue) if ended else [],
        "notes": [{"level": n.level, "message": n.message, "scenario": n.scenario} for _, n in model.notes],
    }


def in_a_sentence(model: TrialModel) -> str:
    """What a trial came to."""
    if model.sweep is not None:
        return counts(model)
    if model.suite is not None:
        return suite_counts(model)
    return model.ended.summary if model.ended else "the trial has no end: it was killed, or still runs"


def _tested(model: TrialModel) -> dict[str, Any]:
    """What was tested; empty where its journal does not say."""
    if model.tested is None:
        return {}
    parts = model.parts
    return {
        "digest": parts.digest if parts is not None else "",
        **plain(model.tested.print),
        "parts": plain(parts.parts) if parts is not None else [],
    }


def _finding(model: TrialModel, id_: str) -> dict[str, Any]:
    finding = model.findings[id_]
    data: dict[str, Any] = plain(finding)
    known = model.started.proven if model.started else {}
    data["proven"] = list(known[id_]) if id_ in known else None  # None: nothing to prove
    data["from_s"], data["to_s"] = model.since(data.pop("began_ns")), model.since(data.pop("ended_ns"))
    return data


def _fault(model: TrialModel, fault: FaultView) -> dict[str, Any]:
    return {
        "id": fault.id,
        "scenario": fault.scenario,
        "kind": fault.kind,
        "target": fault.target,
        "victims": list(fault.victims),
        "at_s": model.since(fault.began_ns) if fault.began_ns else None,
        "witnessed": fault.witnessed,
        "witnesses": [
            {"who": w.witness, "saw": w.detail, "at_s": model.since(w.at_ns), "acted": w.acted} for w in fault.witnesses
        ],
        "healed": bool(fault.healed),
        "healed_s": model.since(fault.healed_ns) if fault.healed_ns else None,
    }


def write_json(model: TrialModel, path: Path) -> None:
    """Write the file: a line for each entry of a list, so that it can be read, searched and compared by line."""
    members = (f'"{name}": {_lines(value)}' for name, value in report(model).items())
    path.write_text("{\n " + ",\n ".join(members) + "\n}\n", encoding="utf-8")


def _lines(value: object) -> str:
    if isinstance(value, list) and value:
        return "[\n  " + ",\n  ".join(map(_dumps, value)) + "\n ]"
    return _dumps(value)


def _dumps(value: object) -> str:
    return json.dumps(value, ensure_ascii=False)
