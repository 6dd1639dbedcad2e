"""Loads for the engine: generator processes, and the figures of their samples."""

from __future__ import annotations

import asyncio
import time
import zlib
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from ..arrivals import samples
from ..arrivals.schedules import highest_rate
from ..checkers.comparing import PERCENTS, Comparison, change_figures
from ..checkers.loads import LoadSamples, lately_figures, load_figures, response_times
from ..core.clusters import Cluster
from ..core.events import plain
from ..core.expressions import Missing
from ..core.load_plans import LoadPlan, LoadRequest
from ..core.quantities import Quantity
from ..core.workloads import (
    LATELY_NS,
    Adopt,
    FaultSpan,
    Figures,
    LiveFigures,
    ReadBackValue,
    RenderedRequest,
    Sealed,
    Window,
)
from ..load.process import LoadProcess
from .baselines import Baseline
from .users import flows_configuration

_LIVE_ROWS = 200_000
_LIVE_SLOTS = 50  # five seconds


def describe_schedule(arrivals: Mapping[str, Any]) -> dict[str, Any]:
    """A plan's arrivals as arrivals.schedules takes them: plain numbers."""
    (kind, value), *_ = arrivals.items()
    if kind == "ramp":
        return {"ramp": {"from": value["from"].value, "to": value["to"].value, "over_ns": int(value["over"].value)}}
    if kind == "steps":
        return {"steps": [[s["rate"].value, int(s["for"].value)] for s in value]}
    if kind == "spike":
        spike = {"base": value["base"].value, "peak": value["peak"].value}
        return {"spike": {**spike, "after_ns": int(value["after"].value), "for_ns": int(value["for"].value)}}
    return {kind: value.value if isinstance(value, Quantity) else float(value)}


def configuration(plan: LoadPlan, requests: Sequence[RenderedRequest], file: Path) -> dict[str, Any]:
    """What a generator's worker reads, without its share; see load.worker."""
    first = requests[0]
    fast = bool(plan.requests) and plan.protocol == "http1"
    flows = plan.flows is not None and first.users is not None
    return {
        "name": plan.name,
        "file": str(file),
        "urls": list(first.urls),
        "verify": plan.verify if plan.verify is not None else first.parameters.get("ca") or True,
        "cert": plan.cert,
        "key": plan.key,
        "tags": list(plan.tags),
        "headers": {} if flows or fast or (plan.requests and first.verb == "http") else dict(first.headers),
        "protocol": plan.protocol,
        "parameters": dict(first.parameters),
        "operations": [] if fast else [_operation(g, r) for g, r in zip(plan.requests, requests, strict=False)],
        "requests": []
        if not fast
        else [
            {
                "method": r.method,
                "path": r.path,
                "headers": dict(r.headers),
                "json": r.json,
                "body": r.body,
                "tag": given.tag,
                "weight": given.weight,
            }
            for given, r in zip(plan.requests, requests, strict=False)
        ],
        "script": plan.script,
        "files": list(plan.files),
        "flows": flows_configuration(plan.name, plan.flows, first.users) if plan.flows and first.users else None,
        "directory": str(plan.directory),
        "schedule": describe_schedule(plan.arrivals) if plan.arrivals else {},
        "users": plan.users,
        "crowd": dict(plan.crowd),
        "think_ns": plan.think_ns,
        "for_ns": plan.for_ns,
        "warm_up_ns": plan.warm_up_ns,
        "timeout_ns": plan.timeout_ns,
        "connections": plan.connections,
        "accept": list(plan.accept),
        "lifo": plan.pool == "lifo",
        "seed": zlib.crc32(plan.name.encode()),
    }


def _operation(given: LoadRequest, request: RenderedRequest) -> dict[str, Any]:
    """One of a mix, for clients of any protocol."""
    what, arguments = request.what, dict(request.arguments)
    if request.verb == "http":
        what = f"{request.method} {request.path}"
        arguments = {"headers": dict(request.headers), "json": request.json, "body": request.body}
    return {"what": what, "arguments": arguments, "tag": given.tag, "weight": given.weight}


async def start_generators(
    plan: LoadPlan, config: Mapping[str, Any], cluster: Cluster, adopt: Adopt | None
) -> LoadProcess:
    """The generators of a load: on this machine, or on the workers of a cluster where one is named (the plan's, unless `cluster` is)."""
    if not cluster.address and not plan.on:
        return await LoadProcess.start(config, plan.workers, adopt)
    from ..load.dask import start_on

    return await start_on(replace(cluster, address=cluster.address or plan.on), config, plan.workers)


class RunningLoad:
    """core.workloads.Load. `baseline`: what it is compared with."""

    def __init__(self, plan: LoadPlan, process: LoadProcess, baseline: Baseline | None = None) -> None:
        self._plan = plan
        self._process = process
        self._baseline = baseline
        self._stopping: asyncio.Task[Sealed] | None = None
        self._looks = deque([(process.started_ns, [0] * len(process.parts))])  # rows of each part so far

    @property
    def file(self) -> Path:
        """The samples, once they are sealed."""
        return self._process.file

    def live(self) -> LiveFigures:
        """Where it stands; the 95th percentile of the last five seconds."""
        figures = self._process.live()
        parts = [samples.read(part, last=_LIVE_ROWS) for part in self._process.parts]
        rows = np.concatenate([r for _, r in parts])
        recent = rows[(rows["kind"] == samples.RESPONSE) & (rows["slot"] != samples.WHOLE)]
        if len(recent):
            recent = recent[recent["slot"] + _LIVE_SLOTS > recent["slot"].max()]
        p95 = response_times(recent)["p95"]
        return replace(figures, p95_ns=p95.value if isinstance(p95, Quantity) else None)

    def lately(self) -> Mapping[str, object]:
        """Figures of the rows that were written since the look five seconds ago, or since the start."""
        now, parts = time.monotonic_ns(), [samples.read(part) for part in self._process.parts]
        while len(self._looks) > 1 and self._looks[1][0] <= now - LATELY_NS:
            self._looks.popleft()
        since, before = self._looks[0]
        self._looks.append((now, [len(rows) for _, rows in parts]))
        names: dict[str, int] = {}
        fresh = [
            samples.renumber(rows[count:], own, names)
            for (_, rows), count, own in zip(parts, before, self._process.numbering, strict=True)
        ]
        load = load_samples(self._plan, parts[0][0], np.concatenate(fresh), list(names), None, self._process.doubt)
        return lately_figures(load, now - since, waiting=self._process.live().in_flight > 0)

    def samples(self) -> LoadSamples:
        """What was measured so far."""
        process = self._process
        start, rows, tags = samples.gathered(process.parts, process.numbering)
        found = load_samples(self._plan, start, rows, tags, self._reached(), process.doubt)
        found = replace(found, workers=process.generators, machines=process.machines, clock_ns=process.clock_ns)
        return replace(found, users=self._asked()) if self._plan.crowd else found

    def _reached(self) -> int | None:
        said = [r["reached"] for r in self._process.results]
        return sum(said) if said and None not in said else self._process.connected() if self._plan.users else None

    def _asked(self) -> int:
        """Where their number changes: the most users so far. Who was asked for a moment ago may still connect."""
        said = [r["asked"] for r in self._process.results]
        return sum(said) if said else self._process.asked()

    def figures(
        self, window: Window, faults: Sequence[FaultSpan], initial: ReadBackValue | None, final: ReadBackValue | None
    ) -> Figures:
        """A window's figures."""
        load = self.samples()
        metrics, detail = load_figures(load, window, faults)
        if self._baseline is not None:
            change, comparison = self._compared(load, window, self._baseline)
            metrics["change"] = change
            detail["comparison"] = {"with": self._baseline.name, **plain(comparison)}
        complaints = tuple(f"{n:,} times {text}" for text, n in self._process.complaints)
        return Figures(metrics=metrics, detail=detail, counterexamples=complaints)

    def _compared(
        self, load: LoadSamples, window: Window, baseline: Baseline
    ) -> tuple[Mapping[str, object], Comparison]:
        if baseline.why:
            missing = dict.fromkeys((*PERCENTS, "errors"), Missing(baseline.why))
            return missing, Comparison(changes=(), slower=0.5, why=baseline.why)
        before = load_samples(self._plan, baseline.start_ns, baseline.rows, (), None, "")
        return change_figures(before, load, window)

    async def ended(self) -> None:
        """Returns when it has sent all that it had to."""
        await self._process.ended()

    async def stop(self) -> Sealed:
        """End the generators and seal, once, whoever else asks for it meanwhile."""
        if self._stopping is None:
            self._stopping = asyncio.ensure_future(self._process.stop())
        return await asyncio.shield(self._stopping)


def load_samples(
    plan: LoadPlan, start_ns: int, rows: Any, tags: Sequence[str], reached: int | None, doubt: str
) -> LoadSamples:
    """Samples with what was asked of the load."""
    rate = highest_rate(describe_schedule(plan.arrivals)) if plan.arrivals else 0.0
    return LoadSamples(
        start_ns=start_ns,
        rows=rows,
        tags=tags,
        rate=rate,
        workers=plan.workers,
        users=plan.users,
        reached=reached,
        warm_up_ns=plan.warm_up_ns,
        window_ns=plan.window_ns,
        doubt=doubt,
    )
