"""Whether code asserts something: by itself, or by the helpers and fixtures of its suite that it uses."""

from __future__ import annotations

import ast
import re
from collections.abc import Sequence

from .modules import Module, Test
from .trees import FUNCTIONS, Function, dotted, keyword, last_name, loads, root_name, walk_own

# A name that says so is believed, where the function itself cannot be looked at.
_SAYS_SO = re.compile(
    r"^_*(assert|expect|verify|verif|check|ensure|validat|should|must|raises|warns|fail|require|wait_?for|wait_?until|eventually|compare|"
    r"approve|match|raise_for_|deprecated_call|testmod|has_calls|run_and_)|(_|^)(assert|asserts|expect|raises|check|verify|fail|fails)(_|$)|"
    r"(?<=[a-z])(Assert|Expect|Verify|Check|Raises)",
    re.IGNORECASE,
)
_ERRORS = ("AssertionError", "Failed", "fail.Exception")
_DEEP = 6
_KEEP_BOOKS = frozenset(
    {
        "benchmark",
        "snapshot",
        "httpx_mock",
        "requests_mock",
        "respx_mock",
        "responses",
        "data_regression",
        "file_regression",
        "num_regression",
        "image_regression",
        "testdir",
        "pytester",
        "approvals",
        "recwarn",
    }
)  # fmt: skip - fixtures that judge by themselves


class Assertions:
    """Answers for a suite; what was found of a function is remembered."""

    def __init__(self) -> None:
        self._known: dict[int, bool] = {}

    def in_test(self, test: Test) -> bool:
        """Whether a test asserts anything, or something that runs around it does."""
        if self.of_function(test.function, test.module, test.inside):
            return True
        around = list(test.module.around(test))
        return any(self.anywhere(f, test.module, test.inside) for f in around)

    def of_function(self, function: Function, module: Module, inside: ast.ClassDef | None, depth: int = 0) -> bool:
        """Whether a function asserts, or one that it uses."""
        if id(function) not in self._known:
            self._known[id(function)] = False  # of those that call each other in a circle
            self._known[id(function)] = self.anywhere(function.body, module, inside, depth)
        return self._known[id(function)]

    def anywhere(
        self, code: Function | Sequence[ast.stmt], module: Module, inside: ast.ClassDef | None, depth: int = 0
    ) -> bool:
        """Whether something in it asserts; of functions inside, those that somebody uses."""
        body: Sequence[ast.stmt] = code.body if isinstance(code, FUNCTIONS) else code
        own = list(walk_own(body))
        if any(self.asserts(node, module, inside, depth) for node in own):
            return True
        used = {n for s in body for n in loads(s)}
        for node in own:
            if isinstance(node, FUNCTIONS) and (
                node.name in used or node.decorator_list or isinstance(code, FUNCTIONS)
            ):
                if self.anywhere(node.body, module, inside, depth + 1) if depth < _DEEP else True:
                    return True
            elif isinstance(node, ast.ClassDef | ast.Lambda):
                inner = [
                    n for n in ast.walk(node) if isinstance(n, ast.Assert) or (isinstance(n, ast.Call) and says_so(n))
                ]
                if inner:
                    return True
        return False

    def asserts(self, node: ast.AST, module: Module, inside: ast.ClassDef | None, depth: int = 0) -> bool:
        """Whether a single node does: an assertion, an error that is raised as one, or a call that ends in one."""
        match node:
            case ast.Assert():
                return True
            case ast.Raise(exc=ast.expr() as error):
                inner = error.func if isinstance(error, ast.Call) else error
                return dotted(inner).endswith(_ERRORS)
            case ast.Call():
                return self._call(node, module, inside, depth)
            case _:
                return False

    def _call(self, call: ast.Call, module: Module, inside: ast.ClassDef | None, depth: int) -> bool:
        found = target(call, module, inside)
        if found is not None and depth < _DEEP:
            where, function = found
            of = inside if root_name(call.func) in ("self", "cls") else None
            return self.of_function(function, where, of, depth + 1)
        if isinstance(check := keyword(call, "check"), ast.Constant) and check.value is True:
            return True  # subprocess.run
        passed = (dotted(a) for a in call.args)  # a helper that somebody else calls
        helpers = (module.helper(name) for name in passed if name)
        if depth < _DEEP and any(h is not None and self.of_function(h[1], h[0], None, depth + 1) for h in helpers):
            return True
        return says_so(call)


def target(call: ast.Call, module: Module, inside: ast.ClassDef | None) -> tuple[Module, Function] | None:
    """The function of the suite that is called; None where it is another's."""
    match call.func:
        case ast.Name(id=name):
            return module.helper(name)
        case ast.Attribute(value=ast.Name(id="self" | "cls"), attr=name):
            return module.method(inside, name)
        case ast.Attribute(value=ast.Call(func=ast.Name(id="super")), attr=name):
            return module.method(inside, name)
        case ast.Attribute(value=ast.Name(id=root), attr=name):
            return module.helper_of_module(root, name)
        case _:
            return None


def says_so(call: ast.Call) -> bool:
    """Whether what is called has the name of an assertion."""
    name = last_name(call)
    return bool(name) and _SAYS_SO.search(name) is not None and not name.endswith("Error") and not misspelt(call)


def fails(node: ast.AST) -> bool:
    """Whether it fails the test where it is reached, whatever was seen."""
    if isinstance(node, ast.Call):
        return last_name(node) == "fail"
    return isinstance(node, ast.Raise)


def keeps_books(test: Test) -> bool:
    """Whether a fixture of somebody else's judges for the test."""
    return not _KEEP_BOOKS.isdisjoint(a.arg for a in (*test.function.args.args, *test.function.args.kwonlyargs))


_MISSPELT = frozenset(
    {
        "called_once_with",
        "called_with",
        "called_once",
        "any_call",
        "not_called",
        "has_calls",
        "assert_called_once_with_args",
    }
)


def misspelt(node: ast.AST) -> bool:
    """``mock.called_once_with(...)``: every mock has such an attribute, and it checks nothing."""
    inner = node.func if isinstance(node, ast.Call) else node
    return isinstance(inner, ast.Attribute) and inner.attr in _MISSPELT


def is_raises(item: ast.expr) -> bool:
    """``pytest.raises(...)``, ``self.assertRaises(...)``."""
    return isinstance(item, ast.Call) and last_name(item) in (
        "raises",
        "assertRaises",
        "assertRaisesRegex",
        "RaisesGroup",
    )
