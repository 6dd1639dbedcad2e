"""The stack: services in a stack file or in the spec, or endpoints that run elsewhere."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ..core.expressions import Type, did_you_mean
from ..core.expressions.problems import listing
from ..core.plan import CheckPlan
from ..core.shapes import REQUEST, TEXT, Field, list_of, mapping_of
from ..core.stack import ServicePlan, StackPlan
from ..core.templates import Template, template_names
from ..core.vocabulary import ServiceKind, Vocabulary
from .nodes import Mapping as MappingNode
from .nodes import Node, Scalar, Sequence, describe, shorten
from .reading import BAD, Bad, Place, Reader, ServiceInfo
from .steps import Scene, Steps

INSTANCE = Type.record({"name": Type.TEXT, "ordinal": Type.NUMBER, "port": Type.map_of(Type.NUMBER)})
STACK = Type.record({"directory": Type.TEXT, "name": Type.TEXT})
SERVICE: Mapping[str, Field] = {
    "kind": Field(shape=TEXT, doc="What it is; `process` where a command is given.", example="postgres"),
    "after": Field(shape=list_of(TEXT), default=(), doc="Services that must be ready before it starts."),
    "ready": Field(
        shape=REQUEST, doc="A check at each instance that says when it is ready.", example="{http: GET /readyz}"
    ),
    "roles": Field(
        shape=mapping_of(REQUEST), default={}, doc="Role to a check that holds at the instance that has it."
    ),
}
REMOTE: Mapping[str, Field] = {
    "services": Field(
        shape=mapping_of(list_of(TEXT)),
        required=True,
        doc="Service to its address or addresses.",
        example="{api: https://shop.test}",
    ),
    "allow": Field(shape=list_of(TEXT), default=(), doc="Hosts beyond loopback that may be addressed."),
    "allow-faults": Field(shape=list_of(TEXT), default=(), doc="And those that may be harmed."),
}


class Stacks:
    """Reads stacks."""

    def __init__(self, reader: Reader, vocabulary: Vocabulary) -> None:
        self._reader = reader
        self._vocabulary = vocabulary
        self._steps = Steps(reader, vocabulary)

    def remote(self, node: Node, name: str, directory: Path, values: Mapping[str, object]) -> StackPlan | None:
        """Endpoints only. Addresses may hold values of the spec: they are known when it is compiled."""
        place = Place(values=_scope_of(values))
        found = self._reader.fields(node, REMOTE, place, what="a remote stack")
        if isinstance(found, Bad) or found["services"] in (None, BAD):
            return None
        services = {}
        for service, urls in found["services"].items():
            rendered = tuple(str(u.render(values)) if isinstance(u, Template) else str(u) for u in urls)
            services[service] = ServicePlan(
                name=service, kind="remote", arguments={"url": rendered}, position=node.position()
            )
            self._reader.known.services[service] = ServiceInfo(name=service, kind="remote", count=len(rendered))
            self._check_urls(node, service, rendered, tuple(found["allow"]))
        return StackPlan(
            name=name,
            platform="remote",
            services=services,
            directory=directory,
            allow=tuple(found["allow"]),
            allow_faults=tuple(found["allow-faults"]),
        )

    def _check_urls(self, node: Node, service: str, urls: tuple[str, ...], allow: tuple[str, ...]) -> None:
        from urllib.parse import urlsplit

        from .steps import is_loopback

        place = _child(node, "services", service)
        for url in urls:
            host = urlsplit(url).hostname if "://" in url else None
            if host is None:
                self._reader.wrong(
                    place, f"{shorten(url)} is no address", "scheme://host[:port], for example https://shop.test"
                )
            elif not is_loopback(host) and host not in allow:
                hint = f"production is never touched by accident: allow it by name, allow: [{host}]"
                self._reader.wrong(place, f"{host} is not loopback, and not allowed", hint)

    def local(self, node: Node, name: str, directory: Path) -> StackPlan | None:
        """Services as processes of this machine."""
        if not isinstance(node, MappingNode):
            self._reader.wrong(node, f"a stack is a mapping, not {describe(node)}", "services: {web: {command: ...}}")
            return None
        for key, _ in node:
            if key.text not in ("services", "name"):
                self._reader.unknown_key(key, ("services", "name"), "a stack")
        services = node.get("services")
        if not isinstance(services, MappingNode) or not services.entries:
            self._reader.wrong(services or node, "a stack needs services", "services: {web: {command: ...}}")
            return None
        self._know(services)
        plans = {key.text: plan for key, child in services if (plan := self._service(key, child, services)) is not None}
        self._cycles(plans, services)
        return StackPlan(name=name, platform="local", services=plans, directory=directory)

    def _kind(self, node: Node) -> ServiceKind | None:
        name = node.get("kind") if isinstance(node, MappingNode) else None
        text = self._reader.text(name) if isinstance(name, Scalar) else "process"
        return self._vocabulary.kinds.get(text) if isinstance(text, str) else None

    def _know(self, services: MappingNode) -> None:
        """What `at:` may say, companions included, before any check is read."""
        for key, child in services:
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
                    f"{name}{suffix}", ServiceInfo(name=f"{name}{suffix}", kind=kind.name if kind else "")
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
        scene = Scene(values=self._values(key.text, services))
        fields = {**kind.arguments, **{n: SERVICE[n] for n in ("kind", "after")}}
        found = self._reader.fields(
            node, fields, scene.place(), what=f"a service of kind {kind.name}", also=("ready", "roles")
        )
        if isinstance(found, Bad):
            return None
        after = self._after(node, key.text, found, services)
        ready, roles = self._checks(node)
        arguments = {n: found[n] for n in kind.arguments if found[n] is not None and found[n] is not BAD}
        return ServicePlan(
            name=key.text,
            kind=kind.name,
            arguments=arguments,
            after=after,
            ready=ready,
            roles=roles,
            position=key.position(),
        )

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

    def _values(self, own: str, services: MappingNode) -> dict[str, Type]:
        """What a service's templates may use: exports of the others, its instance, the stack."""
        values: dict[str, Type] = {"instance": INSTANCE, "port": Type.map_of(Type.NUMBER), "stack": STACK}
        for key, child in services:
            kind = self._kind(child)
            if kind is not None and key.text != own:
                values[key.text] = Type.record(dict.fromkeys(kind.exports, Type.TEXT))
                for suffix in kind.companions:
                    values[f"{key.text}{suffix}"] = Type.map_of(Type.TEXT)
        return values

    def _after(self, node: MappingNode, own: str, found: Mapping[str, Any], services: MappingNode) -> tuple[str, ...]:
        declared = node.get("after")
        items = declared.items if isinstance(declared, Sequence) else [declared] if declared is not None else []
        names = self._reader.known.services
        for item in items:
            if isinstance(item, Scalar) and item.text not in names:
                hint = f"services: {listing(names, 30)}. {did_you_mean(item.text, names)}".rstrip()
                self._reader.wrong(item, f"unknown service {shorten(item.text)}", hint)
        texts = [i.text for i in items if isinstance(i, Scalar) and i.text in names]
        used = [n for n in template_names(dict(found)) if n in services.entries]
        referred = [
            v
            for n, v in found.items()
            if isinstance(v, str) and v.split("#")[0] in services.entries and n not in ("kind", "after", "database")
        ]
        used += [r.split("#")[0] for r in referred]
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

    def _cycles(self, plans: Mapping[str, ServicePlan], services: MappingNode) -> None:
        left = {name: set(p.after) & set(plans) for name, p in plans.items()}
        while free := [n for n, needs in left.items() if not needs]:
            for name in free:
                del left[name]
            for needs in left.values():
                needs.difference_update(free)
        if left:
            name = next(iter(left))
            self._reader.wrong(
                services.entries[name].key,
                f"services wait for each other: {' -> '.join([*left, name])}",
                "break the circle",
            )


def _scope_of(values: Mapping[str, object]) -> Any:
    from ..core.expressions import Scope

    return Scope(names=dict.fromkeys(values, Type.ANY))


def _child(node: Node, *path: str) -> Node:
    for name in path:
        inner = node.get(name) if isinstance(node, MappingNode) else None
        if inner is None:
            return node
        node = inner
    return node
