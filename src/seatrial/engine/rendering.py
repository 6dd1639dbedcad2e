"""What workloads and loads send, rendered: values filled in, credentials and ways in found."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from ..core.errors import SeatrialError, UsageError
from ..core.load_plans import LoadPlan, ToolPlan
from ..core.plan import ProbeCall
from ..core.templates import render
from ..core.workloads import RenderedRequest
from .probing import Prober

_OPERATION = {"id": "{{ op.id }}", "n": "{{ op.n }}", "key": "{{ op.key }}"}  # left for the worker to fill in


async def rendered(prober: Prober, name: str, call: ProbeCall, values: Mapping[str, object]) -> RenderedRequest:
    """A workload's request, or one of a load's, `op` left for the worker to fill in. Raises SeatrialError where nothing answers to it, and
    NotExercised for a host that is not allowed.
    """
    known = {**values, "op": _OPERATION}
    what = render(call.what, known, prober.secret)
    arguments = render(dict(call.arguments), known, prober.secret)
    if not isinstance(what, str) or not isinstance(arguments, dict):
        raise UsageError.simple(f"{name}: what it requests is not text")
    prober.check_host(what)
    if call.verb != "http":
        return await _spoken(prober, name, call, what, arguments)
    method, _, path = what.partition(" ") if what[:1] != "/" and " " in what else ("GET", "", what)
    headers = {str(k): str(v) for k, v in (arguments.get("headers") or {}).items()}
    headers |= await prober.credentials(call.identity, fresh=True)
    urls: tuple[str, ...] = ()
    parameters: Mapping[str, str] = {}
    if "://" in path:
        scheme, _, rest = path.partition("://")
        host, slash, path = rest.partition("/")
        urls, path = (f"{scheme}://{host}",), f"{slash}{path}" or "/"
    elif call.at is not None:
        parameters = (await prober.view(call.at.service)).parameters
        instances = await prober.instances(call.at)
        urls = tuple(next(iter(i.endpoints.values())).url for i in instances if i.endpoints)
    if not urls:
        raise SeatrialError(f"{name}: nothing answers to {call.at}")
    return RenderedRequest(
        urls=urls,
        method=method or "GET",
        path=path,
        headers=headers,
        json=arguments.get("json"),
        body=arguments.get("body"),
        parameters=parameters,
    )


async def _spoken(
    prober: Prober, name: str, call: ProbeCall, what: str, arguments: Mapping[str, object]
) -> RenderedRequest:
    """In another protocol than HTTP, to every way in: a service as a whole is asked where it takes what is asked."""
    if call.at is None:
        raise SeatrialError(f"{name}: nothing says where to (at:)")
    reach = await prober.reach(call)
    return RenderedRequest(
        urls=tuple(e.url for e in reach.endpoints.values()),
        headers=await prober.credentials(call.identity, fresh=True),
        verb=call.verb,
        what=what,
        arguments=arguments,
        parameters=reach.parameters,
    )


async def of_tool(prober: Prober, plan: LoadPlan, tool: ToolPlan, values: Mapping[str, object]) -> RenderedRequest:
    """Where a tool's file is run against, and what it is given."""
    where = await rendered(prober, plan.name, ProbeCall(verb="http", what="GET /", at=plan.at), values)
    given = {"arguments": list(tool.arguments), "environment": dict(tool.environment)}
    arguments = render(given, values, prober.secret)
    return replace(where, verb=tool.name, what=tool.file, arguments=arguments if isinstance(arguments, dict) else {})
