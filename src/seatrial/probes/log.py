"""Probe `log`: lines that match, since a mark."""

from __future__ import annotations

import asyncio
import os
import re
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

from ..core.errors import NotExercised
from ..core.expressions import Type
from ..core.observations import Observation, ProbeRequest, probe_error, value
from ..core.shapes import BOOLEAN, TEXT, Field, choice, list_of
from ..core.vocabulary import Verb

_SHOWN = 20


def check_what(text: str) -> str | None:
    """What is wrong with the pattern."""
    try:
        re.compile(text)
    except re.error as error:
        return f"no regular expression: {error}"
    return None


_WORDS = re.compile(r"[\w /=:,-]+(\|[\w /=:,-]+)*")
_LOOKS_AROUND = re.compile(r"[$^]|\\[bBAZ]|\(\?[=!<]")


def nothing_left(text: str, arguments: Mapping[str, object]) -> Mapping[str, Sequence[object]]:
    """Where each word that is looked for is ignored itself, every line that has it is."""
    given = arguments.get("ignore")
    ignored = [str(i) for i in given] if isinstance(given, Sequence) and not isinstance(given, str) else []
    if not ignored or _WORDS.fullmatch(text) is None or any(_LOOKS_AROUND.search(i) or check_what(i) for i in ignored):
        return {}
    gone = all(any(re.search(i, word) for i in ignored) for word in text.split("|"))
    return {"count": (0,), "lines": ([],)} if gone else {}


VERB = Verb(
    name="log",
    doc="Lines of the target's logs that match a regular expression.",
    what=TEXT,
    observes={"count": Type.NUMBER, "lines": Type.list_of(Type.TEXT)},
    run="seatrial.probes.log:run",
    together=True,
    arguments={
        "since": Field(
            shape=choice("scenario", "start"), doc="From the scenario's begin (default) or from the start of the log."
        ),
        "ignore": Field(shape=list_of(TEXT), doc="Lines that match one of these do not count."),
        "unexplained": Field(
            shape=BOOLEAN,
            doc="Only lines that nothing explains: none before the first steady state, none from the begin of a disrupting scenario to "
            "the steady state after it (false).",
        ),
    },
    example='{log: "ERROR|panic", at: web *, expect: count == 0}',
    check_what=check_what,
    asks=False,
    can_be=nothing_left,
)


async def run(request: ProbeRequest) -> Observation:
    """One look."""
    try:
        files, marks = request.around.log_files(), request.around.log_mark()
    except NotExercised as error:
        return probe_error("not-exercised", str(error))
    try:
        pattern = re.compile(str(request.what))
        given = request.arguments.get("ignore")
        ignore = (
            [re.compile(str(p)) for p in given] if isinstance(given, Iterable) and not isinstance(given, str) else []
        )
    except re.error as error:
        return probe_error("spec", f"no regular expression: {error}")
    whole = request.arguments.get("since") == "start"
    explained = request.around.log_explained() if request.arguments.get("unexplained") else {}

    deadline_ns = time.monotonic_ns() + request.timeout_ns

    def look() -> tuple[int, list[str]]:
        count, lines = 0, []
        for name, path in files.items():
            for line in _lines(path, 0 if whole else marks.get(name, 0), explained.get(name, ())):
                if time.monotonic_ns() > deadline_ns:
                    raise TimeoutError
                if pattern.search(line) and not any(i.search(line) for i in ignore):
                    count += 1
                    if count <= _SHOWN:
                        lines.append(f"{name}: {line}")
        return count, lines

    missing = [name for name, path in files.items() if not path.exists()]
    if len(missing) == len(files):  # no line of none is no evidence
        return probe_error("no-log", f"{request.reach.name} has no log yet: {', '.join(missing) or 'no instances'}")
    try:
        count, lines = await asyncio.to_thread(look)
    except TimeoutError:
        return probe_error("timeout", "the logs are too long to be read in time")
    except OSError as error:
        return probe_error("no-log", f"{error.filename}: {error.strerror}")
    record = {
        "pattern": pattern.pattern,
        "files": [p.name for p in files.values()],
        "without a log": missing,
        "lines": lines,
    }
    return value({"count": count, "lines": lines}, record, f"{count} lines match {pattern.pattern}")


def _lines(path: Path, offset: int, without: Sequence[tuple[int, int]] = ()) -> Iterator[str]:
    """The lines from an offset on, but those that begin in one of the ranges."""
    try:
        with path.open("rb") as file:
            size = file.seek(0, os.SEEK_END)
            at = file.seek(offset if offset <= size else 0)  # a log that became shorter was begun anew
            for line in file:
                if not any(begin <= at < end for begin, end in without):
                    yield line.decode(errors="replace").rstrip("\r\n")
                at += len(line)
    except FileNotFoundError:  # nothing was written yet
        return
