"""What an interpreter runs: the script, the module or the archive that its command line names, where that can be told.

Told from /proc alone (arguments, working directory, `PATH` and `PYTHONPATH`), and never by asking the interpreter: nobody knows what that
would do. What is not told stays so: code in an argument (`-c`, `-e`), a module that only an import hook finds, a process that gave itself
another title. Options that take a value are those of each one's manual.
"""

from __future__ import annotations

import json
import os
import re
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

_MOST_MODULES = 500  # modules of a package that are read; a larger one is told by the file that is run


@dataclass(frozen=True, kw_only=True, slots=True)
class Program:
    """What is interpreted. `files`: all that was found of it, the first is what is run. `installed`: it was put beside its interpreter, and
    its first line says where that is on this machine.
    """

    name: str
    files: tuple[Path, ...]
    version: str = ""
    installed: bool = False


@dataclass(frozen=True, kw_only=True, slots=True)
class _Manual:
    """Options of an interpreter: letters and words that take a value, and letters after which no file is run."""

    letters: str = ""  # -W arg, -Warg
    words: frozenset[str] = frozenset()  # --require module
    code: str = ""  # -c code
    module: str = ""  # -m module
    file: str = ""  # -f file
    commands: frozenset[str] = frozenset()  # deno run script
    suffixes: tuple[str, ...] = ("",)


_JAVA_WORDS = frozenset(
    {
        "-cp", "-classpath", "--class-path", "-p", "--module-path", "--add-modules", "--add-opens", "--add-exports", "--add-reads",
        "--patch-module", "--limit-modules", "--upgrade-module-path", "--source", "--enable-native-access",
    }
)  # fmt: skip
_NODE_WORDS = frozenset(
    {
        "--require", "--import", "--loader", "--experimental-loader", "--conditions", "--title", "--env-file", "--input-type",
    }
)  # fmt: skip
_JS = ("", ".js", ".mjs", ".cjs")
MANUALS = (
    (r"(python|pypy)[\d.]*", _Manual(letters="WX", words=frozenset({"--check-hash-based-pycs"}), code="c", module="m")),
    (r"node(js)?", _Manual(letters="rC", words=_NODE_WORDS, code="ep", suffixes=_JS)),
    (r"deno|bun", _Manual(letters="cr", words=frozenset({"--config", "--preload"}), commands=frozenset({"run"}), code="e")),
    (r"ruby[\d.]*", _Manual(letters="ICEKrx", code="e")),
    (r"perl[\d.]*", _Manual(letters="IMm", code="eE")),
    (r"php[\d.]*", _Manual(letters="cdtSz", code="r", file="f")),
    (r"(ba|da|z|k)?sh", _Manual(letters="oO", code="c")),
)  # fmt: skip


def program_of(pid: int, exe: str) -> Program | None:
    """None for a process that interprets nothing, that has gone, or of which it cannot be told."""
    name = exe.removesuffix(" (deleted)").rpartition("/")[2]
    try:
        argv = [os.fsdecode(a) for a in Path(f"/proc/{pid}/cmdline").read_bytes().rstrip(b"\0").split(b"\0")]
        directory = Path(f"/proc/{pid}/cwd").readlink()
        if name == "java":
            return java(argv[1:], directory)
        manual = next((m for pattern, m in MANUALS if re.fullmatch(pattern, name)), None)
        if manual is None:
            return None
        kind, what = named(argv[1:], manual)
        if kind == "module":
            return _module(what, _Python(pid, exe, argv[0], directory))
        found = _file(directory / what, manual.suffixes) if kind == "file" else None
        if found is None:
            return None
        version = ""
        if manual.module and found.suffix == "":  # what `pip` puts beside an interpreter has the name of its package
            version = _version(found.name, _Python(pid, exe, argv[0], directory).places())
        return Program(name=found.name, files=(found,), version=version, installed=bool(version))
    except (OSError, ValueError):
        return None


def named(words: Sequence[str], manual: _Manual) -> tuple[str, str]:
    """("file" or "module", what), or ("", "")."""
    rest = iter(words)
    for word in rest:
        if word == "--":
            return "file", next(rest, "")
        if word.startswith("--") or word in manual.words:
            if word in manual.words:
                next(rest, "")
        elif word.startswith("-") and len(word) > 1:
            letter, value = _letter(word, manual)
            if letter and letter in manual.code:
                return "", ""
            if letter:
                value = value or next(rest, "")
            if letter and letter == manual.module:
                return "module", value
            if letter and letter == manual.file:
                return "file", value
        elif word not in manual.commands:
            return ("file", word) if word != "-" else ("", "")
    return "", ""


def _letter(word: str, manual: _Manual) -> tuple[str, str]:
    """The first letter of ``-um`` that takes a value, and what of it stands there already."""
    takes = manual.letters + manual.code + manual.module + manual.file
    return next(((c, word[n + 1 :]) for n, c in enumerate(word) if n and c in takes), ("", ""))


def _file(path: Path, suffixes: Sequence[str]) -> Path | None:
    """The file that a path leads to; of a directory what Node and Python take."""
    for suffix in suffixes:
        found = Path(f"{path}{suffix}")
        if found.is_file():
            return found
    if not path.is_dir():
        return None
    main = path / "__main__.py"
    if main.is_file():
        return main
    if ".js" not in suffixes:
        return None
    with_main = path / "package.json"
    said = (
        json.loads(with_main.read_text(encoding="utf-8")).get("main", "index.js") if with_main.is_file() else "index.js"
    )
    return _file(path / str(said), [s for s in suffixes if (path / f"{said}{s}").is_file()])


def java(words: Sequence[str], directory: Path) -> Program | None:
    """An archive, or the class that is run, with the archives of its class path."""
    classpath, rest = "", iter(words)
    for word in rest:
        if word == "-jar":
            jar = directory / next(rest, "")
            return Program(name=jar.name, files=(jar,)) if jar.is_file() else None
        if word in ("-cp", "-classpath", "--class-path"):
            classpath = next(rest, "")
        elif word in _JAVA_WORDS:
            next(rest, "")
        elif word.startswith("--class-path="):
            classpath = word.partition("=")[2]
        elif not word.startswith(("-", "@")):
            if word.endswith(".java") and (directory / word).is_file():
                return Program(name=word.rpartition("/")[2], files=(directory / word,))
            return _class(word, [directory / part for part in classpath.split(":") if part])
    return None


def _class(name: str, places: Sequence[Path]) -> Program | None:
    files: list[Path] = []
    for place in places:
        if place.name == "*":
            files += sorted(p for p in place.parent.glob("*.[jJ][aA][rR]") if p.is_file())
        elif place.is_file():
            files.append(place)
        elif (own := place / f"{name.replace('.', '/')}.class").is_file():
            files.insert(0, own)
    return Program(name=name, files=tuple(files)) if files else None


class _Python:
    """Where an interpreter of Python looks for modules."""

    def __init__(self, pid: int, exe: str, called: str, directory: Path) -> None:
        self._exe, self._directory = Path(exe.removesuffix(" (deleted)")), directory
        pairs = Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
        given = dict(os.fsdecode(p).partition("=")[::2] for p in pairs)
        self._more = [directory / p for p in given.get("PYTHONPATH", "").split(":") if p]
        found = called if "/" in called else shutil.which(called, path=given.get("PATH", "")) or exe
        self._called = directory / found  # in a virtual environment: a link, which says where that is

    def places(self) -> Iterator[Path]:
        """In their order."""
        yield self._directory
        yield from self._more
        for prefix in dict.fromkeys((self._called.parent.parent, self._exe.parent.parent)):
            for library in sorted((prefix / "lib").glob("python3*"), reverse=True):
                minor = re.fullmatch(r"python(3\.\d+)", self._exe.name)
                if minor is None or library.name in (self._exe.name, "python3"):
                    yield from (library, library / "site-packages", library / "dist-packages")


def _module(name: str, python: _Python) -> Program | None:
    """A file, or a package with the modules in it."""
    places = list(python.places())
    for place in places:
        path = place / name.replace(".", "/")
        main = path / "__main__.py"
        if main.is_file():
            others = sorted(p for p in path.rglob("*.py") if p != main)
            files = (main, *others) if len(others) < _MOST_MODULES else (main,)
            return Program(name=name, files=files, version=_version(name, [place]))
        if (own := path.with_name(f"{path.name}.py")).is_file():
            return Program(name=name, files=(own,), version=_version(name, [place]))
    return None


def _version(name: str, places: Iterator[Path] | Sequence[Path]) -> str:
    """Of the distribution that has the name of what is run: it says itself."""
    wanted = re.sub(r"[-_.]+", "_", name.partition(".")[0]).lower()
    for place in places:
        for found in place.glob("*.dist-info") if place.name.endswith("-packages") else ():
            distribution, _, version = found.name.removesuffix(".dist-info").partition("-")
            if re.sub(r"[-_.]+", "_", distribution).lower() == wanted:
                return version
    return ""
