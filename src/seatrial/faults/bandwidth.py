"""Fault `bandwidth`: a link passes so many bytes a second."""

from __future__ import annotations

from dataclasses import replace

from ..core.faults import Testimony
from ..core.links import LinkEnd
from ..core.stack import Instance
from .knocking import Knock, greeting, knock
from .linking import VISIBLE_NS, LinkFault, slower, told

_MOST_NS = 30_000_000_000


class Bandwidth(LinkFault):
    """core.faults.Fault. Of each connection, each way."""

    KIND = "bandwidth"

    async def seen(self, victim: Instance, end: LinkEnd, past: Knock) -> Testimony:
        """The largest knock there is takes as long as its bytes do at that rate."""
        rate = self.arguments["rate"]
        ways = self.arguments.get("direction", "both")
        words = greeting(end.to.scheme, large=True) or b""
        past = await knock(end.to, _MOST_NS, say=words)
        size = (len(words) if ways != "from" else 0) + (past.heard if ways != "to" else 0)
        wanted = size * 1e9 / float(rate if isinstance(rate, int | float) else 1)
        if wanted / 2 < VISIBLE_NS:
            testimony = self.testify(victim, end, past, past, acted=False)
            why = f"{size} bytes, the most that a knock moves, are too few to see this rate by"
            return replace(testimony, detail=f"{victim.name}: {why}")
        through, acted = await slower(end, past, wanted / 2, say=words)
        testimony = self.testify(victim, end, through, past, acted=acted)
        return replace(
            testimony, detail=f"{victim.name}: {size} bytes through it: {told(through)}; past it {told(past)}"
        )
