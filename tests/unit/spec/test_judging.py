"""What decides about a load, as the compiler makes it: defaults, findings that are planned, and what expectations may ask."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from seatrial.core.load_plans import LoadPlan
from seatrial.core.plan import LoadStep, Plan
from seatrial.engine.asking import asked
from seatrial.engine.ledger import planned_findings
from seatrial.spec.coverage import finding_ids
from seatrial.spec.profiles import Choice

S = 1_000_000_000
SPEC = """\
loads:
  rush: {{http: GET /, at: web, {rush}}}
throughout: {trial}
scenarios:
  one:
    throughout: {scenario}
    steps:
      - {{http: GET /, at: web}}
      - {step}
"""


def text(rush: str, *, trial: str = "[]", scenario: str = "[]", step: str = "{load: rush, id: run}") -> str:
    return SPEC.format(rush=rush, trial=trial, scenario=scenario, step=step)


@pytest.fixture
def rush(plan_of: Callable[..., Plan], header: str) -> Callable[..., LoadPlan]:
    return lambda keys: plan_of(header + text(keys)).loads["rush"]


def test_aborts_may_name_the_tags_of_users_and_any_of_a_script(
    plan_of: Callable[..., Plan], header: str, tmp_path: Path
) -> None:
    (tmp_path / "users.py").write_text("def visitor():\n    yield\n")
    loads = """\
loads:
  people: {at: web, rate: 9/s, steps: [{http: GET /, tag: look}], abort: tag.look.errors > 10%}
  coded: {at: web, rate: 9/s, script: users.py:visitor, abort: tag.any.errors > 10%}
scenarios: {one: {steps: [{load: people}, {load: coded}], expect: {slow: people.tag.look.p95 < 1s, other: coded.tag.x.p95 < 1s}}}
"""
    plan = plan_of(header + loads)
    assert [times(plan.loads[name])[0][0] for name in ("people", "coded")] == [
        "tag.look.errors > 10%",
        "tag.any.errors > 10%",
    ]


def times(load: LoadPlan) -> list[tuple[str, int, int]]:
    return [(r.when.source, r.after_ns // S, r.for_ns // S) for r in load.abort]


@pytest.mark.parametrize(
    ("keys", "rules"),
    [
        ("rate: 9/s, abort: errors > 10%", [("errors > 10%", 5, 3)]),
        (
            "rate: 9/s, warm-up: 20s, abort: [served < 90%, rate < 8/s]",
            [("served < 90%", 20, 3), ("rate < 8/s", 20, 3)],
        ),
        ("users: 9, warm-up: 20s, abort: {when: p95 > 2s, after: 0s, for: 9s}", [("p95 > 2s", 0, 9)]),
        ("rate: 9/s, abort: [{when: errors > 10%, for: 0s}, max > 9s]", [("errors > 10%", 5, 0), ("max > 9s", 5, 3)]),
        ("rate: 9/s", []),
    ],
)
def test_aborts_have_a_grace_and_a_duration(rush: Any, keys: str, rules: list[tuple[str, int, int]]) -> None:
    assert times(rush(keys)) == rules


def test_the_grace_is_scaled_as_the_warm_up_is(plan_of: Callable[..., Plan], header: str) -> None:
    keys = text("profile: load, warm-up: 2m, abort: errors > 10%")
    (rule,) = plan_of(header + keys, profiles=Choice(scale=0.1)).loads["rush"].abort
    assert rule.after_ns == 12 * S
    (rule,) = plan_of(header + keys, profiles=Choice(scale=0.01)).loads["rush"].abort
    assert rule.after_ns == 5 * S


@pytest.mark.parametrize(
    ("keys", "known"),
    [
        ("window: 5s, search: {from: 5/s, to: 9/s, while: worst.p95 < 1s}", True),
        ("search: {from: 5/s, to: 9/s, for: 10s, while: worst.p95 < 1s}", True),
        ("search: {from: 5/s, to: 9/s, while: p95 < 1s}", True),
        ("search: {from: 5/s, to: 9/s, while: worst.p95 < 1s}", False),
        ("window: 5s, search: {from: 5/s, to: 9/s, for: 4s, while: [p95 < 1s, worst.errors < 1%]}", False),
    ],
)
def test_the_worst_window_of_a_rate_has_to_fit(problems_of: Any, header: str, keys: str, known: bool) -> None:
    found = problems_of(header + text(keys))
    assert [("would never be known" in p) for p in found] == [True] * (not known)


def test_tags_may_stop_a_load(plan_of: Callable[..., Plan], header: str) -> None:
    loads = "loads: {rush: {at: web, rate: 9/s, requests: [{http: GET /, tag: home}], abort: tag.home.errors > 5%}}\n"
    plan = plan_of(header + loads + "scenarios: {one: {steps: [{load: rush}]}}\n")
    assert times(plan.loads["rush"]) == [("tag.home.errors > 5%", 5, 3)]


def test_a_search_has_its_defaults(rush: Any) -> None:
    search = rush("search: {from: 50/s, to: 5000/s, while: [p95 < 200ms, errors < 1%]}").search
    assert (search.lowest, search.highest, search.for_ns, search.resolution) == (50, 5000, 5 * S, 0.05)
    assert [c.source for c in search.conditions] == ["p95 < 200ms", "errors < 1%"]
    own = rush("search: {from: 6/min, to: 10/s, while: p95 < 1s, for: 2s, resolution: 10%}")
    assert (own.search.lowest, own.search.for_ns, own.search.resolution) == (0.1, 2 * S, 0.1)
    assert asked(own) == "search 0.1/s to 10/s"


@pytest.mark.parametrize(
    ("where", "ids"),
    [
        ({}, {"one/run"}),
        ({"step": "{tcp: '', at: web}", "scenario": "[rush]"}, {"one/rush-not-aborted"}),
        ({"step": "{tcp: '', at: web}", "trial": "[rush]"}, {"trial/rush-not-aborted"}),
    ],
)
def test_a_load_that_may_be_aborted_is_a_finding_where_it_runs(
    plan_of: Callable[..., Plan], header: str, where: dict[str, str], ids: set[str]
) -> None:
    with_abort = plan_of(header + text("rate: 9/s, abort: errors > 10%", **where))
    without = plan_of(header + text("rate: 9/s", **where))
    planned, fewer = ({f.id for f in planned_findings(p, p.scenarios)} for p in (with_abort, without))
    assert planned - fewer == ids
    assert set(finding_ids(with_abort)) == planned


def test_a_step_with_such_a_load_may_cover_a_requirement(plan_of: Callable[..., Plan], header: str) -> None:
    keys = text("rate: 9/s, abort: errors > 10%", step="{load: rush, id: run, covers: [R-1]}")
    plan = plan_of(header + "requirements: {R-1: it bears it}\n" + keys)
    step = plan.scenarios[0].steps[1]
    assert isinstance(step, LoadStep)
    assert (step.judged, step.covers) == (True, ("R-1",))


@pytest.mark.parametrize(
    ("keys", "condition"),
    [
        ("rate: 9/s, baseline: last-good", "rush.change.p95 < 1.2 and rush.change.errors < 1%"),
        ("search: {from: 5/s, to: 9/s, while: p95 < 1s}", "rush.capacity > 300/s"),
        ("rate: 9/s", "usage.web.backlog < 5 and usage.web.connections < 90 and usage.db.pool < 80%"),
    ],
)
def test_expectations_see_what_the_keys_bring(
    plan_of: Callable[..., Plan], header: str, keys: str, condition: str
) -> None:
    plan = plan_of(header + text(keys) + f"    expect: {{it: {condition}}}\n")
    assert plan.scenarios[0].expect[0].condition.source == condition
