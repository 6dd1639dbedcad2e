"""Reads nodes by shapes: every mistake is collected with its place, and reading goes on."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final

from ..core.errors import Problem, UsageError
from ..core.expressions import Expression, ExpressionError, Scope, compile_expression, compile_path, did_you_mean
from ..core.expressions.problems import ExpressionProblem, listing
from ..core.expressions.syntax import KEYWORDS, NAME
from ..core.links import KIND
from ..core.quantities import QuantityError, example, parse_quantity
from ..core.shapes import Field, Shape, ShapeKind
from ..core.stack import LINK, Target
from ..core.targets import parse_target
from ..core.templates import Template, TemplateError, substitute_environment
from .nodes import Mapping as MappingNode
from .nodes import Node, Scalar, Sequence, describe, resolve, shorten


class Bad:
    """What could not be read; a problem says why."""

    def __repr__(self) -> str:
        return "BAD"


BAD: Final = Bad()
_IDENTIFIER = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]*")
_FIRST_WORD = re.compile(rf"[\s{{}}]*({NAME})")


@dataclass(frozen=True, kw_only=True)
class ServiceInfo:
    """What `at:` may say of a service; `count` None: not known before it runs."""

    name: str
    kind: str
    roles: tuple[str, ...] = ()
    count: int | None = None
    companion: bool = False  # brought along by another
    absent: bool = False  # this stack has none: it may have any role


@dataclass(kw_only=True)
class Known:
    """Everything that a spec may refer to by name."""

    services: dict[str, ServiceInfo] = field(default_factory=dict)
    open: bool = False  # the stack could not be read: there may be any service
    workloads: dict[str, Node] = field(default_factory=dict)  # and loads: both run throughout
    loads: dict[str, Node] = field(default_factory=dict)
    tools: tuple[str, ...] = ()  # loads that are files of other tools, with a verdict of their own
    abortable: frozenset[str] = frozenset()  # loads that may be aborted
    searching: frozenset[str] = frozenset()  # loads that look for a capacity
    profiles: Mapping[str, object] = field(default_factory=dict)
    identities: dict[str, Node] = field(default_factory=dict)
    scenarios: dict[str, Node] = field(default_factory=dict)
    requirements: dict[str, Node] = field(default_factory=dict)

    def of(self, refers: str) -> Mapping[str, object]:
        """The names of a class."""
        found: Mapping[str, object] = getattr(self, {"identity": "identities"}.get(refers, f"{refers}s"), {})
        return found


_NOTHING = Scope()


@dataclass(frozen=True, kw_only=True)
class Place:
    """Where a node stands: the scope of its expressions, the values its templates may use, and those saved later on."""

    scope: Scope = _NOTHING
    values: Scope = _NOTHING
    later: Mapping[str, str] = field(default_factory=dict)  # name to a sentence that says where it is saved
    request: Callable[[MappingNode], object] | None = None
    check: Callable[[MappingNode], object] | None = None
    literal: bool = False  # what is here is needed before there are secrets

    def with_scope(self, scope: Scope) -> Place:
        """The same place with another scope for expressions."""
        return replace(self, scope=scope)


class Reader:
    """Reads nodes; collects problems."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        self.environment = environment
        self.problems: list[Problem] = []
        self.known = Known()
        self.used: dict[tuple[str, str], Node] = {}  # what is referred to, and where first
        self._expressions: dict[tuple[object, ...], Expression] = {}  # a spec asks for the same thing many times
        self._scopes: list[Scope] = []  # keeps the ids in its keys alive

    def wrong(self, node: Node, message: str, hint: str = "", offset: int = 0, length: int | None = None) -> Bad:
        """Report a problem."""
        self.problems.append(node.problem(message, hint, offset, length))
        return BAD

    def read(self, node: Node, shape: Shape, place: Place) -> Any:
        """What the node means by its shape; BAD after a problem."""
        reader = _READERS[shape.kind]
        return reader(self, node, shape, place)

    def value(self, node: Scalar) -> object:
        """A scalar's value, with the environment put in."""
        text = self.text(node)
        return resolve(text) if node.plain and isinstance(text, str) else text

    def text(self, node: Scalar) -> str | Bad:
        """A scalar's text, with the environment put in."""
        if "$" not in node.text:
            return node.text
        try:
            return substitute_environment(node.text, self.environment)
        except TemplateError as error:
            self._places(node, node.text, error.problems)
            return BAD

    def _places(
        self, node: Scalar, text: str, problems: tuple[ExpressionProblem, ...], place: Place | None = None
    ) -> None:
        """Problems inside a scalar, each at its own characters where `text` is what the line has."""
        for problem in problems:
            hint = problem.hint
            word = _FIRST_WORD.match(text, problem.offset)
            if place is not None and word is not None and word[1] in place.later:
                hint = place.later[word[1]]
            same = node.exact and text == node.text and problem.offset < len(text)
            offset, length = (problem.offset, problem.length) if same else (0, node.length)
            self.wrong(node, problem.message, hint, offset, min(length, max(1, node.length - offset)))

    def fields(
        self, node: Node, fields: Mapping[str, Field], place: Place, *, what: str, also: tuple[str, ...] = ()
    ) -> dict[str, Any] | Bad:
        """A mapping with known keys; missing ones have their default, those of `also` are left alone."""
        if not isinstance(node, MappingNode):
            return self.wrong(
                node, f"{what} is a mapping, not {describe(node)}", f"keys: {listing([*fields, *also], 30)}"
            )
        found: dict[str, Any] = {name: f.default for name, f in fields.items()}
        for key, child in node:
            if key.text in fields:
                found[key.text] = self.read(child, fields[key.text].shape, place)
            elif key.text not in also:
                self.unknown_key(key, (*fields, *also), what)
        for name, f in fields.items():
            if f.required and name not in node.entries:
                hint = f"for example {name}: {f.example}" if f.example else f.doc
                self.wrong(node, f'{what} needs "{name}"', hint)
                found[name] = BAD
        return found

    def unknown_key(self, key: Scalar, known: tuple[str, ...], what: str) -> None:
        """A key that is none."""
        hint = f"keys here: {listing(known, 40)}. {did_you_mean(key.text, known)}".rstrip()
        self.wrong(key, f"unknown key {shorten(key.text)} in {what}", hint)

    def unknown(self, node: Node, what: str, name: str, known: Mapping[str, object]) -> Bad:
        """A name of nothing."""
        hint = f"{what}s: {listing(known, 30) or 'none'}. {did_you_mean(name, known)}"
        if what == "identity":
            hint = f"identities: {listing(known, 30) or 'none'}. {did_you_mean(name, known)}"
        return self.wrong(node, f"unknown {what} {shorten(name)}", hint.rstrip(), 0, len(name) or None)

    def template(self, node: Scalar, place: Place) -> object:
        """Text with values and secrets in it."""
        text = self.text(node)
        if isinstance(text, Bad) or ("{{" not in text and "${secret:" not in text):
            return text
        try:
            found = Template.parse(text, place.values)
        except TemplateError as error:
            self._places(node, text, error.problems, place)
            return BAD
        if place.literal and isinstance(found, Template):
            return self.wrong(node, "a secret cannot stand here", "${NAME} puts an environment variable here")
        return found

    def expression(self, node: Scalar, place: Place, *, condition: bool) -> Expression | Bad:
        """A condition or path over the place's scope."""
        text = self.text(node)
        if isinstance(text, Bad):
            return BAD
        names = place.scope.names
        key = (text, condition, place.scope.open, tuple(names), tuple(map(id, names.values())))
        if key not in self._expressions:
            compile_ = compile_expression if condition else compile_path
            try:
                self._expressions[key] = compile_(text, place.scope)
                self._scopes.append(place.scope)
            except ExpressionError as error:
                self._places(node, text, error.problems, place)
                return BAD
        return self._expressions[key]

    def name(self, key: Scalar, what: str, taken: Mapping[str, str] | None = None) -> bool:
        """Whether a key can name a value; `taken` are names that mean something else, and what."""
        if re.fullmatch(NAME, key.text) is None or key.text in KEYWORDS:
            self.wrong(key, f"{shorten(key.text)} cannot name {what}", "letters, digits, _ and -; for example tenant")
            return False
        if taken and key.text in taken:
            self.wrong(key, f"{shorten(key.text)} is {taken[key.text]}", "give it another name")
            return False
        return True

    def identifier(self, key: Scalar, what: str, reserved: tuple[str, ...] = ()) -> bool:
        """Whether a key can be part of a finding's id."""
        if _IDENTIFIER.fullmatch(key.text) is None:
            self.wrong(key, f"{shorten(key.text)} cannot name {what}", "letters, digits, - _ .; for example no-loss")
            return False
        if key.text in reserved:
            self.wrong(key, f"{shorten(key.text)} is a name of seatrial's own", "give it another name")
            return False
        return True

    def judged(self, throughout: tuple[str, ...], elsewhere: tuple[str, ...] = ()) -> tuple[str, ...]:
        """Those of a scenario's loads that have a verdict of their own, unless they run for the whole trial."""
        return tuple(n for n in throughout if n in self.known.tools and n not in elsewhere)

    def target(self, node: Node) -> Target | Bad:
        """An `at:`, checked against the stack."""
        if not isinstance(node, Scalar):
            return self.wrong(
                node, f"`at` names a target, not {describe(node)}", "for example web, postgres/primary, web#2, web *"
            )
        text = self.text(node)
        if isinstance(text, Bad):
            return BAD
        try:
            found = parse_target(text)
        except UsageError as error:
            return self.wrong(node, error.problems[0].message, error.problems[0].hint)
        return self._check_target(node, replace(found, position=node.position()))

    def _check_target(self, node: Scalar, target: Target) -> Target | Bad:
        services = self.known.services
        info = services.get(target.service)
        if info is None and self.known.open:
            return target
        if info is None and LINK in target.service:
            links = [n for n in services if LINK in n]
            hint = f"links: {listing(links, 30) or 'none'}. In the stack file, links: [{target.service}] makes it one"
            return self.wrong(node, f"there is no link {target.service}", hint)
        if info is None:
            hint = f"services: {listing(services, 30) or 'none'}. {did_you_mean(target.service, services)}".rstrip()
            return self.wrong(node, f"unknown service {shorten(target.service)}", hint, 0, len(target.service))
        after = node.text.find(target.service.rpartition(LINK)[2]) + len(target.service.rpartition(LINK)[2]) + 1
        if target.role is not None and target.role not in info.roles and not info.absent:
            roles = (
                f"roles here: {listing(info.roles)}. {did_you_mean(target.role, info.roles)}"
                if info.roles
                else "it has no roles"
            )
            message = f"unknown role {shorten(target.role)} of service {shorten(target.service)}"
            return self.wrong(node, message, roles.rstrip(), after, len(target.role))
        if target.ordinal is not None and info.count is not None and target.ordinal > info.count:
            hint = f"instances: #1 to #{info.count}" if info.count > 1 else "it has one instance, #1"
            return self.wrong(node, f"{target.service} has no instance #{target.ordinal}", hint, after)
        return target


def _text(reader: Reader, node: Node, shape: Shape, place: Place) -> object:
    if not isinstance(node, Scalar):
        return reader.wrong(node, f"text is wanted here, not {describe(node)}")
    if node.plain and node.value is None:
        return reader.wrong(node, "text is wanted here, not nothing", 'write "" for an empty text')
    found = reader.template(node, place)
    if shape.refers and isinstance(found, str):
        known = reader.known.of(shape.refers)
        name = found.partition("#")[0]
        if name not in known and not reader.known.open:
            return reader.unknown(node, shape.refers, name, known)
    return found


def _integer(reader: Reader, node: Node, shape: Shape, place: Place) -> object:
    return _numeric(reader, node, shape, "a whole number", int)


def _number(reader: Reader, node: Node, shape: Shape, place: Place) -> object:
    return _numeric(reader, node, shape, "a number", (int, float))


def _numeric(reader: Reader, node: Node, shape: Shape, what: str, types: Any) -> object:
    value = reader.value(node) if isinstance(node, Scalar) else None
    if value is BAD:
        return BAD
    if not isinstance(node, Scalar) or isinstance(value, bool) or not isinstance(value, types) or not _finite(value):
        return reader.wrong(node, f"{what} is wanted here, not {describe(node)}")
    if shape.least is not None and value < shape.least:  # type: ignore[operator]
        return reader.wrong(node, f"{value} is too small", f"at least {shape.least:g}")
    return value


def _finite(value: object) -> bool:
    return not isinstance(value, float) or math.isfinite(value)


def _boolean(reader: Reader, node: Node, shape: Shape, place: Place) -> object:
    value = reader.value(node) if isinstance(node, Scalar) else None
    if value is BAD or isinstance(value, bool):
        return value
    hint = ""
    if isinstance(node, Scalar) and node.text.lower() in ("yes", "no", "on", "off"):
        hint = f"YAML 1.2 knows true and false: write {'true' if node.text.lower() in ('yes', 'on') else 'false'}"
    return reader.wrong(node, f"true or false is wanted here, not {describe(node)}", hint)


def _quantity(reader: Reader, node: Node, shape: Shape, place: Place) -> object:
    wanted = f"a {shape.dimension.value}" if shape.dimension else "a quantity"
    if not isinstance(node, Scalar):
        return reader.wrong(node, f"{wanted} is wanted here, not {describe(node)}")
    text = reader.text(node)
    if isinstance(text, Bad):
        return BAD
    try:
        found = parse_quantity(text, shape.dimension)
    except QuantityError as error:
        message, _, hint = str(error).partition("; ")
        return reader.wrong(node, message, hint)
    if shape.least is not None and found.value < shape.least:
        return reader.wrong(node, f"{found} is too small", f"for example {example(found.dimension)}")
    return found


def _choice(reader: Reader, node: Node, shape: Shape, place: Place) -> object:
    text = reader.text(node) if isinstance(node, Scalar) else None
    if text in shape.choices or text is BAD:
        return text
    hint = f"one of: {listing(shape.choices, 30)}. {did_you_mean(str(text), shape.choices)}".rstrip()
    shown = shorten(text) if isinstance(text, str) else describe(node)
    return reader.wrong(node, f"{shown} is not one of the words here", hint)


def _identifier(reader: Reader, node: Node, shape: Shape, place: Place) -> object:
    text = reader.text(node) if isinstance(node, Scalar) else None
    if text is BAD or (isinstance(text, str) and _IDENTIFIER.fullmatch(text)):
        return text
    return reader.wrong(node, f"{describe(node)} is no identifier", "letters, digits, - _ .; for example no-loss")


def _condition(reader: Reader, node: Node, shape: Shape, place: Place) -> object:
    if not isinstance(node, Scalar):
        hint = "one condition, its parts joined by and: status == 200 and json.id != null"
        return reader.wrong(node, f"a condition is wanted here, not {describe(node)}", hint)
    return reader.expression(node, place, condition=True)


def _path(reader: Reader, node: Node, shape: Shape, place: Place) -> object:
    if not isinstance(node, Scalar):
        return reader.wrong(node, f"a path is wanted here, not {describe(node)}", "for example json.id")
    return reader.expression(node, place.with_scope(Scope(names=shape.over)) if shape.over else place, condition=False)


def _target(reader: Reader, node: Node, shape: Shape, place: Place) -> object:
    found = reader.target(node)
    if shape.refers == KIND and isinstance(found, Target) and LINK not in found.service:
        return reader.wrong(node, f"{found} is no link", "for example web -> postgres")
    return found


def _reference(reader: Reader, node: Node, shape: Shape, place: Place) -> object:
    known = reader.known.of(shape.refers)
    text = reader.text(node) if isinstance(node, Scalar) else None
    if text is BAD or (isinstance(text, str) and text in known):
        reader.used.setdefault((shape.refers, str(text)), node)
        return text
    if isinstance(text, str) and not (isinstance(node, Scalar) and node.plain and resolve(text) is None):
        return reader.unknown(node, shape.refers, text, known)
    return reader.wrong(node, f"the name of a {shape.refers} is wanted here, not {describe(node)}")


def _list(reader: Reader, node: Node, shape: Shape, place: Place) -> object:
    inner = shape.of or Shape(kind=ShapeKind.ANY)
    if isinstance(node, Sequence):
        return tuple(v for v in (reader.read(item, inner, place) for item in node.items) if v is not BAD)
    if shape.lenient:
        value = reader.read(node, inner, place)
        return () if value is BAD else (value,)
    return reader.wrong(node, f"a list is wanted here, not {describe(node)}", "for example [a, b]")


def _mapping(reader: Reader, node: Node, shape: Shape, place: Place) -> object:
    if not isinstance(node, MappingNode):
        return reader.wrong(node, f"a mapping is wanted here, not {describe(node)}", "for example {name: value}")
    inner = shape.of or Shape(kind=ShapeKind.ANY)
    pairs = ((key.text, reader.read(child, inner, place)) for key, child in node)
    return {name: value for name, value in pairs if value is not BAD}


def _record(reader: Reader, node: Node, shape: Shape, place: Place) -> object:
    return reader.fields(node, shape.fields, place, what=shape.doc or "this mapping")


def _union(reader: Reader, node: Node, shape: Shape, place: Place) -> object:
    """The first option without a problem; when there is none, the problems of the one that fits the node's form best."""
    best: list[Problem] | None = None
    for option in shape.options:
        before = len(reader.problems)
        value = reader.read(node, option, place)
        problems = reader.problems[before:]
        del reader.problems[before:]
        if not problems:
            return value
        if best is None or _fits(node, option):
            best = problems
    words = [c for o in shape.options for c in o.choices]
    if words and isinstance(node, Scalar):
        kinds = [o.kind.value for o in shape.options if o.kind is not ShapeKind.CHOICE]
        return reader.wrong(
            node, f"{describe(node)} does not fit here", f"{' or '.join(kinds)}, or one of: {', '.join(words)}"
        )
    reader.problems += best or []
    return BAD


def _fits(node: Node, shape: Shape) -> bool:
    if isinstance(node, MappingNode):
        return shape.kind in (ShapeKind.RECORD, ShapeKind.MAPPING)
    if isinstance(node, Sequence):
        return shape.kind is ShapeKind.LIST and not shape.lenient
    return False


def _request(reader: Reader, node: Node, shape: Shape, place: Place) -> object:
    if not isinstance(node, MappingNode) or place.request is None:
        return reader.wrong(
            node, f"a probe is wanted here, not {describe(node)}", "for example {http: GET /x, at: web}"
        )
    return place.request(node)


def _check(reader: Reader, node: Node, shape: Shape, place: Place) -> object:
    if not isinstance(node, MappingNode) or place.check is None:
        hint = "for example {http: GET /x, at: web, expect: status == 200}"
        return reader.wrong(node, f"a check is wanted here, not {describe(node)}", hint)
    return place.check(node)


def _any(reader: Reader, node: Node, shape: Shape, place: Place) -> object:
    if isinstance(node, MappingNode):
        pairs = ((reader.template(key, place), _any(reader, child, shape, place)) for key, child in node)
        return {k: v for k, v in pairs if k is not BAD and v is not BAD}
    if isinstance(node, Sequence):
        return [v for v in (_any(reader, item, shape, place) for item in node.items) if v is not BAD]
    if not isinstance(node, Scalar):
        return BAD
    if node.plain and "$" in node.text:
        value = reader.value(node)
        return reader.template(node, place) if isinstance(value, str) else value
    value = node.value
    return reader.template(node, place) if isinstance(value, str) else value


_READERS: Final[Mapping[ShapeKind, Callable[[Reader, Node, Shape, Place], object]]] = {
    ShapeKind.TEXT: _text,
    ShapeKind.INTEGER: _integer,
    ShapeKind.NUMBER: _number,
    ShapeKind.BOOLEAN: _boolean,
    ShapeKind.QUANTITY: _quantity,
    ShapeKind.CHOICE: _choice,
    ShapeKind.IDENTIFIER: _identifier,
    ShapeKind.CONDITION: _condition,
    ShapeKind.PATH: _path,
    ShapeKind.TARGET: _target,
    ShapeKind.REFERENCE: _reference,
    ShapeKind.LIST: _list,
    ShapeKind.MAPPING: _mapping,
    ShapeKind.RECORD: _record,
    ShapeKind.UNION: _union,
    ShapeKind.REQUEST: _request,
    ShapeKind.CHECK: _check,
    ShapeKind.ANY: _any,
}
