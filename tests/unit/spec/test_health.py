"""`stack-health`: what it is written out into, with the real vocabulary."""

from __future__ import annotations

from pathlib import Path

import pytest

from seatrial.api.vocabulary import vocabulary
from seatrial.core.errors import UsageError
from seatrial.core.plan import FaultStep, Plan, ProbeStep
from seatrial.core.verdicts import Severity
from seatrial.engine.ledger import planned_findings
from seatrial.spec import compile_spec

STACK = """\
services:
  db: {kind: postgres}
  store: {command: serve, ports: auto, ready: {http: GET /readyz}}
  web:
    command: serve --store {{ store.url }} --db {{ db.dsn }}
    replicas: 2
    ports: auto
    environment: {STORE: "{{ store.url }}"}
    ready: {http: GET /readyz}
  job: {command: work, after: [web], restart: never, ready: {log: ready, expect: count >= 1}}
"""


def plan_of(tmp_path: Path, health: str, more: str = "") -> Plan:
    (tmp_path / "stack.yaml").write_text(STACK)
    spec = tmp_path / "seatrial.yaml"
    spec.write_text(f"seatrial: 1\nstack: stack.yaml\n{more}stack-health: {health}\n")
    return compile_spec(spec, vocabulary(), environment={})


def refused(tmp_path: Path, health: str, more: str = "") -> str:
    with pytest.raises(UsageError) as caught:
        plan_of(tmp_path, health, more)
    return str(caught.value)


def test_all_of_it(tmp_path: Path) -> None:
    plan = plan_of(tmp_path, "all")
    ids = [s.id for s in plan.scenarios]
    assert ids[:5] == ["stack-order", "stack-ports-db", "stack-ports-store", "stack-ports-web", "stack-environment-web"]
    assert ids[-4:] == ["stack-logs-db", "stack-logs-store", "stack-logs-web", "stack-logs-job"]
    assert {
        "stack-early-web",
        "stack-early-job",
        "stack-web-without-db",
        "stack-web-without-store",
        "stack-volumes-db",
    } <= {*ids}
    assert {f"stack-{f}-{s}" for f in ("kill", "stop", "pause", "restart") for s in ("db", "store", "web", "job")} <= {
        *ids
    }
    assert "stack-job-without-web" not in ids
    assert any("read from its log" in said and "job without web" in said for said in plan.left_out)
    assert any(said.startswith("limits of db, limits of store") for said in plan.left_out)


def test_each_is_an_ordinary_scenario_that_stands_at_its_line(tmp_path: Path) -> None:
    plan = plan_of(tmp_path, "all")
    for scenario in plan.scenarios:
        assert scenario.position is not None
        assert scenario.position.line == 3
        assert scenario.labels[0] == "stack-health"
        assert any(f.scenario == scenario.id for f in planned_findings(plan, plan.scenarios))
    others = {s.id for s in plan.scenarios if not s.id.startswith("stack-logs-")}
    assert all(set(s.after) == others for s in plan.scenarios if s.id.startswith("stack-logs-"))
    (early,) = [s for s in plan.scenarios if s.id == "stack-early-web"]
    assert [str(s.at) for s in early.steps if isinstance(s, FaultStep)] == ["store *", "db *", "web *"]
    kill = {
        s.id: next(str(t.at) for t in s.steps if isinstance(t, FaultStep)) for s in plan.scenarios if "kill" in s.id
    }
    assert kill == {
        "stack-kill-db": "db/primary",
        "stack-kill-store": "store#1",
        "stack-kill-web": "web#1",
        "stack-kill-job": "job#1",
    }


def test_clients_come_in_where_no_other_service_that_can_be_asked_does(tmp_path: Path) -> None:
    plan = plan_of(tmp_path, "all")
    assert list(plan.workloads) == ["stack-client-web"]  # job depends on it, and cannot be asked
    assert plan.workloads["stack-client-web"].call.what == "GET /readyz"
    (kill,) = [s for s in plan.scenarios if s.id == "stack-kill-db"]
    assert kill.throughout == ("stack-client-web",)
    assert [e.condition.source for e in kill.expect] == ["stack-client-web.recovery < 60s"]


def test_some_of_it_by_name_and_without_some(tmp_path: Path) -> None:
    assert [s.id for s in plan_of(tmp_path, "[order, ports]").scenarios] == [
        "stack-order",
        "stack-ports-db",
        "stack-ports-store",
        "stack-ports-web",
    ]
    plan = plan_of(
        tmp_path,
        "{checks: [health, ports, restart-policy], services: [web, store], except: [stack-ports-web, stack-crash-web]}",
    )
    assert [s.id for s in plan.scenarios] == [
        "stack-ports-store",
        "stack-web-without-store",
        "stack-web-without-db",
        "stack-crash-store",
    ]
    assert not plan.workloads
    plan = plan_of(tmp_path, "{except: [web, db, job]}")
    assert {s.id for s in plan.scenarios} >= {"stack-kill-store", "stack-ports-store"}
    assert not any("web" in s.id for s in plan.scenarios)


def test_bounds_severity_and_what_it_covers(tmp_path: Path) -> None:
    more = "requirements: {R-1: starts in order, R-2: says so}\nworkloads: {sales: {http: GET /, at: web, rate: 5/s}}\n"
    health = (
        "{severity: non-blocking, covers: {order: R-1, health: [R-2]}, clients: sales, hold: 7s, recovery: 20s, tell: 5s, faults: stop,"
        " checks: [order, health, faults]}"
    )
    plan = plan_of(tmp_path, health, more)
    by = {s.id: s for s in plan.scenarios}
    assert by["stack-order"].covers == ("R-1",)
    assert by["stack-web-without-db"].covers == ("R-2",)
    assert by["stack-stop-web"].covers == ()
    assert {s.severity for s in plan.scenarios} == {Severity.WARNING}
    assert not any("covers no requirement" in w.message for w in plan.warnings)
    stop = by["stack-stop-web"]
    assert [s.for_ns for s in stop.steps if isinstance(s, FaultStep)] == [7_000_000_000]
    assert stop.expect[0].condition.source == "sales.recovery < 20s"
    says = next(s for s in by["stack-web-without-db"].steps if s.id == "says-so")
    assert isinstance(says, ProbeStep)
    assert says.check.within_ns == 5_000_000_000


def test_it_stands_beside_others(tmp_path: Path) -> None:
    plan = plan_of(tmp_path, "order", "scenarios: {up: {steps: [{http: GET /, at: web}]}}\n")
    assert [s.id for s in plan.scenarios] == ["up", "stack-order"]
    said = refused(tmp_path, "order", "scenarios: {stack-order: {steps: [{http: GET /, at: web}]}}\n")
    assert "stack-order is made by stack-health, too" in said
    assert "seatrial.yaml:3:13" in said


@pytest.mark.parametrize(
    ("health", "words"),
    [
        ("odrer", 'Did you mean "order"?'),
        ("{check: all}", 'unknown key "check" in stack-health'),
        ("{services: [wbe]}", 'Did you mean "web"?'),
        ("{except: [stack-kill-wbe]}", "stack-health has no stack-kill-wbe"),
        ("{clients: sales}", 'unknown workload "sales"'),
        ("{covers: R-9}", 'unknown requirement "R-9"'),
        ("{covers: {ordre: R-1}}", 'unknown check "ordre"'),
        ("{hold: 3}", "3"),
        ("[limits]", "stack-health makes no scenario here"),
    ],
)
def test_mistakes_are_shown_where_they_are(tmp_path: Path, health: str, words: str) -> None:
    said = refused(tmp_path, health)
    assert words in said
    assert "seatrial.yaml:3:" in said


def test_what_is_optional_is_left_out_unless_it_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    optional = STACK.replace("store: {command", "store: {optional: true, command")
    monkeypatch.setitem(globals(), "STACK", optional)
    plan = plan_of(tmp_path, "all")
    assert not [s.id for s in plan.scenarios if "store" in s.id]
    assert "store: optional (services: names it all the same)" in plan.left_out
    assert "stack-kill-store" in {s.id for s in plan_of(tmp_path, "{services: [store]}").scenarios}
