"""Scenarios in Python."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from seatrial.core.errors import UsageError
from seatrial.core.quantities import NS_PER_S
from seatrial.core.scenarios import ATTRIBUTE, Declaration, scenario
from seatrial.core.vocabulary import Vocabulary
from seatrial.spec import compile_spec

Write = Callable[..., Path]
SPEC = """\
seatrial: 1
stack: {services: {web: {command: serve}}}
requirements: {R-1: it answers}
python: scenarios.py
defaults: {deadline: 3m}
scenarios:
  up: {needs: [warm-cache], steps: [{http: GET /, at: web}]}
"""
GOOD = '''\
import seatrial


@seatrial.scenario(covers="R-1", faults=["kill"], services=["web"], labels=["slow"])
async def warm_cache(trial):
    """The cache is warm after a restart.

    More words.
    """


@seatrial.scenario(id="other", title="another one", needs=["up"], after=["warm-cache"], alone=True, deadline="1m", full_length=True)
async def another(trial):
    pass
'''


def compile_with(write: Write, vocabulary: Vocabulary, python: str, spec: str = SPEC) -> list[str]:
    """The problems, as `file:line:column message`."""
    write(python, name="scenarios.py")
    try:
        compile_spec(write(spec), vocabulary, environment={})
    except UsageError as error:
        return [f"{p.position}: {p.message}" for p in error.problems]
    return []


def test_decorated_functions_become_scenarios(write: Write, vocabulary: Vocabulary) -> None:
    write(GOOD, name="scenarios.py")
    plan = compile_spec(write(SPEC), vocabulary, environment={})
    _, warm, other = plan.scenarios
    assert (warm.id, warm.title, warm.covers, warm.disrupting, warm.labels) == (
        "warm-cache", "The cache is warm after a restart", ("R-1",), True, ("slow",),
    )  # fmt: skip
    assert warm.python is not None
    assert (warm.python.function, warm.python.faults, warm.python.services) == ("warm_cache", ("kill",), ("web",))
    assert (warm.full_length, other.full_length) == (False, True)
    assert (warm.after, warm.alone, other.after, other.alone) == ((), False, ("warm-cache",), True)
    assert (warm.deadline_ns, other.deadline_ns) == (180 * NS_PER_S, 60 * NS_PER_S)
    assert (other.id, other.title, other.needs, other.disrupting) == ("other", "another one", ("up",), False)
    assert [f.name for f in plan.files] == ["seatrial.yaml", "scenarios.py"]
    assert str(warm.position) == "scenarios.py:4:1"


def test_what_is_declared_must_exist(write: Write, vocabulary: Vocabulary) -> None:
    python = """\
        import seatrial

        @seatrial.scenario(covers=["R-9"], faults=["kil"], services=["wbe"], needs=["uq"], after=["po"], throughout=["w"], deadline="5")
        async def breaks(trial): ...

        @seatrial.scenario(id="up", covers=["R-1"])
        async def again(trial): ...
    """
    spec = SPEC.replace("needs: [warm-cache], ", "")
    found = compile_with(write, vocabulary, python, spec)
    assert [p.partition(": ")[2] for p in found if p.startswith("scenarios.py:3:1")] == [
        'scenario breaks: unknown requirement "R-9"',
        'scenario breaks: unknown service "wbe"',
        'scenario breaks: unknown scenario "uq"',
        'scenario breaks: unknown scenario "po"',
        'scenario breaks: unknown workload "w"',
        'scenario breaks: unknown fault "kil"',
        "scenario breaks: deadline: 5 has no unit",
    ]
    assert 'scenarios.py:6:1: the scenario "up" is here twice' in found


@pytest.mark.parametrize(
    ("python", "problem"),
    [
        ("import seatrial\nLIMIT = int('many')\n", "scenarios.py:2:1: ValueError: invalid literal for int() with base 10: 'many'"),
        ("import seatrail\n", "scenarios.py:1:1: ModuleNotFoundError: No module named 'seatrail'"),
        ("def f(:\n", "scenarios.py:1:7: SyntaxError: invalid syntax"),
        ("import sys\nsys.exit(3)\n", "scenarios.py:2:1: SystemExit: 3"),
        ("x = 1\n", "seatrial.yaml:4:9: scenarios.py has no scenario"),
        ("import seatrial\n@seatrial.scenario(nmae='x')\nasync def f(t): ...\n",
         "scenarios.py:2:1: TypeError: scenario() got an unexpected keyword argument 'nmae'"),
    ],
)  # fmt: skip
def test_a_file_that_cannot_be_imported_is_placed(
    write: Write, vocabulary: Vocabulary, python: str, problem: str
) -> None:
    assert problem in compile_with(write, vocabulary, python)


def test_scenarios_of_both_kinds_can_need_each_other_in_a_circle(write: Write, vocabulary: Vocabulary) -> None:
    found = compile_with(write, vocabulary, GOOD.replace('covers="R-1"', 'covers="R-1", needs=["up"]'))
    assert found == ["seatrial.yaml:7:3: scenarios need each other, none can be reached: up -> warm-cache -> up"]


def test_who_needs_a_scenario_in_python_may_use_what_it_saves(write: Write, vocabulary: Vocabulary) -> None:
    for needs, problems in (("[warm-cache]", 0), ("[between]", 0), ("[]", 1)):
        spec = SPEC + (
            "  between: {needs: [warm-cache], steps: [{http: GET /, at: web}]}\n"
            f"  last: {{needs: {needs}, steps: [{{http: 'GET /{{{{ token }}}}', at: web}}]}}\n"
        )
        assert len(compile_with(write, vocabulary, GOOD, spec)) == problems


def test_a_file_that_is_no_text_or_not_there_is_refused(write: Write, vocabulary: Vocabulary, tmp_path: Path) -> None:
    spec = SPEC.replace("python: scenarios.py", "python: [none.py, bytes.py, {a: b}]")
    (tmp_path / "bytes.py").write_bytes(b"\xff")
    found = compile_with(write, vocabulary, "", spec)
    assert found[1:4] == [
        "seatrial.yaml:4:10: none.py: no such file or directory",
        "seatrial.yaml:4:19: bytes.py: no text",
        "seatrial.yaml:4:29: text is wanted here, not a mapping",
    ]


def test_the_decorator_leaves_the_function_as_it_is() -> None:
    @scenario(services="web")
    async def no_words(trial: object) -> int:
        return 1

    declaration = getattr(no_words, ATTRIBUTE)
    assert isinstance(declaration, Declaration)
    assert (declaration.id, declaration.title, declaration.services) == ("no-words", "no-words", ("web",))
    assert no_words.__name__ == "no_words"


def test_a_search_cannot_run_throughout(write: Write, vocabulary: Vocabulary) -> None:
    loads = "loads: {seek: {http: GET /, at: web, search: {from: 5/s, to: 9/s, while: p95 < 1s}}}\n"
    python = GOOD.replace('id="other"', 'id="other", throughout=["seek"]')
    (problem,) = compile_with(write, vocabulary, python, SPEC + loads)
    assert problem == "scenarios.py:12:1: scenario other: seek searches for a capacity: it ends by itself"
