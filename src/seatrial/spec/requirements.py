"""Requirements: lines of a Markdown file, or a mapping in the spec."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

from ..core.expressions import did_you_mean
from ..core.expressions.problems import listing
from ..core.plan import Requirement
from ..core.shapes import TEXT, Field, choice, list_of, mapping_of
from ..core.verdicts import Severity
from .keys import SEVERITY
from .nodes import Mapping as MappingNode
from .nodes import Node, Scalar, Source, describe, shorten
from .nodes import Sequence as SequenceNode
from .reading import Bad, Place, Reader

PLATFORMS = ("local", "remote", "compose", "kubernetes")
_LINE = re.compile(
    r"\s*[-*]\s+(?:\[[ x]\]\s+)?(?P<id>[A-Z][A-Z0-9]*-\d+[A-Za-z]?):?\s+(?:(?P<tag>[LKBNI])\s+)?(?P<text>\S.*)"
)
_TAGS = {"B": Severity.BLOCKING, "N": Severity.WARNING, "I": Severity.INFORMATIONAL}
ENTRY = {
    "text": Field(shape=TEXT, required=True, doc="What is wanted."),
    "severity": Field(shape=SEVERITY, default=Severity.BLOCKING.value, doc="Only blocking ones decide."),
    "applies": Field(
        shape=list_of(choice(*PLATFORMS)), default=(), doc="Platforms it is in scope on (all, where left out)."
    ),
}
FILE = {
    "file": Field(shape=TEXT, required=True, doc='A Markdown file with lines "- ID text".', example="requirements.md"),
    "applies": Field(
        shape=mapping_of(list_of(TEXT)),
        default={},
        doc="In scope there only: platform to ids, or id to platforms.",
        example="{kubernetes: [JS-14, JS-15]}",
    ),
    "not-covered": Field(shape=mapping_of(TEXT), default={}, doc="Id to reason: known to be open."),
    "severity": Field(shape=mapping_of(SEVERITY), default={}, doc="Id to severity."),
}


def read_requirements(
    reader: Reader, node: Node | None, directory: Path, shown: Path, files: list[Path]
) -> dict[str, Requirement]:
    """All requirements by id; their nodes go into `reader.known`. `shown` is the directory as messages call it."""
    if node is None:
        return {}
    if isinstance(node, Scalar):
        return _from_file(reader, node, directory, shown, files)
    if not isinstance(node, MappingNode):
        message = f"requirements are a file, or a mapping of ids to texts, not {describe(node)}"
        reader.wrong(node, message, "requirements: requirements.md")
        return {}
    if "file" in node.entries:
        return _refined(reader, node, directory, shown, files)
    found = {}
    for key, child in node:
        reader.known.requirements[key.text] = key
        if isinstance(child, Scalar):
            text = reader.read(child, TEXT, Place(literal=True))
            found[key.text] = Requirement(id=key.text, text=text if isinstance(text, str) else "")
            continue
        entry = reader.fields(child, ENTRY, Place(literal=True), what="a requirement")
        if not isinstance(entry, Bad) and isinstance(entry["text"], str):
            severity = Severity(entry["severity"]) if isinstance(entry["severity"], str) else Severity.BLOCKING
            found[key.text] = Requirement(
                id=key.text,
                text=entry["text"],
                severity=severity,
                applies=() if isinstance(entry["applies"], Bad) else entry["applies"],
            )
        elif not isinstance(entry, Bad):
            found[key.text] = Requirement(id=key.text, text="")
    return found


def _refined(
    reader: Reader, node: MappingNode, directory: Path, shown: Path, files: list[Path]
) -> dict[str, Requirement]:
    fields = reader.fields(node, FILE, Place(literal=True), what="requirements")
    file = node.get("file")
    if isinstance(fields, Bad) or not isinstance(file, Scalar):
        return {}
    found = _from_file(reader, file, directory, shown, files)
    _apply(reader, node.get("applies"), found)
    for name in ("not-covered", "severity"):
        for id_, value in fields[name].items() if not isinstance(fields[name], Bad) else ():
            if not _known(reader, _key(node, name, id_), id_, found):
                continue
            change = {"open_reason": value} if name == "not-covered" else {"severity": Severity(value)}
            found[id_] = replace(found[id_], **change)
            if name == "not-covered" and not value:
                reader.wrong(_key(node, name, id_), f"{id_} is not covered, and nobody knows why", "give the reason")
    return found


def _apply(reader: Reader, node: Node | None, found: dict[str, Requirement]) -> None:
    """`{kubernetes: [JS-14]}` or `{JS-14: [kubernetes]}`."""
    for key, child in node if isinstance(node, MappingNode) else ():
        items = child.items if isinstance(child, SequenceNode) else [child]
        by_platform = key.text in PLATFORMS
        if not by_platform and not _known(reader, key, key.text, found, PLATFORMS):
            continue
        for item in items:
            if not isinstance(item, Scalar):
                continue
            id_, platform = (item.text, key.text) if by_platform else (key.text, item.text)
            if platform not in PLATFORMS:
                hint = f"platforms: {', '.join(PLATFORMS)}. {did_you_mean(platform, PLATFORMS)}".rstrip()
                reader.wrong(item, f"unknown platform {shorten(platform)}", hint)
            elif _known(reader, item, id_, found):
                found[id_] = replace(found[id_], applies=(*found[id_].applies, platform))


def _key(node: MappingNode, *path: str) -> Node:
    """The key at the end of a path."""
    place: Node = node
    for name in path:
        entry = node.entries[name]
        place = entry.key
        if isinstance(entry.value, MappingNode):
            node = entry.value
    return place


def _known(reader: Reader, place: Node, id_: str, found: dict[str, Requirement], besides: tuple[str, ...] = ()) -> bool:
    if id_ in found or not found:  # none at all: that was said already
        return id_ in found
    if besides:
        hint = f"platforms: {', '.join(besides)}. {did_you_mean(id_, [*besides, *found])}".rstrip()
        reader.wrong(place, f"{shorten(id_)} is neither a platform nor a requirement", hint)
        return False
    hint = f"there are: {listing(found, 8)}. {did_you_mean(id_, found)}".rstrip()
    reader.wrong(place, f"unknown requirement {shorten(id_)}", hint)
    return False


def _from_file(reader: Reader, node: Scalar, directory: Path, shown: Path, files: list[Path]) -> dict[str, Requirement]:
    text = reader.read(node, TEXT, Place(literal=True))
    if not isinstance(text, str):
        return {}
    name = str(shown / text)
    try:
        lines = (directory / text).read_text(encoding="utf-8").splitlines()
    except (OSError, ValueError) as error:
        why = (error.strerror or str(error)).lower() if isinstance(error, OSError) else "cannot be read as text"
        reader.wrong(node, f"{name}: {why}")
        return {}
    files.append(directory / text)
    found = _parse(reader, lines, Source(name=name, lines=lines))
    if not found:
        reader.wrong(node, f"{name} has no requirements", 'lines like "- JS-08 PostgreSQL fails over in 30 s"')
    return found


def _parse(reader: Reader, lines: list[str], source: Source) -> dict[str, Requirement]:
    found: dict[str, Requirement] = {}
    last: str | None = None
    for number, line in enumerate(lines, 1):
        match = _LINE.fullmatch(line)
        if match is None:
            continues = last is not None and line[:1] in (" ", "\t") and line.strip()
            if continues and last is not None:
                found[last] = replace(found[last], text=f"{found[last].text} {line.strip()}")
            elif not line.strip() or not line.startswith(" "):
                last = None
            continue
        last = match["id"]
        place = Scalar(
            source=source, line=number, column=match.start("id") + 1, length=len(last), text=last, plain=True
        )
        if last in found:
            reader.wrong(place, f"{last} is here twice", f"first in line {reader.known.requirements[last].line}")
            continue
        reader.known.requirements[last] = place
        found[last] = Requirement(
            id=last, text=match["text"].strip(), severity=_TAGS.get(match["tag"] or "", Severity.BLOCKING)
        )
    return found
