"""Compiles parts alone: a stack file, a stack given from Python, a check on one line."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from ..core.errors import UsageError
from ..core.plan import CheckPlan
from ..core.shapes import ShapeKind
from ..core.stack import StackPlan
from ..core.targets import parse_target
from ..core.vocabulary import Vocabulary
from .compiling import ordered
from .compose import ComposeStacks, is_compose
from .keys import CALL, EXPECT, Scene
from .nodes import Entry, Node, Scalar, read_file, read_text
from .nodes import Mapping as MappingNode
from .reading import Reader, ServiceInfo
from .stacks import Stacks
from .steps import Steps, hosts_in


def compile_stack(path: Path, vocabulary: Vocabulary, *, environment: Mapping[str, str]) -> StackPlan:
    """A stack file, or a compose file. Raises UsageError with every problem."""
    reader = Reader(environment)
    node = read_file(path, str(path), reader.problems)
    if is_compose(node):
        plan = ComposeStacks(reader, vocabulary).of_file(path, path.resolve().parent.name)
        if reader.problems or plan is None:
            raise UsageError(*ordered(reader.problems))
        return plan
    return _stack(reader, vocabulary, node, path.resolve().parent.name, path.resolve().parent)


def compile_stack_text(
    services: Mapping[str, Any], vocabulary: Vocabulary, *, directory: Path, environment: Mapping[str, str]
) -> StackPlan:
    """The `services:` of a stack as a mapping. Raises UsageError with every problem."""
    reader = Reader(environment)
    node = read_text(json.dumps({"services": services}), "stack", reader.problems)
    return _stack(reader, vocabulary, node, "stack", directory)


def _stack(reader: Reader, vocabulary: Vocabulary, node: Node | None, name: str, directory: Path) -> StackPlan:
    plan = Stacks(reader, vocabulary).local(node, name, directory) if node is not None else None
    if reader.problems or plan is None:
        raise UsageError(*ordered(reader.problems))
    return plan


def compile_check(
    text: str,
    vocabulary: Vocabulary,
    *,
    environment: Mapping[str, str],
    at: str | None = None,
    expect: str | None = None,
    within: str | None = None,
) -> CheckPlan:
    """A step on one line, with or without braces; the keywords add attributes. `at:` may name any service.

    Raises UsageError with every problem.
    """
    reader = Reader(environment)
    node = _one_line(text, reader)
    if isinstance(node, MappingNode):
        for name, given in (("at", at), ("expect", expect), ("within", within)):
            if given is not None:
                node.entries[name] = _entry(name, given, reader)
        for target in _targets(node):
            _believe(reader, target.text)
    steps = Steps(reader, vocabulary, allow=_hosts(node))
    key = steps.verb(node, tuple(vocabulary.verbs), "a check") if node is not None else None
    if key is not None and isinstance(node, MappingNode):
        for argument, field in vocabulary.verbs[key.text].arguments.items():
            named = node.get(argument)
            if field.shape.kind is ShapeKind.CHECK and isinstance(named, MappingNode):
                named = named.get("at")
            elif field.shape.kind is not ShapeKind.TARGET:
                continue
            if isinstance(named, Scalar):
                _believe(reader, named.text)
        check, _ = steps.check(node, vocabulary.verbs[key.text], Scene(values={}), {**CALL, **EXPECT})
        if check is not None and not reader.problems:
            return check
    raise UsageError(*ordered(reader.problems))


def _one_line(text: str, reader: Reader) -> Node | None:
    """`http: GET http://x/` has a colon and a blank in YAML's sense once; a second one needs quotes, which are put here."""
    stripped = text.strip()
    if not stripped.startswith("{"):
        verb, colon, rest = stripped.partition(":")
        if colon and "\n" not in rest:
            return read_text(
                f"{verb}: {json.dumps(rest.strip(), ensure_ascii=False)}", "the command line", reader.problems
            )
    return read_text(stripped, "the command line", reader.problems)


def _entry(name: str, text: str, reader: Reader) -> Entry:
    """An attribute that was given as an option."""
    node = read_text(f"{name}: {json.dumps(text, ensure_ascii=False)}", f"--{name}", reader.problems)
    if not isinstance(node, MappingNode):
        raise UsageError(*reader.problems)
    return node.entries[name]


def _targets(node: MappingNode) -> Iterator[Scalar]:
    """Every `at:`, those inside arguments, too."""
    for key, value in node:
        if key.text == "at" and isinstance(value, Scalar):
            yield value
        elif isinstance(value, MappingNode):
            yield from _targets(value)


def _believe(reader: Reader, target: str) -> None:
    """The stack is not read here: whatever the target names is taken to exist; the prober says so if it does not."""
    try:
        found = parse_target(target)
    except UsageError:
        return  # whoever reads it says what is wrong with it
    roles = (found.role,) if found.role else ()
    reader.known.services[found.service] = ServiceInfo(name=found.service, kind="", roles=roles)


def _hosts(node: Node | None) -> tuple[str, ...]:
    """A person who types an address at the command line has allowed it by name."""
    texts = [c.text for _, c in node if isinstance(c, Scalar)] if isinstance(node, MappingNode) else []
    return tuple(h for t in texts for h in hosts_in(t))
