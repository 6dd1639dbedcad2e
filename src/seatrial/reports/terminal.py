"""The terminal: live while a trial runs, and the verdict with its tables after. The same words as the HTML report."""

from __future__ import annotations

import contextlib
import time
from pathlib import Path

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.table import Table
from rich.text import Text

from ..core.events import (
    Entry,
    FaultWitnessed,
    FindingJudged,
    LoadAborted,
    LoadProbed,
    Noted,
    PhaseChanged,
    ScenarioEnded,
    StackProgress,
    StepEnded,
    SuiteBegun,
    SuiteRan,
)
from ..core.quantities import format_duration
from ..core.results import Finding
from ..core.verdicts import Verdict
from .loads import probe_line, probe_word, shown
from .model import TrialModel
from .tail import Tail
from .views import ScenarioView, WorkloadView
from .words import mark, moment, style, took

EVERY_S = 0.1
_VERDICT = 14  # "? INCONCLUSIVE"


class Follower:
    """Shows a trial as it goes: a calm live view on a terminal, plain lines elsewhere."""

    def __init__(self, directory: Path, console: Console) -> None:
        self.model = TrialModel()
        self._tail = Tail(directory)
        self._console = console
        self._live = Live(console=console, refresh_per_second=8, transient=True) if console.is_terminal else None
        if self._live is not None:
            self._live.start()

    def look(self) -> None:
        """Take in what is new and show it. When nobody reads any more (`| head`) the trial goes on all the same."""
        with contextlib.suppress(SystemExit):  # rich's way; its console is quiet from then on
            self._look()

    def _look(self) -> None:
        for entry in self._tail.fresh():
            self.model.feed([entry])
            line = news(self.model, entry)
            if line is not None:
                (self._live.console if self._live else self._console).print(
                    line, highlight=False, soft_wrap=self._live is None
                )
        if self._live is not None:
            self._live.update(now(self.model))

    def close(self) -> None:
        """End the live view."""
        self.look()
        if self._live is not None:
            self._live.update(Text(""))
            self._live.stop()
            self._live = None


def news(model: TrialModel, entry: Entry) -> Text | None:
    """What is worth a line that stays: phases, ended scenarios, faults seen, red findings, warnings."""
    event, at = entry.event, f"{moment(model.since(entry.ns)):>9}  "
    match event:
        case PhaseChanged(phase=phase):
            words = {"starting": "starting the stack", "steady": "waiting for the steady state", "ending": "ending"}
            return Text(at + words[phase], style="dim") if phase in words else None
        case StackProgress(state="ready") if "#" not in event.subject:
            return Text(at).append(f"{event.subject} ready", style="dim")
        case ScenarioEnded(verdict=verdict):
            view = model.scenarios.get(event.scenario)
            title = view.title if view else event.scenario
            line = Text(at).append(f"{mark(verdict)} {verdict:<12} ", style=style(verdict)).append(title)
            return line.append(f"  {took(event.took_ns)}", style="dim")
        case FaultWitnessed(acted=True):
            return Text(at).append("fault seen  ", style="magenta").append(event.detail)
        case FindingJudged(finding=finding) if finding.verdict is not Verdict.PASS:
            line = Text(at).append(f"{mark(finding.verdict)} {finding.id}  ", style=style(finding.verdict))
            return line.append(finding.reason or finding.measured)
        case SuiteRan(run=run):
            ok = run.quiet or (run.name in _windows(model) and run.ended and not run.trouble)
            line = Text(at).append(f"{run.name}  ", style="cyan").append(str(run), style="" if ok else "yellow")
            return line.append(f"  {took(run.took_ns)}{_left(model, run.name)}", style="dim")
        case LoadAborted():
            return Text(at).append(f"load {event.load} {event.reason}", style=style("FAIL"))
        case LoadProbed():
            p95, errors = (shown(event.figures.get(n)) for n in ("p95", "errors"))
            tried = probe_line(event.rate, event.outcome, p95, errors, event.reason)
            return Text(at).append(f"{event.load} {tried}", style=style(probe_word(event.outcome)))
        case Noted(level="warning" | "error"):
            return Text(at).append(
                f"{event.level}: {event.message}", style="yellow" if event.level == "warning" else "red"
            )
        case StepEnded(scenario="steady", verdict="PASS") if event.took_ns > 2_000_000_000:
            return Text(at).append(f"steady state {event.step}, {took(event.took_ns)}", style="dim")
    return None


def now(model: TrialModel) -> RenderableType:
    """What runs, and what is waited for until when."""
    lines: list[RenderableType] = []
    ns = time.monotonic_ns()
    if model.phase == "starting":
        waiting = [f"{p.subject} {p.state}" for p in model.progress.values() if p.state != "ready"]
        lines.append(Text(f"  starting: {', '.join(waiting[-6:])}", style="cyan", no_wrap=True, overflow="ellipsis"))
    if model.suite_begun is not None:
        lines.append(_suite(*model.suite_begun, ns))
    running = [s for s in model.scenarios.values() if s.began_ns and not s.ended_ns]
    lines += [_running(scenario, ns) for scenario in running[:8]]
    lines += [_load(view) for view in model.workloads.values() if view.live is not None and view.rows is None]
    done = sum(s.ended_ns is not None for s in model.scenarios.values())
    counts = {v: sum(f.verdict is v for f in model.findings.values()) for v in Verdict}
    planned = len(model.started.findings) if model.started else 0
    foot = f"  {moment(model.since(ns))}  scenarios {done}/{len(model.scenarios)}  "
    foot += f"findings {len(model.findings)}/{planned}  "
    foot += "  ".join(f"{mark(v)} {n}" for v, n in counts.items())
    lines.append(Text(foot, style="dim", no_wrap=True, overflow="ellipsis"))
    return Group(*lines)


def _suite(began_ns: int, begun: SuiteBegun, ns: int) -> Text:
    text = Text("  ▸ ", style="cyan", no_wrap=True, overflow="ellipsis").append(f"the suite: {begun.run}")
    spent = f"  {took(ns - began_ns)} of at most {took(begun.deadline_ns - began_ns)}"
    return text.append(f"{spent}; {begun.left} windows to go", style="dim")


def _windows(model: TrialModel) -> tuple[str, ...]:
    return model.suite.windows if model.suite is not None else ()


def _left(model: TrialModel, run: str) -> str:
    """How many windows are to come, after one."""
    windows = _windows(model)
    return f"; {len(windows) - 1 - windows.index(run)} of {len(windows)} windows to go" if run in windows else ""


def _load(view: WorkloadView) -> Text:
    live = view.live
    text = Text("  ~ ", style="blue", no_wrap=True, overflow="ellipsis").append(view.name)
    if live is not None:
        share = live.failed / max(1, live.ok + live.failed)
        p95 = f"p95 {format_duration(live.p95_ns)}" if live.p95_ns is not None else "no answer yet"
        text.append(
            f"  {live.rate:,.0f}/s of {view.rate}  {p95}  errors {share:.2%}  {live.in_flight:,} in flight", style="dim"
        )
        if view.users:
            text.append(f"  {live.users:,} users now", style="dim")
    return text


def _running(scenario: ScenarioView, ns: int) -> Text:
    step = next((s for s in reversed(scenario.steps) if s.ended_ns is None), None)
    text = Text("  ▸ ", style="cyan", no_wrap=True, overflow="ellipsis").append(scenario.title)
    if step is not None:
        text.append(f"  {step.title}", style="dim")
        spent = took(ns - step.began_ns)
        text.append(
            f"  {spent}" + (f" of {took(step.deadline_ns - step.began_ns)}" if step.deadline_ns else ""), style="dim"
        )
    return text


def verdict(model: TrialModel, directory: Path, console: Console) -> None:
    """The verdict, what decided it, and the two tables: target / actual / verdict, and requirement / evidence."""
    word = model.outcome
    console.print()
    head = Text(f" {mark(word)} {word} ", style=f"reverse {style(word)}")
    head.append(f"  {model.ended.summary if model.ended else 'the trial has no end'}", style="not reverse bold")
    console.print(head, soft_wrap=True)
    if model.ended and model.ended.reason:
        console.print(Text(f"   {model.ended.reason}", style="yellow"), soft_wrap=True)
    for said in model.profiles():
        console.print(Text(f"   {said}"), soft_wrap=True)
    if model.started and model.started.selection:
        console.print(Text(f"   only {model.started.selection}", style="yellow"), soft_wrap=True)
    decided = [f for f in model.ranked_findings() if f.verdict is not Verdict.PASS]
    if decided:
        console.print()
        for finding in decided[:20]:
            _decisive(finding, console)
        if len(decided) > 20:
            console.print(f"   and {len(decided) - 20} more in the report", style="dim")
    console.print()
    table = targets(model, console.width)
    console.print(table)
    passed = len(model.findings) - table.row_count
    if passed > 0:
        console.print(f" and {passed} checks that passed; all of them are in the report", style="dim", highlight=False)
    console.print()
    if model.started and model.started.requirements:
        console.print(requirements(model, console.width))
    _account(model, directory, console)


def _decisive(finding: Finding, console: Console) -> None:
    word = finding.verdict.value
    line = Text(f" {mark(word)} {finding.id} ", style=style(word))
    line.append(f"{', '.join(finding.covers)}", style="dim")
    console.print(line, soft_wrap=True)
    console.print(Text(f"     {finding.reason or finding.measured}"), soft_wrap=True)
    if finding.waived:
        console.print(Text(f"     waived {finding.waived}", style="bold"), soft_wrap=True)
    for evidence in finding.evidence[:1]:
        if evidence.summary and evidence.summary not in (finding.reason, finding.measured):
            console.print(Text(f"     {evidence.summary}", style="dim"), soft_wrap=True)


def _table(title: str) -> Table:
    """As wide as the terminal: only then do the columns that flex leave those of fixed width alone."""
    return Table(
        title=title,
        title_justify="left",
        title_style="bold",
        box=None,
        pad_edge=False,
        padding=(0, 2, 0, 1),
        expand=True,
    )


def targets(model: TrialModel, width: int = 120) -> Table:
    """Target / actual / verdict: what was measured, and whatever did not pass."""
    table = _table("targets")
    table.add_column("finding", overflow="fold", ratio=3 if width >= 120 else 2, style="dim")
    table.add_column("target", overflow="fold", ratio=3)
    table.add_column("actual", overflow="fold", ratio=3)
    table.add_column("verdict", no_wrap=True, width=_VERDICT)
    rows = [f for f in model.ranked_findings() if f.verdict is not Verdict.PASS or f.interval or f.scenario == "trial"]
    for finding in rows:
        word = finding.verdict.value
        shown = Text(f"{mark(word)} {word}", style=style(word))
        table.add_row(
            Text(finding.id), Text(finding.bound or finding.claim), Text(finding.measured or finding.reason), shown
        )
    return table


def requirements(model: TrialModel, width: int = 120) -> Table:
    """Requirement / evidence."""
    table = _table("requirements")
    longest = max((len(r.id) for r in model.requirements()), default=2)
    table.add_column("id", no_wrap=True, width=longest)
    table.add_column("verdict", no_wrap=True, width=_VERDICT)
    table.add_column("requirement", overflow="ellipsis", no_wrap=True, ratio=3)
    if width >= 110:
        table.add_column("evidence", overflow="ellipsis", no_wrap=True, ratio=2, style="dim")
    for view in model.requirements():
        status = view.status
        row = [Text(view.id), Text(f"{mark(status)} {status}", style=style(status)), Text(view.text)]
        table.add_row(*row, *([Text(", ".join(view.findings) or view.open_reason)] if width >= 110 else []))
    return table


def _account(model: TrialModel, directory: Path, console: Console) -> None:
    if model.ended is not None:
        sums = model.ended.accounting
        waived = f", {sums.waived} waived" if sums.waived else ""
        share = f"{sums.passed / sums.planned:.1%}" if sums.planned else "no findings"
        console.print(
            f"{sums.planned} findings planned = {sums.passed} pass + {sums.failed} fail + {sums.inconclusive} inconclusive "
            f"({sums.not_exercised} not exercised{waived}); success rate {share}; {took(model.ended.took_ns)}",
            highlight=False,
            soft_wrap=True,
        )
    here = Path.cwd()
    shown = directory.relative_to(here) if directory.is_relative_to(here) else directory
    console.print(
        f"report: {shown / 'report.html'}   records and logs: {shown}", highlight=False, soft_wrap=True, style="dim"
    )
