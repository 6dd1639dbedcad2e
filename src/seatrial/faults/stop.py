"""Fault `stop`: an orderly stop."""

from __future__ import annotations

from collections.abc import Sequence

from ..core.errors import NotExercised
from ..core.faults import FaultOrder, Testimony
from ..core.platforms import CanStop, Platform
from ..core.stack import Instance, InstanceState
from .acting import PROCESS_TABLE, describe, each, look, release, was_ended


class Stop:
    """core.faults.Fault. Down for `hold`, or until healed."""

    def __init__(self, order: FaultOrder) -> None:
        self._hold_ns = order.hold_ns

    async def inject(self, platform: Platform, victims: Sequence[Instance]) -> None:
        """All at the same time."""
        if not isinstance(platform, CanStop):
            raise NotExercised(f"platform {platform.name} cannot stop")
        stopper: CanStop = platform
        await each(stopper.stop(v, self._hold_ns) for v in victims)

    async def witness(self, platform: Platform, victim: Instance) -> Testimony:
        """The process that was there is gone."""
        seen = await look(platform, victim)
        return Testimony(
            acted=was_ended(victim, seen), at_ns=seen.at_ns, witness=PROCESS_TABLE, detail=describe(victim, seen)
        )

    async def heal(self, platform: Platform, victims: Sequence[Instance]) -> None:
        """Start those that are still down."""
        await release(platform, victims, besides=InstanceState.PAUSED)
