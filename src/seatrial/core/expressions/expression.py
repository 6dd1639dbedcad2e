"""Compiled expressions."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

from .checking import check, check_condition
from .evaluation import getter, judge_of
from .outcomes import Judgement, Missing
from .parser import read
from .problems import ExpressionError, ExpressionProblem
from .syntax import Call, Compare, Filled, Junction, ListLiteral, Literal, Node, Not, Path, unparse, walk
from .types import ANYTHING, Scope, Type

MAX_LENGTH: Final = 10_000


class Expression:
    """A condition or a path, read and checked; immutable, and equal to others of the same tree. Picklable.

    `source` is the text as it was written, `names` the root names that it uses, in order.
    """

    __slots__ = ("_get", "_judge", "_names", "_source", "_tree", "_type")

    def __init__(self, source: str, tree: Node, kind: Type) -> None:
        self._source = source
        self._tree = tree
        self._type = kind
        self._names = tuple(dict.fromkeys(n.root for n in walk(tree) if isinstance(n, Path)))
        self._judge: Callable[[Mapping[str, object]], Judgement] = judge_of(tree)
        self._get: Callable[[Mapping[str, object]], object] = getter(tree)

    @property
    def source(self) -> str:
        """The text, as it was written."""
        return self._source

    @property
    def type(self) -> Type:
        """What it gives: BOOL for a condition."""
        return self._type

    @property
    def names(self) -> tuple[str, ...]:
        """The root names that it uses, in the order of their appearance."""
        return self._names

    @property
    def tree(self) -> Node:
        """What was read."""
        return self._tree

    @property
    def is_path(self) -> bool:
        """Whether it only picks a value out: a name with or without steps into it."""
        return isinstance(self._tree, Path)

    @property
    def canonical(self) -> str:
        """The text in its normal form."""
        return unparse(self._tree)

    def evaluate(self, values: Mapping[str, object]) -> Judgement:
        """Judge it as a condition over root names to values; never raises. Unknown where a value is missing or uncertain."""
        return self._judge(values)

    def value(self, values: Mapping[str, object]) -> object | Missing:
        """Its value over root names to values; Missing, with the reason, where there is none."""
        return self._get(values)

    def __str__(self) -> str:
        return self._source

    def __repr__(self) -> str:
        return f"Expression({self._source!r})"

    def __eq__(self, other: object) -> bool:
        return self._tree == other._tree if isinstance(other, Expression) else NotImplemented

    def __hash__(self) -> int:
        return hash(self.canonical)

    def __reduce__(self) -> tuple[object, ...]:
        return Expression, (self._source, self._tree, self._type)


def parse(text: str) -> Expression:
    """An expression over unknown names, all of them ANY. Raises ExpressionError."""
    return _compiled(text, *_checked(text, check, ANYTHING))


def compile_expression(text: str, scope: Scope | None = None) -> Expression:
    """A condition over the names of the scope (None: any names). Raises ExpressionError with all that is wrong."""
    tree, kind, problems = _checked(text, check_condition, scope or ANYTHING)
    if not problems and not any(isinstance(n, Path) for n in walk(tree)):
        problems = [_whole(text, "this names nothing that is measured: it can never change")]
    return _compiled(text, tree, kind, problems)


def compile_path(text: str, scope: Scope | None = None) -> Expression:
    """A value to pick out (`json.id`, `headers.location`, `len(rows)`), of any type. Raises ExpressionError."""
    tree, kind, problems = _checked(text, check, scope or ANYTHING)
    if not problems and not isinstance(tree, Path | Call):
        problems = [_whole(text, f"{_what(tree)} is not a value to pick out", "write its path: json.items[0].id")]
    return _compiled(text, tree, kind, problems)


def _checked(
    text: str, checker: Callable[[Node, Scope], tuple[Type, list[ExpressionProblem]]], scope: Scope
) -> tuple[Node, Type, list[ExpressionProblem]]:
    if len(text) > MAX_LENGTH:
        raise ExpressionError(text, [_whole(text, f"an expression of more than {MAX_LENGTH:,} characters")])
    tree, problems = read(text)
    kind, more = checker(tree, scope)
    return tree, kind, [*problems, *more]


def _compiled(text: str, tree: Node, kind: Type, problems: list[ExpressionProblem]) -> Expression:
    if problems:
        raise ExpressionError(text, problems)
    return Expression(text, tree, kind)


def _whole(text: str, message: str, hint: str = "") -> ExpressionProblem:
    return ExpressionProblem(message=message, offset=0, length=max(1, len(text)), hint=hint)


def _what(node: Node) -> str:
    match node:
        case Compare() | Junction() | Not():
            return "a condition"
        case Literal() | ListLiteral() | Filled():
            return f"the constant {unparse(node)}"
        case _:
            return unparse(node)
