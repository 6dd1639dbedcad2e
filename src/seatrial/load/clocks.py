"""The clock of another machine, told from round trips as NTP does it (Mills, RFC 5905)."""

from __future__ import annotations

UNKNOWN_NS = 1 << 62


class Clock:
    """How far another CLOCK_MONOTONIC is ahead of ours, ns.

    The other one was read at some moment of a trip, however long the way there and the way back were: its offset is known to within half
    of the trip. The shortest trip of a measurement counts. The first measurement fixes the offset that times are converted with; later
    ones widen `uncertainty_ns` by what the clocks have drifted since.
    """

    def __init__(self) -> None:
        self.offset_ns = 0
        self.uncertainty_ns = UNKNOWN_NS
        self._best: tuple[int, int] | None = None

    def add(self, sent: int, there: int, came: int) -> int:
        """A trip: sent and come back by our clock, `there` by the other one. Returns the length of the shortest one since `settle`."""
        least, most = there - came, there - sent
        if self._best is None or most - least < self._best[1] - self._best[0]:
            self._best = (least, most)
        return self._best[1] - self._best[0]

    def settle(self) -> None:
        """The trips since the last time are a measurement."""
        if self._best is None:
            return
        least, most = self._best
        if self.uncertainty_ns == UNKNOWN_NS:
            self.offset_ns, self.uncertainty_ns = (least + most) // 2, 0
        self.uncertainty_ns = max(self.uncertainty_ns, self.offset_ns - least, most - self.offset_ns)
        self._best = None

    def there(self, ns: int) -> int:
        """What the other clock shows when ours shows this."""
        return ns + self.offset_ns

    def here(self, ns: int) -> int:
        """What our clock shows when the other one shows this."""
        return ns - self.offset_ns
