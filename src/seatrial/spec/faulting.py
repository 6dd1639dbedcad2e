"""Steps that break something, and those that mend it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..core.expressions import did_you_mean
from ..core.expressions.problems import listing
from ..core.links import KIND
from ..core.plan import FaultStep, HealStep
from ..core.stack import LINK, Target
from ..core.vocabulary import FaultKind
from .keys import COMMON, UNJUDGED, Scene, fault_fields, ns_of, severity_of
from .nodes import Mapping as MappingNode
from .nodes import Node, Scalar, describe, shorten
from .reading import BAD, Bad

if TYPE_CHECKING:
    from .steps import Steps


def read_fault(steps: Steps, node: MappingNode, scene: Scene) -> FaultStep | None:
    """A fault step; None after a problem."""
    what = node.get("fault")
    kinds = steps.vocabulary.faults
    name = steps.reader.text(what) if isinstance(what, Scalar) else None
    if what is None or not isinstance(name, str) or name not in kinds:
        shown = shorten(name) if isinstance(name, str) else describe(what or node)
        hint = f"faults: {listing(kinds, 30)}. {did_you_mean(str(name), kinds)}".rstrip()
        steps.reader.wrong(what or node, f"unknown fault {shown}", hint)
        return None
    at = node.get("at")
    kind = kinds[name].hitting(link=isinstance(at, Scalar) and LINK.strip() in at.text) or kinds[name]
    found = steps.reader.fields(
        node,
        {**kind.arguments, **fault_fields(kind), **COMMON},
        steps.place(scene),
        what=f"a fault step with {name}",
        also=("fault",),
    )
    if isinstance(found, Bad) or BAD in found.values():
        return None
    id_ = steps.id_of(node, found, scene, name)
    scene.faults.append(id_)
    target: Target = found["at"]
    if not _fits(steps, node.entries["at"].value, kind, target):
        return None
    arguments = {n: found[n] for n in kind.arguments if found[n] not in (None, BAD)}
    wrong = kind.check(arguments) if kind.check is not None else None
    if wrong is not None:
        at = node.entries[wrong.key].value if wrong.key in node.entries else node
        steps.reader.wrong(at, wrong.message, wrong.hint)
        return None
    return FaultStep(
        id=id_,
        title=str(found["title"] or f"{name} {target}"),
        covers=tuple(found["covers"] or ()),
        severity=severity_of(found, scene),
        position=node.position(),
        fault=name,
        at=target,
        arguments=arguments,
        hold_ns=ns_of(found.get("hold")),
        within_ns=ns_of(found["within"]),
        for_ns=ns_of(found["for"]),
    )


def _fits(steps: Steps, node: Node, kind: FaultKind, target: Target) -> bool:
    """Whether what is named can be hit so: a link has no process, and an instance is no link."""
    info = steps.reader.known.services.get(target.service)
    if info is None or kind.on_links == (info.kind == KIND):
        return True
    fitting = [n for n, k in steps.vocabulary.faults.items() if k.hitting(link=not kind.on_links) is not None]
    if kind.on_links:
        links = [n for n, s in steps.reader.known.services.items() if s.kind == KIND]
        hint = f"links: {listing(links, 30) or 'none; links: [web -> postgres] in the stack file makes one'}"
        steps.reader.wrong(node, f"{kind.name} hits a link, and {target.service} is a service", hint)
    else:
        hint = f"faults of a link: {listing(fitting, 30) or 'none'}"
        steps.reader.wrong(node, f"{kind.name} hits instances, and {target.service} is a link", hint)
    return False


def read_heal(steps: Steps, node: MappingNode, scene: Scene) -> HealStep | None:
    """A heal step; None after a problem."""
    found = steps.reader.fields(node, UNJUDGED, steps.place(scene), what="a heal step", also=("heal",))
    what = node.get("heal")
    name = steps.reader.text(what) if isinstance(what, Scalar) else None
    if isinstance(found, Bad) or what is None or not isinstance(name, str):
        steps.reader.wrong(what or node, "heal names the id of a fault step, or all", "for example heal: kill-primary")
        return None
    if name != "all" and name not in scene.faults:
        known = ["all", *scene.faults]
        hint = f"faults before it: {listing(scene.faults) or 'none'}. {did_you_mean(name, known)}".rstrip()
        steps.reader.wrong(what, f"no fault {shorten(name)} before this step: it can never be reached", hint)
        return None
    id_ = steps.id_of(node, found, scene, f"heal-{name}")
    title = str(found["title"] or f"heal {name}")
    fault = None if name == "all" else name
    return HealStep(id=id_, title=title, severity=severity_of(found, scene), position=node.position(), fault=fault)
