"""The accounting of findings: what was planned, what was judged, and what never came to be."""

from __future__ import annotations

import time
from collections.abc import Collection, Iterable, Mapping
from dataclasses import replace

from ..core.events import FindingJudged
from ..core.fingerprints import PLANNED as UNCHANGED
from ..core.load_plans import abort_finding, own_claim
from ..core.plan import CounterStep, FaultStep, LoadStep, Plan, ProbeStep, ScenarioPlan, Step
from ..core.results import Accounting, Finding, PlannedFinding, decide, requirement_verdicts
from ..core.verdicts import Outcome, Severity, Verdict, combine
from .journal import Journal

STEADY = "steady/stack"
RESIDUE = "trial/nothing-remains"
UNPROVEN = "it passed, and nobody has seen yet that it can fail (require-proof): seatrial prove"
UNFINISHED = "not exercised: the trial ended before its turn"


def planned_findings(plan: Plan, selected: Iterable[ScenarioPlan]) -> tuple[PlannedFinding, ...]:
    """Every claim the trial will judge, known before it starts; their ids are stable from run to run."""
    starts = plan.stack.platform != "remote"
    found: list[PlannedFinding] = []
    found.append(
        PlannedFinding(
            id=STEADY, scenario="steady", claim="every service has all its instances, ready and in their roles"
        )
    )
    found += [
        PlannedFinding(id=f"steady/{c.id}", scenario="steady", claim=c.title, covers=c.covers) for c in plan.steady
    ]
    found += _of_steps("setup", plan.setup)
    for scenario in selected:
        found += _of_scenario(scenario)
    found += [PlannedFinding(id=f"trial/{n}", scenario="trial", claim=own_claim(n)) for n in plan.judged]
    found += [
        PlannedFinding(
            id=f"trial/{e.name}", scenario="trial", claim=e.condition.source, covers=e.covers, severity=e.severity
        )
        for e in plan.expect
    ]
    found += [_not_aborted("trial", n) for n in plan.throughout if n in plan.loads and plan.loads[n].abort]
    found.append(UNCHANGED)
    if starts:
        found.append(
            PlannedFinding(id=RESIDUE, scenario="trial", claim="no process, port or directory of the trial remains")
        )
    return tuple(found)


def _of_steps(scenario: str, steps: Iterable[Step], covers: tuple[str, ...] = ()) -> list[PlannedFinding]:
    return [
        PlannedFinding(
            id=f"{scenario}/{s.id}", scenario=scenario, claim=s.title, covers=s.covers or covers, severity=s.severity
        )
        for s in steps
        if isinstance(s, FaultStep | CounterStep)
        or (isinstance(s, ProbeStep) and s.check.expect is not None)
        or (isinstance(s, LoadStep) and s.judged)
    ]


def _not_aborted(scenario: str, load: str, covers: tuple[str, ...] = ()) -> PlannedFinding:
    return PlannedFinding(
        id=f"{scenario}/{abort_finding(load)}", scenario=scenario, claim=f"load {load} is not aborted", covers=covers
    )


def _of_scenario(scenario: ScenarioPlan) -> list[PlannedFinding]:
    covers = scenario.covers
    if scenario.python is not None:
        found = [PlannedFinding(id=f"{scenario.id}/body", scenario=scenario.id, claim=scenario.title, covers=covers)]
    else:
        found = _of_steps(scenario.id, (*scenario.steps, *scenario.finally_), covers)
    found += [_not_aborted(scenario.id, n, covers) for n in scenario.abortable]
    found += [
        PlannedFinding(id=f"{scenario.id}/{h.id}", scenario=scenario.id, claim=h.title, covers=h.covers or covers)
        for h in scenario.holds
    ]
    found += [
        PlannedFinding(
            id=f"{scenario.id}/{n}",
            scenario=scenario.id,
            claim=own_claim(n),
            covers=covers,
            severity=scenario.severity,
        )
        for n in scenario.judged
    ]
    found += [
        PlannedFinding(
            id=f"{scenario.id}/{e.name}",
            scenario=scenario.id,
            claim=e.condition.source,
            covers=e.covers or covers,
            severity=e.severity,
        )
        for e in scenario.expect
    ]
    return found


class Ledger:
    """Judged findings beside the planned ones; writes each to the journal. `unproven`: findings that show nothing when they pass."""

    def __init__(
        self,
        planned: Iterable[PlannedFinding],
        journal: Journal,
        unproven: Collection[str] = (),
        waived: Mapping[str, str] | None = None,
    ) -> None:
        """`waived`: id to who waives it, until when and why."""
        self._unproven = frozenset(unproven)
        self.planned = {p.id: p for p in planned}
        self.findings: dict[str, Finding] = {}
        self._waived = waived or {}
        self._journal = journal
        self.figures: dict[str, Mapping[str, object]] | None = (
            None  # what expectations went by, where somebody wants to know
        )

    def judge(self, finding: Finding) -> Finding:
        """Record a finding. One judged before keeps the worse verdict: nothing is overwritten by a later success."""
        if finding.verdict is Verdict.PASS and finding.id in self._unproven:
            finding = replace(finding, verdict=Verdict.INCONCLUSIVE, reason=UNPROVEN)
        before = self.findings.get(finding.id)
        if before is not None and combine([before.verdict, finding.verdict]) is before.verdict:
            return before
        return self._record(finding)

    def _record(self, finding: Finding) -> Finding:
        if finding.verdict is not Verdict.PASS and finding.id in self._waived:
            finding = replace(finding, waived=self._waived[finding.id])
        self.findings[finding.id] = finding
        self._journal.write(FindingJudged(finding=finding))
        return finding

    def inconclusive(self, id_: str, reason: str, *, exercised: bool = False) -> Finding:
        """Judge a planned finding INCONCLUSIVE, by default as not exercised."""
        planned = self.planned[id_]
        now = time.monotonic_ns()
        return self.judge(
            Finding(
                id=id_,
                scenario=planned.scenario,
                claim=planned.claim,
                covers=planned.covers,
                severity=planned.severity,
                verdict=Verdict.INCONCLUSIVE,
                reason=reason,
                exercised=exercised,
                began_ns=now,
                ended_ns=now,
            )
        )

    def withdraw(self, id_: str, reason: str) -> None:
        """A finding that was judged rested on what was not there: it is INCONCLUSIVE, whatever it was, and keeps what was seen."""
        before = self.findings.get(id_)
        if before is None or before.verdict is Verdict.INCONCLUSIVE:
            return
        seen = f"{before.verdict}{f' ({before.reason})' if before.reason else ''}"
        self._record(replace(before, verdict=Verdict.INCONCLUSIVE, reason=f"{reason}; it was {seen}"))

    def verdict(self, scenario: str) -> Verdict:
        """The worst blocking verdict of a scenario's planned findings, the worst of all where none is blocking; unjudged ones are
        INCONCLUSIVE.
        """
        planned = [p for p in self.planned.values() if p.scenario == scenario]
        return combine(
            self.findings[p.id].verdict if p.id in self.findings else Verdict.INCONCLUSIVE
            for p in [b for b in planned if b.severity is Severity.BLOCKING] or planned
        )

    def close_scenario(self, scenario: str, reason: str) -> None:
        """Judge what a scenario promised and did not reach."""
        for planned in self.planned.values():
            if planned.scenario == scenario and planned.id not in self.findings:
                self.inconclusive(planned.id, reason)

    def close(self, reason: str = UNFINISHED) -> None:
        """Judge everything that is still open as not exercised."""
        for id_ in self.planned:
            if id_ not in self.findings:
                self.inconclusive(id_, reason)

    def outcome(self) -> Outcome:
        """The trial's verdict as of now."""
        return decide(self.findings.values())

    def coverage(self) -> dict[str, list[str]]:
        """Requirement -> ids of the findings that cover it."""
        covered: dict[str, list[str]] = {}
        for planned in self.planned.values():
            for requirement in planned.covers:
                covered.setdefault(requirement, []).append(planned.id)
        return covered

    def accounting(self, plan: Plan) -> Accounting:
        """The sums; planned is always passed + failed + inconclusive once `close` was called."""
        verdicts = [f.verdict for f in self.findings.values()]
        covered = self.coverage()
        scope = in_scope(plan)
        return Accounting(
            planned=len(self.planned),
            passed=verdicts.count(Verdict.PASS),
            failed=verdicts.count(Verdict.FAIL),
            inconclusive=verdicts.count(Verdict.INCONCLUSIVE),
            not_exercised=sum(not f.exercised for f in self.findings.values()),
            requirements=len(plan.requirements),
            covered=sum(r in covered for r in scope),
            out_of_scope=len(plan.requirements) - len(scope),
            not_covered=sum(r not in covered for r in scope),
            waived=sum(bool(f.waived) for f in self.findings.values()),
        )

    def summary(self, plan: Plan) -> str:
        """The verdict in a sentence: what it speaks for, and what not."""
        sums, word = self.accounting(plan), self.outcome()
        waived = [f"{sums.waived} waived"] if sums.waived else []
        if not plan.requirements:
            return ", ".join([f"{word}: {sums.passed} of {sums.planned} findings pass", *waived])
        verdicts: Mapping[str, Verdict] = requirement_verdicts(self.coverage(), self.findings)
        scope = in_scope(plan)
        counts = {v: sum(verdicts.get(r) is v for r in scope) for v in Verdict}
        parts = [
            f"{word} for {counts[Verdict.PASS] if word is Outcome.GO else sums.covered} of {sums.requirements} lines"
        ]
        if counts[Verdict.FAIL]:
            parts.append(f"{counts[Verdict.FAIL]} failed")
        if counts[Verdict.INCONCLUSIVE]:
            parts.append(f"{counts[Verdict.INCONCLUSIVE]} inconclusive")
        parts += waived
        parts += [f"{sums.out_of_scope} out of scope", f"{sums.not_covered} not covered"]
        return ", ".join(parts)


def in_scope(plan: Plan) -> set[str]:
    """Requirements that apply on the plan's platform."""
    return {r.id for r in plan.requirements.values() if not r.applies or plan.stack.platform in r.applies}
