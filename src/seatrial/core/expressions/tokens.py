"""Splits an expression into tokens; what cannot be one is a problem with a hint, and reading goes on behind it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal as OneOf

from ..quantities import NUMBER_PATTERN, UNITS, Dimension, Quantity, QuantityError, parse_quantity
from .problems import ExpressionProblem
from .syntax import KEYWORDS, NAME

TokenKind = OneOf["name", "keyword", "literal", "text", "operator", "bad", "end"]

_SPACE = re.compile(r"\s+")
_NAME = re.compile(NAME)
_NUMBER = re.compile(rf"-?{NUMBER_PATTERN}")
_PLAIN = re.compile(r"-?\d+(?:_\d+)*")
_LONGEST = 300  # digits of a whole number that is kept exactly
_UNIT = re.compile(r"\s*(/?[^\W\d_]+|%)")
_UNITS = frozenset(unit for units in UNITS.values() for unit in units)
_NEXT_DURATION = re.compile(rf"\s*{NUMBER_PATTERN}\s*(?:ns|us|ms|s|m|h)(?!\w)")
_DURATION_END = re.compile(r"(?:ms|us|s|m|h|d)\Z")
_TEXT = re.compile(r"\"((?:[^\"\\]|\\.)*)\"|'((?:[^'\\]|\\.)*)'", re.DOTALL)
_ESCAPE = re.compile(r"\\([\\\"'nt])")
_ESCAPED = {"n": "\n", "t": "\t"}
_OPERATOR = re.compile(r"==|!=|<=|>=|\{\{|\}\}|[<>()\[\].,*]")
_FOREIGN: dict[str, str] = {
    "===": "write == to compare",
    "!==": "write != to compare",
    "=~": 'write matches: body matches "^ok"',
    "=>": "write >=",
    "=<": "write <=",
    "<>": "write !=",
    "&&": "write and",
    "||": "write or",
    "=": "write == to compare",
    "!": "write not",
    "&": "write and",
    "|": "write or",
    "+": "there is no arithmetic in an expression",
    "-": "there is no arithmetic in an expression",
    "/": "there is no arithmetic in an expression",
    "$": "write {{ name }} or the bare name for a value of the trial",
}
_FOREIGN_PATTERN = re.compile("|".join(re.escape(s) for s in sorted(_FOREIGN, key=len, reverse=True)))


@dataclass(frozen=True, slots=True)
class Token:
    """A token; `value` is the constant of a literal and the content of a text."""

    kind: TokenKind
    text: str
    offset: int
    value: object = None

    @property
    def length(self) -> int:
        """In characters, at least 1."""
        return max(1, len(self.text))


def tokenize(text: str) -> tuple[list[Token], list[ExpressionProblem]]:
    """All tokens, ended by one of kind "end", and what is wrong with them."""
    tokens: list[Token] = []
    problems: list[ExpressionProblem] = []
    at = 0
    while at < len(text):
        if space := _SPACE.match(text, at):
            at = space.end()
            continue
        token, problem = _next(text, at, tokens[-1].text if tokens else "")
        if problem is not None:
            problems.append(problem)
        tokens.append(token)
        at += len(token.text)
    tokens.append(Token("end", "", len(text)))
    return tokens, problems


def _next(text: str, at: int, before: str) -> tuple[Token, ExpressionProblem | None]:
    if match := _NAME.match(text, at):
        word = match[0]
        return Token("keyword" if word in KEYWORDS and before != "." else "name", word, at), None
    if match := _NUMBER.match(text, at):
        return _number(text, at, match)
    if text[at] in "\"'":
        return _quoted(text, at)
    own, foreign = _OPERATOR.match(text, at), _FOREIGN_PATTERN.match(text, at)
    if foreign and (own is None or foreign.end() > own.end()):
        word = foreign[0]
        return Token("bad", word, at), _problem(f"{word} is no operator here", at, len(word), _FOREIGN[word])
    if own:
        return Token("operator", own[0], at), None
    return Token("bad", text[at], at), _problem(f"unexpected character {text[at]!r}", at, 1)


def _number(text: str, at: int, number: re.Match[str]) -> tuple[Token, ExpressionProblem | None]:
    end = number.end()
    unit = _UNIT.match(text, end)
    if unit is not None and (unit[1] in _UNITS or (unit.start(1) == end and unit[1] not in KEYWORDS)):
        end = unit.end()
        while _DURATION_END.search(text, at, end) and (more := _NEXT_DURATION.match(text, end)):
            end = more.end()
    written = text[at:end]
    if _PLAIN.fullmatch(written) and len(written) <= _LONGEST:
        return Token("literal", written, at, int(written)), None
    try:
        value: Quantity = parse_quantity(written)
    except QuantityError as error:
        message, _, hint = str(error).partition("; ")
        return Token("bad", written, at), _problem(message, at, len(written), hint)
    return Token("literal", written, at, value.value if value.dimension is Dimension.NUMBER else value), None


def _quoted(text: str, at: int) -> tuple[Token, ExpressionProblem | None]:
    match = _TEXT.match(text, at)
    if match is None:
        rest = text[at:]
        return Token("bad", rest, at), _problem(
            "text without a closing quote", at, len(rest), f"end it with {text[at]}"
        )
    content = match[1] if match[1] is not None else match[2]
    # Other backslashes stay, so that patterns need no doubling: "\d+" is \d+.
    return Token("text", match[0], at, _ESCAPE.sub(lambda e: _ESCAPED.get(e[1], e[1]), content)), None


def _problem(message: str, offset: int, length: int, hint: str = "") -> ExpressionProblem:
    return ExpressionProblem(message=message, offset=offset, length=max(1, length), hint=hint)
