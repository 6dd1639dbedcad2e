"""`foreach`: scenarios and steps that stand for several, one for each value of a list; several lists for all combinations.

Done on nodes, before anything is read: a place {{ name }} may stand wherever text may, also in `at` and in names.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator
from dataclasses import replace

from .nodes import Entry, Mapping, Node, Scalar, Sequence, describe, shorten
from .reading import Bad, Reader

KEY = "foreach"
_PLACE = re.compile(r"\{\{\s*([A-Za-z_][A-Za-z0-9_-]*)((?:\.[A-Za-z0-9_-]+)*)\s*\}\}")
_NO_NAME = re.compile(r"[^A-Za-z0-9_]+")
_MOST = 1000  # of one foreach
Values = dict[str, Node]


class Repeats:
    """Writes out what stands for several."""

    def __init__(self, reader: Reader) -> None:
        self._reader = reader
        self._groups: dict[str, list[str]] = {}  # a scenario to those that it stands for

    def spec(self, root: Mapping) -> Mapping:
        """A spec with all of it written out."""
        entries = dict(root.entries)
        for name in ("setup", "scenarios"):
            if name in entries:
                value = entries[name].value
                written = self._scenarios(value) if name == "scenarios" else self._steps(value)
                entries[name] = Entry(key=entries[name].key, value=written)
        return replace(root, entries=entries)

    def _scenarios(self, node: Node) -> Node:
        if not isinstance(node, Mapping):
            return node
        entries: dict[str, Entry] = {}
        for name, entry in node.entries.items():
            for key, value in self._scenario(entry):
                if key.text in entries:
                    self._reader.wrong(
                        key, f"there are two scenarios {key.text}", "values that make names of their own"
                    )
                entries[key.text] = Entry(key=key, value=value)
                self._groups.setdefault(name, []).append(key.text)
        return self._with_needs(replace(node, entries=entries))

    def _scenario(self, entry: Entry) -> Iterator[tuple[Scalar, Node]]:
        scenario = entry.value
        if not isinstance(scenario, Mapping) or KEY not in scenario.entries:
            yield entry.key, self._with_steps(scenario)
            return
        rest = replace(scenario, entries={n: e for n, e in scenario.entries.items() if n != KEY})
        for values in self._combinations(scenario.entries[KEY].value):
            suffix = "-".join(_word(v) for v in values.values())
            written = self._filled(rest, values)
            yield replace(entry.key, text=f"{entry.key.text}-{suffix}", exact=False), self._with_steps(written)

    def _with_steps(self, scenario: Node) -> Node:
        if not isinstance(scenario, Mapping):
            return scenario
        entries = dict(scenario.entries)
        for name in ("steps", "finally"):
            if name in entries:
                entries[name] = Entry(key=entries[name].key, value=self._steps(entries[name].value))
        return replace(scenario, entries=entries)

    def _steps(self, node: Node) -> Node:
        if not isinstance(node, Sequence):
            return node
        return replace(node, items=[step for item in node.items for step in self._step(item)])

    def _step(self, item: Node) -> Iterator[Node]:
        if not isinstance(item, Mapping) or KEY not in item.entries:
            yield item
            return
        steps = item.get("steps")
        for key, _ in item:
            if key.text not in (KEY, "steps"):
                self._reader.unknown_key(key, (KEY, "steps"), "a foreach")
        if not isinstance(steps, Sequence):
            self._reader.wrong(item, "a foreach among steps has steps", "{foreach: {at: [web, worker]}, steps: [...]}")
            return
        for values in self._combinations(item.entries[KEY].value):
            written = self._steps(self._filled(steps, values))
            yield from written.items if isinstance(written, Sequence) else ()

    def _combinations(self, node: Node) -> list[Values]:
        """Every combination of values, the last name fastest."""
        if not isinstance(node, Mapping) or not node.entries:
            self._reader.wrong(
                node, f"foreach is a mapping of names to lists, not {describe(node)}", "foreach: {at: [a, b]}"
            )
            return []
        lists: list[list[Node]] = []
        for key, value in node:
            if not isinstance(value, Sequence) or not value.items:
                self._reader.wrong(value, f"{key.text} goes through a list, not {_what(value)}", f"{key.text}: [a, b]")
                return []
            lists.append(value.items)
        count = 1
        for items in lists:
            count *= len(items)
        if count > _MOST:
            self._reader.wrong(node, f"a foreach of {count:,}", f"at most {_MOST:,}")
            return []
        return [dict(zip(node.entries, items, strict=True)) for items in itertools.product(*lists)]

    def _filled(self, node: Node, values: Values) -> Node:
        """A copy with the values at their places."""
        if isinstance(node, Mapping):
            entries: dict[str, Entry] = {}
            for key, value in node:
                named = self._scalar(key, values)
                name = named if isinstance(named, Scalar) else key
                entries[name.text] = Entry(key=name, value=self._filled(value, values))
            return replace(node, entries=entries)
        if isinstance(node, Sequence):
            return replace(node, items=[self._filled(item, values) for item in node.items])
        return self._scalar(node, values) if isinstance(node, Scalar) else node

    def _scalar(self, node: Scalar, values: Values) -> Node:
        whole = _PLACE.fullmatch(node.text.strip())
        if whole is not None and whole[1] in values:
            found = self._value(node, whole, values)
            return node if isinstance(found, Bad) else _at(found, node)
        used = False

        def put(match: re.Match[str]) -> str:
            nonlocal used
            if match[1] not in values:
                return match[0]
            used = True
            found = self._value(node, match, values)
            if isinstance(found, Bad):
                return match[0]
            if not isinstance(found, Scalar):
                self._reader.wrong(
                    node, f"{match[0]} is {describe(found)}: it cannot stand in a text", "one of its keys"
                )
                return match[0]
            return found.text

        text = _PLACE.sub(put, node.text)
        return replace(node, text=text, exact=False) if used else node

    def _value(self, node: Scalar, match: re.Match[str], values: Values) -> Node | Bad:
        found = values[match[1]]
        for name in filter(None, match[2].split(".")):
            inner = found.get(name) if isinstance(found, Mapping) else None
            if inner is None:
                known = ", ".join(found.entries) if isinstance(found, Mapping) else "none"
                return self._reader.wrong(node, f"{match[1]} has no {shorten(name)}", f"it has: {known}")
            found = inner
        return found

    def _with_needs(self, scenarios: Mapping) -> Mapping:
        """Who needs, or comes after, a scenario that stands for several does so of them all."""
        entries = {}
        for name, entry in scenarios.entries.items():
            value = entry.value
            for key in ("needs", "after"):
                value = self._with_all(value, key)
            entries[name] = Entry(key=entry.key, value=value)
        return replace(scenarios, entries=entries)

    def _with_all(self, scenario: Node, key: str) -> Node:
        given = scenario.entries.get(key) if isinstance(scenario, Mapping) else None
        if not isinstance(scenario, Mapping) or given is None:
            return scenario
        at = given.value
        written = [n for i in (at.items if isinstance(at, Sequence) else [at]) for n in self._named(i)]
        listed = Sequence(source=at.source, line=at.line, column=at.column, items=written)
        return replace(scenario, entries={**scenario.entries, key: Entry(key=given.key, value=listed)})

    def _named(self, item: Node) -> list[Node]:
        names = self._groups.get(item.text) if isinstance(item, Scalar) else None
        if names is None or not isinstance(item, Scalar):
            return [item]
        return [replace(item, text=n, exact=n == item.text) for n in names]


def _what(node: Node) -> str:
    return "an empty one" if isinstance(node, Sequence) else describe(node)


def _word(node: Node) -> str:
    """What a value adds to a name: of a mapping its first text."""
    if isinstance(node, Mapping):
        first = next((v for _, v in node if isinstance(v, Scalar)), None)
        return _word(first) if first is not None else "x"
    return _NO_NAME.sub("-", node.text).strip("-") or "x" if isinstance(node, Scalar) else "x"


def _at(node: Node, place: Scalar) -> Node:
    """The value, where it is used: what is wrong with it is shown there."""
    moved = replace(node, source=place.source, line=place.line, column=place.column, length=place.length)
    return replace(moved, exact=False) if isinstance(moved, Scalar) else moved
