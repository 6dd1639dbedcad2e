"""Checks of a spec that could hardly fail, by the vocabulary that specs really have: each is named, in these words, and no good one is."""

from __future__ import annotations

from pathlib import Path

import pytest

from seatrial.api.vocabulary import vocabulary
from seatrial.core.plan import Plan
from seatrial.smells import RULES as TEST_RULES
from seatrial.spec import compile_spec
from seatrial.spec.hollow import RULES

HERE = Path(__file__).parent / "hollow"


def plan_of(name: str) -> Plan:
    return compile_spec(Path(name), vocabulary(), environment={})


def test_hollow_checks_are_named_in_these_words(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(HERE)
    said = "\n".join(map(str, plan_of("seatrial.yaml").warnings)) + "\n"
    assert said == (HERE / "seatrial.txt").read_text(encoding="utf-8")


def test_every_rule_is_among_them() -> None:
    said = (HERE / "seatrial.txt").read_text(encoding="utf-8")
    assert {rule for rule in RULES if f" [{rule}]\n" in said} == set(RULES)


def test_good_ones_are_not_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(HERE)
    assert [str(w) for w in plan_of("good.yaml").warnings] == []


SPEC = """\
seatrial: 1
stack: {remote: {services: {web: http://127.0.0.1:1}}}
scenarios:
  one:
    steps:
      %s
"""


@pytest.mark.parametrize(
    ("comment", "said"),
    [
        ("- {http: GET /, at: web, expect: status < 600}  # seatrial: allow any-answer because it only warms up", []),
        (
            "# seatrial: allow any-answer because it warms up\n      # see it\n      - {http: GET /, at: web, expect: status < 600}",
            [],
        ),
        (
            "- {http: GET /, at: web, expect: status < 600}  # seatrial: allow any-answer",
            ["any answer meets status < 600 [any-answer]", "it allows nothing: a rule and a reason are wanted [allow]"],
        ),
        (
            "- {http: GET /, at: web, expect: status < 600}  # seatrial: allow any-anwser because it warms up",
            ["any answer meets status < 600 [any-answer]", 'there is no rule "any-anwser" to allow [allow]'],
        ),
        (
            "- {http: GET /, at: web, expect: status == 200}  # seatrial: allow pause because it is slow",
            ["pause is allowed here, and there is nothing of it [allow]"],
        ),
    ],
)  # fmt: skip
def test_a_comment_with_a_reason_allows_one(
    comment: str, said: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("seatrial.yaml").write_text(SPEC % comment)
    lines = [str(w).splitlines()[0] for w in plan_of("seatrial.yaml").warnings]
    assert [line.partition(": ")[2].partition(": ")[2] for line in lines] == said


def test_every_rule_is_documented() -> None:
    text = (Path(__file__).parents[3] / "docs" / "lint.md").read_text(encoding="utf-8")
    of_specs, of_tests = text.split("## Rules of tests")
    assert [r for r in RULES if f"| `{r}` |" not in of_specs] == []
    assert [r for r in TEST_RULES if f"| `{r}` |" not in of_tests] == []
