"""A history in a window: the operations of a workload, and what is normal for them. All times ns of CLOCK_MONOTONIC."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..arrivals.records import NOT_SENT, OK, Records
from ..core.workloads import Window

SLOW_FACTOR = 3.0
SLOW_MORE_NS = 10_000_000
SLICE_NS = 250_000_000  # what is usual is told from slices of this length, each counted once
QUIET_SHARE = 20.0  # percent of the slices that are taken to be undisturbed
NEAR_NS = 50_000_000
LATE_NS = 100_000_000
LATE_SHARE = 0.01

Times = NDArray[np.int64]


@dataclass(frozen=True, kw_only=True, eq=False)
class History:
    """Operations that were due in a window and have ended (or were given up), by the time they were due.

    `pace_ns`: time between arrivals; `normal_ns`: what an answer takes when nothing is wrong (99th percentile of those that are
    not slow); `slow_ns`: from which service time on an operation is seen to have waited. Both are told from the whole history
    up to the window's end, by its quietest slices: in the window itself most operations may have waited. `finding_ns`: how much later
    than it was back a service may have been found by clients that look for it.
    """

    records: Records
    window: Window
    pace_ns: float
    normal_ns: float
    slow_ns: float
    lag_ns: float
    finding_ns: float = 0.0

    @classmethod
    def of(cls, records: Records, window: Window, rate: float, patience_ns: int, finding_ns: int = 0) -> History:
        """Select the window; an operation still in flight (younger than `patience_ns`) is left out, nothing is known of it."""
        intended = records["intended"]
        inside = (intended >= window.from_ns) & (intended < window.to_ns)
        pending = (records["done"] == 0) & (intended > window.to_ns - patience_ns)
        chosen = records[inside & ~pending]
        chosen = chosen[np.argsort(chosen["intended"], kind="stable")]
        normal, slow = _usual(records[(records["status"] == OK) & (intended < window.to_ns)])
        sent = chosen[chosen["first_sent"] > 0]
        lag = float((sent["first_sent"] - sent["intended"]).max()) if len(sent) else 0.0
        pace = 1e9 / rate if rate > 0 else 0.0
        return cls(
            records=chosen, window=window, pace_ns=pace, normal_ns=normal, slow_ns=slow, lag_ns=max(0.0, lag),
            finding_ns=finding_ns,
        )  # fmt: skip

    @property
    def ok(self) -> Records:
        """Acknowledged operations."""
        chosen: Records = self.records[self.records["status"] == OK]
        return chosen

    @property
    def bad(self) -> Records:
        """Failed, unknown, and never sent."""
        chosen: Records = self.records[self.records["status"] != OK]
        return chosen

    def moments(self, records: Records) -> Times:
        """When each was sent; when it was due where it never was."""
        times: Times = np.where(records["first_sent"] > 0, records["first_sent"], records["intended"]).astype(np.int64)
        return times

    def lag_near(self, moment: float) -> float:
        """The largest scheduling lag (ns) of what was sent around a moment: for so long an answer may have lain unread."""
        near = max(NEAR_NS, 2 * self.pace_ns)
        sent = self.records["first_sent"]
        chosen = self.records[(sent > 0) & (sent >= moment - near) & (sent <= moment + near)]
        return max(0.0, float((chosen["first_sent"] - chosen["intended"]).max())) if len(chosen) else 0.0

    def invalid(self) -> str:
        """Why the generator's own figures cannot be trusted; empty when they can."""
        sent = self.records[self.records["status"] != NOT_SENT]
        if not len(sent):
            return ""
        lag = sent["first_sent"] - sent["intended"]
        bound = max(LATE_NS, 5 * self.pace_ns)
        late = float((lag > bound).mean())
        if late > LATE_SHARE:
            return f"the generator was late by more than {bound / 1e6:.0f} ms for {late:.1%} of its operations"
        return ""


def _usual(ok: Records) -> tuple[float, float]:
    """(normal, slow) service times in ns of acknowledged operations; without any (0, the least that counts as slow)."""
    if not len(ok):
        return 0.0, float(SLOW_MORE_NS)
    service = (ok["done"] - ok["sent"]).astype(np.float64)
    slices = ok["intended"] // SLICE_NS
    order = np.argsort(slices, kind="stable")
    edges = np.flatnonzero(np.diff(slices[order])) + 1
    medians = [float(np.median(part)) for part in np.split(service[order], edges)]
    slow = SLOW_FACTOR * float(np.percentile(medians, QUIET_SHARE)) + SLOW_MORE_NS
    usual = service[service <= slow]
    return (float(np.percentile(usual, 99)) if len(usual) else 0.0), slow
