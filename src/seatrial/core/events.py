"""The journal's events: the spine that every report, live or later, is read from.

A line is `{"seq": n, "ns": monotonic, "type": "...", ...fields}`. Fields are JSON-like; findings are nested. One writer.
"""

from __future__ import annotations

import dataclasses
import enum
import json
import types
import typing
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from .intervals import Interval
from .quantities import Quantity
from .results import Accounting, Finding, PlannedFinding

JOURNAL = "journal.jsonl"


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
    selection: str = ""  # what --only and --labels chose, for people
    variant: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class PhaseChanged(Event):
    """starting, steady, setup, scenarios, ending, judging"""

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
class FindingJudged(Event):
    finding: Finding


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
SYNCED = (
    FaultOrdered,
    FaultInjected,
    FaultWitnessed,
    FaultHealed,
    FindingJudged,
    ColumnSealed,
    TrialStarted,
    TrialEnded,
)


@dataclass(frozen=True, kw_only=True, slots=True)
class Entry:
    """An event with its place in the journal."""

    seq: int
    ns: int
    event: Event


_HINTS: dict[type[Any], dict[str, Any]] = {}  # looking them up is slow, and there are a handful


def plain(value: object) -> Any:
    """Anything that events hold, as JSON types; intervals and quantities with their text."""
    if value is None or isinstance(value, bool | int | str):
        return str(value) if isinstance(value, enum.Enum) else value
    if isinstance(value, float):
        return value if value == value and abs(value) != float("inf") else str(value)
    if isinstance(value, Interval):
        return {"low": value.low, "high": value.high, "dimension": value.dimension.value, "text": str(value)}
    if isinstance(value, Quantity):
        return {"low": value.value, "high": value.value, "dimension": value.dimension.value, "text": str(value)}
    if isinstance(value, enum.Enum):
        return value.value
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {f.name: plain(getattr(value, f.name)) for f in dataclasses.fields(value)}
    if isinstance(value, Mapping):
        return {str(k): plain(v) for k, v in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [plain(v) for v in value]
    if isinstance(value, bytes):
        return value.decode(errors="replace")
    return str(value)


def encode(seq: int, ns: int, event: Event) -> dict[str, Any]:
    """The event as a journal line's object."""
    return {"seq": seq, "ns": ns, "type": type(event).__name__, **plain(event)}


def decode(line: str) -> Entry | None:
    """A journal line as an entry; None for a torn line or an event type of a later version."""
    try:
        data = json.loads(line)
        kind = TYPES.get(data.pop("type"))
        seq, ns = data.pop("seq"), data.pop("ns")
        return Entry(seq=seq, ns=ns, event=_build(kind, data)) if kind else None
    except (ValueError, KeyError, TypeError, AttributeError):
        return None


def read_journal(directory: Path) -> Iterator[Entry]:
    """All whole entries of a trial's journal, in order; a torn last line is passed over."""
    with (directory / JOURNAL).open(encoding="utf-8") as file:
        for line in file:
            entry = decode(line)
            if entry is not None:
                yield entry


def _hints(kind: type[Any]) -> dict[str, Any]:
    if kind not in _HINTS:
        _HINTS[kind] = typing.get_type_hints(kind)
    return _HINTS[kind]


def _build(kind: type[Any], data: Mapping[str, Any]) -> Any:
    hints = _hints(kind)
    return kind(**{name: _convert(hints[name], value) for name, value in data.items() if name in hints})


def _convert(hint: Any, value: Any) -> Any:
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if value is None:
        return None
    if origin in (typing.Union, types.UnionType):
        return _convert(next(a for a in arguments if a is not type(None)), value)
    if origin is tuple:
        inner = arguments[0] if arguments else Any
        return tuple(_convert(inner, v) for v in value)
    if isinstance(hint, type) and dataclasses.is_dataclass(hint):
        return _build(hint, value)
    if isinstance(hint, type) and issubclass(hint, enum.Enum):
        return hint(value)
    return value
