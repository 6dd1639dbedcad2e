"""Fault `kill`: SIGKILL of the whole unit."""

from __future__ import annotations

from collections.abc import Sequence

from ..core.errors import NotExercised
from ..core.faults import FaultOrder, Testimony
from ..core.platforms import CanKill, CanRelease, Platform
from ..core.stack import Instance, InstanceState
from .acting import PROCESS_TABLE, describe, each, look, release, was_ended


class Kill:
    """core.faults.Fault. Without a hold it is a crash: the restart policy acts at once."""

    def __init__(self, order: FaultOrder) -> None:
        self._hold_ns = order.hold_ns or 0

    async def inject(self, platform: Platform, victims: Sequence[Instance]) -> None:
        """All at the same time."""
        if not isinstance(platform, CanKill):
            raise NotExercised(f"platform {platform.name} cannot kill")
        killer: CanKill = platform
        await each(killer.kill(v, self._hold_ns) for v in victims)

    async def witness(self, platform: Platform, victim: Instance) -> Testimony:
        """The process that was there is gone."""
        seen = await look(platform, victim)
        return Testimony(
            acted=was_ended(victim, seen), at_ns=seen.at_ns, witness=PROCESS_TABLE, detail=describe(victim, seen)
        )

    async def heal(self, platform: Platform, victims: Sequence[Instance]) -> None:
        """End the hold of those that are still down; without a hold, their platform may be on its own."""
        if not self._hold_ns and not isinstance(platform, CanRelease):
            return
        await release(platform, victims, besides=InstanceState.PAUSED)
