"""What is wrong with an expression, where, and what would be right."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from dataclasses import dataclass

from ..errors import SeatrialError


@dataclass(frozen=True, kw_only=True, slots=True)
class ExpressionProblem:
    """One mistake; `offset` and `length` count characters of the expression's text."""

    message: str
    offset: int
    length: int
    hint: str = ""


class ExpressionError(SeatrialError):
    """A wrong expression; carries every problem found, in the order of their places."""

    def __init__(self, text: str, problems: Iterable[ExpressionProblem]) -> None:
        self.text = text
        self.problems = tuple(sorted(problems, key=lambda p: p.offset))
        super().__init__("; ".join(f"{p.message} ({p.hint})" if p.hint else p.message for p in self.problems))

    def __reduce__(self) -> tuple[type[ExpressionError], tuple[str, tuple[ExpressionProblem, ...]]]:
        return ExpressionError, (self.text, self.problems)


def did_you_mean(word: str, choices: Iterable[str]) -> str:
    """``Did you mean "primary"?`` for the nearest of the choices, or an empty text."""
    known = list(choices)
    folded = {c.casefold(): c for c in reversed(known)}
    near = difflib.get_close_matches(word.casefold(), folded, n=1, cutoff=0.6)
    return f'Did you mean "{folded[near[0]]}"?' if near else ""


def listing(names: Iterable[str], limit: int = 12) -> str:
    """Names for a person, the first `limit` of them."""
    known = list(names)
    shown = ", ".join(known[:limit])
    return f"{shown} and {len(known) - limit} more" if len(known) > limit else shown
