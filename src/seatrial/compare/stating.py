"""What a comparison is asked, from the words of a spec or a command line; what came of it, as JSON has it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ..core.errors import UsageError
from .layout import ALL, SHOWN, Expected, Options
from .results import Comparison, RowDifference, Side

KINDS = ("missing", "extra", "different")
_COUNT = int | frozenset[tuple[str, ...]] | None


def expected_of(given: Mapping[str, object]) -> Expected:
    """{missing: 100}, {missing: all}, {extra: [1, 2]} (keys; of several columns each a list). Raises UsageError."""
    unknown = [k for k in given if k not in KINDS]
    if unknown:
        raise UsageError.simple(
            f"expected is {unknown[0]}, which is no kind of difference", f"kinds: {', '.join(KINDS)}"
        )
    found = {kind: _expected(kind, value) for kind, value in given.items()}
    return Expected(missing=found.get("missing"), extra=found.get("extra"), different=found.get("different"))


def _expected(kind: str, value: object) -> _COUNT:
    if value == "all":
        if kind == "different":
            raise UsageError.simple("expected different: all says too little", "say how many")
        return ALL
    if isinstance(value, str) and value.isdecimal():
        value = int(value)
    if isinstance(value, int) and not isinstance(value, bool) and value >= 0:
        return value
    if isinstance(value, list | tuple):
        return frozenset(tuple(map(str, k)) if isinstance(k, list | tuple) else (str(k),) for k in value)
    raise UsageError.simple(f"expected {kind}: {value!r}", f"{kind}: 100, {kind}: all, or a list of keys")


def options_of(given: Mapping[str, Any]) -> Options:
    """From the arguments of the verb `compare`. Raises UsageError."""
    return Options(
        keys=tuple(given.get("key") or ()),
        columns=tuple(given.get("columns") or ()),
        ignore=tuple(given.get("ignore") or ()),
        mapping=dict(given.get("map") or {}),
        tolerances=dict(given.get("tolerances") or {}),
        nfc=given.get("unicode") == "nfc",
        references=bool(given.get("references")),
        expected=expected_of(dict(given.get("expected") or {})),
        limit=int(given.get("show") or SHOWN),
    )


def as_json(found: Comparison) -> dict[str, Any]:
    """All of it."""
    counts = {"equal": found.equal, "missing": found.missing, "extra": found.extra, "different": found.different}
    return {
        "holds": found.holds,
        "difference": found.words,
        "a": _side(found.a),
        "b": _side(found.b),
        "keys": list(found.keys),
        "columns": list(found.columns),
        **(counts if not found.references else {"referring": found.equal, "orphans": found.orphans}),
        "by_column": [{"column": c.column, "kinds": dict(c.kinds), "farthest": c.farthest} for c in found.by_column],
        "differences": [as_row(d) for d in found.first],
        "how": found.how,
        "attempts": found.attempts,
        "seconds": found.took_ns / 1e9,
    }


def _side(side: Side) -> dict[str, Any]:
    return {
        "store": side.label,
        "rows": side.rows,
        "taken": side.taken,
        "snapshot": side.snapshot,
        "duplicates": side.duplicates,
        "null_keys": side.null_keys,
        "only_columns": list(side.only_columns),
    }


def as_row(found: RowDifference) -> dict[str, Any]:
    """A differing row: {difference, key, ...}, with whole rows, or the values that differ."""
    shown: dict[str, Any] = {"difference": found.kind, "key": dict(found.key)}
    if found.copies > 1:
        shown["rows"] = found.copies
    if found.cells:
        shown["values"] = {
            c.column: {"a": c.a, "b": c.b, "kind": c.kind, **({"by": c.by} if c.by else {})} for c in found.cells
        }
    elif found.kind in ("missing", "extra"):
        row = found.a if found.kind == "missing" else found.b
        if row is not None:
            shown["row"] = dict(row)
    return shown


def shortened(shown: Mapping[str, Any], longest: int) -> dict[str, Any]:
    """The same with long values cut, for reports and terminals."""
    return {n: _short(v, longest) for n, v in shown.items()}


def _short(value: Any, longest: int) -> Any:
    if isinstance(value, str) and len(value) > longest:
        return f"{value[: longest - 1]}…"
    if isinstance(value, Mapping):
        return shortened(value, longest)
    return value


def lines(found: Comparison) -> Sequence[str]:
    """What is to be known beside the counts."""
    said = []
    for name, side, other in (("A", found.a, "B"), ("B", found.b, "A")):
        if side.only_columns and not found.references:
            said.append(f"only {name} has {', '.join(side.only_columns)}: not compared with {other}")
        if side.null_keys:
            said.append(
                f"{side.null_keys:,} rows of {name} have no {'reference' if found.references and name == 'A' else 'key'} (NULL)"
            )
        if side.duplicates:
            said.append(f"{side.duplicates:,} keys of {name} have several rows, where rows were looked into")
    return said
