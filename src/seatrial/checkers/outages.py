"""Outages as clients saw them, as intervals that hold the truth.

An outage is the time between two consecutive acknowledgements (by completion, d0 and d1) in which an operation was sent that
failed or had to wait. The service stopped at S and was back at R; the truth is R - S.

- S >= d0 - lag0 - normal: it had answered by d0; the answer was under way for a normal one's time, and lay unread for the
  client's scheduling lag around d0.
- S <= s1 + normal: the first operation that was hit, sent at s1, would have been answered by then.
- R <= d1, and R >= d1 - lag1 - normal when the operation that ended the outage was already waiting; when it was sent after the
  return, the return lies up to one pace further back. Clients that look for a server anew may find it that much later.

So the interval is [(d1 - lag1 - normal - x) - (s1 + normal), d1 - d0 + lag0 + normal], with x = 0 or one pace. As
s1 - d0 <= pace, it is at most 2 (pace + 1.5 normal + lag) wide: at 100 operations a second and millisecond answers well within
10 ms + 10 ms.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ..arrivals.records import OK
from ..core.intervals import Interval
from ..core.quantities import Dimension
from ..core.workloads import FaultSpan
from .history import History, Times

QUIET_NS = 1_000_000_000


@dataclass(frozen=True, kw_only=True)
class Outage:
    """One stretch without service. `back_ns` None: it went on when the window ended."""

    last_ok_ns: int
    hit_ns: int  # when the first operation that was hit was sent
    back_ns: int | None
    low_ns: float
    high_ns: float
    returned_low_ns: float  # earliest moment at which service can have been back


@dataclass(frozen=True, kw_only=True)
class Recovery:
    """What a fault did to the clients, ns relative to the fault; None: not seen by the window's end, and why."""

    fault: FaultSpan
    detect: Interval | None
    recovery: Interval | None
    stable: Interval | None
    last_failure: Interval
    until_ns: int  # end of the fault window: service is back, and stable
    reason: str = ""


def outages(history: History) -> list[Outage]:
    """All outages of a window, in order."""
    records = history.records
    if not len(records):
        return []
    ok = history.ok
    order = np.argsort(ok["done"], kind="stable")
    done: Times = ok["done"][order]
    waited = (records["status"] != OK) | (records["done"] - records["sent"] > history.slow_ns)
    hit = records[waited]
    if not len(hit):
        return []
    moments = history.moments(hit)
    gaps = np.searchsorted(done, moments, side="right")
    # A workload that began later than the window says nothing of what was before.
    begin = max(history.window.from_ns, int(records["intended"].min() - history.pace_ns))
    found = []
    for gap in np.unique(gaps):
        first = int(moments[gaps == gap].min())
        start = int(done[gap - 1]) if gap > 0 else begin
        if gap == len(done):
            unended = float(history.window.to_ns - start)
            low = max(0.0, history.window.to_ns - first - history.normal_ns)
            ends = float(history.window.to_ns)
            found.append(
                Outage(last_ok_ns=start, hit_ns=first, back_ns=None, low_ns=low, high_ns=unended, returned_low_ns=ends)
            )
            continue
        back, sent = int(done[gap]), int(ok["sent"][order][gap])
        waiting = back - sent > history.normal_ns
        further = max(history.finding_ns, 0.0 if waiting else history.pace_ns)
        returned = back - history.lag_near(back) - history.normal_ns - further
        low = max(0.0, returned - (first + history.normal_ns))
        high = back - start + history.lag_near(start) + history.normal_ns
        found.append(
            Outage(
                last_ok_ns=start,
                hit_ns=first,
                back_ns=back,
                low_ns=low,
                high_ns=max(low, high),
                returned_low_ns=returned,
            )
        )
    return found


def totals(history: History, found: Sequence[Outage]) -> tuple[Interval, Interval]:
    """(longest, total) as durations; without an outage, at most what would not have been seen: a pace and a normal answer."""
    if not found:
        unseen = Interval(0.0, history.pace_ns + history.normal_ns, Dimension.DURATION)
        return unseen, unseen
    longest = max(found, key=lambda o: o.high_ns)
    total = Interval(sum(o.low_ns for o in found), sum(o.high_ns for o in found), Dimension.DURATION)
    return Interval(longest.low_ns, longest.high_ns, Dimension.DURATION), total


def after_fault(history: History, found: Sequence[Outage], fault: FaultSpan, until_ns: int | None = None) -> Recovery:
    """What the clients saw of one fault; what begins after `until_ns` is another fault's doing."""
    limit = history.window.to_ns if until_ns is None else until_ns
    began, seen = fault.began_ns, max(fault.began_ns, fault.witnessed_ns)
    resolution = history.pace_ns + history.normal_ns
    bad = np.sort(history.bad["intended"])
    bad = bad[(bad >= began - history.slow_ns) & (bad < limit)]
    last = _since(int(bad[-1]), began, seen, history.pace_ns) if len(bad) else Interval(0.0, 0.0, Dimension.DURATION)
    mine = [o for o in found if (o.back_ns is None or o.back_ns > began) and o.hit_ns < limit]
    mine = [
        o
        for o in mine
        if o.hit_ns >= began - resolution or (o.last_ok_ns <= seen and (o.back_ns is None or o.back_ns > seen))
    ]
    mine = _without_hiccups(mine, bad, seen)
    stable, stable_at, why = _stable(history, bad, began, seen, limit)
    if not mine:
        nothing = Interval(0.0, resolution, Dimension.DURATION)
        return Recovery(
            fault=fault,
            detect=None,
            recovery=nothing,
            stable=stable,
            last_failure=last,
            until_ns=stable_at,
            reason="no client noticed it",
        )
    longest = max(mine, key=lambda o: o.high_ns)
    first = min(mine, key=lambda o: o.hit_ns)
    detect = _since(first.hit_ns, began, seen, history.pace_ns)
    if longest.back_ns is None:
        why = "service was not back when the window ended"
        return Recovery(
            fault=fault,
            detect=detect,
            recovery=None,
            stable=None,
            last_failure=last,
            until_ns=history.window.to_ns,
            reason=why,
        )
    healed = fault.healed_ns
    if fault.cut and healed is not None and longest.back_ns > healed >= longest.hit_ns:
        why = "service was back only after the fault had been undone"
        return Recovery(
            fault=fault, detect=detect, recovery=None, stable=None, last_failure=last, until_ns=healed, reason=why
        )
    recovery = Interval(
        max(0.0, longest.returned_low_ns - seen), max(0.0, float(longest.back_ns - began)), Dimension.DURATION
    )
    until = max(longest.back_ns, stable_at)
    return Recovery(
        fault=fault, detect=detect, recovery=recovery, stable=stable, last_failure=last, until_ns=until, reason=why
    )


def _without_hiccups(mine: Sequence[Outage], bad: Times, seen: int) -> list[Outage]:
    """Those that the fault can have caused. When the clients had been served for a second, a wait of less than a second in which
    nothing failed is one as it comes without a fault, too: the latencies and `outage` tell of it.
    """
    kept: list[Outage] = []
    served_from = seen
    for outage in sorted(mine, key=lambda o: o.hit_ns):
        back = outage.back_ns
        failed = (
            np.searchsorted(bad, outage.last_ok_ns),
            np.searchsorted(bad, back if back is not None else outage.hit_ns + 1),
        )
        late = outage.hit_ns - served_from > QUIET_NS
        if late and back is not None and outage.high_ns < QUIET_NS and failed[0] == failed[1]:
            continue
        kept.append(outage)
        served_from = max(served_from, back or outage.hit_ns)
    return kept


def _since(moment: int, began: int, seen: int, pace: float) -> Interval:
    low, high = max(0.0, float(moment - seen) - pace), max(0.0, float(moment - began))
    return Interval(min(low, high), high, Dimension.DURATION)


def _stable(history: History, bad: Times, began: int, seen: int, limit: int) -> tuple[Interval | None, int, str]:
    """The begin of the first quiet second after the fault; where it is in time; and why there is none."""
    if not len(bad):
        return Interval(0.0, history.pace_ns + history.normal_ns, Dimension.DURATION), seen, ""
    ends = np.append(bad[1:], limit)
    quiet = np.flatnonzero(ends - bad >= QUIET_NS)
    if not len(quiet) and limit < history.window.to_ns:
        high = float(limit - began)  # the next fault came before a quiet second could
        return Interval(max(0.0, float(bad[-1] - seen)), high, Dimension.DURATION), limit, ""
    if not len(quiet):
        return None, history.window.to_ns, "no second without a failure before the window ended"
    at = int(bad[quiet[0]])
    high = max(0.0, at + history.pace_ns - began)
    return Interval(min(max(0.0, float(at - seen)), high), high, Dimension.DURATION), at + int(history.pace_ns), ""
