"""A soak: scenarios again and again for a long time, and what all rounds together say. Bounded, however many there are."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from .fingerprints import UNCHANGED
from .quantities import NS_PER_S, Dimension, format_duration, format_quantity
from .results import Finding, decide
from .verdicts import Outcome, Severity, Verdict

_REASONS = 5  # of a finding, the first ones


@dataclass(kw_only=True, slots=True)
class Tally:
    """One finding over all rounds. `low` and `high`: the least and the most that was measured, in the dimension's base unit."""

    severity: str = Severity.BLOCKING.value
    passed: int = 0
    failed: int = 0
    inconclusive: int = 0
    low: float | None = None
    high: float | None = None
    dimension: str = ""
    reasons: list[str] = field(default_factory=list)  # "round 7: ..."

    @property
    def worst(self) -> Verdict:
        """Of all rounds."""
        return Verdict.FAIL if self.failed else Verdict.INCONCLUSIVE if self.inconclusive else Verdict.PASS

    def add(self, number: int, finding: Finding) -> None:
        """What a round says of it."""
        self.severity = finding.severity.value
        self.passed += finding.verdict is Verdict.PASS
        self.failed += finding.verdict is Verdict.FAIL
        self.inconclusive += finding.verdict is Verdict.INCONCLUSIVE
        if finding.interval is not None:
            low, high = finding.interval
            self.low = low if self.low is None else min(self.low, low)
            self.high = high if self.high is None else max(self.high, high)
            self.dimension = finding.dimension
        if finding.verdict is not Verdict.PASS and len(self.reasons) < _REASONS:
            self.reasons.append(f"round {number}: {finding.reason}")

    def range(self) -> str:
        """Least to most, as a person reads it; empty where nothing was measured."""
        if self.low is None or self.high is None or self.dimension not in {d.value for d in Dimension}:
            return ""
        low, high = (format_quantity(v, Dimension(self.dimension)) for v in (self.low, self.high))
        return low if low == high else f"{low} to {high}"


@dataclass(kw_only=True)
class Soak:
    """What a soak is to do, and how far it is. Times in ns, `began` as text with its zone."""

    name: str
    spec: str
    for_ns: int
    began: str
    options: dict[str, Any] = field(default_factory=dict)
    watched_ns: int = 0  # of rounds that ended
    rounds: int = 0
    outcomes: dict[str, int] = field(default_factory=dict)
    findings: dict[str, Tally] = field(default_factory=dict)
    drifted: int = 0  # rounds in which what was tested was not, or did not stay, what it was in the first one
    ending: str = ""  # an outcome, of what only its end can say
    stack: str = ""  # the trial whose stack is kept for it
    state: str = "running"  # stopped, ended
    pid: int = 0
    started: int = 0  # of that process: clock ticks since boot

    def add(self, took_ns: int, outcome: Outcome, findings: Iterable[Finding]) -> None:
        """A round that ended."""
        self.rounds += 1
        self.watched_ns += took_ns
        self.outcomes[outcome.value] = self.outcomes.get(outcome.value, 0) + 1
        for finding in findings:
            self.findings.setdefault(finding.id, Tally()).add(self.rounds, finding)
            if finding.id == UNCHANGED and finding.exercised:
                self.drifted += finding.verdict is Verdict.INCONCLUSIVE

    def end(self, finding: Finding) -> None:
        """What only an end can say, of the stack that all rounds shared. The worst counts, for a soak that was stopped and went on."""
        if self.ending != Outcome.NO_GO.value:
            self.ending = decide([finding]).value
        self.findings.setdefault(finding.id, Tally()).add(self.rounds, finding)

    @property
    def left_ns(self) -> int:
        """Until it has gone on for long enough."""
        return max(0, self.for_ns - self.watched_ns)

    @property
    def over(self) -> bool:
        """Whether no round is to come."""
        return not self.left_ns

    def left(self) -> str:
        """How long it goes on, for people."""
        return eta(self)

    @property
    def outcome(self) -> Outcome:
        """NO-GO by any round or by how it ended; GO only by all of them, for all of the time.

        By what each round was, not by the tallies: what a finding weighs is a matter of its round.
        """
        said = set(self.outcomes) | ({self.ending} if self.ending else set())
        if Outcome.NO_GO.value in said:
            return Outcome.NO_GO
        whole = self.rounds > 0 and not self.left_ns
        return Outcome.GO if whole and said == {Outcome.GO.value} else Outcome.INCONCLUSIVE

    def summary(self) -> str:
        """The verdict in a sentence."""
        words = ", ".join(f"{count:,} {word}" for word, count in sorted(self.outcomes.items())) or "none"
        watched = f"{format_duration(self.watched_ns)} of {format_duration(self.for_ns)}"
        return f"{self.outcome}: {watched} watched in {self.rounds:,} rounds ({words}){self.drift()}"

    def drift(self) -> str:
        """For people: that rounds were about something else shows nothing of either. "" where they were not."""
        return (
            f"; what is tested changed in or before {self.drifted:,} of them, which voids the others"
            if self.drifted
            else ""
        )

    def as_fields(self) -> dict[str, Any]:
        """For its file."""
        return asdict(self)


def soak_of(fields: Mapping[str, Any], kind: type[Soak] = Soak) -> Soak:
    """What `as_fields` gave. Raises KeyError, TypeError."""
    findings = {name: Tally(**tally) for name, tally in fields["findings"].items()}
    return kind(**{**fields, "findings": findings})


def eta(soak: Soak) -> str:
    """How long it goes on, roughly."""
    return format_duration(round(soak.left_ns / NS_PER_S) * NS_PER_S)
