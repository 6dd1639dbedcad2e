"""The verdict's tables on narrow and wide terminals: what identifies a row and what became of it is never squeezed out."""

from __future__ import annotations

import io
import json
from pathlib import Path

import pytest
from rich.console import Console

from seatrial.core.events import Entry, Event, FindingJudged, TrialEnded, TrialStarted
from seatrial.core.results import Accounting, Evidence, Finding, PlannedFinding
from seatrial.core.verdicts import Verdict
from seatrial.reports.machine import report, write_json
from seatrial.reports.model import TrialModel
from seatrial.reports.terminal import verdict

LONG = "PostgreSQL fails over in less than 30 s from killing the primary to the first accepted write of any client"


def model() -> TrialModel:
    judged = {"slow/p95": Verdict.FAIL, "postgres-failover/new-primary": Verdict.PASS, "lag/seen": Verdict.INCONCLUSIVE}
    planned = tuple(
        PlannedFinding(id=i, scenario=i.partition("/")[0], claim="a claim", covers=(f"JS-0{n}",))
        for n, i in enumerate(judged)
    )
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
            requirements=tuple(
                {"id": f"JS-0{n}", "text": LONG, "severity": "blocking", "in_scope": n < 3} for n in range(4)
            ),
            findings=planned,
            scenarios=(),
        ),
        *(
            FindingJudged(
                finding=Finding(
                    id=p.id,
                    scenario=p.scenario,
                    claim=p.claim,
                    verdict=judged[p.id],
                    covers=p.covers,
                    measured="sales.recovery = 18.2s to 19.9s",
                    bound="< 30s",
                    interval=(1.0, 2.0),
                    evidence=(Evidence(kind="observation", summary="seen", at_ns=1, data={"rows": [1]}),),
                )
            )
            for p in planned
        ),
        TrialEnded(
            outcome="NO-GO",
            exit_status=1,
            accounting=Accounting(
                planned=3,
                passed=1,
                failed=1,
                inconclusive=1,
                not_exercised=0,
                requirements=4,
                covered=3,
                out_of_scope=1,
                not_covered=0,
            ),
            took_ns=1,
            summary="NO-GO for 3 of 4 lines",
        ),
    ]
    read = TrialModel()
    read.feed(Entry(seq=n, ns=n, event=e) for n, e in enumerate(events))
    return read


@pytest.mark.parametrize("width", [60, 80, 110, 120, 160, 220])
def test_every_row_shows_its_id_and_its_verdict_at_any_width(width: int) -> None:
    out = io.StringIO()
    verdict(model(), Path("trial"), Console(file=out, width=width))
    lines = out.getvalue().splitlines()
    rows = {line.split()[0]: line for line in lines if line.startswith("JS-0")}
    assert "✘ FAIL" in rows["JS-00"]
    assert "✔ PASS" in rows["JS-01"]
    assert "? INCONCLUSIVE" in rows["JS-02"]
    assert "out of scope" in rows["JS-03"]
    targets = lines[next(i for i, line in enumerate(lines) if line.startswith("targets")) :]
    assert [w for w in ("✘ FAIL", "✔ PASS", "? INCONCLUSIVE") if not any(w in line for line in targets)] == []
    assert all(len(line) <= width for line in targets if line.startswith(("JS-", "finding", "slow")))


def test_a_long_requirement_is_cut_and_says_so() -> None:
    out = io.StringIO()
    verdict(model(), Path("trial"), Console(file=out, width=80))
    assert "…" in next(line for line in out.getvalue().splitlines() if line.startswith("JS-01"))


def test_the_report_for_programs_is_json_with_a_line_for_each_finding(tmp_path: Path) -> None:
    write_json(model(), tmp_path / "report.json")
    text = (tmp_path / "report.json").read_text()
    assert json.loads(text) == json.loads(json.dumps(report(model())))
    line = next(line for line in text.splitlines() if '"slow/p95"' in line and '"evidence"' in line)
    assert json.loads(line.strip().rstrip(","))["verdict"] == "FAIL"
