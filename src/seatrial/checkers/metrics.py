"""The figures of a workload: name to dimension and meaning. Light: the compiler types expressions with it."""

from __future__ import annotations

from collections.abc import Mapping

from ..core.quantities import Dimension

_D, _N, _R, _P = Dimension.DURATION, Dimension.NUMBER, Dimension.RATIO, Dimension.RATE

METRICS: Mapping[str, tuple[Dimension, str]] = {
    "detect": (_D, "from the fault to the first operation that failed or had to wait"),
    "recovery": (_D, "from the fault to the first ok that ended the longest outage after it"),
    "stable": (_D, "from the fault to the begin of the first second without a failure"),
    "last_failure": (_D, "from the fault to when the last operation that failed was due"),
    "outage.longest": (_D, "last ok to next ok, by completion, over the longest stretch without service"),
    "outage.total": (_D, "all outages together"),
    "availability.overall": (_R, "share of operations that were ok, with its one-sided 95 % bounds"),
    "availability.outside_faults": (_R, "the same without the fault windows"),
    "latency.p50": (_D, "response time from when it was due, median"),
    "latency.p95": (_D, "95th percentile"),
    "latency.p99": (_D, "99th percentile"),
    "latency.max": (_D, "longest"),
    **{
        f"latency.{when}.{p}": (_D, f"{p} of the response time {when} the faults")
        for when in ("before", "during", "after")
        for p in ("p50", "p95", "p99", "max")
    },
    "sent": (_N, "operations that were due"),
    "ok": (_N, "acknowledged"),
    "failed": (_N, "refused, or answered with an error that says that nothing happened"),
    "unknown": (_N, "may have happened or not: timed out, broken off, or answered 5xx"),
    "not_sent": (_N, "could not be sent: too many in flight"),
    "rate": (_P, "acknowledged operations a second"),
    "lag.max": (_D, "how late the generator itself was, at worst"),
}

SET: Mapping[str, tuple[Dimension, str]] = {
    "lost": (_N, "acknowledged, and not there afterwards"),
    "phantom": (_N, "there, and never asked for"),
    "doubled": (_N, "there more than once"),
    "recovered": (_N, "unknown to the client, and there"),
}

COUNTER: Mapping[str, tuple[Dimension, str]] = {
    "drift": (_N, "how far the final value is from what the acknowledged and unknown operations allow"),
}
