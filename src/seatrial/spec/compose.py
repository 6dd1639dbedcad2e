"""A stack of Docker Compose: the services that Compose finds in its files, and what `x-seatrial` says of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from ..core.compose import EXTENSION, ComposeFile, ComposeProject, ComposeService, ReadsCompose
from ..core.errors import Problem, UsageError
from ..core.expressions import Type, did_you_mean
from ..core.expressions.problems import listing
from ..core.plan import CheckPlan
from ..core.processes import Restart
from ..core.shapes import (
    ANY,
    BOOLEAN,
    COUNT,
    DURATION,
    REQUEST,
    TEXT,
    Field,
    choice,
    list_of,
    mapping_of,
    record,
    union,
)
from ..core.stack import ServicePlan, StackPlan
from ..core.vocabulary import Vocabulary, load
from .keys import Scene
from .linking import LINKS_FIELD, read_links
from .nodes import Entry, Node, Scalar, Source, is_file, merge, read_file, resolve, shorten
from .nodes import Mapping as MappingNode
from .nodes import Sequence as SequenceNode
from .reading import BAD, Bad, Place, Reader, ServiceInfo
from .stacks import ALLOW, RESERVED, STACK, WITHOUT, Stacks
from .steps import Steps

PROJECT: Mapping[str, Field] = {
    "compose": Field(
        shape=list_of(TEXT),
        required=True,
        doc="The compose file, or several, the later laid over the earlier.",
        example="compose.yaml",
    ),
    "profiles": Field(shape=list_of(TEXT), default=(), doc="Compose profiles to enable."),
    "env-files": Field(
        shape=list_of(TEXT), default=(), doc="Files with variables for the compose files (instead of .env)."
    ),
    "project": Field(shape=TEXT, doc="The project's name (default: one of each trial's own)."),
    "adopt": Field(shape=BOOLEAN, default=False, doc="Use the project as it runs now; it is never torn down."),
    "name": Field(shape=TEXT, doc="Of the stack."),
    "links": LINKS_FIELD,
    **ALLOW,
}
SERVICE: Mapping[str, Field] = {
    "kind": Field(
        shape=TEXT,
        doc="What it is: postgres, redis, etcd, caddy, process (guessed from its image), opensearch.",
        example="postgres",
    ),
    "service": Field(
        shape=TEXT,
        doc="The service of the stack that its containers are instances of (its own name).",
        example="postgres",
    ),
    "parameters": Field(
        shape=mapping_of(ANY),
        doc="What probes need to know: user, password, dbname, master.",
        example='{user: shop, password: "${DB_PASSWORD}"}',
    ),
    "endpoints": Field(
        shape=mapping_of(
            union(
                COUNT,
                record(
                    {
                        "port": Field(shape=COUNT, required=True, doc="In the container."),
                        "scheme": Field(shape=TEXT, doc="http, https, tcp, ..."),
                    }
                ),
            )
        ),
        doc="Ports by name, as the container has them (guessed from `ports` and `expose`).",
        example="{postgres: 5432, api: {port: 8008, scheme: http}}",
    ),
    "ready": Field(
        shape=REQUEST,
        doc="A check at each instance that says when it is ready, beside its health check.",
        example="{http: GET /readyz}",
    ),
    "roles": Field(shape=mapping_of(REQUEST), doc="Role to a check that holds at the instance that has it."),
    "optional": Field(shape=BOOLEAN, doc="Nobody waits for it, and it may be missing."),
    "job": Field(shape=BOOLEAN, doc="It ends, and is no service (known of those whose end others wait for)."),
    "start-within": Field(shape=DURATION, doc="How long until all of it is ready (60s)."),
    "variables": Field(
        shape=mapping_of(union(TEXT, mapping_of(mapping_of(ANY)))),
        doc="Words of a stack file to variables of the compose file, for variants: to the one that takes the value, or each value to those "
        "that it stands for.",
        example="{persistence: REDIS_PERSISTENCE, nodes: {1: {STANDBYS: 0}}}",
    ),
    "directory": Field(
        shape=TEXT,
        doc="Where the stack's directory is in its containers: {{ stack.directory }} of variants (known of mounts).",
    ),
}
WHOLE: Mapping[str, Field] = {"directory": SERVICE["directory"], "links": LINKS_FIELD, "without": WITHOUT}
OVERLAY: Mapping[str, Field] = {
    "environment": Field(shape=mapping_of(TEXT), doc="Variables, beside those that it has."),
    "command": Field(shape=union(TEXT, list_of(TEXT, lenient=False)), doc="Instead of its own."),
    "replicas": Field(
        shape=COUNT, doc="How many containers; of several services that are one, that many of the first."
    ),
    "nodes": Field(shape=COUNT, doc="The same, as postgres and etcd call it."),
    "restart": Field(shape=choice(*(str(r) for r in Restart)), doc="When a container that ended is started again."),
}
_NAMES = ("compose.yaml", "compose.yml", "docker-compose.yaml", "docker-compose.yml")


def is_compose(node: Node | None) -> bool:
    """Whether a file is a compose file: its services have images, or are built."""
    services = node.get("services") if isinstance(node, MappingNode) else None
    each = [child for _, child in services] if isinstance(services, MappingNode) else []
    return any(isinstance(c, MappingNode) and {"image", "build", "extends"} & set(c.entries) for c in each)


def compose_file_in(directory: Path) -> Path | None:
    """The compose file of a directory, where it has one."""
    return next((directory / name for name in _NAMES if is_file(directory / name)), None)


class ComposeStacks:
    """Reads stacks that are compose projects. `spec`: whose secrets they are given; `files` are told of those that were read."""

    def __init__(
        self, reader: Reader, vocabulary: Vocabulary, spec: MappingNode | None = None, files: list[Path] | None = None
    ) -> None:
        self._reader, self._vocabulary = reader, vocabulary
        secrets = spec.get("secrets") if spec is not None else None
        self._secrets = tuple(secrets.entries) if isinstance(secrets, MappingNode) else ()
        self._steps = Steps(reader, vocabulary)
        self._files = files if files is not None else []

    def read(
        self, node: Node | None, file: Path | None, name: str, directory: Path, over: Sequence[Node]
    ) -> StackPlan | None:
        """The spec's own project, or another file with what the spec says of its own; overlays are laid over it in order."""
        laid: Node | None = None
        for overlay in over:
            laid = merge(laid, overlay) if laid is not None else overlay
        if isinstance(node, MappingNode) and "compose" in node.entries:
            plan = self.of_spec(node, name, directory, laid, file)
        else:
            plan = self.of_file(file, name, laid) if file is not None else None
        said = self._allowed(laid)
        return replace(plan, **said) if plan is not None else None

    def _allowed(self, laid: Node | None) -> dict[str, Any]:
        """The hosts that an overlay allows, in place of those that were; beside them it can only speak of services."""
        if not isinstance(laid, MappingNode):
            return {}
        fields = {n: ALLOW[n] for n in ("allow", "allow-faults")}
        found = self._reader.fields(
            laid, fields, Place(literal=True), what="what is laid over a compose file", also=("services",)
        )
        said = {} if isinstance(found, Bad) else {n: v for n, v in found.items() if n in laid.entries and v is not BAD}
        return {n.replace("-", "_"): tuple(v) for n, v in said.items()}

    def of_spec(
        self, node: MappingNode, name: str, directory: Path, over: Node | None, file: Path | None = None
    ) -> StackPlan | None:
        """`stack: {compose: ...}`; `file` is used in place of those that it names."""
        fields = {n: f for n, f in PROJECT.items() if file is None or n != "compose"}
        also = () if file is None else ("compose",)
        found = self._reader.fields(node, fields, Place(literal=True), what="a stack of Compose", also=also)
        if isinstance(found, Bad) or BAD in found.values():
            return None
        named = [file] if file is not None else self._existing(node, "compose", found["compose"], directory)
        env_files = self._existing(node, "env-files", found["env-files"], directory)
        if named is None or env_files is None:
            return None
        project = ComposeProject(
            files=tuple(named),
            directory=named[0].resolve().parent,
            profiles=tuple(found["profiles"]),
            env_files=tuple(env_files),
            name=found["project"] or "",
            adopt=found["adopt"],
            secrets=self._secrets,
        )
        self._steps.allow = tuple(found["allow"])
        linked = (node.entries["links"].value, found["links"]) if found["links"] is not None else None
        plan = self._plan(project, found["name"] or name, node, over, linked)
        if plan is None:
            return None
        without = {**plan.without, **Stacks(self._reader, self._vocabulary).without(node, found)}
        allow, allow_faults = tuple(found["allow"]), tuple(found["allow-faults"])
        return replace(plan, allow=allow, allow_faults=allow_faults, without=without)

    def of_file(self, path: Path, name: str, over: Node | None = None) -> StackPlan | None:
        """A compose file alone."""
        project = ComposeProject(files=(path,), directory=path.resolve().parent, secrets=self._secrets)
        source = Source(name=str(path), lines=[])
        return self._plan(project, name, MappingNode(source=source, line=1, column=1), over)

    def _existing(self, node: MappingNode, key: str, given: tuple[str, ...], directory: Path) -> list[Path] | None:
        """Files that are there, shown as the spec's own path is."""
        value = node.get(key)
        items = value.items if isinstance(value, SequenceNode) else [value or node]
        found, missing = [], False
        for place, text in zip(items if len(items) == len(given) else [node] * len(given), given, strict=True):
            found.append(directory / text)
            if not is_file(directory / text):
                self._reader.wrong(place, f"there is no file {directory / text}", "from the spec's directory")
                missing = True
        return None if missing else found

    def _plan(
        self,
        project: ComposeProject,
        name: str,
        place: MappingNode,
        over: Node | None,
        linked: tuple[Node, Any] | None = None,
    ) -> StackPlan | None:
        self._files += [f for f in (*project.files, *project.env_files) if f not in self._files]
        file = self._read(project, place)
        if file is None:
            return None
        sources = _Sources(project.files)
        if over is not None:
            project = self._laid(project, file, over)
            file = (self._read(project, place) if project.variables else file) or file
        whole = sources.whole(place)
        settings = self._settings(file.settings, whole, WHOLE, "x-seatrial of a compose file")
        for service in file.services.values():
            self._know(service, sources.of(service.members[0], place), project)
        plans = {s.name: self._service(s, sources.of(s.members[0], place)) for s in file.services.values()}
        if linked is None and settings.get("links") not in (None, BAD):
            where = whole.get("links") if isinstance(whole, MappingNode) else None
            linked = (where or whole, settings["links"])
        if linked is not None:
            plans |= read_links(self._reader, *linked, plans)
        return StackPlan(
            name=name,
            platform="compose",
            services=plans,
            directory=project.directory,
            compose=project,
            without=Stacks(self._reader, self._vocabulary).without(located(file.settings, whole), settings),
        )

    def _read(self, project: ComposeProject, place: Node) -> ComposeFile | None:
        reads: ReadsCompose = load(self._vocabulary.compose)
        try:
            return reads(project, self._reader.environment)
        except UsageError as error:
            for problem in error.problems:
                at = problem.position or (place.position() if place.source.lines else None)
                self._reader.problems.append(Problem(message=problem.message, position=at, hint=problem.hint))
            return None

    # -- services

    def _settings(self, given: Mapping[str, Any], node: Node, fields: Mapping[str, Field], what: str) -> dict[str, Any]:
        """What stands in `x-seatrial`, checked by its shapes; checks are read by who knows their place."""
        plain = {n: f for n, f in fields.items() if n not in ("ready", "roles")}
        if not given and not isinstance(node, MappingNode):
            return {}
        found = self._reader.fields(
            located(given, node), plain, Place(literal=True), what=what, also=("ready", "roles")
        )
        return {} if isinstance(found, Bad) else found

    def _know(self, service: ComposeService, node: Node, project: ComposeProject) -> None:
        """What `at:` may say of it."""
        self._settings(service.settings, node, SERVICE, f"{EXTENSION} of service {service.name}")
        key = Scalar(
            source=node.source, line=node.line, column=node.column, text=service.name, plain=False, exact=False
        )
        self._reader.identifier(key, "a service", RESERVED)
        kind = self._vocabulary.kinds.get(service.kind)
        if kind is None:
            kinds = list(self._vocabulary.kinds)
            hint = f"kinds: {listing(kinds, 30)}. {did_you_mean(service.kind, kinds)}".rstrip()
            self._reader.wrong(node, f"unknown kind {shorten(service.kind)} of service {service.name}", hint)
        own = service.settings.get("roles")
        laid = project.overlay.get(service.name, {}).get("replicas")
        self._reader.known.services[service.name] = ServiceInfo(
            name=service.name,
            kind=service.kind,
            roles=(*(kind.roles if kind else ()), *(own if isinstance(own, dict) else ())),
            count=laid if isinstance(laid, int) else service.count,
        )

    def _service(self, service: ComposeService, node: Node) -> ServicePlan:
        settings = located(service.settings, node)
        scene = Scene(values={})
        ready_node = settings.get("ready") if isinstance(settings, MappingNode) else None
        roles_node = settings.get("roles") if isinstance(settings, MappingNode) else None
        ready = self._steps.check_at_instance(ready_node, scene) if ready_node is not None else None
        roles: dict[str, CheckPlan] = {}
        for key, child in roles_node if isinstance(roles_node, MappingNode) else ():
            if (check := self._steps.check_at_instance(child, scene)) is not None:
                roles[key.text] = check
        return ServicePlan(
            name=service.name,
            kind=service.kind,
            arguments={},
            after=service.after,
            ready=ready,
            roles=roles,
            promises=service.promises,
            ports=tuple(service.endpoints),
            optional=service.optional,
            position=node.position() if node.source.lines else None,
        )

    # -- variants

    def _laid(self, project: ComposeProject, file: ComposeFile, over: Node) -> ComposeProject:
        """The words of a stack file, laid over a project: those that Compose has by itself, and those that stand for a variable of its."""
        services = over.get("services") if isinstance(over, MappingNode) else None
        overlay: dict[str, dict[str, object]] = {}
        variables: dict[str, object] = {}
        for key, child in services if isinstance(services, MappingNode) else ():
            service = file.services.get(key.text)
            if service is None:
                self._reader.unknown(key, "service", key.text, file.services)
            elif isinstance(child, MappingNode):
                overlay[key.text] = self._overlay(service, child, variables, project)
        return replace(project, overlay=overlay, variables=variables)

    def _overlay(
        self, service: ComposeService, node: MappingNode, variables: dict[str, object], project: ComposeProject
    ) -> dict[str, object]:
        known = service.settings.get("variables")
        names: Mapping[str, Any] = known if isinstance(known, dict) else {}
        place = self._steps.place(Scene(values=_values(service)))
        found: dict[str, object] = {}
        for key, child in node:
            if key.text in names:
                variables |= self._variables(names[key.text], key, child)
            elif isinstance(child, Scalar) and child.plain and child.value is None:
                continue  # what Compose has no word for need not be taken away
            elif key.text in OVERLAY:
                value = self._reader.read(child, OVERLAY[key.text].shape, place)
                if value is not BAD:
                    found["replicas" if key.text == "nodes" else key.text] = value
            else:
                shown = ", ".join(str(f) for f in project.files)
                self._reader.wrong(
                    key,
                    f"{shown} has no {shorten(key.text)} of service {service.name}",
                    f"let it stand for a variable there: {EXTENSION}: {{variables: {{{key.text}: NAME}}}}, and ${{NAME}} where it counts",
                )
        return found

    def _variables(self, stands_for: object, key: Scalar, child: Node) -> dict[str, object]:
        """What a word of a stack file means to the variables of a compose file."""
        value = self._reader.read(child, ANY, Place(literal=True))
        if value is BAD or not isinstance(stands_for, dict):
            return {} if value is BAD else {str(stands_for): value}
        text = str(value).lower() if isinstance(value, bool) else str(value)
        if text not in stands_for:
            known = listing([str(v) for v in stands_for], 30)
            self._reader.wrong(
                child, f"{key.text}: {shorten(text)} stands for no variables", f"values that do: {known}"
            )
            return {}
        return dict(stands_for[text])


def _values(service: ComposeService) -> dict[str, Type]:
    """What templates of an overlay may use: the same as those of a stack file, as far as they mean anything in a container."""
    ports = Type.record(dict.fromkeys(service.endpoints, Type.NUMBER))
    instance = Type.record({"name": Type.TEXT, "ordinal": Type.NUMBER, "port": ports})
    return {"instance": instance, "port": ports, "stack": STACK}


class _Sources:
    """The compose files as text, for the places of what stands in them. What Compose takes from elsewhere has the place of its service."""

    def __init__(self, files: tuple[Path, ...]) -> None:
        ignored: list[Problem] = []  # what is wrong with them, Compose itself says
        self._roots = [root for f in files if isinstance(root := read_file(f, str(f), ignored), MappingNode)]

    def of(self, service: str, otherwise: Node) -> Node:
        """A service's x-seatrial; its name, where that stands elsewhere."""
        place = otherwise
        for root in self._roots:
            services = root.get("services")
            entry = services.entries.get(service) if isinstance(services, MappingNode) else None
            if entry is None:
                continue
            settings = entry.value.get(EXTENSION) if isinstance(entry.value, MappingNode) else None
            place = settings or (place if isinstance(place, MappingNode) and place is not otherwise else entry.key)
        return place

    def whole(self, otherwise: Node) -> Node:
        """The x-seatrial of the files themselves."""
        found = [root.get(EXTENSION) for root in self._roots]
        return next((node for node in reversed(found) if node is not None), otherwise)


def located(value: Any, node: Node | None, near: Node | None = None) -> Node:
    """A value as Compose understood it, as nodes with the places of the text that it was written in, as far as that is the same."""
    at = node or near
    assert at is not None
    place: dict[str, Any] = {"source": at.source, "line": at.line, "column": at.column, "length": at.length}
    if isinstance(value, dict):
        source = node if isinstance(node, MappingNode) else None
        mapping = MappingNode(**place)
        for name, child in value.items():
            entry = source.entries.get(str(name)) if source is not None else None
            key = entry.key if entry is not None else Scalar(**place, text=str(name), plain=False, exact=False)
            mapping.entries[str(name)] = Entry(key=key, value=located(child, entry.value if entry else None, at))
        return mapping
    if isinstance(value, list):
        items = node.items if isinstance(node, SequenceNode) else []
        each = [located(v, items[i] if i < len(items) else None, at) for i, v in enumerate(value)]
        return SequenceNode(**place, items=each)
    text = "" if value is None else str(value).lower() if isinstance(value, bool) else str(value)
    exact = isinstance(node, Scalar) and node.exact and node.text == text and "$" not in text
    text = text.replace("$", "$$")  # variables were put in already: what is left of it is meant
    plain = not isinstance(value, str) or (isinstance(node, Scalar) and node.plain and resolve(text) == value)
    return Scalar(**place, text=text, plain=plain, exact=exact)


__all__ = ["OVERLAY", "PROJECT", "SERVICE", "ComposeStacks", "compose_file_in", "is_compose", "located"]
