"""Turns a tree into closures, once; judging is then a few calls per operand (microseconds)."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence

from ..intervals import Interval
from ..quantities import Dimension, Quantity
from .outcomes import Judgement, Missing
from .syntax import (
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
    Path,
    path_text,
    unparse,
)
from .values import FLIPPED, OPERATORS, Items, Truth, compare, contains, described, mentions, plain, show, walk_into

Values = Mapping[str, object]
Getter = Callable[[Values], object]
Judge = Callable[[Values], Judgement]
Test = Callable[[object, object], Truth]

_ABSENT = object()
_COUNTEREXAMPLES = 3


# Values


def getter(node: Node) -> Getter:
    """A function from values to the node's value, or Missing."""
    match node:
        case Literal():
            constant = node.value
            return lambda values: constant
        case ListLiteral():
            items = [getter(i) for i in node.items]
            return lambda values: [g(values) for g in items]
        case Path():
            return _path(node)
        case Filled():
            return _filled(node)
        case Call(function="len"):
            return _length(node)
        case Call(function="min" | "max"):
            return _extreme(node)
        case Call() | Compare() | Not() | Junction() | Broken():
            judge = judge_of(node)
            return lambda values: _truth(judge(values))


def _truth(judgement: Judgement) -> object:
    return Missing(judgement.reason) if judgement.truth is None else judgement.truth


def _path(node: Path) -> Getter:
    root, keys = node.root, tuple(p.key for p in node.parts)

    def of_name(values: Values) -> object:
        value = values.get(root, _ABSENT)
        if value is _ABSENT:
            return Missing(f"{root} has no value")
        return walk_into(value, (), root, ()) if isinstance(value, Missing) else value

    def of_path(values: Values) -> object:
        value = values.get(root, _ABSENT)
        return Missing(f"{root} has no value") if value is _ABSENT else walk_into(value, keys, root, ())

    return of_path if keys else of_name


def _filled(node: Filled) -> Getter:
    pieces = [p if isinstance(p, str) else _path(p) for p in node.pieces]

    def fill(values: Values) -> object:
        text: list[str] = []
        for piece in pieces:
            value = piece if isinstance(piece, str) else plain(piece(values))
            if isinstance(value, Missing):
                return value
            text.append(value if isinstance(value, str) else show(value))
        return "".join(text)

    return fill


def _length(node: Call) -> Getter:
    inner, text = getter(node.arguments[0]), unparse(node.arguments[0])

    def length(values: Values) -> object:
        value = plain(inner(values))
        if isinstance(value, Missing):
            return value
        if isinstance(value, list | str | Mapping):
            return len(value)
        return Missing(f"{text} is {described(value)} and has no length")

    return length


def _extreme(node: Call) -> Getter:
    items, text = [getter(a) for a in node.arguments], unparse(node)
    choose = min if node.function == "min" else max

    def extreme(values: Values) -> object:
        found: object = items[0](values) if len(items) == 1 else [g(values) for g in items]
        found = plain(found)
        if isinstance(found, Missing):
            return found
        if not isinstance(found, list):
            return Missing(f"{text}: {described(found)} is no list")
        return _extreme_of(choose, [plain(v) for v in found], text)

    return extreme


def _extreme_of(choose: Callable[[Sequence[float]], float], found: list[object], text: str) -> object:
    intervals: list[Interval] = []
    for value in found:
        if isinstance(value, Missing):
            return value
        if isinstance(value, bool) or not isinstance(value, int | float | Quantity | Interval):
            return Missing(f"{text}: {described(value)} is no quantity")
        intervals.append(Interval.of(value))
    if not intervals:
        return Missing(f"{text} of an empty list")
    dimension = intervals[0].dimension
    if any(i.dimension is not dimension for i in intervals):
        return Missing(f"{text}: its values are of several dimensions")
    low, high = choose([i.low for i in intervals]), choose([i.high for i in intervals])
    if low != high:
        return Interval(low, high, dimension)
    return low if dimension is Dimension.NUMBER else Quantity(low, dimension)


# Conditions


def judge_of(node: Node) -> Judge:
    """A function from values to the judgement of the node as a condition."""
    match node:
        case Compare():
            return _comparison(node)
        case Junction():
            return _junction(node)
        case Not():
            return _negation(node)
        case Call(function="any" | "all"):
            return _quantified(node)
        case _:
            return _bare(node)


def _judgement(truth: Truth, measured: tuple[tuple[str, object], ...], bound: str, beside: object = None) -> Judgement:
    shown = tuple((path, show(value, beside)) for path, value in measured)
    unknown = isinstance(truth, str)
    return Judgement(
        truth=None if unknown else truth is True,
        measured=shown,
        bound=bound,
        reason="" if truth is True else _reason(shown, bound, truth if isinstance(truth, str) else ""),
        interval=_interval(measured[0][1]) if len(measured) == 1 else None,
    )


def _interval(value: object) -> Interval | None:
    if isinstance(value, Interval):
        return value
    return (
        Interval.exact(value.value, value.dimension)
        if isinstance(value, Quantity) and value.value == value.value
        else None
    )


def _reason(shown: tuple[tuple[str, str], ...], bound: str, unknown: str) -> str:
    if not unknown:
        return f"{', '.join(f'{path} is {value}' for path, value in shown)}; wanted {bound}"
    path = shown[0][0] if shown else ""
    return unknown if mentions(unknown, path) else f"{path}: {unknown}"


def _bare(node: Node) -> Judge:
    get, text = getter(node), unparse(node)

    def judge(values: Values) -> Judgement:
        value = plain(get(values))
        truth: Truth
        if isinstance(value, Missing):
            truth = value.reason
        elif isinstance(value, bool):
            truth = value
        else:
            truth = f"{text} is {described(value)}, which is neither true nor false: compare it"
        return _judgement(truth, ((text, value),), "is true")

    return judge


def _comparison(node: Compare) -> Judge:
    left, right, word = node.left, node.right, node.operator
    if _constant(left) and not _constant(right) and word in FLIPPED:
        left, right, word = right, left, FLIPPED[word]
    get_left, get_right, test = getter(left), getter(right), _test(word, right)
    left_text, right_text, bound = unparse(left), unparse(right), f"{word} {unparse(right)}"
    if word == "in" and _constant(left):
        return _held(get_left, get_right, right_text, f"contains {left_text}")
    if not _constant(right):
        return _against(get_left, get_right, test, (left_text, right_text), bound)
    constant = get_right({})
    direct = OPERATORS.get(word)
    kind = type(constant) if isinstance(constant, int | str) else None

    def judge(values: Values) -> Judgement:
        value = get_left(values)
        if type(value) is kind and direct is not None and (kind is int or word in ("==", "!=")):
            return _judgement(direct(value, constant), ((left_text, value),), bound)
        return _judgement(test(value, constant), ((left_text, value),), bound, constant)

    return judge


def _held(get_left: Getter, get_right: Getter, text: str, bound: str) -> Judge:
    def judge(values: Values) -> Judgement:
        value = get_right(values)
        return _judgement(contains(get_left(values), value), ((text, value),), bound)

    return judge


def _against(get_left: Getter, get_right: Getter, test: Test, texts: tuple[str, str], bound: str) -> Judge:
    def judge(values: Values) -> Judgement:
        left, right = get_left(values), get_right(values)
        return _judgement(test(left, right), ((texts[0], left), (texts[1], right)), bound)

    return judge


def _test(word: str, right: Node) -> Test:
    if word == "in":
        return contains
    if word == "matches":
        pattern = re.compile(right.value) if isinstance(right, Literal) and isinstance(right.value, str) else None
        return lambda value, _: _matches(pattern, value)
    return lambda a, b: compare(word, a, b)


def _matches(pattern: re.Pattern[str] | None, value: object) -> Truth:
    value = plain(value)
    if isinstance(value, Missing):
        return value.reason
    if pattern is None:
        return "no pattern"
    return pattern.search(value) is not None if isinstance(value, str) else f"{described(value)} is no text"


def _constant(node: Node) -> bool:
    return isinstance(node, Literal) or (isinstance(node, ListLiteral) and all(map(_constant, node.items)))


def _negation(node: Not) -> Judge:
    inner = judge_of(node.operand)

    def judge(values: Values) -> Judgement:
        found = inner(values)
        bound = f"not {found.bound}" if found.bound != "is true" else "is false"
        if found.truth is None:
            return Judgement(
                truth=None, measured=found.measured, bound=bound, reason=found.reason, interval=found.interval
            )
        reason = _reason(found.measured, bound, "") if found.truth else ""
        return Judgement(
            truth=not found.truth, measured=found.measured, bound=bound, reason=reason, interval=found.interval
        )

    return judge


def _junction(node: Junction) -> Judge:
    judges = [judge_of(o) for o in node.operands]
    word = f" {node.operator} "
    decisive = node.operator == "or"  # the truth of one operand that decides the whole

    def judge(values: Values) -> Judgement:
        found = [j(values) for j in judges]
        deciding = [f for f in found if f.truth is decisive]
        truth: bool | None = decisive
        if not deciding:
            deciding = [f for f in found if f.truth is None]
            truth = None
        if not deciding:
            deciding, truth = found, not decisive
        return _joined(deciding, truth, word)

    return judge


def _joined(found: list[Judgement], truth: bool | None, word: str) -> Judgement:
    measured = tuple(dict.fromkeys(m for f in found for m in f.measured))
    reasons = dict.fromkeys(f.reason for f in found if f.reason)
    return Judgement(
        truth=truth,
        measured=measured,
        bound=word.join(dict.fromkeys(f.bound for f in found)),
        reason="" if truth else "; ".join(reasons),
        interval=found[0].interval if len(measured) == 1 else None,
    )


# any and all


def _quantified(node: Call) -> Judge:
    argument, word = node.arguments[0], node.function
    decisive = word == "any"
    subject = argument.left if isinstance(argument, Compare) else argument
    bound = f"{word} true"
    test: Test = _is_true
    get_bound: Getter = lambda values: True  # noqa: E731
    if isinstance(argument, Compare):
        bound, test = f"{word} {argument.operator} {unparse(argument.right)}", _test(argument.operator, argument.right)
        get_bound = getter(argument.right)
    get, text, label = getter(subject), unparse(subject), _labels(subject)

    def judge(values: Values) -> Judgement:
        found = get(values)
        items = found if isinstance(found, Items) else plain(found)
        if isinstance(items, Missing):
            return _judgement(items.reason, ((text, items),), bound)
        if not isinstance(items, list):
            return _judgement(f"{text} is {described(items)}, not a list", ((text, items),), bound)
        if not items:
            return _judgement(False if decisive else f"{text} is empty: it shows nothing", ((text, items),), bound)
        wanted = get_bound(values)
        truths = [test(item, wanted) for item in items]
        keys = items.keys if isinstance(items, Items) else range(len(items))
        for sought in (decisive, None):
            hits = [n for n, t in enumerate(truths) if (t is decisive if sought is not None else isinstance(t, str))]
            if hits:
                measured = tuple((label(keys[n]), items[n]) for n in hits[:_COUNTEREXAMPLES])
                return _judgement(truths[hits[0]], measured, bound)
        return _judgement(not decisive, ((text, items),), bound)

    return judge


def _is_true(value: object, _: object) -> Truth:
    value = plain(value)
    if isinstance(value, Missing):
        return value.reason
    return value if isinstance(value, bool) else f"{described(value)} is neither true nor false"


def _labels(subject: Node) -> Callable[[Key], str]:
    """How an item is called: `json.items[2].price`."""
    if not isinstance(subject, Path):
        return lambda key: f"{unparse(subject)}[{key}]"
    keys = [p.key for p in subject.parts]
    at = next((n for n, k in enumerate(keys) if not isinstance(k, str | int)), len(keys))
    return lambda key: path_text(subject.root, iter((*keys[:at], key, *keys[at + 1 :])))
