"""Loads that are files of other tools: what is compiled of them, and which findings they promise."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from seatrial.core.plan import LoadStep, Plan
from seatrial.core.templates import Template, templates
from seatrial.core.verdicts import Severity
from seatrial.core.vocabulary import Vocabulary
from seatrial.engine.ledger import planned_findings
from seatrial.spec import compile_spec
from seatrial.spec.coverage import finding_ids

SPEC = """\
seatrial: 1
stack: {services: {web: {command: serve, ports: auto}}}
requirements: {R-1: fast, R-2: steady}
values: {flag: x}
loads:
  old:
    locust: locustfile.py
    at: web
    users: 100
    spawn-rate: 10/s
    for: 60s
    classes: [Normal, Admin]
    tags: browse
    skip-tags: [slow]
    arguments: [--my-flag, "{{ flag }}", 3]
  beside: {k6: script.js, at: web, environment: {TOKEN: "${secret:token}"}, for: 1500ms}
  whole: {k6: script.js, at: web}
throughout: [whole]
scenarios:
  up:
    covers: [R-1]
    throughout: [beside, whole]
    steps:
      - {load: old, covers: [R-2]}
    expect:
      tag: old.tag["GET /"].errors < 1%
      own: old.own == 1 and beside.own == 1
  later:
    steps: [{load: old, id: again, severity: informational, title: Once more}]
expect: {all: whole.errors < 1%}
"""


@pytest.fixture
def compiled(write: Callable[..., Path], vocabulary: Vocabulary) -> Callable[..., Plan]:
    """Compiles a text, with files beside it."""

    def compiled(text: str, files: Sequence[str]) -> Plan:
        for name in files:
            write("", name=name)
        return compile_spec(write(text), vocabulary, environment={})

    return compiled


@pytest.fixture
def plan(compiled: Callable[..., Plan]) -> Plan:
    return compiled(SPEC, files=["locustfile.py", "script.js"])


def test_what_is_compiled(plan: Plan) -> None:
    old, beside = plan.loads["old"], plan.loads["beside"]
    assert old.tool is not None
    assert beside.tool is not None
    assert (old.tool.name, old.tool.file, old.users, old.for_ns, old.tool.spawn_rate) == (
        "locust",
        "locustfile.py",
        100,
        60 * 10**9,
        10.0,
    )
    assert (old.tool.classes, old.tool.tags, old.tool.skip_tags) == (("Normal", "Admin"), ("browse",), ("slow",))
    assert [str(a) for a in old.tool.arguments] == ["--my-flag", "{{ flag }}", "3"]
    assert isinstance(old.tool.arguments[1], Template)
    assert (beside.tool.name, beside.for_ns, beside.users) == ("k6", 1_500_000_000, 0)
    assert [t.secrets for t in templates(beside.tool.environment)] == [("token",)]
    assert "token" in plan.secrets


def test_their_own_verdicts_are_findings(plan: Plan) -> None:
    planned = {f.id: f for f in planned_findings(plan, plan.scenarios)}
    assert planned.keys() == finding_ids(plan).keys()
    own = {"up/load-old", "later/again", "up/beside", "trial/whole"}
    assert own <= planned.keys()
    assert "up/whole" not in planned  # it runs for the whole trial, and is judged at its end
    assert planned["up/load-old"].covers == ("R-2",)
    assert planned["up/beside"].covers == ("R-1",)
    assert planned["later/again"].severity is Severity("informational")
    assert planned["later/again"].claim == "Once more"
    assert planned["up/load-old"].claim == "load old: its tool finds nothing wrong"


def test_other_loads_promise_nothing_of_their_own(compiled: Callable[..., Plan]) -> None:
    text = "seatrial: 1\nstack: {services: {web: {command: serve, ports: auto}}}\nloads: {old: {http: GET /, at: web, rate: 1/s}}\n"
    plan = compiled(f"{text}scenarios: {{up: {{steps: [{{load: old}}], expect: {{fast: old.p95 < 1s}}}}}}\n", files=[])
    assert [s.judged for s in plan.scenarios[0].steps if isinstance(s, LoadStep)] == [False]
    assert {f.id for f in planned_findings(plan, plan.scenarios) if f.scenario == "up"} == {"up/fast"}


def test_a_scenario_may_judge_by_a_tool_alone(compiled: Callable[..., Plan]) -> None:
    text = (
        "seatrial: 1\nstack: {services: {web: {command: serve, ports: auto}}}\nloads: {k6s: {k6: script.js, at: web}}\n"
    )
    for more in ("steps: [{load: k6s}]", "throughout: [k6s], steps: [{pause: 1s, reason: it runs}]"):
        assert compiled(f"{text}scenarios: {{up: {{{more}}}}}\n", files=["script.js"]).scenarios


def test_a_directory_of_locust_files_is_one_too(compiled: Callable[..., Plan]) -> None:
    text = SPEC.replace("locust: locustfile.py", "locust: loads")
    assert compiled(text, files=["loads/a.py", "script.js"]).loads["old"].tool
