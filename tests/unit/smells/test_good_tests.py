"""Tests that can fail, in many ways of writing them (good.txt, apart by ---): nothing is said of any."""

from __future__ import annotations

from pathlib import Path

import pytest

from seatrial.smells import look

GOOD = (Path(__file__).parent / "good.txt").read_text(encoding="utf-8").split("---\n")


def test_there_are_many() -> None:
    assert len(GOOD) > 60


@pytest.mark.parametrize("code", GOOD, ids=range(len(GOOD)))
def test_nothing_is_said_of_it(tmp_path: Path, code: str) -> None:
    (tmp_path / "test_it.py").write_text(code, encoding="utf-8")
    looked = look([tmp_path])
    assert looked.unread == ()
    assert [str(f.problem) for f in looked.found] == []
