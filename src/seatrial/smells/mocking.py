"""Assertions about mocks alone: what the test told them to say, they say."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from .asserting import Assertions, says_so
from .modules import Test
from .rules import Smell
from .trees import decorators, dotted, last_name, loads, parameters, root_name
from .truths import asserted

_MAKES = frozenset(
    {
        "Mock",
        "MagicMock",
        "AsyncMock",
        "NonCallableMock",
        "create_autospec",
        "PropertyMock",
        "stub",
        "mock_open",
        "sentinel",
    }
)
_PURE = frozenset(
    {
        "len",
        "str",
        "int",
        "list",
        "dict",
        "set",
        "tuple",
        "sorted",
        "isinstance",
        "any",
        "all",
        "bool",
        "print",
        "repr",
        "type",
        "next",
        "iter",
    }
)
_TELLS = frozenset({"call", "ANY", "patch", "object", "setattr", "raises", "configure_mock", "reset_mock"})


def mock_only(test: Test, assertions: Assertions) -> Iterator[Smell]:
    """A test in which nothing is called but mocks, and Python itself."""
    mocks, patched = _mocks(test)
    if not mocks and not patched:
        return
    asserts: ast.AST | None = None
    for node in test.nodes:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef | ast.Lambda):
            return
        if assertions.asserts(node, test.module, test.inside):
            asserts = asserts or node
        if isinstance(node, ast.Call) and not _of_mocks(node, mocks, patched):
            return
    if asserts is None:
        return
    read = {n for node in test.nodes if (c := asserted(node)) is not None for n in loads(c)}
    called = any(isinstance(n, ast.Call) and says_so(n) and root_name(n.func) in mocks for n in test.nodes)
    asked = (
        n for node in test.nodes if (c := asserted(node)) is not None for n in ast.walk(c) if isinstance(n, ast.Call)
    )
    if not called and not read & mocks and not any(dotted(c.func) in patched for c in asked):
        return
    message = "nothing is called but mocks: they say what this test told them to"
    hint = "call what is tested, and mock what is behind it"
    yield Smell(rule="mock-only", node=asserts, message=message, hint=hint)


def _mocks(test: Test) -> tuple[set[str], set[str]]:
    """Names that are mocks or come of them, and dotted names that mocks stand for."""
    names: set[str] = set()
    patched: set[str] = set()
    if "mocker" in parameters(test.function):
        names.add("mocker")
    given = [p for p in parameters(test.function) if p not in ("self", "cls")]
    for name, decorator in decorators(test.function):
        if name.rpartition(".")[2] == "patch" and isinstance(decorator, ast.Call) and given:
            names.add(given.pop(0))
            patched |= _target(decorator)
    for _ in range(3):  # what comes of what comes of a mock
        for node in test.nodes:
            match node:
                case ast.Assign(targets=[ast.Name(id=name)], value=value) if _is_mock(value, names, patched):
                    names.add(name)
                case ast.withitem(context_expr=ast.Call() as call, optional_vars=target) if _patches(call):
                    patched |= _target(call)
                    if isinstance(target, ast.Name):
                        names.add(target.id)
                case _:
                    pass
    return names - {"mocker"}, patched


def _patches(call: ast.Call) -> bool:
    return "patch" in dotted(call.func).split(".")


def _target(call: ast.Call) -> set[str]:
    match call.args:
        case [ast.Constant(value=str() as text), *_]:
            return {text}
        case [owner, ast.Constant(value=str() as text), *_]:
            return {f"{dotted(owner)}.{text}"}
        case _:
            return set()


def _is_mock(value: ast.expr, names: set[str], patched: set[str]) -> bool:
    inner = value.value if isinstance(value, ast.Await) else value
    if isinstance(inner, ast.Call):
        return (
            last_name(inner) in _MAKES
            or _patches(inner)
            or root_name(inner.func) in names
            or dotted(inner.func) in patched
        )
    return root_name(inner) in names


def _of_mocks(call: ast.Call, mocks: set[str], patched: set[str]) -> bool:
    name, last, root = dotted(call.func), last_name(call), root_name(call.func)
    if root in mocks or last in _MAKES or _patches(call) or name in patched:
        return True
    if isinstance(call.func, ast.Name) and last in _PURE:
        return True
    return last in _TELLS or (name.startswith("self.assert") and name.count(".") == 1)
