"""Workloads for the engine: worker processes, and the checkers that judge their records."""

from __future__ import annotations

import asyncio
import zlib
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

from ..arrivals.records import OK, UNKNOWN, read
from ..arrivals.schedules import highest_rate
from ..checkers.figures import figures
from ..checkers.history import History
from ..checkers.models import SetJudgement, judge_counter, judge_set, keys_of, number_of, sentences
from ..core.clusters import HERE, Cluster
from ..core.expressions import Missing
from ..core.load_plans import LoadPlan
from ..core.plan import WorkloadPlan
from ..core.workloads import (
    Adopt,
    FaultSpan,
    Figures,
    LiveFigures,
    LoadRun,
    ReadBackValue,
    RenderedRequest,
    Sealed,
    Window,
)
from ..workloads.clients import FINDING_NS
from ..workloads.process import WorkloadProcess
from .baselines import baseline_of
from .loads import RunningLoad, configuration, describe_schedule, start_generators
from .searching import SearchingLoad
from .tools import start as start_tool

_SECOND = 1_000_000_000


class Maker:
    """core.workloads.WorkloadMaker. `on`: where loads are sent from, whatever their plans say."""

    def __init__(self, on: Cluster = HERE) -> None:
        self._on = on

    async def start(
        self,
        plan: WorkloadPlan,
        request: RenderedRequest,
        directory: Path,
        prefix: str,
        adopt: Adopt,
    ) -> RunningWorkload:
        """Start the worker of a workload."""
        schedule = describe_schedule(plan.arrivals)
        config = {
            "name": plan.name,
            "file": str(directory / f"{plan.name}.ops"),
            "verb": request.verb,
            "urls": list(request.urls),
            "what": request.what,
            "arguments": dict(request.arguments),
            "parameters": dict(request.parameters),
            "method": request.method,
            "path": request.path,
            "headers": dict(request.headers),
            "json": request.json,
            "body": request.body,
            "verify": _verify(plan, request),
            "schedule": schedule,
            "seed": zlib.crc32(prefix.encode()),
            "timeout_ns": plan.timeout_ns,
            "in_flight": plan.in_flight,
            "retries": plan.retries,
            "resend": plan.resend,
            "accept": list(plan.accept),
            "prefix": prefix,
            "answers": plan.answers,
        }
        return RunningWorkload(plan, await WorkloadProcess.start(config, adopt), prefix, highest_rate(schedule))

    async def start_load(
        self,
        plan: LoadPlan,
        requests: Sequence[RenderedRequest],
        directory: Path,
        adopt: Adopt,
        run: LoadRun | None = None,
    ) -> RunningLoad | SearchingLoad:
        """Start the generators of a load, or the search for the rate that can be kept."""
        run = run or LoadRun()
        file = directory / "samples" / ("" if run.number == 1 else str(run.number)) / f"{plan.name}.load"
        if plan.search is not None:
            return SearchingLoad(
                plan, plan.search, requests, file, partial(start_generators, cluster=self._on, adopt=adopt)
            )
        baseline = await asyncio.to_thread(baseline_of, plan, run, directory) if plan.baseline else None
        if plan.tool is not None:
            return await start_tool(plan, plan.tool, requests[0], file, adopt)
        process = await start_generators(plan, configuration(plan, requests, file), self._on, adopt)
        return RunningLoad(plan, process, baseline)


def _verify(plan: WorkloadPlan, request: RenderedRequest) -> bool | str:
    """As it is given, else by the service's own authority where it has one."""
    given = plan.call.arguments.get("verify")
    return given if isinstance(given, bool | str) else request.parameters.get("ca") or True


class RunningWorkload:
    """core.workloads.Workload. What is lost is reported once: to the first scenario that reads it back, and to the trial."""

    def __init__(self, plan: WorkloadPlan, process: WorkloadProcess, prefix: str, rate: float) -> None:
        self._plan = plan
        self._process = process
        self._prefix = prefix
        self._rate = rate
        self._reported: dict[str, set[Any]] = {"lost": set(), "doubled": set(), "phantom": set()}

    @property
    def file(self) -> Path:
        """The records."""
        return self._process.file

    def live(self) -> LiveFigures:
        """Where it stands."""
        records = read(self.file)
        status = records["status"]
        last = int(records["intended"][-1]) if len(records) else 0
        recent = int(((status == OK) & (records["done"] > last - _SECOND)).sum())
        ok, unknown = int((status == OK).sum()), int(((status == UNKNOWN) & (records["done"] > 0)).sum())
        failed = int((status > OK).sum())
        return LiveFigures(sent=len(records), ok=ok, failed=failed, unknown=unknown, rate=float(recent))

    def figures(
        self, window: Window, faults: Sequence[FaultSpan], initial: ReadBackValue | None, final: ReadBackValue | None
    ) -> Figures:
        """Judge a window; models look at all operations so far."""
        records = read(self.file)
        patience = self._plan.timeout_ns + _SECOND
        history = History.of(records, window, self._rate, patience, 0 if self._plan.call.verb == "http" else FINDING_NS)
        metrics, detail = figures(history, faults)
        whole = window.from_ns <= self._process.started_ns
        counterexamples: tuple[str, ...] = ()
        if self._plan.model == "set":
            more, evidence, counterexamples = self._set(records, final, whole)
        elif self._plan.model == "counter":
            more, evidence, counterexamples = self._counter(records, initial, final)
        else:
            more, evidence = {}, {}
        return Figures(metrics={**metrics, **more}, detail={**detail, **evidence}, counterexamples=counterexamples)

    def _set(
        self, records: Any, final: ReadBackValue | None, whole: bool
    ) -> tuple[dict[str, Any], dict[str, Any], tuple[str, ...]]:
        keys: list[object] | Missing = Missing("the keys were not read back")
        if final is not None:
            keys = Missing(f"the keys could not be read back: {final.error}") if final.error else keys_of(final.value)
        if final is None or isinstance(keys, Missing):
            return dict.fromkeys(("lost", "doubled", "phantom", "recovered"), keys), {}, ()
        judged: SetJudgement = judge_set(records, keys, self._prefix, final.began_ns)
        found = {"lost": judged.lost, "doubled": judged.doubled, "phantom": judged.phantom}
        new = {k: [x for x in v if whole or x not in self._reported[k]] for k, v in found.items()}
        for kind, items in found.items():
            self._reported[kind] |= set(items)
        counts = {k: len(v) for k, v in new.items()}
        evidence = {"acknowledged": judged.acknowledged, **{k: judged.evidence[k] for k, v in new.items() if v}}
        metrics: dict[str, Any] = {**counts, "recovered": len(judged.recovered)}
        if not judged.acknowledged:
            metrics["lost"] = Missing("no operation was acknowledged")
        return metrics, evidence, sentences(judged, new)

    def _counter(
        self, records: Any, initial: ReadBackValue | None, final: ReadBackValue | None
    ) -> tuple[dict[str, Any], dict[str, Any], tuple[str, ...]]:
        first, last = (number_of(r.value) if r is not None else None for r in (initial, final))
        if final is None or first is None or last is None:
            told = [r.error or f"{str(r.value)[:80]!r} is no number" for r in (initial, final) if r is not None]
            why = next((t for t, n in zip(told, (first, last), strict=False) if n is None), "")
            return {"drift": Missing(f"the value could not be read back: {why}")}, {}, ()
        amount = self._plan.model_arguments.get("amount", 1)
        drift, text = judge_counter(
            records, first, last, float(amount) if isinstance(amount, int | float) else 1.0, final.began_ns
        )
        return {"drift": drift}, {"counter": text}, (text,) if drift.low != 0 else ()

    async def ended(self) -> None:
        """It ends when it is told to, and when it dies."""
        await self._process.ended()

    async def stop(self) -> Sealed:
        """End the worker and seal."""
        return await self._process.stop()
