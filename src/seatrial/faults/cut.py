"""Fault `cut`: nothing gets through a link."""

from __future__ import annotations

from collections.abc import Mapping

from ..core.faults import FaultOrder, Testimony
from ..core.links import LinkEnd
from ..core.stack import Instance
from .knocking import Knock, greeting, knock
from .linking import LinkFault, silence

_KINDS = {"refuse": "refuse", "reset": "reset", "black-hole": "hold"}
_MUTE_NS = 100_000_000
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

    def is_there(self, end: LinkEnd, past: Knock) -> bool:
        """Where no greeting is known, one who takes a connection and says nothing is there: refused and reset differ from that."""
        mute = self._how != "black-hole" and greeting(end.to.scheme) is None
        return past.answered or (mute and past.outcome == "silent")

    def patience_ns(self, end: LinkEnd) -> int:
        """Nothing is waited for that nobody expects."""
        return super().patience_ns(end) if greeting(end.to.scheme) is not None else _MUTE_NS

    async def seen(self, victim: Instance, end: LinkEnd, past: Knock) -> Testimony:
        """Refused, reset, or nothing but silence."""
        through = await (silence(end, past) if past.answered else knock(end.listens, _MUTE_NS))
        return self.testify(victim, end, through, past, acted=through.outcome in _OUTCOMES[self._how])
