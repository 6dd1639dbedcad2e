"""Runs one scenario: its steps in order, what must hold throughout, its `finally`, its expectations, and the healing."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from ..core.errors import NotExercised, SeatrialError
from ..core.events import Noted, ScenarioEnded, ScenarioStarted, StepEnded, StepStarted, ValueSaved
from ..core.load_plans import abort_finding
from ..core.plan import (
    BEGIN,
    CounterStep,
    FaultStep,
    HealStep,
    LoadStep,
    NamedCheck,
    PauseStep,
    ProbeStep,
    ScenarioPlan,
    Step,
)
from ..core.platforms import CanReadLogs, Platform
from ..core.quantities import NS_PER_S, Dimension, Quantity
from ..core.redaction import Redactor
from ..core.results import Evidence, Finding
from ..core.verdicts import Severity, Verdict
from .aborting import judge_not_aborted
from .checks import Checks, Place
from .countering import counter
from .expectations import judge_expectation
from .faulting import Faults, LiveFault
from .journal import Journal
from .ledger import Ledger
from .own import judge_own
from .probing import NOT_EXERCISED
from .python import run_body
from .steady import Steady
from .usage import UsageWatch
from .values import Values, missing
from .workloads import Workloads

SETTLE_NS = 30 * NS_PER_S


@dataclass(frozen=True, kw_only=True)
class Crew:
    """Everything a scenario works with."""

    platform: Platform
    steady: Steady
    usage: UsageWatch
    checks: Checks
    faults: Faults
    workloads: Workloads
    journal: Journal
    ledger: Ledger
    redactor: Redactor


class StepFailed(Exception):  # noqa: N818 - control flow inside a scenario
    """A step on which the rest depends did not pass; the message says which."""


class ScenarioRun:
    """One scenario's run. `run` never raises but for cancellation, and heals in every case."""

    def __init__(self, plan: ScenarioPlan, crew: Crew, values: Values, throughout: tuple[str, ...]) -> None:
        self.plan = plan
        self.crew = crew
        self.values = values
        self._throughout = (*dict.fromkeys((*plan.throughout, *throughout)),)
        self.marks: Mapping[str, int] = {}  # of logs, when it began
        self.began_ns = 0
        self._reason = ""
        self._hurried = False  # somebody ends the trial: nothing is waited for any more
        self._loads: list[str] = []  # run by a step of this scenario
        self._looks: list[tuple[str, int, int]] = []  # steps that look at something: id, begin, end
        self._unseen: dict[str, str] = {}  # faults that were not seen to act, until they would be healed, and why

    @property
    def reason(self) -> str:
        """What ended it before its end; empty where nothing did."""
        return self._reason

    async def run(self) -> Verdict:
        """Everything, in order; returns the scenario's verdict."""
        plan, crew = self.plan, self.crew
        crew.journal.write(
            ScenarioStarted(scenario=plan.id, title=plan.title, covers=plan.covers, disrupting=plan.disrupting)
        )
        self.began_ns = time.monotonic_ns()
        self.marks = await log_marks(crew.platform)
        started: list[str] = []
        try:
            async with asyncio.timeout(plan.deadline_ns / NS_PER_S):
                await crew.checks.counting.mark(plan, BEGIN, self.values.all())
                started = await crew.workloads.start(plan.throughout, self.values.all(), plan.id)
                await self._body()
        except asyncio.CancelledError:
            self._hurried = True
            raise
        except TimeoutError:
            self._reason = f"the scenario's deadline of {Quantity(plan.deadline_ns, Dimension.DURATION)} was over"
        except StepFailed as failed:
            self._reason = str(failed)
        except SeatrialError as error:
            self._reason = str(error)
        finally:
            await self._wind_up(started)
        verdict = crew.ledger.verdict(plan.id)
        took = time.monotonic_ns() - self.began_ns
        crew.journal.write(ScenarioEnded(scenario=plan.id, verdict=verdict, took_ns=took, reason=self._reason))
        return verdict

    async def _body(self) -> None:
        holds = [asyncio.create_task(self._hold(h)) for h in self.plan.holds]
        try:
            if self.plan.python is not None:
                await self._python()
            else:
                for step in self.plan.steps:
                    await self.step(step)
        finally:
            for task in holds:
                task.cancel()
            await asyncio.gather(*holds, return_exceptions=True)

    async def _wind_up(self, started: list[str]) -> None:
        """finally steps, expectations while faults still live, healing, and an end to every promise."""
        plan, crew = self.plan, self.crew
        self._unseen.clear()
        for step in plan.finally_:
            try:
                await self.step(step)
            except (StepFailed, SeatrialError) as error:
                crew.journal.write(Noted(level="warning", message=f"finally: {error}", scenario=plan.id))
        if plan.expect:
            await self._settle(crew.faults.holding_ns(plan.id))
        await crew.faults.heal_all(plan.id, "end of the scenario")
        self._unhealed()
        if plan.expect:
            await self._expectations()
        elif self._loads:  # nothing asks for their figures, but the report shows them
            spans = crew.faults.spans(plan.id)
            await crew.workloads.figures(self._loads, plan.id, self.began_ns, spans, self.values.all())
        for load in plan.abortable:
            await self._not_aborted(abort_finding(load), load, self.began_ns, plan.severity)
        await crew.workloads.stop([*started, *self._loads])
        for name in plan.judged:
            if name in crew.workloads.own:
                judge_own(crew.ledger, f"{plan.id}/{name}", crew.workloads.own[name], self.began_ns)
        crew.ledger.close_scenario(plan.id, f"not exercised: {self._reason or 'an earlier step did not pass'}")

    def _unhealed(self) -> None:
        """A fault that could not be healed may have ended before its time: what was seen under it shows nothing."""
        for live in self.crew.faults.all:
            if live.scenario == self.plan.id and live.unhealed:
                id_ = live.id if live.id in self.crew.ledger.planned else f"{self.plan.id}/body"
                reason = f"it is not known how long {live.id} acted: {live.unhealed}"
                self.crew.ledger.inconclusive(id_, reason, exercised=True)
                for step, began_ns, ended_ns in self._looks:
                    if ended_ns > live.injected_ns and began_ns < (live.healed_ns or ended_ns):
                        self.crew.ledger.withdraw(f"{self.plan.id}/{step}", reason)

    async def _settle(self, within_ns: int) -> None:
        """Wait until the clients are served again, so that recovery can be told."""
        spans = self.crew.faults.spans(self.plan.id)
        if spans and not self._hurried:
            used = [n for n in self._throughout if any(n in e.condition.names for e in self.plan.expect)]
            await self.crew.workloads.settle(used, self.began_ns, spans, min(within_ns, SETTLE_NS))

    async def _expectations(self) -> None:
        crew, plan = self.crew, self.plan
        spans = crew.faults.spans(plan.id)
        unseen = [f for f in crew.faults.all if f.scenario == plan.id and (f.unhealed or not f.witnessed)]
        await self._settle(SETTLE_NS)
        figures = await crew.workloads.figures(
            (*self._throughout, *self._loads), plan.id, self.began_ns, spans, self.values.all()
        )
        if any("usage" in e.condition.names for e in plan.expect):
            figures |= {"usage": crew.usage.figures(self.began_ns, time.monotonic_ns())}
        for expectation in plan.expect:
            names = [n for n in (*self._throughout, *self._loads) if n in expectation.condition.names]
            if unseen or (self.plan.disrupting and not spans):
                what = ", ".join(f.id for f in unseen) or "the fault"
                crew.ledger.inconclusive(
                    f"{plan.id}/{expectation.name}", f"{what} was not seen to act to its end, so nothing was shown"
                )
                continue
            judge_expectation(
                crew.ledger,
                plan.id,
                expectation,
                {**self.values.all(), **figures},
                self.began_ns,
                crew.workloads.evidence(names),
            )

    async def _python(self) -> None:
        body = self.plan.python
        if body is None:
            return
        began = time.monotonic_ns()
        verdict, reason = await run_body(self, body)
        planned = self.crew.ledger.planned[f"{self.plan.id}/body"]
        evidence = Evidence(
            kind="observation",
            summary=reason or "ran to its end",
            at_ns=time.monotonic_ns(),
            data={"file": str(body.file)},
        )
        self.crew.ledger.judge(
            Finding(
                id=planned.id,
                scenario=self.plan.id,
                claim=planned.claim,
                verdict=verdict,
                covers=planned.covers,
                severity=planned.severity,
                reason=reason,
                began_ns=began,
                ended_ns=time.monotonic_ns(),
                evidence=(evidence,),
            )
        )
        if verdict is not Verdict.PASS:
            raise StepFailed(reason)

    async def step(self, step: Step) -> None:
        """One step. Raises StepFailed when it did not pass and the rest must not go on."""
        began = time.monotonic_ns()
        deadline = began + step.check.within_ns if isinstance(step, ProbeStep) and step.check.within_ns else None
        self.crew.journal.write(
            StepStarted(scenario=self.plan.id, step=step.id, title=step.title, deadline_ns=deadline)
        )
        verdict, message, attempts = self._without_fault(step) or await self._act(step)
        if isinstance(step, ProbeStep | LoadStep):
            self._looks.append((step.id, began, time.monotonic_ns()))
        self.crew.journal.write(
            StepEnded(
                scenario=self.plan.id,
                step=step.id,
                verdict=verdict,
                took_ns=time.monotonic_ns() - began,
                attempts=attempts,
                message=message,
            )
        )
        await self.crew.checks.counting.mark(self.plan, step.id, self.values.all())
        if verdict not in (None, Verdict.PASS) and step.severity is Severity.BLOCKING:
            raise StepFailed(f"{step.id} did not pass: {message}")

    def _without_fault(self, step: Step) -> tuple[Verdict | None, str, int] | None:
        """What is to be seen under a fault that did not act shows nothing, whatever the severity: it is not looked at."""
        id_ = f"{self.plan.id}/{step.id}"
        if not self._unseen or not isinstance(step, ProbeStep | LoadStep) or id_ not in self.crew.ledger.planned:
            return None
        reason = "not exercised: " + "; ".join(f"{name} did not act: {why}" for name, why in self._unseen.items())
        self.crew.ledger.inconclusive(id_, reason)
        return Verdict.INCONCLUSIVE, reason, 0

    async def _act(self, step: Step) -> tuple[Verdict | None, str, int]:
        match step:
            case ProbeStep():
                return await self._probe(step)
            case FaultStep():
                return (*await self._fault(step), 1)
            case HealStep():
                return (*await self._heal(step), 1)
            case LoadStep():
                return (*await self._load(step), 1)
            case CounterStep():
                return await counter(self, step)
            case PauseStep():
                await asyncio.sleep(step.duration_ns / NS_PER_S)
                return (
                    None,
                    f"paused {Quantity(step.duration_ns, Dimension.DURATION)}: {step.reason or 'no reason given'}",
                    1,
                )

    async def _load(self, step: LoadStep) -> tuple[Verdict | None, str]:
        began = time.monotonic_ns()
        if step.load in self._loads:  # once more, in setup: the run before is over
            self._loads.remove(step.load)
            await self.crew.workloads.stop([step.load])
        try:
            await self.crew.workloads.start_alone(step.load, self.values.all(), self.plan.id)
            self._loads.append(step.load)
            own = await self.crew.workloads.to_end(step.load)
        except SeatrialError as error:
            if not step.judged:
                raise
            reason = f"not exercised: {error}"
            self.crew.ledger.inconclusive(f"{self.plan.id}/{step.id}", reason)
            return Verdict.INCONCLUSIVE, reason
        if not step.judged or f"{self.plan.id}/{step.id}" not in self.crew.ledger.planned:
            return None, "the load has ended"
        if own is not None:
            return judge_own(self.crew.ledger, f"{self.plan.id}/{step.id}", own, began).verdict, own.words
        finding = await self._not_aborted(step.id, step.load, began, step.severity)
        return finding.verdict, finding.reason or "it was not aborted"

    async def _not_aborted(self, name: str, load: str, began_ns: int, severity: Severity) -> Finding:
        running = self.crew.workloads.running.get(load)
        watch, workload = (running.abort, running.workload) if running else (None, None)
        id_ = f"{self.plan.id}/{name}"
        return await judge_not_aborted(self.crew.ledger, id_, watch, workload, began_ns, severity)

    async def _probe(self, step: ProbeStep) -> tuple[Verdict | None, str, int]:
        crew, finding = self.crew, f"{self.plan.id}/{step.id}"
        place = Place(scenario=self.plan.id, step=step.id, finding=finding)
        baseline = crew.checks.counting.baseline(self.plan.id, step.id, step.check)
        result = await crew.checks.run(step.check, self.values.all(), place, self.marks, baseline)
        verdict: Verdict = result.verdict
        message = result.judgement.reason or result.observation.message
        if verdict is Verdict.PASS:
            lost = self._save(step, result.observation.values)
            if lost:
                verdict, message = Verdict.INCONCLUSIVE, lost
        if step.check.expect is None:
            return (None if verdict is Verdict.PASS else verdict), message, result.attempts
        planned = crew.ledger.planned.get(f"{self.plan.id}/{step.id}")
        if planned is not None:
            bound = result.judgement.bound or step.check.expect.source
            if step.check.within_ns:
                bound = f"{bound} within {Quantity(step.check.within_ns, Dimension.DURATION)}"
            if step.check.for_ns:
                bound = f"{bound} for {Quantity(step.check.for_ns, Dimension.DURATION)}"
            crew.ledger.judge(
                Finding(
                    id=planned.id,
                    scenario=self.plan.id,
                    claim=planned.claim,
                    verdict=verdict,
                    covers=planned.covers,
                    severity=step.severity,
                    measured=result.measured,
                    bound=bound,
                    reason="" if verdict is Verdict.PASS else message,
                    exercised=verdict is not Verdict.INCONCLUSIVE or result.observation.error not in NOT_EXERCISED,
                    began_ns=result.began_ns,
                    ended_ns=result.ended_ns,
                    evidence=result.evidence,
                    interval=(result.held_ns - result.resolution_ns, result.held_ns)
                    if result.held_ns and result.attempts > 1
                    else None,
                    dimension="duration" if result.held_ns and result.attempts > 1 else "",
                )
            )
        return verdict, message, result.attempts

    def _save(self, step: ProbeStep, seen: Mapping[str, object]) -> str:
        for name, path in step.save.items():
            value = path.value({**self.values.all(), **seen})
            if missing(value):
                return f"nothing to save as {name}: {getattr(value, 'reason', '')}"
            self.values.save(name, value)
            self.crew.journal.write(ValueSaved(scenario=self.plan.id, name=name, shown=shorten(value)))
        return ""

    async def _fault(self, step: FaultStep) -> tuple[Verdict, str]:
        began = time.monotonic_ns()
        live: LiveFault | None = None
        try:
            live = await self.crew.faults.inject(self.plan.id, step)
            acted = live.witnessed
            message = "; ".join(t.detail for t in live.testimony)
            reason = "" if acted else f"no witness saw the fault act: {message}"
            self.values.save("fault", {"instance": live.victims[0].name, "at": str(step.at)})
        except NotExercised as error:
            acted, message, reason = False, str(error), f"not exercised: {error}"
        except SeatrialError as error:
            acted, message, reason = False, str(error), f"the fault could not be made: {error}"
        planned = self.crew.ledger.planned[f"{self.plan.id}/{step.id}"]
        now = time.monotonic_ns()
        verdict = Verdict.PASS if acted else Verdict.INCONCLUSIVE
        data = (
            {"victims": [v.name for v in live.victims], "witness": [t.witness for t in live.testimony]} if live else {}
        )
        self.crew.ledger.judge(
            Finding(
                id=planned.id,
                scenario=self.plan.id,
                claim=planned.claim,
                verdict=verdict,
                covers=planned.covers,
                severity=step.severity,
                measured=message,
                bound="seen by a witness",
                reason=reason,
                exercised=live is not None,
                began_ns=began,
                ended_ns=now,
                evidence=(Evidence(kind="fault", summary=message, at_ns=now, data=data),),
            )
        )
        if not acted and step.for_ns is None:
            self._unseen[step.id] = message
        if acted and live is not None and step.for_ns is not None:
            await asyncio.sleep(step.for_ns / NS_PER_S)
            await self.crew.faults.heal(live, "its time was over")
        return verdict, reason or message

    async def _heal(self, step: HealStep) -> tuple[Verdict | None, str]:
        for name in list(self._unseen) if step.fault is None else [step.fault]:
            self._unseen.pop(name, None)
        if step.fault is None:
            ok = await self.crew.faults.heal_all(self.plan.id, "heal step")
        else:
            lives: Iterable[LiveFault] = (
                f for f in self.crew.faults.all if f.scenario == self.plan.id and f.step == step.fault
            )
            ok = all([await self.crew.faults.heal(f, "heal step") for f in lives])
        return (None if ok else Verdict.INCONCLUSIVE), "healed" if ok else "could not be healed"

    async def _hold(self, named: NamedCheck) -> None:
        """A check that must hold throughout: one failure decides, whatever comes later."""
        began = time.monotonic_ns()
        place = Place(scenario=self.plan.id, step=named.id, finding=f"{self.plan.id}/{named.id}")
        planned = self.crew.ledger.planned[f"{self.plan.id}/{named.id}"]
        baseline = self.crew.checks.counting.baseline(self.plan.id, named.id, named.check)
        times = 0
        evidence: tuple[Evidence, ...] = ()
        verdict, reason = Verdict.INCONCLUSIVE, "never looked at"
        try:
            while True:
                result = await self.crew.checks.run(named.check, self.values.all(), place, self.marks, baseline)
                times += 1
                evidence, verdict, reason = result.evidence, result.verdict, result.judgement.reason
                if verdict is not Verdict.PASS:
                    return
                await asyncio.sleep((named.check.every_ns or NS_PER_S) / NS_PER_S)
        finally:
            now = time.monotonic_ns()
            self.crew.ledger.judge(
                Finding(
                    id=planned.id,
                    scenario=self.plan.id,
                    claim=planned.claim,
                    verdict=verdict,
                    covers=planned.covers,
                    severity=planned.severity,
                    measured=f"looked at {times} times in {Quantity(now - began, Dimension.DURATION)}",
                    bound=f"{named.check.expect.source if named.check.expect else 'an answer'} throughout",
                    reason="" if verdict is Verdict.PASS else reason,
                    began_ns=began,
                    ended_ns=now,
                    evidence=evidence,
                )
            )


async def log_marks(platform: Platform) -> dict[str, int]:
    """Size of each log now: what is written later belongs to the scenario."""
    if not isinstance(platform, CanReadLogs):
        return {}
    marks: dict[str, int] = {}
    for view in (await platform.survey()).values():
        for instance in view.instances:
            path = platform.log_file(instance)
            marks[instance.name] = path.stat().st_size if path.exists() else 0
    return marks


def shorten(value: object, limit: int = 120) -> str:
    """A value for people, cut."""
    text = str(value)
    return text if len(text) <= limit else text[: limit - 1] + "…"
