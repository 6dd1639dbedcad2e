"""Probe `promql`: a query at a Prometheus server, now (https://prometheus.io/docs/prometheus/latest/querying/api/)."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from ..core.expressions import Missing, Type
from ..core.observations import Observation, ProbeRequest, Seen, probe_error, target_error, value
from ..core.shapes import BOOLEAN, TEXT, Field, mapping_of, union
from ..core.vocabulary import Verb
from . import http

VERB = Verb(
    name="promql",
    doc="A query at a Prometheus server: `value` of its only series, and all `series` with their labels.",
    what=TEXT,
    observes={
        "value": Type.NUMBER,
        "count": Type.NUMBER,
        "series": Type.list_of(Type.record({"labels": Type.map_of(Type.TEXT), "value": Type.NUMBER})),
    },
    run="seatrial.probes.promql:run",
    arguments={
        "headers": Field(shape=mapping_of(TEXT), doc="Headers to send."),
        "endpoint": Field(shape=TEXT, doc="Which port, where an instance has several."),
        "verify": Field(
            shape=union(BOOLEAN, TEXT), doc="Check the certificate: true, false, or a file with the authority."
        ),
    },
    example="{promql: 'sum(rate(requests_total{backend=\"monolith\"}[1m]))'}",
    schemes=("http", "https"),
)


async def run(request: ProbeRequest) -> Observation:
    """One query. No series is no value; a wrong query is our mistake."""
    arguments = {**request.arguments, "form": {"query": str(request.what)}}
    answer = await http.run(replace(request, what="POST /api/v1/query", arguments=arguments))
    if answer.seen is not Seen.VALUE:
        return answer
    said = answer.values.get("json")
    if not isinstance(said, Mapping) or "status" not in said:
        return target_error("protocol", f"no answer of Prometheus: {str(answer.values['text'])[:200]}", answer.record)
    if said["status"] != "success":
        wrong = said.get("errorType") in ("bad_data", "not_found")
        return (probe_error if wrong else target_error)("query", str(said.get("error")), answer.record)
    try:
        series = _series(said["data"])
    except (KeyError, TypeError, ValueError, IndexError) as error:
        return target_error("protocol", f"an answer of another form: {error!r}", answer.record)
    total: object = series[0]["value"] if len(series) == 1 else Missing(_none(len(series)))
    values = {"value": total, "count": len(series), "series": series}
    shown = {"query": str(request.what), "series": json.loads(json.dumps(series[:200], default=str))}
    return replace(value(values, shown, f"{len(series)} series"), at=answer.at)


def _none(count: int) -> str:
    return "there is no such series" if not count else f"there are {count} series: sum(...) makes one of them"


def _series(data: Mapping[str, Any]) -> list[dict[str, Any]]:
    if data["resultType"] in ("scalar", "string"):
        return [{"labels": {}, "value": _number(data["result"][1])}]
    if data["resultType"] != "vector":
        raise ValueError(f"a {data['resultType']} has no value now")
    return [{"labels": dict(s["metric"]), "value": _number(s["value"][1])} for s in data["result"]]


def _number(text: str) -> float:
    found = float(text)
    return found if math.isfinite(found) else math.nan
