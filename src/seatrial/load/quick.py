"""Conditions that are plainly true, seen in well under a microsecond.

`Expression.evaluate` takes several, because it says what was measured; a user's steps need that only for what is not as expected.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import reduce

from ..core.expressions import Expression
from ..core.expressions.syntax import Compare, Junction, Literal, Node
from ..core.expressions.syntax import Path as PathNode
from ..core.expressions.values import OPERATORS
from .filling import pick_of

Values = Mapping[str, object]
Test = Callable[[Values], bool]
_NUMBERS = (int, float)


def surely(condition: Expression) -> Test:
    """A function that is True only where the condition is true; where it is False nobody knows."""
    return _test(condition.tree) or (lambda _: False)


def _test(node: Node) -> Test | None:
    match node:
        case Junction():
            tests = [_test(n) for n in node.operands]
            sure = [t for t in tests if t is not None]
            if node.operator == "or":
                return reduce(_either, sure) if sure else None
            return reduce(_both, sure) if len(sure) == len(tests) else None
        case Compare() if node.operator in OPERATORS:
            return _compare(node)
        case _:
            return None


def _both(one: Test, other: Test) -> Test:
    return lambda values: one(values) and other(values)


def _either(one: Test, other: Test) -> Test:
    return lambda values: one(values) or other(values)


def _compare(node: Compare) -> Test | None:
    left, right = _operand(node.left), _operand(node.right)
    if left is None or right is None:
        return None
    holds, unequal, by_kind = OPERATORS[node.operator], node.operator == "!=", node.operator in ("==", "!=")

    def test(values: Values) -> bool:
        a, b = left(values), right(values)
        kind, other = type(a), type(b)
        if kind is str or kind is bool:
            return (by_kind and holds(a, b)) if other is kind else (unequal and b is None and kind is str)
        # NaN is no number, so it is not even unequal to one
        return kind in _NUMBERS and other in _NUMBERS and a == a and b == b and holds(a, b)

    return test


def _operand(node: Node) -> Callable[[Values], object] | None:
    if isinstance(node, Literal):
        constant = node.value
        return lambda _: constant
    return pick_of(node) if isinstance(node, PathNode) else None
