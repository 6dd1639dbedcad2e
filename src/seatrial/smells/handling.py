"""What tests do when something is raised: forget it, skip, try again."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Sequence

from .asserting import Assertions, is_raises
from .modules import Test
from .rules import Smell, shown
from .trees import Function, decorators, dotted, keyword, last_name, loads, walk_own

_ALL = frozenset({"Exception", "BaseException"})
_SKIPS = frozenset({"skip", "skipTest", "xfail"})
_SAY = frozenset(
    {"print", "info", "debug", "warning", "warn", "error", "exception", "log", "print_exc", "write", "echo", "sleep"}
)
# That something is not installed, or not there to be tested, is no failure.
_ABSENT = frozenset({"ImportError", "ModuleNotFoundError", "PackageNotFoundError", "NotImplementedError"})
_DOWN = frozenset(
    {"ConnectionError", "ConnectionRefusedError", "ConnectionResetError", "TimeoutError", "ConnectError", "ConnectTimeout", "ReadTimeout",
     "RequestException", "HTTPError", "URLError", "OperationalError", "HTTPStatusError", "TransportError", "RequestError", "Timeout",
     "AssertionError", "CalledProcessError", "InterfaceError", "RedisError", "OSError", "IOError", "socket.error"}
)  # fmt: skip
# Errors of clients that a refused connection is, too.
_ANY_OF_A_CLIENT = frozenset(
    {
        "httpx.HTTPError",
        "requests.RequestException",
        "requests.exceptions.RequestException",
        "aiohttp.ClientError",
        "urllib.error.URLError",
    }
)
_RERUNS = frozenset({"flaky", "retry", "rerun", "tenacity.retry", "retrying.retry"})
_ANSWER = frozenset({"status_code", "ok", "returncode", "is_success"})


class Handling:
    """Looks through one function of a test, or that runs around it."""

    def __init__(self, test: Test, assertions: Assertions, function: Function) -> None:
        self._test = test
        self._assertions = assertions
        self._function = function
        self._is_test = function is test.function and not test.is_fixture

    def find(self) -> Iterator[Smell]:
        """All of it."""
        yield from self._body(self._function.body, None)
        if self._is_test:
            for node in walk_own(self._function.body):
                yield from self._any_error(node)

    def _body(self, body: Sequence[ast.stmt], loop: ast.stmt | None) -> Iterator[Smell]:
        for statement in body:
            match statement:
                case ast.Try():
                    yield from self._try(statement, loop)
                    for part in (
                        statement.body,
                        *(h.body for h in statement.handlers),
                        statement.orelse,
                        statement.finalbody,
                    ):
                        yield from self._body(part, loop)
                case ast.For() | ast.While() | ast.AsyncFor():
                    yield from self._body(statement.body, statement)
                    yield from self._body(statement.orelse, loop)
                case ast.If():
                    yield from self._skips_by_answer(statement)
                    yield from self._body(statement.body, loop)
                    yield from self._body(statement.orelse, loop)
                case ast.With() | ast.AsyncWith():
                    yield from self._suppressed(statement)
                    yield from self._body(statement.body, loop)
                case _:
                    pass

    # -- try

    def _try(self, statement: ast.Try, loop: ast.stmt | None) -> Iterator[Smell]:
        for handler in statement.handlers:
            caught = names_of(handler.type)
            skip = next((n for n in walk_own(handler.body) if _is_skip(n)), None)
            if skip is not None:
                yield from self._skip(skip, caught)
            elif self._is_test and self._forgets(handler) and not self._later(statement, handler):
                yield from self._forgotten(statement, handler, caught, loop)

    def _skip(self, node: ast.AST, caught: frozenset[str]) -> Iterator[Smell]:
        if caught and caught <= _ABSENT:
            return
        certain = not caught or bool(caught & (_ALL | _DOWN))
        what = ", ".join(sorted(caught)) or "anything"
        message = f"it skips itself when {what} is raised: nobody hears that what it tests is broken"
        hint = "let it fail; ask beforehand, by itself, whether it can run here at all"
        yield Smell(rule="skip-on-error", node=node, message=message, hint=hint, certain=certain)

    def _forgotten(
        self, statement: ast.Try, handler: ast.ExceptHandler, caught: frozenset[str], loop: ast.stmt | None
    ) -> Iterator[Smell]:
        module, inside = self._test.module, self._test.inside
        asserting = any(self._assertions.asserts(n, module, inside) for n in walk_own(statement.body))
        takes = not caught or bool(caught & (_ALL | {"AssertionError"}))
        if not takes:
            return
        what = ", ".join(sorted(caught)) or "everything"
        if asserting and loop is not None:
            message = f"it is tried again when it fails, and when all tries have failed it is forgotten (except {what})"
            yield Smell(
                rule="masking-retry", node=handler, message=message, hint="else: pytest.fail(...) behind the loop"
            )
        elif asserting:
            message = f"an assertion that fails is caught here and forgotten (except {what})"
            yield Smell(
                rule="swallowed-failure",
                node=handler,
                message=message,
                hint="let it fail, or pytest.raises the one error that is right",
            )
        elif not self._asserted_after(statement):
            message = f"what fails here is forgotten (except {what}), and nothing is asserted after it"
            yield Smell(
                rule="swallowed-failure",
                node=handler,
                message=message,
                hint="let it fail, or assert what is right afterwards",
                certain=False,
            )

    def _forgets(self, handler: ast.ExceptHandler) -> bool:
        """Whether nothing of what was caught is kept, told on, or ends the test."""
        for node in walk_own(handler.body):
            if isinstance(node, ast.Raise | ast.Assert | ast.Assign | ast.AugAssign | ast.AnnAssign | ast.Yield):
                return False
            if isinstance(node, ast.Call) and last_name(node) not in _SAY and not _formats(node):
                return False
        return True

    def _later(self, statement: ast.Try, handler: ast.ExceptHandler) -> bool:
        """Whether `else`, `finally` or the end of a loop still judges."""
        del handler
        module, inside = self._test.module, self._test.inside
        rest = [*statement.orelse, *statement.finalbody]
        if any(self._assertions.asserts(n, module, inside) for n in walk_own(rest)):
            return True
        for node in walk_own(self._function.body):
            if (
                isinstance(node, ast.For | ast.While)
                and node.orelse
                and any(n is statement for n in walk_own(node.body))
            ):
                return any(
                    isinstance(n, ast.Raise) or self._assertions.asserts(n, module, inside)
                    for n in walk_own(node.orelse)
                )
        return self._asserted_after(statement)

    def _asserted_after(self, statement: ast.Try) -> bool:
        module, inside = self._test.module, self._test.inside
        end = statement.end_lineno or statement.lineno
        return any(
            getattr(n, "lineno", 0) > end and (isinstance(n, ast.Raise) or self._assertions.asserts(n, module, inside))
            for n in walk_own(self._function.body)
        )

    def _suppressed(self, statement: ast.With | ast.AsyncWith) -> Iterator[Smell]:
        for item in statement.items:
            call = item.context_expr
            if not isinstance(call, ast.Call) or last_name(call) != "suppress" or not self._is_test:
                continue
            caught = {n for a in call.args for n in names_of(a)}
            module, inside = self._test.module, self._test.inside
            if caught & (_ALL | {"AssertionError"}) and any(
                self._assertions.asserts(n, module, inside) for n in walk_own(statement.body)
            ):
                message = f"an assertion that fails in it is forgotten: {shown(call)}"
                yield Smell(rule="swallowed-failure", node=statement, message=message, hint="assert outside of it")

    # -- skipping by what was answered

    def _skips_by_answer(self, statement: ast.If) -> Iterator[Smell]:
        read = {n.attr for n in ast.walk(statement.test) if isinstance(n, ast.Attribute)} & _ANSWER
        skip = next((n for n in walk_own(statement.body) if _is_skip(n)), None)
        if read and skip is not None:
            message = f"it skips itself by what was answered: if {shown(statement.test)}"
            yield Smell(
                rule="skip-on-error",
                node=skip,
                message=message,
                hint=f"assert {next(iter(sorted(read)))}, which is what is tested",
            )

    # -- errors of any kind

    def _any_error(self, node: ast.AST) -> Iterator[Smell]:
        match node:
            case ast.With(items=items, body=body) | ast.AsyncWith(items=items, body=body):
                thrown = any(isinstance(n, ast.Raise) for n in walk_own(body))
                for item in items:
                    if item.optional_vars is None and not thrown:
                        yield from self._broad(item.context_expr)
            case ast.Expr(value=ast.Call(args=[_, _, *_]) as call):
                yield from self._broad(call)
            case _:
                pass

    def _broad(self, call: ast.expr) -> Iterator[Smell]:
        if not is_raises(call) or not isinstance(call, ast.Call) or not call.args:
            return
        given = {k.arg for k in call.keywords} & {"match", "check"}
        name = dotted(call.args[0]).rpartition(".")[2]
        if name in _ALL and not given and last_name(call) in ("raises", "assertRaises"):
            message = f"{shown(call)} takes any error for the right one, also that of a test that is wrong itself"
            yield Smell(rule="any-error", node=call, message=message, hint="name the error, or match= its text")
        elif dotted(call.args[0]) in _ANY_OF_A_CLIENT and not given:
            message = f"{shown(call)} takes a refused connection for the right error, too"
            yield Smell(rule="any-error", node=call, message=message, hint="the error of a status, and which one")


def reruns(test: Test) -> Iterator[Smell]:
    """Tests that are run again until they pass, and those that may fail."""
    for node in (test.function, *([test.inside] if test.inside is not None else [])):
        for name, decorator in decorators(node):
            if name in _RERUNS or name.rpartition(".")[2] in ("flaky", "rerun"):
                message = f"it is run again when it fails: {shown(decorator)}"
                hint = "find out why it fails; wait for a condition inside of it"
                yield Smell(rule="masking-retry", node=decorator, message=message, hint=hint)
            elif name.endswith("mark.xfail"):
                yield from _xfail(decorator)


def _xfail(decorator: ast.expr) -> Iterator[Smell]:
    strict = keyword(decorator, "strict") if isinstance(decorator, ast.Call) else None
    if isinstance(strict, ast.Constant) and strict.value is True:
        return
    if isinstance(decorator, ast.Call) and isinstance(keyword(decorator, "run"), ast.Constant):
        return
    said = isinstance(strict, ast.Constant) and strict.value is False
    message = "it passes and it fails, and both are right" + ("" if said else ", unless xfail_strict is configured")
    yield Smell(
        rule="cannot-fail",
        node=decorator,
        message=message,
        hint="strict=True: then somebody hears when it works",
        certain=said,
    )


def names_of(caught: ast.expr | None) -> frozenset[str]:
    """The last names of what is caught; none where everything is."""
    if caught is None:
        return frozenset()
    nodes = caught.elts if isinstance(caught, ast.Tuple) else [caught]
    return frozenset(dotted(n).rpartition(".")[2] or shown(n) for n in nodes)


def _is_skip(node: ast.AST) -> bool:
    match node:
        case ast.Call(func=func) if last_name(node) in _SKIPS:
            return dotted(func) in ("pytest.skip", "skip", "self.skipTest", "pytest.xfail", "xfail")
        case ast.Raise(exc=ast.expr() as error):
            inner = error.func if isinstance(error, ast.Call) else error
            return dotted(inner).endswith(("SkipTest", "skip.Exception"))
        case _:
            return False


def _formats(call: ast.Call) -> bool:
    """``str(error)``, ``"...".format(error)``: nothing that does anything."""
    return last_name(call) in ("str", "repr", "format", "type", "getLogger") or not set(loads(call)) - {
        "logging",
        "logger",
        "log",
    }
