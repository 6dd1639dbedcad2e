"""A line that a check of logs would find."""

from __future__ import annotations

import re

import pytest

from seatrial.engine.planting import line_for


@pytest.mark.parametrize(
    "pattern",
    [
        "Traceback", "ERROR|panic", "(?i)error", r"\bERROR\b", r"^fatal: .*", r"level=(error|fatal)", "OOM|out of memory",
        r"status=5\d\d", r"panic\(", "[Ee]rror", r"connection (reset|refused) by peer", "a+b*c?", r"took \d+ms",
    ],
)  # fmt: skip
def test_it_is_found(pattern: str) -> None:
    line = line_for(pattern)
    assert line is not None
    assert re.search(pattern, line)


def test_it_is_not_one_that_is_ignored() -> None:
    assert line_for("ERROR|panic", ["ERROR"]) == "panic"
    assert line_for("ERROR", ["ERR"]) is None
    assert line_for(r"^(?=never)always$") is None
