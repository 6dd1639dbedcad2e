"""Fault `pause`: SIGSTOP of every process of the unit."""

from __future__ import annotations

from collections.abc import Sequence

from ..core.errors import NotExercised
from ..core.faults import FaultOrder, Testimony
from ..core.platforms import CanPause, Platform
from ..core.stack import Instance, InstanceState
from .acting import PROCESS_TABLE, describe, each, look, release


class Pause:
    """core.faults.Fault. Lasts until healed."""

    def __init__(self, order: FaultOrder) -> None:
        del order  # nothing about it can be chosen

    async def inject(self, platform: Platform, victims: Sequence[Instance]) -> None:
        """All at the same time."""
        if not isinstance(platform, CanPause):
            raise NotExercised(f"platform {platform.name} cannot pause")
        pauser: CanPause = platform
        await each(pauser.pause(v) for v in victims)

    async def witness(self, platform: Platform, victim: Instance) -> Testimony:
        """It is the same process, and all of it is stopped."""
        seen = await look(platform, victim)
        acted = seen.alive and seen.stopped and seen.identity == victim.identity
        return Testimony(acted=acted, at_ns=seen.at_ns, witness=PROCESS_TABLE, detail=describe(victim, seen))

    async def heal(self, platform: Platform, victims: Sequence[Instance]) -> None:
        """Let them go on."""
        await release(platform, victims, besides=InstanceState.DOWN)
