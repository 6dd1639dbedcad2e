"""Requirements: lines of a Markdown file, or a mapping in the spec."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

from ..core.expressions import did_you_mean
from ..core.expressions.problems import listing
from ..core.plan import Requirement
from ..core.shapes import TEXT, Field, list_of, mapping_of
from ..core.verdicts import Severity
from .nodes import Mapping as MappingNode
from .nodes import Node, Scalar, Source, shorten
from .reading import Bad, Place, Reader
from .steps import SEVERITY

_LINE = re.compile(
    r"\s*[-*]\s+(?:\[[ x]\]\s+)?(?P<id>[A-Z][A-Z0-9]*-\d+[A-Za-z]?)\s+(?:(?P<tag>[A-Z])\s+)?(?P<text>\S.*)"
)
_TAGS = {"B": Severity.BLOCKING, "N": Severity.WARNING, "I": Severity.INFORMATIONAL}
_ENTRY = {
    "text": Field(shape=TEXT, required=True, doc="What is wanted."),
    "severity": Field(shape=SEVERITY, default=Severity.BLOCKING.value, doc="Only blocking ones decide."),
    "applies": Field(shape=list_of(TEXT), default=(), doc="Platforms it is in scope on (all, where left out)."),
}
FILE = {
    "file": Field(shape=TEXT, required=True, doc='A Markdown file with lines "- ID text".', example="requirements.md"),
    "applies": Field(shape=mapping_of(list_of(TEXT)), default={}, doc="Platform to ids: in scope there only."),
    "not-covered": Field(shape=mapping_of(TEXT), default={}, doc="Id to reason: known to be open."),
    "severity": Field(shape=mapping_of(SEVERITY), default={}, doc="Id to severity."),
}


def read_requirements(reader: Reader, node: Node | None, directory: Path, files: list[Path]) -> dict[str, Requirement]:
    """All requirements by id; their nodes go into `reader.known` for messages."""
    if node is None:
        return {}
    if isinstance(node, Scalar):
        return _from_file(reader, node, directory, files)
    if not isinstance(node, MappingNode):
        reader.wrong(node, "requirements are a file, or a mapping of ids to texts", "requirements: requirements.md")
        return {}
    if "file" in node.entries:
        return _refined(reader, node, directory, files)
    found = {}
    for key, child in node:
        reader.known.requirements[key.text] = key
        if isinstance(child, Scalar):
            text = reader.text(child)
            found[key.text] = Requirement(id=key.text, text=text if isinstance(text, str) else "")
            continue
        entry = reader.fields(child, _ENTRY, Place(), what="a requirement")
        if not isinstance(entry, Bad) and isinstance(entry["text"], str):
            severity = Severity(entry["severity"]) if isinstance(entry["severity"], str) else Severity.BLOCKING
            found[key.text] = Requirement(
                id=key.text, text=entry["text"], severity=severity, applies=tuple(entry["applies"])
            )
    return found


def _refined(reader: Reader, node: MappingNode, directory: Path, files: list[Path]) -> dict[str, Requirement]:
    fields = reader.fields(node, FILE, Place(), what="requirements")
    file = node.get("file")
    if isinstance(fields, Bad) or not isinstance(file, Scalar):
        return {}
    found = _from_file(reader, file, directory, files)
    for platform, ids in fields["applies"].items():
        for id_ in ids:
            if _known(reader, node, "applies", id_, found):
                found[id_] = replace(found[id_], applies=(*found[id_].applies, platform))
    for id_, reason in fields["not-covered"].items():
        if _known(reader, node, "not-covered", id_, found):
            found[id_] = replace(found[id_], open_reason=str(reason) or "not covered yet")
    for id_, severity in fields["severity"].items():
        if _known(reader, node, "severity", id_, found):
            found[id_] = replace(found[id_], severity=Severity(severity))
    return found


def _known(reader: Reader, node: MappingNode, key: str, id_: str, found: dict[str, Requirement]) -> bool:
    if id_ in found:
        return True
    if found:
        place = node.get(key)
        inner = place.entries[id_].key if isinstance(place, MappingNode) and id_ in place.entries else place
        reader.wrong(
            inner or node,
            f"unknown requirement {shorten(id_)}",
            f"there are: {listing(found, 8)}. {did_you_mean(id_, found)}".rstrip(),
        )
    return False


def _from_file(reader: Reader, node: Scalar, directory: Path, files: list[Path]) -> dict[str, Requirement]:
    text = reader.text(node)
    if isinstance(text, Bad):
        return {}
    path = directory / text
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except OSError as error:
        reader.wrong(node, f"{path}: {(error.strerror or str(error)).lower()}")
        return {}
    files.append(path)
    found = _parse(reader, lines, Source(name=str(path), lines=lines))
    if not found:
        reader.wrong(node, f"{path} has no requirements", 'lines like "- JS-08 PostgreSQL fails over in 30 s"')
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
