"""Fault `half-open`: the far side of the connections that are there has gone without a word."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Sequence

from ..core.faults import FaultOrder, Testimony
from ..core.links import LinkEnd
from ..core.platforms import Platform
from ..core.stack import Instance
from .knocking import Knock, greeting
from .linking import LinkFault, first_end, links_of, silence

_SILENCE_S = 0.3
_LOOKS, _LOOK_S = 400, 0.005
_Open = tuple[asyncio.StreamReader, asyncio.StreamWriter]


class HalfOpen(LinkFault):
    """core.faults.Fault. New connections pass: the machine is back. When it is healed, old ones are reset."""

    KIND = "half-open"

    def __init__(self, order: FaultOrder) -> None:
        super().__init__(order)
        self._canaries: dict[str, _Open] = {}  # a connection of ours that is there when it begins

    async def inject(self, platform: Platform, victims: Sequence[Instance]) -> None:
        """With a connection through each, opened before."""
        links = links_of(platform)
        for victim in victims:
            end = first_end(links, victim)
            before = (await links.traffic(victim)).reached
            with contextlib.suppress(OSError):
                self._canaries[victim.name] = await asyncio.open_connection(end.listens.host, end.listens.port)
                # It was accepted by the kernel. It is there when the proxy has led it on to the service.
                for _ in range(_LOOKS):
                    if (await links.traffic(victim)).reached != before:
                        break
                    await asyncio.sleep(_LOOK_S)
        await super().inject(platform, victims)

    async def seen(self, victim: Instance, end: LinkEnd, past: Knock) -> Testimony:
        """The connection that was there hears nothing, one that is new does."""
        new = await silence(end, past)
        canary = self._canaries.get(victim.name)
        began = time.monotonic_ns()
        heard = await _heard(canary, greeting(end.to.scheme) or b"") if canary is not None else "was refused"
        old = Knock(outcome="silent" if heard == "" else heard, began_ns=began, took_ns=time.monotonic_ns() - began)
        return self.testify(victim, end, old, past, acted=heard == "" and new.answered)

    async def heal(self, platform: Platform, victims: Sequence[Instance]) -> None:
        """Let go of our own, too."""
        for _, writer in self._canaries.values():
            writer.transport.abort()
        self._canaries.clear()
        await super().heal(platform, victims)


async def _heard(canary: _Open, words: bytes) -> str:
    """What came back: empty for nothing at all."""
    reader, writer = canary
    try:
        writer.write(words)
        async with asyncio.timeout(_SILENCE_S):
            return "answered" if await reader.read(1 << 16) else "closed"
    except TimeoutError:
        return ""
    except OSError:
        return "reset"
