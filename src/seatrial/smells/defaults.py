"""What stands in for an answer where there was none, and meets the assertion: a helper that falls back on 0, and `assert helper() >= 0`."""

from __future__ import annotations

import ast
import copy
from collections.abc import Iterator, Sequence

from .asserting import target
from .modules import Module, Test
from .rules import Smell, shown
from .trees import Function, dotted, is_constant, walk_own
from .truths import COMPARE, asserted

_ALL = frozenset(
    {
        "Exception",
        "BaseException",
        "OSError",
        "ConnectionError",
        "HTTPError",
        "RequestException",
        "TransportError",
        "ConnectError",
    }
)


def met_by_defaults(test: Test) -> Iterator[Smell]:
    """Assertions that hold for what is there when an error was caught."""
    helped = {id(c): f for c in test.nodes if isinstance(c, ast.Call) and (f := _fallback_of(c, test)) is not None}
    named = {
        n.targets[0].id: helped[id(n.value)]
        for n in test.nodes
        if isinstance(n, ast.Assign) and isinstance(n.targets[0], ast.Name) and id(n.value) in helped
    }
    own = _own_defaults(test)
    for node in test.nodes:
        condition = asserted(node)
        if condition is None:
            continue
        for part in ast.walk(condition):
            if id(part) in helped:
                value, where = helped[id(part)]
                yield from _said(
                    node,
                    condition,
                    part,
                    value,
                    f"{shown(part)} gives {shown(value)} when it fails (line {where})",
                    "masking-retry",
                )
            elif isinstance(part, ast.Name) and part.id in named:
                value, where = named[part.id]
                yield from _said(
                    node,
                    condition,
                    part,
                    value,
                    f"{part.id} is {shown(value)} when it fails (line {where})",
                    "masking-retry",
                )
            elif isinstance(part, ast.Name) and part.id in own:
                value, where = own[part.id]
                if where < node.lineno:  # type: ignore[attr-defined]
                    why = f"{part.id} is {shown(value)} when it fails (line {where})"
                    yield from _said(node, condition, part, value, why, "swallowed-failure")


def _said(node: ast.AST, condition: ast.expr, part: ast.AST, value: ast.expr, why: str, rule: str) -> Iterator[Smell]:
    only = isinstance(condition, ast.Compare) and all(isinstance(o, ast.Eq | ast.Is) for o in condition.ops)
    only = only or (isinstance(condition, ast.UnaryOp) and isinstance(condition.op, ast.Not))
    if not only and _holds(_with(condition, part, value)):  # what is to be the default is a test of the failure itself
        yield Smell(
            rule=rule, node=node, message=f"{why}, and that is right here, too: {shown(condition)}", hint="let it fail"
        )


class _Puts(ast.NodeTransformer):
    def __init__(self, wanted: str, value: ast.expr) -> None:
        self._wanted, self._value = wanted, value

    def visit(self, node: ast.AST) -> ast.AST:
        return self._value if ast.dump(node) == self._wanted else super().generic_visit(node)


def _with(condition: ast.expr, part: ast.AST, value: ast.expr) -> ast.expr:
    made = _Puts(ast.dump(part), value).visit(copy.deepcopy(condition))
    assert isinstance(made, ast.expr)
    return made


def _holds(node: ast.expr) -> bool:
    """Whether a condition of constants is true; False where it is not of constants alone."""
    match node:
        case ast.BoolOp(op=ast.And(), values=values):
            return all(map(_holds, values))
        case ast.BoolOp(op=ast.Or(), values=values):
            return any(map(_holds, values))
        case ast.Compare(left=left, ops=ops, comparators=comparators) if all(map(is_constant, (left, *comparators))):
            try:
                sides = [ast.literal_eval(s) for s in (left, *comparators)]
                return all(COMPARE[type(o)](a, b) for o, a, b in zip(ops, sides, sides[1:], strict=False))
            except (TypeError, ValueError):
                return False
        case _:
            try:
                return is_constant(node) and bool(ast.literal_eval(node))
            except (TypeError, ValueError):
                return False


def _takes_all(handler: ast.ExceptHandler) -> bool:
    nodes = (
        handler.type.elts if isinstance(handler.type, ast.Tuple) else [handler.type] if handler.type is not None else []
    )
    return not nodes or any(dotted(n).rpartition(".")[2] in _ALL for n in nodes)


def _goes_on(handler: ast.ExceptHandler) -> bool:
    return not any(isinstance(n, ast.Raise | ast.Return | ast.Assert) for n in walk_own(handler.body)) and not any(
        isinstance(n, ast.Call) and dotted(n.func).endswith(("fail", "skip", "exit")) for n in walk_own(handler.body)
    )


def _fallback_of(call: ast.Call, test: Test) -> tuple[ast.expr, int] | None:
    """What a helper gives where an error was caught, and the line of its handler."""
    found = target(call, test.module, test.inside)
    return _fallback(found[1]) if found is not None and _is_of_tests(found[0], test) else None


def _is_of_tests(module: Module, test: Test) -> bool:
    """Whether a module belongs to the tests, and not to what is tested."""
    path, own = module.file.path.resolve(), test.module.file.path.resolve()
    return path.parent == own.parent or any(p.startswith(("test", "conftest", "e2e")) for p in path.parts[-3:])


def _fallback(function: Function) -> tuple[ast.expr, int] | None:
    for node in walk_own(function.body):
        for handler in node.handlers if isinstance(node, ast.Try) else ():
            if not _takes_all(handler):
                continue
            last: Sequence[ast.stmt] = handler.body if isinstance(handler.body[-1], ast.Return) else function.body
            if last is function.body and not _goes_on(handler):
                continue
            match last[-1]:
                case ast.Return(value=ast.expr() as value) if is_constant(value):
                    return value, handler.lineno
                case _:
                    pass
    return None


def _own_defaults(test: Test) -> dict[str, tuple[ast.expr, int]]:
    """Names that hold a constant when what a `try` of the test does to them has failed."""
    found: dict[str, tuple[ast.expr, int]] = {}
    for node in test.nodes:
        if not isinstance(node, ast.Try) or node.orelse:
            continue
        tried = {
            t.id for n in walk_own(node.body) if isinstance(n, ast.Assign) for t in n.targets if isinstance(t, ast.Name)
        }
        for handler in node.handlers:
            if not _takes_all(handler) or not _goes_on(handler):
                continue
            for name in tried:
                value = _constant_of(name, handler.body) or _constant_before(name, node, test)
                if value is not None:
                    found[name] = (value, handler.lineno)
    return found


def _constant_of(name: str, body: Sequence[ast.stmt]) -> ast.expr | None:
    values = [
        s.value
        for s in body
        if isinstance(s, ast.Assign) and any(isinstance(t, ast.Name) and t.id == name for t in s.targets)
    ]
    return values[-1] if values and is_constant(values[-1]) else None


def _constant_before(name: str, tried: ast.Try, test: Test) -> ast.expr | None:
    """What it was bound to before, where that is a constant, and where nothing else is bound to it afterwards."""
    inside = {id(n) for n in walk_own(tried.body)}
    bound = [
        n
        for n in test.nodes
        if isinstance(n, ast.Name) and n.id == name and isinstance(n.ctx, ast.Store) and id(n) not in inside
    ]
    before = [s for s in test.function.body if s.lineno < tried.lineno]
    return _constant_of(name, before) if len(bound) == 1 else None
