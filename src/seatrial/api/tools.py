"""Loads that are files of other tools, for the engine: their generators, the figures of their samples, and their own verdict."""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from ..arrivals import samples
from ..checkers.loads import SATURATED, SATURATED_SHARE, LoadSamples
from ..core.errors import NotExercised
from ..core.expressions import Missing
from ..core.load_plans import LoadPlan, ToolPlan
from ..core.workloads import Adopt, FaultSpan, Figures, OwnVerdict, ReadBackValue, RenderedRequest, Window
from ..load.process import LoadProcess
from .loads import RunningLoad, load_samples

_DROPPED_SHARE = 0.01
_START_S = 120.0  # an existing file may do much before it begins
_PATIENCE_NS = 35_000_000_000  # more than load.tool.STOP_S
_MODULES = {"locust": "seatrial.load.locust_tool", "k6": "seatrial.load.k6_tool"}


def program(tool: ToolPlan) -> str:
    """What runs it; raises NotExercised when that is not there."""
    if tool.name == "k6":
        found = shutil.which("k6")
        if found is None:
            raise NotExercised("k6 is not on PATH")
        return found
    if find_spec("locust") is None:
        raise NotExercised("Locust is not installed: pip install 'seatrial[locust]'")
    return ""


def configuration(plan: LoadPlan, tool: ToolPlan, request: RenderedRequest, file: Path) -> dict[str, Any]:
    """What the worker of a tool reads. `prefix`: of the names of the files that the tool leaves."""
    url = request.urls[0]
    given: Any = request.arguments
    host = {"BASE_URL": url, "HOST": urlsplit(url).netloc} if tool.name == "k6" else {}
    return {
        "name": plan.name,
        "file": str(file),
        "prefix": str(file.with_name(f"{plan.name}-{tool.name}")),
        "program": program(tool),
        "tool": str((plan.directory / tool.file).resolve()),
        "directory": str(plan.directory),
        "url": url,
        "arguments": [str(a) for a in given["arguments"]],
        "environment": {**host, **{str(k): str(v) for k, v in given["environment"].items()}},
        "users": plan.users,
        "spawn_rate": tool.spawn_rate,
        "classes": list(tool.classes),
        "tags_wanted": list(tool.tags),
        "tags_skipped": list(tool.skip_tags),
        "for_ns": plan.for_ns,
        "warm_up_ns": plan.warm_up_ns,
        "timeout_ns": _PATIENCE_NS,
        "start_s": _START_S,
        "connections": 1,
        "tags": [],
    }


async def start(plan: LoadPlan, tool: ToolPlan, request: RenderedRequest, file: Path, adopt: Adopt) -> RunningTool:
    """Start it. Raises NotExercised when the tool is not there, SeatrialError with its words when it does not begin."""
    config = configuration(plan, tool, request, file)
    return RunningTool(plan, tool, await LoadProcess.start(config, 1, adopt, _MODULES[tool.name]))


class RunningTool(RunningLoad):
    """core.workloads.Workload and JudgesItself."""

    def __init__(self, plan: LoadPlan, tool: ToolPlan, process: LoadProcess) -> None:
        super().__init__(plan, process)
        self._tool = tool

    def samples(self) -> LoadSamples:
        """What was measured so far."""
        start, rows, tags = samples.gathered(self._process.parts, self._process.numbering)
        doubt = "its generator died" if self._process.died else doubt_of(self._tool, self._process.said, rows)
        return load_samples(self._plan, start, rows, tags, None, doubt)

    def own(self) -> OwnVerdict:
        """What the tool thought of its run, when it has ended."""
        said = self._process.said.get("own")
        if said is None:
            later = f"not known before the load has ended: then it is the finding {self._plan.name}"
            return OwnVerdict(passed=None, words="its generator died" if self._process.died else later)
        where = self.file.parent.name
        directory = where if where == "samples" else f"samples/{where}"  # of one that runs again
        return OwnVerdict(
            passed=said["passed"], words=said["words"], files=tuple(f"{directory}/{f}" for f in said["files"])
        )

    def figures(
        self, window: Window, faults: Sequence[FaultSpan], initial: ReadBackValue | None, final: ReadBackValue | None
    ) -> Figures:
        """A window's figures, and the tool's verdict as `own`: 1 when it passed, 0 when it failed."""
        found, own, said = super().figures(window, faults, initial, final), self.own(), self._process.said
        more = {n: said[n] for n in ("iterations", "dropped_iterations", "checks_ok", "checks_failed") if n in said}
        value = Missing(own.words) if own.passed is None else int(own.passed)
        detail = {**found.detail, **more, "own": own.words, "files": list(own.files)}
        return Figures(metrics={**found.metrics, "own": value}, detail=detail)


def doubt_of(tool: ToolPlan, said: Mapping[str, Any], rows: samples.Rows) -> str:
    """Why what a tool measured cannot be trusted; empty when it can.

    A tool has no schedule of ours that it could be late for: that its cores were full is the sign that the times are its own.
    """
    if said.get("broke_off"):
        return f"{tool.title} broke off: {said['own']['words']}"
    wanted, reached = int(said.get("wanted", 0)), int(said.get("reached", 0))
    if reached < wanted:
        return f"only {reached:,} of {wanted:,} users were reached"
    dropped, iterations = int(said.get("dropped_iterations", 0)), int(said.get("iterations", 0))
    if dropped > _DROPPED_SHARE * (dropped + iterations):
        return f"{tool.title} dropped {dropped:,} of {dropped + iterations:,} iterations: it did not keep its schedule"
    cores = 1 if tool.name == "locust" else os.cpu_count() or 1
    cpu = rows["count"][rows["kind"] == samples.CPU]
    full = int((cpu >= SATURATED * cores * 1e9).sum())
    if full > max(1, SATURATED_SHARE * len(cpu)):
        which = "core was" if cores == 1 else f"{cores} cores were"
        return f"{tool.title}'s {which} full in {full} of {len(cpu)} seconds: the times that it tells are its own"
    return ""
