"""The last good trial: the same load, in the same scenario."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import pytest

from seatrial.api.baselines import last_good
from seatrial.arrivals import samples
from seatrial.core.events import (
    ColumnSealed,
    Event,
    TrialEnded,
    TrialStarted,
    WorkloadMeasured,
    WorkloadStarted,
    encode,
)
from seatrial.core.files import SPEC
from seatrial.core.load_plans import LoadPlan
from seatrial.core.results import Accounting
from seatrial.core.workloads import LoadRun

QUIET, FAULT, BESIDE = 1, 2, 3  # a run's start, by which its samples are known


def run(directory: Path, start: int, scenario: str, digest: str, seen_in: str) -> list[Event]:
    file = f"samples/{start}/rush.load"
    samples.SampleWriter(directory / file, start).close()
    return [
        WorkloadStarted(
            workload="rush", file=file, at_ns=start * 100, rate="9 users", kind="load", scenario=scenario, digest=digest
        ),
        WorkloadMeasured(workload="rush", scenario=seen_in, from_ns=0, to_ns=start * 100 + 50, metrics={}),
        ColumnSealed(workload="rush", file=file, rows=0, sha256="", valid=True),
    ]


@pytest.fixture
def trial(tmp_path: Path) -> Path:
    """A trial that begins after a good one, in which the load ran in `quiet`, under a `fault`, and in `other` for `beside`, too."""
    good, now = tmp_path / "1-good", tmp_path / "2-now"
    for directory in (good, now):
        directory.mkdir()
        (directory / SPEC).write_text("/shop/seatrial.yaml\n")
    events: list[Event] = [
        TrialStarted(
            trial="t",
            name="shop",
            spec="seatrial.yaml",
            digest="0",
            seatrial="0",
            platform="local",
            wall="2026-01-01T00:00:00+00:00",
            command=(),
            machine={},
            requirements=(),
            findings=(),
            scenarios=(),
        ),
        *run(good, QUIET, "quiet", "same", "quiet"),
        *run(good, FAULT, "fault", "same", "fault"),
        *run(good, BESIDE, "other", "same", "beside"),
        TrialEnded(
            outcome="GO",
            exit_status=0,
            summary="",
            accounting=Accounting(**{f.name: 0 for f in dataclasses.fields(Accounting)}),
            took_ns=1,
        ),
    ]
    (good / "journal.jsonl").write_text("".join(json.dumps(encode(n, n, e)) + "\n" for n, e in enumerate(events)))
    return now


@pytest.mark.parametrize(("scenario", "start"), [("quiet", QUIET), ("fault", FAULT), ("beside", BESIDE)])
def test_it_is_the_run_of_the_same_scenario(trial: Path, scenario: str, start: int) -> None:
    found = last_good(plan(), LoadRun(scenario=scenario, digest="same"), trial)
    assert (found.name, found.why, found.start_ns) == ("1-good", "", start)


@pytest.mark.parametrize(
    ("scenario", "digest", "why"),
    [
        ("quiet", "another", "1-good did not send the same"),
        ("quiet", "", "1-good did not send the same"),
        ("elsewhere", "same", "1-good did not send it in elsewhere"),
    ],
)
def test_another_load_or_scenario_is_none(trial: Path, scenario: str, digest: str, why: str) -> None:
    found = last_good(plan(), LoadRun(scenario=scenario, digest=digest), trial)
    assert found.rows is None
    assert why in found.why


def plan() -> LoadPlan:
    return LoadPlan(name="rush", directory=Path("/shop"), users=9, timeout_ns=1, connections=1)
