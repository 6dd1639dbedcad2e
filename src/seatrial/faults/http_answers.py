"""Faults `http-status`, `http-delay`, `http-abort`: some requests over HTTP/1.1 are answered by the link, come late, or are cut off."""

from __future__ import annotations

import asyncio
import re
import time
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
    """core.faults.Fault. It is seen by a request to the path that it hits (what `*` stands for left out): GET, or the method it hits."""

    KIND = "http"

    def read(self, given: Mapping[str, object]) -> dict[str, object]:
        """The delay in ns."""
        return super().read({f"{n}_ns" if n == "delay" and isinstance(v, Quantity) else n: v for n, v in given.items()})

    async def seen(self, victim: Instance, end: LinkEnd, past: Knock) -> Testimony:
        """Ask through the link, and past it."""
        method = str(self.arguments.get("method") or "GET")
        path = "/" + str(self.arguments.get("path") or "/").replace("*", "").lstrip("/")
        words = (
            f"{method} {path} HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\nConnection: close\r\n\r\n".encode()
        )
        delay = self.arguments.get("delay_ns")
        wanted = float(delay if isinstance(delay, int | float) else 0)
        past, through = await asyncio.gather(
            knock(end.to, _PATIENCE_NS, say=words), knock(end.listens, _PATIENCE_NS + round(2 * wanted), say=words)
        )
        testimony = self.testify(victim, end, through, past, acted=self._acted(through, past, wanted))
        status = re.match(rb"HTTP/1\.[01] (\d+)", through.answer)
        shown = f" with {status[1].decode()}" if status else ""
        detail = testimony.detail.replace("; past the link", f"{shown}; past the link")
        return replace(testimony, detail=f"{method} {path} at {detail}", at_ns=time.monotonic_ns())

    def _acted(self, through: Knock, past: Knock, wanted: float) -> bool:
        if self.arguments.get("abort"):
            return past.answered and through.outcome == "reset"
        if not through.answered or not past.answered:
            return False
        if "status" in self.arguments:
            return b"X-Fault: seatrial" in through.answer and b"X-Fault: seatrial" not in past.answer
        return through.took_ns - past.took_ns >= wanted / 2


class HttpAbort(HttpFault):
    """Their connection is reset."""

    def __init__(self, order: FaultOrder) -> None:
        super().__init__(order)
        self.arguments["abort"] = True
