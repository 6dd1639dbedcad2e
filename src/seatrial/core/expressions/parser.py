"""Reads an expression into a tree by recursive descent.

A mistake inside a comparison does not end the reading: it goes on behind the next ``and``, ``or`` or closing bracket, so
that one look shows all mistakes.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import NoReturn

from ..quantities import UNITS, Quantity
from .problems import ExpressionProblem, did_you_mean
from .syntax import (
    EACH,
    FUNCTIONS,
    KEYWORDS,
    Broken,
    Call,
    Compare,
    Filled,
    Junction,
    Key,
    ListLiteral,
    Literal,
    Node,
    Not,
    Part,
    Path,
    quoted,
    unparse,
)
from .tokens import Token, tokenize

COMPARISONS = ("==", "!=", "<", "<=", ">", ">=", "in", "matches")
MAX_DEPTH = 40
_CONSTANTS: dict[str, bool | None] = {"true": True, "false": False, "null": None}
_MISSPELT = {
    "True": "true",
    "False": "false",
    "None": "null",
    "none": "null",
    "nil": "null",
    "AND": "and",
    "OR": "or",
    "NOT": "not",
    "IN": "in",
    "is": "==",
    "equals": "==",
    "contains": 'in: "x" in body',
    "like": "matches",
    "match": "matches",
}
_BRACES = re.compile(r"\{\{(.*?)\}\}", re.DOTALL)


class _Failed(Exception):  # noqa: N818 - leads back to the place where reading goes on
    """A problem was recorded."""


def read(text: str) -> tuple[Node, list[ExpressionProblem]]:
    """The tree, with Broken nodes where there are problems, and the problems."""
    tokens, problems = tokenize(text)
    if len(tokens) == 1:
        return Broken(), [ExpressionProblem(message="an expression is missing", offset=0, length=1)]
    reader = _Reader(tokens, problems)
    node = reader.whole()
    return node, reader.problems


class _Reader:
    def __init__(self, tokens: list[Token], problems: list[ExpressionProblem]) -> None:
        self.tokens = tokens
        self.problems = problems
        self.at = 0
        self.depth = 0

    # Tokens

    @property
    def token(self) -> Token:
        return self.tokens[self.at]

    def take(self) -> Token:
        token = self.token
        if token.kind != "end":
            self.at += 1
        return token

    def sees(self, *words: str) -> bool:
        return self.token.kind in ("operator", "keyword") and self.token.text in words

    def accept(self, word: str) -> bool:
        if self.sees(word):
            self.at += 1
            return True
        return False

    def expect(self, word: str, opening: Token) -> None:
        if not self.accept(word):
            self.fail(
                f"{word} is missing", self.token, f"to close the {opening.text} at character {opening.offset + 1}"
            )

    def fail(self, message: str, token: Token, hint: str = "") -> NoReturn:
        """Record the problem, unless the token was already complained of, and raise."""
        if token.kind != "bad":
            self.note(message, token.offset, token.length, hint)
        raise _Failed

    def note(self, message: str, offset: int, length: int, hint: str = "") -> None:
        self.problems.append(ExpressionProblem(message=message, offset=offset, length=max(1, length), hint=hint))

    def span(self, first: int) -> dict[str, int]:
        """Place of a node that began with token number `first` and ends before the current one."""
        begin, last = self.tokens[first].offset, self.tokens[max(first, self.at - 1)]
        return {"offset": begin, "length": max(1, last.offset + len(last.text) - begin)}

    # Grammar

    def whole(self) -> Node:
        found = [self.either()]
        if self.token.kind != "end":
            self.stray()
        while self.token.kind != "end":
            if self.take().text in ("and", "or"):
                found.append(self.either())
        return found[0] if len(found) == 1 else Junction(operator="and", operands=tuple(found), **self.span(0))

    def stray(self) -> None:
        token = self.token
        if token.kind == "bad":
            return
        if token.text in (")", "]", "}}"):
            self.note(f"{token.text} closes nothing", token.offset, token.length)
            return
        hint = _stray_hint(token, self.tokens[self.at - 1])
        self.note(f"{_called(token)} is not expected here", token.offset, token.length, hint)

    def skip(self) -> None:
        """Go to where reading can go on: the next and / or, or the bracket that closes the present level."""
        level = 0
        while self.token.kind != "end":
            word = self.token.text if self.token.kind in ("operator", "keyword") else ""
            if level == 0 and word in ("and", "or", ")", "]", "}}", ","):
                return
            level += (word in ("(", "[", "{{")) - (word in (")", "]", "}}"))
            self.at += 1

    def either(self) -> Node:
        return self.junction("or", self.both)

    def both(self) -> Node:
        return self.junction("and", self.negation)

    def junction(self, word: str, operand: Callable[[], Node]) -> Node:
        first = self.at
        operands: list[Node] = [operand()]
        while self.accept(word):
            operands.append(operand())
        return (
            operands[0] if len(operands) == 1 else Junction(operator=word, operands=tuple(operands), **self.span(first))
        )

    def negation(self) -> Node:
        first, odd = self.at, False
        while self.accept("not"):
            odd = not odd
        node = self.guarded()
        return self.negated(node, first) if odd else node

    def negated(self, node: Node, first: int) -> Node:
        return node.operand if isinstance(node, Not) else Not(operand=node, **self.span(first))

    def guarded(self) -> Node:
        """A comparison; a mistake in it leads to the next place where reading can go on."""
        first = self.at
        self.depth += 1
        try:
            if self.depth > MAX_DEPTH:
                self.fail("too deeply nested", self.token)
            return self.comparison()
        except _Failed:
            self.skip()
            return Broken(inside=(), **self.span(first))
        finally:
            self.depth -= 1

    def comparison(self) -> Node:
        first = self.at
        left = self.operand()
        negated = self.negated_operator()
        if not self.sees(*COMPARISONS):
            return left if self.ends_here() else Broken(inside=(left,), **self.span(first))
        operator = self.take()
        right = self.operand()
        if self.sees(*COMPARISONS):
            self.chained(left, operator, right)
        self.ends_here()
        node = Compare(operator=operator.text, left=left, right=right, **self.span(first))
        return self.negated(node, first) if negated else node

    def ends_here(self) -> bool:
        """Whether a comparison may end here; where it may not, that is noted and the rest of it passed over."""
        if self.token.kind == "end" or self.sees("and", "or", ")", "]", "}}", ","):
            return True
        self.stray()
        self.skip()
        return False

    def negated_operator(self) -> bool:
        """Whether `not in` / `not matches` stands here; its `not` is taken."""
        if self.sees("not") and self.tokens[self.at + 1].text in ("in", "matches"):
            self.take()
            return True
        return False

    def chained(self, left: Node, operator: Token, right: Node) -> None:
        second = self.token
        following = self.tokens[self.at + 1]
        rest = following.text or "..."
        middle = unparse(right)
        self.fail(
            "comparisons cannot be chained",
            second,
            f"write {unparse(left)} {operator.text} {middle} and {middle} {second.text} {rest}",
        )

    def operand(self) -> Node:
        token = self.token
        if token.kind in ("literal", "text") or (token.kind == "keyword" and token.text in _CONSTANTS):
            return self.constant(self.take())
        if token.kind == "name":
            following = self.tokens[self.at + 1]
            return self.call() if following.text == "(" and following.kind == "operator" else self.path()
        opened = {"{{": self.braced, "(": self.group, "[": self.list_literal}
        if token.kind == "operator" and token.text in opened:
            return opened[token.text]()
        if token.kind == "end":
            return self.fail("the expression ends where a value is wanted", token)
        return self.fail(f"a value is wanted here, not {_called(token)}", token)

    def constant(self, token: Token) -> Node:
        if token.kind == "text":
            return self.text_literal(token)
        value = _CONSTANTS[token.text] if token.kind == "keyword" else token.value
        assert value is None or isinstance(value, int | float | Quantity)
        return Literal(value=value, text=token.text, offset=token.offset, length=token.length)

    def text_literal(self, token: Token) -> Node:
        content = str(token.value)
        if "{{" not in content:
            if "${secret:" in content:
                self.note(
                    "a secret cannot be used in an expression",
                    token.offset,
                    token.length,
                    "expressions are shown in reports",
                )
            return Literal(value=content, text=quoted(content), offset=token.offset, length=token.length)
        pieces: list[str | Path] = []
        end = 0
        for match in _BRACES.finditer(content):
            if match.start() > end:
                pieces.append(content[end : match.start()])
            pieces.append(self.inner_path(match[1], token))
            end = match.end()
        if "{{" in content[end:]:
            self.fail("{{ is not closed", token, 'write "t-{{ name }}"')
        if content[end:]:
            pieces.append(content[end:])
        return Filled(pieces=tuple(pieces), offset=token.offset, length=token.length)

    def inner_path(self, text: str, token: Token) -> Path:
        node, problems = read_path(text)
        if node is None:
            self.fail(f"{{{{ }}}} holds the name of a value: {problems[0].message}", token)
        return node

    def braced(self) -> Node:
        opening = self.take()
        if self.token.kind != "name":
            self.note("{{ }} holds the name of a value", self.token.offset, self.token.length, "write {{ name }}")
            self.skip()
            self.accept("}}")
            raise _Failed
        node = self.path()
        self.expect("}}", opening)
        return node

    def group(self) -> Node:
        opening = self.take()
        node = self.either()
        self.expect(")", opening)
        return node

    def list_literal(self) -> Node:
        first = self.at
        opening = self.take()
        items = self.items("]", opening)
        return ListLiteral(items=items, **self.span(first))

    def items(self, closing: str, opening: Token) -> tuple[Node, ...]:
        found: list[Node] = []
        while not self.sees(closing):
            found.append(self.either())
            if not self.accept(","):
                break
        self.expect(closing, opening)
        return tuple(found)

    def call(self) -> Node:
        first = self.at
        name, opening = self.take(), self.take()
        if name.text not in FUNCTIONS:
            hint = f"functions: {', '.join(FUNCTIONS)}. {did_you_mean(name.text, FUNCTIONS)}".rstrip()
            self.note(f'unknown function "{name.text}"', name.offset, name.length, hint)
        arguments = self.items(")", opening)
        if name.text not in FUNCTIONS:
            return Broken(inside=(), **self.span(first))
        node = Call(function=name.text, arguments=arguments, **self.span(first))
        if self.sees(".", "["):
            self.fail("a function's value has no parts", self.token)
        return node

    def path(self) -> Path:
        first = self.at
        root = self.take()
        if root.text in ("True", "False", "None"):
            self.fail(f"{root.text} is not a value here", root, f"write {_MISSPELT[root.text]}")
        parts: list[Part] = []
        while self.sees(".", "["):
            begin = self.at
            key = self.dotted() if self.take().text == "." else self.bracketed()
            if key is EACH and any(p.key is EACH for p in parts):
                self.fail("only one [*] in a path", self.tokens[begin])
            parts.append(Part(key=key, **self.span(begin)))
        return Path(root=root.text, parts=tuple(parts), **self.span(first))

    def dotted(self) -> Key:
        token = self.token
        if token.kind == "name":
            return self.take().text
        if token.kind == "literal":
            return self.fail("a number cannot follow a dot", token, f"write [{token.text.replace('.', '][')}]")
        if self.sees("*"):
            return self.fail("* cannot follow a dot", token, "write [*]")
        return self.fail("a name is wanted after the dot", token, 'other names go in brackets: headers["x y"]')

    def bracketed(self) -> Key:
        opening = self.tokens[self.at - 1]
        token = self.take()
        key: Key
        if token.kind == "text":
            key = str(token.value)
        elif token.kind == "literal" and type(token.value) is int:
            key = token.value
        elif token.kind == "operator" and token.text == "*":
            key = EACH
        else:
            hint = f'write ["{token.text}"]' if token.kind == "name" else 'write [0], ["name"] or [*]'
            self.accept("]")
            self.fail("a whole number or a quoted name is wanted in the brackets", token, hint)
        self.expect("]", opening)
        return key


def _called(token: Token) -> str:
    return "the end" if token.kind == "end" else f'"{token.text}"' if token.kind in ("name", "keyword") else token.text


def _stray_hint(token: Token, before: Token) -> str:
    if token.text in _MISSPELT:
        return f"write {_MISSPELT[token.text]}"
    if token.kind == "name":
        units = f"; units: {' '.join(u for all_ in UNITS.values() for u in all_)}" if before.kind == "literal" else ""
        return did_you_mean(token.text, KEYWORDS) or f"join conditions by and / or{units}"
    if token.kind == "literal" and token.text.startswith("-"):
        return "there is no arithmetic in an expression"
    return "compare with == != < <= > >= in matches, join by and / or"


def read_path(text: str) -> tuple[Path | None, list[ExpressionProblem]]:
    """A path alone, as between ``{{`` and ``}}``; None where it is none."""
    node, problems = read(text)
    if problems:
        return None, problems
    if not isinstance(node, Path):
        return None, [ExpressionProblem(message=f"{text.strip()} is not a name", offset=0, length=max(1, len(text)))]
    return node, []
