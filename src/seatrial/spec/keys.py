"""The keys that steps share, and what is known at a place of a spec."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import overload

from ..core.expressions import Type
from ..core.quantities import Quantity
from ..core.shapes import (
    CONDITION,
    DURATION,
    IDENTIFIER,
    PATH,
    TARGET,
    TEXT,
    Field,
    choice,
    list_of,
    mapping_of,
    reference,
)
from ..core.verdicts import Severity
from ..core.vocabulary import FaultKind, Verb
from .nodes import Node

SEVERITY = choice(*(s.value for s in Severity))
COVERS = Field(shape=list_of(reference("requirement")), default=(), doc="Requirements that this shows.")
AT = Field(
    shape=TARGET,
    doc="Where: service, service/role, service#2, service * (all), service 50%.",
    example="postgres/primary",
)
AS = Field(shape=reference("identity"), doc="Whose credentials to use: a name under `identities`.")
SOME_TIME = replace(DURATION, least=1)
TIMES: Mapping[str, Field] = {
    "within": Field(shape=DURATION, doc="Tried again until it holds, at most this long.", example="30s"),
    "for": Field(shape=DURATION, doc="Must go on holding this long.", example="10s"),
    "every": Field(shape=SOME_TIME, doc="Time between attempts.", example="500ms"),
    "timeout": Field(shape=SOME_TIME, doc="Of a single attempt (5s).", example="2s"),
}
COMMON: Mapping[str, Field] = {
    "id": Field(
        shape=IDENTIFIER, doc="Part of the finding's stable id; made from verb and target where it is left out."
    ),
    "title": Field(shape=TEXT, doc="For people."),
    "covers": COVERS,
    "severity": Field(
        shape=SEVERITY, doc="Only blocking findings decide the trial (default: the scenario's, which is blocking)."
    ),
}
UNJUDGED: Mapping[str, Field] = {n: COMMON[n] for n in ("id", "title", "severity")}
CALL: Mapping[str, Field] = {"at": AT, "as": AS}
EXPECT: Mapping[str, Field] = {
    "expect": Field(shape=CONDITION, doc="What must be true of what was seen.", example="status == 200"),
    **TIMES,
}
NESTED: Mapping[str, Field] = {
    n: EXPECT[n] for n in ("expect", "every", "timeout")
}  # of a check that a step tries itself
SAVE: Mapping[str, Field] = {
    "save": Field(shape=mapping_of(PATH), default={}, doc="Values to keep, by path.", example="{tenant: json.id}")
}
SINCE: Mapping[str, Field] = {
    "since": Field(
        shape=IDENTIFIER,
        doc="Counted since then: begin (of the scenario), setup (its end), or a step's id (its end).",
        example="begin",
    )
}  # of verbs that count
NOTICES: Mapping[str, Field] = {
    "notices": Field(
        shape=list_of(reference("service")),
        default=(),
        doc="Services and links that it must turn red for, beside the one it looks at; `seatrial prove` breaks them.",
        example="[postgres, web -> redis]",
    )
}
CHECK: Mapping[str, Field] = {**EXPECT, **SAVE, **NOTICES}
NAMED: Mapping[str, Field] = {**{n: COMMON[n] for n in ("title", "covers")}, **NOTICES}
REASON = Field(shape=TEXT, default="", doc="Why a condition cannot be waited for.")
FAULT: Mapping[str, Field] = {
    "at": Field(shape=TARGET, required=True, doc="What is hit.", example="postgres/primary"),
    "hold": Field(shape=DURATION, doc="Keeps it from being restarted, at most this long.", example="30s"),
    "within": Field(shape=DURATION, doc="For the witness to see it act (5s)."),
    "for": Field(shape=DURATION, doc="Heal after this time."),
}
ALWAYS: Mapping[str, Type] = {"error": Type.TEXT, "instance": Type.TEXT, "attempts": Type.NUMBER, "took": Type.DURATION}
FAULT_SEEN = Type.record({"instance": Type.TEXT, "at": Type.TEXT})
OWN_NAMES = dict.fromkeys(
    ("trial", "spec", "values", "fault", "instance", "error", "attempts", "took", "op", "stack", "usage"),
    "a name of seatrial's own",
)


@overload
def ns_of(quantity: object, default: int) -> int: ...
@overload
def ns_of(quantity: object, default: int | None = None) -> int | None: ...
def ns_of(quantity: object, default: int | None = None) -> int | None:
    """A duration that was read, in ns; `default` where none was given."""
    return int(quantity.value) if isinstance(quantity, Quantity) else default


@dataclass(frozen=True, kw_only=True)
class Defaults:
    """What holds where nothing else is said; ns."""

    within_ns: int | None = None
    timeout_ns: int | None = None
    every_ns: int | None = None
    severity: Severity = Severity.BLOCKING


NO_DEFAULTS = Defaults()


@dataclass(kw_only=True)
class Scene:
    """What is known at a point of a scenario: values by name, those saved later, faults so far, ids taken."""

    values: dict[str, Type]
    later: dict[str, str] = field(default_factory=dict)
    faults: list[str] = field(default_factory=list)
    ids: dict[str, Node] = field(default_factory=dict)
    defaults: Defaults = NO_DEFAULTS
    open: bool = False  # there may be values that nobody declared
    moments: list[str] = field(default_factory=list)  # that counters can go by: BEGIN, SETUP, ids of steps so far


def fault_fields(kind: FaultKind) -> Mapping[str, Field]:
    """What its step takes beside its arguments: `hold` only where there is a process to keep down."""
    return {n: f for n, f in FAULT.items() if n != "hold" or (kind.holds and not kind.on_links)}


def severity_of(found: Mapping[str, object], scene: Scene) -> Severity:
    """What a step's finding counts."""
    value = found.get("severity")
    return Severity(value) if isinstance(value, str) else scene.defaults.severity


def since_of(verb: Verb) -> Mapping[str, Field]:
    """The key `since`, for a verb that counts."""
    return SINCE if verb.counts else {}
