"""Secrets that a service is given as files, by what `..._FILE` among its variables names: what is in them is struck out, too."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from ..core.redaction import looks_secret

_SUFFIX = "_FILE"
_LONGEST = 1 << 16  # bytes: what is longer is no password, and no key


def named(environment: Mapping[str, str], place: Callable[[str], Path | None]) -> Iterator[str]:
    """What is in the files that variables with the name of a credential name (`DB_PASSWORD_FILE`). `place`: where a path is here."""
    for name, path in environment.items():
        if name.endswith(_SUFFIX) and looks_secret(name.removesuffix(_SUFFIX)) and (file := place(path)) is not None:
            yield from content_of(file)


def content_of(file: Path) -> Iterator[str]:
    """What is in it; nothing where it cannot be read, or is no text."""
    try:
        with file.open("rb") as stream:
            text = stream.read(_LONGEST + 1).decode("utf-8")
    except (OSError, UnicodeDecodeError):
        return
    if text.strip() and len(text) <= _LONGEST:
        yield text.strip()
