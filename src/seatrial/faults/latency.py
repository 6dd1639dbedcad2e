"""Fault `latency`: what passes a link takes longer."""

from __future__ import annotations

from collections.abc import Mapping

from ..core.faults import Testimony
from ..core.links import LinkEnd
from ..core.quantities import Quantity
from ..core.stack import Instance
from .knocking import Knock
from .linking import LinkFault, slower


class Latency(LinkFault):
    """core.faults.Fault. The delay is of one way: a round trip takes twice as much longer where it acts on both."""

    KIND = "latency"

    def read(self, given: Mapping[str, object]) -> dict[str, object]:
        """The durations in ns."""
        read = {f"{n}_ns" if isinstance(v, Quantity) else n: v for n, v in given.items()}
        return super().read(read)

    async def seen(self, victim: Instance, end: LinkEnd, past: Knock) -> Testimony:
        """A round trip that takes at least half of the delay longer, or an eighth of what the delay varies by."""
        ways = 2 if self.arguments.get("direction", "both") == "both" else 1
        delay, jitter = (self.arguments.get(n) for n in ("delay_ns", "jitter_ns"))
        wanted = ways * max(_number(delay), _number(jitter) / 4) / 2
        through, acted = await slower(end, past, wanted)
        return self.testify(victim, end, through, past, acted=acted)


def _number(value: object) -> float:
    return float(value) if isinstance(value, int | float) else 0.0
