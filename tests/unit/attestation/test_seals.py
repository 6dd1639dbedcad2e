"""A trial's manifest: what it seals, who signed off, and that none of its lines can be taken out."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from seatrial.api.reporting import write_reports
from seatrial.attestation import seals
from seatrial.core.errors import UsageError

Recorded = Callable[..., Path]


def test_reports_that_are_made_again_are_the_same(recorded: Recorded) -> None:
    trial = recorded()
    before = (trial / "manifest.jsonl").read_bytes()
    write_reports(trial)
    assert (trial / "manifest.jsonl").read_bytes() == before
    assert list(seals.problems(trial)) == []


def test_a_sign_off_is_in_the_manifest_and_in_the_report(recorded: Recorded) -> None:
    trial = recorded()
    seals.sign_off(trial, "Ada Lovelace", "OPS-123 is <accepted>", "release manager")
    write_reports(trial)
    assert [s.by for s in seals.sign_offs(trial)] == ["Ada Lovelace"]
    assert "OPS-123 is &lt;accepted&gt;" in (trial / "report.html").read_text()
    assert list(seals.problems(trial)) == []


@pytest.mark.parametrize(("by", "reason"), [("", "x"), ("Ada", "  ")])
def test_a_sign_off_has_a_name_and_a_reason(recorded: Recorded, by: str, reason: str) -> None:
    with pytest.raises(UsageError, match="a name and a reason"):
        seals.sign_off(recorded(), by, reason)


def test_a_line_that_was_taken_out_is_missed(recorded: Recorded) -> None:
    trial = recorded()
    seals.sign_off(trial, "Ada", "one")
    seals.sign_off(trial, "Grace", "two")
    lines = (trial / "manifest.jsonl").read_bytes().splitlines(keepends=True)
    (trial / "manifest.jsonl").write_bytes(b"".join(lines[:2] + lines[3:]))
    assert list(seals.problems(trial)) == ["manifest.jsonl was changed in line 3"]
    with pytest.raises(UsageError, match="not what was sealed"):
        seals.sign_off(trial, "Ada", "again")


def test_what_the_keeper_writes_later_is_no_change(recorded: Recorded) -> None:
    trial = recorded()
    with (trial / "keeper.jsonl").open("a") as file:
        file.write('{"event":"undo"}\n')
    assert list(seals.problems(trial)) == []


def test_a_trial_without_an_end_is_not_sealed(tmp_path: Path) -> None:
    (tmp_path / "journal.jsonl").write_text("{}\n")
    assert list(seals.problems(tmp_path)) == ["manifest.jsonl is not there: the trial has no end"]
    seals.append(tmp_path, {"seal": "other"})
    assert list(seals.problems(tmp_path)) == ["journal.jsonl was never sealed: the trial has no end"]


def test_a_column_that_was_changed(recorded: Recorded) -> None:
    trial = recorded()
    (trial / "histories/sales.ops").write_bytes(b"other")
    assert list(seals.problems(trial)) == ["histories/sales.ops is not what was sealed"]
