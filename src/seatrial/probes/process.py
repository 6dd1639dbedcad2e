"""Probe `process`: the instances of a service, as the platform sees them now."""

from __future__ import annotations

from ..core.errors import NotExercised, PlatformError
from ..core.expressions import Type
from ..core.observations import Observation, ProbeRequest, probe_error, target_error, value
from ..core.quantities import Dimension, Quantity
from ..core.shapes import choice
from ..core.stack import InstanceState
from ..core.vocabulary import Verb

_INSTANCE = Type.record(
    {
        "name": Type.TEXT,
        "state": Type.words(*InstanceState),
        "ready": Type.BOOL,
        "restarts": Type.NUMBER,
        "identity": Type.TEXT,
        "detail": Type.TEXT,
    }
)

VERB = Verb(
    name="process",
    doc="The target's instances: how many run, are ready, were restarted; `usage` adds what they use.",
    what=choice("instances", "usage"),
    observes={
        "wanted": Type.NUMBER,
        "running": Type.NUMBER,
        "ready": Type.NUMBER,
        "restarts": Type.NUMBER,
        "restarting": Type.NUMBER,
        "names": Type.list_of(Type.TEXT),
        "instances": Type.list_of(_INSTANCE),
        "cpu_seconds": Type.NUMBER,
        "memory": Type.SIZE,
        "descriptors": Type.NUMBER,
        "threads": Type.NUMBER,
        "processes": Type.NUMBER,
    },
    run="seatrial.probes.process:run",
    together=True,
    example="process: instances",
    asks=False,
)


async def run(request: ProbeRequest) -> Observation:
    """One look."""
    instances = request.instances
    if not instances:
        return target_error("absent", f"{request.reach.name} has no instances")
    shown = [
        {
            "name": i.name,
            "state": i.state.value,
            "ready": i.ready,
            "restarts": i.restarts,
            "identity": i.identity,
            "detail": i.detail,
        }
        for i in instances
    ]
    values: dict[str, object] = {
        "wanted": len(instances),
        "running": sum(i.state is InstanceState.RUNNING for i in instances),
        "ready": sum(i.ready for i in instances),
        "restarts": max(i.restarts for i in instances),
        "restarting": sum(i.state is InstanceState.STARTING for i in instances),
        "names": [i.name for i in instances],
        "instances": shown,
    }
    if request.what == "usage":
        try:
            usage = await request.around.usage()
        except NotExercised as error:
            return probe_error("not-exercised", str(error))
        except PlatformError as error:
            return target_error("absent", str(error))
        values |= {
            "cpu_seconds": usage.cpu_seconds,
            "memory": Quantity(usage.memory_bytes, Dimension.SIZE),
            "descriptors": usage.descriptors,
            "threads": usage.threads,
            "processes": usage.processes,
        }
    return value(values, {"instances": shown}, f"{values['ready']} of {values['wanted']} ready")
