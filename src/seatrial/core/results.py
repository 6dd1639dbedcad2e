"""Findings, their evidence, and the accounting that a verdict rests on."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from .verdicts import Outcome, Severity, Verdict, combine, outcome


@dataclass(frozen=True, kw_only=True, slots=True)
class Evidence:
    """Something that was recorded and that a finding rests on. `data` is JSON-like; `at_ns` CLOCK_MONOTONIC."""

    kind: str  # observation, operations, fault, log, stack, file
    summary: str
    at_ns: int
    data: Mapping[str, object] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True, slots=True)
class PlannedFinding:
    """A claim that the plan promises to judge."""

    id: str
    scenario: str
    claim: str
    covers: tuple[str, ...] = ()
    severity: Severity = Severity.BLOCKING


@dataclass(frozen=True, kw_only=True, slots=True)
class Finding:
    """One judged claim. `interval` gives [low, high] in the base unit of `dimension` where the measured value has one."""

    id: str
    scenario: str
    claim: str
    verdict: Verdict
    covers: tuple[str, ...] = ()
    severity: Severity = Severity.BLOCKING
    measured: str = ""
    bound: str = ""
    reason: str = ""
    exercised: bool = True
    interval: tuple[float, float] | None = None
    dimension: str = ""
    began_ns: int = 0
    ended_ns: int = 0
    evidence: tuple[Evidence, ...] = ()
    waived: str = ""  # by whom, until when and why: then it does not decide, whatever its verdict


@dataclass(frozen=True, kw_only=True, slots=True)
class Accounting:
    """How many findings were planned and what became of them; planned is always their sum."""

    planned: int
    passed: int
    failed: int
    inconclusive: int
    not_exercised: int  # of the inconclusive ones
    requirements: int
    covered: int  # requirements with at least one finding
    out_of_scope: int
    not_covered: int
    waived: int = 0  # of the failed and inconclusive ones


def decide(findings: Iterable[Finding]) -> Outcome:
    """GO, NO-GO or INCONCLUSIVE from the blocking findings that nobody waived; none at all is INCONCLUSIVE."""
    return outcome(combine(f.verdict for f in findings if f.severity is Severity.BLOCKING and not f.waived))


def requirement_verdicts(covered: Mapping[str, Iterable[str]], findings: Mapping[str, Finding]) -> dict[str, Verdict]:
    """Requirement id -> the worst verdict of its findings, given requirement -> ids of the findings that cover it."""
    return {
        requirement: combine(findings[i].verdict if i in findings else Verdict.INCONCLUSIVE for i in ids)
        for requirement, ids in covered.items()
    }
