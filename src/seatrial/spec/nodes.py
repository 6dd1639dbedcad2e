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
_PROPERTIES = re.compile(r"(?:[&!][^\s,\[\]{}]*[ \t]+)+")
_STANDARD_TAGS = tuple(f"tag:yaml.org,2002:{name}" for name in ("str", "seq", "map"))
_LONGEST = 300  # digits of a whole number that is kept exactly
MAX_DEPTH = 60
MAX_COPIES = 20_000  # nodes that aliases may add: beyond it, a file is a bomb rather than a spec


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
    if _INT.fullmatch(text) and len(text) <= _LONGEST:
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


def is_file(path: Path) -> bool:
    """Whether there is such a file; also for names that none can have."""
    try:
        return path.is_file()
    except (OSError, ValueError):
        return False


def is_dir(path: Path) -> bool:
    """Whether there is such a directory; also for names that none can have."""
    try:
        return path.is_dir()
    except (OSError, ValueError):
        return False


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
    except yaml.reader.ReaderError as error:
        problems.append(_unreadable(error, text, source))
        return None
    except yaml.YAMLError as error:
        problems.append(_syntax(error, source))
        return None
    except (RecursionError, UnicodeError) as error:
        what = "nested too deeply" if isinstance(error, RecursionError) else "has characters that are none"
        problems.append(Problem(message=f"{shown}: {what}"))
        return None
    if root is None:
        return Mapping(source=source, line=1, column=1)
    return _Converter(source, problems).convert(root, 0)


def _unreadable(error: yaml.reader.ReaderError, text: str, source: Source) -> Problem:
    """A control character."""
    character = error.character if isinstance(error.character, int) else ord(str(error.character)[:1] or "\0")
    offset = max(0, text.find(chr(character)))
    before = text[:offset].splitlines() or [""]
    line, column = max(1, len(before)), len(before[-1]) + 1
    if offset and text[offset - 1] in "\r\n":
        line, column = line + 1, 1
    position = Position(file=source.name, line=line, column=column)
    shown = "".join(c if c.isprintable() else "\ufffd" for c in source.line(line))
    return Problem(message=f"not YAML: the control character U+{character:04X}", position=position, line_text=shown)


def _syntax(error: yaml.YAMLError, source: Source) -> Problem:
    mark = getattr(error, "problem_mark", None) or getattr(error, "context_mark", None)
    said = str(getattr(error, "problem", None) or error).strip()
    if "quoted scalar" in str(getattr(error, "context", None)) and "end of stream" in said:
        mark = getattr(error, "context_mark", None) or mark
    if mark is None:
        return Problem(message=f"{source.name}: {said}")
    line = min(mark.line, max(0, len(source.lines) - 1))
    text = source.line(line + 1)
    column = min(mark.column, len(text)) if line == mark.line else len(text)
    message, hint = _explained(said, error, text, column)
    position = Position(file=source.name, line=line + 1, column=column + 1)
    return Problem(message=f"not YAML: {message}", position=position, line_text=text.replace("\t", " "), hint=hint)


def _explained(said: str, error: yaml.YAMLError, text: str, column: int) -> tuple[str, str]:
    """A parser's complaint about a place in a line as a message and a hint for people."""
    context = str(getattr(error, "context", None) or "")
    character, before = text[column : column + 1], text[:column].rstrip()
    if "cannot start any token" in said:
        return ("a tab cannot indent", "use spaces") if character == "\t" else _no_begin(character)
    if "scanning a tag" in context or "scanning a block scalar" in context:
        began = getattr(error, "context_mark", None)
        return _no_begin(text[began.column : began.column + 1] if began is not None else "!")
    if "mapping values are not allowed" in said:
        return "a second `: ` in one line", "quote the text if it holds `: `, ` #`, `{` or `[`"
    if "another document" in said:
        return "a second document begins here", "one file holds one document"
    if "undefined alias" in said:
        return "an alias of nothing: no anchor of that name before it", "define it above: name: &anchor value"
    if "expected node content" in said and character != "?":
        return f"nothing before this {character}", "leave out what is too much"
    if "expected node content" in said:
        return _no_begin("?")
    if character and character in "}]" and ("<document start>" in said or "block" in context):
        return f"a {character} too many", "nothing is open here"
    if "quoted scalar" in context and "end of stream" in said:
        return "a text without its closing quote", ""
    return _of_collection(error, context, character, before, text[column + 1 :]) or (said, context)


def _of_collection(
    error: yaml.YAMLError, context: str, character: str, before: str, after: str
) -> tuple[str, str] | None:
    """A list or mapping that does not go on, or end, as it should; None where it is about something else."""
    began = getattr(error, "context_mark", None)
    line = began.line + 1 if began is not None else 0
    flow, block = ("flow sequence" in context or "flow mapping" in context), "block" in context
    if (flow or block) and character and before.endswith(("'", '"')):
        return (
            "a text goes on behind its closing quote",
            "quote all of it (a ' between '...' is written twice), or set the comma that is missing",
        )
    if flow:
        kind, end = ("list", "]") if "sequence" in context else ("mapping", "}")
        quote = 'quote the text: "..."'
        if before.endswith("?"):
            return _no_begin("?")  # which begins a key between braces, wherever it stands
        if character and character in "{[" and before and before[-1] not in ",{[}]":
            return f"a {character} inside a text inside a {kind}", quote
        if character == ":" and after[:1] in ("", " ") and _error_line(error) == line:
            return f"a second `: ` inside a {kind}", "quote the text that holds it, or set the comma that is missing"
        comment = " #" in before
        hint = f"from ` #` on, this line is a comment: {quote}" if comment else f"it begins in line {line}"
        return f"a {kind} without its {end}", hint
    if "block mapping" in context or "block collection" in context:
        kind = "mapping" if "mapping" in context else "list"
        return "the indentation does not fit", f"the {kind} that begins in line {line} has another one"
    return None


def _error_line(error: yaml.YAMLError) -> int:
    """Where a parser's complaint is, from 1; 0 where that is not known."""
    mark = getattr(error, "problem_mark", None)
    return mark.line + 1 if mark is not None else 0


def _no_begin(character: str) -> tuple[str, str]:
    return f"a text cannot begin with {character}", f'quote it: "{character}..."'


class _Converter:
    """PyYAML's nodes as ours; anchors are copies, a cycle is a mistake."""

    def __init__(self, source: Source, problems: list[Problem]) -> None:
        self._source = source
        self._problems = problems
        self._open: set[int] = set()
        self._seen: set[int] = set()
        self._copies = 0
        self._exploded = False

    def convert(self, node: yaml.Node, depth: int) -> Node:
        mark = node.start_mark
        place: dict[str, Any] = {"source": self._source, "line": mark.line + 1, "column": mark.column + 1}
        wrong = self._endless(node, depth)
        if wrong is not None:
            empty = Mapping(**place)
            if wrong:
                self._problems.append(empty.problem(wrong))
            return empty
        self._open.add(id(node))
        try:
            return self._convert(node, place, depth)
        finally:
            self._open.discard(id(node))

    def _endless(self, node: yaml.Node, depth: int) -> str | None:
        """Why a node is not followed; an empty text where that was said before."""
        if id(node) in self._open:
            return "an alias of what it is in"
        if depth > MAX_DEPTH:
            return "nested too deeply"
        if id(node) not in self._seen:
            self._seen.add(id(node))
            return None
        self._copies += 1
        if self._copies <= MAX_COPIES:
            return None
        said, self._exploded = self._exploded, True
        return "" if said else f"aliases make more than {MAX_COPIES:,} nodes of this file"

    def _convert(self, node: yaml.Node, place: dict[str, Any], depth: int) -> Node:
        if node.tag not in _STANDARD_TAGS:
            at = Node(**place, length=len(node.tag))
            self._problems.append(at.problem(f"the tag {node.tag} means nothing here", "leave it out"))
        if isinstance(node, yaml.ScalarNode):
            return self._scalar(node)
        if isinstance(node, yaml.SequenceNode):
            return Sequence(items=[self.convert(item, depth + 1) for item in node.value], **place)
        mapping = Mapping(**place)
        merged: list[tuple[Scalar, Node]] = []
        for key_node, value_node in node.value:
            key = self.convert(key_node, depth + 1)
            if not isinstance(key, Scalar):
                self._problems.append(key.problem("a key is text, not a mapping or list"))
                continue
            value = self.convert(value_node, depth + 1)
            if getattr(node, "flow_style", False) and self._trapped(key, key_node, value_node):
                continue
            if key.text == "<<" and key.plain:
                merged.append((key, value))
                continue
            if key.text in mapping.entries:
                first = mapping.entries[key.text].key
                self._problems.append(key.problem(f"{shorten(key.text)} is here twice", f"first in line {first.line}"))
                continue
            mapping.entries[key.text] = Entry(key=key, value=value)
        for key, value in merged:  # own keys come first, wherever they stand
            self._merge(mapping, key, value)
        first_key = next(iter(mapping.entries.values())).key if mapping.entries else None
        if first_key is not None and (first_key.line, first_key.column) == (mapping.line, mapping.column):
            mapping.length = first_key.length
        return mapping

    def _trapped(self, key: Scalar, key_node: yaml.Node, value_node: yaml.Node) -> bool:
        """Whether a key between { and } is none, as it looks: one that a ? begins, or one that has no value."""
        begin, end, value = key_node.start_mark, key_node.end_mark, value_node.start_mark
        before = self._source.line(begin.line + 1)[: begin.column].rstrip()
        if before.endswith("?"):
            message = (
                f"YAML takes the ? before {shorten(key.text)} for the sign of a key, and not for a part of the text"
            )
            self._problems.append(key.problem(message, f'quote it: "?{key.text}"'))
            return True
        empty = isinstance(value_node, yaml.ScalarNode) and not value_node.value and value_node.style in (None, "")
        between = self._source.line(end.line + 1)[end.column : value.column] if end.line == value.line else ":"
        if not empty or ":" in between:
            return False
        name, colon, rest = key.text.partition(":")
        if key.plain and colon and rest:
            self._problems.append(
                key.problem(f"{shorten(key.text)} is one word: a key ends with `: `", f"{name}: {rest}")
            )
        else:
            hint = "a comma ends a text between { and }: if it is a part of the text before it, quote that"
            self._problems.append(key.problem(f"{shorten(key.text)} is a key without a value", hint))
        return True

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
        properties = _PROPERTIES.match(self._source.line(begin.line + 1), begin.column)
        first = properties.end() if properties and (not one_line or properties.end() <= end.column) else begin.column
        length = max(1, end.column - first) if one_line else 1
        exact = one_line and node.style in (None, "", "'", '"') and length == len(node.value) + (2 if quoted else 0)
        column = first + 1 + (1 if quoted and exact else 0)
        is_text = properties is not None and "!" in properties[0]
        return Scalar(
            source=self._source,
            line=begin.line + 1,
            column=column,
            length=max(1, len(node.value)) if exact else length,
            text=node.value,
            plain=node.style in (None, "") and not is_text,
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
