"""YAML as nodes with exact positions, plain scalars resolved by the YAML 1.2 core schema.

libyaml composes (fast); what its 1.1 resolver would have made of a plain scalar is disregarded: `yes`, `on`, `0777` and
`1:30` are text, as YAML 1.2 has it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from ..core.errors import Position, Problem

_Composer = getattr(yaml, "CBaseLoader", yaml.BaseLoader)
_NULL = re.compile(r"|~|null|Null|NULL")
_BOOL = {"true": True, "True": True, "TRUE": True, "false": False, "False": False, "FALSE": False}
_INT = re.compile(r"[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+")
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
_NAN = re.compile(r"[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)")
MAX_DEPTH = 60


@dataclass(kw_only=True, eq=False)
class Source:
    """A file that was read."""

    name: str
    lines: list[str]

    def line(self, number: int) -> str:
        """Its text, from 1."""
        return self.lines[number - 1] if 0 < number <= len(self.lines) else ""


@dataclass(kw_only=True, eq=False)
class Node:
    """A place in a file; line and column from 1."""

    source: Source
    line: int
    column: int
    length: int = 1

    def position(self, offset: int = 0, length: int | None = None) -> Position:
        """Where it is; `offset` characters into it."""
        return Position(
            file=self.source.name, line=self.line, column=self.column + offset, length=length or self.length
        )

    def problem(self, message: str, hint: str = "", offset: int = 0, length: int | None = None) -> Problem:
        """Something wrong here."""
        return Problem(
            message=message, position=self.position(offset, length), line_text=self.source.line(self.line), hint=hint
        )


@dataclass(kw_only=True, eq=False)
class Scalar(Node):
    """Text as written, and what it means; `exact`: an offset in `text` is an offset in the line."""

    text: str
    plain: bool
    exact: bool = True

    @property
    def value(self) -> object:
        """By the core schema: None, bool, int, float or str."""
        return resolve(self.text) if self.plain else self.text


@dataclass(kw_only=True, eq=False)
class Entry:
    """A key with its value."""

    key: Scalar
    value: Node


@dataclass(kw_only=True, eq=False)
class Mapping(Node):
    """Keys to nodes, in order."""

    entries: dict[str, Entry] = field(default_factory=dict)

    def get(self, name: str) -> Node | None:
        """The value of a key."""
        entry = self.entries.get(name)
        return entry.value if entry else None

    def __iter__(self) -> Iterator[tuple[Scalar, Node]]:
        for entry in self.entries.values():
            yield entry.key, entry.value


@dataclass(kw_only=True, eq=False)
class Sequence(Node):
    """Nodes in order."""

    items: list[Node] = field(default_factory=list)


def resolve(text: str) -> object:
    """A plain scalar by the YAML 1.2 core schema."""
    if _NULL.fullmatch(text):
        return None
    if text in _BOOL:
        return _BOOL[text]
    if _INT.fullmatch(text):
        return int(text, 0) if text[:2] in ("0o", "0x") else int(text)
    if _FLOAT.fullmatch(text):
        return float(text)
    if _NAN.fullmatch(text):
        return float(text.replace(".", ""))
    return text


def describe(node: Node) -> str:
    """What a node is, for messages."""
    if isinstance(node, Mapping):
        return "a mapping"
    if isinstance(node, Sequence):
        return "a list"
    value = node.value if isinstance(node, Scalar) else None
    if value is None:
        return "nothing"
    if isinstance(value, bool):
        return f"{'true' if value else 'false'}"
    return f"the number {value}" if isinstance(value, int | float) else f"the text {shorten(str(value))}"


def shorten(text: str, limit: int = 40) -> str:
    """Quoted and cut."""
    return f'"{text if len(text) <= limit else text[: limit - 1] + "…"}"'


def read_file(path: Path, shown: str, problems: list[Problem]) -> Node | None:
    """The document of a file; None (and a problem) when it cannot be read or is no YAML."""
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        problems.append(Problem(message=f"{shown}: {(error.strerror or str(error)).lower()}"))
        return None
    except UnicodeDecodeError as error:
        problems.append(Problem(message=f"{shown}: not UTF-8 (byte {error.start})"))
        return None
    return read_text(text, shown, problems)


def read_text(text: str, shown: str, problems: list[Problem]) -> Node | None:
    """The document of a text."""
    source = Source(name=shown, lines=text.splitlines())
    try:
        loader = _Composer(text)
        try:
            root = loader.get_single_node()
        finally:
            loader.dispose()
    except yaml.YAMLError as error:
        problems.append(_syntax(error, source))
        return None
    except RecursionError:
        problems.append(Problem(message=f"{shown}: nested too deeply"))
        return None
    if root is None:
        return Mapping(source=source, line=1, column=1)
    return _Converter(source, problems).convert(root, 0)


def _syntax(error: yaml.YAMLError, source: Source) -> Problem:
    mark = getattr(error, "problem_mark", None) or getattr(error, "context_mark", None)
    message = str(getattr(error, "problem", None) or error).strip()
    if message.startswith("found character '\\t'") or "tab" in message:
        message = "a tab cannot indent"
    if mark is None:
        return Problem(message=f"{source.name}: {message}")
    line = min(mark.line, max(0, len(source.lines) - 1))
    context = getattr(error, "context", None)
    hint = "quote the text if it holds `: `, ` #`, `{` or `[`" if "mapping values" in message else str(context or "")
    position = Position(file=source.name, line=line + 1, column=mark.column + 1)
    return Problem(message=f"not YAML: {message}", position=position, line_text=source.line(line + 1), hint=hint)


class _Converter:
    """PyYAML's nodes as ours; anchors are copies, a cycle is a mistake."""

    def __init__(self, source: Source, problems: list[Problem]) -> None:
        self._source = source
        self._problems = problems
        self._open: set[int] = set()

    def convert(self, node: yaml.Node, depth: int) -> Node:
        mark = node.start_mark
        place: dict[str, Any] = {"source": self._source, "line": mark.line + 1, "column": mark.column + 1}
        if depth > MAX_DEPTH or id(node) in self._open:
            what = "an alias of itself" if id(node) in self._open else "nested too deeply"
            empty = Mapping(**place)
            self._problems.append(empty.problem(what))
            return empty
        self._open.add(id(node))
        try:
            return self._convert(node, place, depth)
        finally:
            self._open.discard(id(node))

    def _convert(self, node: yaml.Node, place: dict[str, Any], depth: int) -> Node:
        if isinstance(node, yaml.ScalarNode):
            return self._scalar(node)
        if isinstance(node, yaml.SequenceNode):
            return Sequence(items=[self.convert(item, depth + 1) for item in node.value], **place)
        mapping = Mapping(**place)
        for key_node, value_node in node.value:
            key = self.convert(key_node, depth + 1)
            if not isinstance(key, Scalar):
                self._problems.append(key.problem("a key is text, not a mapping or list"))
                continue
            value = self.convert(value_node, depth + 1)
            if key.text == "<<" and key.plain:
                self._merge(mapping, key, value)
                continue
            if key.text in mapping.entries:
                first = mapping.entries[key.text].key
                self._problems.append(key.problem(f"{shorten(key.text)} is here twice", f"first in line {first.line}"))
                continue
            mapping.entries[key.text] = Entry(key=key, value=value)
        return mapping

    def _merge(self, mapping: Mapping, key: Scalar, value: Node) -> None:
        """`<<: *anchor`: keys that are not given here."""
        for part in value.items if isinstance(value, Sequence) else [value]:
            if not isinstance(part, Mapping):
                self._problems.append(key.problem("`<<` takes a mapping"))
                continue
            for name, entry in part.entries.items():
                mapping.entries.setdefault(name, entry)

    def _scalar(self, node: yaml.ScalarNode) -> Scalar:
        begin, end = node.start_mark, node.end_mark
        quoted = node.style in ("'", '"')
        one_line = begin.line == end.line
        length = max(1, end.column - begin.column) if one_line else 1
        exact = one_line and node.style in (None, "", "'", '"') and length == len(node.value) + (2 if quoted else 0)
        column = begin.column + 1 + (1 if quoted and exact else 0)
        return Scalar(
            source=self._source,
            line=begin.line + 1,
            column=column,
            length=max(1, len(node.value)) if exact else length,
            text=node.value,
            plain=node.style in (None, ""),
            exact=exact,
        )


def merge(base: Node, over: Node) -> Node:
    """An overlay on a document: mappings merge, `null` removes a key, everything else replaces. Positions stay their own."""
    if not isinstance(base, Mapping) or not isinstance(over, Mapping):
        return over
    entries = dict(base.entries)
    for name, entry in over.entries.items():
        removes = isinstance(entry.value, Scalar) and entry.value.plain and entry.value.value is None
        if removes:
            entries.pop(name, None)
        elif name in entries:
            entries[name] = Entry(key=entry.key, value=merge(entries[name].value, entry.value))
        else:
            entries[name] = entry
    return Mapping(source=base.source, line=base.line, column=base.column, length=base.length, entries=entries)
