"""The journal: append-only, redacted, readable after a crash."""

from __future__ import annotations

import json
from pathlib import Path

from seatrial.core.events import JOURNAL, FaultWitnessed, Noted, TrialEnded, decode, encode, read_journal
from seatrial.core.intervals import Interval
from seatrial.core.quantities import Dimension
from seatrial.core.redaction import Redactor
from seatrial.core.results import Accounting
from seatrial.engine.journal import Journal
from seatrial.reports.tail import Tail

SUMS = Accounting(
    planned=3,
    passed=1,
    failed=1,
    inconclusive=1,
    not_exercised=0,
    requirements=0,
    covered=0,
    out_of_scope=0,
    not_covered=0,
)


def test_events_come_back_as_they_were_written(tmp_path: Path) -> None:
    events = [
        Noted(level="info", message="on ne passe pas ✘"),
        FaultWitnessed(fault="s/kill", acted=True, at_ns=12, witness="process table", detail="gone"),
        TrialEnded(outcome="NO-GO", exit_status=1, accounting=SUMS, took_ns=5, summary="x", residue=("a", "b")),
    ]
    with Journal(tmp_path, Redactor([])) as journal:
        for event in events:
            journal.write(event)
    entries = list(read_journal(tmp_path))
    assert [e.event for e in entries] == events
    assert [e.seq for e in entries] == [1, 2, 3]


def test_a_torn_last_line_is_passed_over(tmp_path: Path) -> None:
    with Journal(tmp_path, Redactor([])) as journal:
        journal.write(Noted(level="info", message="whole"))
    with (tmp_path / JOURNAL).open("a") as file:
        file.write('{"seq": 2, "ns": 1, "type": "Noted", "lev')
    assert [e.event.message for e in read_journal(tmp_path)] == ["whole"]


def test_secrets_never_reach_the_file(tmp_path: Path) -> None:
    with Journal(tmp_path, Redactor(["hunter22-long"])) as journal:
        journal.write(Noted(level="info", message="the password is hunter22-long, and again hunter22-long"))
    assert "hunter22" not in (tmp_path / JOURNAL).read_text()


def test_an_event_of_a_later_version_is_passed_over() -> None:
    assert decode('{"seq": 1, "ns": 2, "type": "FromTheFuture", "x": 1}') is None
    later = json.dumps({**encode(1, 2, Noted(level="info", message="m")), "added": "later"})
    entry = decode(later)
    assert entry is not None
    assert entry.event == Noted(level="info", message="m")


def test_intervals_are_written_with_their_text() -> None:
    event = encode(1, 2, FaultWitnessed(fault="f", acted=True, at_ns=1, witness="w", detail="d"))
    assert event["type"] == "FaultWitnessed"
    from seatrial.core.events import plain

    shown = plain({"recovery": Interval(2.6e9, 2.61e9, Dimension.DURATION)})
    assert shown["recovery"] == {"low": 2.6e9, "high": 2.61e9, "dimension": "duration", "text": "2.6s to 2.61s"}


def test_a_follower_sees_only_whole_lines(tmp_path: Path) -> None:
    tail = Tail(tmp_path)
    assert list(tail.fresh()) == []
    with Journal(tmp_path, Redactor([])) as journal:
        journal.write(Noted(level="info", message="one"))
    with (tmp_path / JOURNAL).open("a") as file:
        file.write('{"seq": 2, "ns": 3, "type": "No')
    assert [e.event.message for e in tail.fresh()] == ["one"]
    with (tmp_path / JOURNAL).open("a") as file:
        file.write('ted", "level": "info", "message": "two", "scenario": ""}\n')
    assert [e.event.message for e in tail.fresh()] == ["two"]
    assert list(tail.fresh()) == []
