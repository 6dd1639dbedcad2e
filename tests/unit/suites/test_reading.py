"""What a run left behind: the report that was asked for, TAP by itself, an exit status; and what it did not leave."""

from __future__ import annotations

from pathlib import Path

import pytest

from seatrial.core.processes import CommandResult
from seatrial.core.suites import WHOLE, SuiteRun
from seatrial.suites.reading import JUNIT, STDERR, STDOUT, Left, Source, read_run, source_of


def run(
    directory: Path, status: int = 0, *, wanted: Source | None = None, late: bool = False, **files: str
) -> SuiteRun:
    for name in (STDOUT, STDERR):
        (directory / name).write_text(files.pop(name[:6], ""))
    if "junit" in files:
        (directory / JUNIT).write_text(files["junit"])
    result = CommandResult(exit_status=status, stdout="", stderr="", took_ns=1_000_000_000, timed_out=late)
    left = Left(directory=directory, wanted=wanted, result=result)
    return read_run("control", left, source_of(left))


def told(found: SuiteRun) -> dict[str, str]:
    return {c.test: c.told.value for c in found.cases.values()}


def test_without_a_report_the_exit_status_is_all(tmp_path: Path) -> None:
    good, bad = run(tmp_path, 0, stdout="fine\n"), run(tmp_path, 3, stderr="web: refused\n")
    assert (told(good), good.source, good.quiet) == ({WHOLE: "green"}, "exit status", True)
    assert (told(bad), bad.quiet) == ({WHOLE: "red"}, False)
    assert bad.cases[WHOLE].words == "exit status 3: web: refused"
    assert "ended by signal 11" in run(tmp_path, -11).cases[WHOLE].words
    assert "ended by signal 9" in run(tmp_path, 137).cases[WHOLE].words


def test_an_output_that_is_tap_is_read(tmp_path: Path) -> None:
    found = run(tmp_path, 1, stdout="1..2\nok 1 - a\nnot ok 2 - b\n")
    assert (told(found), found.source) == ({"a": "green", "b": "red"}, "TAP")


@pytest.mark.parametrize(
    ("status", "files", "words"),
    [
        (
            4,
            {"stderr": "ERROR: file not found: e2e\n"},
            "it wrote no JUnit file (exit status 4): ERROR: file not found: e2e",
        ),
        (
            127,
            {"stderr": "sh: 1: pytest: not found\n"},
            "its command could not be run (exit status 127): sh: 1: pytest: not found",
        ),
        (0, {"junit": "<testsuites><tes"}, "is no XML"),
        (0, {"junit": ""}, "junit.xml is empty (exit status 0)"),
    ],
)
def test_what_it_did_not_write_is_trouble(tmp_path: Path, status: int, files: dict[str, str], words: str) -> None:
    found = run(tmp_path, status, wanted=Source.JUNIT, **files)
    assert words in found.trouble
    assert not found.quiet
    assert not found.cases


def test_of_one_that_was_killed_nothing_need_be_there(tmp_path: Path) -> None:
    for junit in (
        None,
        "<testsuites><tes",
        '<testsuites><testsuite name="s"><testcase name="a"/></testsuite></testsuites>',
    ):
        found = run(tmp_path, -9, wanted=Source.JUNIT, late=True, **({"junit": junit} if junit else {}))
        assert not found.trouble
        assert not found.ended
        assert not found.quiet
    assert told(found) == {"s::a": "green"}
