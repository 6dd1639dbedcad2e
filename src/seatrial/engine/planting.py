"""Logs with a line in them that a check looks for: copies, so that nobody else reads it."""

from __future__ import annotations

import contextlib
import re
import shutil
import tempfile
from collections.abc import AsyncIterator, Iterable
from pathlib import Path

from ..core.errors import SeatrialError
from ..core.plan import ProbeCall
from ..core.platforms import CanReadLogs
from .probing import Prober


@contextlib.asynccontextmanager
async def planted(prober: Prober, call: ProbeCall, directory: Path, *, nothing: bool = False) -> AsyncIterator[str]:
    """While it lasts, a log check reads copies with such a line at their end, or empty ones (`nothing`); yields why that cannot be."""
    pattern, ignored = str(call.what), _texts(call.arguments.get("ignore"))
    # Where all that it could find is ignored, such a line is planted all the same: it shows that nothing is ever found.
    line = "" if nothing else line_for(pattern, ignored) or line_for(pattern)
    platform: object = prober.platform
    if line is None:
        yield f"no line could be made that matches {call.what}"
        return
    if call.at is None or not isinstance(platform, CanReadLogs):
        yield "its logs cannot be read"
        return
    with tempfile.TemporaryDirectory(prefix="planted-", dir=directory) as copies:
        try:
            found = {}
            for instance in await prober.instances(call.at):
                source, copy = platform.log_file(instance), Path(copies) / f"{instance.name}.log"
                if source.exists() and not nothing:
                    shutil.copyfile(source, copy)
                with copy.open("a", encoding="utf-8") as file:
                    file.write("" if nothing else f"{line}\n")
                found[instance.name] = copy
        except (SeatrialError, OSError) as error:
            yield f"its logs cannot be copied: {error}"
            return
        prober.copies = found
        try:
            yield ""
        finally:
            prober.copies = {}


def line_for(pattern: str, ignore: Iterable[str] = ()) -> str | None:
    """A line that a pattern finds and none of the others does; None where none of a few simple ones will do."""
    sought, others = re.compile(pattern), [re.compile(p) for p in ignore]
    bare = re.sub(r"\(\?[a-z]+\)", "", pattern)  # flags
    for part in (pattern, bare, *bare.split("|"), *bare.replace("(", "|").replace(")", "|").split("|")):
        for line in (part, _literal(part)):
            for whole in (
                line,
                f"seatrial: {line}",
                f"{line} (planted)",
            ):  # some ignore what a line begins with, or ends with
                if sought.search(whole) and not any(o.search(whole) for o in others):
                    return whole
    return None


def _literal(part: str) -> str:
    """What a simple pattern stands for: each class by one of it, each repetition by one."""
    text = re.sub(r"(?<!\\)\((?:\?:)?([^()|]*)\|[^()]*\)", r"\1", part)  # of a choice, the first
    for written, meant in ((r"\d", "7"), (r"\w", "w"), (r"\s", " "), (r"\b", ""), (r"\S", "x")):
        text = text.replace(written, meant)
    text = re.sub(r"\[\^?(.)[^\]]*\]", r"\1", text)
    text = re.sub(r"(?<!\\)(\{\d*,?\d*\}|[*+?^$()])", "", text)
    return re.sub(r"\\(\W)", r"\1", re.sub(r"(?<!\\)\.", "x", text))


def _texts(given: object) -> list[str]:
    return [str(g) for g in given] if isinstance(given, list | tuple) else [str(given)] if given else []
