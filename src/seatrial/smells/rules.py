"""The rules that tests are held to, and what is found."""

from __future__ import annotations

import ast
from collections.abc import Mapping
from dataclasses import dataclass

RULES: Mapping[str, str] = {
    "no-assertion": "a test that asserts nothing",
    "not-asserted": "a comparison or an expectation that nobody asserts",
    "tautology": "an assertion that is always true",
    "own-data": "an assertion about what the test itself put there",
    "any-status": "a status that an error has, too",
    "any-error": "an error of any kind is taken for the right one",
    "mock-only": "an assertion about mocks alone",
    "conditional-assertion": "assertions that may never be reached",
    "unreachable-assertion": "assertions that are never reached",
    "swallowed-failure": "a failure that is caught and forgotten",
    "skip-on-error": "a test that skips itself when what it tests is broken",
    "masking-retry": "a test that is tried again until it passes",
    "pause": "a fixed pause",
    "never-run": "a test that nobody runs",
    "cannot-fail": "a test that may fail and is content with that",
}


@dataclass(frozen=True, kw_only=True, slots=True)
class Smell:
    """What is found at a node of a test. `certain`: it is so whatever else happens; else it may be.

    `test`: the test's name, of a class with it ("TestShop.test_buys"); `lines`: where it can be allowed, beside the node's own line.
    """

    rule: str
    node: ast.AST
    message: str
    hint: str
    certain: bool = True
    test: str = ""
    lines: tuple[int, ...] = ()


def shown(node: ast.AST, most: int = 60) -> str:
    """A piece of code on one line, cut."""
    try:
        text = " ".join(ast.unparse(node).split())
    except (RecursionError, ValueError):
        return "..."
    return text if len(text) <= most else f"{text[: most - 3]}..."
