"""The pytest plugin: fixtures that bring up real services or run a whole spec, and specs as test files.

A seatrial.yaml is collected where it is named (`pytest shop/seatrial.yaml`), or everywhere with `seatrial = true` in pytest's
configuration: each finding of the trial is a test.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from .fixtures import stack, trial

OPTION = "seatrial"
_NAMES = ("seatrial.yaml", "seatrial.yml")


def pytest_addoption(parser: pytest.Parser) -> None:
    """The ini option."""
    parser.addini(
        OPTION, "Collect every seatrial.yaml, also where none is named: true or false.", "bool", default=False
    )


def pytest_collect_file(file_path: Path, parent: pytest.Collector) -> pytest.Collector | None:
    """A spec that is named, or any with the option."""
    named = parent.session.isinitpath(file_path)
    if not (file_path.name in _NAMES and (named or parent.config.getini(OPTION))):
        return None
    from .collecting import SpecFile

    return SpecFile.from_parent(parent, path=file_path)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """What each trial said, and where its report is."""
    for line in config.stash.get(LINES, []):
        terminalreporter.write_line(line)


LINES = pytest.StashKey[list[str]]()
__all__ = ["pytest_addoption", "pytest_collect_file", "pytest_terminal_summary", "stack", "trial"]
