"""Fault `crash-loop`: SIGKILL of the whole unit, again each time that it is up."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence

from ..core.errors import NotExercised, PlatformError, SeatrialError
from ..core.faults import FaultOrder, Testimony
from ..core.platforms import CanKill, CanRelease, Platform
from ..core.quantities import Quantity
from ..core.stack import Instance, InstanceState
from .acting import PROCESS_TABLE, describe, each, look, release

_LOOK_S = 0.02
_TWICE = 2


class CrashLoop:
    """core.faults.Fault. It is up when it is ready; what is down comes back by its own restart policy, or not at all."""

    def __init__(self, order: FaultOrder) -> None:
        every, times = order.arguments.get("every"), order.arguments.get("times")
        self._every_ns = round(every.value) if isinstance(every, Quantity) else 0
        self._times = times if isinstance(times, int) else None
        self._killers: list[asyncio.Task[None]] = []
        self._kills: dict[str, int] = {}
        self._lives: dict[str, list[str]] = {}  # identities that the witness saw, by victim
        self._trouble = ""

    async def inject(self, platform: Platform, victims: Sequence[Instance]) -> None:
        """Kill all once, and begin to wait for them to come back."""
        if not isinstance(platform, CanKill):
            raise NotExercised(f"platform {platform.name} cannot kill")
        killer: CanKill = platform
        await each(killer.kill(v, 0) for v in victims)
        self._kills = {v.name: 1 for v in victims}
        self._killers = [asyncio.create_task(self._loop(platform, killer, v)) for v in victims]

    async def _loop(self, platform: Platform, killer: CanKill, victim: Instance) -> None:
        killed = victim.identity
        try:
            while self._times is None or self._kills[victim.name] < self._times:
                now = await _now(platform, victim)
                lived = now is not None and time.monotonic_ns() - now.since_ns >= self._every_ns
                if now is None or not now.ready or now.identity == killed or not lived:
                    await asyncio.sleep(_LOOK_S)
                    continue
                killed = now.identity
                await killer.kill(now, 0)
                self._kills[victim.name] += 1
        except SeatrialError as error:
            self._trouble = str(error)

    async def witness(self, platform: Platform, victim: Instance) -> Testimony:
        """Another process, and then another again: crashed at least twice."""
        seen = await look(platform, victim)
        lives = self._lives.setdefault(victim.name, [])
        if seen.identity is not None and seen.identity not in (victim.identity, *lives[-1:]):
            lives.append(seen.identity)
        acted = len(lives) >= _TWICE
        detail = describe(victim, seen)
        if lives:
            detail += f"; {len(lives)} other{'s' * (len(lives) > 1)} came after it, one after the other"
        if self._trouble:
            detail += f"; the loop ended: {self._trouble}"
        return Testimony(acted=acted, at_ns=seen.at_ns, witness=PROCESS_TABLE, detail=detail)

    async def heal(self, platform: Platform, victims: Sequence[Instance]) -> None:
        """Kill no more, and start what is down. Raises the error that ended the loop before."""
        for task in self._killers:
            task.cancel()
        await asyncio.gather(*self._killers, return_exceptions=True)
        self._killers.clear()
        if isinstance(platform, CanRelease):
            await release(platform, victims, besides=InstanceState.PAUSED)
        if self._trouble:
            raise PlatformError(f"the crash loop had ended by itself: {self._trouble}")


async def _now(platform: Platform, victim: Instance) -> Instance | None:
    """As the platform shows it now."""
    views = await platform.survey()
    return next((i for view in views.values() for i in view.instances if i.name == victim.name), None)
