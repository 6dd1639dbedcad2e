"""Fault `loss` at an instance: a share of its packets is lost."""

from __future__ import annotations

from collections.abc import Sequence

from ..core.faults import Testimony
from ..core.networks import Means, Sound, Sounding
from ..core.platforms import Platform
from ..core.stack import Instance
from .networking import NetworkFault, sounder, told

_ECHOES, _PATIENCE_NS = 300, 600_000_000
_SURELY = 3.0  # echoes lost on average before one that is missing is expected at each look
_MORE = 0.9


class NetworkLoss(NetworkFault):
    """core.faults.Fault. Each way for itself where it acts on both."""

    KIND = "loss"

    @property
    def _lost(self) -> float:
        """The share of round trips that does not come back."""
        share = self.arguments["share"]
        return 1 - (1 - (float(share) if isinstance(share, int | float) else 0.0)) ** self.ways

    async def measured(self, platform: Platform, victim: Instance) -> Sequence[Sounding]:
        """Echoes."""
        sound = Sound(means=Means.ECHO, count=_ECHOES, patience_ns=_PATIENCE_NS)
        return await sounder(platform).sound(victim, sound, await self.origin(platform))

    async def seen(
        self, platform: Platform, victim: Instance, before: Sequence[Sounding], now: Sequence[Sounding]
    ) -> Testimony:
        """About as many are missing, where none were before; all that are missing are another fault."""
        missing, expected = sum(not s.back for s in now), self._lost * len(now)
        acted = all(s.back for s in before) and missing >= max(1.0, expected / _SURELY)
        acted = acted and (any(s.back for s in now) or self._lost > _MORE)
        return self.testify(now, f"{victim.name}: {told(now)}; before {told(before)}", acted=acted)
