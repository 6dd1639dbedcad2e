"""A short way into `seatrial history`: reading options with typer takes longer than to look into a history of ten thousand trials.

What it does not understand, and every mistake, goes the long way (`cli.history`), which has the same options.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from ..core.errors import SeatrialError

_FLAGS = {"--json": "as_json", "--rounds": "rounds"}
_VALUES = ("--last", "--finding", "--name", "--directory")


def history(arguments: Sequence[str]) -> bool:
    """Whether that was all that is to be done."""
    given = _read(arguments)
    if given is None:
        return False
    flags, values = given
    last = values.get("--last", "20")
    if not last.isdecimal() or int(last) < 1:
        return False
    from ..api.history import show_history

    try:
        root = Path(values["--directory"]) if "--directory" in values else None
        show_history(
            root,
            last=int(last),
            finding=values.get("--finding"),
            rounds="rounds" in flags,
            name=values.get("--name"),
            as_json="as_json" in flags,
        )
    except (SeatrialError, BrokenPipeError):
        return False
    return True


def _read(arguments: Sequence[str]) -> tuple[set[str], dict[str, str]] | None:
    """Flags and values; None for anything else than --option and --option value."""
    flags: set[str] = set()
    values: dict[str, str] = {}
    left = list(arguments)
    while left:
        word = left.pop(0)
        if word in _FLAGS:
            flags.add(_FLAGS[word])
        elif word in _VALUES and left and not left[0].startswith("-"):
            values[word] = left.pop(0)
        else:
            return None
    return flags, values
