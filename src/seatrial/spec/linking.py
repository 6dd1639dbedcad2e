"""The links of a stack: between which services there are any."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from ..core.expressions import did_you_mean
from ..core.expressions.problems import listing
from ..core.links import KIND, OUTSIDE, link_name
from ..core.shapes import TEXT, Field, choice, list_of, union
from ..core.stack import ServicePlan
from .nodes import Node, Sequence, shorten
from .reading import Reader

LINKS = union(choice("all"), list_of(TEXT))
LINKS_FIELD = Field(
    shape=LINKS,
    doc="Ways between services that faults can hit, each through a port of its own: client -> service (`clients -> web` for those "
    "from outside), or `all`: from each service to those that it depends on.",
    example="[web -> postgres]",
)


def read_links(
    reader: Reader, node: Node, given: str | tuple[str, ...], plans: Mapping[str, ServicePlan]
) -> dict[str, ServicePlan]:
    """Links as services, and their clients, who start after them."""
    pairs: list[tuple[Node, str, str]] = []
    if isinstance(given, str):
        pairs = [(node, name, to) for name, plan in plans.items() for to in plan.after if to in plans]
    else:
        items = node.items if isinstance(node, Sequence) else [node]
        pairs = [
            pair
            for item, text in zip(items, given, strict=True)
            if (pair := _link(reader, item, text, plans)) is not None
        ]
    made: dict[str, ServicePlan] = {}
    for place, client, to in pairs:
        name, info = link_name(client, to), reader.known.services[to]
        if name in made:
            reader.wrong(place, f"the link {name} stands here twice", "leave one out")
        reader.known.services[name] = replace(info, name=name, kind=KIND)
        made[name] = ServicePlan(
            name=name,
            kind=KIND,
            arguments={"from": client, "to": to},
            after=(to,),
            optional=plans[to].optional,
            position=place.position(),
        )
        if client in plans:
            before = made.get(client, plans[client])
            made[client] = replace(before, after=(*before.after, name))
    return made


def _link(reader: Reader, node: Node, text: str, plans: Mapping[str, ServicePlan]) -> tuple[Node, str, str] | None:
    """The ends of one that is written out."""
    client, arrow, to = (part.strip() for part in text.partition("->"))
    if not arrow or not client or not to:
        reader.wrong(node, f"{shorten(text)} is no link", "client -> service, for example web -> postgres")
        return None
    for end, known in ((client, (*plans, OUTSIDE)), (to, tuple(plans))):
        if end not in known:
            hint = f"services: {listing(known, 30)}. {did_you_mean(end, known)}".rstrip()
            place = text.rfind(end) if end == to else 0
            reader.wrong(node, f"unknown service {shorten(end)}", hint, place, len(end))
            return None
    if client == to:
        reader.wrong(node, f"{client} needs no link to itself", "client -> service")
        return None
    return node, client, to
