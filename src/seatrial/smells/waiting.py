"""Fixed pauses: too short on a slow machine, and wasted on every other."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from .modules import Test
from .rules import Smell, shown
from .trees import Function, dotted, last_name, loads, parameters, walk_own

_SLEEPS = frozenset({"time.sleep", "asyncio.sleep", "anyio.sleep", "trio.sleep", "gevent.sleep", "eventlet.sleep"})
_MODULES = frozenset({"time", "asyncio", "anyio", "trio", "gevent"})
_LIMITS = frozenset(
    {"timeout", "fail_after", "move_on_after", "raises", "assertRaises", "timeout_at", "freeze_time", "travel"}
)
_CLOCKS = ("clock", "freez", "time_machine", "sleep", "loop")


def pauses(test: Test, function: Function) -> Iterator[Smell]:
    """Sleeps in what a test itself does; not those between looks, nor where the sleep is what is tested."""
    if any(any(word in p for word in _CLOCKS) for p in parameters(test.function)) or _is_replaced(test.function):
        return
    apart = set(_apart(function))
    for node in walk_own(function.body):
        call = node.value if isinstance(node, ast.Expr) else None
        call = call.value if isinstance(call, ast.Await) else call
        if not isinstance(call, ast.Call) or id(node) in apart or not _sleeps(call, test):
            continue
        long = call.args[0] if call.args else None
        if isinstance(long, ast.Constant) and not long.value:
            continue  # lets others run
        hint = "wait for what is to happen, until a deadline"
        yield Smell(rule="pause", node=node, message=f"a fixed pause: {shown(call)}", hint=hint)


def _sleeps(call: ast.Call, test: Test) -> bool:
    name = dotted(call.func)
    if name in _SLEEPS:
        return True
    if name == "sleep" or test.module.imports.get(name, ("", ""))[1] == "sleep":
        return test.module.imports.get(name, ("", ""))[0] in _MODULES
    origin, inner = test.module.imports.get(name.partition(".")[0], ("", ""))
    return (name.endswith(".sleep") and origin in _MODULES and not inner) or last_name(call) == "wait_for_timeout"


def _apart(function: Function) -> Iterator[int]:
    """Nodes that wait between looks, or under a limit that is what is tested."""
    for node in walk_own(function.body):
        match node:
            case ast.While(body=body):
                yield from (id(n) for n in walk_own(body))
            case ast.For(body=body) | ast.AsyncFor(body=body):
                if any(isinstance(n, ast.Break | ast.Return) for n in walk_own(body)):
                    yield from (id(n) for n in walk_own(body))
            case ast.With(items=items, body=body) | ast.AsyncWith(items=items, body=body):
                if any(isinstance(i.context_expr, ast.Call) and last_name(i.context_expr) in _LIMITS for i in items):
                    yield from (id(n) for n in walk_own(body))
            case _:
                pass


def _is_replaced(function: Function) -> bool:
    """Whether the test puts something else in place of the sleep."""
    for node in ast.walk(function):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and node.value.endswith("sleep"):
            return True
    return any(n in ("freeze_time", "time_machine", "travel") for n in loads(function))
