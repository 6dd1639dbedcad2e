"""Probe `http`: one request, or many of them counted by what answers."""

from __future__ import annotations

import asyncio
import json
import math
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING
from weakref import WeakKeyDictionary

from ..core.expressions import Expression, ExpressionError, Missing, Type, compile_path
from ..core.observations import Observation, ProbeRequest, probe_error, target_error, value
from ..core.quantities import Dimension, Quantity
from ..core.shapes import ANY, BOOLEAN, COUNT, PATH, TEXT, Field, mapping_of, union
from ..core.stack import Endpoint
from ..core.templates import TemplateError, render, template_names
from ..core.vocabulary import Verb
from ..core.writing import http_writes
from .aiming import endpoints, located

if TYPE_CHECKING:
    from .httpclient import Answer, Client
    from .requesting import Outgoing

METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")
_BODY_SHOWN = 2048
_NOTHING_COUNTED = "nothing is counted: give group-by"
_clients: WeakKeyDictionary[asyncio.AbstractEventLoop, Client] = WeakKeyDictionary()


def split(text: str) -> tuple[str, str]:
    """("POST", "/path") of "POST /path"; no method where there is none."""
    first, _, rest = text.strip().partition(" ")
    return (first, rest.strip()) if rest and first.isalpha() else ("", text.strip())


def check_what(text: str) -> str | None:
    """What is wrong with "METHOD /path"; None when nothing is."""
    method, path = split(text)
    if method and method not in METHODS:
        return f'unknown method "{method}"; methods: {", ".join(METHODS)}'
    if not path.startswith(("/", "http://", "https://", "{{")):
        return f'"{path}" is no path; for example GET /healthz, or POST http://127.0.0.1:8000/x'
    return None


REPETITION = {"op": Type.record({"n": Type.NUMBER})}  # of requests that are sent several times


VERB = Verb(
    name="http",
    doc="A request over HTTP; the observation is its answer, whatever its status.",
    what=TEXT,
    observes={
        "status": Type.NUMBER,
        "json": Type.ANY,
        "text": Type.TEXT,
        "headers": Type.map_of(Type.TEXT),
        "latency": Type.DURATION,
        "size": Type.SIZE,
        "groups": Type.NUMBER,
        "share": Type.record({"min": Type.RATIO, "max": Type.RATIO}),
        "counts": Type.map_of(Type.NUMBER),
        "statuses": Type.map_of(Type.NUMBER),
        "errors": Type.NUMBER,
        "latency_p95": Type.DURATION,
    },
    run="seatrial.probes.http:run",
    arguments={
        "json": Field(shape=ANY, doc="Sent as JSON.", example="{name: ring}"),
        "form": Field(shape=mapping_of(TEXT), doc="Sent as a form."),
        "body": Field(shape=TEXT, doc="Sent as it is."),
        "headers": Field(shape=mapping_of(TEXT), doc="Headers to send."),
        "query": Field(shape=mapping_of(TEXT), doc="Query parameters."),
        "redirects": Field(shape=BOOLEAN, doc="Follow redirects on the same host, and to loopback (false)."),
        "endpoint": Field(shape=TEXT, doc="Which port, where an instance has several."),
        "verify": Field(
            shape=union(BOOLEAN, TEXT), doc="Check the certificate: true, false, or a file with the authority."
        ),
        "times": Field(
            shape=COUNT,
            doc="So many requests; then groups, share, counts, statuses, errors and latency_p95 are seen. {{ op.n }} is the number of each "
            "of them, from 1.",
            example="1000",
        ),
        "concurrency": Field(shape=COUNT, doc="So many of them at once (16)."),
        "group-by": Field(shape=PATH, doc="What the answers are counted by.", example='headers["x-instance"]'),
    },
    default_expect="status < 400",
    example="http: GET /healthz",
    client="http1",
    sent=("json", "body", "headers", "verify"),
    schemes=("http", "https"),
    check_what=check_what,
    makes=REPETITION,
    makes_with="times",
    writes=http_writes,
    samples=lambda what, arguments: times if isinstance(times := arguments.get("times"), int) else None,
    transport=("latency", "latency_p95", "errors"),
)


def base(endpoint: Endpoint) -> str:
    """Its address as one of HTTP: scheme://host:port."""
    scheme = endpoint.scheme if endpoint.scheme in ("http", "https") else "http"
    return f"{scheme}://{endpoint.url.partition('://')[2]}"


async def run(request: ProbeRequest) -> Observation:
    """One attempt."""
    many = "times" in request.arguments
    try:
        first = numbered(request, 1) if many else request
    except TemplateError as error:
        return probe_error("spec", str(error))
    method, path = split(str(first.what))
    endpoint: Endpoint | None = None
    if not path.startswith(("http://", "https://")):
        found = endpoints(request, ("http", "https"), request.arguments.get("endpoint"))
        if isinstance(found, Observation):
            return found
        endpoint = found[0]
        path = f"{base(endpoint)}{path}"
    try:
        out = _outgoing(first, endpoint)
        observation = await (_many(request, out, endpoint) if many else _once(request, out))
    except (ValueError, OSError, ExpressionError, TemplateError) as error:
        return probe_error("spec", f"{method or 'GET'} {path.partition('?')[0]}: {error}")
    return located(observation, request, endpoint) if endpoint else observation


def numbered(request: ProbeRequest, number: int) -> ProbeRequest:
    """The request with that number, of several. Raises TemplateError."""
    values = {"op": {"n": number}}
    arguments = render(request.arguments, values)
    assert isinstance(arguments, Mapping)
    return replace(request, what=render(request.what, values), arguments=arguments)


def _outgoing(request: ProbeRequest, endpoint: Endpoint | None) -> Outgoing:
    """What is sent. Raises ValueError, OSError."""
    from .requesting import outgoing

    method, path = split(str(request.what))
    return outgoing(request, method or "GET", f"{base(endpoint)}{path}" if endpoint is not None else path)


async def _once(request: ProbeRequest, out: Outgoing) -> Observation:
    from .httpclient import ExchangeError
    from .requesting import exchange

    began = time.monotonic_ns()
    record: dict[str, object] = {"request": f"{out.method} {out.url}", "sent": dict(out.headers)}
    try:
        async with asyncio.timeout(request.timeout_ns / 1e9):
            answer, url = await exchange(_client(), out, redirects=bool(request.arguments.get("redirects", False)))
    except TimeoutError:
        return target_error("timeout", f"{record['request']}: no answer in time", record)
    except ExchangeError as error:
        return target_error(error.word, f"{record['request']}: {error}", record)
    if url != out.url:
        record["answered"] = url
    values = _values(answer, time.monotonic_ns() - began)
    text = answer.text
    record |= {"status": answer.status, "headers": values["headers"], "body": text[:_BODY_SHOWN]}
    return value(values, record, f"{record['request']}: {answer.status} {text[:120]}".strip())


def _client() -> Client:
    """The one of this event loop: connections are kept alive between attempts."""
    from .httpclient import Client

    loop = asyncio.get_running_loop()
    client = _clients.get(loop)
    if client is None:
        client = _clients[loop] = Client()
    return client


async def close() -> None:
    """Close the connections of this event loop."""
    client = _clients.pop(asyncio.get_running_loop(), None)
    if client is not None:
        await client.close()


def _values(answer: Answer, took_ns: int) -> dict[str, object]:
    headers: dict[str, str] = {}
    for name, text in answer.headers:
        headers[name] = f"{headers[name]}, {text}" if name in headers else text
    return {
        "status": answer.status,
        "text": answer.text,
        "headers": headers,
        "latency": Quantity(took_ns, Dimension.DURATION),
        "size": Quantity(len(answer.content), Dimension.SIZE),
        "json": json_of(answer.text),
    }


def json_of(text: str) -> object:
    """A body read as JSON; Missing where it is none."""
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return Missing(f"the answer is not JSON: {text[:60]!r}")


@dataclass(kw_only=True)
class _Tally:
    """What came of many requests; `grouped`: there is something that they are counted by."""

    grouped: bool = False
    groups: Counter[str] = field(default_factory=Counter)
    statuses: Counter[str] = field(default_factory=Counter)
    errors: Counter[str] = field(default_factory=Counter)
    took_ns: list[int] = field(default_factory=list)

    @property
    def done(self) -> int:
        """Requests that came to an end."""
        return sum(self.statuses.values()) + sum(self.errors.values())

    def values(self) -> dict[str, object]:
        """As the descriptor has them. Shares are those of the answers, among the groups that answered."""
        answered = sum(self.groups.values())
        shares = [count / answered for count in self.groups.values()]
        took = sorted(self.took_ns)
        return {
            "groups": len(self.groups),
            "counts": self.groups if self.grouped else Missing(_NOTHING_COUNTED),
            "statuses": self.statuses,
            "errors": sum(self.errors.values()),
            "share": {n: Quantity(f(shares), Dimension.RATIO) for n, f in (("min", min), ("max", max))}
            if shares
            else Missing(_NOTHING_COUNTED),
            "latency_p95": Quantity(took[math.ceil(0.95 * len(took)) - 1], Dimension.DURATION)
            if took
            else Missing("nothing answered"),
        }


async def _many(request: ProbeRequest, out: Outgoing, endpoint: Endpoint | None) -> Observation:
    """So many requests, some at once, `out` the first; each answer is counted by status and by group."""
    times, together = request.arguments["times"], request.arguments.get("concurrency", 16)
    total = times if isinstance(times, int) else 1
    by = request.arguments.get("group-by")
    path = by if isinstance(by, Expression) or by is None else compile_path(str(by))
    same = not template_names((request.what, dict(request.arguments)))
    each = (out if same or n == 1 else _outgoing(numbered(request, n), endpoint) for n in range(1, total + 1))
    tally, late = _Tally(grouped=path is not None), False
    workers = [
        asyncio.create_task(_work(request, each, path, tally))
        for _ in range(min(total, together if isinstance(together, int) else 16))
    ]
    try:
        async with asyncio.timeout(request.timeout_ns / 1e9):
            await asyncio.gather(*workers)
    except TimeoutError:
        late = True
    finally:
        for worker in workers:
            worker.cancel()
        await asyncio.gather(*workers, return_exceptions=True)
    values = tally.values()
    shown = {"counts": dict(tally.groups), "statuses": dict(tally.statuses), "errors": dict(tally.errors)}
    record = {"request": f"{total} x {out.method} {out.url}", "sent": dict(out.headers), **shown}
    if late:
        return target_error("timeout", f"{tally.done} of {total} requests were done in time", record)
    if not tally.statuses:
        word, count = tally.errors.most_common(1)[0]
        return target_error(word, f"none of {total} requests was answered: {count} times {word}", record)
    seen = dict(tally.groups) or dict(tally.statuses)
    return value(values, record, f"{total} requests: {seen}, {sum(tally.errors.values())} errors")


async def _work(request: ProbeRequest, each: Iterator[Outgoing], path: Expression | None, tally: _Tally) -> None:
    from .httpclient import ExchangeError
    from .requesting import exchange

    redirects = bool(request.arguments.get("redirects", False))
    for out in each:
        began = time.monotonic_ns()
        try:
            answer, _url = await exchange(_client(), out, redirects=redirects)
        except ExchangeError as error:
            tally.errors[error.word] += 1
            continue
        took = time.monotonic_ns() - began
        tally.took_ns.append(took)
        tally.statuses[str(answer.status)] += 1
        if path is not None:
            group = path.value(_values(answer, took))
            tally.groups["(none)" if isinstance(group, Missing) else str(group)] += 1
