"""Workloads: clients whose every operation is recorded."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from ..core.expressions import Expression, Type
from ..core.plan import ProbeCall, ReadBack, WorkloadPlan
from ..core.quantities import Quantity
from ..core.shapes import (
    COUNT,
    DURATION,
    INTEGER,
    PATH,
    RATE,
    RATIO,
    REQUEST,
    TEXT,
    Field,
    Shape,
    choice,
    list_of,
    record,
)
from ..core.templates import templates
from ..core.vocabulary import Verb, Vocabulary
from .keys import AT, CALL, SOME_TIME, Scene, ns_of
from .nodes import Mapping as MappingNode
from .nodes import Node, Scalar, describe
from .reading import BAD, Bad
from .steps import Steps

SOME_RATE = replace(RATE, least=1e-6)
_RAMP = record(
    {
        "from": Field(shape=RATE, required=True, example="0/s"),
        "to": Field(shape=RATE, required=True, example="100/s"),
        "over": Field(shape=SOME_TIME, required=True, example="10s"),
    },
    doc="a ramp",
)
_STEP = record(
    {
        "rate": Field(shape=RATE, required=True, example="50/s"),
        "for": Field(shape=SOME_TIME, required=True, example="10s"),
    },
    doc="a step",
)
_SPIKE = record(
    {
        "base": Field(shape=RATE, required=True, example="20/s"),
        "peak": Field(shape=SOME_RATE, required=True, example="200/s"),
        "after": Field(shape=DURATION, required=True, example="10s"),
        "for": Field(shape=SOME_TIME, required=True, example="5s"),
    },
    doc="a spike",
)
ARRIVALS = record(
    {
        "ramp": Field(shape=_RAMP, doc="From one rate to another.", example="{from: 0/s, to: 100/s, over: 10s}"),
        "steps": Field(shape=list_of(_STEP), doc="One rate after another.", example="[{rate: 50/s, for: 10s}]"),
        "poisson": Field(shape=SOME_RATE, doc="At random, with this rate.", example="100/s"),
        "spike": Field(
            shape=_SPIKE, doc="A peak for a time.", example="{base: 20/s, peak: 200/s, after: 10s, for: 5s}"
        ),
    },
    doc="arrivals",
)
LAG = Field(
    shape=DURATION,
    doc="What was acknowledged so shortly before it is read need not be there yet, as where a store follows another (0s).",
    example="2s",
)
KINDS = "ramp, steps, spike or poisson"
SPEAKS = ("http", "sql", "redis")
_OF_HTTP = ("accept",)  # what only a protocol with statuses and identities has
OPERATION = Type.record({"id": Type.TEXT, "n": Type.NUMBER, "key": Type.TEXT})


def fields(vocabulary: Vocabulary, verb: str) -> dict[str, Field]:
    """The keys of a workload beside its request and where that goes."""
    words = tuple(vocabulary.models)
    arguments = {name: f for model in vocabulary.models.values() for name, f in model.arguments.items()}
    found = {
        "title": Field(shape=TEXT, doc="For people."),
        "rate": Field(shape=SOME_RATE, doc="Operations at a constant rate.", example="100/s"),
        "arrivals": Field(
            shape=ARRIVALS, doc="Another schedule: ramp, steps, spike, poisson.", example="{poisson: 100/s}"
        ),
        "timeout": Field(shape=SOME_TIME, doc="Of an operation; then its outcome is unknown (5s).", example="2s"),
        "in-flight": Field(
            shape=COUNT, default=64, doc="At most so many at once; what cannot be sent counts as failed."
        ),
        "retries": Field(shape=Shape(kind=INTEGER.kind, least=0), default=0, doc="Further attempts with the same key."),
        "resend": Field(
            shape=RATIO, doc="Share of acknowledged operations sent once more with the same key.", example="2%"
        ),
        "accept": Field(shape=list_of(INTEGER), default=(), doc="Statuses that are ok beside 2xx and 3xx."),
        "model": Field(
            shape=choice(*words), doc="What the operations mean, judged afterwards.", example=next(iter(words), "set")
        ),
        "read-back": Field(shape=REQUEST, doc="How the effects are read: a probe with `keys:` or `value:`, a path."),
        "initial": Field(shape=REQUEST, doc="How the value before is read: a probe with `value:`, a path."),
        **arguments,
    }
    return found if verb == "http" else {n: f for n, f in found.items() if n not in _OF_HTTP}


def call_arguments(verb: Verb) -> dict[str, Field]:
    """What a workload's request may have: it is sent over and over, so it is one plain request."""
    return {n: verb.arguments[n] for n in verb.sent}


def call_keys(verb: str) -> Mapping[str, Field]:
    """Where it goes, and as whom: an identity is made of headers."""
    return CALL if verb == "http" else {"at": AT}


class Workloads:
    """Reads the workloads of a spec."""

    def __init__(self, steps: Steps, vocabulary: Vocabulary) -> None:
        self._steps = steps
        self._reader = steps.reader
        self._vocabulary = vocabulary

    def read(self, name: str, node: Node, values: Mapping[str, Type], later: Mapping[str, str]) -> WorkloadPlan | None:
        """One workload; None after a problem."""
        if not isinstance(node, MappingNode):
            self._reader.wrong(
                node, f"a workload is a mapping, not {describe(node)}", "for example {http: GET /, at: web, rate: 10/s}"
            )
            return None
        key = self._steps.verb(node, tuple(self._vocabulary.verbs), "a workload")
        if key is None:
            return None
        if key.text not in SPEAKS:
            known = [v for v in SPEAKS if v in self._vocabulary.verbs]
            self._reader.wrong(key, f"a workload cannot use {key.text}", f"workloads speak {', '.join(known)}")
            return None
        scene = Scene(values={**values, "op": OPERATION}, later=dict(later))
        own = fields(self._vocabulary, key.text)
        plain = {n: f for n, f in own.items() if n not in ("read-back", "initial")}
        arguments = call_arguments(self._vocabulary.verbs[key.text])
        where = call_keys(key.text)
        self._surplus(node, (key.text, *arguments, *where, *own))
        rest = MappingNode(
            source=node.source, line=node.line, column=node.column,
            entries={n: e for n, e in node.entries.items() if n in plain or n in (key.text, *arguments, *where)},
        )  # fmt: skip
        read = self._steps.request(rest, scene, plain, call=where, what="a workload")
        initial = self._read_back(node, "initial", Scene(values=dict(values), later=dict(later)))
        back = self._read_back(node, "read-back", Scene(values=dict(values), later=dict(later)))
        if read is None or isinstance(initial, Bad) or isinstance(back, Bad):
            return None
        call, found = read
        arrivals = self._arrivals(node, found)
        model = found["model"]
        if arrivals is None or not self._model_has_what_it_needs(node, model) or not self._keyed(key, call, model):
            return None
        of_model = self._vocabulary.models[model].arguments if model else {}
        return WorkloadPlan(
            name=name,
            call=call,
            arrivals=arrivals,
            timeout_ns=ns_of(found["timeout"], 5_000_000_000),
            in_flight=found["in-flight"],
            retries=found["retries"],
            resend=found["resend"].value if isinstance(found["resend"], Quantity) else 0.0,
            accept=tuple(found.get("accept") or ()),
            model=model,
            model_arguments={n: found[n] for n in of_model if n in node.entries or found.get(n) is not None},
            read_back=back,
            initial=initial,
            position=node.position(),
        )

    def _surplus(self, node: MappingNode, known: tuple[str, ...]) -> None:
        for key, _ in node:
            if key.text not in known:
                self._reader.unknown_key(key, known, "a workload")

    def _arrivals(self, node: MappingNode, found: Mapping[str, Any]) -> Mapping[str, object] | None:
        rate, arrivals = found["rate"], found["arrivals"]
        if (rate is None) == (arrivals is None):
            message = "a workload has a rate or arrivals, not both" if rate else "a workload needs a rate"
            self._reader.wrong(node, message, "for example rate: 100/s, or arrivals: {poisson: 100/s}")
            return None
        if rate is not None:
            return {"constant": rate}
        given = {n: v for n, v in arrivals.items() if v is not None}
        if len(given) != 1:
            self._reader.wrong(node.entries["arrivals"].value, "arrivals are of one kind", KINDS)
            return None
        return given

    def _model_has_what_it_needs(self, node: MappingNode, model: str | None) -> bool:
        if model is None:
            for name in ("read-back", "initial"):
                if name in node.entries:
                    self._reader.wrong(
                        node.entries[name].key,
                        f"{name} without a model",
                        f"model: one of {', '.join(self._vocabulary.models)}",
                    )
                    return False
            return True
        for other in self._vocabulary.models.values():
            for name in other.arguments:
                if name in node.entries and name not in self._vocabulary.models[model].arguments:
                    key = node.entries[name].key
                    self._reader.wrong(key, f"the model {model} has no {name}", f"it belongs to the model {other.name}")
                    return False
        missing = [n for n in self._vocabulary.models[model].needs if n not in node.entries]
        if missing:
            self._reader.wrong(
                node, f"the model {model} needs {' and '.join(missing)}", self._vocabulary.models[model].doc
            )
        return not missing

    def _keyed(self, key: Scalar, call: ProbeCall, model: str | None) -> bool:
        """A set is read back by the keys of its operations: each operation has to bring its own."""
        if model != "set":
            return True
        pieces = (p for t in templates((call.what, call.arguments)) for p in t.pieces)
        if any(isinstance(p, Expression) and p.canonical in ("op.id", "op.key") for p in pieces):
            return True
        self._reader.wrong(key, "no operation of this set has a key of its own", 'put "{{ op.id }}" into it')
        return False

    def _read_back(self, node: MappingNode, name: str, scene: Scene) -> ReadBack | Bad | None:
        child = node.get(name)
        if child is None:
            return None
        path = Field(shape=PATH, doc="The value, by path.", example="json.keys")
        late = {"lag": LAG} if name == "read-back" else {}
        read = self._steps.request(child, scene, {"keys": path, "value": path, **late})
        if read is None:
            return BAD
        call, found = read
        given = [found[n] for n in ("keys", "value") if isinstance(found[n], Expression)]
        if len(given) != 1:
            self._reader.wrong(child, f"{name} says what to pick out", "keys: json.keys, or value: json.quantity")
            return BAD
        return ReadBack(call=call, path=given[0], lag_ns=ns_of(found.get("lag"), 0))
