"""Trials as rows: each once, however many put it in at a time; killed ones, too; and they outlive their directories."""

from __future__ import annotations

import fcntl
import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from seatrial.core.errors import SeatrialError, UsageError
from seatrial.core.redaction import Redactor
from seatrial.engine.journal import Journal
from seatrial.history import queries
from seatrial.history.database import open_database
from seatrial.history.records import KILLED, FindingRow, TrialRow, goes_on, read_trial
from seatrial.history.remembering import forgotten, remember


def row(name: str, verdict: str = "PASS", **more: object) -> TrialRow:
    finding = FindingRow(
        id="s/back", scenario="s", verdict=verdict, severity="blocking", low=1e9, high=2e9, dimension="duration"
    )
    given = {
        "trial": name,
        "name": "shop",
        "spec": "/x/seatrial.yaml",
        "digest": "d",
        "tested": "t",
        "seatrial": "1",
        "platform": "local",
        "began": f"2026-11-20T10:{name[-2:]}:00+00:00",
        "took_ns": 10**9,
        "outcome": "GO" if verdict == "PASS" else "NO-GO",
        "summary": "",
        "reason": "",
        "selection": "",
        "variant": "",
        "directory": f"/x/{name}",
        "findings": (finding,),
        "scenarios": (("s", verdict, 10**9),),
    }
    return TrialRow(**{**given, **more})


def written(directory: Path, *, ended: bool = True, finding: str = "PASS") -> Path:
    """A journal as an engine writes it."""
    directory.mkdir(parents=True)
    found = {
        "id": "s/back",
        "scenario": "s",
        "claim": "c",
        "verdict": finding,
        "severity": "blocking",
        "interval": [1e9, "inf"],
    }
    found |= {
        "dimension": "duration",
        "began_ns": 5,
        "ended_ns": 9,
        "measured": "at least 1s",
        "bound": "< 30s",
        "reason": "",
    }
    start = {
        "trial": directory.name,
        "name": "shop",
        "spec": "/x/seatrial.yaml",
        "digest": "d",
        "seatrial": "1",
        "platform": "local",
    }
    start |= {"wall": "2026-11-20T10:14:31.000+00:00", "findings": [{}, {}], "selection": "", "variant": ""}
    events = [
        {"type": "TrialStarted", **start},
        {"type": "UsageSampled", "instances": {}},
        {"type": "PartsIdentified", "parts": [], "digest": "t"},
        {"type": "ScenarioEnded", "scenario": "s", "verdict": finding, "took_ns": 4, "reason": ""},
        {"type": "FindingJudged", "finding": found},
    ]
    if ended:
        sums = {"planned": 1, "passed": 1, "failed": 0, "inconclusive": 0}
        events.append(
            {"type": "TrialEnded", "outcome": "GO", "accounting": sums, "took_ns": 7, "summary": "GO", "reason": ""}
        )
    lines = [json.dumps({"seq": n, "ns": 10 * n, **e}, separators=(",", ":")) for n, e in enumerate(events, 1)]
    (directory / "journal.jsonl").write_text("\n".join(lines) + "\n" + ("" if ended else '{"seq":9,"type":"TrialEn'))
    return directory


def test_a_journal_as_a_row(tmp_path: Path) -> None:
    directory = written(tmp_path / "t")
    with (directory / "journal.jsonl").open("a") as file:
        file.write('{"seq":7,"ns":70,"type":"CheckProven","finding":"s/back","outcome":"blind","by":[],"why":"x"}\n')
    found = read_trial(directory, "soak")
    assert found is not None
    assert (found.outcome, found.tested, found.took_ns, found.part_of) == ("GO", "t", 7, "soak")
    (finding,) = found.findings
    assert (finding.low, finding.high, finding.took_ns, finding.proven) == (1e9, None, 4, "blind")
    assert found.scenarios == (("s", "PASS", 4),)


def test_the_spec_is_found_from_anywhere(tmp_path: Path) -> None:
    directory = written(tmp_path / "t")
    (directory / "spec.path").write_text("/elsewhere/seatrial.yaml\n")
    found = read_trial(directory)
    assert found is not None
    assert found.spec == "/elsewhere/seatrial.yaml"


def test_a_killed_trial_is_inconclusive(tmp_path: Path) -> None:
    found = read_trial(written(tmp_path / "t", ended=False))
    assert found is not None
    assert (found.outcome, found.reason, found.planned, found.passed) == ("INCONCLUSIVE", KILLED, 2, 1)


def test_a_stack_alone_is_no_trial(tmp_path: Path) -> None:
    (tmp_path / "journal.jsonl").write_text('{"seq":1,"ns":1,"type":"PhaseChanged","phase":"starting"}\n')
    assert read_trial(tmp_path) is None


def test_a_trial_that_goes_on_is_left_alone(tmp_path: Path) -> None:
    directory = written(tmp_path / "trials/t", ended=False)
    database = open_database(tmp_path / "h.db")
    with (directory / "journal.jsonl").open("ab") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        assert goes_on(directory)
        assert list(forgotten(database, [(tmp_path / "trials", "")])) == []
    assert [r.trial for r in forgotten(database, [(tmp_path / "trials", "")])] == ["t"]


def test_who_writes_a_journal_is_seen(tmp_path: Path) -> None:
    with Journal(tmp_path, Redactor([])):
        assert goes_on(tmp_path)
    assert not goes_on(tmp_path)


def test_once_and_no_more(tmp_path: Path) -> None:
    database = open_database(tmp_path / "h.db")
    assert remember(database, [row("t01"), row("t02"), row("t01")]) == 2
    assert remember(database, [row("t01")]) == 0
    assert queries.counted(database) == (2, 0)
    assert queries.counts(database, "s/back", "/x/seatrial.yaml") == {"PASS": 2}


def test_who_was_taken_for_killed_and_ended_is_put_right(tmp_path: Path) -> None:
    database = open_database(tmp_path / "h.db")
    remember(database, [row("t01", "INCONCLUSIVE", reason=KILLED)])
    assert remember(database, [row("t01")]) == 1
    assert remember(database, [row("t01", "INCONCLUSIVE", reason=KILLED)]) == 0
    assert queries.counts(database, "s/back", "/x/seatrial.yaml") == {"PASS": 1}


def test_what_is_forgotten_is_found_once(tmp_path: Path) -> None:
    database = open_database(tmp_path / "h.db")
    for number in range(3):
        written(tmp_path / f"trials/t{number}", ended=number != 1)
    place = [(tmp_path / "trials", ""), (tmp_path / "nowhere", "x")]
    assert remember(database, forgotten(database, place)) == 3
    assert list(forgotten(database, place)) == []
    shutil.rmtree(tmp_path / "trials")
    assert len(queries.last_trials(database, 10)) == 3  # the rows stay


MANY = """
import sys
from pathlib import Path
sys.path.insert(0, sys.argv[1])
from history_support import finding, trial
from seatrial.history.database import open_database
from seatrial.history.remembering import remember
database = open_database(sys.argv[2])
for number in range(int(sys.argv[3]), int(sys.argv[4])):
    remember(database, [trial(number, findings=(finding(),))])
"""


def test_many_at_once(tmp_path: Path) -> None:
    """Processes that open a new history together, and put the same trials into it."""
    here, file = str(Path(__file__).parent), str(tmp_path / "h.db")
    ranges = [("0", "20"), ("10", "30"), ("20", "40"), ("0", "40")]
    workers = [subprocess.Popen([sys.executable, "-c", MANY, here, file, *r]) for r in ranges]
    assert [w.wait(60) for w in workers] == [0, 0, 0, 0]
    database = open_database(file)
    assert queries.counted(database) == (40, 0)
    assert queries.counts(database, "s/back", "/x/seatrial.yaml") == {"PASS": 40}


def test_half_a_trial_is_none(tmp_path: Path) -> None:
    database = open_database(tmp_path / "h.db")
    twice = row("t01").findings * 2  # the same finding twice is refused by its key
    with pytest.raises(Exception, match="UNIQUE"):
        remember(database, [row("t00"), row("t01", findings=twice)])
    assert queries.counted(database) == (0, 0)


def test_places_that_are_no_history(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="is no history"):
        open_database("mysql://x/y")
    (tmp_path / "h.db").write_text("this is no database, and longer than a header of one would be " * 20)
    with pytest.raises(SeatrialError, match="cannot be read"):
        open_database(tmp_path / "h.db")


def test_a_history_of_a_later_version_is_refused(tmp_path: Path) -> None:
    open_database(tmp_path / "h.db").rows("pragma user_version=99")
    with pytest.raises(UsageError, match="later seatrial"):
        open_database(tmp_path / "h.db")
