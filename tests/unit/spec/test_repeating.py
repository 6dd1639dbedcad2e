"""Scenarios and steps that stand for several, and parts of a spec in files of their own."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from seatrial.core.plan import FaultStep, Plan, ProbeStep

FOREACH = """\
scenarios:
  one:
    foreach: {service: [web, db]}
    steps: [{fault: kill, at: "{{ service }}", id: "kill-{{ service }}"}, {sql: select 1, at: db, expect: "rows[0][0] == 1"}]
  all:
    needs: [one]
    foreach: {case: [{path: /a, status: 200}, {path: "/b/c", status: 404}], n: [1, 2]}
    labels: ["n{{ n }}"]
    steps: [{http: "GET {{ case.path }}?n={{ n }}", at: web, expect: "status == {{ case.status }}"}]
  inner:
    after: [one, all]
    steps:
      - {http: GET /first, at: web}
      - foreach: {path: [x, y]}
        steps:
          - {http: "GET /{{ path }}", at: web, save: {"of-{{ path }}": status}}
          - {foreach: {n: [1, 2]}, steps: [{http: "GET /{{ path }}/{{ n }}", at: web}]}
      - {http: "GET /{{ of-x }}", at: web, expect: of-y == 200}
"""


def paths(plan: Plan, scenario: str) -> list[str]:
    (found,) = [s for s in plan.scenarios if s.id == scenario]
    return [str(s.check.call.what) for s in found.steps if isinstance(s, ProbeStep)]


def test_they_are_written_out(plan_of: Callable[..., Plan], stack: str) -> None:
    plan = plan_of(stack + FOREACH)
    assert [s.id for s in plan.scenarios] == [
        "one-web",
        "one-db",
        "all-a-1",
        "all-a-2",
        "all-b-c-1",
        "all-b-c-2",
        "inner",
    ]
    by = {s.id: s for s in plan.scenarios}
    assert by["all-b-c-2"].needs == ("one-web", "one-db")
    assert by["inner"].after == ("one-web", "one-db", "all-a-1", "all-a-2", "all-b-c-1", "all-b-c-2")
    assert by["all-a-2"].labels == ("n2",)
    assert [str(s.at) for s in by["one-db"].steps if isinstance(s, FaultStep)] == ["db"]
    assert by["one-db"].steps[0].id == "kill-db"
    assert paths(plan, "all-b-c-1") == ["GET /b/c?n=1"]
    assert by["all-b-c-1"].steps[0].check.expect.source == "status == 404"
    assert paths(plan, "inner") == [
        "GET /first", "GET /x", "GET /x/1", "GET /x/2", "GET /y", "GET /y/1", "GET /y/2", "GET /{{ of-x }}",
    ]  # fmt: skip


def test_what_is_not_theirs_stays(plan_of: Callable[..., Plan], stack: str) -> None:
    text = """\
values: {colour: red}
scenarios: {one: {foreach: {n: [1]}, steps: [{http: "GET /{{ colour }}/{{ n }}", at: web}]}}
"""
    assert paths(plan_of(stack + text), "one-1") == ["GET /{{ colour }}/1"]


def test_parts_are_put_together(plan_of: Callable[..., Plan], stack: str, tmp_path: Path) -> None:
    (tmp_path / "parts").mkdir()
    (tmp_path / "parts/smoke.yaml").write_text(
        "seatrial: 1\ninclude: more.yaml\nsetup: [{http: GET /first, at: web}]\n"
        "scenarios: {smoke: {steps: [{http: GET /, at: web}]}}\n"
    )
    (tmp_path / "parts/more.yaml").write_text(
        "values: {size: 3}\nscenarios: {more: {steps: [{http: 'GET /{{ size }}', at: web}]}}\n"
    )
    text = (
        "include: [parts/smoke.yaml]\nsetup: [{http: GET /second, at: web}]\n"
        "scenarios: {own: {needs: [smoke], steps: [{http: GET /, at: web}]}}\n"
    )
    plan = plan_of(stack + text)
    assert [s.id for s in plan.scenarios] == ["own", "smoke", "more"]
    assert [str(s.check.call.what) for s in plan.setup if isinstance(s, ProbeStep)] == ["GET /first", "GET /second"]
    assert plan.values["size"] == 3
    assert [f.name for f in plan.files] == ["seatrial.yaml", "smoke.yaml", "more.yaml"]


@pytest.fixture
def stack() -> str:
    return "seatrial: 1\nstack: {services: {web: {command: serve, ports: auto}, db: {kind: postgres}}}\n"
