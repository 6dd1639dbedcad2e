"""Variants: overlays on the stack and the spec, and what must turn red."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from ..core.errors import UsageError
from ..core.expressions import did_you_mean
from ..core.expressions.problems import listing
from ..core.plan import Plan, RedEvidence, Variant
from ..core.shapes import ANY, IDENTIFIER, TEXT, Field, choice, list_of, mapping_of, record, union
from ..core.verdicts import Verdict
from .coverage import finding_ids, with_needs
from .nodes import Mapping as MappingNode
from .nodes import Node, Scalar, Sequence, read_file, shorten
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
    place = Place(literal=True)
    found = reader.fields(node, plain, place, what="a variant", also=("stack", "spec")) if node is not None else BAD
    if isinstance(found, dict) and isinstance(node, MappingNode):
        _says_something(reader, node)
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


def _says_something(reader: Reader, node: MappingNode) -> None:
    """A variant changes something, and something must notice."""
    if not {"stack", "spec"} & set(node.entries):
        reader.wrong(node, "a variant that changes nothing", "stack: {...} or spec: {...}, laid over the original")
    red = node.get("red")
    if isinstance(red, MappingNode) and not red.entries:
        reader.wrong(red, "nothing has to turn red", "red: {scenario/step: what its evidence must say}")


@dataclass(kw_only=True)
class Overlay:
    """A variant's file, as nodes: its overlays on the stack and on the spec, and what it says of findings."""

    stack: Node | None = None
    spec: Node | None = None
    red: Node | None = None
    only: Node | None = None


def overlay_of(path: Path, reader: Reader) -> Overlay:
    """Read a variant's overlays."""
    node = read_file(path, str(path), reader.problems)
    if not isinstance(node, MappingNode):
        return Overlay()
    found = Overlay(stack=node.get("stack"), spec=node.get("spec"), red=node.get("red"), only=node.get("only"))
    for name in ("stack", "spec"):
        part = node.get(name)
        if part is not None and not isinstance(part, MappingNode):
            reader.wrong(part, f"{name} is laid over a mapping, and is one itself", f"{name}: {{...}}")
            setattr(found, name, None)
    return found


def check_overlay(reader: Reader, overlay: Overlay, plan: Plan) -> None:
    """The scenarios that have to run, and the findings that must turn red, exist, and the former bring the latter."""
    scenarios = {s.id: s for s in plan.scenarios}
    items = overlay.only.items if isinstance(overlay.only, Sequence) else [overlay.only]
    names = [i for i in items if isinstance(i, Scalar)]
    for name in names:
        if name.text not in scenarios:
            reader.unknown(name, "scenario", name.text, scenarios)
    findings = finding_ids(plan)
    runs = {"steady", "setup", "trial"} | (with_needs(scenarios, tuple(n.text for n in names)) or set(scenarios))
    for key, _ in overlay.red if isinstance(overlay.red, MappingNode) else ():
        if key.text not in findings:
            near = did_you_mean(key.text, findings)
            own = [f for f in findings if f.partition("/")[0] == key.text.partition("/")[0]]
            hint = f"findings: {listing(own or findings, 12)}. {near}".rstrip()
            reader.wrong(key, f"unknown finding {shorten(key.text)}", hint)
        elif findings[key.text] not in runs:
            hint = f"only: [..., {findings[key.text]}]"
            reader.wrong(key, f"{shorten(key.text)} can never turn red: its scenario does not run", hint)
