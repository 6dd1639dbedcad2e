"""Keeps workloads running through scenarios, reads back what they did, and has it judged."""

from __future__ import annotations

import asyncio
import math
import time
from collections import Counter, defaultdict
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from ..core.errors import SeatrialError
from ..core.events import (
    ColumnSealed,
    LoadAborted,
    LoadProbed,
    LoadProgressed,
    Noted,
    WorkloadMeasured,
    WorkloadStarted,
    plain,
)
from ..core.expressions import Missing
from ..core.intervals import Interval
from ..core.load_plans import LoadPlan
from ..core.observations import Seen
from ..core.plan import Plan, ProbeCall, ReadBack, WorkloadPlan
from ..core.quantities import NS_PER_S
from ..core.results import Evidence
from ..core.stack import Target
from ..core.workloads import (
    FaultSpan,
    Figures,
    JudgesItself,
    Load,
    LoadRun,
    OwnVerdict,
    ReadBackValue,
    Searches,
    Window,
    Workload,
    WorkloadMaker,
)
from .aborting import AbortWatch
from .asking import asked, profile_of
from .journal import Journal
from .probing import Prober
from .rendering import of_tool, rendered
from .sameness import digest_of
from .users import user_requests
from .values import missing

READ_WITHIN_NS = 20 * NS_PER_S
_OF_PROBE = ("offered", "rate", "p50", "p95", "p99", "max", "errors", "served")


class Running:
    """One workload and what is known of it."""

    def __init__(
        self, name: str, read_back: ReadBack | None, workload: Workload, initial: ReadBackValue | None
    ) -> None:
        self.name = name
        self.read_back = read_back
        self.workload = workload
        self.initial = initial
        self.began_ns = time.monotonic_ns()
        self.watch: asyncio.Task[None] | None = None
        self.abort: AbortWatch | None = None
        self.told = 0  # probes of its search that are in the journal


class Workloads:
    """All workloads of a trial."""

    def __init__(
        self,
        plan: Plan,
        maker: WorkloadMaker,
        prober: Prober,
        journal: Journal,
        adopt: Callable[[int, str], Awaitable[None]],
        prefix: str,
    ) -> None:
        self._plan = plan
        self._maker = maker
        self._prober = prober
        self._journal = journal
        self._adopt = adopt
        self._prefix = prefix
        self.running: dict[str, Running] = {}
        self._last: dict[str, Figures] = {}
        self.own: dict[str, OwnVerdict] = {}  # of loads that have ended, by name
        self._runs: dict[str, int] = {}
        self._users: Counter[str] = Counter()  # scenarios, and the trial, that want it to run
        self._starting: defaultdict[str, asyncio.Lock] = defaultdict(asyncio.Lock)
        self._stopped = asyncio.Condition()

    async def start(self, names: Sequence[str], values: Mapping[str, object], scenario: str) -> list[str]:
        """Start those that do not run yet; returns all, for `stop`: each runs until the last one who started it stops it.

        `scenario`: "trial" for the whole. Where one cannot be started, or this is cancelled, the others are stopped again.
        """
        begun: list[str] = []
        try:
            for name in names:
                async with self._starting[name]:
                    if name not in self.running:
                        await self._start_anew(name, values, scenario)
                    self._users[name] += 1
                begun.append(name)
        except BaseException:
            await self.stop(begun)
            raise
        return begun

    async def _start_anew(self, name: str, values: Mapping[str, object], scenario: str) -> None:
        self.own.pop(name, None)  # that was another run
        if name in self._plan.loads:
            await self._start_load(self._plan.loads[name], values, scenario)
        else:
            await self._start(self._plan.workloads[name], values, scenario)

    async def start_alone(self, name: str, values: Mapping[str, object], scenario: str) -> None:
        """Start a load when nobody else has it run; for `to_end` and `stop`."""
        async with self._stopped:
            await self._stopped.wait_for(lambda: not self._users[name])
            self._users[name] += 1  # from now on it is this one's
        try:
            async with self._starting[name]:
                await self._start_anew(name, values, scenario)
        except BaseException:
            await self.stop([name])
            raise

    async def to_end(self, name: str) -> OwnVerdict | None:
        """Wait until a load has sent all that it had to; its figures stay to be asked for.

        Returns what its tool thought of the run, where it has one.
        """
        running = self.running[name]
        try:
            await running.workload.ended()
        finally:
            self._tell_probes(running)
        return running.workload.own() if isinstance(running.workload, JudgesItself) else None

    async def _start_load(self, plan: LoadPlan, values: Mapping[str, object], scenario: str) -> None:
        if plan.tool is not None:
            requests = [await of_tool(self._prober, plan, plan.tool, values)]
        elif plan.requests:
            requests = [await rendered(self._prober, plan.name, r.call, values) for r in plan.requests]
        else:
            call = ProbeCall(verb=self._prober.verb_of(plan.protocol), what="GET /", at=plan.at, identity=plan.identity)
            requests = [await rendered(self._prober, plan.name, call, values)]
        if plan.flows is not None:
            users = await user_requests(plan.name, plan.flows, values, self._prober)
            requests = [replace(requests[0], users=users)]
        adopt = self._owning(f"load {plan.name}")
        number = self._runs[plan.name] = self._runs.get(plan.name, 0) + 1
        run = LoadRun(number=number, scenario=scenario, digest=await asyncio.to_thread(self._digest, plan))
        workload = await self._maker.start_load(plan, requests, self._journal.directory, adopt, run)
        running = Running(plan.name, None, workload, None)
        running.abort = AbortWatch(plan.abort, running.began_ns) if plan.abort else None
        self._begun(running, "load", asked(plan), run, plan)
        running.watch = asyncio.create_task(self._watch(running, workload))

    async def _watch(self, running: Running, load: Load) -> None:
        """Each second: where a load stands, for who watches, and whether it has to be stopped."""
        ended = asyncio.create_task(load.ended())  # one that has sent all that it had to is not aborted any more
        try:
            while True:
                await asyncio.sleep(1.0)
                self._tell_probes(running)
                await self._tell(running)
                if running.abort is not None and running.abort.abort is None and not ended.done():
                    metrics = await asyncio.to_thread(load.lately)
                    if not ended.done():
                        await self._abort(running, running.abort, metrics)
        except Exception as error:  # noqa: BLE001 - whatever it is, the load goes on unwatched
            message = f"load {running.name} is not watched any more: {type(error).__name__}: {error}"
            self._journal.write(Noted(level="error", message=message))
            if running.abort is not None:
                running.abort.broken = str(error) or type(error).__name__
        finally:
            ended.cancel()

    async def _abort(self, running: Running, watch: AbortWatch, metrics: Mapping[str, object]) -> None:
        found = watch.look(metrics, time.monotonic_ns())
        if found is None:
            return
        self._journal.write(
            LoadAborted(
                load=running.name,
                condition=found.condition,
                reason=found.reason,
                at_ns=found.at_ns,
                figures=found.figures,
            )
        )
        await running.workload.stop()

    def _tell_probes(self, running: Running) -> None:
        """What a search has tried since it was last asked."""
        if not isinstance(running.workload, Searches):
            return
        for probe in running.workload.probes[running.told :]:
            running.told += 1
            self._journal.write(
                LoadProbed(
                    load=running.name,
                    rate=probe.rate,
                    outcome=probe.outcome,
                    reason=probe.reason,
                    began_ns=probe.began_ns,
                    ended_ns=probe.ended_ns,
                    figures=_flat({n: probe.metrics[n] for n in _OF_PROBE if n in probe.metrics}),
                )
            )

    async def _tell(self, running: Running) -> None:
        live = await asyncio.to_thread(running.workload.live)
        self._journal.write(
            LoadProgressed(
                load=running.name,
                ok=live.ok,
                failed=live.failed,
                in_flight=live.in_flight,
                rate=live.rate,
                p95_ns=live.p95_ns,
                users=live.users if self._plan.loads[running.name].crowd else 0,
            )
        )

    def _owning(self, purpose: str) -> Callable[[int], Awaitable[None]]:
        """Has the keeper own a process of this purpose."""

        async def adopt(pid: int) -> None:
            await self._adopt(pid, purpose)

        return adopt

    def _begun(self, running: Running, kind: str, rate: str, run: LoadRun, load: LoadPlan | None = None) -> None:
        self.running[running.name] = running
        file = str(running.workload.file.relative_to(self._journal.directory))
        at = time.monotonic_ns()
        users = load.crowd if load is not None else {}
        profile = profile_of(load) if load is not None else {}
        self._journal.write(
            WorkloadStarted(
                workload=running.name,
                file=file,
                at_ns=at,
                rate=rate,
                kind=kind,
                users=users,
                profile=profile,
                scenario=run.scenario,
                digest=run.digest,
            )
        )

    def _digest(self, plan: LoadPlan) -> str:
        try:
            return digest_of(self._plan, plan)
        except OSError:
            return ""  # a file is gone, which its start says in words; and it is like no other run

    async def _start(self, plan: WorkloadPlan, values: Mapping[str, object], scenario: str) -> None:
        initial = await self._read(plan.initial, values) if plan.initial else None
        if initial is not None and initial.error:
            raise SeatrialError(
                f"workload {plan.name} could not start: its initial value could not be read: {initial.error}"
            )
        request = await rendered(self._prober, plan.name, plan.call, values)
        # One that runs again has keys and records of its own: the store has those of before, and so has the journal.
        run = self._runs[plan.name] = self._runs.get(plan.name, 0) + 1
        prefix = f"{self._prefix}-{plan.name}{'' if run == 1 else f'.{run}'}-"
        directory = self._journal.directory / "histories" / ("" if run == 1 else str(run))
        adopt = self._owning(f"workload {plan.name}")
        workload = await self._maker.start(plan, request, directory, prefix, adopt)
        rate = ", ".join(f"{k} {v}" for k, v in plan.arrivals.items())
        self._begun(
            Running(plan.name, plan.read_back, workload, initial),
            "workload",
            rate,
            LoadRun(number=run, scenario=scenario),
        )

    async def _read(self, read: ReadBack, values: Mapping[str, object]) -> ReadBackValue:
        """Ask until there is an answer: reading back is no test of availability."""
        deadline = time.monotonic_ns() + READ_WITHIN_NS
        while True:
            began = time.monotonic_ns()
            doubt = await self._several(read.call.at)
            answer = await self._prober.call(read.call, values, 10 * NS_PER_S)
            doubt = doubt or await self._several(read.call.at)
            if doubt:
                error = doubt
            elif answer.seen is Seen.VALUE:
                value = read.path.value(answer.values)
                if not missing(value):
                    return ReadBackValue(value=value, began_ns=began - read.lag_ns)
                error = str(getattr(value, "reason", value))
            else:
                error = answer.message
            if answer.seen is Seen.PROBE_ERROR or time.monotonic_ns() > deadline:
                return ReadBackValue(value=None, began_ns=began, error=error)
            await asyncio.sleep(0.2)

    async def _several(self, at: Target | None) -> str:
        """Why what a role was asked may not be the truth: until the others know better, an instance that is back has its old role."""
        if at is None or at.role is None:
            return ""
        try:
            holders = await self._prober.instances(at)
        except SeatrialError as error:
            return str(error)
        return "" if len(holders) == 1 else f"{at} is said of {', '.join(i.name for i in holders) or 'nobody'}"

    async def settle(self, names: Sequence[str], from_ns: int, spans: Sequence[FaultSpan], within_ns: int) -> None:
        """Wait until the clients have been served for a second without a failure, so that recovery can be told; bounded."""
        deadline = time.monotonic_ns() + within_ns
        while time.monotonic_ns() < deadline:
            window = Window(from_ns=from_ns, to_ns=time.monotonic_ns())
            running = [self.running[n].workload for n in names if n in self.running and n in self._plan.workloads]
            figures = await asyncio.gather(*(asyncio.to_thread(w.figures, window, spans, None, None) for w in running))
            silent = [n for n in names if n in self._plan.loads and await self._is_silent(n, window)]
            if not silent and all(_settled(f.metrics.get(n)) for f in figures for n in ("recovery", "stable")):
                lately = Window(from_ns=window.to_ns - NS_PER_S, to_ns=window.to_ns)
                last = await asyncio.gather(*(asyncio.to_thread(w.figures, lately, (), None, None) for w in running))
                if not any(map(_failing, last)):  # it may have been back, and be gone again
                    return
            await asyncio.sleep(0.25)

    async def _is_silent(self, name: str, window: Window) -> bool:
        """Whether a load that goes on has not been answered since it was broken: how long that lasts is not known yet."""
        running = self.running.get(name)
        if running is None or self._plan.loads[name].for_ns is not None:
            return False
        figures = await asyncio.to_thread(running.workload.figures, window, (), None, None)
        outage = figures.metrics.get("outage")
        return isinstance(outage, Mapping) and not _settled(outage.get("longest"))

    async def figures(
        self,
        names: Sequence[str],
        scenario: str,
        from_ns: int,
        spans: Sequence[FaultSpan],
        values: Mapping[str, object],
    ) -> dict[str, object]:
        """Metrics by workload, for the expectations of a scenario; each set is journalled with its evidence."""
        to_ns = time.monotonic_ns()
        found: dict[str, object] = {}
        for name in names:
            if name in self.running:
                figures = await self._measure(self.running[name], Window(from_ns=from_ns, to_ns=to_ns), spans, values)
                self._note(name, scenario, Window(from_ns=from_ns, to_ns=to_ns), figures)
                found[name] = figures.metrics
                self._last[name] = figures
            else:
                found[name] = Missing(f"workload {name} did not run")
        return found

    async def _measure(
        self, running: Running, window: Window, spans: Sequence[FaultSpan], values: Mapping[str, object]
    ) -> Figures:
        final = await self._read(running.read_back, values) if running.read_back else None
        return await asyncio.to_thread(running.workload.figures, window, spans, running.initial, final)

    def _note(self, name: str, scenario: str, window: Window, figures: Figures) -> None:
        self._journal.write(
            WorkloadMeasured(
                workload=name,
                scenario=scenario,
                from_ns=window.from_ns,
                to_ns=window.to_ns,
                metrics=_flat(figures.metrics),
                detail={**plain(figures.detail), "counterexamples": list(figures.counterexamples)},
            )
        )

    def evidence(self, names: Sequence[str]) -> list[Evidence]:
        """What the last figures of these workloads rest on: counterexamples in words, and where the records are."""
        now = time.monotonic_ns()
        return [
            Evidence(
                kind="operations",
                summary="; ".join(figures.counterexamples) or f"the records of {name}",
                at_ns=now,
                data={"workload": name, **plain(figures.detail)},
            )
            for name in names
            if (figures := self._last.get(name)) is not None
        ]

    async def stop(self, names: Sequence[str]) -> None:
        """Stop and seal those that nobody else wants to run."""
        for name in names:
            self._users[name] -= 1
            if self._users[name] <= 0:
                async with self._starting[name]:
                    await self._stop(name)
                async with self._stopped:
                    self._stopped.notify_all()

    async def stop_all(self) -> None:
        """Whoever wants them."""
        for name in list(self.running):
            await self._stop(name)

    async def _stop(self, name: str) -> None:
        """A record that cannot be sealed is said, and what rests on it is INCONCLUSIVE."""
        running = self.running.pop(name, None)
        if running is None:
            return
        if running.watch is not None:
            running.watch.cancel()
        try:
            sealed = await running.workload.stop()
        except SeatrialError as error:
            self._journal.write(
                Noted(level="error", message=f"workload {name}: its records could not be sealed: {error}")
            )
            return
        if isinstance(running.workload, JudgesItself):
            self.own[name] = running.workload.own()
        file = sealed.file.relative_to(self._journal.directory) if sealed.file.is_absolute() else Path(sealed.file)
        self._journal.write(
            ColumnSealed(
                workload=name,
                file=str(file),
                rows=sealed.rows,
                sha256=sealed.sha256,
                valid=sealed.valid,
                note=sealed.note,
            )
        )


def _settled(value: object) -> bool:
    """Whether a figure is more than "at least so long"."""
    return not isinstance(value, Interval) or math.isfinite(value.high)


def _failing(figures: Figures) -> bool:
    """Whether operations failed; those in flight have no error yet."""
    errors = figures.detail.get("errors")
    return isinstance(errors, Mapping) and any(kind != "none" for kind in errors)


def _flat(metrics: Mapping[str, object], prefix: str = "") -> dict[str, object]:
    flat: dict[str, object] = {}
    for name, value in metrics.items():
        if isinstance(value, Mapping):
            flat |= _flat(value, f"{prefix}{name}.")
        else:
            flat[f"{prefix}{name}"] = {"missing": value.reason} if isinstance(value, Missing) else plain(value)
    return flat
