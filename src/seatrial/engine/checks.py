"""Runs a check: attempts until it holds or its time is over, and says with which resolution."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

from ..core.errors import Absent
from ..core.events import Attempted
from ..core.expressions import Judgement
from ..core.observations import Observation, Seen
from ..core.plan import CheckPlan, ProbeCall
from ..core.quantities import NS_PER_S, Dimension, Quantity
from ..core.remedies import LIKELY, remedy
from ..core.results import Evidence
from ..core.verdicts import Verdict, from_truth
from .counting import Baseline, Counting
from .journal import Journal
from .probing import DEFAULT_TIMEOUT_NS, NOT_HERE, Prober, judge

POLL_NS = 100_000_000
POLL_MAX_NS = 500_000_000


@dataclass(frozen=True, kw_only=True)
class CheckResult:
    """What came of a check; `held_ns` from its start to the attempt that held, known to within `resolution_ns`."""

    verdict: Verdict
    judgement: Judgement
    observation: Observation
    attempts: int
    began_ns: int
    ended_ns: int
    held_ns: int | None
    resolution_ns: int
    evidence: tuple[Evidence, ...]

    @property
    def measured(self) -> str:
        """The measured side, with the time it took where it was waited for."""
        shown = ", ".join(f"{path} = {value}" for path, value in self.judgement.measured)
        if self.attempts > 1 and self.held_ns is not None:
            took, within = Quantity(self.held_ns, Dimension.DURATION), Quantity(self.resolution_ns, Dimension.DURATION)
            return f"{shown} after {took} (-{within})".strip()
        return shown or (self.observation.message if self.observation.seen is not Seen.VALUE else "")


@dataclass(frozen=True, kw_only=True)
class Place:
    """Where an attempt belongs in the journal."""

    scenario: str
    step: str
    finding: str = ""  # that it judges, where it is to be kept


@dataclass(frozen=True, kw_only=True)
class Kept:
    """A check as it ran: with these values of the spec, marks in logs and counters of before, it came to that."""

    check: CheckPlan
    values: Mapping[str, object]
    marks: Mapping[str, int]
    baseline: Baseline | None
    result: CheckResult

    @property
    def seen(self) -> Mapping[str, object]:
        """All names that its expectation could use of the observation."""
        observation = self.result.observation
        took = Quantity(observation.ended_ns - observation.started_ns, Dimension.DURATION)
        own = {"error": observation.error, "instance": observation.at, "took": took, "attempts": self.result.attempts}
        return {**own, **observation.values}


class Checks:
    """Runs checks and records their attempts. `kept`: what came of them last, by finding, where somebody wants to know."""

    def __init__(self, prober: Prober, journal: Journal) -> None:
        self._prober = prober
        self._journal = journal
        self.counting = Counting(prober)
        self.kept: dict[str, Kept] | None = None

    async def run(
        self,
        check: CheckPlan,
        values: Mapping[str, object],
        place: Place,
        marks: Mapping[str, int] | None = None,
        baseline: Baseline | None = None,
    ) -> CheckResult:
        """Attempt until it holds (`within`), and for as long as it must (`for`); of what it counts `baseline` is subtracted."""
        result = await self._run(check, values, place, marks or {}, baseline)
        if self.kept is not None and place.finding:
            self.kept[place.finding] = Kept(
                check=check, values=values, marks=marks or {}, baseline=baseline, result=result
            )
        return result

    async def _run(
        self,
        check: CheckPlan,
        values: Mapping[str, object],
        place: Place,
        marks: Mapping[str, int],
        baseline: Baseline | None,
    ) -> CheckResult:
        run = _Run(self, check, values, place, marks, baseline)
        targets = await self._everywhere(check.call)
        if targets is not None:
            return await self._all(check, values, place, marks, targets)
        return await run.go()

    async def _everywhere(self, call: ProbeCall) -> list[ProbeCall] | None:
        """`at: web *` asks each instance, and holds when all do; some verbs look at all instances by themselves."""
        verb = self._prober.verb(call.verb)
        if call.at is None or not call.at.everywhere or (verb is not None and verb.together):
            return None
        try:
            view = await self._prober.view(call.at.service)
        except Absent:
            return None  # the attempt says so
        return [
            replace(call, at=replace(call.at, everywhere=False, ordinal=i.ordinal))
            for i in sorted(view.instances, key=lambda i: i.ordinal)
        ]

    async def _all(
        self,
        check: CheckPlan,
        values: Mapping[str, object],
        place: Place,
        marks: Mapping[str, int],
        calls: list[ProbeCall],
    ) -> CheckResult:
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(_Run(self, replace(check, call=c), values, place, marks).go()) for c in calls]
        results = [t.result() for t in tasks]
        worst = max(results, key=lambda r: (r.verdict is Verdict.FAIL, r.verdict is Verdict.INCONCLUSIVE))
        measured = tuple(
            (f"{c.at}: {path}", v) for c, r in zip(calls, results, strict=True) for path, v in r.judgement.measured
        )
        return replace(
            worst,
            judgement=replace(worst.judgement, measured=measured),
            evidence=tuple(e for r in results for e in r.evidence[-1:]),
            ended_ns=max(r.ended_ns for r in results),
        )

    @contextlib.contextmanager
    def turned(self) -> Iterator[None]:
        """While it lasts, who reads the record of the stack's start reads a copy in which all came in the opposite order."""
        before = self._prober.watched
        self._prober.watched = replace(before, changes=None if before.changes is None else before.changes[::-1])
        try:
            yield
        finally:
            self._prober.watched = before

    @contextlib.contextmanager
    def as_it_is(self) -> Iterator[None]:
        """While it lasts, nothing is different."""
        yield

    def timeout_ns(self, check: CheckPlan) -> int:
        """Of an attempt: its own, the verb's, or what is usual."""
        verb = self._prober.verb(check.call.verb)
        return check.timeout_ns or (verb.timeout_ns if verb is not None else None) or DEFAULT_TIMEOUT_NS

    def condition(self, call: ProbeCall, expect: str) -> str:
        """What is expected, and what the arguments say that must be true."""
        verb = self._prober.verb(call.verb)
        said = verb.expects(call.arguments) if verb is not None and verb.expects is not None else ""
        return f"{said} and ({expect})" if said else expect

    async def attempt(self, run: _Run, timeout_ns: int) -> tuple[Observation, Judgement]:
        """One attempt of a run."""
        observation = await self._prober.call(run.check.call, run.values, timeout_ns, run.marks)
        if run.baseline is not None:
            observation = await self.counting.since(run.check, run.baseline, observation)
        return observation, judge(run.check, observation, {**run.values, "attempts": run.attempts})

    def record(self, run: _Run, observation: Observation, judgement: Judgement) -> None:
        """Journal an attempt."""
        self._journal.write(
            Attempted(
                scenario=run.place.scenario,
                step=run.place.step,
                attempt=run.attempts,
                began_ns=observation.started_ns,
                ended_ns=observation.ended_ns,
                at=observation.at,
                seen=observation.seen.value,
                truth=judgement.truth,
                message=judgement.reason or observation.message,
                record=observation.record,
            )
        )


class _Run:
    """The state of one check's attempts."""

    def __init__(
        self,
        checks: Checks,
        check: CheckPlan,
        values: Mapping[str, object],
        place: Place,
        marks: Mapping[str, int],
        baseline: Baseline | None = None,
    ) -> None:
        self.checks, self.check, self.values, self.place, self.marks = checks, check, values, place, marks
        self.baseline = baseline
        self.attempts = 0
        self._last_shown = ""

    async def go(self) -> CheckResult:
        check = self.check
        began = time.monotonic_ns()
        deadline = began + (check.within_ns or 0)
        poll, previous_began = check.every_ns or POLL_NS, began
        whole: tuple[Observation, Judgement] | None = None
        while True:
            observation, judgement = await self._once(deadline if check.within_ns else None)
            if whole is not None and observation.seen is Seen.PROBE_ERROR and observation.error == "timeout":
                observation, judgement = whole  # a look that was cut short shows nothing: the last whole one counts
            whole = observation, judgement
            if judgement.truth is True:
                resolution = observation.ended_ns - previous_began
                if check.for_ns is None:
                    return self._result(began, observation, judgement, observation.ended_ns - began, resolution)
                return await self._hold(began, observation, judgement, resolution)
            over = check.within_ns is None or time.monotonic_ns() + poll >= deadline
            if over or observation.error == NOT_HERE:
                return self._result(began, observation, judgement, None, 0)
            previous_began = observation.started_ns
            await asyncio.sleep(poll / NS_PER_S)
            if check.every_ns is None:
                poll = min(POLL_MAX_NS, poll + poll // 4)

    async def _hold(self, began: int, observation: Observation, judgement: Judgement, resolution: int) -> CheckResult:
        held = observation.ended_ns - began
        until = time.monotonic_ns() + (self.check.for_ns or 0)
        every = self.check.every_ns or POLL_NS * 2
        while time.monotonic_ns() < until:
            await asyncio.sleep(min(every, max(0, until - time.monotonic_ns())) / NS_PER_S)
            observation, judgement = await self._once(None)
            if judgement.truth is not True:
                since = Quantity(time.monotonic_ns() - began, Dimension.DURATION)
                judgement = replace(judgement, reason=f"held, and no longer at {since}: {judgement.reason}")
                return self._result(began, observation, judgement, None, every)
        return self._result(began, observation, judgement, held, resolution)

    async def _once(self, deadline: int | None) -> tuple[Observation, Judgement]:
        self.attempts += 1
        timeout = self.checks.timeout_ns(self.check)
        if deadline is not None:
            timeout = max(POLL_NS, min(timeout, deadline - time.monotonic_ns()))
        observation, judgement = await self.checks.attempt(self, timeout)
        shown = f"{judgement.truth} {judgement.reason} {observation.error}"
        if shown != self._last_shown:
            self.checks.record(self, observation, judgement)
            self._last_shown = shown
        return observation, judgement

    def _result(
        self, began: int, observation: Observation, judgement: Judgement, held: int | None, resolution: int
    ) -> CheckResult:
        summary = (
            judgement.reason
            or ", ".join(f"{p} = {v}" for p, v in judgement.measured)
            or observation.message
            or "as expected"
        )
        data = {"at": observation.at, "seen": observation.seen.value, "attempts": self.attempts, **observation.record}
        if judgement.truth is not True:
            mends = remedy(observation)
            data |= ({"error": observation.error} if observation.error else {}) | ({LIKELY: mends} if mends else {})
        evidence = Evidence(kind="observation", summary=summary, at_ns=observation.ended_ns, data=data)
        return CheckResult(
            verdict=from_truth(judgement.truth),
            judgement=judgement,
            observation=observation,
            attempts=self.attempts,
            began_ns=began,
            ended_ns=time.monotonic_ns(),
            held_ns=held,
            resolution_ns=resolution,
            evidence=(evidence,),
        )
