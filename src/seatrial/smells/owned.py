"""Assertions about what the test itself put there: nothing that is tested can change them.

A name is the test's own when all that is ever bound to it is written out in the test (or computed from such by functions of Python itself),
and nothing else ever gets hold of it.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator, Sequence

from .modules import Module, Test
from .rules import Smell, shown
from .trees import dotted, is_constant, last_name, parameters, walk_own
from .truths import asserted, tautology

_PURE = frozenset(
    {"len", "sorted", "set", "list", "dict", "tuple", "frozenset", "isinstance", "any", "all", "sum", "min", "max", "str", "int", "float",
     "bool", "repr", "enumerate", "zip", "range", "reversed", "abs", "round", "type", "print", "map", "filter"}
)  # fmt: skip
_METHODS = frozenset(
    {"append", "add", "extend", "update", "insert", "remove", "discard", "pop", "clear", "sort", "reverse", "setdefault", "keys", "values",
     "items", "get", "copy", "count", "index", "startswith", "endswith", "lower", "upper", "strip", "split", "join", "format", "replace",
     "title", "isdigit", "union", "intersection", "difference", "issubset", "issuperset"}
)  # fmt: skip

_Bound = dict[str, list[ast.expr | None]]


def own_data(test: Test) -> Iterator[Smell]:
    """Assertions of which every name is the test's own."""
    if not any(asserted(n) is not None for n in test.nodes):
        return
    owned = _owned(test)
    for node in test.nodes:
        condition = asserted(node)
        if condition is None or tautology(condition, test.module):
            continue
        names = {n.id for n in ast.walk(condition) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Load)} - _PURE
        bound = {n.id for n in ast.walk(condition) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store)}
        if isinstance(node, ast.Call):
            names -= {"self"} if not _reads_self(condition) else set()
        if not names - bound or not names <= owned | bound or not _plain(condition, owned | bound):
            continue
        what = ", ".join(sorted(names - bound))
        message = (
            f"{shown(condition)} is about {what}, which the test itself wrote: nothing that is tested can change it"
        )
        hint = "assert what the system answered"
        yield Smell(rule="own-data", node=node, message=message, hint=hint)


def _reads_self(condition: ast.expr) -> bool:
    return any(isinstance(n, ast.Name) and n.id == "self" for n in ast.walk(condition))


def _owned(test: Test) -> frozenset[str]:
    """The names that are the test's own."""
    body = test.function.body
    candidates = _parametrized(test)
    bound: _Bound = {n: [None] for n in parameters(test.function) if n not in candidates}
    _follow(body, (), bound)
    candidates |= set(bound)
    candidates |= {n for n in _unshared(test.module) if n not in bound}
    candidates -= _escaping(test, candidates)
    while True:  # what is made of what is not the test's own is not its own either
        lost = {
            name
            for name in candidates
            for value in bound.get(name, [test.module.constants.get(name)] if name in test.module.constants else [])
            if value is None or not _plain(value, candidates)
        }
        if not lost:
            return frozenset(candidates)
        candidates -= lost


def _follow(body: Sequence[ast.stmt], depends: tuple[ast.expr | None, ...], bound: _Bound) -> None:
    """All that statements bind; what they depend on (a condition, what a loop goes through) counts as bound with it."""
    for statement in body:
        parts: list[tuple[Sequence[ast.stmt], tuple[ast.expr | None, ...]]] = []
        match statement:
            case ast.If(test=condition) | ast.While(test=condition):
                parts = [(statement.body, (condition,)), (statement.orelse, (condition,))]
            case ast.For(iter=items):
                parts = [(statement.body, (items,)), (statement.orelse, (items,))]
            case ast.Try():
                inner = [statement.body, *(h.body for h in statement.handlers), statement.orelse, statement.finalbody]
                parts = [(b, (None,)) for b in inner]
            case ast.AsyncFor() | ast.TryStar() | ast.Match():
                parts = [([n for n in walk_own(statement) if isinstance(n, ast.stmt)], (None,))]
            case ast.With() | ast.AsyncWith():
                parts = [(statement.body, ())]
            case _:
                pass
        inside = {id(n) for part, _ in parts for n in walk_own(part)}
        for node in walk_own([statement]):
            if id(node) not in inside:
                names = {n: len(v) for n, v in bound.items()}
                _bind(node, bound)
                for name, values in bound.items():
                    if len(values) > names.get(name, 0):
                        values += depends
        for part, why in parts:
            _follow(part, (*depends, *why), bound)


def _bind(node: ast.AST, bound: _Bound) -> None:
    """What a node binds, or puts into something; None for what is not known."""
    match node:
        case ast.Call(func=ast.Attribute(value=ast.Name(id=name), attr=method)) if method in _METHODS:
            if name in bound:
                bound[name] += [*node.args, *(k.value for k in node.keywords)]
        case ast.Assign(targets=targets, value=value):
            for target in targets:
                _bind_to(target, value, bound)
        case ast.AnnAssign(target=target, value=ast.expr() as value) | ast.AugAssign(target=target, value=value):
            _bind_to(target, value, bound)
        case ast.NamedExpr(target=target, value=value):
            _bind_to(target, value, bound)
        case ast.For(target=target, iter=value) | ast.comprehension(target=target, iter=value):
            _bind_to(target, value, bound)
        case ast.AsyncFor(target=target) | ast.withitem(optional_vars=ast.expr() as target):
            _bind_to(target, None, bound)
        case ast.Delete(targets=targets):
            for target in targets:
                _bind_to(target, None, bound)
        case _:
            for name in _named_by(node):
                bound.setdefault(name, []).append(None)


def _named_by(node: ast.AST) -> list[str]:
    """Names that a node binds to something that is not known."""
    match node:
        case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name) | ast.ClassDef(name=name):
            return [name]
        case (
            ast.ExceptHandler(name=str() as name) | ast.MatchAs(name=str() as name) | ast.MatchStar(name=str() as name)
        ):
            return [name]
        case ast.Import(names=aliases) | ast.ImportFrom(names=aliases):
            return [a.asname or a.name.partition(".")[0] for a in aliases]
        case ast.Global(names=names) | ast.Nonlocal(names=names):
            return list(names)
        case _:
            return []


def _bind_to(target: ast.expr, value: ast.expr | None, bound: _Bound) -> None:
    match target:
        case ast.Name(id=name):
            bound.setdefault(name, []).append(value)
        case ast.Tuple(elts=elts) | ast.List(elts=elts):
            for inner in elts:
                _bind_to(inner, value, bound)
        case ast.Starred(value=inner):
            _bind_to(inner, value, bound)
        case ast.Subscript(value=ast.Name(id=name)):  # x["a"] = 1: what is put into it counts, too
            bound.setdefault(name, []).append(value)
        case ast.Subscript(value=inner) | ast.Attribute(value=inner):
            root = inner
            while isinstance(root, ast.Subscript | ast.Attribute):
                root = root.value
            if isinstance(root, ast.Name):
                bound.setdefault(root.id, []).append(None)
        case _:
            pass


def _plain(value: ast.expr, owned: frozenset[str] | set[str]) -> bool:
    """Whether a value is made of what is written out, of own names, and by functions of Python itself."""
    for node in ast.walk(value):
        match node:
            case ast.Name(id=name):
                inner = {n.id for n in ast.walk(value) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store)}
                if name not in owned and name not in _PURE and name not in inner:
                    return False
            case ast.Call():
                direct = isinstance(node.func, ast.Name) and node.func.id in _PURE
                method = isinstance(node.func, ast.Attribute) and node.func.attr in _METHODS
                if not direct and not method:
                    return False
            case ast.Attribute(attr=name) if name not in _METHODS:
                return False
            case ast.Await() | ast.Yield() | ast.YieldFrom() | ast.Lambda():
                return False
            case _:
                pass
    return True


def _escaping(test: Test, names: set[str]) -> set[str]:
    """Names that something else gets hold of, or that code of another time uses: they may have been changed by it."""
    lost: set[str] = set()
    for node in test.nodes:
        match node:
            case ast.Call():
                lost |= _given_away(node, names, test)
            case ast.Assign(targets=targets, value=value):
                inside = any(isinstance(t, ast.Subscript) for t in targets) and not _plain(value, names)
                if inside or any(isinstance(t, ast.Attribute) for t in targets):
                    lost |= _held(value, names, test)
            case ast.Yield(value=ast.expr() as value) | ast.Return(value=ast.expr() as value):
                lost |= _held(value, names, test)
            case ast.FunctionDef() | ast.AsyncFunctionDef() | ast.Lambda() | ast.ClassDef():
                lost |= {n.id for n in ast.walk(node) if isinstance(n, ast.Name)}
            case ast.withitem(context_expr=inner) if not isinstance(inner, ast.Call):
                lost |= _held(inner, names, test)
            case _:
                pass
    return lost & names


def _given_away(call: ast.Call, names: set[str], test: Test) -> set[str]:
    """What is given to a function that is not Python's own; and what is no longer the test's own by what is put into it."""
    func, given = call.func, [*call.args, *(k.value for k in call.keywords)]
    if isinstance(func, ast.Attribute) and func.attr in _METHODS:
        foreign = not isinstance(func.value, ast.Name) and any(not _plain(a, names) for a in given)
        return {n.id for n in ast.walk(func.value) if isinstance(n, ast.Name)} if foreign else set()
    if (isinstance(func, ast.Name) and func.id in _PURE) or asserted(call) is not None or _is_text(call):
        return set()
    return {n for argument in given for n in _held(argument, names, test)}


def _is_text(call: ast.Call) -> bool:
    return dotted(call.func) in ("json.dumps", "json.loads", "pytest.mark", "logging.info")


def _held(value: ast.expr, names: set[str], test: Test) -> set[str]:
    """The names that are given away with a value, as far as they can be changed by who has it."""
    if isinstance(value, ast.Constant):
        return set()
    given = {n.id for n in ast.walk(value) if isinstance(n, ast.Name)} & names
    return {n for n in given if not _cannot_change(n, test)}


def _bindings(test: Test) -> _Bound:
    found = test.remembered.get("bindings")
    if found is None:
        found = test.remembered["bindings"] = {}
        for node in test.nodes:
            _bind(node, found)
    return found


def _cannot_change(name: str, test: Test) -> bool:
    """Whether all that is bound to it is text, a number or the like: who is given it cannot change it."""
    values = _bindings(test)
    found = values.get(name)
    if found is None:
        constant = test.module.constants.get(name)
        return constant is not None and isinstance(constant, ast.Constant)
    return all(isinstance(v, ast.Constant | ast.JoinedStr) for v in found)


def _unshared(module: Module) -> frozenset[str]:
    """Constants of the module that are written out, and that nothing in it could change."""
    if module.unshared is not None:
        return module.unshared
    written = {n: v for n, v in module.constants.items() if is_constant(v)}
    given: set[str] = set()
    for node in ast.walk(module.file.tree):
        match node:
            case ast.Call(func=func, args=args, keywords=keywords):
                parts = [] if isinstance(func, ast.Name) and func.id in _PURE else [*args, *(k.value for k in keywords)]
                parts = [] if last_name(node) == "parametrize" else parts
                parts += [func.value] if isinstance(func, ast.Attribute) else []
                given |= {n.id for p in parts for n in ast.walk(p) if isinstance(n, ast.Name)}
            case ast.Subscript(value=ast.Name(id=found), ctx=ast.Store() | ast.Del()):
                given.add(found)
            case _:
                pass
    module.unshared = frozenset(n for n, v in written.items() if isinstance(v, ast.Constant) or n not in given)
    return module.unshared


def _parametrized(test: Test) -> set[str]:
    """Parameters whose every value is written out beside the test."""
    found: set[str] = set()
    for decorator in test.function.decorator_list:
        match decorator:
            case ast.Call(func=func, args=[ast.Constant(value=str() as text), values, *_]) if dotted(func).endswith(
                "parametrize"
            ):
                if is_constant(values):
                    found |= {n.strip() for n in text.split(",")}
            case _:
                pass
    return found & set(parameters(test.function))
