"""Whether an expectation listens: the answer that met it, in the other words that a broken system would say.

Each condition that is joined by `and` is asked by itself. Every fact of the observation that it reads is replaced by values of its own sort
(nothing, zero, an empty list, another status, twice the bound ...): one that holds for all of them is met by any answer, and shows nothing.
The idea is that of mutation testing (DeMillo, Lipton, Sayward 1978), turned round: the program stays, its world changes.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from .expressions import Expression, Missing, Type
from .expressions.syntax import EACH, Call, Compare, Junction, Key, ListLiteral, Node, Path, unparse, walk
from .expressions.values import plain, show
from .intervals import Interval
from .quantities import Quantity

STATUSES = (200, 204, 301, 400, 401, 403, 404, 409, 429, 500, 502, 503, 504)
SHARES = frozenset({"errors", "served", "overall", "outside_faults", "share"})  # never more than all
NEVER_NEGATIVE = frozenset({"count", "counts", "status", "attempts", "took", "total", "length"})
_OTHER = "another-answer"
_MOST = 64  # candidates of one fact
_LONGEST = 100_000  # items of a list that is made longer


@dataclass(frozen=True, kw_only=True, slots=True)
class Deaf:
    """A condition that any answer meets: what it reads, and what was said instead without its noticing."""

    condition: str
    facts: tuple[str, ...]
    said: tuple[str, ...]

    def __str__(self) -> str:
        facts = ", ".join(self.facts) or "nothing that was seen"
        return f"{self.condition} holds whatever {facts} says, for example {', '.join(self.said[:4])}"


def deaf_conditions(
    condition: Expression,
    values: Mapping[str, object],
    observed: Collection[str],
    never_negative: Collection[str] = (),
) -> tuple[Deaf, ...]:
    """The conditions of an expectation that hold for every answer. `values` are those under which it held, by name; `observed` the names
    among them that a probe saw (the others are the spec's own, and stay); `never_negative` those, or the last names of paths, of which no
    number can be negative.
    """
    least = NEVER_NEGATIVE | set(never_negative)
    found = (
        _deafness(each, values, frozenset(observed), least, frozenset(never_negative))
        for each in conditions(condition.tree)
    )
    return tuple(d for d in found if d is not None)


def conditions(tree: Node) -> Iterator[Node]:
    """What is joined by `and`, at the top."""
    if isinstance(tree, Junction) and tree.operator == "and":
        for operand in tree.operands:
            yield from conditions(operand)
    else:
        yield tree


def _deafness(
    tree: Node,
    values: Mapping[str, object],
    observed: frozenset[str],
    least: frozenset[str],
    last_names: frozenset[str],
) -> Deaf | None:
    one = Expression(unparse(tree), tree, Type.BOOL)
    paths = {unparse(p): p for p in walk(tree) if isinstance(p, Path) and p.root in observed}
    said: list[str] = []
    for text, path in paths.items():
        last = str(path.parts[-1].key) if path.parts else ""
        for other in _others(tree, path, values, path.root in least or last in last_names):
            if last in SHARES and isinstance(other, Quantity) and other.value > 1:
                continue
            changed = {**values, path.root: put(values.get(path.root), [p.key for p in path.parts], other)}
            if one.evaluate(changed).truth is False:
                return None
            said.append(f"{text} = {show(other)}")
    return Deaf(condition=one.source, facts=tuple(paths), said=tuple(said))


def put(value: object, keys: Sequence[Key], new: object) -> object:
    """A copy with something else at a path; what is on the way and not there is made."""
    if not keys:
        return new
    key, rest = keys[0], keys[1:]
    if key is EACH:
        if isinstance(value, Mapping):
            return {k: put(v, rest, new) for k, v in value.items()}
        items = list(value) if isinstance(value, list | tuple) and value else [None]
        return [put(v, rest, new) for v in items]
    if isinstance(key, int):
        items = list(value) if isinstance(value, list | tuple) else []
        place = key if key >= 0 else max(0, len(items) + key)
        items += [None] * (place + 1 - len(items))
        items[place] = put(items[place], rest, new)
        return items
    whole = dict(value) if isinstance(value, Mapping) else {}
    whole[str(key)] = put(whole.get(str(key)), rest, new)
    return whole


def _others(tree: Node, path: Path, values: Mapping[str, object], never_negative: bool) -> list[object]:
    """What a broken system could say there, without what it said."""
    if path.root == "status" and not path.parts:
        return [s for s in STATUSES if s != values.get("status")]
    said = _value(path, values)
    bounds = [b for b in held_against(tree, path, values) if not isinstance(b, Missing)]
    found: list[object] = []
    longer = _longer(said, bounds) if any(isinstance(n, Call) and path in n.arguments for n in walk(tree)) else ()
    for other in (*_like(said, never_negative), *longer, *(o for b in bounds for o in _beside(b, never_negative))):
        if not any(type(other) is type(f) and other == f for f in found) and other != said:
            found.append(other)
    return found[:_MOST]


def _value(path: Path, values: Mapping[str, object]) -> object:
    found = Expression(unparse(path), path, Type.ANY).value(values)
    if isinstance(found, list) and any(p.key is EACH for p in path.parts):
        return plain(found[0]) if found else None  # one stands for all
    return plain(found)


def held_against(tree: Node, path: Path, values: Mapping[str, object]) -> Iterator[object]:
    """What a fact is held against, wherever it is."""
    for node in walk(tree):
        if not isinstance(node, Compare):
            continue
        for side, other in ((node.left, node.right), (node.right, node.left)):
            if any(n == path for n in walk(side)):
                yield from _held(other, values)


def _held(node: Node, values: Mapping[str, object]) -> Iterator[object]:
    if isinstance(node, ListLiteral):
        for item in node.items:
            yield from _held(item, values)
    elif not isinstance(node, Junction | Compare):
        yield plain(Expression(unparse(node), node, Type.ANY).value(values))


def _like(said: object, never_negative: bool) -> Iterable[object]:
    """Other values of the same sort."""
    match said:
        case bool():
            return (not said,)
        case int() | float():
            return _beside(said, never_negative)
        case Quantity() | Interval():
            return _beside(said, True)
        case str():
            return ("", _OTHER, f"{said}{_OTHER}")
        case list():
            return ([], said[:1], said[:-1], [*said, *said[-1:]], [None])
        case Mapping():
            return ({},)
        case _:
            return (_OTHER, 1, True)


def _longer(said: object, bounds: Iterable[object]) -> Iterable[object]:
    """The same, but longer than what its length is held against."""
    for bound in bounds:
        if isinstance(bound, int) and not isinstance(bound, bool) and 0 <= bound <= _LONGEST:
            if isinstance(said, list):
                yield [*said, *([said[-1] if said else None] * (bound + 1))]
            elif isinstance(said, str):
                yield said + "x" * (bound + 1)


def _beside(bound: object, never_negative: bool) -> Iterable[object]:
    """Values about a bound, and far from it."""
    match bound:
        case bool():
            return (not bound,)
        case int() | float():
            numbers = (0, bound - 1, bound, bound + 1, 2 * bound + 1, 1_000_000_000, -1)
            return [n for n in numbers if n >= 0 or not never_negative]
        case Quantity():
            steps = (0.0, bound.value / 2, bound.value, bound.value * 2 + 1, bound.value * 1000 + 1)
            return [Quantity(v, bound.dimension) for v in steps]
        case Interval():
            return [Quantity(v, bound.dimension) for v in (0.0, bound.low / 2, bound.high * 2 + 1)]
        case str():
            return ("", bound, f"{bound}{_OTHER}")
        case list():
            return (*bound, [])
        case None:
            return (None,)
        case _:
            return ()


def names_counts(query: str) -> bool:
    """Whether a query counts: no number that it gives is negative."""
    return "count(" in query.lower().replace(" ", "")


_COUNTS_ALONE = re.compile(r"\s*select\s+count\s*\([^()]*\)\s*(as\s+\w+\s*)?(from\b|;?\s*$)", re.IGNORECASE)
_SUMS_UP = re.compile(
    r"\s*select\s+(count|sum|min|max|avg|bool_and|bool_or|string_agg|array_agg|json_agg)\s*\(", re.IGNORECASE
)
_MORE_OR_NONE = re.compile(
    r"\b(group\s+by|having|limit|offset|fetch|union|intersect|except|over)\b|;\s*\S", re.IGNORECASE
)


def counts_alone(query: str) -> bool:
    """Whether a query gives one number, and that counts."""
    return _COUNTS_ALONE.match(query) is not None and gives_one_row(query)


def gives_one_row(query: str) -> bool:
    """Whether a query sums up what it finds: it gives one row, even if it finds nothing."""
    return _SUMS_UP.match(query) is not None and _MORE_OR_NONE.search(query) is None
