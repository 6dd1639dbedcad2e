"""One trial: bring up, reach the steady state, run the scenarios, judge, and leave nothing behind."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ..core.errors import SeatrialError
from ..core.events import (
    InstanceChanged,
    Noted,
    PhaseChanged,
    StackDescribed,
    StackProgress,
    TrialEnded,
    plain,
)
from ..core.expressions import Missing
from ..core.fingerprints import Fingerprinter
from ..core.links import KIND
from ..core.load_plans import abort_finding
from ..core.plan import SETUP, Expectation, LoadStep, Plan, ScenarioPlan
from ..core.platforms import CanPrepare, Platform, Progress
from ..core.processes import Residue
from ..core.proofs import Proof, Reaction, State
from ..core.quantities import NS_PER_S, Dimension, Quantity
from ..core.redaction import Redactor
from ..core.results import Evidence, Finding
from ..core.stack import Instance, InstanceState
from ..core.usage import JudgeUsage
from ..core.verdicts import Outcome, Verdict
from ..core.vocabulary import Vocabulary
from ..core.workloads import WorkloadMaker
from .aborting import judge_not_aborted
from .asking import too_short
from .beginning import Options, beginning, unproven, waived
from .checks import Checks
from .expectations import judge_expectation
from .faulting import Faults
from .journal import Journal
from .ledger import RESIDUE, Ledger, planned_findings
from .outside import outside
from .own import judge_own
from .pools import PoolWatch, pools_wanted
from .probing import Prober, Watched
from .proving import Proving, Wanted
from .roles import RoleWatch
from .scenario import Crew, ScenarioRun, log_marks
from .schedule import next_batch
from .steady import Steady
from .unchanged import Unchanged
from .usage import UsageWatch
from .values import Values
from .workloads import Workloads

TOGETHER = 8


@dataclass(frozen=True, kw_only=True)
class Result:
    """What a trial came to."""

    outcome: Outcome
    ledger: Ledger
    residue: Residue
    proofs: tuple[Proof, ...] = ()
    states: tuple[State, ...] = ()
    reactions: tuple[Reaction, ...] = ()
    without: Mapping[str, str] = field(default_factory=dict)  # services that were not here, and why
    mute: frozenset[str] = frozenset()  # of what was proven: findings that are green when their target does not answer


class Trial:
    """Runs a plan once. `adopt` has the keeper own a process of ours; `end` ends the stack and says what remains."""

    def __init__(
        self,
        plan: Plan,
        selected: Sequence[ScenarioPlan],
        options: Options,
        *,
        platform: Platform,
        vocabulary: Vocabulary,
        prober: Prober,
        maker: WorkloadMaker,
        journal: Journal,
        redactor: Redactor,
        adopt: Callable[[int, str], Any],
        end: Callable[[], Any],
        machine: dict[str, Any],
        judge_usage: JudgeUsage,
        fingerprinter: Fingerprinter | None = None,
    ) -> None:
        self.plan, self.selected, self.options = plan, tuple(selected), options
        self.platform, self.journal = platform, journal
        self.prober = prober
        prober.platform = platform
        prober.allow = plan.stack.allow
        prober.without = plan.stack.without
        planned = planned_findings(plan, selected)
        self.ledger = Ledger(planned, journal, unproven(plan, planned, options), waived(plan))
        self._unchanged = Unchanged(fingerprinter, platform, journal, self.ledger)
        self.values = Values(
            {
                **plan.values,
                "trial": {"id": options.trial, "directory": str(journal.directory)},
                "spec": {"directory": str(plan.file.resolve().parent)},
            }
        )
        prober.know(plan.identities, self.values.all)
        checks = Checks(prober, journal)
        if options.proving is not None:
            checks.kept, self.ledger.figures = {}, {}
        faults = Faults(platform, vocabulary, prober, journal)
        prefix = options.trial[-6:]
        workloads = Workloads(plan, maker, prober, journal, adopt, prefix)
        pools = PoolWatch(prober, pools_wanted(plan))
        self._usage = UsageWatch(platform, journal, judge_usage, pools)
        self._steady = Steady(platform, checks, prober, plan.steady, journal, self.ledger, self.values.all())
        self.crew = Crew(
            platform=platform,
            steady=self._steady,
            usage=self._usage,
            checks=checks,
            faults=faults,
            workloads=workloads,
            journal=journal,
            ledger=self.ledger,
            redactor=redactor,
        )
        self._roles = RoleWatch(prober, journal)
        self._end = end
        self._machine = machine
        self._began = time.monotonic_ns()
        self._up_ns: int | None = None
        self._ordered: bool | None = None
        self._starts: list[Instance] = []
        self._explained: dict[str, list[tuple[int, int]]] = {}
        prober.watched = Watched(changes=self._starts if options.start else None, explained=self._explained)
        self._scopes: dict[str, Values] = {}
        self._at_the_end: list[tuple[Expectation, Mapping[str, object], Sequence[Evidence]]] = []
        self._vocabulary = vocabulary
        self._proving: Proving | None = None
        self._proofs: tuple[Proof, ...] = ()

    async def run(self) -> Result:
        """The whole trial; cancelled, it heals, ends what it started, and judges the rest as not exercised."""
        self.journal.write(beginning(self.plan, self.selected, self.options, self.ledger, self._machine))
        for warning in self.plan.warnings:
            self.journal.write(Noted(level="warning", message=str(warning)))
        reason, residue = "", Residue()
        watch = asyncio.create_task(self._watch())
        try:
            reason = await self._trial()
        except asyncio.CancelledError:
            reason = "interrupted"
        except SeatrialError as error:
            reason = str(error)
            self.journal.write(Noted(level="error", message=reason))
        finally:
            watch.cancel()
            residue = await asyncio.shield(asyncio.ensure_future(self._finish(reason)))
        proving = self._proving
        return Result(
            outcome=self.ledger.outcome(),
            ledger=self.ledger,
            residue=residue,
            proofs=self._proofs,
            states=proving.states if proving is not None else (),
            reactions=proving.reactions if proving is not None else (),
            without=self.prober.lacking(),
            mute=proving.mute if proving is not None else frozenset(),
        )

    async def _trial(self) -> str:
        await self._unchanged.begin()
        if self.options.start:
            await self._up()
        else:
            if self.plan.stack.platform == "remote":
                await self.platform.up(self._progress)  # it runs already: is it there?
            await self._describe()
        await self._unchanged.identify()
        self.journal.write(PhaseChanged(phase="steady"))
        gate = await self._steady.gate("before the first scenario")
        if not gate.holds:
            return f"no steady state before the first scenario: {gate.reason}"
        await self._explain({})
        self.journal.write(PhaseChanged(phase="setup"))
        if self.plan.setup:
            setup = ScenarioRun(setup_of(self.plan), self.crew, self.values, ())
            verdict = await setup.run()
            if setup.reason:
                return f"setup did not pass: {setup.reason}"
            if verdict is not Verdict.PASS and any(p.scenario == "setup" for p in self.ledger.planned.values()):
                return "setup did not pass"
        for scenario in self.selected:
            await self.crew.checks.counting.mark(scenario, SETUP, self.values.all())
        began = time.monotonic_ns()
        looking = asyncio.create_task(self._usage.run())
        try:
            await self.crew.workloads.start(self.plan.throughout, self.values.all(), "trial")
            self.journal.write(PhaseChanged(phase="scenarios"))
            reason = await self._scenarios()
            await self._expectations(began)
            await self._not_aborted(began)
            if self.options.proving is not None:
                await self._prove(self.options.proving)
        finally:
            looking.cancel()
            await asyncio.gather(looking, return_exceptions=True)
        return reason

    async def _prove(self, wanted: Wanted) -> None:
        """What clients of the trial saw is judged by now: they are not to see what is broken for the checks."""
        await self.crew.workloads.stop_all()
        self._proving = Proving(
            self.plan,
            wanted,
            vocabulary=self._vocabulary,
            capabilities=self.platform.capabilities,
            checks=self.crew.checks,
            faults=self.crew.faults,
            steady=self._steady,
            journal=self.journal,
            prober=self.prober,
            ledger=self.ledger,
            fingerprints=self.options.fingerprints,
            tell=lambda words: self.journal.write(Noted(level="info", message=words)),
        )
        self._proofs = await self._proving.run()

    async def _up(self) -> None:
        self.journal.write(PhaseChanged(phase="starting"))
        if isinstance(self.platform, CanPrepare):
            await self.platform.prepare(self._progress)
        began = time.monotonic_ns()
        await self.platform.up(self._progress)
        self._up_ns = time.monotonic_ns() - began
        self._ordered = in_order(self.plan, self._starts)
        await self._describe()

    def _progress(self, p: Progress) -> None:
        self.journal.write(StackProgress(subject=p.subject, state=p.state, detail=p.detail))

    async def _describe(self) -> None:
        views = await self.platform.survey()
        for name, view in views.items():
            self.values.save(name, outside(view))
        self.journal.write(
            StackDescribed(
                services=tuple(
                    {
                        "name": v.name,
                        "kind": v.kind,
                        "wanted": v.wanted,
                        "roles": sorted(v.roles),
                        "instances": plain(list(v.instances)),
                    }
                    for v in views.values()
                ),
                up_ns=self._up_ns,
                ordered=self._ordered,
                without=self.prober.lacking(),
            )
        )

    async def _scenarios(self) -> str:
        left, done = list(self.selected), dict[str, Verdict]()
        whole = True
        reason = ""
        while left:
            batch = next_batch(left, done)
            if not batch:
                break
            left = [s for s in left if s not in batch]
            if batch[0].disrupting:
                if not whole:
                    self._skip(batch, done, f"not exercised: no steady state: {reason}")
                    continue
                marks = await log_marks(self.platform)
                done[batch[0].id] = await self._one(batch[0], done)
                gate = await self._steady.gate(f"after {batch[0].id}")
                await self._explain(marks)
                whole, reason = gate.holds, gate.reason if not gate.holds else reason
            else:
                await self._together(batch, done)
            if self.options.fail_fast and Verdict.FAIL in done.values():
                return "stopped at the first failure, as asked"
        return ""

    async def _explain(self, since: Mapping[str, int]) -> None:
        """What was written since then was written while something was broken on purpose, or mended; or while the stack came up."""
        for name, end in (await log_marks(self.platform)).items():
            begin = since.get(name, 0)
            self._explained.setdefault(name, []).append((begin if begin <= end else 0, end))

    def _skip(self, batch: Sequence[ScenarioPlan], done: dict[str, Verdict], reason: str) -> None:
        for scenario in batch:
            self.ledger.close_scenario(scenario.id, reason)
            done[scenario.id] = Verdict.INCONCLUSIVE

    async def _together(self, batch: Sequence[ScenarioPlan], done: dict[str, Verdict]) -> None:
        """Observing scenarios at once, each as soon as those that it waits for are through."""
        limit, ended = asyncio.Semaphore(TOGETHER), {s.id: asyncio.Event() for s in batch}

        async def one(scenario: ScenarioPlan) -> None:
            for other in (*scenario.needs, *scenario.after):
                if other in ended:
                    await ended[other].wait()
            async with limit:
                done[scenario.id] = await self._one(scenario, done)
            ended[scenario.id].set()

        async with asyncio.TaskGroup() as group:
            for scenario in batch:
                group.create_task(one(scenario))

    async def _one(self, scenario: ScenarioPlan, done: dict[str, Verdict]) -> Verdict:
        short = too_short(self.plan, scenario)
        if short:
            self._skip([scenario], done, f"not exercised: {short}")
            return Verdict.INCONCLUSIVE
        unmet = [n for n in scenario.needs if done.get(n) is not Verdict.PASS]
        if unmet:
            self._skip([scenario], done, f"not exercised: it needs {', '.join(unmet)}, which did not pass")
            return Verdict.INCONCLUSIVE
        values = self.values.child()
        for need in scenario.needs:
            values.adopt(self._scopes[need])
        self._scopes[scenario.id] = values
        run = ScenarioRun(scenario, self.crew, values, self.plan.throughout)
        if not scenario.disrupting:
            return await run.run()
        async with self._roles.watching():
            return await run.run()

    async def _expectations(self, began: int) -> None:
        if not self.plan.expect:
            return
        self.journal.write(PhaseChanged(phase="judging"))
        spans = self.crew.faults.spans()
        names = [n for n in (*self.plan.workloads, *self.plan.loads) if n in self.crew.workloads.running]
        figures = await self.crew.workloads.figures(names, "trial", began, spans, self.values.all())
        figures |= {"stack": await self._stack_figures(), "usage": self._usage.figures(began, time.monotonic_ns())}
        for expectation in self.plan.expect:
            used = [n for n in names if n in expectation.condition.names]
            evidence = self.crew.workloads.evidence(used)
            if "trial" in expectation.condition.names:  # how long it took is known when it is over
                self._at_the_end.append((expectation, figures, evidence))
            else:
                judge_expectation(self.ledger, "trial", expectation, {**self.values.all(), **figures}, began, evidence)

    def _judge_at_the_end(self) -> None:
        known = self.values.all()
        own = {**dict(known["trial"]), "took": self._took()} if isinstance(known["trial"], Mapping) else {}
        for expectation, figures, evidence in self._at_the_end:
            values = {**known, **figures, "trial": own}
            judge_expectation(self.ledger, "trial", expectation, values, self._began, evidence)

    def _took(self) -> object:
        """All of it, from the start of the stack to its end; a part says nothing of the whole."""
        options = self.options
        if options.selection or self.plan.scale != 1:
            part = options.selection or f"profiles scaled to {self.plan.scale:g}"
            return Missing(f"how long all of it takes is not shown by a part: {part}")
        if options.keep or not (options.start or self.plan.stack.platform == "remote"):
            return Missing("the stack was not started and ended by this trial")
        return Quantity(time.monotonic_ns() - self._began, Dimension.DURATION)

    async def _not_aborted(self, began: int) -> None:
        """The loads that ran through the whole trial and may be aborted."""
        for name, running in self.crew.workloads.running.items():
            planned = self.ledger.planned.get(f"trial/{abort_finding(name)}")
            if planned is not None:
                await judge_not_aborted(
                    self.ledger, planned.id, running.abort, running.workload, began, planned.severity
                )

    async def _stack_figures(self) -> dict[str, object]:
        views = await self.platform.survey()
        instances = [i for v in views.values() for i in v.instances]
        unknown = Missing("this trial did not start the stack, so it did not see it come up")
        return {
            "up": Quantity(self._up_ns, Dimension.DURATION) if self._up_ns is not None else unknown,
            "ordered": self._ordered if self._ordered is not None else unknown,
            "services": len(views),
            "instances": len(instances),
            "restarts": sum(i.restarts for i in instances),
        }

    async def _watch(self) -> None:
        """Every change of an instance, as the platform reports it, into the journal."""
        async for instance in self.platform.changes():
            self._starts.append(instance)
            self.journal.write(
                InstanceChanged(
                    instance=instance.name,
                    service=instance.service,
                    state=instance.state.value,
                    ready=instance.ready,
                    identity=instance.identity,
                    restarts=instance.restarts,
                    at_ns=time.monotonic_ns(),
                    detail=instance.detail,
                )
            )

    async def _finish(self, reason: str) -> Residue:
        self.journal.write(PhaseChanged(phase="ending"))
        for scenario in {f.scenario for f in self.crew.faults.all}:
            await self.crew.faults.heal_all(scenario, "end of the trial")
        await self.crew.workloads.stop_all()
        for name in self.plan.judged:
            if name in self.crew.workloads.own:
                judge_own(self.ledger, f"trial/{name}", self.crew.workloads.own[name], self._began)
        await self._unchanged.judge(reason)
        residue: Residue = await self._end()
        if RESIDUE in self.ledger.planned:
            self._judge_residue(residue)
        if not reason:
            self._judge_at_the_end()
        # Of an error of many lines the first says what; the rest (the ends of logs) stands once, in the journal.
        first, _, _ = reason.partition("\n")
        self.ledger.close(f"not exercised: {first or 'the trial ended before its turn'}")
        outcome = self.ledger.outcome()
        self.journal.write(
            TrialEnded(
                outcome=outcome.value,
                exit_status=outcome.exit_status,
                accounting=self.ledger.accounting(self.plan),
                took_ns=time.monotonic_ns() - self._began,
                summary=self.ledger.summary(self.plan),
                reason=reason,
                residue=residue.lines,
            )
        )
        return residue

    def _judge_residue(self, residue: Residue) -> None:
        if self.options.keep or not self.options.start:
            why = (
                "the stack was kept running, as asked"
                if self.options.keep
                else "the stack was running before and goes on"
            )
            self.ledger.inconclusive(RESIDUE, f"not exercised: {why}")
            return
        planned, now = self.ledger.planned[RESIDUE], time.monotonic_ns()
        left = residue.lines
        text = "; ".join(left) or "nothing remains"
        self.ledger.judge(
            Finding(
                id=RESIDUE,
                scenario="trial",
                claim=planned.claim,
                verdict=Verdict.FAIL if left else Verdict.PASS,
                measured=f"{len(left)} left",
                bound="0 left",
                reason="; ".join(left),
                began_ns=now,
                ended_ns=now,
                evidence=(Evidence(kind="stack", summary=text, at_ns=now, data=plain(residue)),),
            )
        )


def setup_of(plan: Plan) -> ScenarioPlan:
    """The setup as a scenario: two minutes, and the length of the loads that its steps run."""
    loads = sum(plan.loads[s.load].for_ns or 0 for s in plan.setup if isinstance(s, LoadStep))
    return ScenarioPlan(id="setup", title="setup", deadline_ns=120 * NS_PER_S + loads, steps=plan.setup)


def in_order(plan: Plan, changes: Sequence[Instance]) -> bool | None:
    """Whether each service first ran after everything it depends on was ready; None when that was not seen."""
    first_run: dict[str, int] = {}
    all_ready: dict[str, int] = {}
    for place, change in enumerate(changes):
        if change.state is InstanceState.STARTING or change.state is InstanceState.RUNNING:
            first_run.setdefault(change.service, place)
        if change.ready:
            all_ready[change.service] = all_ready.get(change.service, place)
    services = plan.stack.services
    needed = [
        s for s in services.values() if not s.optional and s.kind != KIND
    ]  # a link is there before what it leads to
    pairs = [(s.name, d) for s in needed for d in s.after if d not in services or not services[d].optional]
    if not pairs or any(name not in first_run or d not in all_ready for name, d in pairs):
        return None
    return all(all_ready[d] < first_run[name] for name, d in pairs)


__all__ = ["Options", "Result", "Trial"]
