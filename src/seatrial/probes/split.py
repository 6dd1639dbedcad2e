"""Probe `split`: who answers whom, where a router sends a share of the users elsewhere."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Mapping
from dataclasses import replace

from ..core.expressions import Expression, ExpressionError, Scope, Type, compile_path
from ..core.expressions.syntax import path_text
from ..core.observations import Observation, ProbeRequest, probe_error, target_error, value
from ..core.quantities import NS_PER_S
from ..core.shapes import (
    ANY,
    COUNT,
    INTEGER,
    RATIO,
    TEXT,
    Field,
    list_of,
    mapping_of,
    path_over,
    union,
)
from ..core.templates import Template, TemplateError, template_names, templates
from ..core.vocabulary import Verb, Wrong
from ..core.writing import split_writes
from . import grpc, http
from .splitting import Mismatch, Tally, design, ratio

_METHOD = re.compile(r"[A-Za-z_][\w.]*/\w+")  # of gRPC: package.Service/Method
_OF_HTTP = ("json", "form", "body", "headers", "query", "verify", "accept", "endpoint")
_OF_GRPC = ("message", "metadata", "descriptors")
_SEEN_BY = {
    False: {"status": Type.NUMBER, "headers": Type.map_of(Type.TEXT), "json": Type.ANY, "text": Type.TEXT},
    True: {"message": Type.ANY, "metadata": Type.map_of(Type.TEXT)},
}  # of an answer over gRPC, or not


def over_grpc(what: object) -> bool:
    """Whether a main argument names a method of gRPC, and no path."""
    return _METHOD.fullmatch(str(what).strip()) is not None


def check_what(text: str) -> str | None:
    """What is wrong with it; None when nothing is."""
    return None if over_grpc(text) else http.check_what(text)


def check(what: object, arguments: Mapping[str, object]) -> Wrong | None:
    """What does not go together."""
    rpc = over_grpc(what)
    for name in _OF_HTTP if rpc else _OF_GRPC:
        if name in arguments:
            other = "a path asks over HTTP" if not rpc else "package.Service/Method asks over gRPC"
            return Wrong(name, f'"{name}" means nothing here: {other}')
    path = arguments.get("backend")
    if path is None:
        return Wrong("", "a split needs to know who answered", 'for example backend: headers["x-served-by"]')
    if isinstance(path, Expression) and path.names and path.names[0] not in _SEEN_BY[rpc]:
        return Wrong("backend", f"an answer has no {path.names[0]} here", f"it has: {', '.join(_SEEN_BY[rpc])}")
    if "user" not in template_names((what, {n: v for n, v in arguments.items() if n not in ("users", "since")})):
        return Wrong("", "all requests are the same", 'say whose they are: headers: {X-User: "{{ user }}"}')
    if isinstance(arguments.get("users"), tuple | list):
        idle = next((n for n in ("seed", "prefix", "difference") if n in arguments), None)
        if idle is not None:
            return Wrong(idle, f'"{idle}" means nothing where the users are listed')
    try:
        design(arguments)
    except Mismatch as found:
        return Wrong(found.key if found.key in arguments else "", str(found), found.hint)
    return None


def expects(arguments: Mapping[str, object]) -> str:
    """The shares that are wanted, as a condition."""
    shares = arguments.get("share")
    wanted = shares.items() if isinstance(shares, Mapping) else ()
    return " and ".join(f"{path_text('share', iter((str(n),)))} == {ratio(s) * 100:.15g}%" for n, s in wanted)


VERB = Verb(
    name="split",
    doc="Asks for each of many users once, over HTTP (GET /x) or gRPC (package.Service/Method), and sees who answers whom.",
    what=TEXT,
    observes={
        "share": Type.map_of(Type.RATIO),
        "counts": Type.map_of(Type.NUMBER),
        "users": Type.NUMBER,
        "failed": Type.NUMBER,
        "unattributed": Type.NUMBER,
        "unsteady": Type.NUMBER,
        "moved": Type.NUMBER,
        "pairs": Type.map_of(Type.NUMBER),
        "left": Type.map_of(Type.NUMBER),
        "joined": Type.map_of(Type.NUMBER),
        "compared": Type.NUMBER,
        "assigned": Type.map_of(Type.TEXT),
    },
    run="seatrial.probes.split:run",
    arguments={
        "backend": Field(
            shape=path_over(_SEEN_BY[False] | _SEEN_BY[True]),
            doc="Who answered: a path into the answer (status, headers, json, text; over gRPC message, metadata).",
            example='headers["x-served-by"]',
        ),
        "share": Field(
            shape=mapping_of(RATIO), doc="What must be true, by backend: its share of the users.", example="{new: 10%}"
        ),
        "difference": Field(
            shape=RATIO, doc="How far off a share has to be to be found, in points of percent.", example="5%"
        ),
        "users": Field(
            shape=union(COUNT, list_of(TEXT, lenient=False)),
            doc="How many, or which; left out: as many as it takes to find the difference (chance of error 1% on each side).",
            example="10000",
        ),
        "seed": Field(shape=INTEGER, doc="Other users, the same for the same seed.", example="7"),
        "prefix": Field(shape=TEXT, doc="What stands before a user's number (user-)."),
        "repeat": Field(shape=COUNT, doc="Requests of each user (1): the first counts, the others show that it stays."),
        "since": Field(shape=ANY, doc="What was saved as `assigned` before.", example='"{{ before }}"'),
        "missing": Field(shape=RATIO, doc="Share of the users who may be without a backend (0%).", example="0.1%"),
        "connections": Field(shape=COUNT, doc="So many at once (32)."),
        "accept": Field(shape=list_of(INTEGER), doc="Statuses from 400 on that are answers, too.", example="[404]"),
        **{n: http.VERB.arguments[n] for n in ("json", "form", "body", "headers", "query", "endpoint", "verify")},
        **grpc.VERB.arguments,
    },
    example='{split: GET /, headers: {X-User: "{{ user }}"}, backend: text, users: 1000}',
    check_what=check_what,
    makes={"user": Type.TEXT},
    check=check,
    expects=expects,
    timeout_ns=60 * NS_PER_S,
    writes=split_writes,
)


async def run(request: ProbeRequest) -> Observation:
    """One attempt."""
    from . import asking

    before = request.arguments.get("since")
    if before is not None and not isinstance(before, Mapping):
        return probe_error("spec", 'since: that is no record of users; save: {before: assigned}, since: "{{ before }}"')
    rpc = over_grpc(request.what)
    try:
        if not any(templates((request.what, request.arguments))):
            request = _with_places(request)
        wrong = check(request.what, request.arguments)
        if wrong is not None:
            return probe_error("spec", f"{request.what}: {wrong.message}")
        given = request.arguments["backend"]
        path = given if isinstance(given, Expression) else compile_path(str(given))
        tally = Tally(design=design(request.arguments))
        burst = (asking.over_grpc if rpc else asking.over_http)(request, tally, path)
    except (ValueError, OSError, ImportError, TemplateError, ExpressionError) as error:
        return probe_error("no-client" if isinstance(error, ImportError) else "spec", f"{request.what}: {error}")
    if isinstance(burst, Observation):
        return burst
    try:
        async with asyncio.timeout(request.timeout_ns / 1e9):
            await burst.run()
    except TimeoutError:
        burst.give_up("timeout")
    except (ValueError, TemplateError) as error:
        return probe_error("spec", f"{request.what}: {error}")
    finally:
        await burst.close()
    return _seen(request, tally, before, {"backend": path.source, **burst.where})


def _seen(
    request: ProbeRequest, tally: Tally, before: Mapping[str, str] | None, where: Mapping[str, object]
) -> Observation:
    repeat = f"{tally.design.repeat} x " if tally.design.repeat > 1 else ""
    record = {"request": f"{repeat}{request.what}", **where, **tally.record(before)}
    if not tally.assigned and not tally.unattributed:
        word, count = tally.failed.most_common(1)[0]
        return target_error(
            word.partition(" ")[0],
            f"{where['asked']}: none of {tally.failed.total():,} requests was answered: {count:,} times {word}",
            record,
        )
    values = tally.values(before)
    shares = ", ".join(f"{n} {s}" for n, s in _mapping(values["share"]).items())
    lost = "".join(
        f", {n:,} {what}"
        for n, what in ((tally.failed.total(), "failed"), (tally.unattributed.total(), "unattributed"))
        if n
    )
    return value(values, record, f"{len(tally.design.users):,} users: {shares or 'nobody has a backend'}{lost}")


def _with_places(request: ProbeRequest) -> ProbeRequest:
    """A scenario in Python gives texts: read what stands between braces."""
    return replace(request, what=_places(request.what), arguments=_mapping(_places(request.arguments)))


def _places(tree: object) -> object:
    if isinstance(tree, str):
        return Template.parse(tree, Scope(names={"user": Type.TEXT})) if "{{" in tree else tree
    if isinstance(tree, Mapping):
        return {name: inner if name == "since" else _places(inner) for name, inner in tree.items()}
    return [_places(inner) for inner in tree] if isinstance(tree, list) else tree


def _mapping(found: object) -> Mapping[str, object]:
    return found if isinstance(found, Mapping) else {}
