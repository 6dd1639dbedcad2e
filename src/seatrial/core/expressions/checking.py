"""Checks the types of an expression when it is compiled, and says what to write instead."""

from __future__ import annotations

import re
from collections.abc import Iterable

from ..quantities import UNITS, Dimension, Quantity, format_duration
from .problems import ExpressionProblem, did_you_mean, listing
from .syntax import (
    FUNCTIONS,
    Broken,
    Call,
    Compare,
    Filled,
    Junction,
    ListLiteral,
    Literal,
    Node,
    Not,
    Part,
    Path,
    path_text,
    unparse,
)
from .types import Kind, Scope, Type

_ORDER = ("<", "<=", ">", ">=")


def check(node: Node, scope: Scope) -> tuple[Type, list[ExpressionProblem]]:
    """The type of the whole, and every problem; parts with a problem count as ANY, so that none is reported twice."""
    checker = _Checker(scope)
    return checker.type_of(node), checker.problems


def check_condition(node: Node, scope: Scope) -> tuple[Type, list[ExpressionProblem]]:
    """As `check`, for what must be true or false."""
    checker = _Checker(scope)
    checker.condition(node)
    return Type.BOOL, checker.problems


class _Checker:
    def __init__(self, scope: Scope) -> None:
        self.scope = scope
        self.problems: list[ExpressionProblem] = []

    def note(self, place: Node | Part, message: str, hint: str = "") -> Type:
        self.problems.append(ExpressionProblem(message=message, offset=place.offset, length=place.length, hint=hint))
        return Type.ANY

    def type_of(self, node: Node) -> Type:
        match node:
            case Literal():
                return _literal_type(node)
            case ListLiteral():
                return Type.list_of(_common([self.type_of(i) for i in node.items]))
            case Path():
                return self.path(node)
            case Filled():
                return self.filled(node)
            case Call():
                return self.call(node)
            case Compare():
                self.compare(node, self.type_of(node.left), self.type_of(node.right))
            case Not():
                self.condition(node.operand)
            case Junction():
                for operand in node.operands:
                    self.condition(operand)
            case Broken():
                for readable in node.inside:
                    self.type_of(readable)
                return Type.ANY
        return Type.BOOL

    def condition(self, node: Node) -> None:
        found = self.type_of(node)
        if found.kind not in (Kind.BOOL, Kind.ANY):
            text = unparse(node)
            hint = _examples(text, found)
            self.note(node, f"{text} is {found}, and neither true nor false", hint)

    # Paths

    def path(self, node: Path) -> Type:
        found = self.scope.get(node.root)
        if found is None:
            return self.unknown_root(node)
        each = False
        for number, part in enumerate(node.parts):
            before = path_text(node.root, (p.key for p in node.parts[:number]))
            found = self.step(part, found, before)
            each = each or not isinstance(part.key, str | int)
        return Type.list_of(found) if each else found

    def unknown_root(self, node: Path) -> Type:
        names = self.scope.names
        deeper = [f"{r}.{node.root}" for r, t in names.items() if t.kind is Kind.RECORD and node.root in t.fields]
        guess = f'Did you mean "{deeper[0]}"?' if deeper else did_you_mean(node.root, names)
        known = f"names here: {listing(names, 30)}." if names else "there are no names here."
        place = Path(root=node.root, offset=node.offset, length=len(node.root))
        return self.note(place, f'unknown name "{node.root}"', f"{known} {guess}".rstrip())

    def step(self, part: Part, of: Type, before: str) -> Type:
        key = part.key
        if of.kind is Kind.ANY:
            return Type.ANY
        if of.kind is Kind.RECORD:
            if not isinstance(key, str):
                return self.note(part, f"{before} is a record, not a list", f"names in it: {listing(of.fields)}")
            return of.fields[key] if key in of.fields else self.unknown_field(part, key, of, before)
        if of.kind is Kind.LIST and of.of is not None:
            if isinstance(key, str):
                return self.note(part, f"{before} is a list", f"pick an item, {before}[0], or all of them, {before}[*]")
            return of.of
        if of.kind is Kind.MAP and of.of is not None:
            if isinstance(key, int):
                return self.note(part, f"{before} is a mapping, not a list", f'name a key: {before}["{key}"]')
            return of.of
        return self.note(part, f"{before} is {of} and has no parts")

    def unknown_field(self, part: Part, key: str, of: Type, before: str) -> Type:
        hint = f"in {before}: {listing(of.fields, 40)}. {did_you_mean(key, of.fields)}".rstrip()
        return self.note(part, f'{before} has no "{key}"', hint)

    def filled(self, node: Filled) -> Type:
        for piece in node.pieces:
            if isinstance(piece, Path):
                inner = _Checker(self.scope)
                inner.path(piece)
                for problem in inner.problems:
                    self.note(node, problem.message, problem.hint)
        return Type.TEXT

    # Functions

    def call(self, node: Call) -> Type:
        if node.function in ("any", "all"):
            return self.quantified(node)
        types = [self.type_of(a) for a in node.arguments]
        if node.function == "len":
            if len(types) != 1:
                return self.note(node, "len takes one value", FUNCTIONS["len"])
            if types[0].kind not in (Kind.LIST, Kind.MAP, Kind.TEXT, Kind.ANY):
                self.note(node.arguments[0], f"{unparse(node.arguments[0])} is {types[0]} and has no length")
            return Type.NUMBER
        return self.extreme(node, types)

    def extreme(self, node: Call, types: list[Type]) -> Type:
        if not types:
            return self.note(node, f"{node.function} of nothing", FUNCTIONS[node.function])
        if len(types) > 1:
            of = _common(types)
        elif types[0].kind is Kind.LIST and types[0].of is not None:
            of = types[0].of
        elif types[0].kind is Kind.ANY:
            return Type.ANY
        else:
            return self.note(node, f"{node.function} takes a list or several values", FUNCTIONS[node.function])
        if len(types) > 1 and of.kind is Kind.ANY and any(t.kind is not Kind.ANY for t in types):
            known = {t for t in types if t.kind is not Kind.ANY}
            if len(known) > 1:
                self.note(
                    node, f"{node.function} of {' and '.join(sorted(map(str, known)))}", "give values of one kind"
                )
        elif of.kind not in (Kind.QUANTITY, Kind.ANY):
            self.note(node, f"{node.function} orders quantities, not {of}")
        return of

    def quantified(self, node: Call) -> Type:
        if len(node.arguments) != 1:
            self.note(node, f"{node.function} takes one argument", FUNCTIONS[node.function])
            return Type.BOOL
        argument = node.arguments[0]
        subject = argument.left if isinstance(argument, Compare) else argument
        found = self.type_of(subject)
        if found.kind is Kind.LIST and found.of is not None:
            item = found.of
        elif found.kind is Kind.ANY:
            item = Type.ANY
        else:
            self.note(
                subject,
                f"{node.function} looks at each item of a list; {unparse(subject)} is {found}",
                FUNCTIONS[node.function],
            )
            return Type.BOOL
        if isinstance(argument, Compare):
            self.compare(argument, item, self.type_of(argument.right), f"an item of {unparse(subject)}")
        elif item.kind not in (Kind.BOOL, Kind.ANY):
            self.note(
                subject,
                f"the items of {unparse(subject)} are {item}, not true or false",
                f"compare them: {node.function}({unparse(subject)} == ...)",
            )
        return Type.BOOL

    # Comparisons

    def compare(self, node: Compare, left: Type, right: Type, called: str = "") -> None:
        if node.operator == "matches":
            self.matches(node, left, called)
        elif node.operator == "in":
            self.member(node, left, right, called)
        else:
            self.comparable(node, node.left, left, node.right, right, called)

    def matches(self, node: Compare, left: Type, called: str) -> None:
        if left.kind not in (Kind.TEXT, Kind.ANY):
            self.note(node.left, f"{called or unparse(node.left)} is {left}; matches looks into text")
        pattern = node.right
        if not (isinstance(pattern, Literal) and isinstance(pattern.value, str)):
            self.note(pattern, "a quoted regular expression is wanted after matches", 'body matches "^ok"')
            return
        try:
            re.compile(pattern.value)
        except (re.error, OverflowError, RecursionError) as error:
            self.note(pattern, f"not a regular expression: {error}")

    def member(self, node: Compare, left: Type, right: Type, called: str) -> None:
        if isinstance(node.right, ListLiteral):
            for item in node.right.items:
                self.comparable(node, node.left, left, item, self.type_of_quietly(item), called, "==")
        elif right.kind is Kind.LIST and right.of is not None:
            if _clash(left, right.of):
                self.note(
                    node, f"{called or unparse(node.left)} is {left}; the items of {unparse(node.right)} are {right.of}"
                )
        elif right.kind in (Kind.TEXT, Kind.MAP, Kind.RECORD):
            if left.kind not in (Kind.TEXT, Kind.ANY):
                self.note(node.left, f"{called or unparse(node.left)} is {left}; only text can be in {right}")
        elif right.kind is not Kind.ANY:
            self.note(
                node.right, f"{unparse(node.right)} is {right}; in looks into a list, a mapping or text", "x in [1, 2]"
            )

    def type_of_quietly(self, node: Node) -> Type:
        return _Checker(self.scope).type_of(node)

    def comparable(
        self, node: Compare, a: Node, left: Type, b: Node, right: Type, called: str, operator: str = ""
    ) -> None:
        operator = operator or node.operator
        first, second = called or unparse(a), unparse(b)
        for place, text, kind in ((a, first, left), (b, second, right)):
            if kind.kind is Kind.RECORD:
                self.note(
                    place, f"{text} is a record", f"choose one: {listing((f'{text}.{f}' for f in kind.fields), 20)}"
                )
                return
        if operator in _ORDER:
            for place, text, kind in ((a, first, left), (b, second, right)):
                if kind.kind not in (Kind.QUANTITY, Kind.ANY):
                    self.note(place, f"{text} is {kind} and has no order", _order_hint(kind, text, operator))
                    return
        if Kind.NULL in (left.kind, right.kind) or not _clash(left, right):
            self.words(a, left, b, right)
            return
        self.clash(node, (a, first, left), (b, second, right))

    def words(self, a: Node, left: Type, b: Node, right: Type) -> None:
        """A text that can only be one of a few words is compared with one of them."""
        for kind, other in ((left, b), (right, a)):
            if (
                kind.choices
                and isinstance(other, Literal)
                and isinstance(other.value, str)
                and other.value not in kind.choices
            ):
                hint = f"possible: {', '.join(kind.choices)}. {did_you_mean(other.value, kind.choices)}".rstrip()
                self.note(other, f"it is never {unparse(other)}", hint)

    def clash(self, node: Compare, one: tuple[Node, str, Type], two: tuple[Node, str, Type]) -> None:
        (a, first, left), (b, second, right) = one, two
        if isinstance(a, Literal) and not isinstance(b, Literal):
            (a, first, left), (b, second, right) = two, one
        if left.kind is Kind.QUANTITY and isinstance(b, Literal) and (better := _rewrite(b, left)):
            self.note(b, f"{first} is {left}: write {better}", _units(left))
        elif left.kind is Kind.TEXT and isinstance(b, Literal):
            self.note(b, f"{first} is text and {second} is {right}", f'write "{second}"')
        elif left.kind is Kind.LIST:
            self.note(
                node,
                f"{first} is {left} and {second} is {right}",
                f"write {second} in {first}, all({first} {node.operator} {second}), or len({first})",
            )
        else:
            hint = f"write {first}, or not {first}" if left.kind is Kind.BOOL else ""
            place = b if isinstance(b, Literal) else node
            self.note(place, f"{first} is {left} and {second} is {right}: they cannot be compared", hint)


def _literal_type(node: Literal) -> Type:
    value = node.value
    if value is None:
        return Type.NULL
    if isinstance(value, bool):
        return Type.BOOL
    if isinstance(value, str):
        return Type.TEXT
    return Type.quantity(value.dimension) if isinstance(value, Quantity) else Type.NUMBER


def _common(types: Iterable[Type]) -> Type:
    """The type of all of them, ANY where they differ."""
    each = list(types)
    same = bool(each) and all(not _differ(t, each[0]) for t in each)
    return each[0] if same else Type.ANY


def _differ(one: Type, two: Type) -> bool:
    return one.kind is not two.kind or one.dimension is not two.dimension or one.of != two.of


def _clash(left: Type, right: Type) -> bool:
    """Whether no value of the one can ever equal one of the other."""
    if Kind.ANY in (left.kind, right.kind):
        return False
    if left.kind is not right.kind:
        return {left.kind, right.kind} != {Kind.MAP, Kind.RECORD}
    if left.kind is Kind.QUANTITY:
        return left.dimension is not right.dimension
    return left.kind is Kind.LIST and left.of is not None and right.of is not None and _clash(left.of, right.of)


def _rewrite(literal: Literal, wanted: Type) -> str:
    """How the literal would be written as a quantity of the wanted dimension; empty where one cannot tell."""
    value, dimension = literal.value, wanted.dimension
    if dimension is Dimension.NUMBER:
        return (
            literal.text.rstrip("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ%/ ")
            if isinstance(value, Quantity)
            else ""
        )
    if isinstance(value, bool) or not isinstance(value, int | float) or dimension is None:
        return ""
    match dimension:
        case Dimension.DURATION:
            return f"{literal.text}ms"
        case Dimension.RATE:
            return f"{literal.text}/s"
        case Dimension.SIZE:
            return f"{literal.text} MiB"
        case Dimension.BANDWIDTH:
            return f"{literal.text} MiB/s"
        case _:
            return f"{value * 100:g}%" if 0 < abs(value) < 1 else f"{literal.text}%"


def _units(wanted: Type) -> str:
    units = UNITS.get(wanted.dimension, {}) if wanted.dimension is not None else {}
    return f"units: {' '.join(units)}" if units else "a number has no unit"


def _order_hint(kind: Type, text: str, word: str) -> str:
    match kind.kind:
        case Kind.LIST:
            return f"write all({text} {word} ...), any({text} {word} ...), or len({text})"
        case Kind.MAP:
            return f"len({text}) has one"
        case Kind.TEXT:
            return "use == != in matches"
        case _:
            return "use == or !="


def _examples(text: str, found: Type) -> str:
    match found.kind:
        case Kind.QUANTITY:
            bound = {
                Dimension.DURATION: format_duration(30e9),
                Dimension.RATIO: "1%",
                Dimension.RATE: "100/s",
                Dimension.SIZE: "64 MiB",
                Dimension.BANDWIDTH: "1 MiB/s",
            }
            return f"compare it: {text} < {bound.get(found.dimension or Dimension.NUMBER, '3')}"
        case Kind.TEXT:
            return f'compare it: {text} == "..."'
        case Kind.LIST | Kind.MAP:
            return f"compare it: len({text}) > 0"
        case Kind.RECORD:
            return f"choose one: {listing((f'{text}.{f}' for f in found.fields), 20)}"
        case _:
            return ""
