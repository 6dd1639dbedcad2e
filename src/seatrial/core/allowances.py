"""What somebody allows, in a comment beside it: `# seatrial: allow RULE because REASON`, in specs and in tests alike.

It counts for the line that it stands in, or, alone in a line, for the next one that is no comment.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass

from .errors import Position, Problem
from .expressions import did_you_mean

EXAMPLE = "# seatrial: allow pause because the cache is asked once a second"
UNUSED = "allow"  # the rule that allowances themselves are held to
_ALLOW = re.compile(r"#\s*seatrial:\s*allow\b(?P<rest>.*)$")
_RULES = re.compile(r"\s*(?P<rules>[a-z][a-z-]*(?:\s*,\s*[a-z][a-z-]*)*)?\s*(?:because\b(?P<reason>.*))?$")


@dataclass(frozen=True, kw_only=True, slots=True)
class Allowance:
    """A comment in a file: the rules that it allows, why, and the line that it speaks of. `place`: of the comment."""

    rules: tuple[str, ...]
    reason: str
    line: int
    place: Position


def allowances(file: str, lines: Sequence[str], comments: Collection[int] | None = None) -> tuple[Allowance, ...]:
    """All that are in a file. `comments`: the lines (from 1) that have one; without it every line may."""
    found = []
    for number, text in enumerate(lines, 1):
        match = _ALLOW.search(text) if comments is None or number in comments else None
        if match is None:
            continue
        parts = _RULES.match(match["rest"])
        rules = tuple(r.strip() for r in (parts["rules"] or "").split(",")) if parts else ()
        place = Position(file=file, line=number, column=match.start() + 1, length=len(text) - match.start())
        reason = (parts["reason"] or "").strip() if parts else ""
        line = number if text[: match.start()].strip() else _next(lines, number)
        found.append(Allowance(rules=tuple(r for r in rules if r), reason=reason, line=line, place=place))
    return tuple(found)


def _next(lines: Sequence[str], number: int) -> int:
    """The next line after it that is neither empty nor a comment."""
    rest = range(number + 1, len(lines) + 1)
    return next((n for n in rest if (text := lines[n - 1].strip()) and not text.startswith("#")), number)


def judged(
    found: Iterable[tuple[Problem, Collection[int]]], allowed: Sequence[Allowance], rules: Collection[str]
) -> Iterator[Problem]:
    """What is left of the problems of a file, each with the lines at which it can be allowed; and what is wrong with allowances."""
    used: set[int] = set()
    for problem, lines in found:
        by = [n for n, a in enumerate(allowed) if problem.rule in a.rules and a.line in lines and a.reason]
        used.update(by)
        if not by:
            yield problem
    for number, allowance in enumerate(allowed):
        yield from _wrong(allowance, rules, number in used)


def _wrong(allowance: Allowance, rules: Collection[str], used: bool) -> Iterator[Problem]:
    unknown = [r for r in allowance.rules if r not in rules]
    if not allowance.rules or not allowance.reason:
        message, hint = "it allows nothing: a rule and a reason are wanted", EXAMPLE
    elif unknown:
        message, hint = f'there is no rule "{unknown[0]}" to allow', did_you_mean(unknown[0], rules)
    elif not used:
        message, hint = f"{', '.join(allowance.rules)} is allowed here, and there is nothing of it", "take it out"
    else:
        return
    yield Problem(message=f"warning: {message}", position=allowance.place, hint=hint, rule=UNUSED)
