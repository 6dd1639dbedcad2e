"""Probe `tries`: requests, and how often each is tried at a link behind the one who was asked: retries, back-off, a circuit breaker.

A circuit breaker is seen from outside by what it lets through: while it is open nothing is tried, when it is half-open something is.
"""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise

from ..core.errors import NotExercised, PlatformError
from ..core.expressions import Missing, Type
from ..core.intervals import Interval
from ..core.links import Tried
from ..core.observations import Observation, ProbeRequest, Seen, probe_error, value
from ..core.quantities import NS_PER_S, Dimension, Quantity
from ..core.shapes import COUNT, LINK_TARGET, NUMBER, TEXT, Field, choice, union
from ..core.stack import Target
from ..core.templates import TemplateError
from ..core.vocabulary import Verb
from ..core.writing import http_writes
from . import http

_OWN = ("behind", "until", "quiet", "times", "since")
_EACH_NS = 5 * NS_PER_S  # of one request
_MOST, _QUIET = 1000, 3
_PACE_NS = 20_000_000  # between requests that wait for one to be tried: so exactly `waited` is known
_SHOWN = 50

VERB = Verb(
    name="tries",
    doc="Requests over HTTP one after another, and how often each is tried at a link behind the target: once, with retries, or not at all. "
    "`until: quiet` goes on until some in a row are not tried any more (a breaker has opened), `until: tried` until one is (it is "
    "half-open). What the last answer was is seen as with http; {{ op.n }} is the number of each request, from 1.",
    what=TEXT,
    observes={
        **{n: http.VERB.observes[n] for n in ("status", "json", "text", "headers")},
        "tries": Type.NUMBER,
        "each": Type.list_of(Type.NUMBER),
        "gaps": Type.list_of(Type.DURATION),
        "deadlines": Type.list_of(Type.DURATION),
        "sent": Type.NUMBER,
        "tried": Type.NUMBER,
        "statuses": Type.map_of(Type.NUMBER),
        "longest": Type.DURATION,
        "moment": Type.NUMBER,
        "waited": Type.DURATION,
    },
    run="seatrial.probes.tries:run",
    arguments={
        **{n: http.VERB.arguments[n] for n in ("json", "form", "body", "headers", "query", "endpoint", "verify")},
        "behind": Field(shape=LINK_TARGET, required=True, doc="Where tries are counted.", example="router -> listings"),
        "times": Field(shape=COUNT, doc="So many requests (1); with `until` at most so many (quiet: 1,000)."),
        "until": Field(shape=choice("quiet", "tried"), doc="Until none is tried any more, or until one is."),
        "quiet": Field(shape=COUNT, doc="So many in a row are quiet (3)."),
        "since": Field(
            shape=union(NUMBER, TEXT),
            doc="A `moment` that was saved: when the last try of another observation was; `waited` begins there.",
            example='"{{ opened }}"',
        ),
    },
    example="{tries: GET /listings/1, at: router, behind: router -> listings, expect: tries == 3 and min(gaps) > 50ms}",
    schemes=("http", "https"),
    check_what=http.check_what,
    makes=http.REPETITION,
    writes=http_writes,
)


@dataclass(kw_only=True)
class _Seen:
    """What was seen so far. `each`: tries of each request; times in ns."""

    tried: list[Tried] = field(default_factory=list)
    each: list[int] = field(default_factory=list)
    statuses: dict[str, int] = field(default_factory=dict)
    began: list[int] = field(default_factory=list)
    longest: int = 0
    last: Observation | None = None

    @property
    def quiet(self) -> int:
        """So many at the end were not tried."""
        return next((n for n, tries in enumerate(reversed(self.each)) if tries), len(self.each))


async def run(request: ProbeRequest) -> Observation:
    """One observation."""
    until, link = request.arguments.get("until"), request.arguments["behind"]
    quiet = _whole(request.arguments.get("quiet"), _QUIET)
    most = _whole(request.arguments.get("times"), 1 if until is None else _MOST if until == "quiet" else sys.maxsize)
    deadline = time.monotonic_ns() + request.timeout_ns
    seen, since = _Seen(), time.monotonic_ns()
    if not isinstance(link, Target):
        return probe_error("spec", f"{link} is no link")
    try:
        await request.around.tries(link, since)
        while len(seen.each) < most and time.monotonic_ns() < deadline:
            error = await _send(request, link, since, seen, deadline)
            if error is not None:
                return error
            if (until == "quiet" and seen.quiet >= quiet) or (until == "tried" and seen.each[-1]):
                break
            if until == "tried":
                pause = min(seen.began[-1] + _PACE_NS, deadline) - time.monotonic_ns()
                await asyncio.sleep(max(0, pause) / NS_PER_S)
    except NotExercised as error:
        return probe_error("not-exercised", str(error))
    except PlatformError as error:
        return probe_error("proxy", str(error))
    return _observed(request, seen)


async def _send(request: ProbeRequest, link: Target, since: int, seen: _Seen, deadline: int) -> Observation | None:
    """One request, and what was tried of it; the observation where it could not even be sent."""
    arguments = {n: v for n, v in request.arguments.items() if n not in _OWN}
    try:
        nth = http.numbered(replace(request, arguments=arguments), len(seen.each) + 1)
    except TemplateError as error:
        return probe_error("spec", str(error))
    began = time.monotonic_ns()
    timeout = max(1, min(_EACH_NS, deadline - began))
    answer = await http.run(replace(nth, timeout_ns=timeout))
    if answer.seen is Seen.PROBE_ERROR:
        return answer
    tried = await request.around.tries(link, since)
    seen.longest = max(seen.longest, time.monotonic_ns() - began)
    seen.each.append(len(tried) - len(seen.tried))
    seen.tried = list(tried)
    seen.began.append(began)
    word = str(answer.values["status"]) if answer.seen is Seen.VALUE else str(answer.error)
    seen.statuses[word] = seen.statuses.get(word, 0) + 1
    seen.last = answer
    return None


def _observed(request: ProbeRequest, seen: _Seen) -> Observation:
    last = seen.last.values if seen.last is not None else {}
    tried, times = sum(1 for tries in seen.each if tries), [each.at_ns for each in seen.tried]
    deadlines = _deadlines(seen.tried)
    values: dict[str, object] = {
        **{n: last[n] for n in ("status", "json", "text", "headers") if n in last},
        "tries": len(times),
        "each": seen.each,
        "gaps": [Quantity(b - a, Dimension.DURATION) for a, b in pairwise(times)],
        "deadlines": deadlines,
        "sent": len(seen.each),
        "tried": tried,
        "statuses": seen.statuses,
        "longest": Quantity(seen.longest, Dimension.DURATION),
        "moment": times[-1] if times else Missing("nothing was tried"),
        "waited": _waited(request, seen),
    }
    shown = {
        "link": str(request.arguments["behind"]),
        "tries of each request": seen.each[:_SHOWN],
        "answers": seen.statuses,
        "gaps": [str(g) for g in _durations(values["gaps"])[:_SHOWN]],
        "deadlines": [str(d) for d in _durations(deadlines)[:_SHOWN]],
    }
    words = f"{len(seen.each)} requests, {tried} of them tried, {len(times)} tries"
    return value(values, shown, words)


def _durations(gaps: object) -> Sequence[object]:
    return gaps if isinstance(gaps, list) else []


def _deadlines(tried: Sequence[Tried]) -> object:
    """How long the caller of each try was to wait for it, as it said to the service. None are unknown: each try has to have one."""
    known = [Quantity(t.deadline_ns, Dimension.DURATION) for t in tried if t.deadline_ns is not None]
    lacking = len(tried) - len(known)
    return known if not lacking else Missing(f"{lacking} of {len(tried)} tries came without a deadline")


def _waited(request: ProbeRequest, seen: _Seen) -> object:
    """From the moment given to the first try here. It may have been possible since the last request that was not tried."""
    since = request.arguments.get("since")
    if since is None:
        return Missing("since was not given: a moment that another observation saved")
    if not seen.tried:
        return Missing("nothing was tried")
    first = next(n for n, tries in enumerate(seen.each) if tries)
    start = float(str(since))
    earliest = seen.began[first - 1] - start if first else 0.0
    return Interval(max(0.0, earliest), max(0.0, seen.tried[0].at_ns - start, earliest), Dimension.DURATION)


def _whole(given: object, default: int) -> int:
    return given if isinstance(given, int) else default
