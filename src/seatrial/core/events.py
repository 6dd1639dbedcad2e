"""The journal's events: the spine that every report, live or later, is read from.

A line is `{"seq": n, "ns": monotonic, "type": "...", ...fields}`. Fields are JSON-like; findings are nested. One writer.
"""

from __future__ import annotations

import dataclasses
import enum
import json
import types
import typing
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from .files import JOURNAL as JOURNAL
from .fingerprints import Fingerprint, Part
from .plainly import plain as plain
from .proofs import Proof, Reaction
from .results import Accounting, Finding, PlannedFinding
from .suites import SuiteSums
from .sweeps import Swept


@dataclass(frozen=True, kw_only=True, slots=True)
class Event:
    """Base of all events; `ns` and `seq` are the writer's."""


@dataclass(frozen=True, kw_only=True, slots=True)
class TrialStarted(Event):
    trial: str
    name: str
    spec: str  # file
    digest: str
    seatrial: str  # version
    platform: str
    wall: str  # ISO 8601, UTC, at `ns`
    command: tuple[str, ...]
    machine: Mapping[str, Any]
    requirements: tuple[Mapping[str, Any], ...]  # id, text, severity, in_scope, open_reason
    findings: tuple[PlannedFinding, ...]
    scenarios: tuple[Mapping[str, Any], ...]  # id, title, covers, disrupting, severity, selected
    selection: str = ""  # what --only, --labels and --tags chose, for people
    scale: float = 1.0  # of the durations of profiles
    variant: str = ""
    proven: Mapping[str, tuple[str, ...]] = field(
        default_factory=dict
    )  # checks that can be proven to what proved them; empty: nothing


@dataclass(frozen=True, kw_only=True, slots=True)
class Reacted(Event):
    """What a check said while a fault acted that was made to hear it. `must`: it exists to notice that."""

    finding: str
    state: str  # "stop postgres"
    heard: str  # see core.proofs.Heard
    must: bool
    reason: str = ""
    took_ns: int = 0

    @classmethod
    def of(cls, reaction: Reaction) -> Reacted:
        """As it was heard."""
        return cls(
            finding=reaction.finding,
            state=reaction.state,
            heard=reaction.heard.value,
            must=reaction.must,
            reason=reaction.reason,
            took_ns=reaction.took_ns,
        )


@dataclass(frozen=True, kw_only=True, slots=True)
class CheckProven(Event):
    """What was shown of a finding's check: see core.proofs."""

    finding: str
    outcome: str
    by: tuple[str, ...] = ()
    blind_to: tuple[str, ...] = ()
    why: str = ""

    @classmethod
    def of(cls, proof: Proof) -> CheckProven:
        """As it was shown."""
        return cls(
            finding=proof.finding, outcome=proof.outcome.value, by=proof.by, blind_to=proof.blind_to, why=proof.why
        )


@dataclass(frozen=True, kw_only=True, slots=True)
class PhaseChanged(Event):
    """starting, steady, setup, scenarios, proving, ending, judging"""

    phase: str


@dataclass(frozen=True, kw_only=True, slots=True)
class StackProgress(Event):
    subject: str
    state: str
    detail: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class StackDescribed(Event):
    """The stack once it is up: services with instances, endpoints and versions; and how long it took (ns)."""

    services: tuple[Mapping[str, Any], ...]
    up_ns: int | None
    ordered: bool | None
    without: Mapping[str, str] = field(default_factory=dict)  # services that are not here, and why


@dataclass(frozen=True, kw_only=True, slots=True)
class InstanceChanged(Event):
    instance: str
    service: str
    state: str
    ready: bool
    identity: str | None
    restarts: int
    at_ns: int
    detail: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class RoleChanged(Event):
    service: str
    role: str
    instances: tuple[str, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class ScenarioStarted(Event):
    scenario: str
    title: str
    covers: tuple[str, ...] = ()
    disrupting: bool = False


@dataclass(frozen=True, kw_only=True, slots=True)
class ScenarioEnded(Event):
    scenario: str
    verdict: str
    took_ns: int
    reason: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class StepStarted(Event):
    scenario: str
    step: str
    title: str
    deadline_ns: int | None = None  # CLOCK_MONOTONIC


@dataclass(frozen=True, kw_only=True, slots=True)
class Attempted(Event):
    """An attempt of a check: the first, the last, and each that differs from the one before it."""

    scenario: str
    step: str
    attempt: int
    began_ns: int
    ended_ns: int
    at: str
    seen: str
    truth: bool | None
    message: str
    record: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True, slots=True)
class StepEnded(Event):
    scenario: str
    step: str
    verdict: str | None
    took_ns: int
    attempts: int = 1
    message: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class ValueSaved(Event):
    scenario: str
    name: str
    shown: str


@dataclass(frozen=True, kw_only=True, slots=True)
class FaultOrdered(Event):
    """Written and synced before anything is broken."""

    scenario: str
    fault: str  # id: scenario/step
    kind: str
    target: str
    victims: tuple[str, ...]
    lasting: bool
    hold_ns: int | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class FaultInjected(Event):
    fault: str
    began_ns: int
    ended_ns: int


@dataclass(frozen=True, kw_only=True, slots=True)
class FaultWitnessed(Event):
    fault: str
    acted: bool
    at_ns: int
    witness: str
    detail: str


@dataclass(frozen=True, kw_only=True, slots=True)
class FaultHealed(Event):
    fault: str
    at_ns: int
    how: str
    ok: bool = True


@dataclass(frozen=True, kw_only=True, slots=True)
class WorkloadStarted(Event):
    workload: str
    file: str  # its records, relative to the trial's directory
    at_ns: int
    rate: str
    kind: str = "workload"  # or load: then the file holds samples
    users: Mapping[str, Any] = field(
        default_factory=dict
    )  # how many over time, where their number changes (arrivals.crowds)
    profile: Mapping[str, Any] = field(default_factory=dict)  # name, scale, whole_ns, for_ns, text
    scenario: str = ""  # that it was started for; "trial" for the whole
    digest: str = ""  # of what a load asks for: engine.sameness


@dataclass(frozen=True, kw_only=True, slots=True)
class LoadProgressed(Event):
    """Where a running load stands, each second; `p95_ns` of the last seconds."""

    load: str
    ok: int
    failed: int
    in_flight: int
    rate: float
    p95_ns: float | None = None
    users: int = 0  # asked for at that moment, where their number changes


@dataclass(frozen=True, kw_only=True, slots=True)
class LoadAborted(Event):
    """A load was stopped because a condition had been true for too long; `figures` name -> text at that moment."""

    load: str
    condition: str
    reason: str
    at_ns: int
    figures: Mapping[str, str]


@dataclass(frozen=True, kw_only=True, slots=True)
class LoadProbed(Event):
    """A rate that a capacity search tried: held, did not hold, cannot be told, generator. `figures` as in WorkloadMeasured."""

    load: str
    rate: float
    outcome: str
    reason: str
    began_ns: int
    ended_ns: int
    figures: Mapping[str, Any]


@dataclass(frozen=True, kw_only=True, slots=True)
class UsageSampled(Event):
    """What instances have used: CPU seconds so far, bytes of memory, descriptors, threads."""

    at_ns: int
    instances: Mapping[str, tuple[float, float, float, float]]


@dataclass(frozen=True, kw_only=True, slots=True)
class SocketsSampled(Event):
    """Connections that are established at each instance's ports, and those of them that wait to be accepted."""

    at_ns: int
    instances: Mapping[str, tuple[int, int]]


@dataclass(frozen=True, kw_only=True, slots=True)
class WorkloadMeasured(Event):
    """A workload's metrics in a window; `metrics` name -> {text, low, high, dimension} or {missing: why}."""

    workload: str
    scenario: str  # "trial" for the whole
    from_ns: int
    to_ns: int
    metrics: Mapping[str, Any]
    detail: Mapping[str, Any] = field(default_factory=dict)  # lost keys and their records ...


@dataclass(frozen=True, kw_only=True, slots=True)
class ColumnSealed(Event):
    workload: str
    file: str
    rows: int
    sha256: str
    valid: bool
    note: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class SweepPlanned(Event):
    """What a sweep goes through. `clients`: by name, what they ask, for people."""

    services: tuple[str, ...]
    faults: tuple[str, ...]
    cells: tuple[str, ...]  # fault service
    clients: Mapping[str, str]
    hold_ns: int
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True, slots=True)
class CellStarted(Event):
    cell: str
    target: str


@dataclass(frozen=True, kw_only=True, slots=True)
class CellSwept(Event):
    swept: Swept


@dataclass(frozen=True, kw_only=True, slots=True)
class SuitePlanned(Event):
    """A suite of tests that is asked in windows. `tests`: all that its first run told of; `limit_ns`: of a run in a window."""

    command: str
    tests: tuple[str, ...]
    windows: tuple[str, ...]  # fault place
    limit_ns: int
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True, slots=True)
class SuiteBegun(Event):
    """A run of it begins. `left`: windows that are still to come, this one with them."""

    run: str
    left: int
    deadline_ns: int


@dataclass(frozen=True, kw_only=True, slots=True)
class SuiteRan(Event):
    run: SuiteSums


@dataclass(frozen=True, kw_only=True, slots=True)
class FindingJudged(Event):
    finding: Finding


@dataclass(frozen=True, kw_only=True, slots=True)
class Fingerprinted(Event):
    """What is tested, before it is started; every file with its digest is in `file`, whose sha256 is here."""

    print: Fingerprint
    file: str
    sha256: str
    took_ns: int


@dataclass(frozen=True, kw_only=True, slots=True)
class PartsIdentified(Event):
    """What the instances run, once the stack is up. `digest`: of all that is tested, these parts included."""

    parts: tuple[Part, ...]
    digest: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Noted(Event):
    """Something an engineer should know: an undeclared effect refused, a doubt, a warning."""

    level: str  # info, warning, error
    message: str
    scenario: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class TrialEnded(Event):
    outcome: str
    exit_status: int
    accounting: Accounting
    took_ns: int
    summary: str  # "GO for 26 of 39 lines, 10 out of scope, 3 not covered"
    reason: str = ""  # why it ended early
    residue: tuple[str, ...] = ()


TYPES: dict[str, type[Event]] = {c.__name__: c for c in Event.__subclasses__()}


@dataclass(frozen=True, kw_only=True, slots=True)
class Entry:
    """An event with its place in the journal."""

    seq: int
    ns: int
    event: Event


def encode(seq: int, ns: int, event: Event) -> dict[str, Any]:
    """The event as a journal line's object."""
    return {"seq": seq, "ns": ns, "type": type(event).__name__, **plain(event)}


def decode(line: str) -> Entry | None:
    """A journal line as an entry; None for a torn line or an event type of a later version."""
    try:
        data = json.loads(line)
        kind = TYPES.get(data.pop("type"))
        seq, ns = data.pop("seq"), data.pop("ns")
        return Entry(seq=seq, ns=ns, event=_builder(kind)(data)) if kind else None
    except (ValueError, KeyError, TypeError, AttributeError):
        return None


def read_journal(directory: Path) -> Iterator[Entry]:
    """All whole entries of a trial's journal, in order; a torn last line is passed over."""
    with (directory / JOURNAL).open(encoding="utf-8") as file:
        for line in file:
            entry = decode(line)
            if entry is not None:
                yield entry


Reading = Callable[[Any], Any]
_BUILDERS: dict[type[Any], Reading] = {}


def _builder(kind: type[Any]) -> Reading:
    """What makes a record of a type from its mapping; names of a later version are passed over."""
    if kind not in _BUILDERS:
        _BUILDERS[kind] = _make_builder(kind)
    return _BUILDERS[kind]


def _make_builder(kind: type[Any]) -> Reading:
    hints = typing.get_type_hints(kind)
    names = frozenset(hints)
    convert = {name: reading for name, hint in hints.items() if (reading := _reading(hint)) is not None}

    def build(data: dict[str, Any]) -> Any:
        given = data if names.issuperset(data) else {k: v for k, v in data.items() if k in names}
        for name, reading in convert.items():
            value = given.get(name)
            if value is not None:
                given[name] = reading(value)
        return kind(**given)

    return build


def _reading(hint: Any) -> Reading | None:
    """How a field's JSON value becomes what the field holds; None where it is that already."""
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if origin in (typing.Union, types.UnionType):
        return _reading(next(a for a in arguments if a is not type(None)))
    if origin is tuple:
        inner = _reading(arguments[0]) if arguments else None
        return tuple if inner is None else lambda value: tuple(map(inner, value))
    if origin is Mapping:
        each = _reading(arguments[1])
        return None if each is None else lambda value: {name: each(v) for name, v in value.items()}
    if isinstance(hint, type) and dataclasses.is_dataclass(hint):
        return _builder(hint)
    if isinstance(hint, type) and issubclass(hint, enum.Enum):
        return hint
    return None
