"""`include`: parts of a spec in files of their own, as if they stood in it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from .nodes import Entry, Mapping, Node, Scalar, Sequence, describe, is_file, read_file, shorten
from .reading import Reader

KEY = "include"
_LISTS = (
    "setup",
    "throughout",
    "python",
    "waivers",
)  # one after the other; mappings are put together, everything else stands once


class Includes:
    """Reads files that a spec includes, and those that they include. `files`: all of them; paths are relative to who includes."""

    def __init__(self, reader: Reader, root: Path) -> None:
        self._reader = reader
        self._open = [root.resolve()]
        self.files: list[Path] = []

    def resolve(self, node: Node, path: Path) -> Node:
        """The node of a file with what it includes, and without the key."""
        if not isinstance(node, Mapping) or KEY not in node.entries:
            return node
        given = node.entries[KEY].value
        own = replace(node, entries={n: e for n, e in node.entries.items() if n != KEY})
        items = given.items if isinstance(given, Sequence) else [given]
        for item in items:
            part = self._part(item, path)
            if part is not None:
                own = self._join(own, part)
        return own

    def _part(self, item: Node, path: Path) -> Mapping | None:
        if not isinstance(item, Scalar) or not item.text:
            self._reader.wrong(item, f"include names files, not {describe(item)}", "include: [smoke.yaml]")
            return None
        file = path.parent / item.text
        if not is_file(file):
            self._reader.wrong(item, f"there is no file {shorten(item.text)}", f"beside {path.name}")
            return None
        if file.resolve() in self._open:
            self._reader.wrong(item, f"{item.text} includes itself", "leave it out")
            return None
        self.files.append(file)
        found = read_file(file, str(file), self._reader.problems)
        if found is None:
            return None
        self._open.append(file.resolve())
        found = self.resolve(found, file)
        self._open.pop()
        if not isinstance(found, Mapping):
            self._reader.wrong(found, f"a part of a spec is a mapping, not {describe(found)}", "scenarios: {...}")
            return None
        return found

    def _join(self, own: Mapping, part: Mapping) -> Mapping:
        entries = dict(own.entries)
        for name, entry in part.entries.items():
            mine = entries.get(name)
            if mine is None:
                entries[name] = entry
            elif name == "seatrial":
                continue  # each may say which language it is in
            elif isinstance(mine.value, Mapping) and isinstance(entry.value, Mapping):
                entries[name] = Entry(key=mine.key, value=self._together(name, mine.value, entry.value))
            elif name in _LISTS:
                items = [
                    i for e in (entry, mine) for i in (e.value.items if isinstance(e.value, Sequence) else [e.value])
                ]
                entries[name] = Entry(key=mine.key, value=_sequence(mine.value, items))
            else:
                self._twice(entry.key, name, mine.key)
        return replace(own, entries=entries)

    def _together(self, part: str, mine: Mapping, other: Mapping) -> Mapping:
        entries = dict(mine.entries)
        for name, entry in other.entries.items():
            if name in entries:
                self._twice(entry.key, f"{part}: {name}", entries[name].key)
            else:
                entries[name] = entry
        return replace(mine, entries=entries)

    def _twice(self, key: Scalar, what: str, first: Scalar) -> None:
        where = first.position()
        self._reader.wrong(key, f"{what} stands here twice", f"also in {where.file}:{where.line}")


def _sequence(node: Node, items: list[Node]) -> Sequence:
    return Sequence(source=node.source, line=node.line, column=node.column, length=node.length, items=items)
