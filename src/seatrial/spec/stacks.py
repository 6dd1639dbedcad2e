"""The stack: services in a stack file or in the spec, or endpoints that run elsewhere."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from ..core.expressions import Scope, Type, did_you_mean
from ..core.expressions.problems import listing
from ..core.plan import CheckPlan
from ..core.shapes import BOOLEAN, REQUEST, TEXT, Field, list_of, mapping_of
from ..core.stack import ServicePlan, StackPlan
from ..core.templates import Template, TemplateError, template_names
from ..core.vocabulary import ServiceKind, Vocabulary
from .keys import OWN_NAMES, Scene
from .linking import LINKS_FIELD, read_links
from .nodes import Mapping as MappingNode
from .nodes import Node, Scalar, Sequence, describe, shorten
from .reading import BAD, Bad, Place, Reader, ServiceInfo
from .saves import circle
from .steps import Steps, is_loopback
from .tested import tested_patterns

STACK = Type.record({"directory": Type.TEXT, "name": Type.TEXT})
SERVICE: Mapping[str, Field] = {
    "kind": Field(shape=TEXT, doc="What it is; `process` where a command is given.", example="postgres"),
    "after": Field(shape=list_of(TEXT), default=(), doc="Services that must be ready before it starts."),
    "ready": Field(
        shape=REQUEST, doc="A check at each instance that says when it is ready.", example="{http: GET /readyz}"
    ),
    "optional": Field(
        shape=BOOLEAN,
        default=False,
        doc="It may be missing, or fail to start: who depends on it does not wait for it, and what asks it is not exercised where its "
        "software is not here.",
    ),
    "paths": Field(
        shape=list_of(TEXT),
        default=(),
        doc="Patterns of files, relative to the stack file, that it is made of: for `run --changed`.",
        example="[app/**/*.py]",
    ),
    "roles": Field(
        shape=mapping_of(REQUEST), default={}, doc="Role to a check that holds at the instance that has it."
    ),
}
WITHOUT = Field(
    shape=mapping_of(TEXT),
    default={},
    doc="Services that the spec speaks of and this stack has not, and why: what asks them is not exercised.",
    example="{search: no image of a search engine is built here}",
)
ALLOW: Mapping[str, Field] = {
    "allow": Field(shape=list_of(TEXT), default=(), doc="Hosts beyond loopback that may be addressed."),
    "allow-faults": Field(shape=list_of(TEXT), default=(), doc="And those that may be harmed."),
    "without": WITHOUT,
}
REMOTE: Mapping[str, Field] = {
    "services": Field(
        shape=mapping_of(list_of(TEXT)),
        required=True,
        doc="Service to its address or addresses.",
        example="{api: https://shop.test}",
    ),
    **ALLOW,
}
RESERVED = (*OWN_NAMES, "port")


class Stacks:
    """Reads stacks."""

    def __init__(self, reader: Reader, vocabulary: Vocabulary) -> None:
        self._reader = reader
        self._vocabulary = vocabulary
        self._steps = Steps(reader, vocabulary)

    def remote(
        self, content: MappingNode, name: str, directory: Path, values: Mapping[str, object]
    ) -> StackPlan | None:
        """Endpoints only. Addresses may hold values of the spec: they are known when it is compiled."""
        for key, _ in content:
            if key.text not in ("remote", "name"):
                self._reader.unknown_key(key, ("remote", "name"), "a remote stack")
        node = content.entries["remote"].value
        place = Place(values=Scope(names=dict.fromkeys(values, Type.ANY)), literal=False)
        found = self._reader.fields(node, REMOTE, place, what="a remote stack")
        if isinstance(found, Bad) or not found["services"] or isinstance(found["services"], Bad):
            return None
        allow, allow_faults = self._allowed(found)
        services = {}
        known = node.get("services") if isinstance(node, MappingNode) else None
        for key, child in known if isinstance(known, MappingNode) else ():
            if key.text not in found["services"] or not self._reader.identifier(key, "a service", RESERVED):
                continue
            urls = self._addresses(child, found["services"][key.text], values, allow)
            info = ServiceInfo(name=key.text, kind="remote", count=len(urls))
            self._reader.known.services[key.text] = info
            services[key.text] = ServicePlan(
                name=key.text, kind="remote", arguments={"url": urls}, position=key.position()
            )
        return StackPlan(
            name=name,
            platform="remote",
            services=services,
            without=self.without(node, found),
            directory=directory,
            allow=allow,
            allow_faults=allow_faults,
        )

    def _addresses(
        self, node: Node, given: tuple[object, ...], values: Mapping[str, object], allow: tuple[str, ...]
    ) -> tuple[str, ...]:
        """The addresses of a service, filled in and allowed."""
        urls = []
        items = node.items if isinstance(node, Sequence) else []
        for place, text in zip(items if len(items) == len(given) else [node] * len(given), given, strict=True):
            try:
                url = str(text.render(values)) if isinstance(text, Template) else str(text)
            except TemplateError as error:
                self._reader.wrong(place, error.message)
                continue
            urls.append(url)
            host, why = address_of(url)
            if host is None:
                hint = "scheme://host[:port], for example https://shop.test"
                self._reader.wrong(place, f"{shorten(url)} is no address{why}", hint)
            elif not is_loopback(host) and host not in allow:
                hint = f"production is never touched by accident: allow it by name, allow: [{host}]"
                self._reader.wrong(place, f"{host} is not loopback, and not allowed", hint)
        return tuple(urls)

    def _allowed(self, found: Mapping[str, Any]) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """Hosts that may be addressed, and harmed."""
        allow, faults = (
            tuple(h for h in found[n] if isinstance(h, str)) if not isinstance(found[n], Bad) else ()
            for n in ("allow", "allow-faults")
        )
        return allow, faults

    def without(self, node: Node | None, found: Mapping[str, Any]) -> dict[str, str]:
        """Services that a stack says it has not: `at:` may name them all the same."""
        known: dict[str, str] = {}
        given = node.get("without") if isinstance(node, MappingNode) else None
        reasons = found.get("without")
        for key, _ in given if isinstance(given, MappingNode) else ():
            why = reasons.get(key.text) if isinstance(reasons, dict) else None
            services = self._reader.known.services
            if not isinstance(why, str) or not self._reader.identifier(key, "a service", RESERVED):
                continue
            if key.text in services:
                self._reader.wrong(key, f"{key.text} is a service of this stack", "one that it is without is not in it")
                continue
            services[key.text] = ServiceInfo(name=key.text, kind="", absent=True)
            known[key.text] = why
        return known

    def local(self, node: Node, name: str, directory: Path) -> StackPlan | None:
        """Services as processes of this machine."""
        fields = {**ALLOW, "name": Field(shape=TEXT), "links": LINKS_FIELD}
        found = self._reader.fields(node, fields, Place(literal=True), what="a stack", also=("services",))
        if isinstance(found, Bad) or not isinstance(node, MappingNode):
            return None
        services = node.get("services")
        if not isinstance(services, MappingNode) or not services.entries:
            self._reader.wrong(services or node, "a stack needs services", "services: {web: {command: ...}}")
            return None
        allow, allow_faults = self._allowed(found)
        self._steps.allow = allow
        self._know(services)
        without = self.without(node, found)
        plans = {key.text: plan for key, child in services if (plan := self._service(key, child, services)) is not None}
        if found["links"] is not None and not isinstance(found["links"], Bad):
            plans |= read_links(self._reader, node.entries["links"].value, found["links"], plans)
        waiting = circle({name: set(p.after) for name, p in plans.items()})
        if waiting:
            message = f"services wait for each other: {' -> '.join(waiting)}"
            self._reader.wrong(services.entries[waiting[0]].key, message, "break the circle")
        return StackPlan(
            name=found["name"] if isinstance(found["name"], str) else name,
            platform="local",
            services=plans,
            without=without,
            directory=directory,
            allow=allow,
            allow_faults=allow_faults,
        )

    def _kind(self, node: Node) -> ServiceKind | None:
        name = node.get("kind") if isinstance(node, MappingNode) else None
        text = self._reader.text(name) if isinstance(name, Scalar) else "process"
        return self._vocabulary.kinds.get(text) if isinstance(text, str) else None

    def _know(self, services: MappingNode) -> None:
        """What `at:` may say, companions included, before any check is read."""
        for key, child in services:
            self._reader.identifier(key, "a service", RESERVED)
            kind = self._kind(child)
            roles = child.get("roles") if isinstance(child, MappingNode) else None
            own = tuple(roles.entries) if isinstance(roles, MappingNode) else ()
            replicas = child.get("replicas") if isinstance(child, MappingNode) else None
            value = replicas.value if isinstance(replicas, Scalar) else None
            process = kind is not None and kind.name == "process"
            count = value if isinstance(value, int) and process else 1 if process else None
            name = key.text
            self._reader.known.services[name] = ServiceInfo(
                name=name,
                kind=kind.name if kind else "process",
                roles=(*(kind.roles if kind else ()), *own),
                count=count,
            )
            for suffix in kind.companions if kind else ():
                self._reader.known.services.setdefault(
                    f"{name}{suffix}",
                    ServiceInfo(name=f"{name}{suffix}", kind=kind.name if kind else "", companion=True),
                )

    def _service(self, key: Scalar, node: Node, services: MappingNode) -> ServicePlan | None:
        if not isinstance(node, MappingNode):
            self._reader.wrong(
                node, f"a service is a mapping, not {describe(node)}", "{command: ...} or {kind: postgres}"
            )
            return None
        kind = self._known_kind(node)
        if kind is None:
            return None
        place = self._steps.place(Scene(values=self._values(key.text, node, services)))
        fields = {**kind.arguments, **{n: SERVICE[n] for n in ("kind", "after", "optional", "paths")}}
        found = self._reader.fields(node, fields, place, what=f"a service of kind {kind.name}", also=("ready", "roles"))
        if isinstance(found, Bad):
            return None
        if kind.name == "remote":
            self._elsewhere(node.get("url"), found.get("url"))
        after = self._after(node, key.text, found, services, kind)
        ready, roles = self._checks(node)
        arguments = {n: found[n] for n in kind.arguments if found[n] is not None and found[n] is not BAD}
        return ServicePlan(
            name=key.text,
            kind=kind.name,
            arguments=arguments,
            after=after,
            ready=ready,
            roles=roles,
            paths=tested_patterns(self._reader, node.get("paths"), found["paths"]),
            optional=found["optional"] is True,
            position=key.position(),
        )

    def _elsewhere(self, node: Node | None, urls: object) -> None:
        """A service that runs elsewhere, in a stack that runs here, must be allowed like any other address."""
        if node is not None and isinstance(urls, tuple) and not any(isinstance(u, Template) for u in urls):
            self._addresses(node, urls, {}, self._steps.allow)

    def _known_kind(self, node: MappingNode) -> ServiceKind | None:
        given = node.get("kind")
        if given is None and "command" not in node.entries:
            kinds = [k for k in self._vocabulary.kinds if k not in ("process", "remote")]
            self._reader.wrong(node, "a service needs a kind or a command", f"kinds: {listing(kinds, 30)}")
            return None
        kind = self._kind(node)
        if kind is None and given is not None:
            kinds = list(self._vocabulary.kinds)
            text = given.text if isinstance(given, Scalar) else ""
            self._reader.wrong(
                given,
                f"unknown kind {shorten(text)}",
                f"kinds: {listing(kinds, 30)}. {did_you_mean(text, kinds)}".rstrip(),
            )
        return kind

    def _values(self, own: str, node: MappingNode, services: MappingNode) -> dict[str, Type]:
        """What a service's templates may use: exports of the others, its instance, the stack."""
        ports = Type.record(dict.fromkeys(_ports(node), Type.NUMBER))
        instance = Type.record({"name": Type.TEXT, "ordinal": Type.NUMBER, "port": ports})
        values: dict[str, Type] = {"instance": instance, "port": ports, "stack": STACK}
        for key, child in services:
            kind = self._kind(child)
            if kind is not None and key.text != own:
                values[key.text] = Type.record(dict.fromkeys(kind.exports, Type.TEXT))
                for suffix in kind.companions:
                    values[f"{key.text}{suffix}"] = Type.map_of(Type.TEXT)
        return values

    def _after(
        self, node: MappingNode, own: str, found: Mapping[str, Any], services: MappingNode, kind: ServiceKind
    ) -> tuple[str, ...]:
        """Services that are declared, that templates speak of, and that arguments name."""
        declared = node.get("after")
        items = declared.items if isinstance(declared, Sequence) else [declared] if declared is not None else []
        names = self._reader.known.services
        for item in items:
            if isinstance(item, Scalar) and item.text not in names:
                self._reader.unknown(item, "service", item.text, names)
        texts = [i.text for i in items if isinstance(i, Scalar) and i.text in names]
        used = [n for n in template_names(dict(found)) if n in names]
        for name, argument in kind.arguments.items():
            if argument.shape.refers == "service" and isinstance(found[name], str):
                used.append(found[name].partition("#")[0])
        return tuple(n for n in dict.fromkeys([*texts, *used]) if n != own)

    def _checks(self, node: MappingNode) -> tuple[CheckPlan | None, dict[str, CheckPlan]]:
        scene = Scene(values={})
        ready_node, roles_node = node.get("ready"), node.get("roles")
        ready = self._steps.check_at_instance(ready_node, scene) if ready_node is not None else None
        roles: dict[str, CheckPlan] = {}
        if isinstance(roles_node, MappingNode):
            for key, child in roles_node:
                check = self._steps.check_at_instance(child, scene)
                if check is not None:
                    roles[key.text] = check
        return ready, roles


def _ports(node: MappingNode) -> tuple[str, ...]:
    """The names of a service's ports; one alone is called http."""
    ports = node.get("ports")
    return tuple(ports.entries) if isinstance(ports, MappingNode) else () if ports is None else ("http",)


def address_of(url: str) -> tuple[str | None, str]:
    """The host of a URL; None, and why, for what is none."""
    try:
        parts = urlsplit(url)
        _ = parts.port
    except ValueError as error:
        return None, f": {error}"
    return (parts.hostname if "://" in url else None), ""
