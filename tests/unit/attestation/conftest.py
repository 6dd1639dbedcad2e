"""A trial that was recorded and reported, without a stack: its files are those of a real one."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from seatrial.api.reporting import write_reports
from seatrial.attestation.fingerprinting import PlanFingerprinter
from seatrial.attestation.seals import seal_trial, sha256_of
from seatrial.core.events import ColumnSealed, FindingJudged, Fingerprinted, PartsIdentified, TrialEnded, TrialStarted
from seatrial.core.fingerprints import TESTED, Part
from seatrial.core.plan import FilesTested, Plan
from seatrial.core.redaction import Redactor
from seatrial.core.results import Accounting, Finding, PlannedFinding
from seatrial.core.stack import ServicePlan, StackPlan
from seatrial.core.verdicts import Verdict
from seatrial.engine.journal import Journal

Recorded = Callable[..., Path]


@pytest.fixture
def plan(tmp_path: Path) -> Plan:
    """A spec with a service of one command."""
    (tmp_path / "app").mkdir()
    (tmp_path / "app/shop.py").write_text("print('shop')\n")
    (tmp_path / "seatrial.yaml").write_text("seatrial: 1\n")
    service = ServicePlan(
        name="web", kind="process", arguments={"directory": "app", "environment": {"PASSWORD": "tide", "MODE": "fast"}}
    )
    stack = StackPlan(name="shop", platform="local", services={"web": service}, directory=tmp_path)
    file = tmp_path / "seatrial.yaml"
    return Plan(
        name="shop", file=file, stack=stack, digest="d" * 64, files=(file,), tested=FilesTested(ignore=("*.db",))
    )


@pytest.fixture
def recorded(tmp_path: Path, plan: Plan) -> Recorded:
    """Makes one; `waived`: its red finding is."""

    def record(name: str = "2026-11-20T10-14-31-shop-abcd", *, waived: str = "") -> Path:
        trial = tmp_path / ".seatrial/trials" / name
        findings = (
            Finding(id="s/home", scenario="s", claim="status == 200", verdict=Verdict.PASS, measured="status = 200"),
            Finding(id="s/slow", scenario="s", claim="x", verdict=Verdict.FAIL, reason="too slow", waived=waived),
        )
        with Journal(trial, Redactor([])) as journal:
            planned = tuple(PlannedFinding(id=f.id, scenario=f.scenario, claim=f.claim) for f in findings)
            journal.write(_started(name, plan, planned))
            printed = PlanFingerprinter(plan=plan, version="1", directory=trial, secret=dict).begin()
            digest = sha256_of(trial / TESTED)
            journal.write(Fingerprinted(print=printed, file=TESTED, sha256=digest, took_ns=1))
            parts = (Part(subject="web#1", name="python", digest="sha256:" + "a" * 64, version="3.11"),)
            journal.write(PartsIdentified(parts=parts, digest=printed.digest(parts)))
            (trial / "histories").mkdir()
            (trial / "histories/sales.ops").write_bytes(bytes(range(256)))
            column = sha256_of(trial / "histories/sales.ops")
            journal.write(ColumnSealed(workload="sales", file="histories/sales.ops", rows=4, sha256=column, valid=True))
            for finding in findings:
                journal.write(FindingJudged(finding=finding))
            journal.write(_ended("GO" if waived else "NO-GO", bool(waived)))
            written = journal.written
        (trial / "keeper.jsonl").write_text('{"event":"keeper"}\n{"event":"end"}\n')
        seal_trial(trial, written)
        write_reports(trial)
        return trial

    return record


def _started(name: str, plan: Plan, planned: tuple[PlannedFinding, ...]) -> TrialStarted:
    return TrialStarted(
        trial=name,
        name="shop",
        spec=str(plan.file),
        digest=plan.digest,
        seatrial="1",
        platform="local",
        wall="2026-11-20T10:14:31.000+00:00",
        command=("seatrial", "run"),
        machine={},
        requirements=(),
        findings=planned,
        scenarios=(
            {"id": "s", "title": "s", "covers": [], "disrupting": False, "severity": "blocking", "selected": True},
        ),
    )


def _ended(outcome: str, waived: bool) -> TrialEnded:
    return TrialEnded(
        outcome=outcome,
        exit_status=0 if waived else 1,
        accounting=Accounting(
            planned=2,
            passed=1,
            failed=1,
            inconclusive=0,
            not_exercised=0,
            requirements=0,
            covered=0,
            out_of_scope=0,
            not_covered=0,
            waived=int(waived),
        ),
        took_ns=1_000_000_000,
        summary=f"{outcome}: 1 of 2 findings pass",
    )
