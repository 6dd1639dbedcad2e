"""What trees of Python code are asked over and over."""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterator, Sequence

Function = ast.FunctionDef | ast.AsyncFunctionDef
FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)
_APART = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.Lambda)


def walk_own(root: ast.AST | Sequence[ast.AST]) -> Iterator[ast.AST]:
    """All nodes below, in order, without what belongs to functions and classes in between: that runs at another time, or never."""
    stack: list[ast.AST] = list(reversed(root)) if isinstance(root, Sequence) else _below(root)
    while stack:
        node = stack.pop()
        yield node
        if not isinstance(node, _APART):
            stack += _below(node)


def _below(node: ast.AST) -> list[ast.AST]:
    children = list(ast.iter_child_nodes(node))
    if isinstance(node, _APART) and not isinstance(node, ast.Lambda):
        body = set(map(id, getattr(node, "body", ())))
        children = [c for c in children if id(c) in body]
    return list(reversed(children))


def dotted(node: ast.AST) -> str:
    """``a.b.c`` of names and attributes; empty for what begins with anything else."""
    parts: list[str] = []
    while isinstance(node, ast.Attribute):
        parts.append(node.attr)
        node = node.value
    return ".".join([node.id, *reversed(parts)]) if isinstance(node, ast.Name) else ""


def last_name(call: ast.Call) -> str:
    """The last name of what is called: ``get`` of ``client.http.get(...)``."""
    match call.func:
        case ast.Attribute(attr=name) | ast.Name(id=name):
            return name
        case _:
            return ""


def root_name(node: ast.AST) -> str:
    """The name that a chain of attributes, calls and indexes begins with; empty where it is none."""
    while True:
        match node:
            case ast.Name():
                return node.id
            case ast.Attribute() | ast.Subscript() | ast.Starred() | ast.Await():
                node = node.value
            case ast.Call():
                node = node.func
            case _:
                return ""


def loads(node: ast.AST) -> Iterator[str]:
    """The names that are read in it, nested code included."""
    return (n.id for n in ast.walk(node) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Load))


def parameters(function: Function) -> list[str]:
    """The names of its parameters."""
    given = function.args
    found = [a.arg for a in (*given.posonlyargs, *given.args, *given.kwonlyargs)]
    return found + [a.arg for a in (given.vararg, given.kwarg) if a is not None]


def decorators(node: Function | ast.ClassDef) -> Iterator[tuple[str, ast.expr]]:
    """Each as its dotted name, without the call."""
    for decorator in node.decorator_list:
        inner = decorator.func if isinstance(decorator, ast.Call) else decorator
        yield dotted(inner), decorator


def is_constant(node: ast.AST) -> bool:
    """Written out, without a name or a call in it."""
    return all(
        isinstance(
            n,
            ast.Constant | ast.Tuple | ast.List | ast.Set | ast.Dict | ast.UnaryOp | ast.operator | ast.unaryop
            | ast.expr_context | ast.BinOp,
        )
        for n in ast.walk(node)
    )  # fmt: skip


def keyword(call: ast.Call, name: str) -> ast.expr | None:
    """The value of a keyword argument."""
    return next((k.value for k in call.keywords if k.arg == name), None)


def first(found: Iterator[ast.AST], wanted: Callable[[ast.AST], bool]) -> ast.AST | None:
    """The first that is wanted."""
    return next((n for n in found if wanted(n)), None)
