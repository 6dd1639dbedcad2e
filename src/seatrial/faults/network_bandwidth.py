"""Fault `bandwidth` at an instance: its interfaces pass so many bytes a second."""

from __future__ import annotations

from collections.abc import Sequence

from ..core.faults import Testimony
from ..core.networks import Means, Sound, Sounding
from ..core.platforms import Platform
from ..core.quantities import NS_PER_S, format_duration
from ..core.stack import Instance
from .networking import VISIBLE_NS, NetworkFault, sounder, told

_SIZE, _HEADERS = 1400, 28
_LEAST, _MOST = 8, 400  # echoes
_FILLS_S = 0.25  # so long they take at that rate, where they can be so many


class NetworkBandwidth(NetworkFault):
    """core.faults.Fault. Of all its connections together, each way."""

    KIND = "bandwidth"

    @property
    def _rate(self) -> float:
        rate = self.arguments["rate"]
        return max(float(rate), 1.0) if isinstance(rate, int | float) else 1.0

    @property
    def _count(self) -> int:
        return min(_MOST, max(_LEAST, round(self._rate * _FILLS_S / (_SIZE + _HEADERS))))

    @property
    def _wanted(self) -> float:
        """How long all of them take at that rate, ns."""
        return self._count * (_SIZE + _HEADERS) * NS_PER_S / self._rate

    async def measured(self, platform: Platform, victim: Instance) -> Sequence[Sounding]:
        """Large echoes, all at once."""
        patience = round(3 * self._wanted) + NS_PER_S
        sound = Sound(means=Means.ECHO, count=self._count, size=_SIZE, patience_ns=patience)
        return await sounder(platform).sound(victim, sound, await self.origin(platform))

    async def seen(
        self, platform: Platform, victim: Instance, before: Sequence[Sounding], now: Sequence[Sounding]
    ) -> Testimony:
        """The last of them comes back as late as all of them take at that rate, or later."""
        least, was, is_ = self._wanted / 2, _last(before), _last(now)
        if least < VISIBLE_NS:
            detail = (
                f"{victim.name}: {self._count * _SIZE} bytes, the most that is sent, are too few to see this rate by"
            )
            return self.testify(now, detail, acted=False)
        acted = any(s.back for s in now) and is_ - was >= least
        words = f"{self._count * _SIZE} bytes were there and back after {format_duration(is_)} ({told(now)})"
        return self.testify(now, f"{victim.name}: {words}; before after {format_duration(was)}", acted=acted)


def _last(seen: Sequence[Sounding]) -> int:
    """From the first that was sent to the last that came back, ns."""
    return max((s.began_ns + s.took_ns for s in seen if s.back), default=0) - min(s.began_ns for s in seen)
