"""What is tested, looked at twice: drift makes a verdict one about nothing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from seatrial.core.events import Fingerprinted, Noted, PartsIdentified, read_journal
from seatrial.core.fingerprints import PLANNED, TESTED, UNCHANGED, Drift, FileGroup, Fingerprint, OpenFile, Part
from seatrial.core.redaction import Redactor
from seatrial.core.verdicts import Outcome, Verdict
from seatrial.engine.journal import Journal
from seatrial.engine.ledger import Ledger
from seatrial.engine.unchanged import Unchanged
from seatrial.reports.explain import advice


class Fingerprinter:
    """Says what it is told to."""

    def __init__(self, directory: Path, changes: Sequence[str] | OSError = ()) -> None:
        self.directory, self.found = directory, changes

    def begin(self) -> Fingerprint:
        (self.directory / TESTED).write_text("{}")
        group = FileGroup(files=3, bytes=10, sha256="a" * 64, partial="1 of 3 files were not read")
        return Fingerprint(seatrial="1", spec="s", configuration="c", groups={"web (app)": group})

    def drift(self, written: Mapping[OpenFile, str], parts: Sequence[Part] = ()) -> Drift:
        if isinstance(self.found, OSError):
            raise self.found
        return Drift(
            changes=self.found, own=list(written.values()), hint="tested: {ignore: [up]}" if self.found else ""
        )


class Platform:
    """Knows its parts; they are those of `runs` in turn."""

    def __init__(self, *runs: Part) -> None:
        self.runs = list(runs)

    async def parts(self) -> Sequence[Part]:
        return [self.runs.pop(0)] if self.runs else []


PYTHON = Part(subject="web#1", name="python", digest="sha256:aa", version="3.11")
NEWER = Part(subject="web#1", name="python", digest="sha256:bb", version="3.12")


async def judged(directory: Path, fingerprinter: Any, platform: Any) -> tuple[Ledger, list[Any]]:
    with Journal(directory, Redactor([])) as journal:
        ledger = Ledger([PLANNED], journal)
        unchanged = Unchanged(fingerprinter, platform, journal, ledger)
        await unchanged.begin()
        await unchanged.identify()
        await unchanged.judge()
    return ledger, [e.event for e in read_journal(directory)]


async def test_the_same_at_the_end(tmp_path: Path) -> None:
    ledger, events = await judged(tmp_path, Fingerprinter(tmp_path), Platform(PYTHON, PYTHON))
    found = ledger.findings[UNCHANGED]
    assert (found.verdict, found.measured) == (Verdict.PASS, "0 changes in 3 files and 1 programs")
    (printed,) = (e for e in events if isinstance(e, Fingerprinted))
    assert printed.print.groups["web (app)"].files == 3
    (parts,) = (e for e in events if isinstance(e, PartsIdentified))
    assert parts.digest == printed.print.digest([PYTHON])
    assert any(isinstance(e, Noted) and "were not read" in e.message for e in events)


@pytest.mark.parametrize(
    ("changes", "platform", "told"),
    [
        (["web (app): shop.py changed"], Platform(PYTHON, PYTHON), "web (app): shop.py changed"),
        ([], Platform(PYTHON, NEWER), "web#1 runs python 3.12 sha256:bb, and ran python 3.11 sha256:aa"),
        ([f"f{n} changed" for n in range(9)], object(), "f4 changed, and 4 more"),
    ],
)
async def test_drift_is_inconclusive(tmp_path: Path, changes: list[str], platform: object, told: str) -> None:
    ledger, _ = await judged(tmp_path, Fingerprinter(tmp_path, changes), platform)
    found = ledger.findings[UNCHANGED]
    assert found.verdict is Verdict.INCONCLUSIVE
    assert told in found.reason
    assert found.evidence[0].data["changes"] == (changes or [told])
    assert ledger.outcome() is Outcome.INCONCLUSIVE


async def test_what_services_wrote_at_any_time_is_told_apart(tmp_path: Path) -> None:
    class Writes(Platform):
        async def writers(self) -> Mapping[OpenFile, str]:
            return {OpenFile(path="/log", device=1, inode=len(self.runs)): f"web#1 {len(self.runs)}"}

    ledger, _ = await judged(tmp_path, Fingerprinter(tmp_path), Writes(PYTHON, PYTHON))
    found = ledger.findings[UNCHANGED]
    assert found.measured == "0 changes in 3 files and 1 programs; 1 that services write"
    assert found.evidence[0].data["own"] == ["web#1 1"]
    drifted = Fingerprinter(tmp_path / "other", ["web (app): up/1 appeared"])
    ledger, _ = await judged(tmp_path / "other", drifted, Platform(PYTHON, PYTHON))
    found = ledger.findings[UNCHANGED]
    assert found.reason.endswith("up/1 appeared; if services write that themselves, say so: tested: {ignore: [up]}")
    assert advice(found) == [
        "if services write that themselves, it is no part of what is tested. In the spec: tested: {ignore: [up]}"
    ]


async def test_what_cannot_be_looked_at_again_is_not_known(tmp_path: Path) -> None:
    ledger, _ = await judged(tmp_path, Fingerprinter(tmp_path, OSError("the disk is gone")), object())
    assert "could not be looked at again: the disk is gone" in ledger.findings[UNCHANGED].reason


async def test_a_trial_that_ended_before_it_looked_says_so(tmp_path: Path) -> None:
    with Journal(tmp_path, Redactor([])) as journal:
        ledger = Ledger([PLANNED], journal)
        await Unchanged(Fingerprinter(tmp_path), Platform(), journal, ledger).judge()  # type: ignore[arg-type]
        ledger.close("not exercised: interrupted")
    assert not ledger.findings[UNCHANGED].exercised
