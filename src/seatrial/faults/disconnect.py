"""Fault `disconnect`: the engine takes an instance off a network, as somebody would by hand."""

from __future__ import annotations

from collections.abc import Sequence

from ..core.faults import Testimony
from ..core.networks import Sounding
from ..core.platforms import Platform
from ..core.stack import Instance
from .acting import look
from .networking import SILENCE_NS, NetworkFault, told

_LOOKS = 3


class Disconnect(NetworkFault):
    """core.faults.Fault. It is put back with the names that it had."""

    KIND = "disconnect"

    async def measured(self, platform: Platform, victim: Instance) -> Sequence[Sounding]:
        """Connections from outside."""
        return await self.connections(platform, victim, _LOOKS, SILENCE_NS)

    async def seen(
        self, platform: Platform, victim: Instance, before: Sequence[Sounding], now: Sequence[Sounding]
    ) -> Testimony:
        """Nothing comes back from where it did, and its process is there."""
        process = await look(platform, victim)
        there = process.alive and process.identity == victim.identity
        acted = not any(s.back for s in now) and there
        words = f"{victim.name}: {told(now)}; its process {'is there' if there else 'has gone'}; before {told(before)}"
        return self.testify(now, words, acted=acted)
