"""report.html: one self-contained file that opens offline, verdict first."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from importlib.resources import files
from pathlib import Path
from typing import Any, Protocol

from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape
from markupsafe import Markup

from ..core.events import plain
from ..core.quantities import format_duration
from ..core.results import Finding
from ..core.verdicts import Verdict
from .explain import advice
from .loads import load_rows, shown
from .machine import in_a_sentence
from .model import TrialModel
from .proofs import detection, proven_by
from .suites import view
from .sweep import heat
from .views import FaultView
from .words import mark, moment


class SignedOff(Protocol):
    """Who took a trial as it is."""

    @property
    def by(self) -> str: ...
    @property
    def reason(self) -> str: ...
    @property
    def at(self) -> str: ...
    @property
    def role(self) -> str: ...


POINTS = 1200  # per curve: more cannot be seen, and the file stays small


def write_html(model: TrialModel, path: Path, series: Mapping[str, Any], signed: Sequence[SignedOff] = ()) -> None:
    """Write the report; `series` is a workload's curves by name (seconds since the start, see api.series), `signed` who signed it off."""
    environment = Environment(
        loader=PackageLoader("seatrial.reports", "templates"),
        autoescape=select_autoescape(),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"mark": mark, "moment": moment, "duration": format_duration, "slug": slug}
    text = environment.get_template("report.html").render(**context(model, series), signed=signed)
    path.write_text(text, encoding="utf-8")


def context(model: TrialModel, series: Mapping[str, Any]) -> dict[str, Any]:
    """Everything the template shows."""
    assets = files("seatrial.reports") / "assets"
    ended, started = model.ended, model.started
    return {
        "model": model,
        "started": started,
        "ended": ended,
        "sweep": heat(model),
        "word": model.word,
        "suite": view(model),
        "summary": in_a_sentence(model),
        "began": wall(model, model.began_ns),
        "duration": format_duration(ended.took_ns if ended else model.last_ns - model.began_ns),
        "decisive": [finding_row(model, f) for f in model.ranked_findings() if f.verdict is not Verdict.PASS],
        "requirements": model.requirements(),
        "findings": [finding_row(model, f) for f in model.ranked_findings()],
        "loads": load_rows(model),
        "detection": detection(model),
        "profiles": model.profiles(),
        "faults": [fault_row(model, f) for f in model.faults.values()],
        "machine": plain(started.machine) if started else {},
        "css": Markup((assets / "uPlot.min.css").read_text(encoding="utf-8")),  # noqa: S704 - our own file
        "script": Markup((assets / "uPlot.iife.min.js").read_text(encoding="utf-8")),  # noqa: S704
        "app": Markup((assets / "timeline.js").read_text(encoding="utf-8")),  # noqa: S704
        "data": Markup(embed(timeline(model, series))),  # noqa: S704 - escaped by embed
    }


def embed(value: object) -> str:
    """JSON that can stand inside a script element: no tag can be closed by what a service said."""
    text = json.dumps(value, separators=(",", ":"), ensure_ascii=False)
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026").replace("\u2028", "\\u2028")


def slug(text: str) -> str:
    """An id for an anchor."""
    return "".join(c if c.isalnum() else "-" for c in text)


def wall(model: TrialModel, ns: int) -> str:
    """Wall-clock time of a moment, from the one wall time that was recorded at the start."""
    if model.started is None:
        return ""
    return (datetime.fromisoformat(model.started.wall) + timedelta(seconds=model.since(ns))).isoformat(
        sep=" ", timespec="milliseconds"
    )


def finding_row(model: TrialModel, finding: Finding) -> dict[str, Any]:
    """A finding as the template wants it."""
    return {
        "id": finding.id,
        "word": finding.verdict.value,
        "claim": finding.claim,
        "covers": finding.covers,
        "severity": finding.severity.value,
        "measured": finding.measured,
        "bound": finding.bound,
        "reason": finding.reason,
        "exercised": finding.exercised,
        "waived": finding.waived,
        "at": model.since(finding.began_ns),
        "to": model.since(finding.ended_ns),
        "wall": wall(model, finding.ended_ns),
        "advice": advice(finding),
        "proven": proven_by(model, finding.id),
        "evidence": [
            {"summary": e.summary, "data": json.dumps(plain(e.data), indent=1, ensure_ascii=False)}
            for e in finding.evidence
        ],
    }


def fault_row(model: TrialModel, fault: FaultView) -> dict[str, Any]:
    """A fault with what the clients saw of it."""
    began = fault.began_ns or fault.ordered_ns
    measured = [m for m in model.measured if m.scenario == fault.scenario and not model.is_load(m.workload)]
    seen = []
    for figures in measured:
        row = {"workload": figures.workload}
        for name in ("detect", "recovery", "stable", "outage.longest", "failed", "unknown", "lost", "doubled"):
            value = figures.metrics.get(name)
            row[name.replace(".", "_")] = shown(value)
        seen.append(row)
    return {
        "id": fault.id,
        "kind": fault.kind,
        "victims": ", ".join(fault.victims),
        "target": fault.target,
        "at": model.since(began),
        "wall": wall(model, began),
        "witnessed": fault.witnessed,
        "witnesses": [{"who": w.witness, "saw": w.detail, "at": model.since(w.at_ns)} for w in fault.witnesses],
        "healed": fault.healed,
        "healed_at": model.since(fault.healed_ns) if fault.healed_ns else None,
        "seen": seen,
    }


def timeline(model: TrialModel, series: Mapping[str, Any]) -> dict[str, Any]:
    """Curves, shaded windows and lanes; all times in seconds since the start."""
    end = model.since(model.last_ns)
    known = [str(i["name"]) for s in model.stack.services for i in s["instances"]] if model.stack else []
    lanes: dict[str, list[list[Any]]] = {name: [] for name in known}
    for change in model.instances:
        lane = lanes.setdefault(change.instance, [])
        at = round(model.since(change.at_ns), 3)
        state = "ready" if change.ready and change.state == "running" else change.state
        if lane and lane[-1][2] == state:
            continue
        if lane:
            lane[-1][1] = at
        lane.append([at, round(end, 3), state])
    roles = [
        {
            "at": round(model.since(ns), 3),
            "service": event.service,
            "role": event.role,
            "instances": list(event.instances),
        }
        for ns, event in model.roles
    ]
    faults = [
        {
            "id": f.id,
            "kind": f.kind,
            "victims": list(f.victims),
            "from": round(model.since(f.began_ns or f.ordered_ns), 3),
            "to": round(model.since(f.healed_ns), 3) if f.healed_ns else round(end, 3),
            "seen": round(model.since(max(w.at_ns for w in f.witnesses)), 3) if f.witnesses else None,
        }
        for f in model.faults.values()
    ]
    scenarios = [
        {
            "id": s.id,
            "from": round(model.since(s.began_ns), 3),
            "to": round(model.since(s.ended_ns or model.last_ns), 3),
            "word": s.verdict or "",
        }
        for s in model.scenarios.values()
        if s.began_ns
    ]
    return {
        "end": end,
        "series": series,
        "usage": usage(model),
        "faults": faults,
        "scenarios": scenarios,
        "lanes": {name: spans for name, spans in lanes.items() if spans},
        "roles": roles,
        "wall": wall(model, model.began_ns),
    }


def usage(model: TrialModel) -> dict[str, Any]:
    """`t` (s), and by service the `cores` and `mib` of all its instances together; None where it was not looked at.

    `at` (s), `connections` and `backlog` likewise, from looks of their own.
    """
    looks = model.usage[:: max(1, len(model.usage) // POINTS)]
    services = list(dict.fromkeys(i.partition("#")[0] for look in looks for i in look.instances))
    found: dict[str, Any] = {
        "t": [round(model.since(look.at_ns), 2) for look in looks],
        "mib": {},
        "cores": {},
    }
    for service in services:
        mine = [{i: u for i, u in look.instances.items() if i.partition("#")[0] == service} for look in looks]
        found["mib"][service] = [round(sum(u[1] for u in m.values()) / 2**20, 1) if m else None for m in mine]
        found["cores"][service] = [None] + [
            round(max(0.0, sum(b[i][0] - a[i][0] for i in b if i in a)) / max(1e-9, t - s), 3) if a and b else None
            for a, b, s, t in zip(mine, mine[1:], found["t"], found["t"][1:], strict=False)
        ]
    return found | _sockets(model, services)


def _sockets(model: TrialModel, services: list[str]) -> dict[str, Any]:
    looks = model.sockets[:: max(1, len(model.sockets) // POINTS)]
    found: dict[str, Any] = {
        "at": [round(model.since(look.at_ns), 2) for look in looks],
        "connections": {},
        "backlog": {},
    }
    for service in services:
        mine = [[n for i, n in look.instances.items() if i.partition("#")[0] == service] for look in looks]
        if any(mine):
            for place, name in enumerate(("connections", "backlog")):
                found[name][service] = [sum(n[place] for n in m) if m else None for m in mine]
    return found
