"""Fault `latency` at an instance: its packets take longer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from ..core.faults import Testimony
from ..core.networks import Sounding
from ..core.platforms import Platform
from ..core.quantities import NS_PER_S, Quantity
from ..core.stack import Instance
from .networking import VISIBLE_NS, NetworkFault, told, took

_LOOKS = 9


class NetworkLatency(NetworkFault):
    """core.faults.Fault. The delay is of one way: a round trip takes twice as much longer where it acts on both."""

    KIND = "latency"

    def read(self, given: Mapping[str, object]) -> dict[str, object]:
        """The durations in ns."""
        return super().read({f"{n}_ns" if isinstance(v, Quantity) else n: v for n, v in given.items()})

    @property
    def _wanted(self) -> float:
        """What half of the round trips take longer at least: half of the delay, or an eighth of what it varies by; ns."""
        delay, jitter = (self.arguments.get(n) for n in ("delay_ns", "jitter_ns"))
        return max(self.ways * max(_number(delay), _number(jitter) / 4) / 2, VISIBLE_NS)

    async def measured(self, platform: Platform, victim: Instance) -> Sequence[Sounding]:
        """Round trips."""
        return await self.connections(platform, victim, _LOOKS, round(8 * self._wanted) + NS_PER_S)

    async def seen(
        self, platform: Platform, victim: Instance, before: Sequence[Sounding], now: Sequence[Sounding]
    ) -> Testimony:
        """Half of all take that much longer than all did before, but for the slowest one: a hiccup."""
        longer, usual = took(now), sorted(s.took_ns for s in before if s.back)
        slowest = usual[-2] if len(usual) > 1 else usual[0]
        acted = longer is not None and longer - slowest >= self._wanted
        return self.testify(now, f"{victim.name}: {told(now)}; before {told(before)}", acted=acted)


def _number(value: object) -> float:
    return float(value) if isinstance(value, int | float) else 0.0
