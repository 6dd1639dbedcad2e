"""A trial as its journal tells it, built entry by entry: the live view and a report of years ago are the same code."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from ..core.events import (
    Attempted,
    CellStarted,
    CheckProven,
    ColumnSealed,
    Entry,
    FaultHealed,
    FaultInjected,
    FaultOrdered,
    FaultWitnessed,
    FindingJudged,
    Fingerprinted,
    InstanceChanged,
    LoadAborted,
    LoadProbed,
    LoadProgressed,
    Noted,
    PartsIdentified,
    PhaseChanged,
    Reacted,
    RoleChanged,
    ScenarioEnded,
    ScenarioStarted,
    SocketsSampled,
    StackDescribed,
    StackProgress,
    StepEnded,
    StepStarted,
    SuiteBegun,
    SuitePlanned,
    SuiteRan,
    SweepPlanned,
    TrialEnded,
    TrialStarted,
    UsageSampled,
    WorkloadMeasured,
    WorkloadStarted,
    read_journal,
)
from ..core.results import Finding
from ..core.suites import SuiteSums
from ..core.sweeps import Swept
from ..core.verdicts import Verdict, combine
from .sweep_events import SWEEPS
from .views import FaultView, RequirementView, ScenarioView, StepView, WorkloadView

WHOLE = "trial"  # the scenario of what ran through the whole trial


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
        self.runs: list[WorkloadView] = []  # in the order in which they began
        self.workloads: dict[str, WorkloadView] = {}  # the last run of each name
        self.measured: list[WorkloadMeasured] = []
        self.instances: list[InstanceChanged] = []
        self.roles: list[tuple[int, RoleChanged]] = []
        self.attempts: list[Attempted] = []
        self.usage: list[UsageSampled] = []
        self.sockets: list[SocketsSampled] = []
        self.notes: list[tuple[int, Noted]] = []
        self.stack: StackDescribed | None = None
        self.tested: Fingerprinted | None = None
        self.parts: PartsIdentified | None = None
        self.progress: dict[str, StackProgress] = {}
        self.phases: list[tuple[int, str]] = []
        self.proofs: dict[str, CheckProven] = {}  # by finding, of a trial that proved its checks
        self.reactions: list[Reacted] = []
        self.suite: SuitePlanned | None = None  # of a trial that asked a suite of tests
        self.suite_runs: list[SuiteSums] = []
        self.suite_begun: tuple[int, SuiteBegun] | None = None  # the run that is under way
        self.sweep: SweepPlanned | None = None
        self.swept: list[Swept] = []
        self.cell: CellStarted | None = None  # that is under way
        self.cell_since_ns = self.cells_since_ns = 0

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

    @property
    def word(self) -> str:
        """The outcome; SWEPT for a sweep, ASKED where a suite of tests was: they come to none of the stack."""
        return "SWEPT" if self.sweep is not None else "ASKED" if self.suite is not None else self.outcome

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

    def runs_of(self, workload: str) -> list[WorkloadView]:
        """All its runs, in order."""
        return [r for r in self.runs if r.name == workload]

    def run_at(self, workload: str, ns: int) -> WorkloadView | None:
        """The run that was under way at a moment, or had ended last: one at a time has the name."""
        return next((r for r in reversed(self.runs_of(workload)) if r.began_ns <= ns), None)

    def run_in(self, workload: str, scenario: str) -> WorkloadView | None:
        """The last run of a scenario: one that was started for it, or else for another one beside it, but not for the whole trial."""
        runs = self.runs_of(workload)[::-1]
        beside = (r for r in runs if scenario in r.seen_in and r.scenario != WHOLE)
        return next((r for r in runs if r.scenario == scenario), None) or next(beside, None)

    def measured_last(self, run: WorkloadView) -> WorkloadMeasured | None:
        """The last that was measured of a run."""
        mine = (m for m in reversed(self.measured) if m.workload == run.name)
        return next((m for m in mine if self.run_at(m.workload, m.to_ns) is run), None)

    def label(self, run: WorkloadView) -> str:
        """Its name; of a workload that ran several times with its scenario, or its number where that does not tell it apart."""
        runs = self.runs_of(run.name)
        if len(runs) == 1:
            return run.name
        alone = bool(run.scenario) and sum(r.scenario == run.scenario for r in runs) == 1
        number = next(n for n, r in enumerate(runs, 1) if r is run)
        return f"{run.name} in {run.scenario}" if alone else f"{run.name}, run {number}"

    def profiles(self) -> list[str]:
        """What was asked by profiles, and where it was less than all: a sentence for each load that ran."""
        said = list(dict.fromkeys(f"{r.name}: {r.profile['text']}" for r in self.runs if r.profile))
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


def _proved(model: TrialModel, _ns: int, event: CheckProven) -> None:
    model.proofs[event.finding] = event


def _reacted(model: TrialModel, _ns: int, event: Reacted) -> None:
    model.reactions.append(event)


def _suite_planned(model: TrialModel, _ns: int, event: SuitePlanned) -> None:
    model.suite = event


def _suite_begun(model: TrialModel, ns: int, event: SuiteBegun) -> None:
    model.suite_begun = (ns, event)


def _suite_ran(model: TrialModel, _ns: int, event: SuiteRan) -> None:
    model.suite_runs.append(event.run)
    model.suite_begun = None


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


def _connected(model: TrialModel, _ns: int, event: SocketsSampled) -> None:
    model.sockets.append(event)


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


def _load_aborted(model: TrialModel, _ns: int, event: LoadAborted) -> None:
    view = model.run_at(event.load, event.at_ns)
    if view is not None:
        view.aborted = event


def _load_probed(model: TrialModel, _ns: int, event: LoadProbed) -> None:
    view = model.run_at(event.load, event.ended_ns)
    if view is not None:
        view.probes.append(event)


def _workload_started(model: TrialModel, _ns: int, event: WorkloadStarted) -> None:
    view = WorkloadView(
        name=event.workload,
        file=event.file,
        began_ns=event.at_ns,
        rate=event.rate,
        kind=event.kind,
        users=event.users,
        profile=event.profile,
        scenario=event.scenario,
        digest=event.digest,
    )
    model.workloads[view.name] = view
    model.runs.append(view)


def _measured(model: TrialModel, _ns: int, event: WorkloadMeasured) -> None:
    model.measured.append(event)
    view = model.run_at(event.workload, event.to_ns)
    if view is not None and event.scenario not in view.seen_in:
        view.seen_in.append(event.scenario)


def _sealed(model: TrialModel, _ns: int, event: ColumnSealed) -> None:
    # A run has its file for itself, and may be sealed when the next one has begun.
    view = next((r for r in model.runs_of(event.workload) if r.file == event.file), None)
    if view is not None:
        view.rows, view.sha256, view.valid, view.note = event.rows, event.sha256, event.valid, event.note


def _judged(model: TrialModel, _ns: int, event: FindingJudged) -> None:
    model.findings[event.finding.id] = event.finding


def _instance(model: TrialModel, _ns: int, event: InstanceChanged) -> None:
    model.instances.append(event)


def _role(model: TrialModel, ns: int, event: RoleChanged) -> None:
    model.roles.append((ns, event))


def _fingerprinted(model: TrialModel, _ns: int, event: Fingerprinted) -> None:
    model.tested = event


def _identified(model: TrialModel, _ns: int, event: PartsIdentified) -> None:
    model.parts = event


def _noted(model: TrialModel, ns: int, event: Noted) -> None:
    model.notes.append((ns, event))


def _ended(model: TrialModel, _ns: int, event: TrialEnded) -> None:
    model.ended = event


_TAKERS: Mapping[type, Any] = {
    TrialStarted: _trial_started,
    PhaseChanged: _phase,
    Reacted: _reacted,
    CheckProven: _proved,
    SuitePlanned: _suite_planned,
    SuiteBegun: _suite_begun,
    SuiteRan: _suite_ran,
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
    LoadAborted: _load_aborted,
    LoadProbed: _load_probed,
    UsageSampled: _used,
    SocketsSampled: _connected,
    WorkloadMeasured: _measured,
    ColumnSealed: _sealed,
    FindingJudged: _judged,
    InstanceChanged: _instance,
    RoleChanged: _role,
    Fingerprinted: _fingerprinted,
    PartsIdentified: _identified,
    Noted: _noted,
    **SWEEPS,
    TrialEnded: _ended,
}
