"""Fault `loss`: a share of what passes a link has to be sent again."""

from __future__ import annotations

from collections.abc import Mapping

from ..core.faults import Testimony
from ..core.links import LinkEnd
from ..core.quantities import NS_PER_S, Quantity
from ..core.stack import Instance
from .knocking import Knock
from .linking import LinkFault, slower

_TIMEOUT_NS = NS_PER_S // 5  # TCP's least on Linux


class Loss(LinkFault):
    """core.faults.Fault. Seen from a program, a lost packet is a wait for TCP to send it again."""

    KIND = "stall"

    def read(self, given: Mapping[str, object]) -> dict[str, object]:
        """How much is lost, and how long it takes to be sent again."""
        stall = given.get("resent-after")
        read = super().read({n: v for n, v in given.items() if n != "resent-after"})
        return {**read, "stall_ns": stall.value if isinstance(stall, Quantity) else _TIMEOUT_NS}

    async def seen(self, victim: Instance, end: LinkEnd, past: Knock) -> Testimony:
        """One of many knocks is late; the trial knocks until it is."""
        stall = self.arguments["stall_ns"]
        wanted = float(stall if isinstance(stall, int | float) else 0) / 2
        through, acted = await slower(end, past, wanted, always=False)
        return self.testify(victim, end, through, past, acted=acted)
