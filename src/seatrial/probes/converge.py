"""Probe `converge`: what is written in one place, and how long until it is seen in another."""

from __future__ import annotations

import asyncio
import math
import secrets
import time
from collections.abc import Mapping
from dataclasses import dataclass, field

from ..core.errors import NotExercised
from ..core.expressions import Missing, Type
from ..core.intervals import Interval
from ..core.observations import Observation, ProbeRequest, Seen, probe_error, value
from ..core.plan import CheckPlan
from ..core.quantities import NS_PER_S, Dimension, Quantity, format_duration
from ..core.shapes import CHECK, COUNT, DURATION, IDENTIFIER, Field
from ..core.vocabulary import Verb
from ..core.writing import always_writes

_EVERY_NS, _PATIENCE_NS = NS_PER_S // 10, 60 * NS_PER_S
_SHOWN = 20

VERB = Verb(
    name="converge",
    doc="So many writes one after another, and how long each takes to be seen elsewhere: `do` writes, and holds where it was taken; "
    "`until` holds where it is seen. Both may use {{ op.id }} and {{ op.n }} (from 1), and their expectations op.id and op.n.",
    what=COUNT,
    observes={
        "written": Type.NUMBER,
        "failed": Type.NUMBER,
        "missing": Type.NUMBER,
        **dict.fromkeys(("p50", "p95", "max"), Type.DURATION),
    },
    run="seatrial.probes.converge:run",
    arguments={
        "do": Field(
            shape=CHECK,
            required=True,
            doc="The write.",
            example='{http: "PUT /x/{{ op.id }}", at: web, expect: status == 201}',
        ),
        "until": Field(
            shape=CHECK,
            required=True,
            doc="Where it is seen, and how; asked each 100ms, or `every`.",
            example="{sql: \"select id from x where id = '{{ op.id }}'\", at: db, expect: len(rows) == 1}",
        ),
        "patience": Field(shape=DURATION, doc="So long it may take to be seen (60s); then it is missing."),
        "prefix": Field(shape=IDENTIFIER, doc="Of op.id, for the same ones in another step (made for each)."),
    },
    needs_target=False,
    example="{converge: 20, do: {http: POST /x, at: web}, until: {http: GET /x, at: copy}, expect: missing == 0 and max < 5s}",
    makes={"op": Type.record({"id": Type.TEXT, "n": Type.NUMBER})},
    timeout_ns=600 * NS_PER_S,
    writes=always_writes,
    samples=lambda what, arguments: what if isinstance(what, int) else None,
)


@dataclass(kw_only=True)
class _Seen:
    """What was seen so far; lags in ns as (least, most)."""

    written: int = 0
    failed: list[str] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)
    lags: list[tuple[int, int]] = field(default_factory=list)


async def run(request: ProbeRequest) -> Observation:
    """All of them. A write that was not taken has nothing to be seen, and counts as failed."""
    do, until = request.arguments["do"], request.arguments["until"]
    if not isinstance(do, CheckPlan) or not isinstance(until, CheckPlan):
        return probe_error("spec", "do and until are checks; they stand in a spec in YAML")
    given = request.arguments.get("patience")
    patience = int(given.value) if isinstance(given, Quantity) else _PATIENCE_NS
    prefix = str(request.arguments.get("prefix") or f"op-{secrets.token_hex(4)}")
    deadline = time.monotonic_ns() + request.timeout_ns
    seen = _Seen()
    for n in range(1, int(str(request.what)) + 1):
        id_ = f"{prefix}-{n}"
        op = {"op": {"id": id_, "n": n}}
        try:
            wrote, taken = await request.around.ask(do, op)
            if wrote.seen is Seen.PROBE_ERROR:
                return wrote
            if taken.truth is not True:
                seen.failed.append(f"{id_}: {taken.reason}")
                continue
            seen.written += 1
            until_ns = min(deadline, time.monotonic_ns() + patience)
            error = await _watch(request, until, op, wrote, until_ns, seen)
        except NotExercised as error_:
            return probe_error("not-exercised", str(error_))
        if error is not None:
            return error
        if time.monotonic_ns() >= deadline:
            return probe_error("timeout", f"{n} of {request.what} were written when the time of the step was over")
    return _observed(seen, prefix)


async def _watch(
    request: ProbeRequest,
    until: CheckPlan,
    op: Mapping[str, Mapping[str, object]],
    wrote: Observation,
    until_ns: int,
    seen: _Seen,
) -> Observation | None:
    """Until it is seen, or patience is over; the observation where nobody could look."""
    every = until.every_ns or _EVERY_NS
    unseen_ns, reason = 0, ""
    while True:
        looked, shown = await request.around.ask(until, op)
        if looked.seen is Seen.PROBE_ERROR:
            return looked
        if shown.truth is True:
            # It was written between the beginning and the end of the write, and there between the looks before and after.
            least = max(0, unseen_ns - wrote.ended_ns) if unseen_ns else 0
            seen.lags.append((least, max(least, looked.ended_ns - wrote.started_ns)))
            return None
        unseen_ns, reason = looked.started_ns, shown.reason
        if time.monotonic_ns() >= until_ns:
            seen.missing.append(f"{op['op']['id']}: {reason}")
            return None
        await asyncio.sleep(max(0, min(looked.started_ns + every, until_ns) - time.monotonic_ns()) / NS_PER_S)


def _observed(seen: _Seen, prefix: str) -> Observation:
    values = {
        "written": seen.written,
        "failed": len(seen.failed),
        "missing": len(seen.missing),
        "p50": _quantile(seen, 0.5),
        "p95": _quantile(seen, 0.95),
        "max": _quantile(seen, 1.0),
    }
    slowest = sorted(seen.lags, key=lambda lag: -lag[1])[:_SHOWN]
    record = {
        "prefix": prefix,
        "written": seen.written,
        "failed": seen.failed[:_SHOWN],
        "missing": seen.missing[:_SHOWN],
        "slowest": [f"{format_duration(a)} to {format_duration(b)}" for a, b in slowest],
    }
    words = f"{seen.written} written, {len(seen.missing)} never seen, {len(seen.failed)} not taken; max {values['max']}"
    return value(values, record, words)


def _quantile(seen: _Seen, share: float) -> Interval | Missing:
    """The time by which that share of what was written was seen (the next larger of them); what is missing was seen later than all."""
    rank = max(1, math.ceil(share * seen.written))
    if not seen.written:
        return Missing("nothing was written")
    if rank > len(seen.lags):
        return Missing(f"{len(seen.missing)} of {seen.written} were never seen")
    least, most = (sorted(lag[side] for lag in seen.lags)[rank - 1] for side in (0, 1))
    return Interval(least, most, Dimension.DURATION)
