"""Fault `restart`: an orderly stop, and a start at once."""

from __future__ import annotations

from collections.abc import Sequence

from ..core.errors import NotExercised
from ..core.faults import FaultOrder, Testimony
from ..core.platforms import CanRelease, CanStop, Platform
from ..core.stack import Instance, InstanceState
from .acting import PROCESS_TABLE, describe, each, look, release


class Restart:
    """core.faults.Fault. All victims are down together before the first is started again."""

    def __init__(self, order: FaultOrder) -> None:
        del order  # nothing about it can be chosen

    async def inject(self, platform: Platform, victims: Sequence[Instance]) -> None:
        """Stop all, then start all."""
        if not isinstance(platform, CanStop) or not isinstance(platform, CanRelease):
            raise NotExercised(f"platform {platform.name} cannot restart")
        stopper: CanStop = platform
        await each(stopper.stop(v, None) for v in victims)
        await release(platform, victims, besides=InstanceState.PAUSED)

    async def witness(self, platform: Platform, victim: Instance) -> Testimony:
        """Another process is there."""
        seen = await look(platform, victim)
        acted = seen.alive and seen.identity != victim.identity
        return Testimony(acted=acted, at_ns=seen.at_ns, witness=PROCESS_TABLE, detail=describe(victim, seen))

    async def heal(self, platform: Platform, victims: Sequence[Instance]) -> None:
        """Start what a cancelled restart left down."""
        await release(platform, victims, besides=InstanceState.PAUSED)
