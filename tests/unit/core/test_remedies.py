"""What most likely mends what was seen: for every word that probes have for an error, and for no success."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import seatrial.probes
from seatrial.core.observations import probe_error, target_error, value
from seatrial.core.remedies import remedy

PROBES = Path(seatrial.probes.__file__).parent


def test_every_error_of_a_target_has_one() -> None:
    said = {w for file in PROBES.glob("*.py") for w in re.findall(r'target_error\(\s*"([a-z-]+)"', file.read_text())}
    assert {"refused", "timeout", "name"} <= said
    assert [word for word in sorted(said) if not remedy(target_error(word, ""))] == []


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"status": 503}, "cannot serve now"),
        ({"status": 599}, "its log"),
        ({"status": 451}, "not understood"),
        ({"status": 404}, "nothing at this path"),
        ({"code": "UNAUTHENTICATED"}, "who asks"),
        ({"code": "DEADLINE_EXCEEDED"}, "deadline"),
    ],
)
def test_a_status_or_a_code_has_one(values: dict[str, object], words: str) -> None:
    assert words in remedy(value(values))


@pytest.mark.parametrize("values", [{"status": 200}, {"status": "503"}, {"code": "OK"}, {"code": 5}, {}])
def test_what_is_no_failure_by_itself_has_none(values: dict[str, object]) -> None:
    assert remedy(value(values)) == ""


def test_neither_has_an_error_that_nobody_knows() -> None:
    assert remedy(target_error("quantum", "")) == remedy(probe_error("bug", "")) == ""
