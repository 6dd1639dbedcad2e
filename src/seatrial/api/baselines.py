"""What a load is compared with: samples that were kept in a file, or those of the last good trial."""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..arrivals import samples
from ..core.errors import UsageError
from ..core.events import JOURNAL, TrialEnded, TrialStarted, decode, read_journal
from ..core.files import SPEC
from ..core.load_plans import LoadPlan
from ..core.results import Finding
from ..core.verdicts import Outcome, Severity, Verdict
from ..core.workloads import LoadRun
from ..engine.asking import asked
from ..reports.model import TrialModel
from ..reports.views import WorkloadView
from ..spec.judging import LAST_GOOD
from .directories import STACK, find_trial

if TYPE_CHECKING:
    from rich.console import Console

NO_EARLIER = "no earlier GO trial"
_TAIL_BYTES = 1 << 16
_FIRST_ENTRIES = 20


@dataclass(frozen=True, kw_only=True, eq=False)
class Baseline:
    """Samples of a load as it was before. `name` for people; `why` there are none."""

    name: str
    start_ns: int = 0
    rows: Any = None
    why: str = ""


def baseline_of(plan: LoadPlan, run: LoadRun, trial: Path) -> Baseline:
    """What a run of a load of a trial is compared with."""
    if plan.baseline == LAST_GOOD:
        return last_good(plan, run, trial)
    path = plan.directory / plan.baseline
    try:
        start, rows = samples.read(path)
    except FileNotFoundError:
        keep = f"seatrial baseline keep TRIAL --load {plan.name} --to {plan.baseline}"
        return Baseline(name=plan.baseline, why=f"there is no file {plan.baseline}: {keep}")
    except (OSError, ValueError) as error:
        return Baseline(name=plan.baseline, why=f"{plan.baseline} cannot be read: {error}")
    return Baseline(name=plan.baseline, start_ns=start, rows=rows)


def last_good(plan: LoadPlan, run: LoadRun, trial: Path) -> Baseline:
    """The newest finished trial of the spec at the same path, without a variant, that was GO and sent the same in the same scenario.

    A trial that was INCONCLUSIVE only for want of one before it counts as well: it is the first of its line.
    """
    spec = _spec_of(trial)
    others = ""
    for directory in sorted(trial.parent.glob("*"), reverse=True):
        if directory == trial or not spec or _spec_of(directory) != spec or not _may_be_good(directory):
            continue
        model = TrialModel.read(directory)
        if not model.is_load(plan.name) or not is_good(model):
            continue
        view = model.run_in(plan.name, run.scenario)
        unlike = _unlike(view, plan, run)
        if view is None or unlike:
            others = others or f", and {directory.name} {unlike}"
            continue
        if not view.valid:
            continue
        try:
            start, rows = samples.read(directory / view.file)
        except (OSError, ValueError):
            continue
        return Baseline(name=directory.name, start_ns=start, rows=rows)
    return Baseline(name=LAST_GOOD, why=f"{NO_EARLIER} of this spec has samples of {plan.name}{others}")


def _unlike(view: WorkloadView | None, plan: LoadPlan, run: LoadRun) -> str:
    """Why a run of an earlier trial is none of the same load; empty where it is one."""
    if view is None:
        return f"did not send it in {run.scenario}"
    if view.rate != asked(plan):
        return f"sent {view.rate}, not {asked(plan)}"
    if not run.digest or view.digest != run.digest:
        return "did not send the same: its requests, values, files, users' tasks, protocol or times were others"
    return ""


def is_good(model: TrialModel) -> bool:
    """Whether a trial was GO, or nothing was missing for that but a trial to compare it with."""
    if model.outcome == Outcome.GO.value:
        return True
    blocking = [f for f in model.findings.values() if f.severity is Severity.BLOCKING and f.verdict is not Verdict.PASS]
    return model.outcome == Outcome.INCONCLUSIVE.value and all(_is_first(f) for f in blocking)


def _is_first(finding: Finding) -> bool:
    return finding.verdict is Verdict.INCONCLUSIVE and finding.exercised and NO_EARLIER in finding.reason


def _spec_of(directory: Path) -> str:
    """What a trial was of: the spec, and the stack that was used in place of its own."""
    found = ""
    for name in (SPEC, STACK):
        with contextlib.suppress(OSError):
            found += (directory / name).read_text(encoding="utf-8")
    return found


def _may_be_good(directory: Path) -> bool:
    """By its first and last entries: most journals need not be read."""
    try:
        ended = _last(directory / JOURNAL)
        started = next(_started(directory), None)
    except OSError:
        return False
    good = ended is not None and ended.outcome in (Outcome.GO.value, Outcome.INCONCLUSIVE.value)
    return good and started is not None and not started.variant


def _started(directory: Path) -> Iterator[TrialStarted]:
    for number, entry in enumerate(read_journal(directory)):
        if isinstance(entry.event, TrialStarted):
            yield entry.event
        if number >= _FIRST_ENTRIES:
            return


def _last(path: Path) -> TrialEnded | None:
    with path.open("rb") as file:
        file.seek(max(0, file.seek(0, 2) - _TAIL_BYTES))
        lines = file.read().decode("utf-8", "replace").splitlines()
    entry = decode(lines[-1]) if lines else None
    return entry.event if entry is not None and isinstance(entry.event, TrialEnded) else None


def keep_baseline(
    trial: str | None, load: str | None, scenario: str | None, to: Path, root: Path | None, console: Console
) -> int:
    """Keep the samples of a load's run as a file. Raises UsageError for one that is not there, is not whole, or searched."""
    directory = find_trial(None if trial == "latest" else trial, root)
    model = TrialModel.read(directory)
    view = _chosen(model, load, scenario, directory.name)
    label = model.label(view)
    if view.searched:
        raise UsageError.simple(f"{label} looked for its capacity: samples of many rates are no baseline")
    if not view.valid:
        raise UsageError.simple(f"the samples of {label} in {directory.name} are not whole: {view.note or 'unsealed'}")
    try:
        whole = samples.seal(directory / view.file) == (view.rows, view.sha256)
        if whole:
            to.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(directory / view.file, to)
    except OSError as error:
        raise UsageError.simple(f"{label} cannot be kept as {to}: {error}", "--to names a file") from None
    if not whole:
        raise UsageError.simple(f"{directory / view.file} is not what was sealed: somebody changed it")
    console.print(f"{label} of {directory.name} ({model.outcome}, {view.rate}) is in {to}", highlight=False)
    runs = model.runs_of(view.name)
    if len(runs) > 1 and scenario is None:
        began = ", ".join(dict.fromkeys(r.scenario for r in runs))
        console.print(f"  the last of {len(runs)} runs; --scenario chooses: {began}", highlight=False)
    console.print(f"  baseline: {to}   in the load; the path is relative to the spec", style="dim", highlight=False)
    return 0


def _chosen(model: TrialModel, load: str | None, scenario: str | None, trial: str) -> WorkloadView:
    """The last run of a load, or the one of a scenario."""
    loads = {v.name: v for v in model.workloads.values() if v.kind == "load"}
    names = ", ".join(loads) or "none"
    if load is None and len(loads) != 1:
        raise UsageError.simple(f"{trial} has {len(loads)} loads", f"--load NAME; loads: {names}")
    view = loads.get(load) if load is not None else next(iter(loads.values()))
    if view is None:
        raise UsageError.simple(f"{trial} has no load {load}", f"loads: {names}")
    if scenario is None:
        return view
    run = model.run_in(view.name, scenario)
    if run is None:
        known = ", ".join(dict.fromkeys(r.scenario for r in model.runs_of(view.name)))
        raise UsageError.simple(f"{view.name} did not run in {scenario} of {trial}", f"it ran in: {known}")
    return run
