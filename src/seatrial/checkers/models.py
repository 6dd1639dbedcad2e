"""Models: what the operations of a workload mean, and what the store says of them afterwards.

Keys are `prefix` + the operation's number, and numbers are dense, so that key -> operation is an array index.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ..arrivals.errors import ERRORS
from ..arrivals.records import OK, UNKNOWN, Records
from ..core.expressions import Missing
from ..core.intervals import Interval
from ..core.quantities import Dimension, format_quantity

SHOWN = 20
_NUMBER = re.compile(r"-?\d{1,18}(?:\.\d+)?", re.ASCII)


@dataclass(frozen=True, kw_only=True)
class SetJudgement:
    """Numbers of operations, by what became of them; `phantom` are keys."""

    lost: tuple[int, ...]
    doubled: tuple[int, ...]
    phantom: tuple[str, ...]
    recovered: tuple[int, ...]
    acknowledged: int
    evidence: Mapping[str, Any] = field(default_factory=dict)


def keys_of(value: object) -> list[object] | Missing:
    """What was read back as keys: a list of them, or of rows of one column each; Missing with the reason where it is neither."""
    if not isinstance(value, list | tuple):
        return Missing(f"the keys could not be read back: {type(value).__name__} is no list")
    keys: list[object] = []
    for item in value:
        if isinstance(item, Missing):
            return Missing(f"the keys could not be read back: {item.reason}")
        if isinstance(item, list | tuple) and len(item) == 1:
            item = item[0]
        if isinstance(item, list | tuple | Mapping):
            return Missing(
                f"a key that was read back is a {type(item).__name__} of {len(item)}: pick it out, as rows[*][0] does"
            )
        keys.append(item)
    return keys


def number_of(value: object) -> float | None:
    """What was read back as a number, which may be text (Redis has no other); None where it is none."""
    if isinstance(value, bool):
        return None
    if isinstance(value, str) and _NUMBER.fullmatch(value):
        return float(value)
    return float(value) if isinstance(value, int | float) else None


def judge_set(records: Records, keys: Iterable[object], prefix: str, read_ns: int) -> SetJudgement:
    """Hold what was read back, begun at `read_ns`, against all operations so far.

    Lost: acknowledged before the reading began, and not there. Doubled: there more than once. Phantom: there with our prefix, and
    never asked for. Recovered: unknown to the client, and there.
    """
    numbers, phantom = _numbers(keys, prefix, len(records))
    counts = np.bincount(numbers, minlength=len(records))[: len(records)] if len(records) else np.empty(0, np.int64)
    settled = (records["status"] == OK) & (records["done"] < read_ns) & (records["done"] > 0)
    lost = np.flatnonzero(settled & (counts == 0))
    doubled = np.flatnonzero(counts > 1)
    recovered = np.flatnonzero((records["status"] == UNKNOWN) & (counts > 0))
    evidence = {
        "lost": [describe(records[i], prefix) for i in lost[:SHOWN]],
        "doubled": [{**describe(records[i], prefix), "times": int(counts[i])} for i in doubled[:SHOWN]],
        "phantom": list(phantom[:SHOWN]),
    }
    return SetJudgement(
        lost=tuple(map(int, lost)),
        doubled=tuple(map(int, doubled)),
        phantom=tuple(phantom),
        recovered=tuple(map(int, recovered)),
        acknowledged=int(settled.sum()),
        evidence=evidence,
    )


def _numbers(keys: Iterable[object], prefix: str, rows: int) -> tuple[Any, list[str]]:
    numbers: list[int] = []
    phantom: list[str] = []
    for key in keys:
        text = str(key)
        if not text.startswith(prefix):
            continue
        tail = text[len(prefix) :]
        if tail.isdecimal() and int(tail) < rows:
            numbers.append(int(tail))
        else:
            phantom.append(text)
    return np.array(numbers, dtype=np.int64), phantom


def describe(record: Any, prefix: str) -> dict[str, Any]:
    """An operation for people: its key, when it was sent and answered."""
    return {
        "key": f"{prefix}{int(record['number'])}",
        "sent_ns": int(record["sent"]),
        "done_ns": int(record["done"]),
        "attempts": int(record["attempts"]),
        "http": int(record["http"]),
        "error": ERRORS[record["error"]],
    }


def judge_counter(records: Records, initial: float, final: float, amount: float, read_ns: int) -> tuple[Interval, str]:
    """How far the final value is from what is possible: 0 while initial - (ok + unknown) <= final <= initial - ok.

    `amount` is what an operation takes away (negative: adds). Operations that ended after the reading began may or may not be in it.
    """
    ok = int(((records["status"] == OK) & (records["done"] < read_ns)).sum())
    open_ = int(((records["status"] == UNKNOWN) | ((records["status"] == OK) & (records["done"] >= read_ns))).sum())
    least, most = sorted((initial - (ok + open_) * amount, initial - ok * amount))
    drift = final - most if final > most else final - least if final < least else 0.0
    text = (
        f"initial {initial:g}, {ok} acknowledged and {open_} unknown operations of {amount:g}: between {least:g} and {most:g} possible, "
        f"{final:g} found, drift {format_quantity(drift, Dimension.NUMBER)}"
    )
    return Interval.exact(drift, Dimension.NUMBER), text


def sentences(judged: SetJudgement, new: Mapping[str, Sequence[Any]]) -> tuple[str, ...]:
    """Counterexamples in words: how many, of how many, and the first keys."""
    found = []
    for kind, words in (
        ("lost", "acknowledged operations are gone"),
        ("doubled", "operations are there more than once (doubled)"),
        ("phantom", "keys are there that nobody asked for"),
    ):
        if new[kind]:
            first = [e["key"] if isinstance(e, dict) else e for e in judged.evidence[kind]][:5]
            found.append(
                f"{len(new[kind])} of {judged.acknowledged:,} {words}: {', '.join(first)}{' ...' if len(new[kind]) > 5 else ''}"
            )
    return tuple(found)
