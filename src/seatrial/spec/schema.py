"""JSON Schemas for editors, from the same shapes that validation uses."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

from ..core.quantities import UNITS, example
from ..core.shapes import BOOLEAN, PATH, TEXT, Field, Shape, ShapeKind
from ..core.vocabulary import FaultKind, Verb, Vocabulary
from .compiling import DEFAULTS
from .compose import PROJECT
from .health import KEY as HEALTH
from .health import SETTINGS as OF_HEALTH
from .identities import IDENTITY, SECRET, with_like
from .judging import JUDGING
from .keys import (
    AT,
    CALL,
    CHECK,
    COMMON,
    EXPECT,
    NAMED,
    NESTED,
    REASON,
    SOME_TIME,
    UNJUDGED,
    fault_fields,
    since_of,
)
from .linking import LINKS_FIELD
from .loads import LOAD, OF_MIX, SCRIPT, sent_with
from .profiles import PROFILE, SCALE
from .requirements import ENTRY, FILE
from .scenarios import EXPECTATION, PARTS, SCENARIO
from .stacks import ALLOW, REMOTE, SERVICE
from .tested import TESTED, WAIVER
from .tools import FIELDS as TOOLS
from .tools import FILE as FILE_OF_TOOL
from .users import FLOWS, OF_KIND, OF_STEP, OF_TASK, THINK
from .users import SENT as SENT_BY_USERS
from .variants import VARIANT
from .workloads import LAG, SPEAKS, call_arguments, call_keys
from .workloads import fields as workload_fields

_DRAFT = "https://json-schema.org/draft/2020-12/schema"
_VARIABLE: dict[str, Any] = {"type": "string", "pattern": r"\$\{"}
_TEXT: dict[str, Any] = {"type": ["string", "number", "boolean"]}
_SIMPLE: Mapping[ShapeKind, dict[str, Any]] = {
    ShapeKind.TEXT: _TEXT,
    ShapeKind.BOOLEAN: {"anyOf": [{"type": "boolean"}, _VARIABLE]},
    ShapeKind.IDENTIFIER: _TEXT,
    ShapeKind.CONDITION: {"type": "string", "examples": ["status == 200"]},
    ShapeKind.PATH: {"type": "string", "examples": ["json.id"]},
    ShapeKind.TARGET: {"type": "string", "examples": ["web", "postgres/primary", "web#2", "web *", "web 50%"]},
    ShapeKind.REFERENCE: {"type": "string"},
    ShapeKind.REQUEST: {"$ref": "#/$defs/probe"},
    ShapeKind.CHECK: {"$ref": "#/$defs/nested"},
    ShapeKind.ANY: {},
}


def of_shape(shape: Shape) -> dict[str, Any]:
    """A shape as a schema."""
    match shape.kind:
        case ShapeKind.QUANTITY:
            return _quantity(shape)
        case ShapeKind.INTEGER | ShapeKind.NUMBER:
            number: dict[str, Any] = {"type": "integer" if shape.kind is ShapeKind.INTEGER else "number"}
            least = {"minimum": shape.least} if shape.least is not None else {}
            return {"anyOf": [{**number, **least}, _VARIABLE]}
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


def _quantity(shape: Shape) -> dict[str, Any]:
    if shape.dimension is None or shape.dimension not in UNITS:
        return {"type": ["string", "number"]}
    units = list(UNITS[shape.dimension])
    pattern = rf"[0-9]\s*({'|'.join(re.escape(u) for u in units)})\s*$|\$\{{"
    shown = example(shape.dimension)
    return {"type": "string", "pattern": pattern, "description": f"Units: {' '.join(units)}.", "examples": [shown]}


def of_fields(
    fields: Mapping[str, Field], extra: Mapping[str, Any] | None = None, required: Iterable[str] = ()
) -> dict[str, Any]:
    """Known keys as a closed object."""
    properties = {**{name: of_field(f) for name, f in fields.items()}, **(extra or {})}
    closed: dict[str, Any] = {"type": "object", "properties": properties, "additionalProperties": False}
    needed = list(dict.fromkeys([*required, *(n for n, f in fields.items() if f.required)]))
    return {**closed, "required": needed} if needed else closed


FOREACH: Mapping[str, Any] = {
    "type": "object",
    "minProperties": 1,
    "additionalProperties": {"type": "array", "minItems": 1},
    "description": "Written out for each value of each list: {{ name }} in texts, names and targets.",
    "examples": [{"victim": ["web", "worker"]}],
}


def of_field(f: Field) -> dict[str, Any]:
    """A key's value, with what it is for."""
    schema = of_shape(f.shape)
    if f.doc:
        schema = {**schema, "description": f"{f.doc} {schema.get('description', '')}".strip()}
    if f.example:
        schema = {**schema, "examples": [f.example]}
    return schema


def _of_verb(
    verb: Verb, fields: Mapping[str, Field], arguments: Mapping[str, Field] | None = None, needed: Iterable[str] = ()
) -> dict[str, Any]:
    """An object with that verb, its arguments and these fields."""
    what = {**of_shape(verb.what), "description": verb.doc}
    if verb.example:
        what["examples"] = [verb.example.partition(":")[2].strip().strip("\"'")]
    taken = verb.arguments if arguments is None else arguments
    return {"title": verb.name, **of_fields({**taken, **fields}, {verb.name: what}, (verb.name, *needed))}


def _of_fault(kind: FaultKind) -> dict[str, Any]:
    fields = {**kind.arguments, **fault_fields(kind), **COMMON}
    fault = of_fields(fields, {"fault": {"const": kind.name, "description": kind.doc}}, ("fault",))
    return {"title": f"fault: {kind.name}", **fault}


def _definitions(vocabulary: Vocabulary) -> dict[str, Any]:
    verbs = vocabulary.verbs.values()
    steps = {f"step-{v.name}": _of_verb(v, {**CALL, **CHECK, **COMMON, **since_of(v)}) for v in verbs}
    for kind in vocabulary.faults.values():
        steps[f"fault-{kind.name}"] = _of_fault(kind)
        if kind.namesake is not None:
            whom = "links" if kind.namesake.on_links else "instances"
            steps[f"fault-{kind.name}-{whom}"] = _of_fault(kind.namesake)
    heal = {"type": "string", "description": "The id of a fault step, or all.", "examples": ["all"]}
    steps["heal"] = {"title": "heal", **of_fields(UNJUDGED, {"heal": heal}, ("heal",))}
    pause = {**of_shape(SOME_TIME), "description": "A fixed pause: recorded, and warned of."}
    steps["pause"] = {"title": "pause", **of_fields({**UNJUDGED, "reason": REASON}, {"pause": pause}, ("pause",))}
    load = {"type": "string", "description": "The name of a load: run it to its end."}
    steps["load"] = {"title": "load", **of_fields(COMMON, {"load": load}, ("load",))}
    path = Field(shape=PATH, doc="What to pick out.", example="json.keys")
    read = [_of_verb(v, {**CALL, name: path, "lag": LAG}, needed=(name,)) for v in verbs for name in ("keys", "value")]
    return {
        **steps,
        "step": {"anyOf": [{"$ref": f"#/$defs/{name}"} for name in (*steps, "foreach")]},
        "foreach": of_fields({}, {"foreach": FOREACH, "steps": {"$ref": "#/$defs/steps"}}, ("foreach", "steps")),
        "steps": {"type": "array", "items": {"$ref": "#/$defs/step"}},
        "check": {"anyOf": [_of_verb(v, {**CALL, **EXPECT, **NAMED, **since_of(v)}) for v in verbs]},
        "probe": {"anyOf": [_of_verb(v, CALL) for v in verbs]},
        "nested": {"anyOf": [_of_verb(v, {**CALL, **NESTED}) for v in verbs]},
        "login": {"anyOf": [_of_verb(v, {"at": AT}) for v in verbs]},
        "read": {"anyOf": read},
        "instance-check": {"anyOf": [_of_verb(v, EXPECT) for v in verbs]},
    }


def _named(schema: Mapping[str, Any], description: str = "") -> dict[str, Any]:
    """A mapping of names."""
    found: dict[str, Any] = {"type": "object", "additionalProperties": dict(schema)}
    return {**found, "description": description} if description else found


def _expectations(description: str) -> dict[str, Any]:
    condition = {"type": "string", "examples": ["sales.lost == 0"]}
    return _named({"anyOf": [condition, of_shape(EXPECTATION)]}, description)


def _scenario() -> dict[str, Any]:
    steps = {"$ref": "#/$defs/steps"}
    parts = {
        "steps": {**steps, "description": "In order; the first that does not pass ends the scenario."},
        "finally": {**steps, "description": "Steps for the end, whatever came before."},
        "holds": _named({"$ref": "#/$defs/check"}, "Checks that must hold from beginning to end."),
        "expect": _expectations("What the workloads must show, by name."),
    }
    return of_fields(SCENARIO, {"foreach": FOREACH, **{name: parts[name] for name in PARTS}}, ("steps",))


def _workload(vocabulary: Vocabulary) -> dict[str, Any]:
    """One for each verb that workloads speak; a vocabulary without any has none."""
    found = []
    for verb in (v for v in vocabulary.verbs.values() if v.name in SPEAKS):
        own = {**call_keys(verb.name), **workload_fields(vocabulary, verb.name)}
        one = _of_verb(verb, own, call_arguments(verb))
        for name in ("read-back", "initial"):
            one["properties"][name] = {**one["properties"][name], "$ref": "#/$defs/read"}
        found.append(one)
    return {"anyOf": found} if found else {"type": "object"}


def _load(vocabulary: Vocabulary) -> dict[str, Any]:
    """One request, a mix of them, a script, or users."""
    verbs = [v for v in vocabulary.verbs.values() if v.client]
    shared = {**CALL, **LOAD, **JUDGING}
    one = [_of_verb(v, shared, sent_with(v)) for v in verbs]
    mixed = of_fields({**shared, "requests": SCRIPT["requests"]}, {}, ("requests",))
    mixed["properties"]["requests"]["items"] = {"anyOf": [_of_verb(v, {**CALL, **OF_MIX}, sent_with(v)) for v in verbs]}
    scripted = of_fields({**shared, "script": SCRIPT["script"]}, {}, ("script",))
    tools = [of_fields({**TOOLS[n], n: FILE_OF_TOOL[n]}, {}, (n,)) for n in TOOLS]
    http = vocabulary.verbs.get("http")
    return {"anyOf": [*one, mixed, scripted, *tools, *(_users() if http is not None else [])]}


def _users() -> list[dict[str, Any]]:
    """Loads with `steps`, `tasks` or `kinds`."""
    common = {**CALL, **LOAD, **FLOWS, **JUDGING}
    begin, tasks = {"$ref": "#/$defs/user-begin"}, {"$ref": "#/$defs/user-tasks"}
    named = {**_named({"$ref": "#/$defs/user-kind"}, "Users of several kinds, by weight."), "minProperties": 1}
    either = {"steps": {"$ref": "#/$defs/user-steps"}, "tasks": tasks}
    alike = [of_fields(common, {"begin": begin, n: s}, ("at", n)) for n, s in either.items()]
    return [*alike, of_fields(common, {"kinds": named}, ("at", "kinds"))]


def _of_users(vocabulary: Vocabulary) -> dict[str, Any]:
    """What users do."""
    http = vocabulary.verbs.get("http")
    if http is None:
        return {}
    sent = {n: f for n, f in http.arguments.items() if n in SENT_BY_USERS}
    asks = _of_verb(http, {"as": CALL["as"], **OF_STEP}, sent)
    step = {"anyOf": [asks, {"title": "think", **of_fields({"think": THINK})}]}
    steps = {"$ref": "#/$defs/user-steps"}
    tasks = _named(of_fields(OF_TASK, {"steps": steps}, ("steps",)), "What users do, by weight.")
    either = {"steps": steps, "tasks": {"$ref": "#/$defs/user-tasks"}}
    kinds = [of_fields(OF_KIND, {"begin": {"$ref": "#/$defs/user-begin"}, n: s}, (n,)) for n, s in either.items()]
    return {
        "user-steps": {"type": "array", "items": step, "minItems": 1, "description": "In order."},
        "user-begin": {**steps, "description": "Once for each user, before its first task."},
        "user-tasks": {**tasks, "minProperties": 1},
        "user-kind": {"anyOf": kinds},
    }


def json_schema(vocabulary: Vocabulary) -> dict[str, Any]:
    """The schema of seatrial.yaml (draft 2020-12)."""
    remote = of_fields({"name": Field(shape=TEXT)}, {"remote": of_fields(REMOTE)}, ("remote",))
    stack = {
        "description": "A stack file, services here, {compose: ...}, or {remote: ...}.",
        "anyOf": [
            {"type": "string", "examples": ["stack.yaml"]},
            remote,
            of_fields(PROJECT),
            _stack(vocabulary),
        ],
    }
    requirement = {"anyOf": [_TEXT, of_fields(ENTRY)]}
    named = {"type": "object", "not": {"required": ["file"]}, "additionalProperties": requirement}
    identity = of_fields(IDENTITY)
    for kind in vocabulary.credentials.values():
        identity["properties"][kind.name] = {"description": kind.doc, **of_fields(with_like(kind))}
    identity["properties"]["login"] = {**identity["properties"]["login"], "$ref": "#/$defs/login"}
    return {
        "$schema": _DRAFT,
        "title": "seatrial spec",
        "type": "object",
        "additionalProperties": False,
        "required": ["seatrial"],
        "allOf": [
            {"anyOf": [{"required": [part]} for part in parts]}
            for parts in (("stack", "include"), ("scenarios", "python", HEALTH, "include"))
        ],
        "properties": {
            "seatrial": {"const": 1, "description": "The version of the spec language."},
            "name": {**_TEXT, "description": "Of the trial (the directory's, where it is left out)."},
            "stack": stack,
            "requirements": {
                "description": "What has to be shown: a Markdown file, or ids and texts.",
                "anyOf": [{"type": "string", "examples": ["requirements.md"]}, of_fields(FILE), named],
            },
            "values": {"type": "object", "description": "Values of the trial: {{ name }}, --var name=value."},
            "secrets": _named(of_shape(SECRET), "Where ${secret:NAME} comes from (else the environment)."),
            "identities": _named(identity, "What `as:` may name."),
            "workloads": _named(_workload(vocabulary), "Clients whose every operation is recorded."),
            "loads": _named(_load(vocabulary), "Requests over time, measured as aggregates."),
            "steady": _named({"$ref": "#/$defs/check"}, "Holds before the first disrupting scenario and after each."),
            "require-proof": {
                **of_shape(BOOLEAN),
                "description": "A blocking check that passes is INCONCLUSIVE until `seatrial prove` has seen it fail.",
            },
            "throughout": {
                **of_shape(SCENARIO["throughout"].shape),
                "description": "Workloads that run through the whole trial.",
            },
            "setup": {
                "$ref": "#/$defs/steps",
                "description": "Before the scenarios; what it saves is known everywhere.",
            },
            "scenarios": {**_named(_scenario(), "Claims to prove, by id."), "minProperties": 1},
            HEALTH: {
                "description": "The stack held to its own file: written out into scenarios.",
                "anyOf": [of_shape(OF_HEALTH["checks"].shape), of_fields(OF_HEALTH)],
            },
            "expect": _expectations("What the workloads must show over the whole trial."),
            "python": {
                "description": "Files with scenarios in Python.",
                "anyOf": [{"type": "string"}, {"type": "array", "items": {"type": "string"}}],
            },
            "defaults": of_fields(DEFAULTS),
            "profiles": _named(of_fields(PROFILE), "Profiles of loads: other users or lengths, or names of your own."),
            "include": {
                "description": "Files with other parts of the spec, as if they stood here.",
                "anyOf": [{"type": "string"}, {"type": "array", "items": {"type": "string"}}],
            },
            "waivers": {
                "description": "Findings that somebody answers for until a day: they stay red, and do not decide.",
                "type": "array",
                "items": of_fields(WAIVER),
            },
            "tested": {
                "description": "Which files belong to what is tested: those that must be at the end what they were at the beginning.",
                **of_fields(TESTED),
            },
            "scale": {**of_shape(SCALE), "description": "Of the durations of profiles (1); --scale replaces it."},
        },
        "$defs": {**_definitions(vocabulary), **_of_users(vocabulary)},
    }


def _stack(vocabulary: Vocabulary) -> dict[str, Any]:
    checks = {"ready": {"$ref": "#/$defs/instance-check"}, "roles": _named({"$ref": "#/$defs/instance-check"})}
    kinds = []
    for kind in vocabulary.kinds.values():
        named = {**checks, "kind": {"const": kind.name, "description": kind.doc}}
        needed = () if kind.name == "process" else ("kind",)
        own = {**kind.arguments, **{n: SERVICE[n] for n in ("after", "optional", "paths")}}
        kinds.append({"title": kind.name, **of_fields(own, named, needed)})
    services = {**_named({"anyOf": kinds}, "Services by name."), "minProperties": 1}
    return of_fields({"name": Field(shape=TEXT), "links": LINKS_FIELD, **ALLOW}, {"services": services}, ("services",))


def stack_schema(vocabulary: Vocabulary) -> dict[str, Any]:
    """The schema of stack.yaml."""
    return {
        "$schema": _DRAFT,
        "title": "seatrial stack",
        **_stack(vocabulary),
        "$defs": _definitions(vocabulary),
    }


def variant_schema(vocabulary: Vocabulary) -> dict[str, Any]:
    """The schema of variants/*.yaml; overlays are free: what they make is checked when they are laid over the rest."""
    overlays = {n: {"type": "object", "description": VARIANT[n].doc} for n in ("stack", "spec")}
    plain = {n: f for n, f in VARIANT.items() if n not in overlays}
    either = {"anyOf": [{"required": [n]} for n in overlays]}
    return {"$schema": _DRAFT, "title": "seatrial variant", **of_fields(plain, overlays), **either}
