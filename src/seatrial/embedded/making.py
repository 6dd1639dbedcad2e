"""Small things that the kinds share: arguments, endpoints, checks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ..core.errors import Problem, UsageError
from ..core.expressions import Type, compile_expression
from ..core.expressions.types import Scope
from ..core.plan import CheckPlan, ProbeCall
from ..core.quantities import NS_PER_S, Quantity
from ..core.stack import Endpoint, Ground, InstanceBlueprint, Presence, ServicePlan

LOOPBACK = "127.0.0.1"
_SCOPES = {
    "sql": Scope(names={"rows": Type.list_of(Type.list_of(Type.ANY))}),
    "redis": Scope(names={"reply": Type.ANY}),
    "http": Scope(names={"status": Type.NUMBER, "json": Type.ANY}),
    "tcp": Scope(names={"accepted": Type.BOOL}),
}


def check(verb: str, what: str, expect: str, **arguments: object) -> CheckPlan:
    """A check at an instance."""
    return CheckPlan(
        call=ProbeCall(verb=verb, what=what, arguments=arguments), expect=compile_expression(expect, _SCOPES[verb])
    )


def whole(arguments: Mapping[str, object], name: str, default: int) -> int:
    """A whole number among the arguments."""
    value = arguments.get(name)
    return value if isinstance(value, int) and not isinstance(value, bool) else default


def milliseconds(arguments: Mapping[str, object], name: str, default_ms: int) -> int:
    """A duration among the arguments."""
    value = arguments.get(name)
    return round(value.value / 1_000_000) if isinstance(value, Quantity) else default_ms


def seconds(arguments: Mapping[str, object], name: str, default_s: int) -> int:
    """A duration among the arguments, in whole seconds."""
    value = arguments.get(name)
    return round(value.value / NS_PER_S) if isinstance(value, Quantity) else default_s


def endpoint(name: str, scheme: str, port: int) -> Endpoint:
    """An address on loopback."""
    return Endpoint(name=name, scheme=scheme, host=LOOPBACK, port=port)


def addresses(host: str, instances: Sequence[InstanceBlueprint]) -> str:
    """host:port of each instance's first endpoint."""
    return ",".join(f"{host}:{next(iter(i.endpoints.values())).port}" for i in instances)


def present(presence: Presence, name: str) -> list[Endpoint]:
    """The endpoint of that name (or scheme) of each instance that has one; its first where none has."""
    named = [next((e for e in i.values() if name in (e.name, e.scheme)), None) for i in presence.instances]
    firsts = [next(iter(i.values()), None) for i in presence.instances]
    return [e for e in (named if any(named) else firsts) if e is not None]


def located(endpoints: Sequence[Endpoint]) -> dict[str, str]:
    """host, port, url and addresses, as all kinds export them; empty without any endpoint."""
    if not endpoints:
        return {}
    first = endpoints[0]
    return {
        "host": first.host,
        "port": str(first.port),
        "url": first.url,
        "addresses": ",".join(f"{e.host}:{e.port}" for e in endpoints),
    }


def upstreams(plan: ServicePlan, to: str, ground: Ground) -> list[str]:
    """The addresses of a service (`web`), or of one of its instances (`web#2`). Raises UsageError if there are none."""
    service, _, ordinal = to.partition("#")
    known = [a for a in ground.exports(service).get("addresses", "").split(",") if a]
    chosen = known
    if ordinal:
        number = int(ordinal) if ordinal.isdecimal() else 0
        chosen = known[number - 1 : number] if number else []
    if not chosen:
        count = f"it has {len(known)} of them" if known else "it has no ports"
        raise UsageError(
            Problem(
                message=f"service {plan.name}: {to} has no address to connect to", position=plan.position, hint=count
            )
        )
    return chosen


def environment(**more: str) -> dict[str, Any]:
    """What every server gets."""
    return {"LC_ALL": "C.UTF-8", **more}
