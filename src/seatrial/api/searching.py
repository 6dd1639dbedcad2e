"""A load that looks for the highest rate at which conditions hold: one probe after the other, generators of its own for each."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from ..arrivals import samples
from ..checkers.capacity import BROKE, GENERATOR, HELD, UNTOLD, Search
from ..core.expressions import Missing
from ..core.load_plans import PROBE_WARM_UP_NS, LoadPlan, SearchPlan
from ..core.workloads import (
    FaultSpan,
    Figures,
    LiveFigures,
    Probed,
    ReadBackValue,
    RenderedRequest,
    Sealed,
    Window,
)
from ..load.process import LoadProcess
from .loads import RunningLoad, configuration


class SearchingLoad:
    """core.workloads.Load and Searches. It begins to search at once; its figures are those at the highest rate that held.

    `file`: for the samples of all probes; `start`: starts the generators of a probe by its plan and their configuration.
    """

    def __init__(
        self,
        plan: LoadPlan,
        search: SearchPlan,
        requests: Sequence[RenderedRequest],
        file: Path,
        start: Callable[[LoadPlan, Mapping[str, Any]], Awaitable[LoadProcess]],
    ) -> None:
        self._plan, self._what, self._requests, self._start = plan, search, requests, start
        self.file = file
        self._search = Search(search.lowest, search.highest, search.resolution)
        self._probes: list[Probed] = []
        self._figures: dict[float, Figures] = {}
        self._parts: list[tuple[Path, list[str]]] = []
        self._current: RunningLoad | None = None
        self._sealed: Sealed | None = None
        self._task = asyncio.create_task(self._run())

    @property
    def probes(self) -> Sequence[Probed]:
        """Those that have ended."""
        return tuple(self._probes)

    async def _run(self) -> None:
        while (rate := self._search.rate) is not None:
            probe = await self._probe(rate)
            self._search.tell(probe.outcome)
            self._probes.append(probe)

    async def _probe(self, rate: float) -> Probed:
        """Send at a rate, and judge what came of it."""
        warm_up = self._plan.warm_up_ns or PROBE_WARM_UP_NS  # what the probe before left behind is served meanwhile
        plan = replace(
            self._plan,
            search=None,
            arrivals={"constant": rate},
            warm_up_ns=warm_up,
            for_ns=warm_up + self._what.for_ns,
        )
        file = self.file.parent / f"{plan.name}.probe-{len(self._probes) + 1:02}.load"
        began = time.monotonic_ns()
        process = await self._start(plan, configuration(plan, self._requests, file))
        load = self._current = RunningLoad(plan, process)
        try:
            await load.ended()
        finally:
            await load.stop()
            self._parts.append((file, list(process.tags)))
        now = time.monotonic_ns()
        figures = await asyncio.to_thread(load.figures, Window(from_ns=0, to_ns=now), (), None, None)
        outcome, reason = self._judge(figures)
        if outcome == HELD:
            self._figures[rate] = figures
        return Probed(rate=rate, outcome=outcome, reason=reason, began_ns=began, ended_ns=now, metrics=figures.metrics)

    def _judge(self, figures: Figures) -> tuple[str, str]:
        invalid = str(figures.detail["invalid"])
        if invalid:
            return GENERATOR, invalid
        if not figures.metrics["ok"] and figures.metrics["failed"]:
            return BROKE, "nothing was answered"
        judged = [(c, c.evaluate(figures.metrics)) for c in self._what.conditions]
        for truth, outcome in ((False, BROKE), (None, UNTOLD)):
            reasons = [j.reason for _, j in judged if j.truth is truth]
            if reasons:
                return outcome, "; ".join(reasons)
        return HELD, ""

    def live(self) -> LiveFigures:
        """Where the present probe stands."""
        if self._current is None:
            return LiveFigures(sent=0, ok=0, failed=0, unknown=0, rate=0.0)
        return self._current.live()

    def lately(self) -> Mapping[str, object]:
        """Nothing: no condition stops a search."""
        return {}

    def figures(
        self, window: Window, faults: Sequence[FaultSpan], initial: ReadBackValue | None, final: ReadBackValue | None
    ) -> Figures:
        """The capacity, with the figures at the highest rate that held, whatever the window."""
        ended = self._task.done() and not self._task.cancelled() and self._task.exception() is None
        capacity = self._search.capacity if ended else Missing("the search did not come to its end")
        best = self._figures.get(self._search.low)
        metrics = dict(best.metrics) if best is not None else self._nothing()
        detail = dict(best.detail) if best is not None else {"errors": {}, "invalid": ""}
        detail["search"] = {
            "ends": self._search.ends if ended else "the search did not come to its end",
            "conditions": [c.source for c in self._what.conditions],
            "probes": len(self._probes),
        }
        return Figures(metrics={**metrics, "capacity": capacity}, detail=detail)

    def _nothing(self) -> dict[str, object]:
        """No rate held: there are no figures at one that did."""
        last = self._probes[-1].metrics if self._probes else {}
        return _missing(last, Missing("the conditions held at no rate"))

    async def ended(self) -> None:
        """Returns when the capacity is known, or cannot be. Raises SeatrialError when a generator could not be started."""
        await asyncio.shield(self._task)

    async def stop(self) -> Sealed:
        """End the search where it is, join what its probes measured, and seal."""
        if self._sealed is not None:
            return self._sealed
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)
        if self._current is not None:
            await self._current.stop()
        await asyncio.to_thread(self._join)
        rows, digest = await asyncio.to_thread(samples.seal, self.file)
        self._sealed = Sealed(file=self.file, rows=rows, sha256=digest, valid=True)
        return self._sealed

    def _join(self) -> None:
        if self._parts:
            samples.join([file for file, _ in self._parts], self.file, [tags for _, tags in self._parts])
        else:
            samples.SampleWriter(self.file, time.monotonic_ns()).close()


def _missing(metrics: Mapping[str, object], missing: Missing) -> dict[str, object]:
    return {n: _missing(v, missing) if isinstance(v, Mapping) else missing for n, v in metrics.items()}
