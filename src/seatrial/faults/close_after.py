"""Fault `close-after`: a connection through a link is over after so many bytes."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass

from ..core.faults import Testimony
from ..core.links import LinkEnd
from ..core.stack import Endpoint, Instance
from .knocking import Knock, greeting, opened
from .linking import BESIDE, LinkFault, address

_LIMIT_S = 3.0
_MOST = 1000  # knocks on one connection
_LITTLE = 4 << 10  # bytes; beyond, knocks are large ones


class CloseAfter(LinkFault):
    """core.faults.Fault. Each way counts for itself where it acts on both."""

    KIND = "close-after"

    async def seen(self, victim: Instance, end: LinkEnd, past: Knock) -> Testimony:
        """Knocks on one connection until it is over: at the limit through the link, beyond it past it."""
        limit, way = self.arguments["bytes"], self.arguments.get("direction", "both")
        most = int(limit if isinstance(limit, int | float) else 0)
        direct, through = await asyncio.gather(_lives(end.to, most), _lives(end.listens, most))
        answers = way != "to" and through.ended and through.heard <= most < direct.heard
        requests = way != "from" and through.ended and through.said <= most + through.each < direct.said
        words = f"{victim.name}: {address(end)} {through}; past the link {direct}"
        return Testimony(acted=answers or requests, at_ns=time.monotonic_ns(), witness=BESIDE, detail=words)


@dataclass(frozen=True, kw_only=True, slots=True)
class _Life:
    """Of a connection: bytes said (`each` at once) and heard, and whether the other side ended it."""

    said: int
    heard: int
    each: int
    ended: bool

    def __str__(self) -> str:
        return f"{'ended' if self.ended else 'went on'} after {self.said} bytes said and {self.heard} heard"


async def _lives(endpoint: Endpoint, most: int) -> _Life:
    """Until the other side ends it, or both ways are well beyond so many bytes."""
    words = (greeting(endpoint.scheme, large=most > _LITTLE) or b"\r\n").replace(b"Connection: close\r\n", b"")
    said = heard = 0
    ended = False
    try:
        async with asyncio.timeout(_LIMIT_S), opened(endpoint) as (reader, writer):
            while not ended and min(said, heard) <= most + 2 * len(words) and said < _MOST * len(words):
                writer.write(words)
                said += len(words)
                answer = await reader.read(1 << 16)
                heard += len(answer)
                ended = not answer
    except TimeoutError:
        pass  # it says nothing more, and is there
    except OSError:
        ended = True
    return _Life(said=said, heard=heard, each=len(words), ended=ended)
