"""What instances say of themselves, and what they are: asked for probes that hold a stack to its own file."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from ..core.errors import NotExercised
from ..core.observations import Reach
from ..core.platforms import Declares, Platform, Prober, ServiceView
from ..core.quantities import NS_PER_S
from ..core.stack import Actual, Instance, InstanceState

ATTEMPT_NS = 2 * NS_PER_S
NOT_OF_NOW = ("log",)  # checks whose truth does not end: what was written once stays


async def actual_of(platform: Platform, instances: Sequence[Instance]) -> dict[str, Actual]:
    """Of those that run. Raises NotExercised where the platform does not show it."""
    if not isinstance(platform, Declares):
        raise NotExercised(f"platform {platform.name} does not show what its instances were given")
    running = [i for i in instances if i.state is not InstanceState.DOWN]
    return {i.name: await platform.actual(i) for i in running}


async def health_of(platform: Platform, prober: Prober, instances: Sequence[Instance]) -> dict[str, tuple[bool, str]]:
    """Each asked by the readiness check of its service; where there is none, what the platform's own health check says.

    Raises NotExercised where nothing tells.
    """
    views = await platform.survey()
    now = {i.name: i for v in views.values() for i in v.instances}
    asked = [now[i.name] for i in instances if i.name in now]
    told = await asyncio.gather(*(_one(platform, prober, views[i.service], i) for i in asked))
    return {i.name: t for i, t in zip(asked, told, strict=True)}


async def _one(platform: Platform, prober: Prober, view: ServiceView, instance: Instance) -> tuple[bool, str]:
    if instance.state is InstanceState.DOWN:
        return False, f"down: {instance.detail}"
    if view.ready is None:
        declared = platform.declared().get(view.name) if isinstance(platform, Declares) else None
        if declared is None or not declared.health:
            raise NotExercised(f"nothing says whether {view.name} is well: ready: in the stack file does")
        return instance.ready, instance.detail or ("healthy" if instance.ready else "not healthy")
    if view.ready.call.verb in NOT_OF_NOW:
        raise NotExercised(f"the readiness of {view.name} is read from its log, which says nothing of now")
    reach = Reach(
        name=instance.name,
        service=view.name,
        kind=view.kind,
        endpoints=instance.endpoints,
        parameters=view.parameters,
        instance=instance,
    )
    observation, judgement = await prober.attempt(view.ready, reach, view.ready.timeout_ns or ATTEMPT_NS)
    return judgement.truth is True, judgement.reason or observation.message or "as its check expects"
