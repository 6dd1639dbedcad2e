"""Whose a change is. What services write themselves is no drift where that was seen; a program or a configuration always is.

Who changed a file cannot be asked afterwards. Two things can be known of one that is named neither like a program nor like a configuration:

- a process of the stack was seen to have it open for writing: it is the service's own (a log of any name, a queue, a cache);
- it is a database of SQLite, and was so before, in place: its rows are state, as those of PostgreSQL are.

All else counts, and the finding says what to write into the spec if it is the services' own, too.
"""

from __future__ import annotations

import glob
import json
import os
import re
import stat
from collections.abc import Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from pathlib import PurePosixPath
from typing import BinaryIO

from ..core.fingerprints import OpenFile

# Names of what is run, loaded, read at the start or served as it is. A service that rewrites one of these changes what is tested.
_INPUTS = frozenset(
    {
        "bash", "bat", "c", "cc", "cfg", "cjs", "class", "clj", "cnf", "conf", "config", "cpp", "crt", "cs", "css", "cts", "dart", "dll",
        "eex", "ejs", "elf", "env", "erb", "erl", "ex", "exe", "exs", "go", "gradle", "graphql", "groovy", "h", "haml", "hbs", "hcl", "hs",
        "htm", "html", "ini", "j2", "jar", "java", "jinja", "jinja2", "js", "json", "json5", "jsonnet", "jsx", "key", "kt", "kts", "less",
        "lua", "mako", "mjs", "ml", "mod", "mts", "mustache", "node", "p12", "pem", "php", "phtml", "pl", "pm", "plist", "properties",
        "proto", "ps1", "pug", "py", "pyd", "pyi", "pyx", "r", "rb", "rs", "ru", "sass", "scala", "scss", "sh", "so", "sql", "svelte",
        "swift", "tf", "tmpl", "toml", "tpl", "ts", "tsx", "twig", "vue", "war", "wasm", "xhtml", "xml", "xsd", "xsl", "yaml", "yml", "zig",
        "zsh",
    }
)  # fmt: skip
_NAMED = re.compile(
    r"\.env(\..*)?|.*[Ff]ile|requirements.*|.*\.so\.[\d.]+|(poetry|uv|yarn|Cargo|Gemfile|composer)\.lock"
)
_SQLITE = b"SQLite format 3\0"
_SUFFIX_FROM = 3  # as many files of a directory that end alike are proposed by a pattern
_MOST_PROPOSED = 8
_PLAIN = re.compile(r"(?!(?i:true|false|null|yes|no|on|off)$)[A-Za-z][\w./-]*")


def is_input(name: str, mode: int) -> bool:
    """Whether a file is named like a program or a configuration, or may be executed."""
    last = name.rpartition("/")[2]
    _, dot, suffix = last.rpartition(".")
    return bool(mode & 0o111 or (dot and suffix.lower() in _INPUTS) or _NAMED.fullmatch(last))


def database_inode(file: BinaryIO) -> int:
    """Of a database of SQLite; 0 for any other file. Leaves it at its beginning. Raises OSError."""
    found = file.read(len(_SQLITE)) == _SQLITE
    file.seek(0)
    return os.fstat(file.fileno()).st_ino if found else 0


def whose(name: str, path: str, before: int | None, written: Mapping[OpenFile, str]) -> str:
    """Why a change of this file is none of what is tested; "" where it counts. `before`: `database_inode` then, None where it was not."""
    try:
        now = os.stat(path)  # noqa: PTH116
    except OSError:
        return ""
    if not stat.S_ISREG(now.st_mode) or is_input(name, now.st_mode):
        return ""
    known = OpenFile(path=os.path.realpath(path), device=now.st_dev, inode=now.st_ino)
    if known in written:
        return f"{written[known]} writes it"
    try:
        with open(path, "rb") as file:  # noqa: PTH123
            inode = database_inode(file)
    except OSError:
        return ""
    return "the rows of a SQLite database are state" if inode and before in (None, inode) else ""


def proposed(changed: Iterable[str], there: Mapping[str, int], appeared: AbstractSet[str]) -> list[str]:
    """Patterns that leave out what changed, as few as say it. `there`: all files of the tree with their modes, `appeared` among them.

    A directory is proposed where nothing in it is a program or a configuration, or all of it appeared; of files that are one of these none.
    """
    patterns: dict[str, None] = {}
    single: dict[tuple[str, str], list[str]] = {}
    for name in changed:
        parents = [str(p) for p in reversed(PurePosixPath(name).parents) if str(p) != "."]
        whole = next((p for p in parents if _is_data(p, there, appeared)), None)
        if whole is not None:
            patterns[glob.escape(whole)] = None
        elif not is_input(name, there.get(name, 0)):
            path = PurePosixPath(name)
            single.setdefault((str(path.parent), path.suffix), []).append(name)
    for (parent, suffix), names in single.items():
        if suffix and len(names) >= _SUFFIX_FROM:
            patterns[f"{'' if parent == '.' else glob.escape(parent) + '/'}*{glob.escape(suffix)}"] = None
        else:
            patterns.update(dict.fromkeys(glob.escape(n) for n in names))
    return list(patterns)[:_MOST_PROPOSED]


def line_to_paste(patterns: Sequence[str], before: Sequence[str], *, more: bool) -> str:
    """What to write into the spec. `before`: what it leaves out already; `more`: it says more about what is tested."""
    if not patterns:
        return ""
    listed = ", ".join(p if _PLAIN.fullmatch(p) else json.dumps(p, ensure_ascii=False) for p in (*before, *patterns))
    return f"ignore: [{listed}] under tested:" if more else f"tested: {{ignore: [{listed}]}}"


def _is_data(directory: str, there: Mapping[str, int], appeared: AbstractSet[str]) -> bool:
    inside = {n: mode for n, mode in there.items() if n.startswith(f"{directory}/")}
    return bool(inside) and (inside.keys() <= appeared or not any(is_input(n, mode) for n, mode in inside.items()))
