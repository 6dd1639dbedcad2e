"""Two trials side by side: verdicts that changed, measured values that are apart, loads that are slower or not."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..core.events import plain
from ..core.quantities import Dimension, format_duration, format_quantity
from ..core.results import Finding
from ..core.verdicts import Verdict
from ..reports.model import TrialModel
from ..reports.views import WorkloadView
from ..reports.words import mark, style

if TYPE_CHECKING:
    from rich.console import Console

    from ..checkers.comparing import Change, Comparison


Pairs = Mapping[str, tuple[WorkloadView | None, WorkloadView | None]]


@dataclass(frozen=True, kw_only=True)
class CapacityChange:
    """Capacities that two searches found, in words; `why` they cannot be compared."""

    before: str
    after: str
    word: str
    why: str = ""


@dataclass(frozen=True, kw_only=True)
class Differences:
    """What two trials differ in."""

    verdicts: tuple[tuple[Finding, Finding], ...]
    measured: tuple[tuple[Finding, Finding], ...]
    loads: dict[str, Any]  # Comparison by load, or by load and scenario where it ran in several
    capacities: dict[str, CapacityChange]

    @property
    def worse(self) -> bool:
        """Whether anything got worse beyond doubt."""
        order = [Verdict.PASS, Verdict.INCONCLUSIVE, Verdict.FAIL]
        fell = any(order.index(b.verdict) > order.index(a.verdict) for a, b in self.verdicts)
        slower = any(change.word == "worse" for c in self.loads.values() for change in c.changes)
        return fell or slower or any(c.word == "worse" for c in self.capacities.values())


def show_comparison(first: Path, second: Path, console: Console, *, as_json: bool = False) -> int:
    """Print it; exit status 1 when the second is worse, 0 otherwise."""
    a, b = TrialModel.read(first), TrialModel.read(second)
    found = compare_trials(a, first, b, second)
    if as_json:
        shown = {
            "worse": found.worse,
            "verdicts": [{"id": x.id, "before": x.verdict.value, "after": y.verdict.value} for x, y in found.verdicts],
            "measured": [{"id": x.id, "before": x.measured, "after": y.measured} for x, y in found.measured],
            "loads": plain(found.loads),
            "capacities": plain(found.capacities),
        }
        console.print_json(json.dumps(shown))
        return int(found.worse)
    console.print(f"{first.name}  {a.outcome}\n{second.name}  {b.outcome}", highlight=False)
    for title, pairs in (("verdicts", found.verdicts), ("measured values that are apart", found.measured)):
        if pairs:
            console.print(f"\n{title}", style="bold")
        for x, y in pairs:
            _pair(x, y, console)
    for name, comparison in found.loads.items():
        _load(name, comparison, console)
    for name, capacity in found.capacities.items():
        _capacity(name, capacity, console)
    if not (found.verdicts or found.measured or found.loads or found.capacities):
        console.print("nothing differs")
    return int(found.worse)


def compare_trials(a: TrialModel, first: Path, b: TrialModel, second: Path) -> Differences:
    """What differs."""
    both = [(a.findings[i], b.findings[i]) for i in a.findings if i in b.findings]
    apart = [p for p in both if _apart(p[0].interval, p[1].interval)]
    pairs = _pairs(a, b)
    searches = {n: _capacities(a, x, b, y) for n, (x, y) in pairs.items() if x and y and (x.searched or y.searched)}
    return Differences(
        verdicts=tuple(p for p in both if p[0].verdict is not p[1].verdict),
        measured=tuple(p for p in apart if p[0].verdict is p[1].verdict),
        loads=_loads({n: p for n, p in pairs.items() if n not in searches}, first, second),
        capacities=searches,
    )


def _apart(before: Sequence[float] | None, after: Sequence[float] | None) -> bool:
    """Whether two measured intervals do not overlap."""
    return before is not None and after is not None and (before[1] < after[0] or after[1] < before[0])


def _pairs(a: TrialModel, b: TrialModel) -> Pairs:
    """Runs of the same load in the same scenario, by their label; None where the other trial has none."""
    pairs: dict[str, tuple[WorkloadView | None, WorkloadView | None]] = {}
    for name in (n for n in a.workloads if a.is_load(n) and b.is_load(n)):
        before, after = a.runs_of(name), b.runs_of(name)
        alone = len(before) == len(after) == 1
        for run in before:
            pairs[name if alone else f"{name} in {run.scenario}"] = run, b.run_in(name, run.scenario)
        for run in after:
            if a.run_in(name, run.scenario) is None and not alone:
                pairs[f"{name} in {run.scenario}"] = None, run
    return pairs


def _loads(pairs: Pairs, first: Path, second: Path) -> dict[str, Comparison]:
    if not pairs:
        return {}
    from ..arrivals.samples import read
    from ..checkers.comparing import Comparison, compare_loads
    from ..checkers.loads import LoadSamples

    found = {}
    for label, runs in pairs.items():
        try:
            seen = [read(d / r.file) for d, r in zip((first, second), runs, strict=True) if r is not None]
        except (OSError, ValueError) as error:
            found[label] = Comparison(changes=(), slower=0.5, why=f"its samples cannot be read: {error}")
            continue
        if len(seen) < len(runs):
            there = "second" if runs[1] is None else "first"
            found[label] = Comparison(changes=(), slower=0.5, why=f"the {there} trial did not send it in this scenario")
            continue
        found[label] = compare_loads(*(LoadSamples(start_ns=start, rows=rows, tags=()) for start, rows in seen))
    return found


def _capacities(a: TrialModel, x: WorkloadView, b: TrialModel, y: WorkloadView) -> CapacityChange:
    """Intervals that are apart are better or worse; samples of many rates say nothing: who is faster is tried at higher ones."""
    if not (x.searched and y.searched):
        return CapacityChange(before="", after="", word="cannot be told", why="it searched in one of the trials alone")
    before, after = (_capacity_of(model, run) for model, run in ((a, x), (b, y)))
    why = next((str(c["missing"]) for c in (before, after) if "missing" in c), "")
    words = {"before": before.get("text", "unknown"), "after": after.get("text", "unknown")}
    if why:
        return CapacityChange(**words, word="cannot be told", why=why)
    if float(after["low"]) > float(before["high"]):
        return CapacityChange(**words, word="better")
    return CapacityChange(**words, word="worse" if float(after["high"]) < float(before["low"]) else "cannot be told")


def _capacity_of(model: TrialModel, run: WorkloadView) -> Mapping[str, Any]:
    measured = model.measured_last(run)
    capacity = measured.metrics.get("capacity") if measured is not None else None
    return capacity if isinstance(capacity, Mapping) else {"missing": "no expectation asked for its figures"}


def _pair(before: Finding, after: Finding, console: Console) -> None:
    console.print(f" {after.id}", highlight=False)
    for finding in (before, after):
        word = finding.verdict.value
        console.print(
            f"   {mark(word)} {word:<13} {finding.measured or finding.reason}", style=style(word), highlight=False
        )


def _load(name: str, comparison: Comparison, console: Console) -> None:
    from rich.table import Table

    console.print(f"\nload {name}", style="bold", highlight=False)
    if comparison.why:
        console.print(f"   not compared: {comparison.why}", style=style("INCONCLUSIVE"), highlight=False)
        return
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 1))
    for column in ("", "before", "after", "change", "95 % interval", ""):
        table.add_column(column, no_wrap=True)
    for change in comparison.changes:
        table.add_row(*_cells(change), style=style({"worse": "FAIL", "better": "PASS"}.get(change.word, "")))
    console.print(table)
    console.print(
        f"   a request of the second was slower than one of the first with a chance of {comparison.slower:.0%}",
        style="dim",
        highlight=False,
    )


def _capacity(name: str, found: CapacityChange, console: Console) -> None:
    console.print(f"\nload {name}", style="bold", highlight=False)
    if found.why:
        console.print(f"   capacity not compared: {found.why}", style=style("INCONCLUSIVE"), highlight=False)
        return
    said = style({"worse": "FAIL", "better": "PASS"}.get(found.word, ""))
    console.print(f"   capacity {found.before} before, {found.after} after: {found.word}", style=said, highlight=False)


def _cells(change: Change) -> tuple[str, ...]:
    if change.name == "errors":
        before, after = (format_quantity(v, Dimension.RATIO) for v in (change.before, change.after))
        difference = change.after - change.before
        return change.name, before, after, f"{difference:+.2%}", f"{change.low:+.2%} to {change.high:+.2%}", change.word
    before, after = (format_duration(v * 1e9) for v in (change.before, change.after))
    ratio = change.after / change.before - 1 if change.before else 0.0
    return change.name, before, after, f"{ratio:+.1%}", f"{change.low - 1:+.1%} to {change.high - 1:+.1%}", change.word
