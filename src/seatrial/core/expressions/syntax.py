"""The tree of an expression, and its canonical text.

Places (`offset`, `length`, in characters of the text) do not count when trees are compared.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from ..quantities import Quantity

NAME = r"[^\W\d]\w*(?:-\w+)*"  # a hyphen between letters or digits joins: there is no arithmetic that it could mean
KEYWORDS = frozenset({"and", "or", "not", "in", "matches", "true", "false", "null"})
FUNCTIONS = {
    "len": "len(list, mapping or text): how many items or characters",
    "min": "min(list) or min(a, b, ...): the smallest",
    "max": "max(list) or max(a, b, ...): the largest",
    "any": "any(list == value): whether one item at least does; any(list of truth values)",
    "all": "all(list == value): whether every item does; all(list of truth values)",
}
_NAME = re.compile(NAME)

Scalar = None | bool | int | float | str | Quantity


class _Each:
    """The part `[*]` of a path: every item of a list, every value of a mapping."""

    def __repr__(self) -> str:
        return "EACH"

    def __reduce__(self) -> str:
        return "EACH"


EACH = _Each()
Key = str | int | _Each


@dataclass(frozen=True, kw_only=True, slots=True)
class Place:
    """Where a node stands in the text."""

    offset: int = field(default=0, compare=False, repr=False)
    length: int = field(default=1, compare=False, repr=False)


@dataclass(frozen=True, kw_only=True, slots=True)
class Literal(Place):
    """A constant; `text` as it was written."""

    value: Scalar
    text: str


@dataclass(frozen=True, kw_only=True, slots=True)
class ListLiteral(Place):
    """``[1, 2]``"""

    items: tuple[Node, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class Part(Place):
    """One step of a path into a value."""

    key: Key


@dataclass(frozen=True, kw_only=True, slots=True)
class Path(Place):
    """``rows[0][0]``, ``headers["x-instance"]``, ``json.items[*].price``"""

    root: str
    parts: tuple[Part, ...] = ()


@dataclass(frozen=True, kw_only=True, slots=True)
class Filled(Place):
    """Text with values in it: ``"t-{{ trial.id }}"``; pieces are texts and paths in turn."""

    pieces: tuple[str | Path, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class Call(Place):
    """A function's value."""

    function: str
    arguments: tuple[Node, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class Compare(Place):
    """``== != < <= > >= in matches``"""

    operator: str
    left: Node
    right: Node


@dataclass(frozen=True, kw_only=True, slots=True)
class Not(Place):
    """The contrary."""

    operand: Node


@dataclass(frozen=True, kw_only=True, slots=True)
class Junction(Place):
    """``and`` / ``or`` of two operands or more."""

    operator: str
    operands: tuple[Node, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class Broken(Place):
    """Stands for what could not be read, so that the rest can still be checked; never in a finished expression."""

    inside: tuple[Node, ...] = ()  # what of it could be read


Node = Literal | ListLiteral | Path | Filled | Call | Compare | Not | Junction | Broken


def quoted(text: str) -> str:
    """A text literal."""
    escaped = text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n").replace("\t", "\\t")
    return f'"{escaped}"'


def path_text(root: str, keys: Iterator[Key]) -> str:
    """A path as it is written."""
    text = [root]
    for key in keys:
        if isinstance(key, str):
            text.append(f".{key}" if _NAME.fullmatch(key) else f"[{quoted(key)}]")
        else:
            text.append("[*]" if isinstance(key, _Each) else f"[{key}]")
    return "".join(text)


def unparse(node: Node) -> str:
    """The canonical text of a tree; reading it gives the same tree."""
    match node:
        case Literal():
            return node.text
        case ListLiteral():
            return f"[{', '.join(map(unparse, node.items))}]"
        case Path():
            return path_text(node.root, (p.key for p in node.parts))
        case Filled():
            return '"' + "".join(_piece(p) for p in node.pieces) + '"'
        case Call():
            return f"{node.function}({', '.join(map(unparse, node.arguments))})"
        case Compare():
            return f"{_operand(node.left)} {node.operator} {_operand(node.right)}"
        case Not():
            inner = unparse(node.operand)
            return f"not ({inner})" if isinstance(node.operand, Junction) else f"not {inner}"
        case Junction():
            return f" {node.operator} ".join(
                f"({unparse(o)})" if isinstance(o, Junction) else unparse(o) for o in node.operands
            )
        case Broken():
            return "?"


def _operand(node: Node) -> str:
    return f"({unparse(node)})" if isinstance(node, Compare | Not | Junction) else unparse(node)


def _piece(piece: str | Path) -> str:
    return quoted(piece if isinstance(piece, str) else f"{{{{ {unparse(piece)} }}}}")[1:-1]


def walk(node: Node) -> Iterator[Node]:
    """The node and all below it."""
    yield node
    match node:
        case ListLiteral():
            below: tuple[Node, ...] = node.items
        case Filled():
            below = tuple(p for p in node.pieces if isinstance(p, Path))
        case Call():
            below = node.arguments
        case Compare():
            below = (node.left, node.right)
        case Not():
            below = (node.operand,)
        case Junction():
            below = node.operands
        case Broken():
            below = node.inside
        case _:
            below = ()
    for child in below:
        yield from walk(child)
