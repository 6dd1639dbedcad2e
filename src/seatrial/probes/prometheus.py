"""Probe `prometheus`: what a service says of itself in Prometheus' text format (https://prometheus.io/docs/instrumenting/exposition_formats/)."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

from ..core.expressions import Missing, Type
from ..core.observations import Observation, ProbeRequest, Seen, probe_error, target_error, value
from ..core.shapes import BOOLEAN, TEXT, Field, mapping_of, union
from ..core.vocabulary import Verb
from . import http

_NAME = r"[a-zA-Z_:][a-zA-Z0-9_:]*"
_SELECTOR = re.compile(rf"\s*({_NAME})\s*(?:\{{(.*)\}})?\s*")
_MATCHER = re.compile(r'\s*([a-zA-Z_][a-zA-Z0-9_]*)\s*(=~|!~|!=|=)\s*"((?:[^"\\]|\\.)*)"\s*(?:,|$)')
_MOST = 200  # samples that are kept as evidence
_SAMPLE = Type.record({"name": Type.TEXT, "labels": Type.map_of(Type.TEXT), "value": Type.NUMBER})


@dataclass(frozen=True, slots=True)
class Selector:
    """Samples of one name whose labels match."""

    name: str
    labels: tuple[tuple[str, Callable[[str], bool]], ...]

    def takes(self, name: str, labels: Mapping[str, str]) -> bool:
        """Whether a sample is one of them; a label that is not there is empty, as in PromQL."""
        return name == self.name and all(fits(labels.get(label, "")) for label, fits in self.labels)


def selector(text: str) -> Selector:
    """Read ``name{label="value", other=~"a|b"}``. Raises ValueError."""
    found = _SELECTOR.fullmatch(text)
    if found is None:
        raise ValueError(f'{text!r} selects nothing; for example requests_total{{backend="a"}}')
    labels, rest = [], found[2] or ""
    while rest.strip():
        matcher = _MATCHER.match(rest)
        if matcher is None:
            raise ValueError(f'labels are matched by = != =~ !~ with a text: {{backend="a"}}, not {rest.strip()!r}')
        labels.append((matcher[1], _fits(matcher[2], re.sub(r"\\(.)", r"\1", matcher[3]))))
        rest = rest[matcher.end() :]
    return Selector(found[1], tuple(labels))


def _fits(operator: str, text: str) -> Callable[[str], bool]:
    if operator in ("=", "!="):
        return lambda label: (label == text) == (operator == "=")
    try:
        pattern = re.compile(text)
    except re.error as error:
        raise ValueError(f"{text!r} is no regular expression: {error}") from None
    return lambda label: (pattern.fullmatch(label) is not None) == (operator == "=~")


def check_what(text: str) -> str | None:
    """What is wrong with a selector; None when nothing is."""
    if "{{" in text:
        return None
    try:
        selector(text)
    except ValueError as error:
        return str(error)
    return None


VERB = Verb(
    name="prometheus",
    doc="Metrics of a service in Prometheus' text format: those of a name, by their labels; `value` is their sum.",
    what=TEXT,
    observes={
        "value": Type.NUMBER,
        "count": Type.NUMBER,
        "samples": Type.list_of(_SAMPLE),
    },
    run="seatrial.probes.prometheus:run",
    arguments={
        "path": Field(shape=TEXT, doc="Where it is said (/metrics)."),
        "headers": Field(shape=mapping_of(TEXT), doc="Headers to send."),
        "endpoint": Field(shape=TEXT, doc="Which port, where an instance has several."),
        "verify": Field(
            shape=union(BOOLEAN, TEXT), doc="Check the certificate: true, false, or a file with the authority."
        ),
    },
    extra="prometheus",
    counts=("value",),
    example="{prometheus: 'requests_total{backend=\"monolith\"}'}",
    schemes=("http", "https"),
    check_what=check_what,
)


async def run(request: ProbeRequest) -> Observation:
    """One look. A name that is not there is no value, and not zero."""
    try:
        from prometheus_client.parser import text_string_to_metric_families
    except ImportError:
        return probe_error("no-client", "prometheus_client is not installed: pip install 'seatrial[prometheus]'")
    try:
        wanted = selector(str(request.what))
    except ValueError as error:
        return probe_error("spec", str(error))
    path = request.arguments.get("path", "/metrics")
    arguments = {n: v for n, v in request.arguments.items() if n != "path"}
    answer = await http.run(replace(request, what=f"GET {path}", arguments=arguments))
    if answer.seen is not Seen.VALUE:
        return answer
    if answer.values["status"] != 200:
        return target_error(
            f"status {answer.values['status']}", f"GET {path}: {answer.values['status']}", answer.record
        )
    try:
        families = list(text_string_to_metric_families(str(answer.values["text"])))
    except (ValueError, KeyError, IndexError) as error:
        return target_error("protocol", f"GET {path} is not in Prometheus' text format: {error}", answer.record)
    samples = [
        {"name": s.name, "labels": dict(s.labels), "value": s.value}
        for family in families
        for s in family.samples
        if wanted.takes(s.name, s.labels)
    ]
    none = Missing(f"there is no {request.what} at {path}")
    total = math.fsum(float(str(s["value"])) for s in samples) if samples else none
    values = {"value": total, "count": len(samples), "samples": samples}
    shown = {"path": path, "samples": samples[:_MOST]}
    return replace(value(values, shown, f"{request.what}: {_said(total)}"), at=answer.at)


def _said(total: object) -> str:
    return total.reason if isinstance(total, Missing) else f"{total:g}"
