"""Requirements from Markdown and from the spec."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from seatrial.core.plan import Plan
from seatrial.core.verdicts import Severity

MARKDOWN = """\
# What is wanted

- JS-01 L the shop answers
- JS-02 N the readiness tells the truth,
  and names what is gone;
  liveness stays green

Some words in between - JS-99 is none.

* [x] JS-03: K pods
- JS-04 A letter that is no tag
    - JS-05 I beneath another
- JS-06 B blocking
"""
SPEC = """\
seatrial: 1
stack: {services: {web: {command: x}}}
requirements: %s
scenarios: {up: {covers: %s, steps: [{http: GET /, at: web}]}}
"""
PlanOf = Callable[..., Plan]


def test_lines_of_markdown(plan_of: PlanOf, write: Callable[..., Path]) -> None:
    write(MARKDOWN, name="requirements.md")
    plan = plan_of(SPEC % ("requirements.md", "[JS-01, JS-02, JS-03, JS-04, JS-05, JS-06]"))
    assert {r.id: (r.text, r.severity) for r in plan.requirements.values()} == {
        "JS-01": ("the shop answers", Severity.BLOCKING),
        "JS-02": ("the readiness tells the truth, and names what is gone; liveness stays green", Severity.WARNING),
        "JS-03": ("pods", Severity.BLOCKING),
        "JS-04": ("A letter that is no tag", Severity.BLOCKING),
        "JS-05": ("beneath another", Severity.INFORMATIONAL),
        "JS-06": ("blocking", Severity.BLOCKING),
    }
    assert [f.name for f in plan.files] == ["seatrial.yaml", "requirements.md"]


def test_a_path_may_be_absolute(plan_of: PlanOf, write: Callable[..., Path], tmp_path: Path) -> None:
    write("- R-1 it answers", name="elsewhere/requirements.md")
    assert list(plan_of(SPEC % (tmp_path / "elsewhere" / "requirements.md", "[R-1]")).requirements) == ["R-1"]


@pytest.mark.parametrize("applies", ["{kubernetes: [R-2], compose: R-2}", "{R-2: [kubernetes, compose]}"])
def test_scope_in_both_ways_of_writing(plan_of: PlanOf, write: Callable[..., Path], applies: str) -> None:
    write("- R-1 it answers\n- R-2 pods\n- R-3 backups\n", name="r.md")
    refined = f"{{file: r.md, applies: {applies}, not-covered: {{R-3: no drill}}, severity: {{R-1: non-blocking}}}}"
    found = plan_of(SPEC % (refined, "[R-1]")).requirements
    assert found["R-2"].applies == ("kubernetes", "compose")
    assert found["R-3"].open_reason == "no drill"
    assert found["R-1"].severity is Severity.WARNING


@pytest.mark.parametrize(
    "where",
    [
        "setup: [{http: GET /, at: web, covers: [R-1]}]",
        "steady: {up: {http: GET /, at: web, covers: R-1}}",
        "throughout: w\nworkloads: {w: {http: GET /, at: web, rate: 1/s}}\nexpect: {all: {that: w.sent > 0, covers: [R-1]}}",
    ],
)
def test_a_requirement_can_be_covered_outside_scenarios(plan_of: PlanOf, where: str) -> None:
    text = "seatrial: 1\nstack: {services: {web: {command: x}}}\nrequirements: {R-1: it answers}\n"
    assert plan_of(f"{text}{where}\nscenarios: {{up: {{steps: [{{http: GET /, at: web}}]}}}}").requirements


def test_what_judges_nothing_covers_nothing(problems_of: Callable[..., list[str]]) -> None:
    text = "seatrial: 1\nstack: {services: {web: {command: x}}}\nrequirements: {R-1: it answers}\n"
    steps = "scenarios: {up: {steps: [{http: GET /, at: web}, {pause: 1s, covers: [R-1]}]}}"
    assert [p.partition(" ")[2] for p in problems_of(text + steps)] == [
        "nothing covers the requirement R-1",
        'unknown key "covers" in a pause step',
    ]


@pytest.mark.parametrize("content", [b"\xff\xfe- R-1 x", b"nothing here"])
def test_a_file_without_requirements_is_refused(
    problems_of: Callable[..., list[str]], tmp_path: Path, content: bytes
) -> None:
    (tmp_path / "r.md").write_bytes(content)
    assert len(problems_of(SPEC % ("r.md", "[]"))) == 1
