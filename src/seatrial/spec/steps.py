"""Steps: a verb and what, `at` where, `as` whom, `expect` what must be true, `within` or `for` until when, `save` what."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from ..core.expressions import Expression, Scope, Type, compile_expression, did_you_mean
from ..core.expressions.problems import listing
from ..core.plan import CheckPlan, FaultStep, HealStep, PauseStep, ProbeCall, ProbeStep, Step
from ..core.quantities import Quantity
from ..core.shapes import (
    CONDITION,
    DURATION,
    IDENTIFIER,
    PATH,
    TARGET,
    TEXT,
    Field,
    choice,
    list_of,
    mapping_of,
    reference,
)
from ..core.stack import Target
from ..core.templates import Template
from ..core.verdicts import Severity
from ..core.vocabulary import FaultKind, Verb, Vocabulary
from .nodes import Mapping as MappingNode
from .nodes import Node, Scalar, Sequence, describe, shorten
from .reading import BAD, Bad, Place, Reader

SEVERITY = choice(*(s.value for s in Severity))
COVERS = Field(shape=list_of(reference("requirement")), default=(), doc="Requirements that this shows.")
AT = Field(
    shape=TARGET,
    doc="Where: service, service/role, service#2, service * (all), service 50%.",
    example="postgres/primary",
)
AS = Field(shape=reference("identity"), doc="Whose credentials to use: a name under `identities`.")
TIMES: Mapping[str, Field] = {
    "within": Field(shape=DURATION, doc="Tried again until it holds, at most this long.", example="30s"),
    "for": Field(shape=DURATION, doc="Must go on holding this long.", example="10s"),
    "every": Field(shape=DURATION, doc="Time between attempts.", example="500ms"),
    "timeout": Field(shape=DURATION, doc="Of a single attempt (5s).", example="2s"),
}
COMMON: Mapping[str, Field] = {
    "id": Field(
        shape=IDENTIFIER, doc="Part of the finding's stable id; made from verb and target where it is left out."
    ),
    "title": Field(shape=TEXT, doc="For people."),
    "covers": COVERS,
    "severity": Field(shape=SEVERITY, default=Severity.BLOCKING.value, doc="Only blocking findings decide the trial."),
}
CALL: Mapping[str, Field] = {"at": AT, "as": AS}
CHECK: Mapping[str, Field] = {
    "expect": Field(shape=CONDITION, doc="What must be true of what was seen.", example="status == 200"),
    **TIMES,
    "save": Field(shape=mapping_of(PATH), default={}, doc="Values to keep, by path.", example="{tenant: json.id}"),
}
FAULT: Mapping[str, Field] = {
    "at": Field(shape=TARGET, required=True, doc="What is hit.", example="postgres/primary"),
    "hold": Field(shape=DURATION, doc="Keeps it from being restarted, at most this long.", example="30s"),
    "within": Field(shape=DURATION, doc="For the witness to see it act (5s)."),
    "for": Field(shape=DURATION, doc="Heal after this time."),
}
ALWAYS: Mapping[str, Type] = {"error": Type.TEXT, "instance": Type.TEXT, "attempts": Type.NUMBER, "took": Type.DURATION}
FAULT_SEEN = Type.record({"instance": Type.TEXT, "at": Type.TEXT})
SPECIAL = ("fault", "heal", "pause")


@dataclass(kw_only=True)
class Scene:
    """What is known at a point of a scenario: values by name, those saved later, faults so far, ids taken."""

    values: dict[str, Type]
    later: dict[str, str] = field(default_factory=dict)
    faults: list[str] = field(default_factory=list)
    ids: dict[str, Node] = field(default_factory=dict)
    default_within: int | None = None

    def place(self, observes: Mapping[str, Type] | None = None) -> Place:
        """The place of a step's arguments and expectations."""
        values = Scope(names={**self.values})
        names = {**self.values, **(observes or {})}
        if self.faults:
            names["fault"] = FAULT_SEEN
        return Place(scope=Scope(names=names), values=values, later=self.later)


class Steps:
    """Reads steps and single probe calls."""

    def __init__(self, reader: Reader, vocabulary: Vocabulary, allow: tuple[str, ...] = ()) -> None:
        self.reader = reader
        self.vocabulary = vocabulary
        self.allow = allow

    def steps(self, node: Node | None, scene: Scene) -> tuple[Step, ...]:
        """A list of steps, in order."""
        if node is None:
            return ()
        if not isinstance(node, Sequence):
            self.reader.wrong(node, f"steps are a list, not {describe(node)}", "begin each with `- `")
            return ()
        return tuple(s for s in (self.step(item, scene) for item in node.items) if s is not None)

    def step(self, node: Node, scene: Scene) -> Step | None:
        """One step; None after a problem."""
        key = self.verb(node, (*self.vocabulary.verbs, *SPECIAL), "a step")
        if key is None or not isinstance(node, MappingNode):
            return None
        match key.text:
            case "fault":
                return self._fault(node, scene)
            case "heal":
                return self._heal(node, scene)
            case "pause":
                return self._pause(node, scene)
            case name:
                return self._probe(node, self.vocabulary.verbs[name], scene)

    def verb(self, node: Node, verbs: tuple[str, ...], what: str) -> Scalar | None:
        """The key that says what a step does."""
        if not isinstance(node, MappingNode):
            self.reader.wrong(node, f"{what} is a mapping, not {describe(node)}", "for example {http: GET /, at: web}")
            return None
        found = [key for key, _ in node if key.text in verbs]
        if len(found) == 1:
            return found[0]
        if found:
            names = " and ".join(k.text for k in found)
            self.reader.wrong(found[1], f"{what} has one verb, this one has {names}", "make two steps of it")
            return None
        first = next((key for key, _ in node), None)
        near = next((g for key, _ in node if (g := did_you_mean(key.text, verbs))), "")
        hint = f"verbs: {listing(verbs, 30)}. {near}".rstrip()
        self.reader.wrong(first or node, f"{what} without a verb", hint)
        return None

    # -- probes

    def _probe(self, node: MappingNode, verb: Verb, scene: Scene) -> ProbeStep | None:
        check, found = self.check(node, verb, scene, also=tuple(COMMON))
        id_ = self._id(node, found, scene, verb.name)
        save = {n: p for n, p in dict(found["save"]).items() if p is not BAD}
        self._saved(node, save, scene, verb)
        if check is None:
            return None
        if check.expect is None and not save:
            if verb.default_expect is None:
                hint = f"for example expect: {next(iter(verb.observes), 'error')} == ..., or save: {{name: path}}"
                self.reader.wrong(node, f"this {verb.name} step looks, and nothing comes of it", hint)
                return None
            check = replace(check, expect=self._default(verb))
        title = str(found["title"]) if found["title"] not in (None, BAD) else _title(verb.name, check.call)
        return ProbeStep(
            id=id_,
            title=title,
            covers=tuple(found["covers"] or ()),
            severity=_severity(found),
            position=node.position(),
            check=check,
            save=save,
        )

    def _default(self, verb: Verb) -> Expression:
        return compile_expression(verb.default_expect or "", Scope(names={**verb.observes, **ALWAYS}))

    def _saved(self, node: MappingNode, save: Mapping[str, Expression], scene: Scene, verb: Verb) -> None:
        inner = node.get("save")
        for name, path in save.items():
            if name in ("trial", "values", "fault", "instance", "error"):
                key = inner.entries[name].key if isinstance(inner, MappingNode) else node
                self.reader.wrong(key, f"{shorten(name)} is a name of seatrial's own", "save it under another name")
                continue
            scene.values[name] = path.type
            scene.later.pop(name, None)

    def check(
        self,
        node: MappingNode,
        verb: Verb,
        scene: Scene,
        *,
        also: tuple[str, ...] = (),
        extra: Mapping[str, Field] | None = None,
    ) -> tuple[CheckPlan | None, dict[str, Any]]:
        """A probe with its expectation and times; beside it what was read of the other keys."""
        place = scene.place({**verb.observes, **ALWAYS})
        fields = {**verb.arguments, **CALL, **CHECK, **(extra or {})}
        common = {n: COMMON[n] for n in also}
        found = self.reader.fields(
            node, {**fields, **common}, place, what=f"a step with {verb.name}", also=(verb.name,)
        )
        if isinstance(found, Bad):
            return None, {n: f.default for n, f in {**fields, **common}.items()}
        call = self._call(node, verb, found, place)
        if call is None or any(found[n] is BAD for n in fields):
            return None, found
        within = found["within"]
        check = CheckPlan(
            call=call,
            expect=found["expect"],
            within_ns=_ns(within) if within is not None else scene.default_within,
            for_ns=_ns(found["for"]),
            every_ns=_ns(found["every"]),
            timeout_ns=_ns(found["timeout"]),
        )
        return check, found

    def _call(self, node: MappingNode, verb: Verb, found: Mapping[str, Any], place: Place) -> ProbeCall | None:
        what_node = node.get(verb.name)
        if what_node is None:
            return None
        what = self.reader.read(what_node, verb.what, place)
        if what is BAD:
            return None
        at = found["at"]
        if not self._what_is_right(node, what_node, verb, what, at):
            return None
        arguments = {n: found[n] for n in verb.arguments if found[n] is not None}
        identity = found["as"] if found["as"] is not BAD else None
        return ProbeCall(
            verb=verb.name,
            what=what,
            arguments=arguments,
            at=at if isinstance(at, Target) else None,
            identity=identity,
            position=node.position(),
        )

    def _what_is_right(self, node: MappingNode, what_node: Node, verb: Verb, what: object, at: object) -> bool:
        text = what.source if isinstance(what, Template) else what
        if verb.check_what is not None and isinstance(text, str):
            wrong = verb.check_what(text)
            if wrong:
                message, _, hint = wrong.partition("; ")
                self.reader.wrong(what_node, message, hint)
                return False
        whole = isinstance(text, str) and "://" in text
        if whole and isinstance(what, str):
            return self._allowed(what_node, what)
        if verb.needs_target and at is None and not whole:
            hint = f"services: {listing(self.reader.known.services, 30) or 'none; give a whole address'}"
            self.reader.wrong(node, f'this {verb.name} step needs "at"', hint)
            return False
        return at is not BAD

    def _allowed(self, node: Node, text: str) -> bool:
        """A literal address is loopback or allowed by name."""
        match = re.search(r"://(?:[^/@\s]*@)?(\[[^\]]+\]|[^/:\s]+)", text)
        host = match[1].strip("[]") if match else ""
        if is_loopback(host) or host in self.allow:
            return True
        hint = f"production is never touched by accident: allow it by name in the stack, allow: [{host}]"
        self.reader.wrong(node, f"{host} is not loopback, and not allowed", hint)
        return False

    def request(
        self, node: Node, scene: Scene, extra: Mapping[str, Field] | None = None
    ) -> tuple[ProbeCall, dict[str, Any]] | None:
        """A nested probe without expectation: {http: GET /x, at: web, ...} with the extra keys of its place."""
        key = self.verb(node, tuple(self.vocabulary.verbs), "a probe")
        if key is None or not isinstance(node, MappingNode):
            return None
        verb = self.vocabulary.verbs[key.text]
        place = scene.place({**verb.observes, **ALWAYS})
        fields = {**verb.arguments, **CALL, **(extra or {})}
        found = self.reader.fields(node, fields, place, what=f"a probe with {verb.name}", also=(verb.name,))
        if isinstance(found, Bad):
            return None
        call = self._call(node, verb, found, place)
        return (call, found) if call is not None and BAD not in found.values() else None

    def check_at_instance(self, node: Node, scene: Scene) -> CheckPlan | None:
        """A check of a stack file (ready, roles): its target is the instance itself."""
        key = self.verb(node, tuple(self.vocabulary.verbs), "a check")
        if key is None or not isinstance(node, MappingNode):
            return None
        verb = replace(self.vocabulary.verbs[key.text], needs_target=False)
        check, found = self.check(node, verb, scene, extra={})
        if check is not None and check.expect is None:
            if verb.default_expect is None:
                self.reader.wrong(node, "this check expects nothing", f"names here: {listing(verb.observes)}")
                return None
            check = replace(check, expect=self._default(verb))
        return check if found.get("expect") is not BAD else None

    # -- faults

    def _fault(self, node: MappingNode, scene: Scene) -> FaultStep | None:
        what = node.get("fault")
        kinds = self.vocabulary.faults
        name = self.reader.text(what) if isinstance(what, Scalar) else None
        if what is None or not isinstance(name, str) or name not in kinds:
            shown = shorten(name) if isinstance(name, str) else describe(what or node)
            hint = f"faults: {listing(kinds, 30)}. {did_you_mean(str(name), kinds)}".rstrip()
            self.reader.wrong(what or node, f"unknown fault {shown}", hint)
            return None
        kind: FaultKind = kinds[name]
        found = self.reader.fields(
            node,
            {**kind.arguments, **FAULT, **COMMON},
            scene.place(),
            what=f"a fault step with {name}",
            also=("fault",),
        )
        if isinstance(found, Bad) or found["at"] is BAD:
            return None
        id_ = self._id(node, found, scene, name)
        scene.faults.append(id_)
        target: Target = found["at"]
        arguments = {n: found[n] for n in kind.arguments if found[n] not in (None, BAD)}
        return FaultStep(
            id=id_,
            title=str(found["title"] or f"{name} {target}"),
            covers=tuple(found["covers"] or ()),
            severity=_severity(found),
            position=node.position(),
            fault=name,
            at=target,
            arguments=arguments,
            hold_ns=_ns(found["hold"]),
            within_ns=_ns(found["within"]),
            for_ns=_ns(found["for"]),
        )

    def _heal(self, node: MappingNode, scene: Scene) -> HealStep | None:
        found = self.reader.fields(node, COMMON, scene.place(), what="a heal step", also=("heal",))
        what = node.get("heal")
        name = self.reader.text(what) if isinstance(what, Scalar) else None
        if isinstance(found, Bad) or what is None or not isinstance(name, str):
            self.reader.wrong(
                what or node, "heal names the id of a fault step, or all", "for example heal: kill-primary"
            )
            return None
        if name != "all" and name not in scene.faults:
            known = ["all", *scene.faults]
            hint = f"faults before it: {listing(scene.faults) or 'none'}. {did_you_mean(name, known)}".rstrip()
            self.reader.wrong(what, f"no fault {shorten(name)} before this step: it can never be reached", hint)
            return None
        id_ = self._id(node, found, scene, f"heal-{name}")
        return HealStep(id=id_, title=f"heal {name}", position=node.position(), fault=None if name == "all" else name)

    def _pause(self, node: MappingNode, scene: Scene) -> PauseStep | None:
        reason = Field(shape=TEXT, default="", doc="Why a condition cannot be waited for.")
        found = self.reader.fields(
            node, {**COMMON, "reason": reason}, scene.place(), what="a pause step", also=("pause",)
        )
        what = node.get("pause")
        if isinstance(found, Bad) or what is None:
            return None
        duration = self.reader.read(what, DURATION, scene.place())
        if not isinstance(duration, Quantity):
            return None
        id_ = self._id(node, found, scene, "pause")
        return PauseStep(
            id=id_,
            title=f"pause {duration}",
            position=node.position(),
            duration_ns=_ns(duration) or 0,
            reason=str(found["reason"]),
        )

    def _id(self, node: MappingNode, found: Mapping[str, Any], scene: Scene, verb: str) -> str:
        given = found.get("id")
        if isinstance(given, str):
            if given in scene.ids:
                first = scene.ids[given]
                place = node.entries["id"].value
                self.reader.wrong(place, f"the id {shorten(given)} is taken", f"by the step in line {first.line}")
            scene.ids.setdefault(given, node)
            return given
        what = node.get(verb)
        at = node.get("at")
        parts = [verb, what.text if isinstance(what, Scalar) else "", at.text if isinstance(at, Scalar) else ""]
        base = (
            re.sub(r"[^a-z0-9]+", "-", re.sub(r"\{\{.*?\}\}", "", " ".join(parts)).lower()).strip("-")[:48].rstrip("-")
        )
        name, number = base, 2
        while name in scene.ids:
            name, number = f"{base}-{number}", number + 1
        scene.ids[name] = node
        return name


def is_loopback(host: str) -> bool:
    """Whether a host name or address is this machine's own loopback."""
    return (
        host in ("localhost", "::1")
        or host.endswith(".localhost")
        or re.fullmatch(r"127(\.\d{1,3}){3}", host) is not None
    )


def _ns(quantity: object) -> int | None:
    return int(quantity.value) if isinstance(quantity, Quantity) else None


def _severity(found: Mapping[str, Any]) -> Severity:
    value = found.get("severity")
    return Severity(value) if isinstance(value, str) else Severity.BLOCKING


def _title(verb: str, call: ProbeCall) -> str:
    what = call.what.source if isinstance(call.what, Template) else str(call.what)
    at = f" at {call.at}" if call.at else ""
    who = f" as {call.identity}" if call.identity else ""
    return f"{verb} {what[:80]}{at}{who}"


__all__ = ["Scene", "Steps", "is_loopback"]
