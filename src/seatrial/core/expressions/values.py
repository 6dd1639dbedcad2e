"""Values while an expression is judged: how they are reached, shown and compared.

Whatever a target answered may come by here, so nothing raises: what cannot be compared gives the reason as text.
"""

from __future__ import annotations

import datetime
import decimal
import enum
import math
import operator
import re
from collections.abc import Callable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from typing import Any, Final

from ..intervals import Interval
from ..quantities import Dimension, Quantity, format_quantity
from .outcomes import Missing
from .problems import listing
from .syntax import EACH, Key, path_text, quoted

Truth = bool | str  # a text is the reason why it is unknown

SHOWN_CHARACTERS: Final = 160
_SHOWN_ITEMS: Final = 8
_DEPTH: Final = 6
OPERATORS: dict[str, Callable[[Any, Any], bool]] = {
    "==": operator.eq,
    "!=": operator.ne,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}
FLIPPED = {"==": "==", "!=": "!=", "<": ">", "<=": ">=", ">": "<", ">=": "<="}


class Items(list[object]):
    """What `[*]` picked, with the index or key of each item."""

    def __init__(self, items: Sequence[object], keys: Sequence[Key]) -> None:
        super().__init__(items)
        self.keys = keys


def plain(value: object) -> object:
    """A value as one of: None, bool, int, float, str, list, mapping, Quantity, Interval, Missing."""
    match value:
        case None | str() | bool() | int() | Quantity() | Interval() | Missing() | list() | Mapping():
            return value.value if isinstance(value, enum.Enum) else value
        case float():
            return Missing("it is not a number (NaN)") if math.isnan(value) else value
        case decimal.Decimal():
            if value.is_nan():
                return Missing("it is not a number (NaN)")
            return int(value) if value.is_finite() and value == value.to_integral_value() else float(value)
        case datetime.datetime() | datetime.date():
            return value.isoformat()
        case bytes() | bytearray() | memoryview():
            return bytes(value).decode(errors="replace")
        case tuple() | AbstractSet():
            return list(value)
        case _:
            return str(value)


# Reaching


def step(value: object, key: Key, root: str, keys: Sequence[Key]) -> object:
    """One step into a value; `keys` are those before it, for the reason."""
    if isinstance(value, Missing):
        return value
    if isinstance(key, str):
        return _of_mapping(value, key, root, keys)
    if isinstance(key, int):
        return _of_list(value, key, root, keys)
    if isinstance(value, Mapping):
        return Items(list(value.values()), [str(k) for k in value])
    if isinstance(value, list | tuple):
        return Items(value, range(len(value)))
    return Missing(f"{path_text(root, iter(keys))} is {described(value)}; [*] wants a list or a mapping")


def _of_mapping(value: object, key: str, root: str, keys: Sequence[Key]) -> object:
    here = path_text(root, iter(keys))
    if isinstance(value, Mapping):
        if key in value:
            return value[key]
        known = listing(map(str, value)) if value else "none"
        return Missing(f"{path_text(root, iter((*keys, key)))} is missing; keys here: {known}")
    if isinstance(value, list | tuple):
        return Missing(f"{here} is a list of {len(value)}; it has items ({here}[0]) and no {quoted(key)}")
    return Missing(f"{here} is {described(value)}; it has no {quoted(key)}")


def _of_list(value: object, index: int, root: str, keys: Sequence[Key]) -> object:
    here = path_text(root, iter(keys))
    if isinstance(value, list | tuple):
        if -len(value) <= index < len(value):
            item: object = value[index]
            return item
        return Missing(f"{here}[{index}] is missing; {here} has {_count(len(value), 'item')}")
    return Missing(f"{here} is {described(value)}; it has no item [{index}]")


def walk_into(value: object, keys: Sequence[Key], root: str, done: Sequence[Key]) -> object:
    """All steps into a value, those behind `[*]` for each item."""
    for number, key in enumerate(keys):
        before = (*done, *keys[:number])
        value = step(value, key, root, before)
        if key is EACH:
            if isinstance(value, Items):
                rest = keys[number + 1 :]
                found = [walk_into(v, rest, root, (*before, k)) for v, k in zip(value, value.keys, strict=True)]
                return Items(found, value.keys)
            return value
    if isinstance(value, Missing):
        path = path_text(root, iter((*done, *keys)))
        return value if mentions(value.reason, path) else Missing(f"{path}: {value.reason}")
    return value


def mentions(reason: str, path: str) -> bool:
    """Whether a reason already says what it is about."""
    return re.split(r"[.\[]", path, maxsplit=1)[0] in reason


# Showing


def show(value: object, beside: object = None) -> str:
    """A value for a report, on one line, shortened; a quantity with as many digits as tell it from the one beside it."""
    if isinstance(value, Quantity) and isinstance(beside, Quantity) and value.value != beside.value:
        return next((t for t in map(value.text, range(3, 10)) if t != beside.text()), str(value))
    return _shown(plain(value), 0)


def _shown(value: object, depth: int) -> str:
    match value:
        case None:
            return "null"
        case Missing():
            return "missing"
        case bool():
            return "true" if value else "false"
        case str():
            return quoted(value) if len(value) <= SHOWN_CHARACTERS else f"{quoted(value[:SHOWN_CHARACTERS])}..."
        case int() if abs(value) >= 10**SHOWN_CHARACTERS:
            return "a number of more than 160 digits"
        case float() if value.is_integer() and abs(value) < 1e15:
            return str(int(value))
        case list() | Mapping() if depth >= 3:
            return "[...]" if isinstance(value, list) else "{...}"
        case list():
            items = [_shown(plain(v), depth + 1) for v in value[:_SHOWN_ITEMS]]
            return f"[{_cut(items, len(value))}]"
        case Mapping():
            keys = list(value)[:_SHOWN_ITEMS]
            return f"{{{_cut([f'{quoted(str(k))}: {_shown(plain(value[k]), depth + 1)}' for k in keys], len(value))}}}"
        case _:
            return str(value)


def _cut(items: list[str], total: int) -> str:
    text = ", ".join(items)
    if len(text) > SHOWN_CHARACTERS:
        return f"{text[:SHOWN_CHARACTERS]}..."
    return f"{text}, ... {total} in all" if total > len(items) else text


def described(value: object) -> str:
    """A value in a sentence: ``the text "5"``, ``the number 3``, ``null``."""
    value = plain(value)
    match value:
        case None | bool():
            return show(value)
        case int() | float():
            return f"the number {show(value)}"
        case str():
            return f"the text {show(value)}"
        case Quantity() | Interval():
            return f"the {value.dimension.value} {value}"
        case list():
            return f"a list of {len(value)}"
        case Mapping():
            return f"a mapping of {_count(len(value), 'key')}"
        case _:
            return str(value)


def _count(number: int, thing: str) -> str:
    return f"{number} {thing}" if number == 1 else f"{number} {thing}s"


# Comparing


def compare(word: str, left: object, right: object) -> Truth:
    """``== != < <= > >=`` of two values. What is unequal in kind is unknown, save that null is never a text or a list."""
    a, b = plain(left), plain(right)
    for side in (a, b):
        if isinstance(side, Missing):
            return side.reason
    numeric = isinstance(a, _NUMERIC) and not isinstance(a, bool), isinstance(b, _NUMERIC) and not isinstance(b, bool)
    if all(numeric):
        return _numbers(word, a, b)
    if word in ("==", "!="):
        same = _same(a, b, any(numeric), 0)
        return same if isinstance(same, str) or word == "==" else not same
    return f"{described(a)} and {described(b)} have no order"


_NUMERIC = (int, float, Quantity, Interval)


def _numbers(word: str, a: object, b: object) -> Truth:
    if isinstance(a, int | float) and isinstance(b, int | float):
        return OPERATORS[word](a, b)
    try:
        one, two = Interval.of(a), Interval.of(b)  # type: ignore[arg-type]
    except ValueError:
        return f"{a} or {b} is not a number"
    if one.dimension is not two.dimension:
        return _mismatch(a, b)
    truth = one.compare(word, two)
    return truth if truth is not None else _overlap(one, two)


def _mismatch(a: object, b: object) -> str:
    for bare, unit in ((a, b), (b, a)):
        if isinstance(bare, int | float) and isinstance(unit, Quantity | Interval):
            return f"{show(bare)} is a bare number, without a unit; {unit} is a {unit.dimension.value}"
    return f"{described(a)} and {described(b)} cannot be compared"


def _overlap(one: Interval, two: Interval) -> str:
    measured, bound = (two, one) if one.is_exact else (one, two)
    low = format_quantity(measured.low, measured.dimension)
    high = format_quantity(measured.high, measured.dimension)
    doubt = f" ({measured.doubt})" if measured.doubt else ""
    if bound.is_exact and measured.apart is not None:
        off = format_quantity(measured.apart, measured.dimension)
        return f"measured {low} to {high}, which holds {bound}, and others that are {off} off{doubt}"
    if bound.is_exact:
        return f"measured {low} to {high}; the bound {bound} lies inside{doubt}"
    return f"measured {low} to {high}, which overlaps {bound}{doubt}"


def _same(a: object, b: object, numeric: bool, depth: int) -> Truth:
    if a is None or b is None:
        if a is b:
            return True
        # A number that is not there is not known; a text, a list that is null is certainly not the one wanted.
        return "null stands where a number is wanted" if numeric else False
    if isinstance(a, bool) and isinstance(b, bool):
        return a is b
    if isinstance(a, str) and isinstance(b, str):
        return a == b
    if depth > _DEPTH * 10:
        return "nested too deeply to compare"
    if isinstance(a, list) and isinstance(b, list):
        return len(a) == len(b) and _every([_equal(x, y, depth + 1) for x, y in zip(a, b, strict=True)])
    if isinstance(a, Mapping) and isinstance(b, Mapping):
        return a.keys() == b.keys() and _every([_equal(a[k], b[k], depth + 1) for k in a])
    return f"{described(a)} and {described(b)} cannot be compared"


def _equal(left: object, right: object, depth: int) -> Truth:
    a, b = plain(left), plain(right)
    if isinstance(a, list | Mapping) and isinstance(b, list | Mapping):
        return _same(a, b, False, depth)
    if a is None or b is None:
        return a is b
    return compare("==", a, b)


def _every(truths: list[Truth]) -> Truth:
    if any(t is False for t in truths):
        return False
    return next((t for t in truths if isinstance(t, str)), True)


def contains(item: object, container: object) -> Truth:
    """Whether the item is in a list (equal to one of it), a mapping (a key of it) or a text (a part of it)."""
    a, b = plain(item), plain(container)
    for side in (a, b):
        if isinstance(side, Missing):
            return side.reason
    if isinstance(b, list):
        return _among(a, b)
    if isinstance(b, Mapping):
        return a in b if isinstance(a, str) else f"{described(a)} cannot be a key"
    if isinstance(b, str):
        return a in b if isinstance(a, str) else f"{described(a)} cannot be a part of text"
    return f"{described(b)} holds nothing; a list, a mapping or text is wanted"


def _among(item: object, candidates: list[object]) -> Truth:
    # In a list of several kinds, a candidate of another kind is simply not it; with no other, nobody can tell.
    kin = [c for c in candidates if _kind(c) in (_kind(item), Missing)]
    unknown: str | None = None
    for candidate in kin or candidates:
        same = compare("==", item, candidate)
        if same is True:
            return True
        if isinstance(same, str):
            unknown = unknown or same
    return unknown if unknown is not None else False


def _kind(value: object) -> object:
    value = plain(value)
    if isinstance(value, Quantity | Interval):
        return value.dimension
    if isinstance(value, int | float) and not isinstance(value, bool):
        return Dimension.NUMBER
    return Mapping if isinstance(value, Mapping) else type(value)
