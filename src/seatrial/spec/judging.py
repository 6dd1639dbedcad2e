"""What decides about a load: when it is aborted, what it is compared with, and the search for the highest rate."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from ..core.errors import Problem
from ..core.expressions import Expression, Scope, Type
from ..core.expressions.syntax import Path as Name
from ..core.expressions.syntax import walk
from ..core.load_plans import AbortRule, SearchPlan
from ..core.plan import LoadStep, Step
from ..core.quantities import Quantity, format_duration
from ..core.shapes import CONDITION, DURATION, RATE, RATIO, TEXT, Field, Shape, ShapeKind, list_of, record, union
from .keys import SOME_TIME
from .nodes import Mapping as MappingNode
from .nodes import Node, Scalar, is_dir
from .reading import BAD, Bad, Place, Reader

LAST_GOOD = "last-good"
SECOND = 1_000_000_000
AFTER_NS, FOR_NS, PROBE_NS, RESOLUTION = 5 * SECOND, 3 * SECOND, 5 * SECOND, 0.05
_FIRST = 1e-3  # requests a second: the least that a search begins with
_ABORT = record(
    {
        "when": Field(shape=CONDITION, required=True, doc="Over its last 5 s.", example="errors > 10%"),
        "after": Field(shape=DURATION, doc="Not looked at before this time (5s, or its warm-up).", example="5s"),
        "for": Field(shape=DURATION, doc="How long it must go on being true (3s).", example="3s"),
    },
    doc="an abort",
)
_SEARCH: Mapping[str, Field] = {
    "from": Field(shape=replace(RATE, least=_FIRST), required=True, doc="Where it begins.", example="50/s"),
    "to": Field(shape=replace(RATE, least=_FIRST), required=True, doc="Where it ends at the latest.", example="5000/s"),
    "while": Field(
        shape=list_of(CONDITION), required=True, doc="What must hold at a rate.", example="[p95 < 200ms, errors < 1%]"
    ),
    "for": Field(shape=SOME_TIME, doc="How long a rate is tried, after the warm-up (5s).", example="5s"),
    "resolution": Field(shape=replace(RATIO, least=1e-3), doc="How exactly (5%).", example="5%"),
}
JUDGING: Mapping[str, Field] = {
    "abort": Field(
        shape=list_of(union(CONDITION, _ABORT)),
        default=(),
        doc="Conditions over its last 5 s, looked at each second, that stop it at once.",
        example="[{when: errors > 10%, after: 5s, for: 3s}, p95 > 2s]",
    ),
    "baseline": Field(
        shape=TEXT,
        doc="What `change` compares it with: a file of `seatrial baseline keep`, or last-good.",
        example=LAST_GOOD,
    ),
    "search": Field(
        shape=Shape(kind=ShapeKind.RECORD, fields=_SEARCH, doc="a search"),
        doc="Looks for the highest rate at which conditions hold, instead of a rate.",
        example="{from: 50/s, to: 5000/s, while: [p95 < 200ms, errors < 1%]}",
    ),
}
# What is known of the last seconds; the others need the whole of a load, or a fault.
LATELY = (
    "p50", "p90", "p95", "p99", "p999", "max", "errors", "rate", "offered", "served", "due", "ok", "failed", "bytes", "lag", "cpu", "tag",
)  # fmt: skip
_NOT_PROBED = ("before", "during", "after", "change", "capacity")


class Judging:
    """Reads the keys of JUDGING. `metrics`: all that the load has, as a record."""

    def __init__(self, reader: Reader, metrics: Mapping[str, Type], directory: Path) -> None:
        self._reader = reader
        self._metrics = metrics
        self._directory = directory

    def place(self, key: str) -> Place:
        """Where conditions of a key stand."""
        if key == "abort":
            return Place(scope=Scope(names={n: t for n, t in self._metrics.items() if n in LATELY}))
        return Place(scope=Scope(names={n: t for n, t in self._metrics.items() if n not in _NOT_PROBED}))

    def abort(self, node: MappingNode, warm_up_ns: int) -> tuple[AbortRule, ...] | None:
        """The conditions that stop it; None after a problem."""
        given = node.get("abort")
        if given is None:
            return ()
        before = len(self._reader.problems)
        found = self._reader.read(given, JUDGING["abort"].shape, self.place("abort"))
        if len(self._reader.problems) > before:
            return None
        after = max(AFTER_NS, warm_up_ns)
        return tuple(self._rule(rule, after) for rule in found)

    @staticmethod
    def _rule(rule: Any, after_ns: int) -> AbortRule:
        if isinstance(rule, Expression):
            return AbortRule(when=rule, after_ns=after_ns, for_ns=FOR_NS)
        return AbortRule(
            when=rule["when"],
            after_ns=int(rule["after"].value) if isinstance(rule["after"], Quantity) else after_ns,
            for_ns=int(rule["for"].value) if isinstance(rule["for"], Quantity) else FOR_NS,
        )

    def baseline(self, node: MappingNode) -> str | None:
        """last-good, a file, or nothing; None after a problem. A file need not be there yet: who compares with it says so."""
        given = node.get("baseline")
        if given is None:
            return ""
        text = self._reader.read(given, TEXT, Place(literal=True))
        if not isinstance(text, str) or not text:
            if text is not BAD:
                self._reader.wrong(given, "a baseline has a name", f"a file, or {LAST_GOOD}")
            return None
        if is_dir(self._directory / text):
            hint = "seatrial baseline keep TRIAL --to FILE makes the file"
            self._reader.wrong(given, f"{text} is a directory, not a file of samples", hint)
            return None
        return text

    def search(self, node: MappingNode, window_ns: int) -> SearchPlan | None:
        """The search of a load that has one, with windows of `window_ns`; None after a problem."""
        given = node.get("search")
        if given is None or not self._alone(node):
            return None
        before = len(self._reader.problems)
        found = self._reader.fields(given, _SEARCH, self.place("search"), what="a search")
        if isinstance(found, Bad) or len(self._reader.problems) > before:
            return None
        lowest, highest = found["from"].value, found["to"].value
        if lowest >= highest:
            place = given.entries["to"].value if isinstance(given, MappingNode) else given
            self._reader.wrong(place, f"a search goes up, not from {found['from']} to {found['to']}", "to: 5000/s")
            return None
        if not found["while"]:
            self._reader.wrong(given, "a search without a condition never ends", "while: [p95 < 200ms, errors < 1%]")
            return None
        for_ns = int(found["for"].value) if isinstance(found["for"], Quantity) else PROBE_NS
        if window_ns > for_ns and any(_windowed(c) for c in found["while"]):
            window, long = (format_duration(ns) for ns in (window_ns, for_ns))
            message = f"worst is the worst {window} of a load, and a rate is tried for {long}: it would never be known"
            place = given.entries["while"].value if isinstance(given, MappingNode) else given
            self._reader.wrong(place, message, f"window: {long} in the load, or for: {window} in the search")
            return None
        return SearchPlan(
            lowest=lowest,
            highest=highest,
            conditions=found["while"],
            for_ns=for_ns,
            resolution=found["resolution"].value if isinstance(found["resolution"], Quantity) else RESOLUTION,
        )

    def _alone(self, node: MappingNode) -> bool:
        """Whether nothing beside the search says what is sent, or when it ends."""
        words = {
            "for": "how long a rate is tried stands in the search",
            "think": "a search has no users",
            "abort": "a search ends each of its probes by itself",
            "baseline": "a search sends no two times the same",
        }
        for name, why in words.items():
            if name in node.entries:
                self._reader.wrong(node.entries[name].key, f"{name} and search do not go together: {why}")
                return False
        return True


def _windowed(condition: Expression) -> bool:
    """Whether it speaks of the worst window."""
    return any(isinstance(n, Name) and n.root == "worst" for n in walk(condition.tree))


def named_by(node: Node | None, key: str) -> frozenset[str]:
    """The loads that have a key, as they are written: what other parts have to know before loads are read."""
    entries = node if isinstance(node, MappingNode) else ()
    return frozenset(k.text for k, child in entries if isinstance(child, MappingNode) and key in child.entries)


def is_judged(reader: Reader, node: MappingNode, warm_up_ns: int, for_ns: int | None) -> bool:
    """Whether something is left of a load after its warm-up, both as they are scaled. Says so where nothing is."""
    if for_ns is None or warm_up_ns < for_ns:
        return True
    long, warm_up = (format_duration(ns) for ns in (for_ns, warm_up_ns))
    message = f"nothing is judged: the load takes {long}, its warm-up {warm_up}"
    reader.wrong(node.entries["warm-up"].value, message, "a shorter warm-up, or a longer load")
    return False


def no_search_in_setup(reader: Reader, setup: Sequence[Step]) -> None:
    """What is found in setup is in no report. Says so at each search that stands there."""
    for step in setup:
        if isinstance(step, LoadStep) and step.load in reader.known.searching:
            message = f"{step.load} searches for a capacity: in setup nobody would see what it finds"
            hint = f"a step of a scenario: {{load: {step.load}}}"
            reader.problems.append(Problem(message=message, position=step.position, hint=hint))


def is_search_throughout(reader: Reader, node: Node | None, names: tuple[str, ...]) -> None:
    """A search ends by itself: it cannot run throughout anything. Says so where it is named."""
    items = getattr(node, "items", (node,)) if node is not None else ()
    for item in items:
        if isinstance(item, Scalar) and item.text in names and item.text in reader.known.searching:
            reader.wrong(
                item, f"{item.text} searches for a capacity: it ends by itself", f"a step: {{load: {item.text}}}"
            )
