"""Faults `http-status`, `http-delay`, `http-abort`: some requests over HTTP/1.1 are answered by the link, come late, or are cut off."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace

from ..core.faults import FaultOrder, Testimony
from ..core.links import LinkEnd
from ..core.quantities import Quantity
from ..core.stack import Instance
from .knocking import Knock, knock
from .linking import LinkFault

_PATIENCE_NS = 2_000_000_000


class HttpFault(LinkFault):
    """core.faults.Fault. It is seen by a request through the link to the path that it hits (without what `*` stands for), with an empty
    body: GET, or the method that it hits. Where it hits a share, the others reach the service.
    """

    KIND = "http"

    def read(self, given: Mapping[str, object]) -> dict[str, object]:
        """The delay in ns."""
        return super().read({f"{n}_ns" if n == "delay" and isinstance(v, Quantity) else n: v for n, v in given.items()})

    async def seen(self, victim: Instance, end: LinkEnd, past: Knock) -> Testimony:
        """Ask through the link."""
        method = str(self.arguments.get("method") or "GET")
        path = "/" + str(self.arguments.get("path") or "/").replace("*", "").lstrip("/")
        words = (
            f"{method} {path} HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\nConnection: close\r\n\r\n".encode()
        )
        delay = self.arguments.get("delay_ns")
        wanted = float(delay if isinstance(delay, int | float) else 0)
        through = await knock(end.listens, _PATIENCE_NS + round(2 * wanted), say=words)
        testimony = self.testify(victim, end, through, past, acted=self._acted(through, past, wanted))
        status = re.match(rb"HTTP/1\.[01] (\d+)", through.answer)
        shown = f" with {status[1].decode()}" if status else ""
        detail = testimony.detail.replace("; past the link", f"{shown}; past the link")
        return replace(testimony, detail=f"{method} {path} at {detail}")

    def _acted(self, through: Knock, past: Knock, wanted: float) -> bool:
        if self.arguments.get("abort"):
            return through.outcome == "reset"
        if not through.answered:
            return False
        if "status" in self.arguments:
            return b"X-Fault: seatrial" in through.answer
        return through.took_ns - past.took_ns >= wanted / 2


class HttpAbort(HttpFault):
    """Their connection is reset."""

    def __init__(self, order: FaultOrder) -> None:
        super().__init__(order)
        self.arguments["abort"] = True
