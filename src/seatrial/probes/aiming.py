"""Which address a probe goes to, and which instance is behind it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from ..core.observations import Observation, ProbeRequest, probe_error, target_error
from ..core.stack import Endpoint


def endpoints(request: ProbeRequest, schemes: Sequence[str], name: object = None) -> list[Endpoint] | Observation:
    """Addresses of the target in the order to try them, at least one; or what to say when there is none.

    Those of the wanted schemes; where none has such a scheme, the first one there is. `name` picks among several of an
    instance (`http`, `admin`).
    """
    reach = request.reach
    if not reach.name:
        return probe_error("spec", "no target: give `at`, or a whole address")
    names = list(dict.fromkeys(n.split("#")[0] for n in reach.endpoints))
    if not names:
        return target_error("absent", f"{reach.name} has no endpoint that is running")
    if name is not None and name not in names:
        return probe_error("spec", f"{reach.name} has no endpoint {name}; endpoints: {', '.join(names)}")
    if name is not None:
        return [e for n, e in reach.endpoints.items() if n.split("#")[0] == name]
    fitting = [e for e in reach.endpoints.values() if e.scheme in schemes]
    return fitting or [next(iter(reach.endpoints.values()))]


def located(observation: Observation, request: ProbeRequest, endpoint: Endpoint) -> Observation:
    """The observation with the instance that the address belongs to, where a service as a whole was asked."""
    if request.reach.instance is not None or observation.at:
        return observation
    for instance in request.instances:
        if any((e.host, e.port) == (endpoint.host, endpoint.port) for e in instance.endpoints.values()):
            return replace(observation, at=instance.name)
    return observation
