"""The highest rate that a URL can take, without a spec: each probe as it ends, and the interval at the end."""

from __future__ import annotations

import asyncio
import json
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..core.clusters import Cluster
from ..core.errors import UsageError
from ..core.events import plain
from ..core.expressions import Missing
from ..core.load_plans import LoadPlan, SearchPlan
from ..core.quantities import Dimension
from ..core.verdicts import Verdict, combine, from_truth, outcome
from ..core.workloads import Figures, Probed, RenderedRequest, Window
from ..reports.loads import probe_line, probe_word
from ..reports.words import mark, style
from .loads import start_generators
from .quickload import QuickLoad, condition, plan_of, print_judged, quantity_of, until_ended
from .running import run_interruptible
from .searching import SearchingLoad

if TYPE_CHECKING:
    from rich.console import Console

_LOOK_S = 0.2


@dataclass(frozen=True, kw_only=True)
class QuickSearch:
    """What was typed; quantities as text. The load's own rate, users and duration do not count."""

    load: QuickLoad
    conditions: tuple[str, ...]
    lowest: str = "10/s"
    highest: str = "100000/s"
    each: str = "5s"
    resolution: str = "5%"


def quick_search(given: QuickSearch, console: Console, *, as_json: bool = False) -> int:
    """Search; exit status 0 when every expectation holds (or there is none), 1 when one does not, 2 when it cannot be told.

    Raises UsageError for what cannot be meant.
    """
    plan, request = searching_plan(given)
    expected = [condition("--expect", text, ("search",)) for text in given.load.expect]
    with tempfile.TemporaryDirectory(prefix="seatrial-load-") as directory:
        figures, probes = run_interruptible(_run(plan, request, Path(directory), console, given.load.on, quiet=as_json))
    capacity, ends = figures.metrics["capacity"], str(figures.detail["search"]["ends"])
    judged = [(c, c.evaluate(figures.metrics)) for c in expected]
    known = Verdict.INCONCLUSIVE if isinstance(capacity, Missing) else Verdict.PASS
    verdict = combine([known, *(from_truth(j.truth) for _, j in judged)])
    if as_json:
        shown = {
            "capacity": {"missing": capacity.reason} if isinstance(capacity, Missing) else plain(capacity),
            "ends": ends,
            "probes": [{"rate": p.rate, "outcome": p.outcome, "reason": p.reason} for p in probes],
            "expectations": [{"expect": c.source, "verdict": from_truth(j.truth).value} for c, j in judged],
        }
        console.print_json(json.dumps(shown))
        return outcome(verdict).exit_status
    word = "unknown" if isinstance(capacity, Missing) else str(capacity)
    console.print(f"capacity {word}: {ends}", style="bold", highlight=False)
    print_judged(judged, console)
    return outcome(verdict).exit_status


def searching_plan(given: QuickSearch) -> tuple[LoadPlan, RenderedRequest]:
    """The search that was typed, and its request. Raises UsageError."""
    if given.load.rate is not None or given.load.users is not None:
        raise UsageError.simple(
            "--capacity looks for the rate itself", "--from and --to say where; not --rate, --users"
        )
    if not given.conditions:
        raise UsageError.simple("--capacity needs a condition that holds up to it", "--while 'p95 < 200ms'")
    lowest, highest = (
        quantity_of(option, text, Dimension.RATE).value
        for option, text in (("--from", given.lowest), ("--to", given.highest))
    )
    each = quantity_of("--for", given.each, Dimension.DURATION).value
    resolution = quantity_of("--resolution", given.resolution, Dimension.RATIO).value
    if not 0 < lowest < highest or each <= 0 or resolution <= 0:
        raise UsageError.simple(
            "a search of nothing", "--from is less than --to, --for and --resolution are more than 0"
        )
    plan, request = plan_of(given.load)
    search = SearchPlan(
        lowest=lowest,
        highest=highest,
        conditions=tuple(condition("--while", text) for text in given.conditions),
        for_ns=int(each),
        resolution=resolution,
    )
    return replace(plan, arrivals={}, for_ns=None, search=search), request


async def _run(
    plan: LoadPlan, request: RenderedRequest, directory: Path, console: Console, cluster: Cluster, *, quiet: bool
) -> tuple[Figures, tuple[Probed, ...]]:
    """Until the capacity is known, or until it is interrupted."""
    if plan.search is None:
        raise UsageError.simple("nothing to search for")
    file = directory / f"{plan.name}.load"
    start = partial(start_generators, cluster=cluster, adopt=None)
    load = SearchingLoad(plan, plan.search, [request], file, start)
    await until_ended(load, _watch(load, console, quiet=quiet))
    figures = load.figures(Window(from_ns=0, to_ns=time.monotonic_ns()), (), None, None)
    return figures, tuple(load.probes)


async def _watch(load: SearchingLoad, console: Console, *, quiet: bool) -> None:
    """A line for each probe."""
    told = 0
    try:
        while True:
            told = _tell(load, told, console, quiet=quiet)
            await asyncio.sleep(_LOOK_S)
    finally:
        _tell(load, told, console, quiet=quiet)


def _tell(load: SearchingLoad, told: int, console: Console, *, quiet: bool) -> int:
    for probe in load.probes[told:] if not quiet else ():
        word = probe_word(probe.outcome)
        p95, errors = (_text(probe.metrics, n) for n in ("p95", "errors"))
        line = probe_line(probe.rate, probe.outcome, p95, errors, probe.reason)
        console.print(f"{mark(word)} {line}", style=style(word), highlight=False)
    return len(load.probes)


def _text(metrics: Mapping[str, Any], name: str) -> str:
    value = metrics[name]
    return "unknown" if isinstance(value, Missing) else str(value)
