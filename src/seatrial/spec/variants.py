"""Variants: overlays on the stack and the spec, and what must turn red."""

from __future__ import annotations

from pathlib import Path

from ..core.errors import UsageError
from ..core.plan import RedEvidence, Variant
from ..core.shapes import ANY, IDENTIFIER, TEXT, Field, choice, list_of, mapping_of, record, union
from ..core.verdicts import Verdict
from .nodes import Mapping as MappingNode
from .nodes import Node, read_file
from .reading import BAD, Bad, Place, Reader

RED = union(
    TEXT,
    record(
        {
            "evidence": Field(shape=TEXT, default="", doc="What its evidence must say."),
            "verdict": Field(shape=choice("FAIL", "INCONCLUSIVE"), default="FAIL", doc="What it must turn into."),
        },
        doc="what must turn red",
    ),
)
VARIANT = {
    "variant": Field(shape=IDENTIFIER, required=True, doc="Its name.", example="standby-missing"),
    "title": Field(shape=TEXT, required=True, doc="What is wrong with it."),
    "why": Field(shape=TEXT, default="", doc="What that does to users."),
    "only": Field(shape=list_of(TEXT), default=(), doc="The scenarios that have to run for it."),
    "red": Field(
        shape=mapping_of(RED),
        required=True,
        doc="Ids of findings to what their evidence must say.",
        example="{s/no-loss: gone}",
    ),
    "stack": Field(shape=ANY, doc="Laid over the stack file: mappings merge, null removes."),
    "spec": Field(shape=ANY, doc="Laid over the spec likewise."),
}


def load_variant(path: Path) -> Variant:
    """Read a variant. Raises UsageError with every problem."""
    reader = Reader({})
    node = read_file(path, str(path), reader.problems)
    plain = {n: f for n, f in VARIANT.items() if n not in ("stack", "spec")}
    found = reader.fields(node, plain, Place(), what="a variant", also=("stack", "spec")) if node is not None else BAD
    if reader.problems or isinstance(found, Bad):
        raise UsageError(*reader.problems)
    red = {i: _red(e) for i, e in found["red"].items()}
    return Variant(
        name=found["variant"], title=found["title"], why=found["why"], file=path, red=red, only=tuple(found["only"])
    )


def _red(given: object) -> RedEvidence:
    if isinstance(given, dict):
        return RedEvidence(evidence=str(given["evidence"]), verdict=Verdict(given["verdict"]))
    return RedEvidence(evidence=str(given))


def overlay_of(path: Path, reader: Reader) -> tuple[Node | None, Node | None]:
    """The overlays on the stack and on the spec."""
    node = read_file(path, str(path), reader.problems)
    if not isinstance(node, MappingNode):
        return None, None
    return node.get("stack"), node.get("spec")
