"""What a report shows of a trial, part by part: steps, scenarios, faults, clients, requirements."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from ..core.events import FaultWitnessed, LoadAborted, LoadProbed, LoadProgressed
from ..core.verdicts import Verdict


@dataclass(kw_only=True)
class StepView:
    """A step as it ran; times in ns of CLOCK_MONOTONIC."""

    id: str
    title: str
    began_ns: int
    deadline_ns: int | None = None
    ended_ns: int | None = None
    verdict: str | None = None
    message: str = ""
    attempts: int = 0


@dataclass(kw_only=True)
class ScenarioView:
    """A scenario as it ran, or did not."""

    id: str
    title: str
    covers: tuple[str, ...] = ()
    disrupting: bool = False
    began_ns: int | None = None
    ended_ns: int | None = None
    verdict: str | None = None
    reason: str = ""
    steps: list[StepView] = field(default_factory=list)


@dataclass(kw_only=True)
class FaultView:
    """A fault from order to heal."""

    id: str
    scenario: str
    kind: str
    target: str
    victims: tuple[str, ...]
    lasting: bool
    hold_ns: int | None = None
    ordered_ns: int = 0
    began_ns: int | None = None
    injected_ns: int | None = None
    witnesses: list[FaultWitnessed] = field(default_factory=list)
    healed_ns: int | None = None
    healed: bool | None = None

    @property
    def witnessed(self) -> bool:
        """Every victim was seen to be hit."""
        return bool(self.witnesses) and all(w.acted for w in self.witnesses)


@dataclass(kw_only=True)
class WorkloadView:
    """A run of a workload: where its records are and whether they are whole. `seen_in`: scenarios that it was measured in."""

    name: str
    file: str
    began_ns: int
    rate: str
    kind: str = "workload"
    users: Mapping[str, Any] = field(default_factory=dict)  # how many over time, where their number changes
    profile: Mapping[str, Any] = field(default_factory=dict)  # name, scale, whole_ns, for_ns, text
    scenario: str = ""  # that it was started for; WHOLE: the trial; empty: its journal does not say
    digest: str = ""  # of what a load asked for
    seen_in: list[str] = field(default_factory=list)
    live: LoadProgressed | None = None
    aborted: LoadAborted | None = None
    probes: list[LoadProbed] = field(default_factory=list)  # of a capacity search
    rows: int | None = None
    sha256: str = ""
    valid: bool | None = None
    note: str = ""

    @property
    def searched(self) -> bool:
        """Whether it is a load that looked for its capacity: its samples are of many rates."""
        return bool(self.probes) or self.rate.startswith("search ")


@dataclass(kw_only=True)
class RequirementView:
    """A requirement with what became of it."""

    id: str
    text: str
    severity: str
    in_scope: bool
    open_reason: str
    findings: list[str] = field(default_factory=list)
    verdict: Verdict | None = None  # None: nothing covers it, or out of scope

    @property
    def status(self) -> str:
        """PASS, FAIL, INCONCLUSIVE, "out of scope" or "not covered"."""
        if not self.in_scope:
            return "out of scope"
        return self.verdict.value if self.verdict else "not covered"
