"""What the faults have in common: looking by other means than acting, and letting go."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Iterable, Sequence

from ..core.errors import NotExercised
from ..core.platforms import CanRelease, CanWitness, Platform, Sighting
from ..core.stack import Instance, InstanceState

PROCESS_TABLE = "process table and a connection of its own"


async def look(platform: Platform, victim: Instance) -> Sighting:
    """An independent look at what became of a victim."""
    if not isinstance(platform, CanWitness):
        raise NotExercised(f"platform {platform.name} has no witness")
    return await platform.look(victim)


async def each(acts: Iterable[Coroutine[None, None, None]]) -> None:
    """All at the same time. Raises the first error when all have ended: none goes on behind the caller's back."""
    outcomes = await asyncio.gather(*acts, return_exceptions=True)
    for outcome in outcomes:
        if isinstance(outcome, BaseException):
            raise outcome


def was_ended(victim: Instance, sighting: Sighting) -> bool:
    """Whether the process that was there is gone, whole: nothing of it answers at its address any more."""
    if sighting.alive:
        return victim.identity is not None and sighting.identity != victim.identity
    return not (sighting.accepts if sighting.answers is None else sighting.answers)


def describe(victim: Instance, sighting: Sighting) -> str:
    """What was seen, as evidence: the process, and what its first address does."""
    if not sighting.alive:
        process = f"{victim.identity or 'its process'} is gone"
    elif sighting.identity != victim.identity:
        process = f"{victim.identity} is gone, {sighting.identity} is there"
    else:
        process = f"{victim.identity} is {'stopped' if sighting.stopped else 'there'}"
    endpoint = next(iter(victim.endpoints.values()), None)
    if endpoint is None or sighting.accepts is None:
        return f"{victim.name}: {process}"
    does = "accepts connections" if sighting.accepts else "refuses connections"
    if sighting.accepts and sighting.answers is not None:
        does = "answers" if sighting.answers else "accepts connections and does not answer"
    return f"{victim.name}: {process}; {endpoint.host}:{endpoint.port} {does}"


async def release(platform: Platform, victims: Sequence[Instance], besides: InstanceState) -> None:
    """Let go of the victims, all but those in a state that another fault has brought about.

    One that still runs is let go of too: the order to stop it may have been cancelled while the platform carries it out,
    and would keep it down. Raises the first error when all were tried.
    """
    if not isinstance(platform, CanRelease):
        raise NotExercised(f"platform {platform.name} cannot release")
    releaser: CanRelease = platform
    now = {i.name: i for view in (await platform.survey()).values() for i in view.instances}
    held = [now[v.name] for v in victims if v.name in now and now[v.name].state is not besides]
    await each(releaser.release(i) for i in held)
