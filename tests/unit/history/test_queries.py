"""What the history is asked, in SQLite; tests/services/history asks the same of PostgreSQL."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from seatrial.history import queries
from seatrial.history.database import Database, open_database
from seatrial.history.records import FindingRow
from seatrial.history.remembering import remember

sys.path.insert(0, str(Path(__file__).parent))
from history_support import SPEC, finding, trial


@pytest.fixture
def database(tmp_path: Path) -> Database:
    return open_database(tmp_path / "h.db")


def test_the_last_ones_first_without_rounds(database: Database) -> None:
    remember(database, [trial(n, part_of="soak" if n == 3 else "") for n in range(5)])
    assert [t.trial for t in queries.last_trials(database, 3)] == ["t004", "t002", "t001"]
    assert [t.trial for t in queries.last_trials(database, 2, rounds=True)] == ["t004", "t003"]
    assert queries.last_trials(database, 2, name="other") == []
    assert queries.counted(database) == (5, 1)


def test_a_trend_is_in_order_and_without_variants(database: Database) -> None:
    rows = [
        trial(n, findings=(finding(low=n * 1e9, high=n * 1e9 + 1),), variant="slow" if n == 2 else "") for n in range(6)
    ]
    remember(database, rows)
    assert [p.trial for p in queries.trend(database, "s/back", SPEC, 3)] == ["t003", "t004", "t005"]
    assert queries.counts(database, "s/back", SPEC) == {"PASS": 5}
    assert queries.findings_like(database, "s/") == [("s/back", SPEC)]
    assert queries.findings_like(database, "x") == []


def test_flaky_is_what_differs_though_the_same_was_tested(database: Database) -> None:
    rows = [
        trial(1, findings=(finding(), finding(id_="s/other"))),
        trial(2, findings=(finding("FAIL", reason="502"), finding(id_="s/other"))),
        trial(3, tested="v2", findings=(finding(id_="s/back"), finding("FAIL", id_="s/other"))),  # another version
        trial(4, findings=(finding(), finding(id_="s/other", verdict="INCONCLUSIVE", exercised=False))),
        trial(5, findings=(finding(id_="trial/nothing-changed", verdict="INCONCLUSIVE"),)),
        trial(6, findings=(finding(id_="trial/nothing-changed"),)),
    ]
    remember(database, rows)
    (found,) = queries.flaky(database, SPEC)
    assert (found.finding, found.passed, found.others, found.reason, found.trial) == ("s/back", 2, 1, "502", "t002")


def test_the_slowest_by_their_median(database: Database) -> None:
    remember(database, [trial(n, scenarios=(("a", "PASS", n), ("b", "PASS", 100))) for n in (1, 2, 90)])
    assert [(s.scenario, s.median_ns, s.least_ns, s.most_ns) for s in queries.slowest(database, SPEC)] == [
        ("b", 100, 100, 100),
        ("a", 2, 1, 90),
    ]


@pytest.mark.parametrize(
    ("change", "word"),
    [
        (finding(low=1.5e9, high=3e9), ""),  # they overlap
        (finding(low=5e9, high=6e9), "worse"),
        (finding(low=5e9, high=None), "worse"),
        (finding(low=1e8, high=2e8), ""),  # better
        (finding(low=1e8, high=2e8, bound="> 50/s"), "worse"),
        (finding(low=5e9, high=6e9, bound="== 3"), "changed"),
        (finding("FAIL"), "worse"),
    ],
)
def test_regressions(database: Database, change: FindingRow, word: str) -> None:
    remember(database, [trial(1, findings=(finding(),)), trial(2, findings=(change,))])
    assert [r.word for r in queries.regressions(database, "t002", "t001")] == [word] * bool(word)


def test_the_baseline_is_what_was_accepted_else_the_last_whole_go(database: Database) -> None:
    rows = [
        trial(1),
        trial(2),
        trial(3, selection="only s"),
        trial(4, variant="slow"),
        trial(5, outcome="NO-GO"),
        trial(6),
    ]
    remember(database, rows)
    began = rows[-1].began
    assert queries.baseline(database, SPEC, began) == ("t002", "the last GO")
    assert queries.accept(database, "t001", "Ada", "2026-11-20") == SPEC
    assert queries.baseline(database, SPEC, began) == ("t001", "accepted by Ada, 2026-11-20")
    assert queries.accept(database, "t002", "Grace", "2026-11-21") == SPEC
    assert queries.baseline(database, SPEC, began)[0] == "t002"
    assert queries.accept(database, "nothing", "Ada", "") is None
    assert queries.baseline(database, "/other", began) == ("", "")


def test_last_verdicts_are_those_of_the_trial_that_ran_it_last(database: Database) -> None:
    rows = [
        trial(1, scenarios=(("a", "FAIL", 1), ("b", "PASS", 1))),
        trial(2, scenarios=(("a", "PASS", 1),), selection="1 of 2"),
        trial(3, scenarios=(("b", "FAIL", 1),), variant="slow"),
    ]
    remember(database, rows)
    assert queries.last_verdicts(database, SPEC) == {"a": ("PASS", "t002"), "b": ("PASS", "t001")}


def test_the_last_go_is_of_all_of_it(database: Database) -> None:
    remember(database, [trial(1), trial(2, selection="only s"), trial(3, outcome="NO-GO")])
    found = queries.last_go(database, SPEC)
    assert found is not None
    assert found.trial == "t001"


def test_text_that_looks_like_sql_is_text(database: Database) -> None:
    for ask in (queries.findings_like, lambda d, t: queries.last_trials(d, 5, name=t)):
        asked: Callable[[Database, str], list[object]] = ask
        assert asked(database, "'; drop table trials; --%") == []
    assert queries.counted(database) == (0, 0)
