"""A load that runs several times: each run has its own abort, probes, file and figures, and reports tell them apart."""

from __future__ import annotations

from seatrial.core.events import (
    ColumnSealed,
    Entry,
    Event,
    LoadAborted,
    LoadProbed,
    WorkloadMeasured,
    WorkloadStarted,
)
from seatrial.reports.loads import load_rows
from seatrial.reports.machine import report
from seatrial.reports.model import WHOLE, TrialModel


def started(at: int, scenario: str, number: int, name: str = "rush") -> WorkloadStarted:
    file = f"samples/{name}.load" if number == 1 else f"samples/{number}/{name}.load"
    return WorkloadStarted(workload=name, file=file, at_ns=at, rate="constant 9/s", kind="load", scenario=scenario)


def sealed(file: str, *, valid: bool = True) -> ColumnSealed:
    return ColumnSealed(workload="rush", file=file, rows=7, sha256=file, valid=valid, note="" if valid else "torn")


def aborted(at: int) -> LoadAborted:
    return LoadAborted(load="rush", condition="errors > 1%", reason="aborted", at_ns=at, figures={})


def probed(began: int, outcome: str) -> LoadProbed:
    return LoadProbed(load="rush", rate=9.0, outcome=outcome, reason="", began_ns=began, ended_ns=began + 5, figures={})


def measured(scenario: str, from_ns: int, to_ns: int, text: str) -> WorkloadMeasured:
    search = {"search": {"ends": "", "conditions": ["p95 < 1s"], "probes": 1}}
    capacity = {"text": text, "low": 1.0, "high": 2.0, "dimension": "rate"}
    return WorkloadMeasured(
        workload="rush", scenario=scenario, from_ns=from_ns, to_ns=to_ns, metrics={"capacity": capacity}, detail=search
    )


def model_of(*events: Event) -> TrialModel:
    model = TrialModel()
    model.feed(Entry(seq=n, ns=n, event=e) for n, e in enumerate(events))
    return model


def twice() -> TrialModel:
    """Aborted in `busy`, and run anew in `quiet`; the first is sealed when the second has begun."""
    return model_of(
        started(100, "busy", 1),
        probed(110, "did not hold"),
        aborted(150),
        measured("busy", 90, 190, "first"),
        started(200, "quiet", 2),
        sealed("samples/rush.load", valid=False),
        probed(210, "held"),
        measured("quiet", 195, 290, "second"),
        sealed("samples/2/rush.load"),
    )


def test_each_run_keeps_its_abort_its_probes_and_its_seal() -> None:
    first, second = twice().runs
    assert (first.aborted is not None, second.aborted is not None) == (True, False)
    assert ([p.outcome for p in first.probes], [p.outcome for p in second.probes]) == (["did not hold"], ["held"])
    assert (first.valid, first.note, first.sha256) == (False, "torn", "samples/rush.load")
    assert (second.valid, second.note, second.sha256) == (True, "", "samples/2/rush.load")


def test_rows_of_a_scenario_are_of_its_run() -> None:
    busy, quiet = load_rows(twice())
    assert [(r["scenario"], r["aborted"]) for r in (busy, quiet)] == [("busy", "aborted"), ("quiet", "")]
    assert [(r["search"]["capacity"], [p["outcome"] for p in r["search"]["rows"]]) for r in (busy, quiet)] == [
        ("first", ["did not hold"]),
        ("second", ["held"]),
    ]


def test_both_runs_are_in_the_report_by_labels_of_their_own() -> None:
    model = twice()
    assert [model.label(r) for r in model.runs] == ["rush in busy", "rush in quiet"]
    assert [(w["file"], w["scenario"]) for w in report(model)["workloads"]] == [
        ("samples/rush.load", "busy"),
        ("samples/2/rush.load", "quiet"),
    ]
    again = model_of(started(1, "busy", 1), started(2, "busy", 2), started(3, "", 3))
    assert [again.label(r) for r in again.runs] == ["rush, run 1", "rush, run 2", "rush, run 3"]
    alone = model_of(started(1, "busy", 1))
    assert alone.label(alone.runs[0]) == "rush"


def test_the_run_of_a_scenario_is_its_own_or_one_beside_it_but_not_that_of_the_trial() -> None:
    model = twice()
    assert [model.run_in("rush", s) for s in ("busy", "quiet", "elsewhere")] == [*model.runs, None]
    shared = model_of(started(100, "busy", 1), measured("beside", 90, 190, "x"))
    assert shared.run_in("rush", "beside") is shared.runs[0]
    whole = model_of(started(100, WHOLE, 1), measured("beside", 90, 190, "x"))
    assert whole.run_in("rush", "beside") is None
    assert whole.run_in("rush", WHOLE) is whole.runs[0]
