"""Assertions that are never reached, or perhaps not."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Sequence

from .asserting import Assertions, fails, is_raises
from .modules import Test
from .rules import Smell, shown
from .trees import dotted, is_constant, last_name, walk_own

_SKIPS = frozenset({"skip", "skipTest", "xfail", "importorskip", "exit", "fail", "SkipTest", "abort"})
_SAME_LENGTH = frozenset({"enumerate", "sorted", "reversed", "list", "tuple", "set", "zip"})


class Flow:
    """Looks through one test: does every way through it assert something?"""

    def __init__(self, test: Test, assertions: Assertions) -> None:
        self._test = test
        self._assertions = assertions
        self._first: tuple[ast.stmt, str] | None = None

    def find(self) -> Iterator[Smell]:
        """Assertions behind a condition, a loop or an error; and those behind the end."""
        yield from self._unreachable(self._test.function.body)
        body = self._test.function.body
        if not self._has(body) or self._surely(body):
            return
        around = list(self._test.module.around(self._test))
        if any(self._assertions.anywhere(f, self._test.module, self._test.inside) for f in around):
            return
        if self._first is None:
            return
        statement, why = self._first
        only = isinstance(statement, ast.Try) and self._only_in(statement.handlers)
        message = f"what this test asserts is reached only {why}"
        hint = (
            "pytest.raises, or fail where nothing is raised"
            if only
            else "assert first that it comes to that: that there are any, that it is so"
        )
        yield Smell(rule="conditional-assertion", node=statement, message=message, hint=hint, certain=only)

    def _has(self, body: Sequence[ast.AST]) -> bool:
        return any(self._asserts(n) for n in walk_own(body))

    def _asserts(self, node: ast.AST) -> bool:
        return self._assertions.asserts(node, self._test.module, self._test.inside)

    def _only_in(self, handlers: list[ast.ExceptHandler]) -> bool:
        inside = {id(n) for h in handlers for n in walk_own(h.body)}
        return all(id(n) in inside for n in self._test.nodes if self._asserts(n))

    # -- every way through

    def _surely(self, body: Sequence[ast.stmt]) -> bool:
        """Whether it asserts, fails or skips on every way."""
        for statement in body:
            found = self._of(statement)
            if found != "no":
                return found == "yes"
        return False

    def _of(self, statement: ast.stmt) -> str:
        """yes: it asserts, fails or skips whatever happens; end: the test may end in it; no: it goes on."""
        match statement:
            case ast.Raise():
                return "yes"
            case ast.Return(value=value):
                if value is not None and self._has([value]):
                    return "yes"
                self._note(statement, "if the test does not return before")
                return "end"
            case ast.If(test=condition, body=body, orelse=orelse):
                return self._of_if(statement, condition, body, orelse)
            case ast.For() | ast.AsyncFor() | ast.While():
                return self._of_loop(statement)
            case ast.With(items=items, body=body) | ast.AsyncWith(items=items, body=body):
                if any(self._has([i.context_expr]) for i in items):
                    return "yes"
                forgets = any(
                    isinstance(i.context_expr, ast.Call) and last_name(i.context_expr) == "suppress" for i in items
                )
                return "no" if forgets or not self._surely(body) else "yes"
            case ast.Try():
                return self._of_try(statement)
            case ast.Match(cases=cases):
                return "yes" if self._has([statement]) and all(self._surely(c.body) for c in cases) else "no"
            case ast.FunctionDef() | ast.AsyncFunctionDef() | ast.ClassDef():
                return "no"
            case _:
                ends = any(isinstance(n, ast.Call) and last_name(n) in _SKIPS for n in walk_own([statement]))
                return "yes" if ends or self._has([statement]) else "no"

    def _of_if(self, statement: ast.stmt, condition: ast.expr, body: list[ast.stmt], orelse: list[ast.stmt]) -> str:
        if self._has([condition]):
            return "yes"
        if is_constant(condition):
            return "yes" if self._surely(body if _truth(condition) else orelse) else "no"
        first, second = self._surely(body), bool(orelse) and self._surely(orelse)
        if (first and second) or any(b and self._only_fails(b) for b in (body, orelse)):
            return "yes"
        if self._has(body) or self._has(orelse):
            self._note(statement, f"if {shown(condition, 50)}" if self._has(body) else f"if {_contrary(condition)}")
        for branch in (body, orelse):
            if branch and isinstance(branch[-1], ast.Return) and not self._surely(branch):
                self._note(statement, f"if {_contrary(condition)}" if branch is body else f"if {shown(condition, 50)}")
                return "end"
        return "no"

    def _only_fails(self, body: list[ast.stmt]) -> bool:
        """Whether it is reached to fail: the condition before it is what is asserted."""
        judging = [n for n in walk_own(body) if self._asserts(n)]
        return bool(judging) and all(fails(n) for n in judging) and self._surely(body)

    def _of_loop(self, statement: ast.For | ast.AsyncFor | ast.While) -> str:
        if statement.orelse and self._surely(statement.orelse):
            return "yes"
        if not self._has(statement.body):
            return "no"
        if isinstance(statement, ast.While):
            if is_constant(statement.test):
                return "yes"
            self._note(statement, f"while {shown(statement.test, 50)}")
            return "no"
        if isinstance(statement, ast.For) and self._has_items(statement.iter) and self._surely(statement.body):
            return "yes"
        if isinstance(statement, ast.For) and self._has_items(statement.iter):
            return "no"
        if self._was_answered(statement.iter):
            self._note(statement, f"for each of {shown(statement.iter, 50)}, of which there may be none")
            return "no"
        return "yes"  # what the suite itself was given: addresses, names

    def _was_answered(self, node: ast.expr) -> bool:
        """Whether what is gone through comes of a call, and not of a parameter or a constant."""
        if any(
            isinstance(n, ast.Call | ast.Await) and dotted(getattr(n, "func", n)) not in _SAME_LENGTH
            for n in ast.walk(node)
        ):
            return True
        names = {n.id for n in ast.walk(node) if isinstance(n, ast.Name)}
        for made in self._test.nodes:
            match made:
                case ast.Assign(targets=targets, value=value):
                    bound = {n.id for t in targets for n in ast.walk(t) if isinstance(n, ast.Name)}
                    if bound & names and any(isinstance(n, ast.Call | ast.Await) for n in ast.walk(value)):
                        return True
                case ast.withitem(optional_vars=ast.expr() as target):
                    if {n.id for n in ast.walk(target) if isinstance(n, ast.Name)} & names:
                        return True
                case _:
                    pass
        return False

    def _of_try(self, statement: ast.Try) -> str:
        if statement.finalbody and self._surely(statement.finalbody):
            return "yes"
        handled = all(self._surely(h.body) for h in statement.handlers)
        if statement.orelse and self._surely(statement.orelse) and handled:
            return "yes"
        if self._surely(statement.body):
            return "yes"  # what its handlers make of it is another question
        judging = [n for h in statement.handlers for n in walk_own(h.body) if self._asserts(n)]
        inside = any(not fails(n) for n in judging)
        if inside and not self._has(statement.body) and not self._has(statement.orelse):
            self._note(statement, "if something is raised: without an error this test passes")
        return "no"

    def _note(self, statement: ast.stmt, why: str) -> None:
        if self._first is None or (isinstance(self._first[0], ast.Return) and not isinstance(statement, ast.Return)):
            self._first = (statement, why)

    def _has_items(self, node: ast.expr, depth: int = 0) -> bool:
        """Whether there certainly is something to go through, or nobody but the test decides it."""
        if depth > 10:
            return False
        match node:
            case ast.List(elts=[_, *_]) | ast.Tuple(elts=[_, *_]) | ast.Set(elts=[_, *_]) | ast.Dict(keys=[_, *_]):
                return True
            case ast.Constant(value=str() | bytes() as text):
                return bool(text)
            case ast.Call(func=ast.Name(id="range"), args=args):
                return all(not isinstance(a, ast.Constant) or a.value != 0 for a in args[-1:]) and not any(
                    isinstance(n, ast.Call) for a in args for n in ast.walk(a)
                )
            case ast.Call(func=func, args=[inner, *rest]) if dotted(func).rpartition(".")[2] in (
                *_SAME_LENGTH,
                "product",
                "permutations",
            ):
                return all(self._has_items(a, depth + 1) for a in (inner, *rest))
            case ast.Call(func=ast.Attribute(value=inner, attr="items" | "keys" | "values" | "split"), args=[]):
                return self._has_items(inner, depth + 1)
            case ast.BinOp(left=left, right=right):
                return self._has_items(left, depth + 1) or self._has_items(right, depth + 1)
            case ast.Name(id=name):
                return self._name_has_items(name, depth)
            case ast.Attribute(value=ast.Name(id="self" | "cls"), attr=name) if self._test.inside is not None:
                own = (
                    s.value
                    for s in self._test.inside.body
                    if isinstance(s, ast.Assign) and name in map(dotted, s.targets)
                )
                return any(self._has_items(v, depth + 1) for v in own)
            case _:
                return False

    def _name_has_items(self, name: str, depth: int) -> bool:
        bound = [
            s.value
            for s in walk_own(self._test.function.body)
            if isinstance(s, ast.Assign) and any(isinstance(t, ast.Name) and t.id == name for t in s.targets)
        ]
        if bound:
            return any(self._has_items(v, depth + 1) for v in bound)
        module = self._test.module
        return name in module.constants or name in module.imports or name.isupper()

    # -- never

    def _unreachable(self, body: Sequence[ast.stmt]) -> Iterator[Smell]:
        ended: ast.stmt | None = None
        for statement in body:
            if ended is not None and self._has([statement]):
                message = f"nothing behind line {ended.lineno} is reached: {shown(ended, 40)}"
                yield Smell(
                    rule="unreachable-assertion", node=statement, message=message, hint="move it before that line"
                )
                break
            if _ends(statement):
                ended = statement
            yield from self._inside(statement)

    def _inside(self, statement: ast.stmt) -> Iterator[Smell]:
        match statement:
            case ast.If(test=condition, body=body, orelse=orelse):
                dead = (orelse if _truth(condition) else body) if is_constant(condition) else []
                if dead and self._has(dead):
                    message = f"it is never reached: if {shown(condition)}"
                    yield Smell(
                        rule="unreachable-assertion", node=dead[0], message=message, hint="leave out the condition"
                    )
                yield from self._unreachable(body)
                yield from self._unreachable(orelse)
            case ast.With(items=items, body=body) | ast.AsyncWith(items=items, body=body):
                yield from self._in_raises(items, body)
                yield from self._unreachable(body)
            case ast.Try(body=body, handlers=handlers, orelse=orelse, finalbody=final):
                for part in (body, *(h.body for h in handlers), orelse, final):
                    yield from self._unreachable(part)
            case (
                ast.For(body=body, orelse=orelse)
                | ast.While(body=body, orelse=orelse)
                | ast.AsyncFor(body=body, orelse=orelse)
            ):
                yield from self._unreachable(body)
                yield from self._unreachable(orelse)
            case _:
                pass

    def _in_raises(self, items: list[ast.withitem], body: list[ast.stmt]) -> Iterator[Smell]:
        """What stands in `with pytest.raises(...) as error` and reads the error: it was not raised yet, or it was, and this is skipped."""
        names = {
            i.optional_vars.id for i in items if is_raises(i.context_expr) and isinstance(i.optional_vars, ast.Name)
        }
        for statement in body[1:]:
            read = {n.id for n in ast.walk(statement) if isinstance(n, ast.Name)}
            if isinstance(statement, ast.Assert) and names & read:
                name = next(iter(names & read))
                message = f"{shown(statement)} stands inside of the block that {name} ends: it is never reached"
                yield Smell(
                    rule="unreachable-assertion", node=statement, message=message, hint="one level further left"
                )


def _contrary(condition: ast.expr) -> str:
    if isinstance(condition, ast.UnaryOp) and isinstance(condition.op, ast.Not):
        return shown(condition.operand, 50)
    return (
        f"not {shown(condition, 50)}"
        if isinstance(condition, ast.Name | ast.Attribute | ast.Call)
        else f"not ({shown(condition, 50)})"
    )


def _ends(statement: ast.stmt) -> bool:
    match statement:
        case ast.Return() | ast.Raise() | ast.Continue() | ast.Break():
            return True
        case ast.Expr(value=ast.Call() as call):
            return dotted(call.func) in (
                "pytest.skip",
                "pytest.fail",
                "pytest.xfail",
                "pytest.exit",
                "self.skipTest",
                "self.fail",
                "sys.exit",
            )
        case _:
            return False


def _truth(condition: ast.expr) -> bool:
    try:
        return bool(ast.literal_eval(condition))
    except (ValueError, TypeError, SyntaxError, MemoryError, RecursionError):
        return True
