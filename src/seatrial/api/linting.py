"""What `seatrial lint` says of a spec, and of a suite of tests."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from ..core.errors import Problem, UsageError
from ..core.plan import Plan
from ..smells import look

MISTAKES = 3  # exit status: a wrong spec; with --strict, warnings


def lint_spec(plan: Plan, *, strict: bool, as_json: bool, say: Callable[[str], None]) -> int:
    """Tell the warnings of a plan; returns the exit status."""
    scenarios, requirements = len(plan.scenarios), len(plan.requirements)
    if as_json:
        sums = {"spec": str(plan.file), "scenarios": scenarios, "requirements": requirements}
        say(json.dumps({**sums, "findings": [_fields(p, certain=True) for p in plan.warnings]}, indent=2))
    else:
        for warning in plan.warnings:
            say(str(warning))
        say(f"{plan.file}: {scenarios} scenarios, {requirements} requirements, {len(plan.warnings)} warnings")
    return MISTAKES if strict and plan.warnings else 0


def lint_suite(paths: Sequence[Path], *, strict: bool, as_json: bool, say: Callable[[str], None]) -> int:
    """Tell what is found in tests; returns the exit status. Raises UsageError for files that cannot be read, after all that could."""
    looked = look(paths)
    certain = sum(f.certain for f in looked.found)
    if as_json:
        found = [{**_fields(f.problem, certain=f.certain), "test": f.test} for f in looked.found]
        say(json.dumps({"files": looked.files, "tests": looked.tests, "findings": found}, indent=2))
    else:
        for each in looked.found:
            say(str(each.problem))
        tests = len({(f.problem.position.file if f.problem.position else "", f.test) for f in looked.found if f.test})
        say(
            f"{looked.files} files, {looked.tests} tests: {certain} hollow, {len(looked.found) - certain} that may be, in {tests} tests"
        )
    if looked.unread:
        raise UsageError(*looked.unread)
    return MISTAKES if strict and certain else 0


def _fields(problem: Problem, *, certain: bool) -> dict[str, Any]:
    position = problem.position
    return {
        "rule": problem.rule,
        "certain": certain,
        "message": problem.message,
        "hint": problem.hint,
        "file": position.file if position is not None else "",
        "line": position.line if position is not None else 0,
        "column": position.column if position is not None else 0,
        "text": problem.line_text,
    }
