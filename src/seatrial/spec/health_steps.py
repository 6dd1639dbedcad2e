"""The scenarios that `stack-health` writes out, as a spec would have them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from ..core.stack import ServicePlan

LABEL = "stack-health"
FAULTS = ("kill", "stop", "pause", "restart")
PATTERN = r"\b(ERROR|CRITICAL|FATAL|PANIC)\b|Traceback \(most recent call last\)|^panic:"
_LASTING = ("stop", "pause")
_DEADLINE = "4m"


@dataclass(frozen=True, kw_only=True)
class Making:
    """What is made: checks by name, faults, and times as a spec has them."""

    names: frozenset[str]
    faults: tuple[str, ...]
    hold: str
    recovery: str
    tell: str
    platform: str


def _whole(name: str, making: Making, id_: str) -> dict[str, Any]:
    return {
        "process": "instances",
        "at": f"{name} *",
        "expect": "ready == wanted",
        "within": making.recovery,
        "id": id_,
        "title": f"{name} is ready again",
    }


def before_its_time(name: str, needs: Sequence[str], making: Making) -> dict[str, Any]:
    """Started while what it depends on is down, it comes up by itself once that is there."""
    others = ", ".join(needs)
    return {
        "title": f"{name}, started before {others}, comes up by itself once {'they are' if needs[1:] else 'it is'} there",
        "check": "early-start",
        "deadline": _DEADLINE,
        "steps": [
            *({"fault": "stop", "at": f"{n} *", "id": f"stop-{n}", "within": "20s"} for n in needs),
            {"fault": "restart", "at": f"{name} *", "id": "start-early", "within": "20s"},
            {"heal": "all"},
            *(_whole(n, making, f"{n}-ready") for n in needs),
            _whole(name, making, "ready"),
        ],
    }


def after_stop(name: str, other: str, making: Making) -> dict[str, Any]:
    """A service whose dependency is down says so, and is well again after."""
    here = f"{name} *"
    return {
        "title": f"{name} says that {other} is down, and is well again after",
        "check": "health",
        "deadline": _DEADLINE,
        "steps": [
            {"stack": "health", "at": here, "within": making.recovery, "id": "well", "title": f"{name} is well"},
            {"fault": "stop", "at": f"{other} *", "id": f"stop-{other}", "within": "20s"},
            {"stack": "health", "at": here, "expect": "healthy == 0", "within": making.tell, "id": "says-so",
             "title": f"every instance of {name} says that it is not well"},
            {"heal": f"stop-{other}"},
            _whole(other, making, f"{other}-ready"),
            {"stack": "health", "at": here, "within": making.recovery, "id": "well-again", "title": f"{name} is well again"},
        ],
    }  # fmt: skip


def _policy(name: str, making: Making) -> dict[str, Any]:
    return {
        "stack": "restart-policy",
        "at": f"{name} *",
        "was": "{{ stack_before }}",
        "within": making.recovery,
        "for": "2s",
        "id": "policy",
        "title": f"a crash of {name} is followed by what its restart policy says",
    }


def _before(name: str) -> dict[str, Any]:
    return {
        "process": "instances",
        "at": f"{name} *",
        "save": {"stack_before": "instances"},
        "expect": "ready == wanted",
        "within": "10s",
        "id": "before",
        "title": f"{name} is ready before",
    }


def restarted(name: str, victim: str, making: Making) -> dict[str, Any]:
    """A crash, and what the restart policy makes of it."""
    return {
        "title": f"{name} is restarted after a crash if its policy says so",
        "check": "restart-policy",
        "deadline": _DEADLINE,
        "steps": [
            _before(name),
            {"fault": "kill", "at": victim, "id": "kill"},
            _policy(name, making),
            {"heal": "kill"},
            _whole(name, making, "back"),
        ],
    }


def fault(kind: str, name: str, victim: str, clients: Sequence[str], making: Making) -> dict[str, Any]:
    """One fault at a service while clients go on: it is whole again, and they are served again."""
    policy = kind == "kill" and "restart-policy" in making.names
    hit: dict[str, Any] = {"fault": kind, "at": victim, "id": kind, "within": "20s"}
    if kind in _LASTING:
        hit["for"] = making.hold
    title = f"{name} survives a {kind}, and its clients are served again"
    if not clients:
        title = f"{name} survives a {kind}"
    return {
        "title": title,
        "check": "faults",
        "deadline": _DEADLINE,
        "throughout": list(clients),
        "steps": [
            *([_before(name)] if policy else []),
            hit,
            *([_policy(name, making)] if policy else []),
            *([{"heal": kind}] if kind == "kill" else []),
            _whole(name, making, "back"),
        ],
        "expect": {f"served-{c}": f"{c}.recovery < {making.recovery}" for c in clients} or None,
    }


def markers(name: str, plan: ServicePlan, making: Making) -> dict[str, Any] | str:
    """A marker that is there after a restart: by the service's own client, or in its volumes; or why there is none."""
    mark, title = "{{ trial.id }}", f"what {name} has written is there after a restart"
    common: dict[str, Any] = {"title": title, "check": "volumes", "deadline": _DEADLINE}
    again = [{"fault": "restart", "at": f"{name} *", "id": "restart", "within": "30s"}, _whole(name, making, "back")]
    if plan.promises is not None and "volumes" not in plan.promises:
        return "it declares none that is kept and can be written to"
    match plan.kind:
        case "postgres":
            at = {"at": f"{name}/primary", "within": making.recovery}
            make = "create table if not exists seatrial_marker (mark text)"
            put = f"insert into seatrial_marker values ('{mark}')"  # noqa: S608 - our own words
            count = f"select count(*) from seatrial_marker where mark = '{mark}'"  # noqa: S608
            drop = "drop table if exists seatrial_marker"
            steps = [
                {"sql": make, **at, "expect": "columns == []", "id": "make"},
                {"sql": put, **at, "expect": "count == 1", "id": "write"},
                *again,
                {"sql": count, **at, "expect": "rows[0][0] == 1", "id": "kept"},
            ]
            return {
                **common,
                "steps": steps,
                "finally": [{"sql": drop, **at, "expect": "columns == []", "id": "clean"}],
            }
        case "redis":
            if plan.arguments.get("persistence") == "none":
                return "persistence: none"
            at, key = {"at": f"{name}/master", "within": making.recovery}, f"seatrial:marker:{mark}"
            steps = [
                {"redis": f"SET {key} kept", **at, "expect": 'reply == "OK"', "id": "write"},
                *again,
                {"redis": f"GET {key}", **at, "expect": 'reply == "kept"', "id": "kept"},
            ]
            return {
                **common,
                "steps": steps,
                "finally": [{"redis": f"DEL {key}", **at, "expect": "reply >= 0", "id": "clean"}],
            }
    if making.platform == "local":
        return "local processes have none that is known"
    marker = {"stack": "volumes", "at": f"{name}#1", "text": mark}
    steps = [{**marker, "marker": "write", "id": "write"}, *again, {**marker, "marker": "read", "id": "kept"}]
    return {**common, "steps": steps, "finally": [{**marker, "marker": "remove", "id": "clean"}]}
