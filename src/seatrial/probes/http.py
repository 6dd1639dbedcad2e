"""Probe `http`: one request, or many of them counted by what answers."""

from __future__ import annotations

import asyncio
import json
import time
from collections import Counter
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from ..core.expressions import Missing, Type, compile_path
from ..core.observations import Observation, ProbeRequest, probe_error, target_error, value
from ..core.quantities import Dimension, Quantity
from ..core.shapes import ANY, BOOLEAN, COUNT, TEXT, Field, mapping_of, union
from ..core.vocabulary import Verb

if TYPE_CHECKING:
    import httpx

METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")
_BODY_SHOWN = 2048
_clients: dict[tuple[int, str, str], httpx.AsyncClient] = {}


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
    },
    run="seatrial.probes.http:run",
    arguments={
        "json": Field(shape=ANY, doc="Sent as JSON.", example="{name: ring}"),
        "form": Field(shape=mapping_of(TEXT), doc="Sent as a form."),
        "body": Field(shape=TEXT, doc="Sent as it is."),
        "headers": Field(shape=mapping_of(TEXT), doc="Headers to send."),
        "query": Field(shape=mapping_of(TEXT), doc="Query parameters."),
        "redirects": Field(shape=BOOLEAN, doc="Follow redirects (false)."),
        "endpoint": Field(shape=TEXT, doc="Which port, where an instance has several."),
        "verify": Field(
            shape=union(BOOLEAN, TEXT), doc="Check the certificate: true, false, or a file with the authority."
        ),
        "times": Field(
            shape=COUNT,
            doc="So many requests; then groups, share, counts, statuses and errors are seen.",
            example="1000",
        ),
        "concurrency": Field(shape=COUNT, doc="So many of them at once (16)."),
        "group-by": Field(shape=TEXT, doc="What the answers are counted by.", example='headers["x-instance"]'),
    },
    default_expect="status < 400",
    example="http: GET /healthz",
    check_what=check_what,
)


async def run(request: ProbeRequest) -> Observation:
    """One attempt."""
    import httpx

    method, path = split(str(request.what))
    method = method or "GET"
    base = "" if "://" in path else _base(request)
    if base is None:
        return target_error("absent", f"{request.reach.name} has no endpoint that is running")
    if "times" in request.arguments:
        return await _many(request, method, base + path)
    record = {"request": f"{method} {base}{path}"}
    began = time.monotonic_ns()
    try:
        answer = await _send(request, method, base + path)
    except httpx.HTTPError as error:
        word, message = classify(error)
        return target_error(word, f"{method} {base}{path}: {message}", record)
    except (httpx.InvalidURL, ValueError, TypeError) as error:
        return probe_error("spec", f"{method} {base}{path}: {error}", record)
    return _seen(answer, time.monotonic_ns() - began, record)


def _base(request: ProbeRequest) -> str | None:
    wanted = request.arguments.get("endpoint")
    endpoints = request.reach.endpoints
    if wanted is not None:
        endpoints = {n: e for n, e in endpoints.items() if n.split("#")[0] == wanted}
    chosen = next((e for e in endpoints.values() if e.scheme in ("http", "https")), None) or next(
        iter(endpoints.values()), None
    )
    if chosen is None:
        return None
    scheme = chosen.scheme if chosen.scheme in ("http", "https") else "http"
    return f"{scheme}://{chosen.url.partition('://')[2]}"


async def _send(request: ProbeRequest, method: str, url: str) -> httpx.Response:
    arguments = request.arguments
    headers = {**{str(k): str(v) for k, v in _mapping(arguments.get("headers")).items()}, **request.headers}
    client = _client(url, arguments.get("verify", True))
    return await client.request(
        method,
        url,
        headers=headers,
        json=arguments.get("json"),
        data={str(k): str(v) for k, v in _mapping(arguments.get("form")).items()} or None,
        content=str(arguments["body"]) if "body" in arguments else None,
        params={str(k): str(v) for k, v in _mapping(arguments.get("query")).items()} or None,
        follow_redirects=bool(arguments.get("redirects", False)),
        timeout=request.timeout_ns / 1e9,
    )


def _mapping(value: object) -> Mapping[Any, Any]:
    return value if isinstance(value, Mapping) else {}


def _client(url: str, verify: object) -> httpx.AsyncClient:
    """One for each origin and event loop: connections are kept alive between attempts."""
    import httpx

    origin = "/".join(url.split("/", 3)[:3])
    key = (id(asyncio.get_running_loop()), origin, str(verify))
    if key not in _clients:
        import ssl

        context: ssl.SSLContext | bool = (
            verify if isinstance(verify, bool) else ssl.create_default_context(cafile=str(verify))
        )
        limits = httpx.Limits(max_connections=256, max_keepalive_connections=64, keepalive_expiry=5)
        if origin.startswith("http://"):
            context = False  # no certificates to load: that takes 30 ms
        _clients[key] = httpx.AsyncClient(verify=context, trust_env=False, limits=limits)
    return _clients[key]


async def close() -> None:
    """Close the clients of this event loop."""
    loop = id(asyncio.get_running_loop())
    for key in [k for k in _clients if k[0] == loop]:
        await _clients.pop(key).aclose()


def _seen(answer: httpx.Response, took_ns: int, record: Mapping[str, object]) -> Observation:
    text = answer.text
    values: dict[str, object] = {
        "status": answer.status_code,
        "text": text,
        "headers": {k.lower(): v for k, v in answer.headers.items()},
        "latency": Quantity(took_ns, Dimension.DURATION),
        "size": Quantity(len(answer.content), Dimension.SIZE),
        "json": _json(text),
    }
    shown = {**record, "status": answer.status_code, "headers": dict(answer.headers), "body": text[:_BODY_SHOWN]}
    return value(values, shown, f"{record['request']}: {answer.status_code} {text[:120]}".strip())


def _json(text: str) -> object:
    try:
        return json.loads(text)
    except ValueError:
        return Missing(f"the answer is not JSON: {text[:60]!r}")


def classify(error: httpx.HTTPError) -> tuple[str, str]:
    """A word for what went wrong, and a sentence."""
    import httpx

    text = str(error) or type(error).__name__
    if isinstance(error, httpx.TimeoutException):
        return "timeout", "no answer in time"
    if isinstance(error, httpx.ConnectError):
        lowered = text.lower()
        if "certificate" in lowered or "ssl" in lowered or "tls" in lowered:
            return "tls", text
        if "name or service" in lowered or "getaddrinfo" in lowered or "nodename" in lowered:
            return "name", text
        return "refused", "connection refused" if "all connection attempts failed" in lowered else text
    if isinstance(error, httpx.RemoteProtocolError):
        return (
            ("closed", "the connection was closed without an answer") if "disconnected" in text else ("protocol", text)
        )
    if isinstance(error, httpx.ReadError | httpx.WriteError | httpx.CloseError):
        return "reset", "the connection was reset"
    return "protocol", text


async def _many(request: ProbeRequest, method: str, url: str) -> Observation:
    """So many requests, some at once; each answer is counted by status and by group."""
    import httpx

    times, path = request.arguments["times"], request.arguments.get("group-by")
    total = times if isinstance(times, int) else 1
    together = request.arguments.get("concurrency", 16)
    group = compile_path(str(path)) if path is not None else None
    counts: Counter[str] = Counter()
    statuses: Counter[str] = Counter()
    errors: Counter[str] = Counter()
    left = iter(range(total))

    async def worker() -> None:
        for _ in left:
            began = time.monotonic_ns()
            try:
                answer = await _send(request, method, url)
            except httpx.HTTPError as error:
                errors[classify(error)[0]] += 1
                continue
            statuses[str(answer.status_code)] += 1
            if group is not None:
                seen = group.value(_seen(answer, time.monotonic_ns() - began, {"request": ""}).values)
                counts["(none)" if isinstance(seen, Missing) else str(seen)] += 1

    async with asyncio.TaskGroup() as tasks:
        for _ in range(together if isinstance(together, int) else 16):
            tasks.create_task(worker())
    answered = sum(counts.values())
    shares = [c / answered for c in counts.values()] if answered else []
    values: dict[str, object] = {
        "groups": len(counts),
        "counts": dict(counts),
        "statuses": dict(statuses),
        "errors": sum(errors.values()),
        "share": {n: Quantity(f(shares), Dimension.RATIO) for n, f in (("min", min), ("max", max))}
        if shares
        else Missing("no answer"),
    }
    record = {
        "request": f"{total} x {method} {url}",
        "counts": dict(counts),
        "statuses": dict(statuses),
        "errors": dict(errors),
    }
    return value(values, record, f"{total} requests: {dict(counts) or dict(statuses)}, {sum(errors.values())} errors")
