"""How many users there are, over time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

Changes = list[tuple[int, int]]  # from a moment on (ns since the start, ascending, the first 0) so many


def changes(description: Mapping[str, Any]) -> Changes:
    """Of {constant: users}, {ramp: {from, to, over_ns}}, {steps: [[users, ns], ...]}, {spike: {base, peak, after_ns, for_ns}}.

    A ramp changes by one user at a time and ends on its last moment; after the last step there is nobody. Raises ValueError for any other.
    """
    (kind, value), *rest = description.items()
    if rest:
        raise ValueError(f"one number of users at a time, not {', '.join(description)}")
    match kind:
        case "constant":
            return [(0, int(value))]
        case "ramp":
            return _ramp(int(value["from"]), int(value["to"]), int(value["over_ns"]))
        case "steps":
            return _steps([(int(users), int(span)) for users, span in value])
        case "spike":
            base, after = int(value["base"]), int(value["after_ns"])
            return _plain([(0, base), (after, int(value["peak"])), (after + int(value["for_ns"]), base)])
    raise ValueError(f"unknown change of users {kind}")


def _ramp(start: int, end: int, over_ns: int) -> Changes:
    count, sign = abs(end - start), 1 if end > start else -1
    return _plain([(0, start), *((over_ns * n // count, start + sign * n) for n in range(1, count + 1))])


def _steps(parts: Sequence[tuple[int, int]]) -> Changes:
    found, begin = [], 0
    for users, span in parts:
        found.append((begin, users))
        begin += span
    return _plain([*found, (begin, 0)])


def _plain(found: Changes) -> Changes:
    """Of several at a moment the last one counts, and one that changes nothing is none."""
    last = dict(found)
    before, plain = -1, Changes()
    for at, users in last.items():
        if users != before:
            plain.append((at, users))
        before = users
    return plain


def share(users: int, number: int, of: int) -> int:
    """How many of the users are those of one worker (from 0) of several; together they are all."""
    return users // of + (number < users % of)
