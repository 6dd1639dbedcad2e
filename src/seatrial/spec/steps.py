"""Steps: a verb and what, `at` where, `as` whom, `expect` what must be true, `within` or `for` until when, `save` what."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from ..core.errors import UsageError
from ..core.expressions import Expression, Scope, Type, compile_expression, did_you_mean
from ..core.expressions.problems import listing
from ..core.load_plans import own_claim
from ..core.plan import ATTEMPT_NS, CheckPlan, LoadStep, PauseStep, ProbeCall, ProbeStep, Step
from ..core.quantities import Dimension, Quantity
from ..core.shapes import Field, reference
from ..core.stack import Target
from ..core.templates import Template
from ..core.vocabulary import Verb, Vocabulary
from .faulting import read_fault, read_heal
from .keys import (
    ALWAYS,
    CALL,
    CHECK,
    COMMON,
    EXPECT,
    FAULT_SEEN,
    NAMED,
    NESTED,
    OWN_NAMES,
    REASON,
    SOME_TIME,
    UNJUDGED,
    Defaults,
    Scene,
    ns_of,
    severity_of,
    since_of,
)
from .nodes import Mapping as MappingNode
from .nodes import Node, Scalar, Sequence, describe, shorten
from .reading import BAD, Bad, Place, Reader

SPECIAL = ("fault", "heal", "pause", "load")
ADDRESS = re.compile(
    r"\s*(?:[A-Za-z]+\s+)?(?P<scheme>[A-Za-z][A-Za-z0-9+.-]*)://(?P<authority>(?:\{\{.*?\}\}|[^/?#\s])*)"
)


class Steps:
    """Reads steps and single probe calls."""

    def __init__(self, reader: Reader, vocabulary: Vocabulary, allow: tuple[str, ...] = ()) -> None:
        self.reader = reader
        self.vocabulary = vocabulary
        self.allow = allow

    def place(
        self, scene: Scene, observes: Mapping[str, Type] | None = None, makes: Mapping[str, Type] | None = None
    ) -> Place:
        """The place of a step's arguments and expectations; what a verb makes is known to its templates alone."""
        names = {**scene.values, **(observes or {})}
        values = {**scene.values, **(makes or {})}
        if scene.faults:
            names["fault"] = FAULT_SEEN
            values = {**values, "fault": FAULT_SEEN}
        unsure = scene.open or self.reader.known.open
        return Place(
            scope=Scope(names=names, open=unsure),
            values=Scope(names=values, open=unsure),
            later={**scene.later, "fault": "no fault was made before this step"},
            request=lambda node: self._nested(node, scene),
            check=lambda node: self._nested_check(node, replace(scene, values=values)),
        )

    def _place_of(self, node: MappingNode, verb: Verb, scene: Scene, observes: Mapping[str, Type]) -> Place:
        """The place of a verb's arguments, where it makes values of its own."""
        makes = verb.makes_of(node.entries, scene.values)
        place = self.place(scene, observes, makes)
        needed = {
            n: f"{n} is known where {verb.makes_with}: is given"
            for n in verb.makes
            if verb.makes_with and n not in makes
        }
        return replace(place, later={**needed, **place.later})

    def _nested(self, node: Node, scene: Scene) -> ProbeCall | Bad:
        read = self.request(node, scene)
        return BAD if read is None else read[0]

    def _nested_check(self, node: MappingNode, scene: Scene) -> CheckPlan | Bad:
        """A check inside a step, which tries it again as it needs."""
        key = self.verb(node, tuple(self.vocabulary.verbs), "a check")
        if key is None:
            return BAD
        verb = self.vocabulary.verbs[key.text]
        return self._judging(node, verb, self.check(node, verb, scene, {**CALL, **NESTED})[0]) or BAD

    def steps(self, node: Node | None, scene: Scene) -> tuple[Step, ...]:
        """A list of steps, in order."""
        if node is None:
            return ()
        if not isinstance(node, Sequence):
            self.reader.wrong(node, f"steps are a list, not {describe(node)}", "begin each with `- `")
            return ()
        return tuple(s for s in (self.step(item, scene) for item in node.items) if s is not None)

    def step(self, node: Node, scene: Scene) -> Step | None:
        """One step; None after a problem. What it would have saved is then known all the same: one mistake, one problem."""
        before = len(self.reader.problems)
        found = self._step(node, scene)
        if found is not None:
            scene.moments.append(found.id)
        if len(self.reader.problems) > before and isinstance(node, MappingNode):
            save = node.get("save")
            for key, _ in save if isinstance(save, MappingNode) else ():
                scene.values.setdefault(key.text, Type.ANY)
            id_ = node.get("id")
            if "fault" in node.entries and isinstance(id_, Scalar) and id_.text not in scene.faults:
                scene.faults.append(id_.text)
        return found

    def _step(self, node: Node, scene: Scene) -> Step | None:
        key = self.verb(node, (*self.vocabulary.verbs, *SPECIAL), "a step")
        if key is None or not isinstance(node, MappingNode):
            return None
        match key.text:
            case "fault":
                return read_fault(self, node, scene)
            case "heal":
                return read_heal(self, node, scene)
            case "pause":
                return self._pause(node, scene)
            case "load":
                return self._load(node, scene)
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
        check, found = self.check(node, verb, scene, {**CALL, **CHECK, **COMMON, **since_of(verb)})
        id_ = self.id_of(node, found, scene, verb.name)
        save = {} if isinstance(found["save"], Bad) else dict(found["save"])
        self._saved(node, save, scene, verb)
        if check is None:
            return None
        if check.expect is None and not save:
            if verb.default_expect is None:
                hint = f"for example expect: {next(iter(verb.observes), 'error')} == ..., or save: {{name: path}}"
                key = node.entries[verb.name].key
                self.reader.wrong(key, f"this {verb.name} step looks, and nothing comes of it", hint)
                return None
            check = replace(check, expect=self._default(verb))
        if check.expect is None and found["covers"]:
            hint = "expect: what shows it"
            self.reader.wrong(node.entries["covers"].key, "covers without expect: nothing is judged here", hint)
        title = str(found["title"]) if found["title"] not in (None, BAD) else _title(verb.name, check.call)
        return ProbeStep(
            id=id_,
            title=title,
            covers=tuple(found["covers"] or ()),
            severity=severity_of(found, scene),
            position=node.position(),
            check=check,
            save=save,
            notices=tuple(found["notices"] or ()),
        )

    def _default(self, verb: Verb) -> Expression:
        return compile_expression(verb.default_expect or "", Scope(names={**verb.observes, **ALWAYS}))

    def _saved(self, node: MappingNode, save: Mapping[str, Expression], scene: Scene, verb: Verb) -> None:
        inner = node.get("save")
        for name, path in save.items():
            taken = {**dict.fromkeys(verb.observes, f"what {verb.name} itself sees"), **OWN_NAMES}
            if isinstance(inner, MappingNode) and not self.reader.name(inner.entries[name].key, "a value", taken):
                continue
            scene.values[name] = path.type
            scene.later.pop(name, None)

    def check(
        self, node: MappingNode, verb: Verb, scene: Scene, common: Mapping[str, Field]
    ) -> tuple[CheckPlan | None, dict[str, Any]]:
        """A probe with its expectation and times; beside it what was read of the other keys."""
        place = self._place_of(node, verb, scene, {**verb.observes, **ALWAYS})
        fields = {**verb.arguments, **common}
        found = self.reader.fields(node, fields, place, what=f"a step with {verb.name}", also=(verb.name,))
        if isinstance(found, Bad):
            return None, {n: f.default for n, f in fields.items()}
        call = self._call(node, verb, found, place)
        if call is None or any(found[n] is BAD for n in fields):
            return None, found
        defaults = scene.defaults
        check = CheckPlan(
            call=call,
            expect=self._expected(verb, call, found["expect"], place.scope),
            within_ns=ns_of(found.get("within"), defaults.within_ns),
            for_ns=ns_of(found.get("for")),
            every_ns=ns_of(found["every"], defaults.every_ns),
            timeout_ns=ns_of(found["timeout"], verb.timeout_ns or defaults.timeout_ns),
            since=self._since(node, found.get("since") if "since" not in verb.arguments else None, call, scene),
        )
        self._ends_inside(node, verb, check)
        return check, found

    def _since(self, node: MappingNode, given: object, call: ProbeCall, scene: Scene) -> str | None:
        """A moment that has come when this is looked at."""
        if not isinstance(given, str):
            return None
        place = node.entries["since"].value
        if given not in scene.moments:
            hint = f"moments before this one: {listing(scene.moments, 30)}. {did_you_mean(given, scene.moments)}"
            self.reader.wrong(place, f"unknown moment {shorten(given)}", hint.rstrip())
        elif call.at is not None and call.at.everywhere and not self.vocabulary.verbs[call.verb].together:
            self.reader.wrong(place, "since goes by one instance, or by all together", f"at: {call.at.service}#1")
        return given

    def _ends_inside(self, node: MappingNode, verb: Verb, check: CheckPlan) -> None:
        """A time of the verb's own, which ends before the attempt does: else nobody sees its end."""
        given, timeout_ns = check.call.arguments.get(verb.inside), check.timeout_ns or ATTEMPT_NS
        if isinstance(given, Quantity) and given.value >= timeout_ns:
            attempt = Quantity(timeout_ns, Dimension.DURATION)
            message = f"the attempt's time-out, {attempt}, is over before the {verb.inside} of {given} is"
            self.reader.wrong(node.entries[verb.inside].value, message, "timeout: a longer one")

    def _expected(self, verb: Verb, call: ProbeCall, expect: Expression | None, scope: Scope) -> Expression | None:
        """What is expected, and what the arguments say that must be true."""
        said = verb.expects(call.arguments) if verb.expects is not None else ""
        if not said:
            return expect
        return compile_expression(said if expect is None else f"{said} and ({expect.source})", scope)

    def named(self, node: Node, scene: Scene, what: str) -> tuple[CheckPlan, dict[str, Any]] | None:
        """A check that has its name from its key (steady state, holds)."""
        key = self.verb(node, tuple(self.vocabulary.verbs), what)
        if key is None or not isinstance(node, MappingNode):
            return None
        verb = self.vocabulary.verbs[key.text]
        since = since_of(verb) if scene.moments else {}
        check, found = self.check(node, verb, scene, {**CALL, **EXPECT, **NAMED, **since})
        check = self._judging(node, verb, check)
        return (check, found) if check is not None else None

    def _judging(self, node: Node, verb: Verb, check: CheckPlan | None) -> CheckPlan | None:
        """The check with the verb's own expectation, where it has none."""
        if check is None or check.expect is not None:
            return check
        if verb.default_expect is None:
            hint = f"for example expect: {next(iter(verb.observes), 'error')} == ..."
            self.reader.wrong(node, f"this {verb.name} check expects nothing", hint)
            return None
        return replace(check, expect=self._default(verb))

    def _call(self, node: MappingNode, verb: Verb, found: Mapping[str, Any], place: Place) -> ProbeCall | None:
        what_node = node.get(verb.name)
        if what_node is None:
            return None
        what = self.reader.read(what_node, verb.what, place)
        if what is BAD:
            return None
        at = found.get("at")
        if not self._what_is_right(node, what_node, verb, what, at):
            return None
        arguments = {n: found[n] for n in verb.arguments if found[n] is not None}
        if verb.check is not None and BAD not in arguments.values():
            wrong = verb.check(what, arguments)
            if wrong is not None:
                place_of = node.entries[wrong.key or verb.name]
                self.reader.wrong(place_of.value if wrong.key else place_of.key, wrong.message, wrong.hint)
                return None
        identity = found.get("as") if found.get("as") is not BAD else None
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
        if verb.hosts is not None and isinstance(text, str):
            return self._hosts_allowed(node, what_node, verb, text) and at is not BAD
        address = ADDRESS.match(text) if isinstance(text, str) else None
        if address is not None:
            return self._allowed(what_node, address["authority"])
        if verb.needs_target and at is None and not self.reader.known.open:
            hint = f"services: {listing(self.reader.known.services, 30) or 'none; give a whole address'}"
            self.reader.wrong(node.entries[verb.name].key, f'this {verb.name} step needs "at"', hint)
            return False
        return at is not BAD

    def _allowed(self, node: Node, authority: str) -> bool:
        """An address that is written out is loopback, or allowed by name."""
        if "{{" in authority or "${" in authority:
            hint = 'write it out, or name a service at: stack: {remote: {services: {shop: "{{ url }}"}}}'
            self.reader.wrong(node, "a host that is known only later cannot be allowed by name", hint)
            return False
        return self._host_allowed(node, host_of(authority))

    def _hosts_allowed(self, node: MappingNode, what_node: Node, verb: Verb, what: str) -> bool:
        """The hosts that a verb names by itself, where they are written out; the others are held to the same rule when they are known."""
        places: list[tuple[Node, object, dict[str, object]]] = [(what_node, what, {})]
        places += [
            (e.value, "", {n: _written(e.value)}) for n in verb.arguments if (e := node.entries.get(n)) is not None
        ]
        for place, main, given in places:
            try:
                found = tuple(verb.hosts(main, given)) if verb.hosts is not None and not _later(main) else ()
            except UsageError as error:
                self.reader.wrong(place, error.problems[0].message, error.problems[0].hint)
                return False
            if not all(self._host_allowed(place, host) for host in found):
                return False
        return True

    def _host_allowed(self, node: Node, host: str) -> bool:
        if is_loopback(host) or host in self.allow or self.reader.known.open:
            return True
        hint = f"production is never touched by accident: allow it by name in the stack, allow: [{host}]"
        self.reader.wrong(node, f"{host or 'nothing'} is not loopback, and not allowed", hint)
        return False

    def request(
        self,
        node: Node,
        scene: Scene,
        extra: Mapping[str, Field] | None = None,
        *,
        call: Mapping[str, Field] = CALL,
        what: str = "a probe",
        seen: Mapping[str, Type] | None = None,
    ) -> tuple[ProbeCall, dict[str, Any]] | None:
        """A nested probe without expectation: {http: GET /x, at: web, ...} with the extra keys of its place, whose expressions are over
        what is `seen` (all that the verb observes).
        """
        key = self.verb(node, tuple(self.vocabulary.verbs), what)
        if key is None or not isinstance(node, MappingNode):
            return None
        verb = self.vocabulary.verbs[key.text]
        place = self._place_of(node, verb, scene, {**verb.observes, **ALWAYS} if seen is None else seen)
        fields = {**verb.arguments, **call, **(extra or {})}
        found = self.reader.fields(node, fields, place, what=f"{what} with {verb.name}", also=(verb.name,))
        if isinstance(found, Bad):
            return None
        made = self._call(node, verb, found, place)
        return (made, found) if made is not None and BAD not in found.values() else None

    def check_at_instance(self, node: Node, scene: Scene) -> CheckPlan | None:
        """A check of a stack file (ready, roles): its target is the instance itself."""
        key = self.verb(node, tuple(self.vocabulary.verbs), "a check")
        if key is None or not isinstance(node, MappingNode):
            return None
        verb = replace(self.vocabulary.verbs[key.text], needs_target=False)
        check, _ = self.check(node, verb, scene, EXPECT)
        return self._judging(node, verb, check)

    # -- what is no probe

    def _pause(self, node: MappingNode, scene: Scene) -> PauseStep | None:
        fields = {**UNJUDGED, "reason": REASON}
        found = self.reader.fields(node, fields, self.place(scene), what="a pause step", also=("pause",))
        what = node.get("pause")
        if isinstance(found, Bad) or what is None:
            return None
        duration = self.reader.read(what, SOME_TIME, self.place(scene))
        if not isinstance(duration, Quantity):
            return None
        id_ = self.id_of(node, found, scene, "pause")
        return PauseStep(
            id=id_,
            title=str(found["title"] or f"pause {duration}"),
            severity=severity_of(found, scene),
            position=node.position(),
            duration_ns=ns_of(duration, 0),
            reason=str(found["reason"]),
        )

    def _load(self, node: MappingNode, scene: Scene) -> LoadStep | None:
        found = self.reader.fields(node, COMMON, self.place(scene), what="a load step", also=("load",))
        what = node.get("load")
        if isinstance(found, Bad) or what is None:
            return None
        name = self.reader.read(what, reference("load"), self.place(scene))
        if not isinstance(name, str):
            return None
        id_ = self.id_of(node, found, scene, f"load-{name}")
        words = own_claim(name) if name in self.reader.known.tools else f"load {name} is not aborted"
        judged = name in self.reader.known.tools or name in self.reader.known.abortable
        if found["covers"] and not judged:
            hint = f"expect: in the scenario, or abort: in the load {name}"
            self.reader.wrong(node.entries["covers"].key, "covers without abort: nothing is judged here", hint)
        return LoadStep(
            id=id_,
            title=str(found["title"] or (words if judged else f"load {name}")),
            covers=tuple(found["covers"] or ()),
            severity=severity_of(found, scene),
            position=node.position(),
            load=name,
            judged=judged,
        )

    def id_of(self, node: MappingNode, found: Mapping[str, Any], scene: Scene, verb: str) -> str:
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


def _written(node: Node) -> object:
    """What is written out at a node, as mappings of texts; None for what is known only later."""
    if isinstance(node, MappingNode):
        return {key.text: _written(value) for key, value in node}
    return node.text if isinstance(node, Scalar) and not _later(node.text) else None


def _later(text: object) -> bool:
    return isinstance(text, str) and ("{{" in text or "${" in text)


def is_loopback(host: str) -> bool:
    """Whether a host name or address is this machine's own loopback."""
    return (
        host in ("localhost", "::1")
        or host.endswith(".localhost")
        or re.fullmatch(r"127(\.\d{1,3}){3}", host) is not None
    )


def host_of(authority: str) -> str:
    """The host of user:password@host:port."""
    place = authority.rpartition("@")[2]
    return place[1:].partition("]")[0] if place.startswith("[") else place.partition(":")[0]


def hosts_in(text: str) -> tuple[str, ...]:
    """The host of an address at the beginning of a main argument."""
    address = ADDRESS.match(text)
    return (host_of(address["authority"]),) if address else ()


def _title(verb: str, call: ProbeCall) -> str:
    what = call.what.source if isinstance(call.what, Template) else str(call.what)
    at = f" at {call.at}" if call.at else ""
    who = f" as {call.identity}" if call.identity else ""
    return f"{verb} {what[:80]}{at}{who}"


__all__ = ["Defaults", "Scene", "Steps", "hosts_in", "is_loopback"]
