"""Fault `slow-close`: the end of a connection arrives late."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping

from ..core.faults import Testimony
from ..core.links import LinkEnd
from ..core.quantities import NS_PER_S, Quantity, format_duration
from ..core.stack import Endpoint, Instance
from .knocking import Knock, greeting, opened
from .linking import BESIDE, VISIBLE_NS, LinkFault, address


class SlowClose(LinkFault):
    """core.faults.Fault. Data passes at once."""

    KIND = "slow-close"

    def read(self, given: Mapping[str, object]) -> dict[str, object]:
        """The delay in ns."""
        return super().read({f"{n}_ns" if isinstance(v, Quantity) else n: v for n, v in given.items()})

    async def seen(self, victim: Instance, end: LinkEnd, past: Knock) -> Testimony:
        """How long a service takes to hang up on who does, through the link and past it."""
        delay = self.arguments["delay_ns"]
        wanted = float(delay if isinstance(delay, int | float) else 0) / 2
        limit = round(4 * wanted) + 2 * NS_PER_S
        direct, through = await asyncio.gather(_hangs_up(end.to, limit), _hangs_up(end.listens, limit))
        acted = direct is not None and (through is None or through - direct >= max(wanted, VISIBLE_NS))
        shown = [
            format_duration(t) if t is not None else f"more than {format_duration(limit)}" for t in (through, direct)
        ]
        detail = f"{victim.name}: {address(end)} hung up after {shown[0]}; past the link after {shown[1]}"
        return Testimony(acted=acted, at_ns=time.monotonic_ns(), witness=BESIDE, detail=detail)


async def _hangs_up(endpoint: Endpoint, limit_ns: int) -> int | None:
    """How long until the other side has closed too, ns; None when it does not. A reset is an end as well."""
    began = time.monotonic_ns()
    try:
        async with asyncio.timeout(limit_ns / NS_PER_S), opened(endpoint) as (reader, writer):
            writer.write(greeting(endpoint.scheme) or b"")
            writer.write_eof()
            while await reader.read(1 << 16):
                pass
    except TimeoutError:
        return None
    except OSError:
        pass
    return time.monotonic_ns() - began
