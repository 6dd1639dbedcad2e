"""Filling in the templates of a stack file: some once for a service, some for each instance."""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping, Sequence

from ..core.errors import PlatformError
from ..core.templates import Piece, Template
from .ground import LocalGround

Word = str | Template
Command = Sequence[Word]  # one entry for each argument

_OF_INSTANCES = frozenset({"instance", "port"})
# Stand for the places of a template while its text is split: private-use characters, which mean nothing to a shell.
_MARK = "\ue000"
_MARKED = re.compile(f"{_MARK}(\\d+){_MARK}")


def settle(tree: object, ground: LocalGround) -> object:
    """Fill in what is the same for all instances; templates that speak of an instance stay templates."""
    if isinstance(tree, Template):
        return tree if _OF_INSTANCES.intersection(tree.names) else ground.render(tree, {})
    if isinstance(tree, Mapping):
        return {key: settle(value, ground) for key, value in tree.items()}
    if isinstance(tree, (list, tuple)):
        return tuple(settle(value, ground) for value in tree)
    return tree


def parse_command(declared: object) -> Command:
    """A command as its words: a list of them, or a line, split as a shell would before any value is put in.

    Raises PlatformError for a line that cannot be split (an open quotation).
    """
    if isinstance(declared, (list, tuple)):
        return [word if isinstance(word, Template) else str(word) for word in declared]
    pieces = declared.pieces if isinstance(declared, Template) else (str(declared),)
    line = "".join(
        piece if isinstance(piece, str) else f"{_MARK}{number}{_MARK}" for number, piece in enumerate(pieces)
    )
    try:
        words = shlex.split(line)
    except ValueError as error:
        raise PlatformError(f"the command {str(declared)!r} cannot be split into words: {error}") from error
    return [_word(word, pieces) for word in words]


def render_command(command: Command, ground: LocalGround, values: Mapping[str, object]) -> list[str]:
    """The arguments, values filled in."""
    return [render_text(word, ground, values) for word in command]


def render_mapping(declared: object, ground: LocalGround, values: Mapping[str, object]) -> dict[str, str]:
    """Texts by name; empty for anything but a mapping."""
    if not isinstance(declared, Mapping):
        return {}
    return {str(name): render_text(text, ground, values) for name, text in declared.items()}


def render_text(text: object, ground: LocalGround, values: Mapping[str, object]) -> str:
    """A text, values filled in."""
    value = ground.render(text, values)
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)


def _word(word: str, pieces: Sequence[Piece]) -> Word:
    """A word with the template's places where their marks are."""
    found: list[Piece] = []
    for position, part in enumerate(_MARKED.split(word)):
        if position % 2:
            found.append(pieces[int(part)])
        elif part:
            found.append(part)
    if all(isinstance(piece, str) for piece in found):
        return "".join(piece for piece in found if isinstance(piece, str))
    shown = "".join(piece if isinstance(piece, str) else f"{{{{ {piece} }}}}" for piece in found)
    return Template(source=shown, pieces=tuple(found))
