"""Finds test files and reads them."""

from __future__ import annotations

import ast
import io
import os
import tokenize
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from ..core.errors import Position, Problem, UsageError

CONFTEST = "conftest.py"
_NOT_OURS = frozenset({"node_modules", "__pycache__", "venv", "env", "build", "dist", "site-packages"})
_LARGEST = 5_000_000  # bytes of a file that is still code that somebody wrote


@dataclass(frozen=True, kw_only=True)
class File:
    """A file that was read; `comments`: the lines (from 1) that have one."""

    path: Path
    tree: ast.Module
    lines: Sequence[str]
    comments: frozenset[int]


def test_files(paths: Sequence[Path]) -> list[Path]:
    """The files that pytest would collect: `test_*.py` and `*_test.py` below directories, their conftest.py, and files that are named.

    Raises UsageError.
    """
    found: dict[Path, None] = {}
    for path in paths:
        if not path.exists():
            raise UsageError.simple(f"--suite: there is no {path}", "a file, or a directory with test_*.py")
        if path.is_file():
            if path.suffix != ".py":
                raise UsageError.simple(
                    f"--suite: {path} is no Python file",
                    "tests of pytest and unittest are read; of others `seatrial prove --suite` says what they notice",
                )
            found[path] = None
            continue
        inside = list(_below(path))
        if all(p.name == CONFTEST for p in inside):
            raise UsageError.simple(f"--suite: there are no tests in {path}", "files are called test_*.py or *_test.py")
        found |= dict.fromkeys(inside)
    return list(found)


def _below(directory: Path) -> Iterator[Path]:
    for where, inside, files in os.walk(directory):
        inside[:] = sorted(d for d in inside if d not in _NOT_OURS and not d.startswith("."))
        for name in sorted(files):
            if name == CONFTEST or (name.endswith(".py") and (name.startswith("test_") or name.endswith("_test.py"))):
                yield Path(where) / name


def read(path: Path) -> File | Problem:
    """A file, or why it cannot be read."""
    try:
        content = path.read_bytes()
    except OSError as error:
        return Problem(message=f"{path}: {(error.strerror or str(error)).lower()}")
    if len(content) > _LARGEST:
        return Problem(message=f"{path}: {len(content):,} bytes are not looked through")
    try:
        encoding, _ = tokenize.detect_encoding(io.BytesIO(content).readline)
        text = io.TextIOWrapper(io.BytesIO(content), encoding, newline=None).read()
    except (SyntaxError, UnicodeError, LookupError) as error:
        return Problem(message=f"{path}: not Python: {error}")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            tree = ast.parse(text)
    except SyntaxError as error:
        return _syntax(path, text, error)
    except (ValueError, RecursionError, MemoryError) as error:
        return Problem(message=f"{path}: not Python: {error}")
    return File(path=path, tree=tree, lines=text.split("\n"), comments=_comments(text))


def _syntax(path: Path, text: str, error: SyntaxError) -> Problem:
    lines = text.split("\n")
    line = min(max(1, error.lineno or 1), max(1, len(lines)))
    shown = lines[line - 1] if line <= len(lines) else ""
    position = Position(file=str(path), line=line, column=min(max(1, error.offset or 1), len(shown) + 1))
    shown = "".join(c if c.isprintable() else " " for c in shown)
    return Problem(message=f"not Python: {error.msg}", position=position, line_text=shown)


def _comments(text: str) -> frozenset[int]:
    try:
        tokens = list(tokenize.generate_tokens(io.StringIO(text).readline))
    except (SyntaxError, tokenize.TokenError, IndentationError):
        return frozenset()
    return frozenset(t.start[0] for t in tokens if t.type == tokenize.COMMENT)
