"""Text with places for values, split once, so that filling it in is a join."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final
from urllib.parse import quote, quote_plus

from ..core.expressions import Expression, Missing, compile_path
from ..core.expressions.syntax import Path
from ..core.templates import TemplateError, text_of
from .scripts import Unexpected

PATH_SAFE: Final = "/%:@!$&'()*+,;=~"
QUERY_SAFE: Final = "/?%:@!$&'()*+,;=~[]"
Values = Mapping[str, object]
Fill = Callable[[Values], str]


class Pattern:
    """Pieces are text, or [path of a value, how it is written]. Raises Unexpected for a value that is missing or has no text."""

    def __init__(self, pieces: Sequence[str | Sequence[str]]) -> None:
        self._pieces = [_constant(p) if isinstance(p, str) else _place(*p) for p in pieces]
        self.names = frozenset(n for p in pieces if not isinstance(p, str) for n in compile_path(p[0]).names)
        self.text = "".join(p for p in pieces if isinstance(p, str))

    def fill(self, values: Values) -> str:
        """With values by root name."""
        return "".join([piece(values) for piece in self._pieces])


def picker(path: Expression) -> Callable[[Values], object]:
    """A path's value, or Missing; names alone, which nearly all are, without a walk."""
    tree = path.tree
    keys: list[Any] = [part.key for part in tree.parts] if isinstance(tree, Path) else []
    if not isinstance(tree, Path) or not all(isinstance(k, str) for k in keys):
        return path.value
    root = tree.root

    def pick(values: Values) -> object:
        try:
            value: Any = values[root]
            for key in keys:
                value = value[key]
        except (KeyError, TypeError, IndexError):
            return path.value(values)
        return value

    return pick


def _constant(text: str) -> Fill:
    return lambda _: text


def _place(source: str, how: str) -> Fill:
    pick, write = picker(compile_path(source)), _WRITERS[how]

    def fill(values: Values) -> str:
        value = pick(values)
        if isinstance(value, Missing):
            raise Unexpected(f"{{{{ {source} }}}}: {value.reason}")
        try:
            return write(value, source)
        except TemplateError as error:
            raise Unexpected(error.message) from None

    return fill


def _header(value: object, source: str) -> str:
    text = text_of(value, source)
    if any(c in text for c in "\r\n\0"):
        raise Unexpected(f"{{{{ {source} }}}}: a line break cannot stand in a header")
    return text


_WRITERS: Final[Mapping[str, Callable[[object, str], str]]] = {
    "text": text_of,
    "header": _header,
    "url": lambda value, source: quote(text_of(value, source), safe=QUERY_SAFE),
    "form": lambda value, source: quote_plus(text_of(value, source)),
    "json": lambda value, _: json.dumps(value, ensure_ascii=False),
    "string": lambda value, source: json.dumps(text_of(value, source), ensure_ascii=False)[1:-1],
}
