"""Warnings: what is not wrong and deserves a second look."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from seatrial.core.plan import Plan
from seatrial.engine.trial import setup_of

FAST = "    expect: {fast: rush.p95 < 1s}\n"
SCENARIOS = "scenarios:\n  one:\n    covers: [R-1]\n    steps:\n"
TOP = "requirements: {R-1: it answers}\n"
PROBE = "      - {http: GET /, at: web, within: 30s, id: look}\n"


@pytest.mark.parametrize(
    ("text", "warning"),
    [
        (SCENARIOS + "      - {pause: 2s}\n" + PROBE, "11:9: hollow: a fixed pause [pause]"),
        (
            SCENARIOS + PROBE + "      - {fault: kill, at: web, id: last}\n",
            "12:9: hollow: nothing is looked at after the fault last [no-expectation]",
        ),
        (
            SCENARIOS + "      - {fault: kill, at: web, hold: 5s, id: short}\n" + PROBE,
            "11:9: hollow: the hold of short (5s) ends before look gives up [masking-retry]",
        ),
        (SCENARIOS + PROBE + "  two: {steps: [{http: GET /, at: web}]}\n", "12:3: warning: scenario two covers no requirement"),
        (SCENARIOS + PROBE + "workloads: {idle: {http: GET /, at: web, rate: 1/s}}\n", "12:19: warning: the workload idle never runs"),
        (
            SCENARIOS + PROBE + "      - {load: rush}\n" + FAST + "loads: {rush: {http: GET /, at: web, rate: 1/s, baseline: kept.load}}\n",
            "14:15: warning: there is no baseline kept.load yet",
        ),
        (
            SCENARIOS + PROBE + "      - {load: rush}\n" + FAST + "loads: {rush: {http: GET /, at: web, "
            "search: {from: 10/s, to: 10000/s, while: p95 < 1s}}}\n",
            "12:9: warning: the search of load-rush may take",
        ),
    ],
)  # fmt: skip
def test_a_warning_has_its_place_and_line(plan_of: Callable[..., Plan], header: str, text: str, warning: str) -> None:
    (found,) = plan_of(header + TOP + text).warnings
    first, line, mark = str(found).splitlines()
    assert first.startswith(f"seatrial.yaml:{warning}")
    assert line.split(" | ")[1].strip()
    assert "^" in mark


def test_a_sound_spec_has_no_warnings(plan_of: Callable[..., Plan], header: str) -> None:
    steps = "      - {fault: pause, at: web, hold: 60s, id: stall}\n" + PROBE + "      - {heal: stall}\n"
    assert plan_of(header + TOP + SCENARIOS + steps).warnings == ()


@pytest.mark.parametrize(("warm_up", "takes"), [("", []), ("warm-up: 10s, ", ["4m 32s"])])
def test_each_probe_of_a_search_has_the_warm_up_of_its_load(
    plan_of: Callable[..., Plan], header: str, warm_up: str, takes: list[str]
) -> None:
    load = f"loads: {{rush: {{http: GET /, at: web, {warm_up}search: {{from: 10/s, to: 1000/s, while: p95 < 1s}}}}}}\n"
    steps = "      - {load: rush}\n    deadline: 125s\n    expect: {fast: rush.p95 < 1s}\n" + load
    warnings = plan_of(header + TOP + SCENARIOS + PROBE + steps).warnings
    assert [str(w).partition("may take ")[2].partition(",")[0] for w in warnings] == takes


def test_a_load_of_the_setup_runs(plan_of: Callable[..., Plan], header: str) -> None:
    loads = "loads: {fill: {http: GET /, at: web, rate: 9/s, for: 5m}}\nsetup: [{load: fill}]\n"
    plan = plan_of(header + TOP + SCENARIOS + PROBE + loads)
    assert plan.warnings == ()
    assert setup_of(plan).deadline_ns == (2 + 5) * 60 * 10**9
