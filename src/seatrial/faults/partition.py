"""Fault `partition`: nothing gets through a link one way; what was sent arrives when it is healed, as TCP sends it again."""

from __future__ import annotations

from ..core.faults import Testimony
from ..core.links import LinkEnd
from ..core.stack import Instance
from .knocking import Knock
from .linking import LinkFault, silence


class Partition(LinkFault):
    """core.faults.Fault. `direction`: to (requests do not arrive) or from (answers do not)."""

    KIND = "hold"

    async def seen(self, victim: Instance, end: LinkEnd, past: Knock) -> Testimony:
        """Silence: which way cannot be told from outside."""
        through = await silence(end, past)
        return self.testify(victim, end, through, past, acted=through.outcome == "silent")
