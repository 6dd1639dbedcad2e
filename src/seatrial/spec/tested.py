"""What belongs to what is tested (`tested:`, `paths:`), and who answers for what does not pass (`waivers:`)."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from pathlib import PurePosixPath
from typing import Any

from ..core.fingerprints import UNCHANGED
from ..core.plan import FilesTested, Plan
from ..core.quantities import Quantity
from ..core.shapes import SIZE, TEXT, Field, list_of
from ..core.waivers import Waiver
from .coverage import finding_ids
from .nodes import Mapping as MappingNode
from .nodes import Node, Scalar, Sequence, describe, shorten
from .reading import Bad, Place, Reader

TESTED: Mapping[str, Field] = {
    "also": Field(
        shape=list_of(TEXT),
        default=(),
        doc="Files, directories and patterns, relative to the spec, beside those that services run from.",
        example="[shared, config/*.toml]",
    ),
    "ignore": Field(
        shape=list_of(TEXT),
        default=(),
        doc="Names and patterns of what is written while it runs.",
        example="[uploads, '*.sqlite3']",
    ),
    "most": Field(shape=SIZE, doc="Hashed at most (1 GiB); the rest is told apart by size and time.", example="4 GiB"),
}
WAIVER: Mapping[str, Field] = {
    "finding": Field(shape=TEXT, required=True, doc="Its id.", example="postgres-failover/back"),
    "by": Field(shape=TEXT, required=True, doc="Who answers for it.", example="Ada Lovelace"),
    "reason": Field(
        shape=TEXT, required=True, doc="Why it may be so for now.", example="OPS-123: the standby moves in May"
    ),
    "expires": Field(shape=TEXT, required=True, doc="The last day on which it counts (UTC).", example="2027-01-31"),
}


def tested_patterns(reader: Reader, node: Node | None, found: object) -> tuple[str, ...]:
    """Patterns as read; one that is absolute, or empty, is a mistake."""
    if node is None or isinstance(found, Bad) or not isinstance(found, tuple):
        return ()
    items = node.items if isinstance(node, Sequence) else [node]
    for item, text in zip(items, found, strict=False):
        if isinstance(text, str) and (not text or PurePosixPath(text).is_absolute()):
            reader.wrong(
                item, f"{shorten(text)} is no pattern of files", "relative to this file, for example app/**/*.py"
            )
    return tuple(t for t in found if isinstance(t, str))


def read_tested_files(reader: Reader, node: Node | None) -> FilesTested:
    """`tested:`"""
    if node is None:
        return FilesTested()
    found = reader.fields(node, TESTED, Place(literal=True), what="tested")
    if isinstance(found, Bad):
        return FilesTested()
    also = node.get("also") if isinstance(node, MappingNode) else None
    most = found["most"]
    return FilesTested(
        also=tested_patterns(reader, also, found["also"]),
        ignore=() if isinstance(found["ignore"], Bad) else tuple(str(t) for t in found["ignore"]),
        most_bytes=int(most.value) if isinstance(most, Quantity) else FilesTested().most_bytes,
    )


def read_waivers(reader: Reader, node: Node | None, plan: Plan) -> dict[str, Waiver]:
    """By finding; each names one that the plan has."""
    if node is None:
        return {}
    if not isinstance(node, Sequence):
        hint = "waivers: [{finding: failover/back, by: Ada Lovelace, reason: OPS-123, expires: 2027-01-31}]"
        reader.wrong(node, f"waivers are a list, not {describe(node)}", hint)
        return {}
    known = finding_ids(plan)
    found: dict[str, Waiver] = {}
    for item in node.items:
        entry = reader.fields(item, WAIVER, Place(literal=True), what="a waiver")
        if isinstance(entry, Bad) or not isinstance(item, MappingNode):
            continue
        waiver = _waiver(reader, item, entry, known)
        if waiver is not None and waiver.finding in found:
            reader.wrong(item, f"{waiver.finding} is waived twice", "leave one of them out")
        elif waiver is not None:
            found[waiver.finding] = waiver
    return found


def _waiver(reader: Reader, item: MappingNode, entry: Mapping[str, Any], known: Mapping[str, str]) -> Waiver | None:
    texts = {n: entry[n].strip() for n in WAIVER if isinstance(entry[n], str)}
    for name in ("by", "reason"):
        if texts.get(name) == "":
            reader.wrong(item.get(name) or item, f"a waiver says {'who answers' if name == 'by' else 'why'}")
    expires = _day(reader, item.get("expires"), texts.get("expires"))
    place = item.get("finding")
    if "finding" in texts and isinstance(place, Scalar):
        if texts["finding"] == UNCHANGED:
            reader.wrong(place, f"{UNCHANGED} cannot be waived: without it nobody knows what was tested")
        elif texts["finding"] not in known:
            reader.unknown(place, "finding", texts["finding"], known)
            return None
    if expires is None or len(texts) < len(WAIVER):
        return None
    return Waiver(
        finding=texts["finding"], by=texts["by"], reason=texts["reason"], expires=expires, position=item.position()
    )


def _day(reader: Reader, node: Node | None, text: str | None) -> date | None:
    if text is None or node is None:
        return None
    try:
        return date.fromisoformat(text)
    except ValueError:
        reader.wrong(node, f"{shorten(text)} is no day", "year-month-day, for example 2027-01-31")
        return None
