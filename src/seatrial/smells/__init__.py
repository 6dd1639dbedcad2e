"""Test smells of pytest and unittest files, told from their text: tests that would stay green when what they test is broken.

Nothing is imported or run. Each finding is certain, or says that it may be.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from ..core.allowances import UNUSED, allowances, judged
from ..core.errors import Position, Problem
from .asserting import Assertions
from .collecting import never_run, no_assertion
from .defaults import met_by_defaults
from .flow import Flow
from .handling import Handling, reruns
from .mocking import mock_only
from .modules import Module, Suite, Test
from .owned import own_data
from .reading import CONFTEST, File, read, test_files
from .rules import RULES, Smell
from .trees import Function
from .truths import always_true
from .waiting import pauses


@dataclass(frozen=True, kw_only=True, slots=True)
class Found:
    """Something in a test. `certain`: it is so, whatever else happens; else it may be. `test`: its name, as pytest's -k has it."""

    problem: Problem
    certain: bool
    test: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class Looked:
    """What came of a suite. `unread`: mistakes in files that could not be read."""

    found: tuple[Found, ...]
    unread: tuple[Problem, ...]
    files: int
    tests: int


def look(paths: Sequence[Path]) -> Looked:
    """Look through the tests in files and directories. Raises UsageError for a path that has none."""
    suite = Suite()
    found: list[Found] = []
    unread: list[Problem] = []
    tests = 0
    files = test_files(paths)
    for path in files:
        file = read(path)
        if isinstance(file, Problem):
            unread.append(file)
            continue
        module = suite.module(file)
        tests += len(module.tests)
        found += _of_module(module)
    return Looked(found=tuple(found), unread=tuple(unread), files=len(files), tests=tests)


def _of_module(module: Module) -> Iterator[Found]:
    file = module.file
    smells: dict[tuple[str, int, int], Smell] = {}
    for smell in _smells(module):
        line, column = getattr(smell.node, "lineno", 1), getattr(smell.node, "col_offset", 0)
        smells.setdefault((smell.rule, line, column), smell)
    by_problem = {_problem(file, s): s for s in smells.values()}
    lines = [(p, {p.position.line if p.position else 0, *s.lines}) for p, s in by_problem.items()]
    for problem in judged(lines, allowances(str(file.path), file.lines, file.comments), (*RULES, UNUSED)):
        found = by_problem.get(problem)
        yield Found(problem=problem, certain=found.certain if found else True, test=found.test if found else "")


def _smells(module: Module) -> Iterator[Smell]:
    yield from never_run(module)
    assertions = Assertions()
    for function in module.fixtures.values() if module.file.path.name == CONFTEST else ():
        fixture = Test(function=function, inside=None, module=module, is_fixture=True)
        yield from (replace(s, test=fixture.name, lines=fixture.head) for s in _around(fixture, function, assertions))
    for test in module.tests:
        if test.skipped:
            continue
        try:
            found = list(_of_test(test, assertions))
        except RecursionError:
            message = "it is nested too deeply to be looked through"
            found = [Smell(rule="no-assertion", node=test.function, message=message, hint="", certain=False)]
        yield from (replace(s, test=s.test or test.name, lines=(*s.lines, *test.head)) for s in found)


def _of_test(test: Test, assertions: Assertions) -> Iterator[Smell]:
    yield from no_assertion(test, assertions)
    yield from always_true(test)
    yield from own_data(test)
    yield from Flow(test, assertions).find()
    yield from mock_only(test, assertions)
    yield from met_by_defaults(test)
    yield from reruns(test)
    for function in (test.function, *(f for f in test.module.around(test) if _is_here(f, test))):
        yield from _around(test, function, assertions)


def _around(test: Test, function: Function, assertions: Assertions) -> Iterator[Smell]:
    yield from Handling(test, assertions, function).find()
    yield from pauses(test, function)


def _is_here(function: ast.AST, test: Test) -> bool:
    """Whether it is of the test's own file: what is in a conftest.py is said there, where that is looked through."""
    return any(
        n is function for n in (*test.module.fixtures.values(), *(test.inside.body if test.inside is not None else ()))
    )


def _problem(file: File, smell: Smell) -> Problem:
    node = smell.node
    line = getattr(node, "lineno", 1)
    text = file.lines[line - 1] if 0 < line <= len(file.lines) else ""
    begin = len(text.encode()[: getattr(node, "col_offset", 0)].decode(errors="replace"))
    end = len(text) if getattr(node, "end_lineno", line) != line else None
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
        end = len(text)
    if end is None:
        end = len(text.encode()[: getattr(node, "end_col_offset", 0) or 0].decode(errors="replace"))
    shown = "".join(c if c.isprintable() else " " for c in text)
    position = Position(
        file=str(file.path), line=line, column=begin + 1, length=max(1, len(text[:end].rstrip()) - begin)
    )
    word = "hollow" if smell.certain else "may be hollow"
    test = f"{smell.test}: " if smell.test else ""
    return Problem(
        message=f"{word}: {test}{smell.message}", position=position, line_text=shown, hint=smell.hint, rule=smell.rule
    )


__all__ = ["Found", "Looked", "RULES", "look"]
