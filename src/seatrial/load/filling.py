"""Text with places for values, split once, so that filling it in is a join."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final
from urllib.parse import quote, quote_plus

from ..core.expressions import Expression, Missing, compile_path
from ..core.expressions.syntax import Node, Path
from ..core.templates import TemplateError, text_of
from .scripts import Unexpected

PATH_SAFE: Final = "/%:@!$&'()*+,;=~"
QUERY_SAFE: Final = "/?%:@!$&'()*+,;=~[]"
Values = Mapping[str, object]
Fill = Callable[[Values], str]
_NOT: Final = object()


class Pattern:
    """Pieces are text, or [path of a value, how it is written]. `names`: of the values; without any, it is always the same.

    Raises Unexpected for a value that is missing or has no text.
    """

    def __init__(self, pieces: Sequence[str | Sequence[str]]) -> None:
        places = [p for p in pieces if not isinstance(p, str)]
        self.names = frozenset(n for p in places for n in compile_path(p[0]).names)
        self._fills = [_place(*p) for p in places]
        self._text = "".join(p.replace("%", "%%") if isinstance(p, str) else "%s" for p in pieces)
        self._constant = self._text % () if not places else ""

    def fill(self, values: Values) -> str:
        """With values by root name."""
        fills = self._fills
        if not fills:
            return self._constant
        return self._text % (fills[0](values) if len(fills) == 1 else tuple([fill(values) for fill in fills]))


def picker(path: Expression) -> Callable[[Values], object]:
    """A path's value, or Missing; names alone, which nearly all are, without a walk."""
    quick = pick_of(path.tree)

    def pick(values: Values) -> object:
        value = quick(values) if quick is not None else _NOT
        return path.value(values) if value is _NOT else value

    return pick


def pick_of(tree: Node) -> Callable[[Values], object] | None:
    """What names alone lead to, or something that is equal to nothing; None where it takes more than names."""
    keys: list[Any] = [part.key for part in tree.parts] if isinstance(tree, Path) else [None]
    if not isinstance(tree, Path) or not all(isinstance(k, str) for k in keys):
        return None
    root = tree.root

    def pick(values: Values) -> object:
        try:
            value: Any = values[root]
            for key in keys:
                value = value[key]
        except (KeyError, TypeError, IndexError):
            return _NOT
        return value

    return pick


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


def _url(value: object, source: str) -> str:
    text = text_of(value, source)
    return text if text.isalnum() and text.isascii() else quote(text, safe=QUERY_SAFE)


_WRITERS: Final[Mapping[str, Callable[[object, str], str]]] = {
    "text": text_of,
    "header": _header,
    "url": _url,
    "form": lambda value, source: quote_plus(text_of(value, source)),
    "json": lambda value, _: json.dumps(value, ensure_ascii=False),
    "string": lambda value, source: json.dumps(text_of(value, source), ensure_ascii=False)[1:-1],
}
