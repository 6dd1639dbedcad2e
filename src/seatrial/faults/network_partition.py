"""Fault `partition` at an instance: nothing comes in, nothing goes out, or neither; from and to some, or all."""

from __future__ import annotations

from collections.abc import Sequence

from ..core.faults import Testimony
from ..core.networks import Sound, Sounding
from ..core.platforms import Platform
from ..core.stack import Instance
from .networking import SILENCE_NS, NetworkFault, sounder, told

_LOOKS = 3


class NetworkPartition(NetworkFault):
    """core.faults.Fault. What is lost is lost without a word; TCP sends it again when it is healed."""

    KIND = "partition"

    async def measured(self, platform: Platform, victim: Instance) -> Sequence[Sounding]:
        """Connections from outside, which its kernel answers, whatever its processes do."""
        return await self.connections(platform, victim, _LOOKS, SILENCE_NS)

    async def seen(
        self, platform: Platform, victim: Instance, before: Sequence[Sounding], now: Sequence[Sounding]
    ) -> Testimony:
        """Nothing comes back from where it did, and it is there: seen from whom it is not kept from, or from inside."""
        beside = None if self.arguments.get("peers") else victim
        there = await sounder(platform).sound(victim, Sound(count=_LOOKS, patience_ns=SILENCE_NS), beside)
        where = "from inside" if beside else "from this machine"
        acted = all(s.outcome == "silent" for s in now) and any(s.back for s in there)
        return self.testify(
            now, f"{victim.name}: {told(now)}; {where} {told(there)}; before {told(before)}", acted=acted
        )
