"""The engine's clock, mapped to CLOCK_MONOTONIC of this machine by repeated measurement.

An engine on this machine stamps its events with CLOCK_REALTIME: its offset is read here, to within the time that two readings take.
Another's clock is asked for over its API (``SystemTime`` of /info), to within half of what the answer took. Between two measurements
the clocks may have drifted, or have been set: what differs between them widens the bound.
"""

from __future__ import annotations

import re
import time
from bisect import bisect_left
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime

from ...core.quantities import NS_PER_S

KEPT = 3600
_FRACTION = re.compile(r"\.(\d+)")


@dataclass(frozen=True, kw_only=True, slots=True)
class Moment:
    """A time of CLOCK_MONOTONIC, true to `bound_ns` either way."""

    ns: int
    bound_ns: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Offset:
    """What has to be taken from the engine's time; measured at `at_ns` of the engine's clock."""

    at_ns: int
    ns: int
    bound_ns: int


class EngineClock:
    """Offsets, oldest first."""

    def __init__(self, ask: Callable[[], Awaitable[str]] | None = None) -> None:
        self._ask = ask  # None: the engine is on this machine
        self._offsets: list[Offset] = []

    async def measure(self) -> Offset:
        """Compare the clocks once."""
        began = time.monotonic_ns()
        theirs = time.time_ns() if self._ask is None else from_rfc3339(await self._ask())
        ended = time.monotonic_ns()
        half = (ended - began + 1) // 2
        offset = Offset(at_ns=theirs, ns=theirs - (began + half), bound_ns=half)
        self.learn(offset)
        return offset

    def learn(self, offset: Offset) -> None:
        """Take over a measurement. A better one close by makes a worse one superfluous."""
        self._offsets.append(offset)
        self._offsets.sort(key=lambda o: o.at_ns)
        del self._offsets[:-KEPT]

    def moment(self, engine_ns: int) -> Moment:
        """A time of the engine's on our clock. Raises LookupError where nothing was measured."""
        if not self._offsets:
            raise LookupError("the clocks were not compared yet")
        at = bisect_left(self._offsets, engine_ns, key=lambda o: o.at_ns)
        beside = self._offsets[max(0, at - 1) : at + 1]
        low = min(o.ns - o.bound_ns for o in beside)
        high = max(o.ns + o.bound_ns for o in beside)
        bound = (high - low + 1) // 2
        return Moment(ns=engine_ns - (low + bound), bound_ns=bound)


def stamp(engine_ns: int) -> str:
    """A time of the engine's as its calls want it: seconds since 1970 with nine digits of a second."""
    return f"{engine_ns // NS_PER_S}.{engine_ns % NS_PER_S:09d}"


def from_rfc3339(text: str) -> int:
    """A time of the engine's in ns since 1970; it writes up to nine digits of a second, and years of 1 for never (0 then)."""
    fraction = _FRACTION.search(text)
    whole = datetime.fromisoformat(_FRACTION.sub("", text))
    if whole.year < 1970:
        return 0
    ns = int(fraction[1].ljust(9, "0")[:9]) if fraction else 0
    return round(whole.timestamp()) * NS_PER_S + ns
