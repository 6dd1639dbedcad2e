"""Assertions that are always true, as they are written."""

from __future__ import annotations

import ast
import operator
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from .asserting import misspelt
from .modules import Module, Test
from .rules import Smell, shown
from .trees import dotted, is_constant, last_name

COMPARE: Mapping[type, Callable[[Any, Any], object]] = {
    ast.Eq: operator.eq, ast.NotEq: operator.ne, ast.Lt: operator.lt, ast.LtE: operator.le, ast.Gt: operator.gt, ast.GtE: operator.ge,
    ast.In: lambda a, b: a in b, ast.NotIn: lambda a, b: a not in b, ast.Is: operator.is_, ast.IsNot: operator.is_not,
}  # fmt: skip
_STATUS = ("status_code", "status", "getcode", "code", "http_status")
_ERRORS = frozenset({"AssertionError", "Exception", "ValueError", "RuntimeError", "TypeError"})
_LOWEST, _HIGHEST = 100, 599
_CASE: Mapping[str, Callable[[ast.expr], ast.expr]] = {
    "assertTrue": lambda given: given,
    "assertFalse": lambda given: ast.UnaryOp(op=ast.Not(), operand=given),
    "assertIsNotNone": lambda given: ast.Compare(left=given, ops=[ast.IsNot()], comparators=[ast.Constant(value=None)]),
    "assertIsNone": lambda given: ast.Compare(left=given, ops=[ast.Is()], comparators=[ast.Constant(value=None)]),
}
_CASE_OF_TWO = {
    "assertEqual": ast.Eq, "assertEquals": ast.Eq, "assertIn": ast.In, "assertNotEqual": ast.NotEq, "assertGreater": ast.Gt,
    "assertGreaterEqual": ast.GtE, "assertLess": ast.Lt, "assertLessEqual": ast.LtE, "assertIs": ast.Is, "assertNotIn": ast.NotIn,
}  # fmt: skip


def asserted(node: ast.AST) -> ast.expr | None:
    """What a node asserts, as a condition: of an assert, and of unittest's methods."""
    if isinstance(node, ast.Assert):
        return node.test
    if not isinstance(node, ast.Call) or any(isinstance(a, ast.Starred) for a in node.args):
        return None
    name = last_name(node)
    if name in _CASE and node.args:
        return ast.copy_location(_CASE[name](node.args[0]), node)
    if name in _CASE_OF_TWO and len(node.args) >= 2:
        made = ast.Compare(left=node.args[0], ops=[_CASE_OF_TWO[name]()], comparators=[node.args[1]])
        return ast.copy_location(made, node)
    return None


def always_true(test: Test) -> Iterator[Smell]:
    """Tautologies, statuses that an error has too, and comparisons that nobody asserts."""
    raising = _inside_of_raises(test)
    for node in test.nodes:
        condition = asserted(node)
        if condition is not None and id(node) not in raising:
            why = tautology(condition, test.module)
            if why:
                hint = "assert what only the right answer has"
                yield Smell(rule="tautology", node=node, message=f"{shown(node)} is always true: {why}", hint=hint)
            elif (status := any_status(condition)) is not None:
                yield status
        yield from _not_asserted(node, raising, test)


def tautology(node: ast.expr, module: Module) -> str:
    """Why a condition is always true; empty where that cannot be told."""
    match node:
        case ast.BoolOp(op=ast.Or(), values=values):
            return next((why for v in values if (why := tautology(v, module))), "") or _opposites(values)
        case ast.BoolOp(op=ast.And(), values=values):
            reasons = [tautology(v, module) for v in values]
            return reasons[0] if all(reasons) else ""
        case ast.Call(func=ast.Name(id="bool"), args=[inner]):
            return tautology(inner, module)
        case ast.Compare(left=left, ops=[op], comparators=[right]):
            return _comparison(left, op, right)
        case ast.Name(id=name) if name in module.functions and not _bound_elsewhere(name, module):
            return f"{name} is a function, and nobody calls it"
        case ast.Attribute() | ast.Call() if misspelt(node):
            return "a mock has all that it is asked for: assert_called_once_with(...)"
        case _:
            return _always_there(node) or ("it is a constant" if is_constant(node) and _value(node) else "")


def _always_there(node: ast.expr) -> str:
    """Why something is true in whatever it holds."""
    match node:
        case ast.Tuple(elts=[_, *_]):
            return "a tuple that is not empty is true; what is asserted stands before the comma, without brackets"
        case ast.List(elts=[_, *_]) | ast.Set(elts=[_, *_]) | ast.Dict(keys=[_, *_]):
            return "what is not empty is true"
        case ast.JoinedStr(values=[_, *_]) if any(isinstance(v, ast.Constant) and v.value for v in node.values):
            return "a text that is not empty is true"
        case ast.Lambda() | ast.GeneratorExp():
            return "nobody calls it, and it is there"
        case ast.Call(func=ast.Name(id="isinstance"), args=[_, ast.Name(id="object")]):
            return "everything is an object"
        case ast.Call(func=ast.Name(id="all"), args=[ast.List(elts=[]) | ast.Tuple(elts=[])]):
            return "all of nothing"
        case _:
            return ""


def _bound_elsewhere(name: str, module: Module) -> bool:
    return any(
        (isinstance(n, ast.Name) and n.id == name and not isinstance(n.ctx, ast.Load))
        or (isinstance(n, ast.arg) and n.arg == name)
        for n in ast.walk(module.file.tree)
    )


def _comparison(left: ast.expr, op: ast.cmpop, right: ast.expr) -> str:
    if is_constant(left) and is_constant(right):
        try:
            return "it holds constants against each other" if COMPARE[type(op)](_literal(left), _literal(right)) else ""
        except (TypeError, ValueError):
            return ""
    if isinstance(op, ast.Eq | ast.Is | ast.LtE | ast.GtE) and _still(left) and ast.dump(left) == ast.dump(right):
        return f"{shown(left)} is itself"
    among = right.elts if isinstance(op, ast.In) and isinstance(right, ast.List | ast.Tuple | ast.Set) else []
    if _still(left) and any(ast.dump(left) == ast.dump(e) for e in among):
        return f"{shown(left)} is in a list of itself"
    if isinstance(op, ast.IsNot) and isinstance(right, ast.Constant) and right.value is None and _never_none(left):
        return f"{shown(left)} is never None"
    return _length(left, op, right)


def _length(left: ast.expr, op: ast.cmpop, right: ast.expr) -> str:
    """``len(x) >= 0`` and its like."""
    if isinstance(right, ast.Call) and not isinstance(left, ast.Call):
        flipped: dict[type, type] = {ast.Lt: ast.Gt, ast.LtE: ast.GtE, ast.Gt: ast.Lt, ast.GtE: ast.LtE}
        left, right, kind = right, left, flipped.get(type(op), type(op))
    else:
        kind = type(op)
    counts = isinstance(left, ast.Call) and isinstance(left.func, ast.Name) and left.func.id == "len"
    bound = _value(right) if is_constant(right) else None
    if not counts or isinstance(bound, bool) or not isinstance(bound, int | float):
        return ""
    always = (kind is ast.GtE and bound <= 0) or (kind is ast.Gt and bound < 0) or (kind is ast.NotEq and bound < 0)
    return "no length is below zero" if always else ""


def _still(node: ast.expr) -> bool:
    """Whether it is the same each time that it is asked: names, attributes, indexes and constants alone."""
    kinds = ast.Name | ast.Attribute | ast.Subscript | ast.Constant | ast.expr_context | ast.UnaryOp | ast.unaryop
    return all(isinstance(n, kinds) for n in ast.walk(node)) and any(isinstance(n, ast.Name) for n in ast.walk(node))


def _never_none(node: ast.expr) -> bool:
    if isinstance(node, ast.Constant):
        return node.value is not None
    literal = isinstance(
        node, ast.JoinedStr | ast.List | ast.Dict | ast.Tuple | ast.Set | ast.ListComp | ast.DictComp | ast.Compare
    )
    called = (
        isinstance(node, ast.Call)
        and isinstance(node.func, ast.Name)
        and node.func.id in ("len", "str", "list", "dict", "bool", "set")
    )
    return literal or called


def _opposites(values: list[ast.expr]) -> str:
    """``x is None or x is not None``, ``x or not x``."""
    pairs = {ast.Is: ast.IsNot, ast.Eq: ast.NotEq, ast.In: ast.NotIn, ast.Lt: ast.GtE, ast.Gt: ast.LtE}
    for one in values:
        for other in values:
            match one, other:
                case ast.UnaryOp(op=ast.Not(), operand=inner), _ if _still(other) and ast.dump(inner) == ast.dump(
                    other
                ):
                    return "one or its contrary always holds"
                case ast.Compare(left=a, ops=[o], comparators=[b]), ast.Compare(left=c, ops=[p], comparators=[d]):
                    same = ast.dump(a) == ast.dump(c) and ast.dump(b) == ast.dump(d)
                    if (
                        same
                        and pairs.get(type(o)) is type(p)
                        and not isinstance(o, ast.Lt | ast.Gt)
                        and _still_or_constant(a)
                    ):
                        return "one or its contrary always holds"
                case _:
                    pass
    return ""


def _still_or_constant(node: ast.expr) -> bool:
    return _still(node) or is_constant(node)


def any_status(condition: ast.expr) -> Smell | None:
    """A condition over a status alone that holds for 200 and for 500 alike."""
    reads = [n for n in ast.walk(condition) if _is_status(n)]
    if len({ast.dump(n) for n in reads}) != 1:
        return None
    status = reads[0]
    hint = "assert response.status_code == 200"
    sure = "status_code" in ast.dump(status)
    if sure and (condition is status or _is_not_none(condition, status)):
        message = f"{shown(condition)}: every answer has a status"
        return Smell(rule="any-status", node=condition, message=message, hint=hint)
    good = next((s for s in (200, 201, 204) if _holds(condition, status, s) is True), None)
    if good is None or _holds(condition, status, 500) is not True:
        return None
    certain = not isinstance(condition, ast.Compare) or not isinstance(condition.ops[0], ast.NotEq | ast.NotIn)
    message = f"{shown(condition)} holds for 500 as it does for {good}"
    return Smell(rule="any-status", node=condition, message=message, hint=hint, certain=certain)


def _is_status(node: ast.AST) -> bool:
    match node:
        case ast.Attribute(attr=name) | ast.Call(func=ast.Attribute(attr=name), args=[]) if name in _STATUS:
            return name != "code" and not (isinstance(node, ast.Attribute) and name == "getcode")
        case ast.Name(id="status_code" | "http_status"):
            return True
        case _:
            return False


def _is_not_none(condition: ast.expr, status: ast.AST) -> bool:
    match condition:
        case ast.Compare(left=left, ops=[ast.IsNot()], comparators=[ast.Constant(value=None)]):
            return left is status
        case _:
            return False


def _holds(node: ast.expr, status: ast.AST, value: int) -> object:
    """What a condition comes to for a status; None where it says something of other things, too."""
    match node:
        case ast.BoolOp(op=op, values=values):
            found = [_holds(v, status, value) for v in values]
            if None in found:
                return None
            return all(found) if isinstance(op, ast.And) else any(found)
        case ast.UnaryOp(op=ast.Not(), operand=inner):
            found_inner = _holds(inner, status, value)
            return None if found_inner is None else not found_inner
        case ast.Compare(left=left, ops=ops, comparators=comparators):
            sides = [_side(s, status, value) for s in (left, *comparators)]
            bounds = [_side(s, status, value) for s in (left, *comparators) if ast.dump(s) != ast.dump(status)]
            numbers = [n for s in bounds for n in (s if isinstance(s, tuple | range) else (s,))]
            if (
                None in sides
                or not numbers
                or not all(isinstance(n, int) and _LOWEST <= n <= _HIGHEST + 1 for n in numbers)
            ):
                return None
            try:
                return all(COMPARE[type(o)](a, b) for o, a, b in zip(ops, sides, sides[1:], strict=False))
            except TypeError:
                return None
        case _:
            return None


def _side(node: ast.expr, status: ast.AST, value: int) -> Any:
    if ast.dump(node) == ast.dump(status):
        return value
    match node:
        case ast.Constant(value=int() as number):
            return number
        case ast.Tuple(elts=elts) | ast.List(elts=elts) | ast.Set(elts=elts):
            return tuple(e.value if isinstance(e, ast.Constant) else None for e in elts)
        case ast.Call(
            func=ast.Name(id="range"), args=[ast.Constant(value=int() as low), ast.Constant(value=int() as high)]
        ):
            return range(low, high)
        case _:
            return None


def _not_asserted(node: ast.AST, raising: frozenset[int], test: Test) -> Iterator[Smell]:
    match node:
        case ast.Expr(value=ast.Compare() as compared) if id(node) not in raising:
            message = f"{shown(compared)} is compared, and nobody asserts it"
            yield Smell(rule="not-asserted", node=node, message=message, hint="assert before it")
        case ast.Expr(value=ast.Call() as call) if misspelt(call):
            message = f"{shown(call)} checks nothing: a mock has any method that it is asked for"
            yield Smell(
                rule="not-asserted", node=node, message=message, hint=f"{last_name(call)} with assert_ before it"
            )
        case ast.Expr(value=ast.Call(func=ast.Name(id="expect"), args=[_])) if "expect" in test.module.imports:
            message = f"{shown(node)} expects nothing yet"
            yield Smell(
                rule="not-asserted", node=node, message=message, hint="say what: .to_be_visible(), .to_equal(...)"
            )
        case ast.Expr(value=ast.Call(args=[_], keywords=[]) as call) if _raises_nothing(call):
            message = f"{shown(call)} waits for no error: nothing is done in it"
            yield Smell(rule="not-asserted", node=node, message=message, hint=f"with {dotted(call.func)}(...):")
        case ast.Expr(value=ast.Call(func=func) as call) if dotted(func) in _ERRORS:
            message = f"{shown(call)} is made, and nobody raises it"
            yield Smell(rule="not-asserted", node=node, message=message, hint="raise before it")
        case ast.Return(value=ast.Compare() as compared):
            message = f"the test returns {shown(compared)}: nobody looks at it"
            yield Smell(rule="not-asserted", node=node, message=message, hint="assert in place of return")
        case _:
            pass


def _raises_nothing(call: ast.Call) -> bool:
    return dotted(call.func) in ("pytest.raises", "pytest.warns", "self.assertRaises", "self.assertWarns")


def _inside_of_raises(test: Test) -> frozenset[int]:
    """Nodes within `with` and `try`: a comparison there is to raise something."""
    found: set[int] = set()
    for node in test.nodes:
        if isinstance(node, ast.With | ast.AsyncWith | ast.Try):
            manages = isinstance(node, ast.Try) or any(isinstance(i.context_expr, ast.Call) for i in node.items)
            if manages:
                found |= {id(n) for s in node.body for n in ast.walk(s) if isinstance(n, ast.Expr)}
    return frozenset(found)


def _literal(node: ast.expr) -> Any:
    return ast.literal_eval(node)


def _value(node: ast.expr) -> Any:
    try:
        return ast.literal_eval(node)
    except (ValueError, TypeError, SyntaxError, MemoryError, RecursionError):
        return None
