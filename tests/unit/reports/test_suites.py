"""What a suite's matrix tells as a whole, from the events of its trial."""

from __future__ import annotations

import pytest

from seatrial.core.events import CheckProven, Entry, Event, Reacted, SuiteBegun, SuitePlanned, SuiteRan
from seatrial.core.suites import SuiteSums
from seatrial.reports.model import TrialModel
from seatrial.reports.suites import _shared, counts, exit_status, in_places, remarks, skips, summary_of, view


def ran(name: str, *, quiet: bool = False, ended: bool = True, **told: int) -> SuiteRan:
    numbers = {"green": 0, "red": 0, "skipped": 0, **told}
    return SuiteRan(
        run=SuiteSums(
            name=name,
            source="TAP",
            exit_status=0 if quiet else 1,
            ended=ended,
            took_ns=3_000_000_000,
            quiet=quiet,
            **numbers,
        )
    )


def said(test: str, state: str, heard: str, reason: str = "") -> Reacted:
    return Reacted(finding=test, state=state, heard=heard, must=False, reason=reason)


@pytest.fixture
def model() -> TrialModel:
    events: list[Event] = [
        SuitePlanned(command="x", tests=("a", "b"), windows=("stop web", "stop db", "stop log", "cut x"), limit_ns=60_000_000_000),
        SuiteBegun(run="stop web", left=4, deadline_ns=1),
        ran("stop web", red=1, green=1), ran("stop db", quiet=True, green=1, skipped=1), ran("stop log", ended=False),
        said("a", "stop web", "red"), said("b", "stop web", "green"),
        said("a", "stop db", "green"), said("b", "stop db", "skipped", "no db here"),
        said("a", "stop log", "did not end"), said("b", "stop log", "did not end"),
        CheckProven(finding="a", outcome="proven", by=("stop web",)), CheckProven(finding="b", outcome="blind", blind_to=("stop db",)),
    ]  # fmt: skip
    model = TrialModel()
    model.feed(Entry(seq=n, ns=n, event=e) for n, e in enumerate(events))
    return model


def test_what_it_tells_as_a_whole(model: TrialModel) -> None:
    assert remarks(model) == [
        "nothing notices: stop db",
        "no test by name notices, but the suite does not end well: stop log",
        "not asked: cut x",
        "b skips itself in stop db: no db here",
        "notice nothing: b",
        "the suite did not end in stop log (3s): something in it waits without a time-out",
    ]
    assert skips(model) == {"b": (["stop db"], "no db here")}
    assert counts(model) == "1 of 2 tests proven, 1 blind"
    assert exit_status(model) == 1
    assert model.word == "ASKED"
    assert model.suite_begun is None


def test_it_is_told_to_programs_and_pages(model: TrialModel) -> None:
    found = summary_of(model)
    assert [t["test"] for t in found["tests"]] == ["a", "b"]
    assert found["tests"][1]["heard"] == {"stop web": "green", "stop db": "skipped", "stop log": "did not end"}
    assert [r["took_s"] for r in found["runs"]] == [3, 3, 3]
    shown = view(model)
    assert shown is not None
    assert [r["text"] for r in shown["runs"]] == ["1 red, 1 green", "1 green, 1 skipped", "killed after 3s"]
    assert view(TrialModel()) is None


@pytest.mark.parametrize(
    ("names", "shared"),
    [
        (["tests.e2e.test_a::x", "tests.e2e.test_b.TestC::y"], "tests.e2e."),
        (["tests.a::x", "tests.a::y"], "tests.a::"),
        (["a::x", "b::y"], ""),
        (["the suite"], ""),
        (["shop/e2e::TestPay", "shop/api::TestPay"], "shop/"),
        ([], ""),
    ],
)
def test_what_all_names_begin_with_is_said_once(names: list[str], shared: str) -> None:
    assert _shared(names) == shared


def test_a_place_that_is_noticed_in_every_way_is_said_once() -> None:
    windows = ["stop web", "pause web", "stop db", "pause db", "cut web -> db"]
    assert in_places(["stop web", "pause web", "stop db", "cut web -> db"], windows) == "web, stop db, web -> db"
    assert in_places([], windows) == ""
