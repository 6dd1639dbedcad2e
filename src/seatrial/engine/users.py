"""What users of a load ask, with all that is known before they begin."""

from __future__ import annotations

from collections.abc import Mapping

from ..core.errors import SeatrialError
from ..core.load_plans import UserFlows, steps_of
from ..core.plan import ProbeCall
from ..core.templates import Template, render_partly
from ..core.workloads import UserRequest, UserRequests
from .probing import Prober

_SEEN = ("status", "json", "text", "headers")


async def user_requests(name: str, flows: UserFlows, values: Mapping[str, object], prober: Prober) -> UserRequests:
    """Of the kinds that are selected. Raises SeatrialError where a condition needs a value that cannot be handed over."""
    steps = list(steps_of(flows.selected))
    later = flows.later
    requests = [await _request(step.call, values, later, prober) for step in steps if step.call is not None]
    conditions = [e for s in steps for e in (s.expect, *s.save.values()) if e is not None]
    needed = {n for e in conditions for n in e.names if n not in later and n not in _SEEN and n in values}
    for each in sorted(needed):
        if not _plain(values[each]):
            raise SeatrialError(
                f"load {name}: its users cannot be given the value {each}, which is no text, number, list or mapping"
            )
    return UserRequests(requests=tuple(requests), values={n: values[n] for n in sorted(needed)})


async def _request(call: ProbeCall, values: Mapping[str, object], later: frozenset[str], prober: Prober) -> UserRequest:
    arguments = {n: render_partly(v, values, prober.secret, later) for n, v in call.arguments.items()}
    method, path = _split(render_partly(call.what, values, prober.secret, later))
    given = arguments.pop("headers", None)
    headers = {**(given if isinstance(given, Mapping) else {}), **await prober.credentials(call.identity, fresh=True)}
    return UserRequest(method=method, path=path, headers={str(n): v for n, v in headers.items()}, arguments=arguments)


def _split(what: object) -> tuple[str, object]:
    """The method (GET where there is none) and the path."""
    pieces = what.pieces if isinstance(what, Template) else (str(what),)
    first = pieces[0].lstrip() if isinstance(pieces[0], str) else ""
    method, space, rest = first.partition(" ")
    if not space or not method.isalpha():
        return "GET", what
    if isinstance(what, Template):
        return method, Template(source=what.source, pieces=(*([rest.lstrip()] if rest.strip() else []), *pieces[1:]))
    return method, rest.strip()


def _plain(value: object) -> bool:
    """Whether JSON can hold it."""
    if isinstance(value, Mapping):
        return all(isinstance(k, str) and _plain(v) for k, v in value.items())
    if isinstance(value, list | tuple):
        return all(_plain(v) for v in value)
    return value is None or isinstance(value, str | int | float)
