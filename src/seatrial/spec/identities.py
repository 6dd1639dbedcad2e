"""Identities (what `as:` names) and secrets."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from ..core.expressions import Scope, Type
from ..core.load_plans import LoadPlan
from ..core.plan import IdentityPlan, SecretSource
from ..core.quantities import format_duration
from ..core.shapes import COUNT, PATH, REQUEST, TEXT, Field, mapping_of, record, reference
from ..core.vocabulary import CredentialKind
from .keys import AT, Scene
from .nodes import Mapping as MappingNode
from .nodes import Node, Scalar, describe, shorten
from .reading import BAD, Bad, Place, Reader
from .steps import Steps

SECRET = record(
    {
        "env": Field(shape=TEXT, doc="An environment variable."),
        "file": Field(shape=TEXT, doc="A file, from the spec's directory."),
        "generate": Field(shape=COUNT, doc="Characters of one that is made for each trial.", example="24"),
    },
    doc="a secret",
)
IDENTITY: Mapping[str, Field] = {
    "login": Field(
        shape=REQUEST, doc="A probe whose answer has the token.", example="{http: POST /login, at: web, json: {...}}"
    ),
    "bearer": Field(shape=PATH, doc="Where the token is in the answer, or none.", example="json.token"),
    "headers": Field(
        shape=mapping_of(TEXT), default={}, doc="Headers to send.", example='{X-Api-Key: "${secret:KEY}"}'
    ),
}


def read_secrets(reader: Reader, node: Node | None, directory: Path) -> dict[str, SecretSource]:
    """The secrets that say where they come from."""
    found: dict[str, SecretSource] = {}
    if node is not None and not isinstance(node, MappingNode):
        reader.wrong(node, f"secrets is a mapping of names, not {describe(node)}", "secrets: {TOKEN: {env: API_TOKEN}}")
    for key, child in node if isinstance(node, MappingNode) else ():
        source = reader.read(child, SECRET, Place(literal=True))
        if isinstance(source, Bad) or BAD in source.values():
            continue
        if sum(v is not None for v in source.values()) != 1:
            message = f"secret {shorten(key.text)} comes from one place"
            reader.wrong(child, message, "{env: NAME}, {file: path} or {generate: 24}")
            continue
        file = directory / source["file"] if source["file"] is not None else None
        found[key.text] = SecretSource(name=key.text, environment=source["env"], file=file, generate=source["generate"])
    return found


def read_identities(
    reader: Reader, node: Node | None, steps: Steps, types: Mapping[str, Type]
) -> dict[str, IdentityPlan]:
    """All identities by name."""
    found, children = {}, dict(node) if isinstance(node, MappingNode) else {}
    for key, child in children.items():
        plan = _identity(reader, key, child, steps, types)
        if plan is not None:
            found[key.text] = plan
    own = dict(found)
    for key, child in children.items():
        plan = own.get(key.text)
        if plan is not None and plan.kind and isinstance(child, MappingNode):
            made = child.get(plan.kind)
            if isinstance(made, MappingNode):
                found[key.text] = _completed(reader, made, plan, own, steps.vocabulary.credentials[plan.kind])
    return found


def _identity(reader: Reader, key: Scalar, node: Node, steps: Steps, types: Mapping[str, Type]) -> IdentityPlan | None:
    scene, kinds = Scene(values=dict(types)), steps.vocabulary.credentials
    shown = {"headers": IDENTITY["headers"]}
    found = reader.fields(node, shown, steps.place(scene), what="an identity", also=("login", "bearer", *kinds))
    if isinstance(found, Bad) or not isinstance(node, MappingNode):
        return None
    login, bearer = node.get("login"), node.get("bearer")
    headers = {} if found["headers"] is BAD else found["headers"]
    several = [k for k, _ in node if k.text in ("login", *kinds)]
    if len(several) > 1:
        reader.wrong(several[1], f"an identity is made in one way, not by {several[0].text} and {several[1].text}")
        return None
    if login is not None:
        return _login(reader, key, login, bearer, steps, scene, headers)
    if bearer is not None and not (isinstance(bearer, Scalar) and bearer.text == "none"):
        hint = "login: {http: POST /login, at: web}, or bearer: none"
        reader.wrong(bearer, "a bearer token comes from a login", hint)
    elif several:
        return _made(reader, key, node, kinds[several[0].text], steps.place(scene), headers)
    elif bearer is None and "headers" not in node.entries:
        hint = ", ".join(("login", *kinds, "headers, or bearer: none"))
        reader.wrong(node, f"identity {shorten(key.text)} says nothing", hint)
    return IdentityPlan(name=key.text, headers=headers)


def _made(
    reader: Reader, key: Scalar, node: MappingNode, kind: CredentialKind, place: Place, headers: Mapping[str, object]
) -> IdentityPlan | None:
    """Credentials of a kind, without what they take from another identity."""
    given = node.entries[kind.name].value
    found = reader.fields(given, with_like(kind), place, what=kind.name)
    if isinstance(found, Bad) or BAD in found.values():
        return None
    arguments = {n: v for n, v in found.items() if v is not None}
    return IdentityPlan(name=key.text, headers=headers, kind=kind.name, arguments=arguments)


def _completed(
    reader: Reader, node: MappingNode, plan: IdentityPlan, known: Mapping[str, IdentityPlan], kind: CredentialKind
) -> IdentityPlan:
    """With what it takes from the identity that it is like, and all of it checked."""
    arguments = dict(plan.arguments)
    like = arguments.pop("like", None)
    if like is not None:
        base = known.get(str(like))
        if base is None:  # it is wrong itself, and that is said
            return plan
        if base.kind != kind.name or "like" in base.arguments:
            hint = f"an identity with {kind.name} of its own, that is like no other"
            reader.wrong(node.entries["like"].value, f"identity {shorten(str(like))} cannot be taken from here", hint)
            return plan
        arguments = {**base.arguments, **arguments}
    wrong = kind.check(arguments) if kind.check is not None else None
    if wrong is not None:
        reader.wrong(node.entries[wrong.key].value if wrong.key in node.entries else node, wrong.message, wrong.hint)
    return replace(plan, arguments=arguments)


def outlived(
    reader: Reader,
    node: Node | None,
    loads: Mapping[str, LoadPlan],
    identities: Mapping[str, IdentityPlan],
    steps: Steps,
) -> None:
    """A load sends the credentials that it began with: refuse one that is longer than they live."""
    for name, load in loads.items():
        used = dict.fromkeys((load.identity, *(c.identity for c in load.calls)))
        for plan in (identities[i] for i in used if i is not None and i in identities):
            kind = steps.vocabulary.credentials.get(plan.kind)
            lives = kind.lives(plan.arguments) if kind is not None else None
            if isinstance(node, MappingNode) and lives is not None and load.for_ns is not None and load.for_ns > lives:
                takes, good = format_duration(load.for_ns), format_duration(lives)
                message = f"load {name} takes {takes}, and what {plan.name} sends is good for {good}"
                reader.wrong(node.entries[name].key, message, f"a longer lifetime for {plan.name}, or a shorter load")


def with_like(kind: CredentialKind) -> dict[str, Field]:
    """A kind's arguments, and `like`."""
    return {
        "like": Field(shape=reference("identity"), doc="An identity of this kind that it differs from."),
        **kind.arguments,
    }


def _login(
    reader: Reader,
    key: Scalar,
    login: Node,
    bearer: Node | None,
    steps: Steps,
    scene: Scene,
    headers: Mapping[str, object],
) -> IdentityPlan | None:
    read = steps.request(login, scene, call={"at": AT}, what="a login")
    if read is None:
        return None
    if bearer is None:
        reader.wrong(login, "a login needs bearer: where the token is", "bearer: json.token")
        return None
    observes = steps.vocabulary.verbs[read[0].verb].observes
    path = reader.read(bearer, PATH, Place(scope=Scope(names=observes)))
    return None if isinstance(path, Bad) else IdentityPlan(name=key.text, headers=headers, login=read[0], bearer=path)
