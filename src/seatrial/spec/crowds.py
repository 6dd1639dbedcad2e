"""How many users a load has: always as many, or a ramp, steps, a spike."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from ..core.load_plans import scaled
from ..core.shapes import COUNT, DURATION, INTEGER, Field, list_of, record, union
from .keys import SOME_TIME
from .nodes import Node
from .reading import Reader

_SOME = replace(INTEGER, least=0)
_RAMP = record(
    {
        "from": Field(shape=_SOME, required=True, example="0"),
        "to": Field(shape=_SOME, required=True, example="100"),
        "over": Field(shape=SOME_TIME, required=True, example="30s"),
    },
    doc="a ramp of users",
)
_STEP = record(
    {
        "users": Field(shape=_SOME, required=True, example="20"),
        "for": Field(shape=SOME_TIME, required=True, example="10s"),
    },
    doc="a step of users",
)
_SPIKE = record(
    {
        "base": Field(shape=_SOME, required=True, example="20"),
        "peak": Field(shape=COUNT, required=True, example="200"),
        "after": Field(shape=DURATION, required=True, example="10s"),
        "for": Field(shape=SOME_TIME, required=True, example="5s"),
    },
    doc="a spike of users",
)
OVER_TIME = record(
    {
        "ramp": Field(shape=_RAMP, doc="From one number to another.", example="{from: 0, to: 100, over: 30s}"),
        "steps": Field(shape=list_of(_STEP), doc="One number after another.", example="[{users: 20, for: 10s}]"),
        "spike": Field(shape=_SPIKE, doc="A peak for a time.", example="{base: 20, peak: 200, after: 10s, for: 5s}"),
    },
    doc="a number of users over time",
)
USERS = union(COUNT, OVER_TIME)


@dataclass(frozen=True, kw_only=True, slots=True)
class Crowd:
    """At most so many users; `over_time` as arrivals.crowds has it, empty where their number stays. `ends_ns`: nobody is there after."""

    peak: int
    over_time: Mapping[str, Any] = field(default_factory=dict)
    ends_ns: int | None = None

    def scaled(self, scale: float) -> Crowd:
        """The same users in longer or shorter times."""
        ends = scaled(self.ends_ns, scale) if self.ends_ns is not None else None
        return replace(self, over_time=_scaled(self.over_time, scale), ends_ns=ends)

    def unseen(self, for_ns: int) -> str:
        """What would begin only when it is over: "its spike"; empty where all is seen."""
        spike, begin = self.over_time.get("spike"), 0
        if spike and spike["after_ns"] >= for_ns:
            return "its spike"
        for number, (_, ns) in enumerate(self.over_time.get("steps", ()), 1):
            if begin >= for_ns:
                return f"its step {number}"
            begin += ns
        return ""


def crowd_of(reader: Reader, node: Node, value: object) -> Crowd | None:
    """From what was read by USERS; None after a problem."""
    if isinstance(value, int):
        return Crowd(peak=value)
    given = {k: v for k, v in value.items() if v is not None} if isinstance(value, dict) else {}
    if len(given) != 1:
        reader.wrong(node, "users over time are of one kind", "ramp, steps or spike; or users: 100")
        return None
    (kind, found), *_ = given.items()
    crowd = _MAKERS[kind](found)
    if crowd.peak == 0:
        reader.wrong(node, "nobody is ever there", "a number of users that is not 0")
        return None
    return crowd


def _ramp(found: Any) -> Crowd:
    over = {"from": found["from"], "to": found["to"], "over_ns": int(found["over"].value)}
    return Crowd(peak=max(found["from"], found["to"]), over_time={"ramp": over})


def _steps(found: Any) -> Crowd:
    over = [[s["users"], int(s["for"].value)] for s in found]
    return Crowd(
        peak=max((n for n, _ in over), default=0), over_time={"steps": over}, ends_ns=sum(ns for _, ns in over)
    )


def _spike(found: Any) -> Crowd:
    over = {"base": found["base"], "peak": found["peak"]}
    times = {"after_ns": int(found["after"].value), "for_ns": int(found["for"].value)}
    return Crowd(peak=max(over.values()), over_time={"spike": {**over, **times}})


_MAKERS = {"ramp": _ramp, "steps": _steps, "spike": _spike}


def _scaled(value: Any, scale: float) -> Any:
    """Durations times the factor, users as they are."""
    if isinstance(value, Mapping):
        return {k: scaled(v, scale) if k.endswith("_ns") else _scaled(v, scale) for k, v in value.items()}
    if isinstance(value, list):
        return [[users, scaled(ns, scale)] for users, ns in value]
    return value
