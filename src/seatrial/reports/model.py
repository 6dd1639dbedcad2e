"""A trial as its journal tells it, built entry by entry: the live view and a report of years ago are the same code."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ..core.events import (
    Attempted,
    ColumnSealed,
    Entry,
    FaultHealed,
    FaultInjected,
    FaultOrdered,
    FaultWitnessed,
    FindingJudged,
    InstanceChanged,
    LoadProgressed,
    Noted,
    PhaseChanged,
    RoleChanged,
    ScenarioEnded,
    ScenarioStarted,
    StackDescribed,
    StackProgress,
    StepEnded,
    StepStarted,
    TrialEnded,
    TrialStarted,
    UsageSampled,
    WorkloadMeasured,
    WorkloadStarted,
    read_journal,
)
from ..core.results import Finding
from ..core.verdicts import Verdict, combine


@dataclass(kw_only=True)
class StepView:
    """A step as it ran; times in ns of CLOCK_MONOTONIC."""

    id: str
    title: str
    began_ns: int
    deadline_ns: int | None = None
    ended_ns: int | None = None
    verdict: str | None = None
    message: str = ""
    attempts: int = 0


@dataclass(kw_only=True)
class ScenarioView:
    """A scenario as it ran, or did not."""

    id: str
    title: str
    covers: tuple[str, ...] = ()
    disrupting: bool = False
    began_ns: int | None = None
    ended_ns: int | None = None
    verdict: str | None = None
    reason: str = ""
    steps: list[StepView] = field(default_factory=list)


@dataclass(kw_only=True)
class FaultView:
    """A fault from order to heal."""

    id: str
    scenario: str
    kind: str
    target: str
    victims: tuple[str, ...]
    lasting: bool
    hold_ns: int | None = None
    ordered_ns: int = 0
    began_ns: int | None = None
    injected_ns: int | None = None
    witnesses: list[FaultWitnessed] = field(default_factory=list)
    healed_ns: int | None = None
    healed: bool | None = None

    @property
    def witnessed(self) -> bool:
        """Every victim was seen to be hit."""
        return bool(self.witnesses) and all(w.acted for w in self.witnesses)


@dataclass(kw_only=True)
class WorkloadView:
    """A workload: where its records are and whether they are whole."""

    name: str
    file: str
    began_ns: int
    rate: str
    kind: str = "workload"
    users: Mapping[str, Any] = field(default_factory=dict)  # how many over time, where their number changes
    profile: Mapping[str, Any] = field(default_factory=dict)  # name, scale, whole_ns, for_ns, text
    live: LoadProgressed | None = None
    rows: int | None = None
    sha256: str = ""
    valid: bool | None = None
    note: str = ""


@dataclass(kw_only=True)
class RequirementView:
    """A requirement with what became of it."""

    id: str
    text: str
    severity: str
    in_scope: bool
    open_reason: str
    findings: list[str] = field(default_factory=list)
    verdict: Verdict | None = None  # None: nothing covers it, or out of scope

    @property
    def status(self) -> str:
        """PASS, FAIL, INCONCLUSIVE, "out of scope" or "not covered"."""
        if not self.in_scope:
            return "out of scope"
        return self.verdict.value if self.verdict else "not covered"


class TrialModel:
    """Everything a report needs. Feed it entries in order; ask it at any time."""

    def __init__(self) -> None:
        self.started: TrialStarted | None = None
        self.ended: TrialEnded | None = None
        self.began_ns = 0
        self.last_ns = 0
        self.phase = ""
        self.scenarios: dict[str, ScenarioView] = {}
        self.findings: dict[str, Finding] = {}
        self.faults: dict[str, FaultView] = {}
        self.workloads: dict[str, WorkloadView] = {}
        self.measured: list[WorkloadMeasured] = []
        self.instances: list[InstanceChanged] = []
        self.roles: list[tuple[int, RoleChanged]] = []
        self.attempts: list[Attempted] = []
        self.usage: list[UsageSampled] = []
        self.notes: list[tuple[int, Noted]] = []
        self.stack: StackDescribed | None = None
        self.progress: dict[str, StackProgress] = {}
        self.phases: list[tuple[int, str]] = []

    @classmethod
    def read(cls, directory: Path) -> TrialModel:
        """The whole journal of a trial's directory."""
        model = cls()
        model.feed(read_journal(directory))
        return model

    def feed(self, entries: Iterable[Entry]) -> None:
        """Take entries in."""
        for entry in entries:
            self.last_ns = max(self.last_ns, entry.ns)
            take = _TAKERS.get(type(entry.event))
            if take is not None:
                take(self, entry.ns, entry.event)

    @property
    def outcome(self) -> str:
        """GO, NO-GO, INCONCLUSIVE, or RUNNING for a trial without an end."""
        return self.ended.outcome if self.ended else "RUNNING"

    def since(self, ns: int) -> float:
        """Seconds since the trial's start."""
        return (ns - self.began_ns) / 1e9

    def requirements(self) -> list[RequirementView]:
        """All requirements, in their order, with the worst verdict of what covers each."""
        if self.started is None:
            return []
        covering: dict[str, list[str]] = {}
        for planned in self.started.findings:
            for requirement in planned.covers:
                covering.setdefault(requirement, []).append(planned.id)
        views = []
        for given in self.started.requirements:
            ids = covering.get(str(given["id"]), [])
            verdict = (
                combine(self.findings[i].verdict if i in self.findings else Verdict.INCONCLUSIVE for i in ids)
                if ids
                else None
            )
            views.append(
                RequirementView(
                    id=str(given["id"]),
                    text=str(given["text"]),
                    severity=str(given["severity"]),
                    in_scope=bool(given["in_scope"]),
                    open_reason=str(given.get("open_reason") or ""),
                    findings=ids,
                    verdict=verdict,
                )
            )
        return views

    def is_load(self, workload: str) -> bool:
        """Whether it is a load, which has figures of its own."""
        return workload in self.workloads and self.workloads[workload].kind == "load"

    def profiles(self) -> list[str]:
        """What was asked by profiles, and where it was less than all: a sentence for each load that ran."""
        said = [f"{w.name}: {w.profile['text']}" for w in self.workloads.values() if w.profile]
        if self.started is not None and self.started.scale != 1 and not said:
            return [f"profiles are scaled to {self.started.scale:g}, and no load with one ran"]
        return said

    def ranked_findings(self) -> list[Finding]:
        """Worst first, then in the order of judging."""
        order = {Verdict.FAIL: 0, Verdict.INCONCLUSIVE: 1, Verdict.PASS: 2}
        return sorted(self.findings.values(), key=lambda f: order[f.verdict])

    def _scenario(self, id_: str) -> ScenarioView:
        return self.scenarios.setdefault(id_, ScenarioView(id=id_, title=id_))


def _trial_started(model: TrialModel, ns: int, event: TrialStarted) -> None:
    model.started, model.began_ns = event, ns
    for given in event.scenarios:
        if given.get("selected", True):
            model.scenarios[str(given["id"])] = ScenarioView(
                id=str(given["id"]),
                title=str(given["title"]),
                covers=tuple(given["covers"]),
                disrupting=bool(given["disrupting"]),
            )


def _phase(model: TrialModel, ns: int, event: PhaseChanged) -> None:
    model.phase = event.phase
    model.phases.append((ns, event.phase))


def _progress(model: TrialModel, _ns: int, event: StackProgress) -> None:
    model.progress[event.subject] = event


def _described(model: TrialModel, _ns: int, event: StackDescribed) -> None:
    model.stack = event


def _scenario_started(model: TrialModel, ns: int, event: ScenarioStarted) -> None:
    view = model._scenario(event.scenario)
    view.title, view.covers, view.disrupting, view.began_ns = event.title, event.covers, event.disrupting, ns


def _scenario_ended(model: TrialModel, ns: int, event: ScenarioEnded) -> None:
    view = model._scenario(event.scenario)
    view.ended_ns, view.verdict, view.reason = ns, event.verdict, event.reason


def _step_started(model: TrialModel, ns: int, event: StepStarted) -> None:
    steps = model._scenario(event.scenario).steps
    steps.append(StepView(id=event.step, title=event.title, began_ns=ns, deadline_ns=event.deadline_ns))


def _step_ended(model: TrialModel, ns: int, event: StepEnded) -> None:
    for step in reversed(model._scenario(event.scenario).steps):
        if step.id == event.step:
            step.ended_ns, step.verdict, step.message, step.attempts = ns, event.verdict, event.message, event.attempts
            return


def _attempted(model: TrialModel, _ns: int, event: Attempted) -> None:
    model.attempts.append(event)


def _used(model: TrialModel, _ns: int, event: UsageSampled) -> None:
    model.usage.append(event)


def _ordered(model: TrialModel, ns: int, event: FaultOrdered) -> None:
    model.faults[event.fault] = FaultView(
        id=event.fault,
        scenario=event.scenario,
        kind=event.kind,
        target=event.target,
        victims=event.victims,
        lasting=event.lasting,
        hold_ns=event.hold_ns,
        ordered_ns=ns,
    )


def _injected(model: TrialModel, _ns: int, event: FaultInjected) -> None:
    fault = model.faults[event.fault]
    fault.began_ns, fault.injected_ns = event.began_ns, event.ended_ns


def _witnessed(model: TrialModel, _ns: int, event: FaultWitnessed) -> None:
    model.faults[event.fault].witnesses.append(event)


def _healed(model: TrialModel, _ns: int, event: FaultHealed) -> None:
    fault = model.faults[event.fault]
    fault.healed_ns, fault.healed = event.at_ns, event.ok


def _load_progressed(model: TrialModel, _ns: int, event: LoadProgressed) -> None:
    view = model.workloads.get(event.load)
    if view is not None:
        view.live = event


def _workload_started(model: TrialModel, _ns: int, event: WorkloadStarted) -> None:
    model.workloads[event.workload] = WorkloadView(
        name=event.workload,
        file=event.file,
        began_ns=event.at_ns,
        rate=event.rate,
        kind=event.kind,
        users=event.users,
        profile=event.profile,
    )


def _measured(model: TrialModel, _ns: int, event: WorkloadMeasured) -> None:
    model.measured.append(event)


def _sealed(model: TrialModel, _ns: int, event: ColumnSealed) -> None:
    view = model.workloads.get(event.workload)
    if view is not None:
        view.rows, view.sha256, view.valid, view.note = event.rows, event.sha256, event.valid, event.note


def _judged(model: TrialModel, _ns: int, event: FindingJudged) -> None:
    model.findings[event.finding.id] = event.finding


def _instance(model: TrialModel, _ns: int, event: InstanceChanged) -> None:
    model.instances.append(event)


def _role(model: TrialModel, ns: int, event: RoleChanged) -> None:
    model.roles.append((ns, event))


def _noted(model: TrialModel, ns: int, event: Noted) -> None:
    model.notes.append((ns, event))


def _ended(model: TrialModel, _ns: int, event: TrialEnded) -> None:
    model.ended = event


_TAKERS: Mapping[type, Any] = {
    TrialStarted: _trial_started,
    PhaseChanged: _phase,
    StackProgress: _progress,
    StackDescribed: _described,
    ScenarioStarted: _scenario_started,
    ScenarioEnded: _scenario_ended,
    StepStarted: _step_started,
    StepEnded: _step_ended,
    Attempted: _attempted,
    FaultOrdered: _ordered,
    FaultInjected: _injected,
    FaultWitnessed: _witnessed,
    FaultHealed: _healed,
    WorkloadStarted: _workload_started,
    LoadProgressed: _load_progressed,
    UsageSampled: _used,
    WorkloadMeasured: _measured,
    ColumnSealed: _sealed,
    FindingJudged: _judged,
    InstanceChanged: _instance,
    RoleChanged: _role,
    Noted: _noted,
    TrialEnded: _ended,
}
