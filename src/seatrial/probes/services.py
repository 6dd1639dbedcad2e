"""Probe `services`: the whole stack, as the platform sees it now."""

from __future__ import annotations

from ..core.expressions import Type
from ..core.observations import Observation, ProbeRequest, target_error, value
from ..core.shapes import choice
from ..core.stack import InstanceState
from ..core.vocabulary import Verb

VERB = Verb(
    name="services",
    doc="All instances of all services; `missing` names those that do not run or are not ready.",
    what=choice("all"),
    observes={
        "expected": Type.NUMBER,
        "running": Type.NUMBER,
        "ready": Type.NUMBER,
        "restarting": Type.NUMBER,
        "missing": Type.list_of(Type.TEXT),
        "names": Type.list_of(Type.TEXT),
    },
    run="seatrial.probes.services:run",
    default_expect="missing == []",
    needs_target=False,
    example="services: all",
    asks=False,
)


async def run(request: ProbeRequest) -> Observation:
    """One look."""
    instances = request.instances
    if not instances:
        return target_error("absent", "the platform reports no service")
    missing = [i.name for i in instances if i.state is not InstanceState.RUNNING or not i.ready]
    values: dict[str, object] = {
        "expected": len(instances),
        "running": sum(i.state is InstanceState.RUNNING for i in instances),
        "ready": sum(i.ready for i in instances),
        "restarting": sum(i.state is InstanceState.STARTING for i in instances),
        "missing": missing,
        "names": list(dict.fromkeys(i.service for i in instances)),
    }
    shown = {i.name: f"{i.state.value}{', ready' if i.ready else ''}" for i in instances}
    return value(values, {"instances": shown}, f"{values['ready']} of {len(instances)} instances ready")
