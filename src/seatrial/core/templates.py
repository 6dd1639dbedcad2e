"""Strings of a spec with values and secrets in them.

    "t-{{ trial.id }}"            a value of the trial, by name or path
    "Bearer ${secret:API_TOKEN}"  a secret, looked up when it is used and never kept
    "${PORT:-8080}"               the environment, as in Compose, when the spec is read

``\\{{`` stands for ``{{``, ``$$`` for ``$``.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass

from .errors import SeatrialError
from .expressions import Expression, ExpressionError, ExpressionProblem, Missing, Scope, compile_path, did_you_mean
from .expressions.problems import listing
from .intervals import Interval
from .quantities import Dimension, Quantity

Secrets = Callable[[str], str] | Mapping[str, str]

_PIECE = re.compile(r"(\\\{\{)|\{\{((?:(?!\{\{).)*?)\}\}|(\$?)\$\{secret:([^{}]*)\}|(\{\{)|(\$\{secret:)", re.DOTALL)
_SECRET_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]*")
_VARIABLE = re.compile(r"([A-Za-z_][A-Za-z0-9_]*)(?:(:?[-?])(.*))?", re.DOTALL)
_DOLLAR = re.compile(r"\$\$(?!\{secret:[A-Za-z_])|\$\{(?!secret:[A-Za-z_])")
_DEPTH = 8


class TemplateError(SeatrialError):
    """A wrong template, or one that cannot be filled in; `problems` have places where the text itself is wrong."""

    def __init__(self, message: str, problems: Sequence[ExpressionProblem] = ()) -> None:
        self.message = message
        self.problems = tuple(problems)
        super().__init__(message)

    @classmethod
    def of(cls, problems: Sequence[ExpressionProblem]) -> TemplateError:
        """From the problems found in a text."""
        said = "; ".join(f"{p.message} ({p.hint})" if p.hint else p.message for p in problems)
        return cls(said, sorted(problems, key=lambda p: p.offset))

    def __reduce__(self) -> tuple[type[TemplateError], tuple[str, tuple[ExpressionProblem, ...]]]:
        return TemplateError, (self.message, self.problems)


@dataclass(frozen=True, slots=True)
class Secret:
    """The place of a secret in a template; its name alone."""

    name: str


Piece = str | Expression | Secret


@dataclass(frozen=True, kw_only=True, slots=True)
class Template:
    """A string with places to fill in. Holds names and paths, never a secret's value."""

    source: str
    pieces: tuple[Piece, ...]

    @staticmethod
    def parse(text: str, scope: Scope | None = None) -> Template | str:
        """Read a string of a spec; one without any place to fill in stays a str.

        With a scope, names and paths are checked against it. Raises TemplateError with every problem and its place.
        """
        if "{{" not in text and "${secret:" not in text:
            return text
        problems: list[ExpressionProblem] = []
        pieces = tuple(_joined(_pieces(text, scope, problems)))
        if problems:
            raise TemplateError.of(problems)
        if all(isinstance(p, str) for p in pieces):
            return "".join(p for p in pieces if isinstance(p, str))
        return Template(source=text, pieces=pieces)

    @property
    def names(self) -> tuple[str, ...]:
        """Root names of the values it uses."""
        return tuple(dict.fromkeys(n for p in self.pieces if isinstance(p, Expression) for n in p.names))

    @property
    def secrets(self) -> tuple[str, ...]:
        """Names of the secrets it uses."""
        return tuple(dict.fromkeys(p.name for p in self.pieces if isinstance(p, Secret)))

    def render(self, values: Mapping[str, object], secrets: Secrets | None = None) -> object:
        """Fill it in: text, or the value itself with its type where the template is one value and nothing else.

        Raises TemplateError for a name without value, and for a value that has no text (null).
        """
        if len(self.pieces) == 1 and isinstance(self.pieces[0], Expression):
            return _value(self.pieces[0], values)
        return "".join(
            p if isinstance(p, str) else _secret(p.name, secrets) if isinstance(p, Secret) else _text(p, values)
            for p in self.pieces
        )

    def partly(self, values: Mapping[str, object], secrets: Secrets | None, later: Collection[str]) -> Template | str:
        """Fill in all but the values of these names, which are known only later; the pieces are whole texts then."""
        pieces = (
            p
            if isinstance(p, str) or (isinstance(p, Expression) and p.names[0] in later)
            else _secret(p.name, secrets)
            if isinstance(p, Secret)
            else _text(p, values)
            for p in self.pieces
        )
        joined = tuple(_joined(pieces))
        return (
            Template(source=self.source, pieces=joined)
            if any(isinstance(p, Expression) for p in joined)
            else "".join(map(str, joined))
        )

    def __str__(self) -> str:
        return self.source


def render_partly(
    tree: object, values: Mapping[str, object], secrets: Secrets | None, later: Collection[str]
) -> object:
    """As `render`; templates with values that are known only later stay, with the rest filled in."""
    if isinstance(tree, Template):
        waits = any(n in later for n in tree.names)
        return tree.partly(values, secrets, later) if waits else tree.render(values, secrets)
    if isinstance(tree, Mapping):
        return {
            render_partly(k, values, secrets, later): render_partly(v, values, secrets, later) for k, v in tree.items()
        }
    if isinstance(tree, list | tuple):
        return [render_partly(v, values, secrets, later) for v in tree]
    return tree


def render(tree: object, values: Mapping[str, object], secrets: Secrets | None = None) -> object:
    """Fill in all templates of nested mappings, lists and tuples; everything else stays as it is."""
    if isinstance(tree, Template):
        return tree.render(values, secrets)
    if isinstance(tree, Mapping):
        return {render(k, values, secrets): render(v, values, secrets) for k, v in tree.items()}
    if isinstance(tree, list):
        return [render(v, values, secrets) for v in tree]
    if isinstance(tree, tuple):
        return tuple(render(v, values, secrets) for v in tree)
    return tree


def templates(tree: object) -> Iterator[Template]:
    """All templates in nested mappings, lists and tuples."""
    if isinstance(tree, Template):
        yield tree
    elif isinstance(tree, Mapping):
        for key, value in tree.items():
            yield from templates(key)
            yield from templates(value)
    elif isinstance(tree, list | tuple):
        for value in tree:
            yield from templates(value)


def template_names(tree: object) -> tuple[str, ...]:
    """Root names of all values that the templates in the tree use."""
    return tuple(dict.fromkeys(n for t in templates(tree) for n in t.names))


def secret_names(tree: object) -> tuple[str, ...]:
    """Names of all secrets that the templates in the tree use."""
    return tuple(dict.fromkeys(n for t in templates(tree) for n in t.secrets))


# Reading


def _pieces(text: str, scope: Scope | None, problems: list[ExpressionProblem]) -> Iterator[Piece]:
    end = 0
    for match in _PIECE.finditer(text):
        yield text[end : match.start()]
        end = match.end()
        escaped, value, dollar, secret, open_value, _ = match.groups()
        if escaped:
            yield "{{"
        elif value is not None:
            yield from _value_piece(value, match.start(2), scope, problems)
        elif secret is not None and dollar:
            yield match[0][1:]
        elif secret is not None:
            yield from _secret_piece(secret, match, problems)
        else:
            closing = "}}" if open_value else "}"
            problems.append(
                _problem(f"{match[0]} is not closed", match.start(), len(match[0]), f"end it with {closing}")
            )
    yield text[end:]


def _joined(pieces: Iterator[Piece]) -> Iterator[Piece]:
    """Texts side by side as one, empty ones left out."""
    text = ""
    for piece in pieces:
        if isinstance(piece, str):
            text += piece
            continue
        if text:
            yield text
        text = ""
        yield piece
    if text:
        yield text


def _value_piece(text: str, offset: int, scope: Scope | None, problems: list[ExpressionProblem]) -> Iterator[Piece]:
    try:
        path = compile_path(text, scope)
        if path.is_path:
            yield path
        else:
            problems.append(_problem(f"{text.strip()} is not a name or path", offset, len(text), "write {{ name }}"))
    except ExpressionError as error:
        problems.extend(_problem(p.message, offset + p.offset, p.length, p.hint) for p in error.problems)


def _secret_piece(name: str, match: re.Match[str], problems: list[ExpressionProblem]) -> Iterator[Piece]:
    if _SECRET_NAME.fullmatch(name):
        yield Secret(name)
    else:
        problems.append(
            _problem(f"{name!r} is not the name of a secret", match.start(), len(match[0]), "write ${secret:NAME}")
        )


def _problem(message: str, offset: int, length: int, hint: str = "") -> ExpressionProblem:
    return ExpressionProblem(message=message, offset=offset, length=max(1, length), hint=hint)


# Filling in


def _value(path: Expression, values: Mapping[str, object]) -> object:
    unknown = [n for n in path.names if n not in values]
    if unknown:
        known = listing(values, 30) or "none"
        raise TemplateError(
            f'"{unknown[0]}" has no value here; names: {known}. {did_you_mean(unknown[0], values)}'.rstrip()
        )
    value = path.value(values)
    if isinstance(value, Missing):
        raise TemplateError(f"{{{{ {path.source.strip()} }}}}: {value.reason}")
    return value


def _text(path: Expression, values: Mapping[str, object]) -> str:
    return text_of(_value(path, values), path.source.strip())


def text_of(value: object, source: str) -> str:
    """A value as text, as templates write it. Raises TemplateError for null, naming `source`."""
    match value:
        case str():
            return value
        case None:
            raise TemplateError(f"{{{{ {source} }}}} is null and has no text")
        case bool():
            return "true" if value else "false"
        case int():
            return str(value)
        case float() if value.is_integer() and abs(value) < 1e15:
            return str(int(value))
        case Quantity(dimension=Dimension.NUMBER):
            return f"{value.value:.15g}"
        case Quantity() | Interval():
            return str(value)
        case Mapping() | list() | tuple():
            return json.dumps(value, ensure_ascii=False, separators=(",", ":"), default=str)
        case _:
            return str(value)


def _secret(name: str, secrets: Secrets | None) -> str:
    if callable(secrets):
        return secrets(name)
    if secrets is None or name not in secrets:
        known = listing(secrets or {}) or "none"
        raise TemplateError(f'unknown secret "{name}"; secrets: {known}. {did_you_mean(name, secrets or {})}'.rstrip())
    return secrets[name]


# The environment


def substitute_environment(text: str, env: Mapping[str, str]) -> str:
    """Put environment variables into a text, as Compose does: ``${NAME}``, ``${NAME:-default}`` (unset or empty),
    ``${NAME-default}`` (unset), ``${NAME:?message}``; defaults may hold variables in turn. ``${secret:...}`` stays.

    Raises TemplateError with every unresolved variable and its place.
    """
    problems: list[ExpressionProblem] = []
    found = _substituted(text, env, problems, 0, 0)
    if problems:
        raise TemplateError.of(problems)
    return found


def _substituted(text: str, env: Mapping[str, str], problems: list[ExpressionProblem], base: int, depth: int) -> str:
    done: list[str] = []
    at = 0
    while match := _DOLLAR.search(text, at):
        done.append(text[at : match.start()])
        if match[0] == "$$":
            done.append("$")
            at = match.end()
            continue
        end = _closing(text, match.end())
        if end is None or depth > _DEPTH:
            problems.append(
                _problem("${ is not closed", base + match.start(), 2, "write ${NAME}, or $$ for a dollar sign")
            )
            return ""
        inside = text[match.end() : end]
        done.append(_variable(inside, env, problems, base + match.end(), depth))
        at = end + 1
    done.append(text[at:])
    return "".join(done)


def _closing(text: str, at: int) -> int | None:
    """Index of the brace that closes a `${` whose content begins at `at`."""
    level = 1
    for index in range(at, len(text)):
        level += {"{": 1, "}": -1}.get(text[index], 0)
        if level == 0:
            return index
    return None


def _variable(inside: str, env: Mapping[str, str], problems: list[ExpressionProblem], offset: int, depth: int) -> str:
    match = _VARIABLE.fullmatch(inside)
    place, length = offset - 2, len(inside) + 3
    if match is None:
        hint = "write ${NAME}, ${NAME:-default}, ${NAME:?message}, ${secret:NAME}, or $$ for a dollar sign"
        problems.append(_problem(f"${{{inside}}} is not a variable", place, length, hint))
        return ""
    name, form, rest = match.groups()
    value = env.get(name)
    if value or (value is not None and not (form or "").startswith(":")):
        return value
    if form is not None and form.endswith("-"):
        return _substituted(rest, env, problems, offset + match.start(3), depth + 1)
    what = "is empty" if value == "" else "is not set"
    message = f"environment variable {name} {what}" + (f": {rest}" if rest else "")
    guess = did_you_mean(name, env)
    problems.append(
        _problem(message, place, length, f"set it, or give a default: ${{{name}:-value}}. {guess}".rstrip())
    )
    return ""
