"""Two trials side by side: a load's runs by scenario, and searches by their capacities."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from rich.console import Console

from seatrial.api.comparing import Differences, compare_trials, show_comparison
from seatrial.arrivals import samples
from seatrial.arrivals.histogram import bucket
from seatrial.core.events import ColumnSealed, Entry, Event, LoadProbed, WorkloadMeasured, WorkloadStarted, encode
from seatrial.reports.model import TrialModel

MS = 1_000_000


def write(path: Path, ms: float, seed: int) -> None:
    """Ten seconds of a hundred requests each."""
    random = np.random.default_rng(seed)
    slots = np.repeat(np.arange(100), 10)
    ns = (random.lognormal(0, 0.3, len(slots)) * ms * MS).astype(np.int64)
    one, none = np.ones(len(slots), np.int64), np.zeros(len(slots), np.int64)
    writer = samples.SampleWriter(path, 0)
    writer.write(samples.rows_of(samples.RESPONSE, slots, bucket(ns), one, none))
    writer.close()


class Trial:
    """A trial's directory with a journal and samples."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self._events: list[Event] = []
        self._ns = 0

    def ran(self, scenario: str, ms: float, *, capacity: tuple[float, float] | None = None) -> Trial:
        """A run of rush in a scenario, answered in so many ms; with a capacity one that searched."""
        number = sum(isinstance(e, WorkloadStarted) for e in self._events) + 1
        file = f"samples/{number}/rush.load"
        write(self.directory / file, ms, seed=number)
        began, self._ns = self._ns, self._ns + 100
        rate = "search 5/s to 500/s" if capacity else "constant 100/s"
        metrics: dict[str, Any] = {}
        self._events += [
            WorkloadStarted(workload="rush", file=file, at_ns=began, rate=rate, kind="load", scenario=scenario)
        ]
        if capacity:
            low, high = capacity
            shown = "inf" if high == float("inf") else high
            metrics["capacity"] = {"low": low, "high": shown, "dimension": "rate", "text": f"{low:g}/s to {high:g}/s"}
            self._events += [
                LoadProbed(
                    load="rush", rate=low, outcome="held", reason="", began_ns=began, ended_ns=began + 50, figures={}
                )
            ]
        self._events += [
            WorkloadMeasured(workload="rush", scenario=scenario, from_ns=began, to_ns=began + 90, metrics=metrics),
            ColumnSealed(workload="rush", file=file, rows=1, sha256="", valid=True),
        ]
        return self

    def written(self) -> Path:
        lines = [json.dumps(encode(n, n, e)) for n, e in enumerate(self._events)]
        (self.directory / "journal.jsonl").write_text("\n".join(lines) + "\n")
        return self.directory

    def model(self) -> TrialModel:
        model = TrialModel()
        model.feed(Entry(seq=n, ns=n, event=e) for n, e in enumerate(self._events))
        return model


@pytest.fixture
def trials(tmp_path: Path) -> tuple[Trial, Trial]:
    return Trial(tmp_path / "a"), Trial(tmp_path / "b")


def differences(a: Trial, b: Trial) -> Differences:
    return compare_trials(a.model(), a.directory, b.model(), b.directory)


@pytest.mark.parametrize(
    ("before", "after", "word"),
    [
        ((90.0, 110.0), (180.0, 220.0), "better"),
        ((180.0, 220.0), (90.0, 110.0), "worse"),
        ((90.0, 110.0), (100.0, 130.0), "cannot be told"),
        ((90.0, float("inf")), (180.0, 220.0), "cannot be told"),
        ((90.0, 110.0), (180.0, float("inf")), "better"),
    ],
)
def test_a_faster_system_that_was_tried_at_higher_rates_is_no_worse(
    trials: tuple[Trial, Trial], before: tuple[float, float], after: tuple[float, float], word: str
) -> None:
    a, b = trials
    found = differences(a.ran("one", 10, capacity=before), b.ran("one", 100, capacity=after))
    assert not found.loads
    assert found.capacities["rush"].word == word
    assert found.worse is (word == "worse")


def test_a_search_and_a_run_at_one_rate_are_not_compared(trials: tuple[Trial, Trial]) -> None:
    a, b = trials
    found = differences(a.ran("one", 10), b.ran("one", 100, capacity=(90.0, 110.0)))
    assert (found.capacities["rush"].why, found.worse) == ("it searched in one of the trials alone", False)


def test_runs_are_compared_with_those_of_the_same_scenario(trials: tuple[Trial, Trial]) -> None:
    a, b = trials
    found = differences(a.ran("quiet", 10).ran("fault", 100), b.ran("fault", 100).ran("quiet", 10))
    assert {n: {c.word for c in x.changes} & {"worse", "better"} for n, x in found.loads.items()} == {
        "rush in quiet": set(),
        "rush in fault": set(),
    }
    assert not found.worse


def test_a_run_without_one_of_the_same_scenario_is_not_compared(trials: tuple[Trial, Trial]) -> None:
    a, b = trials
    found = differences(a.ran("quiet", 10), b.ran("fault", 100))
    assert found.loads["rush"].why == "the second trial did not send it in this scenario"
    assert not found.worse
    b.ran("quiet", 10)
    assert differences(a, b).loads["rush in fault"].why == "the first trial did not send it in this scenario"


def test_samples_that_are_gone_are_told(trials: tuple[Trial, Trial]) -> None:
    a, b = trials
    a.ran("quiet", 10), b.ran("quiet", 10)
    (b.directory / "samples/1/rush.load").unlink()
    assert "cannot be read" in differences(a, b).loads["rush"].why


def test_capacities_are_shown(trials: tuple[Trial, Trial]) -> None:
    a, b = trials
    paths = [t.ran("one", 10, capacity=c).written() for t, c in ((a, (90.0, 110.0)), (b, (40.0, 50.0)))]
    console = Console(file=io.StringIO(), width=120)
    assert show_comparison(*paths, console) == 1
    assert "capacity 90/s to 110/s before, 40/s to 50/s after: worse" in console.file.getvalue()  # type: ignore[attr-defined]
    console = Console(file=io.StringIO(), width=120)
    assert show_comparison(*paths, console, as_json=True) == 1
    shown = json.loads(console.file.getvalue())  # type: ignore[attr-defined]
    assert shown["capacities"]["rush"]["word"] == "worse"
