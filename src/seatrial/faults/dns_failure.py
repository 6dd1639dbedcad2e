"""Fault `dns-failure`: an instance finds nobody by name any more."""

from __future__ import annotations

from collections.abc import Sequence

from ..core.faults import Testimony
from ..core.networks import Means, Sound, Sounding
from ..core.platforms import Platform
from ..core.stack import Instance
from .networking import SILENCE_NS, NetworkFault, sounder, told

_LOOKS = 2
_OUTCOMES = {"drop": "silent", "refuse": "refused"}


class DnsFailure(NetworkFault):
    """core.faults.Fault. What it asks of name servers is lost, or refused; whom it knows by address it reaches."""

    KIND = "dns"

    async def measured(self, platform: Platform, victim: Instance) -> Sequence[Sounding]:
        """Ask its own name server, from where it is, for its own name: any answer will do."""
        sound = Sound(means=Means.NAME, count=_LOOKS, patience_ns=2 * SILENCE_NS)
        return await sounder(platform).sound(victim, sound, victim)

    async def witness(self, platform: Platform, victim: Instance) -> Testimony:
        """A server that refused already cannot be seen to."""
        before = self._before.get(victim.name)
        if before and any(s.outcome == "refused" for s in before):
            return self.testify(before, f"{victim.name}: its name server refused already before", acted=False)
        return await super().witness(platform, victim)

    async def seen(
        self, platform: Platform, victim: Instance, before: Sequence[Sounding], now: Sequence[Sounding]
    ) -> Testimony:
        """No answer, and its network is there."""
        there = await sounder(platform).sound(victim, Sound(count=_LOOKS), None)
        wanted = _OUTCOMES[str(self.arguments.get("how") or "drop")]
        acted = all(s.outcome == wanted for s in now) and any(s.back for s in there)
        words = (
            f"of questions to its name server {told(now)}, before {told(before)}; of connections to it {told(there)}"
        )
        return self.testify(now, f"{victim.name}: {words}", acted=acted)
