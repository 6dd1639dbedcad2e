"""Users of several kinds: what a generator reads of them, and which of them run."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any
from urllib.parse import quote, quote_plus

from ..core.errors import SeatrialError, UsageError
from ..core.expressions import Expression, did_you_mean
from ..core.expressions.problems import listing
from ..core.load_plans import LoadPlan, UserFlows, UserStep
from ..core.plan import Plan
from ..core.templates import Template
from ..core.workloads import UserRequest, UserRequests
from ..load.filling import PATH_SAFE, QUERY_SAFE

Piece = str | list[str]  # text, or [path of a value, how it is written]


def select_users(plan: Plan, only: Sequence[str], skip: Sequence[str]) -> Plan:
    """The plan with tags to run, or not to run, in place of what its loads say. Raises UsageError where that means nothing."""
    if not only and not skip:
        return plan
    loads = {n: load for n, load in plan.loads.items() if load.flows is not None}
    known = tuple(dict.fromkeys(t for load in loads.values() if load.flows for t in load.flows.selectable))
    for tag in (*only, *skip):
        if tag not in known:
            hint = f"tags: {listing(known, 30) or 'none'}. {did_you_mean(tag, known)}".rstrip()
            raise UsageError.simple(f"no user and no task has the tag {tag!r}", hint)
    chosen = {n: _selected(load, only, skip) for n, load in loads.items()}
    return replace(plan, loads={**plan.loads, **chosen})


def _selected(load: LoadPlan, only: Sequence[str], skip: Sequence[str]) -> LoadPlan:
    if load.flows is None:
        return load
    flows = replace(load.flows, only=tuple(only) or load.flows.only, skip=tuple(skip) or load.flows.skip)
    if not flows.selected:
        raise UsageError.simple(
            f"these tags leave nobody in the load {load.name}", f"its tags: {listing(flows.selectable, 30)}"
        )
    return replace(load, flows=flows)


def flows_configuration(name: str, flows: UserFlows, given: UserRequests) -> dict[str, Any]:
    """What load.flows reads: kinds and tasks that are selected, each request split into text and places."""
    requests = iter(given.requests)

    def steps(found: Sequence[UserStep], where: str) -> list[dict[str, Any]]:
        return [_step(step, where, requests) for step in found]

    return {
        "cookies": flows.cookies,
        "values": dict(given.values),
        "data": {n: {"file": str(d.file), "each_user": d.each_user} for n, d in flows.data.items()},
        "kinds": [
            {
                "weight": kind.weight,
                "begin": steps(kind.begin, f"{name}, {kind.name} begins"),
                "tasks": [
                    {"weight": task.weight, "steps": steps(task.steps, f"{name}, {kind.name}, {task.name}")}
                    for task in kind.tasks
                ],
            }
            for kind in flows.selected
        ],
    }


def _step(step: UserStep, where: str, requests: Iterator[UserRequest]) -> dict[str, Any]:
    if step.call is None:
        return {"think_ns": step.think_ns}
    request = next(requests)
    body, kind = _body(request.arguments)
    given = {n.lower() for n in request.headers}
    headers = {**({"Content-Type": kind} if kind and "content-type" not in given else {}), **request.headers}
    return {
        "where": f"{where}: {step.call.what}",
        "method": request.method,
        "path": _path(request),
        "headers": [[n, list(_header(n, v, where))] for n, v in headers.items()],
        "body": None if body is None else _joined(body),
        "tag": step.tag,
        "expect": step.expect.source if step.expect is not None else "",
        "save": {n: e.source for n, e in step.save.items()},
    }


def _path(request: UserRequest) -> list[Piece]:
    """With its query; what cannot stand in one is quoted, as the http probe does it."""
    pieces: list[Piece] = []
    safe = PATH_SAFE
    for piece in _pieces(request.path, "url"):
        pieces.append(quote(piece, safe=safe + "?") if isinstance(piece, str) else piece)
        safe = QUERY_SAFE if isinstance(piece, str) and "?" in piece else safe
    query = request.arguments.get("query")
    more = list(_pairs(query)) if isinstance(query, Mapping) else []
    if more:
        has = any(isinstance(p, str) and "?" in p for p in pieces)
        pieces += ["&" if has else "?", *more]
    return _joined(pieces)


def _body(arguments: Mapping[str, object]) -> tuple[list[Piece] | None, str]:
    """The content, and its type where that goes without saying."""
    if arguments.get("json") is not None:
        return list(_json(arguments["json"])), "application/json"
    form = arguments.get("form")
    if isinstance(form, Mapping):
        return list(_pairs(form)), "application/x-www-form-urlencoded"
    return (list(_pieces(arguments["body"], "text")), "") if arguments.get("body") is not None else (None, "")


def _pieces(value: object, how: str) -> Iterator[Piece]:
    """Text and places of a value that is text."""
    for piece in value.pieces if isinstance(value, Template) else (str(value),):
        yield [piece.source.strip(), how] if isinstance(piece, Expression) else str(piece)


def _header(name: str, value: object, where: str) -> Iterator[Piece]:
    for piece in _pieces(value, "header"):
        if isinstance(piece, str) and any(c in name + piece for c in "\r\n\0"):
            raise SeatrialError(f"{where}: a line break in the header {name!r}")
        yield piece


def _pairs(found: Mapping[object, object]) -> Iterator[Piece]:
    for number, (name, value) in enumerate(found.items()):
        yield f"{'&' if number else ''}{quote_plus(str(name))}="
        for piece in _pieces(value, "form"):
            yield quote_plus(piece) if isinstance(piece, str) else piece


def _json(value: object) -> Iterator[Piece]:
    """JSON text; a place that is a whole value keeps the value's type."""
    if isinstance(value, Template):
        if len(value.pieces) == 1:
            yield from _pieces(value, "json")
        else:
            yield from _quoted(value)
    elif isinstance(value, Mapping):
        yield "{"
        for number, (name, item) in enumerate(value.items()):
            yield "," if number else ""
            yield from _quoted(name)
            yield ":"
            yield from _json(item)
        yield "}"
    elif isinstance(value, list | tuple):
        yield "["
        for number, item in enumerate(value):
            yield "," if number else ""
            yield from _json(item)
        yield "]"
    else:
        yield json.dumps(value, ensure_ascii=False, default=str)


def _quoted(value: object) -> Iterator[Piece]:
    yield '"'
    for piece in _pieces(value, "string"):
        yield json.dumps(piece, ensure_ascii=False)[1:-1] if isinstance(piece, str) else piece
    yield '"'


def _joined(pieces: Sequence[Piece]) -> list[Piece]:
    """Texts side by side as one."""
    found: list[Piece] = []
    for piece in pieces:
        if isinstance(piece, str) and found and isinstance(found[-1], str):
            found[-1] += piece
        elif piece != "":
            found.append(piece)
    return found
