"""The highest rate at which a system holds, from probes that may err: which rate to try next, and what is known in the end.

The rate is doubled until it does not hold, then the gap is halved (on a logarithmic scale) down to the resolution. Near the edge a
decision is a sequential test: a rate is tried until one outcome leads by two (Wald, 1945), at most five times, so a single hiccup
decides nothing; a rate at which the probes go on disagreeing is left inside the interval. A rate that the generator could not keep is no
word about the system: where nothing below it breaks, the interval has no upper end.
"""

from __future__ import annotations

import math
from collections import Counter

from ..core.expressions import Missing
from ..core.intervals import Interval
from ..core.quantities import Dimension, format_quantity

HELD, BROKE, UNTOLD, GENERATOR = "held", "did not hold", "cannot be told", "generator"
LEAD = 2
TRIES = 5
UNTOLD_TRIES = 2


class Search:
    """`rate` is the next to try, None when all is known; `tell` what came of it. Rates a second, `resolution` a ratio."""

    def __init__(self, lowest: float, highest: float, resolution: float) -> None:
        if not 0 < lowest < highest or resolution <= 0:
            raise ValueError("a search goes from a rate to a higher one, in steps of more than nothing")
        self._highest = highest
        self._resolution = resolution
        self._tally: dict[float, Counter[str]] = {}
        self._held: list[float] = []  # ascending; those before the last may be known by one probe only
        self._unsure: list[float] = []  # ascending, above the last that held
        self._broke: float | None = None
        self.limit: float | None = None  # what the generator could not keep
        self.rate: float | None = lowest
        self._climbing = True

    @property
    def low(self) -> float:
        """The highest rate that held; 0 where none did."""
        return self._held[-1] if self._held else 0.0

    def tell(self, outcome: str) -> None:
        """What came of trying `rate`."""
        rate = self.rate
        if rate is None:
            raise ValueError("the search has ended")
        tally = self._tally.setdefault(rate, Counter())
        tally[outcome] += 1
        decided = self._quick(tally) if self._climbing else self._decided(tally)
        if decided is not None:
            self._take(rate, decided)
            self._climbing &= self._top is None and rate < self._highest
            self.rate = min(rate * 2, self._highest) if self._climbing else self._next()

    @property
    def _top(self) -> float | None:
        """The lowest rate that is too much, for the system or for the generator."""
        return min((r for r in (self._broke, self.limit) if r is not None), default=None)

    def _quick(self, tally: Counter[str]) -> str | None:
        """On the way up one good probe is enough for now: it is tried again should it come to be the edge."""
        if tally.total() == 1 and (tally[HELD] or tally[UNTOLD]):
            return HELD if tally[HELD] else UNTOLD
        return self._decided(tally)

    @staticmethod
    def _decided(tally: Counter[str]) -> str | None:
        against = tally[BROKE] + tally[GENERATOR]
        if tally[HELD] - against >= LEAD:
            return HELD
        if against - tally[HELD] >= LEAD:
            return BROKE if tally[BROKE] >= tally[GENERATOR] else GENERATOR
        exhausted = tally.total() >= TRIES or (tally[UNTOLD] >= UNTOLD_TRIES and tally.total() == tally[UNTOLD])
        return UNTOLD if exhausted else None

    def _take(self, rate: float, outcome: str) -> None:
        if outcome == HELD:
            if rate not in self._held:
                self._held.append(rate)
            self._unsure = [r for r in self._unsure if r > rate]
            return
        self._held = [r for r in self._held if r < rate]
        if outcome == UNTOLD:
            self._unsure = sorted({*self._unsure, rate})
            return
        self._unsure = [r for r in self._unsure if r < rate]
        if outcome == BROKE:
            self._broke, self.limit = rate, None  # whatever the generator cannot do, it can do this
        else:
            self.limit = rate

    def _next(self) -> float | None:
        if self._held and self._decided(self._tally[self.low]) != HELD:
            return self.low  # known by one probe only
        return self._between()

    def _between(self) -> float | None:
        """The middle of a gap at either edge that is wider than the resolution."""
        places = [*self._held[-1:], *self._unsure, *([self._top] if self._top is not None else [])]
        if len(places) < 2:
            return None
        gaps = [(places[0], places[1])] if self._held else []
        gaps += [(places[-2], places[-1])] if self._top is not None else []
        if not gaps:
            return None
        below, above = max(gaps, key=lambda g: g[1] / g[0])
        return math.sqrt(below * above) if above > below * (1 + self._resolution) else None

    @property
    def capacity(self) -> Interval | Missing:
        """As far as it is known; without an upper end where nothing was seen to break."""
        high = self._broke if self._broke is not None else math.inf
        if not self.low and math.isinf(high):
            return Missing("the conditions were never known to hold or not to hold")
        return Interval(self.low, high, Dimension.RATE)

    @property
    def ends(self) -> str:
        """What bounds it, in words."""
        low = _text(self.low)
        if self._broke is not None:
            held = f"held at {low}, did" if self.low else "it never held, and did"
            return f"{held} not at {_text(self._broke)}"
        if self.limit is not None:
            return f"the generator could not keep {_text(self.limit)}: more workers, or another machine, would tell"
        return f"it held as far as was asked, {low}" if self.low else "nothing could be told"


def _text(rate: float) -> str:
    return format_quantity(rate, Dimension.RATE)
