"""Fault `cut`: nothing gets through a link."""

from __future__ import annotations

from collections.abc import Mapping

from ..core.faults import FaultOrder, Testimony
from ..core.links import LinkEnd
from ..core.stack import Instance
from .knocking import Knock
from .linking import LinkFault, silence

_KINDS = {"refuse": "refuse", "reset": "reset", "black-hole": "hold"}
_OUTCOMES = {"refuse": ("refused",), "reset": ("reset",), "black-hole": ("silent",)}


class Cut(LinkFault):
    """core.faults.Fault. Connections that are there are reset with refuse and reset; in a black hole they hang."""

    def __init__(self, order: FaultOrder) -> None:
        self._how = str(order.arguments.get("how") or "refuse")
        self.KIND = _KINDS[self._how]
        super().__init__(order)

    def read(self, given: Mapping[str, object]) -> dict[str, object]:
        """How is all there is."""
        return {}

    async def seen(self, victim: Instance, end: LinkEnd, past: Knock) -> Testimony:
        """Refused, reset, or nothing but silence."""
        through = await silence(end, past)
        return self.testify(victim, end, through, past, acted=through.outcome in _OUTCOMES[self._how])
