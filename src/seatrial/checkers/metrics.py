"""The figures of a workload and of a load: name to dimension and meaning. Light: the compiler types expressions with it."""

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

_AT = {
    "p50": "median",
    "p90": "90th percentile",
    "p95": "95th percentile",
    "p99": "99th percentile",
    "p999": "99.9th percentile",
}
_PARTS: Mapping[str, tuple[Dimension, str]] = {
    **{p: (_D, f"{words} of the response time, from when it was due") for p, words in _AT.items()},
    "max": (_D, "longest response time"),
    "errors": (_R, "share of requests that failed, with its one-sided 95 % bounds"),
    "rate": (_P, "answers a second that were ok"),
}
LOAD_METRICS: Mapping[str, tuple[Dimension, str]] = {
    **_PARTS,
    **{f"service.{p}": (_D, f"{words} of the time from sending to the answer") for p, words in _AT.items()},
    "offered": (_P, "requests that were due a second"),
    "served": (_R, "share of the requests that were due and have been answered ok"),
    "due": (_N, "requests that were due"),
    "ok": (_N, "answered, and accepted"),
    "failed": (_N, "refused, timed out, broken off, or answered with an error"),
    "bytes": (Dimension.SIZE, "received"),
    "outage.longest": (_D, "longest silence between two answers that were ok"),
    "lag.max": (_D, "how late the generator itself was, at worst"),
    "cpu.max": (_R, "of a core that a generator used, at worst over a second"),
    **{
        f"{when}.{n}": (d, f"{w}, {when} the faults")
        for when in ("before", "during", "after")
        for n, (d, w) in _PARTS.items()
    },
    **{f"worst.{n}": (d, f"{w}, in the worst window") for n, (d, w) in _PARTS.items()},
}
TAG_METRICS = _PARTS  # of the requests with a tag: `tag.NAME.p95`
CHANGE_METRICS: Mapping[str, tuple[Dimension, str]] = {
    **{
        f"change.{p}": (_N, f"{_AT[p]} over that of the baseline, with its 95 % interval")
        for p in ("p50", "p95", "p99")
    },
    "change.errors": (_R, "share of errors less that of the baseline, with its 95 % interval"),
}
SEARCH_METRICS: Mapping[str, tuple[Dimension, str]] = {
    "capacity": (_P, "from the highest rate at which the conditions held to the lowest at which they did not")
}
# What only some loads have, by the key that makes them have it.
LOAD_EXTRAS: Mapping[str, Mapping[str, tuple[Dimension, str]]] = {"baseline": CHANGE_METRICS, "search": SEARCH_METRICS}
