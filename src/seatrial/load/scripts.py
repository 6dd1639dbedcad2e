"""What users do: one request, a weighted mix of them, or a flow that looks at the answers."""

from __future__ import annotations

import importlib.util
import json
import random
import sys
from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path
from typing import Final, Protocol, TypeVar

from ..clients.http1 import Flow, Visit, Way

Prepared = tuple[bytes, int]  # the request as it is sent, and its tag
Begin = Callable[[], Flow]
T = TypeVar("T")
ENDED = object()
NEWLINES = ("\r", "\n", "\0")


class Unexpected(Exception):  # noqa: N818 - an answer, not a mistake
    """An answer that is not what a user's step wants, in words."""


class Pause:
    """What a flow yields to wait so many ns before what it asks next; it is sent None. The connection waits with a user of the closed
    model, and serves others in the open one. A flow begins with a request.
    """

    __slots__ = ("ns",)
    data: Final = b""  # nothing is sent

    def __init__(self, ns: int) -> None:
        if ns < 0:
            raise ValueError(f"a pause of {ns} ns")
        self.ns = ns


class Ready:
    """A request as it is sent; statuses in `accept` are good, whatever others are."""

    __slots__ = ("accept", "bodiless", "data", "tag_number")

    def __init__(self, data: bytes, tag_number: int = 0, accept: Collection[int] = ()) -> None:
        self.data, self.tag_number, self.accept = data, tag_number, accept
        self.bodiless = data.startswith(b"HEAD ")


class Request(Ready):
    """A request that a flow yields; its bytes are made once, so make it once and yield it often.

    `check`: what the flow thinks of the answer is its own affair; the generator counts statuses from 400 on as failed, unless
    `accept` names them.
    """

    __slots__ = ("body", "headers", "method", "path", "tag")

    def __init__(
        self,
        method: str,
        path: str,
        *,
        headers: Mapping[str, str] | None = None,
        json: object = None,
        body: bytes | str | None = None,
        tag: str = "",
        accept: Sequence[int] = (),
    ) -> None:
        super().__init__(
            b"", accept=frozenset(accept)
        )  # its data and the number of its tag are made by the worker, once
        self.method, self.path, self.tag = method, path, tag
        self.headers = dict(headers or {})
        self.body = encoded(json, body, self.headers)
        self.bodiless = method == "HEAD"


def encoded(value: object, body: bytes | str | None, headers: dict[str, str]) -> bytes | None:
    """A body, and the header that says what it is unless there is one. None: there is no body."""
    if value is not None:
        headers.setdefault("Content-Type", "application/json")
        return json.dumps(value, separators=(",", ":"), ensure_ascii=False).encode()
    if isinstance(body, str):
        return body.encode()
    return body


def written(way: Way, request: Request, more: Mapping[str, str]) -> bytes:
    """The request's bytes for a way in; `more` headers, of which the request's own win. Raises ValueError for a line break."""
    own = {name.lower() for name in request.headers}
    headers = {name: value for name, value in more.items() if name.lower() not in own} | request.headers
    given = {name.lower() for name in headers}
    lines = [f"{request.method} {request.path} HTTP/1.1"]
    for name, value in (("Host", way.authority), ("User-Agent", "seatrial"), ("Accept", "*/*")):
        if name.lower() not in given:
            lines.append(f"{name}: {value}")
    lines += [f"{name}: {value}" for name, value in headers.items()]
    if request.body is not None or request.method in ("POST", "PUT", "PATCH"):
        lines.append(f"Content-Length: {len(request.body or b'')}")
    if any(c in line for line in lines for c in NEWLINES):
        raise ValueError(f"{request.method} {request.path}: a line break in a header or a path")
    return "\r\n".join((*lines, "", "")).encode() + (request.body or b"")


def mix(prepared: Sequence[T], weights: Sequence[float], seed: int) -> Callable[[], T]:
    """Draws requests by their weights; the same seed gives the same sequence."""
    if len(prepared) == 1:
        only = prepared[0]
        return lambda: only
    draw = random.Random(seed)  # noqa: S311 - a mix, no secret
    drawn: list[T] = []

    def take() -> T:
        if not drawn:
            drawn.extend(draw.choices(prepared, weights, k=4096))
        return drawn.pop()

    return take


class Crew(Protocol):
    """Those who ask. `pause`: they say ENDED each time they have ended what they do, else they begin anew at once."""

    pause: bool

    def next(self) -> Visit:
        """One who is free, or a new one."""
        ...

    def back(self, visit: Visit, *, failed: bool) -> None:
        """One has ended what it did, or failed in it; a request of it may never be answered then."""
        ...


class Scripted:
    """All follow one script, and one is as good as another."""

    def __init__(self, begin: Begin) -> None:
        self.pause = True
        self._begin = begin
        self._free: list[Visit] = []

    def next(self) -> Visit:
        """Crew: whoever was free last."""
        return self._free.pop() if self._free else visit_of(self._begin, pause=self.pause)

    def back(self, visit: Visit, *, failed: bool) -> None:
        """Crew: a generator that failed has ended."""
        if not failed:
            self._free.append(visit)


def visit_of(begin: Begin, *, pause: bool) -> Visit:
    """Someone who follows a script again and again. `pause`: with ENDED after each time."""
    visit = Visit()
    visit.send = _again(visit, begin, pause).send
    return visit


def _again(visit: Visit, begin: Begin, pause: bool) -> Flow:
    while True:
        visit.asked = None
        yield from begin()  # tells its end without an exception
        if visit.asked is None:
            raise ValueError("the script asked nothing")
        if pause:
            yield ENDED


def flow_of(reference: str, directory: Path) -> Begin:
    """The generator function, or async function, behind "file.py:function", relative to a directory. ValueError where it is not there."""
    name, _, function = reference.partition(":")
    path = (directory / name).resolve()
    if not function or not path.exists():
        raise ValueError(f"{reference!r} is no file.py:function in {directory}")
    spec = importlib.util.spec_from_file_location(f"seatrial_users_{path.stem}", path)
    if spec is None or spec.loader is None:
        raise ValueError(f"{path} cannot be imported")
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # dataclasses look there for theirs
    spec.loader.exec_module(module)
    found = getattr(module, function, None)
    if not callable(found):
        raise ValueError(f"{path} has no function {function}")
    begin: Begin = found
    return begin
