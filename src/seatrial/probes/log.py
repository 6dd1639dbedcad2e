"""Probe `log`: lines that match, since a mark."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterable
from pathlib import Path

from ..core.errors import NotExercised
from ..core.expressions import Type
from ..core.observations import Observation, ProbeRequest, probe_error, value
from ..core.shapes import TEXT, Field, choice, list_of
from ..core.vocabulary import Verb

_SHOWN = 20
_MOST = 64 * 1024 * 1024  # bytes of a log that are looked at


def check_what(text: str) -> str | None:
    """What is wrong with the pattern."""
    try:
        re.compile(text)
    except re.error as error:
        return f"no regular expression: {error}"
    return None


VERB = Verb(
    name="log",
    doc="Lines of the target's logs that match a regular expression.",
    what=TEXT,
    observes={"count": Type.NUMBER, "lines": Type.list_of(Type.TEXT)},
    run="seatrial.probes.log:run",
    arguments={
        "since": Field(
            shape=choice("scenario", "start"), doc="From the scenario's begin (default) or from the start of the log."
        ),
        "ignore": Field(shape=list_of(TEXT), doc="Lines that match one of these do not count."),
    },
    example='{log: "ERROR|panic", at: web *, expect: count == 0}',
    check_what=check_what,
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

    def look() -> list[str]:
        found = []
        for name, path in files.items():
            lines = _lines(path, 0 if whole else marks.get(name, 0))
            found += [f"{name}: {x}" for x in lines if pattern.search(x) and not any(i.search(x) for i in ignore)]
        return found

    found = await asyncio.to_thread(look)
    shown = {"pattern": pattern.pattern, "files": [p.name for p in files.values()], "lines": found[:_SHOWN]}
    return value({"count": len(found), "lines": found[:_SHOWN]}, shown, f"{len(found)} lines match {pattern.pattern}")


def _lines(path: Path, offset: int) -> list[str]:
    try:
        with path.open("rb") as file:
            file.seek(offset)
            return file.read(_MOST).decode(errors="replace").splitlines()
    except FileNotFoundError:
        return []
