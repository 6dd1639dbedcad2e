"""Which answers a probe could give at all, by the types of what it sees: whether one of them would make a condition false.

No run is needed, and nothing is guessed: a condition for which this cannot be told is left alone. Where `core.answers` asks with the answer
that came, this asks with all kinds of them.
"""

from __future__ import annotations

import itertools
import math
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from .answers import NEVER_NEGATIVE, conditions, put
from .expressions import Expression, Missing, Type
from .expressions.syntax import EACH, Call, Compare, Key, ListLiteral, Literal, Node, Path, unparse, walk
from .expressions.types import Kind
from .quantities import Dimension, Quantity

ERRORS = ("refused", "timeout", "reset", "closed")  # of a target that is not there
GOOD, BROKEN = (200, 201, 202, 204), 500
_NOBODY_BEHIND = (502, 503, 504)
_ABOUT = frozenset({"status", "error", "took", "attempts", "instance"})  # an answer, and nothing in it
_Put = tuple[Path, list[Key], object]
_MOST = 10_000  # combinations of answers
_LONGEST = 10_000  # items of a list
_OTHER = "another-answer"
# Texts that no pattern matches all of, unless it matches every one.
_TEXTS = ("", _OTHER, "\x00\x1fé€\u2028 \t\r\n", "".join(map(chr, range(32, 127))) + "\nsecond line", " ", "0")
_UNSURE = re.compile(r"\(\?|\\[bBAZ1-9]")  # looks around, or back: what it matches is not told by a few texts
_WHOLE = frozenset(
    {
        "ready",
        "running",
        "restarts",
        "restarting",
        "wanted",
        "expected",
        "checked",
        "healthy",
        "workers",
        "groups",
        "errors",
        "failed",
        "unattributed",
        "unsteady",
        "moved",
        "compared",
        "users",
        "tries",
        "tried",
        "sent",
        "written",
        "missing",
        "extra",
        "different",
        "orphans",
        "equal",
        "connections",
        "turned_away",
        "reached",
        "open",
        "requests",
        "kept",
        "lost",
        "doubled",
        "phantom",
        "recovered",
        "ok",
        "unknown",
        "not_sent",
        "due",
        "cpu_seconds",
        "descriptors",
        "threads",
        "processes",
        "drift",
        "backlog",
    }
)  # fmt: skip - numbers that count: none is negative
_SHARES = frozenset({"errors", "served", "availability", "overall", "outside_faults", "pool", "share"})  # at most 100 %


@dataclass(frozen=True, kw_only=True, slots=True)
class Seen:
    """What can be seen at a place: names with their types.

    `whole`: all that a name can be, where that is known; `counts`: names in which no number is negative.
    """

    types: Mapping[str, Type]
    whole: Mapping[str, Sequence[object]] = field(default_factory=dict)
    counts: frozenset[str] = frozenset()


def never_false(condition: Expression, seen: Seen) -> Iterator[Expression]:
    """The conditions, of those joined by `and`, that no answer makes false; each is true of one at least."""
    for tree in conditions(condition.tree):
        one = Expression(unparse(tree), tree, Type.BOOL)
        if any(n in seen.types for n in one.names):
            truths = _truths(one, seen)
            if truths == {True} or truths == {True, None}:
                yield one


def never_true(condition: Expression, seen: Seen) -> bool:
    """Whether no answer makes it true, and one makes it false."""
    truths = _truths(condition, seen)
    return truths is not None and True not in truths and False in truths


def holds_without_answer(condition: Expression, seen: Seen) -> str:
    """The error with which it holds, of a condition that holds for answers that came, too; empty where it is not so."""
    if "error" not in condition.names:
        return ""
    nothing = {n: Missing("no answer") for n in condition.names if n in seen.types}
    word = next((e for e in ERRORS if condition.evaluate({**nothing, "error": e}).truth is True), "")
    if not word:
        return ""
    whole: dict[str, Sequence[object]] = {**seen.whole, "error": (None,)}
    if "status" in seen.types:
        whole["status"] = GOOD
    truths = _truths(condition, Seen(types=seen.types, whole=whole, counts=seen.counts))
    return word if truths is not None and True in truths else ""


def holds_when_broken(condition: Expression) -> tuple[int, int] | None:
    """A good status, and one of a system that is broken, of a condition that reads nothing else and holds for both; None where it is not
    so. That it holds for one of 502, 503 and 504 alone may be meant (who is overloaded says 503), for all of them hardly.
    """
    if condition.names != ("status",) or any(isinstance(n, Path) and n.parts for n in walk(condition.tree)):
        return None
    met = {s for s in (*GOOD, BROKEN, *_NOBODY_BEHIND) if condition.evaluate({"status": s}).truth is True}
    good = next((s for s in GOOD if s in met), None)
    if good is None or (BROKEN not in met and not met.issuperset(_NOBODY_BEHIND)):
        return None
    return good, BROKEN if BROKEN in met else 503


def enough_by_status(condition: Expression, seen: Seen) -> Iterator[tuple[str, int]]:
    """The conditions, of those joined by `and`, that read more of an answer than its status, and look at nothing else with a good one."""
    if "status" not in seen.types:
        return
    for tree in conditions(condition.tree):
        one = Expression(unparse(tree), tree, Type.BOOL)
        if "status" not in one.names or not any(n in seen.types and n not in _ABOUT for n in one.names):
            continue
        for status in GOOD:
            if _truths(one, Seen(types=seen.types, whole={**seen.whole, "status": (status,)}, counts=seen.counts)) == {
                True
            }:
                yield one.source, status
                break


def _truths(condition: Expression, seen: Seen) -> set[bool | None] | None:
    """All that comes of it, until both true and false did; None where that cannot be told."""
    tree = condition.tree
    paths = {unparse(p): p for p in walk(tree) if isinstance(p, Path)}
    if not _can_be_asked(tree, tuple(paths.values())):
        return None
    columns = []
    for path in paths.values():
        column = list(_candidates(tree, path, seen))
        if not column:
            return None
        columns.append(column)
    if math.prod(map(len, columns)) > _MOST:
        return None
    found: set[bool | None] = set()
    for chosen in itertools.product(*columns):
        values: dict[str, object] = {}
        for path, keys, value in chosen:
            values[path.root] = put(values.get(path.root), keys, value)
        found.add(condition.evaluate(values).truth)
        if {True, False} <= found:
            break
    return found


def _can_be_asked(tree: Node, paths: Sequence[Path]) -> bool:
    """Whether a few answers tell: no path is a part of another, and what is matched is matched by all texts or not."""
    keys = [(p.root, *(k.key for k in p.parts)) for p in paths]
    if any(a is not b and a == b[: len(a)] for a in keys for b in keys):
        return False
    if any(_measured(tree, p) and any(b > _LONGEST for b in _numeric(_bounds(tree, p))) for p in paths):
        return False
    patterns = [n for n in walk(tree) if isinstance(n, Compare) and n.operator == "matches"]
    if not patterns:
        return True
    whole = tree.arguments[0] if isinstance(tree, Call) and tree.function in ("any", "all") else tree
    simple = len(patterns) == 1 and patterns[0] is whole and isinstance(patterns[0].right, Literal)
    return simple and _UNSURE.search(str(getattr(patterns[0].right, "value", ""))) is None


def _candidates(tree: Node, path: Path, seen: Seen) -> Iterator[_Put]:
    """Where something is put, and what: all that stands for what could be there."""
    keys: list[Key] = [p.key for p in path.parts]
    if not keys and path.root in seen.whole:
        for value in seen.whole[path.root]:
            yield path, [], value
        return
    kind = _type_at(seen.types.get(path.root, Type.ANY), keys)
    least = path.root in NEVER_NEGATIVE or path.root in seen.counts
    last = str(keys[-1]) if keys and isinstance(keys[-1], str) else path.root
    counted = least or (kind.kind is Kind.QUANTITY and (last in _WHOLE or path.root in _WHOLE))
    bounds = list(_bounds(tree, path))
    for value in _values(
        kind, bounds, counted, not {path.root, *map(str, keys)}.isdisjoint(_SHARES), path.root == "status" and not keys
    ):
        yield path, keys, value
    if EACH in keys:
        yield path, keys[: keys.index(EACH)], []
    for length in _lengths(tree, path):
        yield path, keys, [None] * length
        if kind.kind in (Kind.ANY, Kind.TEXT):
            yield path, keys, "x" * length


def _type_at(kind: Type, keys: Sequence[object]) -> Type:
    for key in keys:
        if kind.kind is Kind.RECORD and isinstance(key, str):
            kind = kind.fields.get(key, Type.ANY)
        elif kind.kind in (Kind.LIST, Kind.MAP) and kind.of is not None:
            kind = kind.of
        else:
            return Type.ANY
    return kind


def _values(kind: Type, bounds: Sequence[object], counted: bool, share: bool, status: bool) -> Iterable[object]:
    match kind.kind:
        case Kind.BOOL:
            return (False, True)
        case Kind.QUANTITY if kind.dimension is Dimension.NUMBER and status:
            flat = (b for bound in bounds for b in (bound if isinstance(bound, list) else [bound]))
            own = tuple(int(b) for b in _numeric(flat) if 100 <= b < 600)
            return tuple(dict.fromkeys((*own, 500, 200, *range(100, 600))))
        case Kind.QUANTITY if kind.dimension is Dimension.NUMBER:
            return _numbers(bounds, counted)
        case Kind.QUANTITY if kind.dimension is not None:
            return _quantities(bounds, kind.dimension, share)
        case Kind.TEXT if kind.choices:
            return kind.choices
        case Kind.TEXT:
            return (*_beside_texts(bounds), None, *_TEXTS)
        case Kind.LIST:
            return ([], *([v] for v in _items(kind, bounds, counted)), [None, None])
        case Kind.MAP:
            return ({}, *({k: v} for v in _items(kind, bounds, counted) for k in (_OTHER, *_texts_of(bounds))))
        case Kind.RECORD:
            return (dict.fromkeys(kind.fields),)
        case _:
            return _anything(bounds, counted)


def _items(kind: Type, bounds: Sequence[object], counted: bool) -> list[object]:
    inner = [b for bound in bounds for b in (bound if isinstance(bound, list) else [bound])]
    return list(itertools.islice(_values(kind.of or Type.ANY, inner, counted, False, False), 40))


def _anything(bounds: Sequence[object], counted: bool) -> Iterable[object]:
    """JSON, a cell of a row, a reply: whatever it is."""
    own = [b for b in bounds if isinstance(b, bool | list) or b is None]
    quantities = [Quantity(0.0, b.dimension) for b in bounds if isinstance(b, Quantity)]
    numbers = _numbers(bounds, counted)
    texts = (*_beside_texts(bounds), *_TEXTS)
    # Bounds that nobody knows (values of the trial) are met by one of these, or by none.
    return (*own, *numbers, *texts, None, False, True, [], [None], [_OTHER], {}, {_OTHER: None}, *quantities)


def _numbers(bounds: Sequence[object], counted: bool) -> list[float]:
    near = [n for b in _numeric(bounds) for n in (b - 1, b, b + 1, b + 0.5, 2 * b + 1)]
    return [n for n in dict.fromkeys((*near, 0, 1, 1_000_000_007, -1, 0.5)) if n >= 0 or not counted]


def _quantities(bounds: Sequence[object], dimension: Dimension, share: bool) -> list[Quantity]:
    given = [b.value for b in bounds if isinstance(b, Quantity)]
    near = [v for b in given for v in (b / 2, b * 0.999, b, b * 1.001, b * 2 + 1)]
    top = 1.0 if dimension is Dimension.RATIO else 1e18
    least = [] if share or dimension in (Dimension.DURATION, Dimension.RATE) else [-1.0]
    return [Quantity(v, dimension) for v in dict.fromkeys((*near, 0.0, top, *least)) if not share or 0 <= v <= 1]


def _texts_of(bounds: Sequence[object]) -> list[str]:
    return [b for bound in bounds for b in (bound if isinstance(bound, list) else [bound]) if isinstance(b, str)]


def _beside_texts(bounds: Sequence[object]) -> list[str]:
    return [t for b in _texts_of(bounds) for t in (b, f"{b}{_OTHER}", f"{_OTHER}{b}")]


def _bounds(tree: Node, path: Path) -> Iterator[object]:
    """Constants that it is held against, wherever it is."""
    for node in walk(tree):
        if isinstance(node, Compare):
            for side, other in ((node.left, node.right), (node.right, node.left)):
                if any(n == path for n in walk(side)):
                    yield from _constants(other)


def _constants(node: Node) -> Iterator[object]:
    if isinstance(node, Literal):
        yield node.value
    elif isinstance(node, ListLiteral):
        yield [i.value for i in node.items if isinstance(i, Literal)]
        for item in node.items:
            yield from _constants(item)


def _lengths(tree: Node, path: Path) -> Iterator[int]:
    """Lengths about those that a list is held against."""
    for bound in _numeric(_bounds(tree, path)) if _measured(tree, path) else ():
        yield from (n for n in range(int(bound) - 1, int(bound) + 3) if n >= 0)


def _measured(tree: Node, path: Path) -> bool:
    return any(isinstance(n, Call) and n.function == "len" and path in n.arguments for n in walk(tree))


def _numeric(bounds: Iterable[object]) -> Iterator[float]:
    return (b for b in bounds if isinstance(b, int | float) and not isinstance(b, bool))
