"""JSON Schemas for editors, from the same shapes that validation uses."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..core.quantities import UNITS, example
from ..core.shapes import Field, Shape, ShapeKind
from ..core.vocabulary import Vocabulary
from .compiling import DEFAULTS, IDENTITY, SECRET
from .requirements import FILE
from .scenarios import EXPECTATION, PARTS, SCENARIO
from .stacks import REMOTE, SERVICE
from .steps import CALL, CHECK, COMMON, FAULT
from .variants import VARIANT
from .workloads import fields as workload_fields

_DRAFT = "https://json-schema.org/draft/2020-12/schema"
_TEXT: dict[str, Any] = {"type": ["string", "number", "boolean"]}
_SIMPLE: Mapping[ShapeKind, dict[str, Any]] = {
    ShapeKind.TEXT: _TEXT,
    ShapeKind.INTEGER: {"type": ["integer", "string"]},
    ShapeKind.NUMBER: {"type": ["number", "string"]},
    ShapeKind.BOOLEAN: {"type": ["boolean", "string"]},
    ShapeKind.IDENTIFIER: _TEXT,
    ShapeKind.CONDITION: {"type": "string", "examples": ["status == 200"]},
    ShapeKind.PATH: {"type": "string", "examples": ["json.id"]},
    ShapeKind.TARGET: {"type": "string", "examples": ["web", "postgres/primary", "web#2", "web *", "web 50%"]},
    ShapeKind.REFERENCE: {"type": "string"},
    ShapeKind.REQUEST: {"$ref": "#/$defs/probe"},
    ShapeKind.ANY: {},
}


def of_shape(shape: Shape) -> dict[str, Any]:
    """A shape as a schema."""
    match shape.kind:
        case ShapeKind.QUANTITY:
            units = list(UNITS.get(shape.dimension, {})) if shape.dimension else []
            shown = example(shape.dimension) if shape.dimension else ""
            return {"type": ["string", "number"], "description": f"units: {' '.join(units)}", "examples": [shown]}
        case ShapeKind.CHOICE:
            return {"enum": list(shape.choices)}
        case ShapeKind.LIST:
            inner = of_shape(shape.of) if shape.of else {}
            many: dict[str, Any] = {"type": "array", "items": inner}
            return {"anyOf": [many, inner]} if shape.lenient else many
        case ShapeKind.MAPPING:
            return {"type": "object", "additionalProperties": of_shape(shape.of) if shape.of else {}}
        case ShapeKind.RECORD:
            return of_fields(shape.fields)
        case ShapeKind.UNION:
            return {"anyOf": [of_shape(o) for o in shape.options]}
        case kind:
            return dict(_SIMPLE[kind])


def of_fields(
    fields: Mapping[str, Field], extra: Mapping[str, Any] | None = None, required: tuple[str, ...] = ()
) -> dict[str, Any]:
    """Known keys as a closed object."""
    properties: dict[str, Any] = {}
    for name, f in fields.items():
        schema = of_shape(f.shape)
        if f.doc:
            schema = {**schema, "description": f"{f.doc} {schema.get('description', '')}".strip()}
        if f.example:
            schema = {**schema, "examples": [f.example]}
        properties[name] = schema
    needed = [*required, *(n for n, f in fields.items() if f.required)]
    closed: dict[str, Any] = {
        "type": "object",
        "properties": {**properties, **(extra or {})},
        "additionalProperties": False,
    }
    return {**closed, "required": needed} if needed else closed


def _definitions(vocabulary: Vocabulary) -> dict[str, Any]:
    verbs = vocabulary.verbs.values()
    step = [
        of_fields(
            {**v.arguments, **CALL, **CHECK, **COMMON}, {v.name: {**of_shape(v.what), "description": v.doc}}, (v.name,)
        )
        for v in verbs
    ]
    step += [
        of_fields({**k.arguments, **FAULT, **COMMON}, {"fault": {"const": k.name, "description": k.doc}}, ("fault",))
        for k in vocabulary.faults.values()
    ]
    step.append(
        of_fields(COMMON, {"heal": {"type": "string", "description": "The id of a fault step, or all."}}, ("heal",))
    )
    step.append(of_fields(COMMON, {"pause": {"type": "string"}, "reason": {"type": "string"}}, ("pause",)))
    for schema in step:
        schema["properties"]["expect"] = {**schema["properties"].get("expect", {"type": "string"})}
    free = {"keys": {"type": "string"}, "value": {"type": "string"}}
    probe = [of_fields({**v.arguments, **CALL, **CHECK}, {v.name: of_shape(v.what), **free}, (v.name,)) for v in verbs]
    return {
        "step": {"anyOf": step},
        "steps": {"type": "array", "items": {"$ref": "#/$defs/step"}},
        "probe": {"anyOf": probe},
    }


def _expectations() -> dict[str, Any]:
    return {"type": "object", "additionalProperties": {"anyOf": [{"type": "string"}, of_shape(EXPECTATION)]}}


def json_schema(vocabulary: Vocabulary) -> dict[str, Any]:
    """The schema of seatrial.yaml (draft 2020-12)."""
    steps = {"$ref": "#/$defs/steps"}
    checks = {"type": "object", "additionalProperties": {"$ref": "#/$defs/step"}}
    parts = dict(zip(PARTS, (steps, steps, checks, _expectations()), strict=True))
    http = vocabulary.verbs["http"]
    workload = of_fields(
        {**http.arguments, **CALL, **workload_fields(vocabulary)}, {"http": of_shape(http.what)}, ("http",)
    )
    stack = {
        "anyOf": [
            {"type": "string"},
            of_fields({}, {"remote": of_fields(REMOTE)}),
            stack_schema(vocabulary, nested=True),
        ]
    }
    requirements = {"anyOf": [{"type": "string"}, of_fields(FILE), {"type": "object"}]}
    return {
        "$schema": _DRAFT,
        "title": "seatrial spec",
        "type": "object",
        "additionalProperties": False,
        "required": ["seatrial", "stack"],
        "properties": {
            "seatrial": {"const": 1, "description": "The version of the spec language."},
            "name": {"type": "string"},
            "stack": stack,
            "requirements": requirements,
            "values": {"type": "object", "description": "Values of the trial: {{ name }}, --var name=value."},
            "secrets": {"type": "object", "additionalProperties": of_shape(SECRET)},
            "identities": {"type": "object", "additionalProperties": of_fields(IDENTITY)},
            "workloads": {"type": "object", "additionalProperties": workload},
            "steady": checks,
            "throughout": of_shape(SCENARIO["throughout"].shape),
            "setup": steps,
            "scenarios": {"type": "object", "additionalProperties": of_fields(SCENARIO, parts)},
            "expect": _expectations(),
            "python": {"anyOf": [{"type": "string"}, {"type": "array", "items": {"type": "string"}}]},
            "defaults": of_fields(DEFAULTS),
        },
        "$defs": _definitions(vocabulary),
    }


def stack_schema(vocabulary: Vocabulary, *, nested: bool = False) -> dict[str, Any]:
    """The schema of stack.yaml."""
    kinds = [
        of_fields(
            {**k.arguments, **{n: f for n, f in SERVICE.items() if n != "kind"}},
            {"kind": {"const": k.name, "description": k.doc}},
        )
        for k in vocabulary.kinds.values()
    ]
    services = {"type": "object", "additionalProperties": {"anyOf": kinds}}
    schema: dict[str, Any] = {
        "type": "object",
        "properties": {"services": services, "name": {"type": "string"}},
        "required": ["services"],
        "additionalProperties": False,
    }
    return (
        schema
        if nested
        else {"$schema": _DRAFT, "title": "seatrial stack", **schema, "$defs": _definitions(vocabulary)}
    )


def variant_schema(vocabulary: Vocabulary) -> dict[str, Any]:
    """The schema of variants/*.yaml."""
    return {"$schema": _DRAFT, "title": "seatrial variant", **of_fields(VARIANT), "$defs": _definitions(vocabulary)}
