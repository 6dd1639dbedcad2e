"""Tests that nobody runs, and tests that assert nothing."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

from .asserting import Assertions, keeps_books
from .modules import Module, Test
from .rules import Smell
from .trees import FUNCTIONS, dotted, keyword, last_name, parameters, root_name, walk_own

_ASKS = frozenset(
    {
        "get",
        "post",
        "put",
        "patch",
        "delete",
        "head",
        "options",
        "request",
        "urlopen",
        "goto",
        "visit",
        "execute",
        "run",
        "call",
        "Popen",
        "system",
        "send",
        "ping",
        "publish",
    }
)
_CLIENTS = re.compile(
    r"client|session|requests|httpx|http|api|page|browser|driver|subprocess|os|conn|cursor|db|redis|socket|urllib",
    re.IGNORECASE,
)
_NOTHING = (ast.Pass, ast.Expr, ast.Constant, ast.Assign, ast.Name, ast.expr_context)
_RUNS = frozenset({"print", "len", "str", "dict", "list", "range", "sleep", "info", "debug"})


def never_run(module: Module) -> Iterator[Smell]:
    """Of two tests of one name the first, and those in a class that pytest does not collect."""
    yield from _doubled(module.file.tree.body, "")
    for cls in module.classes.values():
        yield from _doubled(cls.body, f"{cls.name}.")
        made = next((s for s in cls.body if isinstance(s, FUNCTIONS) and s.name == "__init__"), None)
        tests = [s for s in cls.body if isinstance(s, FUNCTIONS) and s.name.startswith("test")]
        if cls.name.startswith("Test") and made is not None and tests and not module.is_case(cls) and not cls.bases:
            message = f"pytest collects no class with an __init__: {len(tests)} tests of {cls.name} are never run"
            yield Smell(rule="never-run", node=made, message=message, hint="a fixture, or setup_method", test=cls.name)


def _doubled(body: list[ast.stmt], prefix: str) -> Iterator[Smell]:
    seen: dict[str, ast.stmt] = {}
    for statement in body:
        if isinstance(statement, FUNCTIONS) and statement.name.startswith("test"):
            first = seen.get(statement.name)
            if first is not None and not statement.decorator_list:
                message = f"{prefix}{statement.name} is defined again in line {statement.lineno}: this one is never run"
                hint = "another name for one of them"
                yield Smell(rule="never-run", node=first, message=message, hint=hint, test=f"{prefix}{statement.name}")
            seen[statement.name] = statement


def no_assertion(test: Test, assertions: Assertions) -> Iterator[Smell]:
    """A test in which nothing is asserted, as far as can be seen."""
    function = test.function
    if assertions.in_test(test) or keeps_books(test) or any(isinstance(n, ast.Yield) for n in walk_own(function.body)):
        return
    calls = [n for n in walk_own(function.body) if isinstance(n, ast.Call)]
    hint = "assert what it shows of the answer"
    if all(isinstance(n, _NOTHING) for n in test.nodes):
        yield Smell(rule="no-assertion", node=function, message="it does nothing, and asserts nothing", hint=hint)
        return
    asks = [c for c in calls if _asks(c)]
    quiet = all(last_name(c) in _RUNS for c in calls)
    certain = bool(calls) and (bool(asks) or quiet) and not _calls_a_fixture(test, calls)
    if certain:
        message = "it asks, and asserts nothing of the answer" if asks else "it asserts nothing"
    else:
        message = "it asserts nothing: that nothing is raised is all that it shows"
    yield Smell(rule="no-assertion", node=function, message=message, hint=hint, certain=certain)


def _asks(call: ast.Call) -> bool:
    """A request, a command, a statement: its answer may be an error, and nothing is raised."""
    if keyword(call, "check") is not None or not isinstance(call.func, ast.Attribute) or last_name(call) not in _ASKS:
        return False
    return _CLIENTS.search(dotted(call.func.value) or root_name(call.func)) is not None


def _calls_a_fixture(test: Test, calls: list[ast.Call]) -> bool:
    """Whether it calls a function that it was given: nobody knows what that asserts."""
    given = set(parameters(test.function)) - {"self", "cls"}
    return any(isinstance(c.func, ast.Name) and c.func.id in given for c in calls)
