"""From what a run left behind to what it says of each test."""

from __future__ import annotations

import enum
from dataclasses import dataclass
from pathlib import Path

from ..core.processes import CommandResult
from ..core.suites import WHOLE, Case, MalformedReport, Report, SuiteRun, Told
from .junit import read_junit
from .tap import looks_like_tap, read_tap

STDOUT, STDERR, JUNIT, JUNIT_FILES, TAP = "stdout.txt", "stderr.txt", "junit.xml", "junit", "report.tap"
_MOST = 64 << 20
_LAST = 200  # characters
_KILLED = 128  # a shell's status for a signal is this and its number


class Source(enum.StrEnum):
    """Where a suite says what came of its tests."""

    JUNIT = "JUnit"
    TAP = "TAP"
    EXIT = "exit status"


@dataclass(frozen=True, kw_only=True)
class Left:
    """What a run left in its directory. `wanted`: where the command was told to write, None for neither."""

    directory: Path
    wanted: Source | None
    result: CommandResult


def source_of(left: Left) -> Source:
    """What is to be read: what the command names, else TAP where its output is some, else its exit status."""
    if left.wanted is not None:
        return left.wanted
    return Source.TAP if looks_like_tap(_text(left.directory / STDOUT)) else Source.EXIT


def read_run(name: str, left: Left, source: Source) -> SuiteRun:
    """What a run says. What it did not write, or not as it should, is its `trouble`."""
    result, ended = left.result, not left.result.timed_out
    report, trouble = Report(cases=()), ""
    try:
        report = _report(left, source, ended=ended)
    except FileNotFoundError:
        trouble = _nothing(left, source) if ended else ""
    except MalformedReport as error:
        trouble = f"{error} ({_status(result)})" if ended else ""
    return SuiteRun(
        name=name,
        cases={c.test: c for c in report.cases},
        source=source.value,
        exit_status=result.exit_status,
        ended=ended,
        took_ns=result.took_ns,
        trouble=trouble,
        cut=report.cut,
        last=_last(left.directory),
        directory=left.directory.name,
    )


def _report(left: Left, source: Source, *, ended: bool) -> Report:
    directory = left.directory
    match source:
        case Source.JUNIT:
            file, files = directory / JUNIT, directory / JUNIT_FILES
            return read_junit(file if file.exists() else files)
        case Source.TAP:
            file = directory / (TAP if left.wanted is Source.TAP else STDOUT)
            return read_tap(_text(file, must=True), whole=ended)
        case Source.EXIT:
            if not ended:
                return Report(cases=())
            told = Told.GREEN if left.result.exit_status == 0 else Told.RED
            words = "" if told is Told.GREEN else f"{_status(left.result)}{_said(directory)}"
            return Report(cases=(Case(test=WHOLE, told=told, words=words, took_ns=left.result.took_ns),))


def _nothing(left: Left, source: Source) -> str:
    """Why there is no report, as far as can be told."""
    if left.result.exit_status in (126, 127):
        return f"its command could not be run ({_status(left.result)}){_said(left.directory)}"
    return f"it wrote no {source} file ({_status(left.result)}){_said(left.directory)}"


def _status(result: CommandResult) -> str:
    status = result.exit_status
    if status < 0 or status > _KILLED:
        return f"ended by signal {-status if status < 0 else status - _KILLED}"
    return f"exit status {status}"


def _said(directory: Path) -> str:
    last = _last(directory)
    return f": {last}" if last else ""


def _last(directory: Path) -> str:
    """The last line that a run wrote, of its errors first."""
    for file in (STDERR, STDOUT):
        lines = [line.strip() for line in _text(directory / file).splitlines() if line.strip()]
        if lines:
            return lines[-1][:_LAST]
    return ""


def _text(file: Path, *, must: bool = False) -> str:
    """What is in a file, as text; of a long one the beginning. Raises FileNotFoundError where it must be there."""
    try:
        with file.open("rb") as opened:
            return opened.read(_MOST).decode(errors="replace")
    except FileNotFoundError:
        if must:
            raise
        return ""
