"""From a probe's arguments to a request, and to its answer over redirects."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import quote, unquote, urlencode, urljoin, urlsplit

from ..core.observations import ProbeRequest
from .httpclient import Answer, Client, Origin

REPEATABLE = frozenset({"GET", "HEAD", "OPTIONS"})  # a second DELETE finds nothing any more
_CREDENTIALS = ("authorization", "cookie", "proxy-authorization")
_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_REDIRECTS_MOST = 10
_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_DEFAULTS = {"accept": "*/*", "accept-encoding": "gzip, deflate", "user-agent": "seatrial"}


@dataclass(frozen=True, kw_only=True, slots=True)
class Outgoing:
    """A request, ready to go. `headers` as they are sent, names in lower case; `url` without credentials."""

    method: str
    url: str
    origin: Origin
    headers: Mapping[str, str]
    body: bytes
    data: bytes


def outgoing(request: ProbeRequest, method: str, url: str) -> Outgoing:
    """The request that a probe's arguments describe. Raises ValueError, saying what of them makes no request."""
    arguments = request.arguments
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError(f"{url!r} is no http or https address")
    body, kind = _body(arguments)
    headers = {**_DEFAULTS, "host": parts.netloc.rpartition("@")[2]}
    if parts.username is not None:
        pair = f"{unquote(parts.username)}:{unquote(parts.password or '')}"
        headers["authorization"] = f"Basic {base64.b64encode(pair.encode()).decode()}"
    if kind:
        headers["content-type"] = kind
    if body or method in ("POST", "PUT", "PATCH"):
        headers["content-length"] = str(len(body))
    for given in (_texts(arguments.get("headers")), request.headers):
        headers.update((name.lower(), value) for name, value in given.items())
    query = urlencode(_texts(arguments.get("query")))
    verify = arguments.get("verify", request.reach.parameters.get("ca") or True)
    return _made(
        method,
        parts._replace(query="&".join(q for q in (parts.query, query) if q), fragment="").geturl(),
        str(verify).lower() if isinstance(verify, bool) else str(verify),
        headers,
        body,
    )


async def exchange(client: Client, out: Outgoing, *, redirects: bool) -> tuple[Answer, str]:
    """The answer and the address that gave it. Raises ExchangeError, OSError (certificates), ValueError (a redirect to nowhere).

    A redirect is followed on the same host, and to loopback; one that leads elsewhere is the answer itself: what is not
    allowed by name is not touched.
    """
    for _ in range(_REDIRECTS_MOST):
        answer = await client.send(
            out.origin, out.data, bodiless=out.method == "HEAD", repeatable=out.method in REPEATABLE
        )
        further = _redirected(out, answer) if redirects and answer.status in _REDIRECTS else None
        if further is None:
            return answer, out.url
        out = further
    raise ValueError(f"more than {_REDIRECTS_MOST} redirects; the last one to {out.url}")


def _redirected(out: Outgoing, answer: Answer) -> Outgoing | None:
    parts = urlsplit(urljoin(out.url, answer.header("location")))
    host = (parts.hostname or "").lower()
    if not answer.header("location") or parts.scheme not in ("http", "https"):
        return None
    if host != out.origin.host and not (host == "localhost" or host == "::1" or host.startswith("127.")):
        return None
    bare = answer.status == 303 or (answer.status in (301, 302) and out.method == "POST")
    headers = {**out.headers, "host": parts.netloc.rpartition("@")[2]}
    method, body = ("HEAD" if out.method == "HEAD" else "GET", b"") if bare else (out.method, out.body)
    if bare:
        headers = {n: v for n, v in headers.items() if n not in ("content-length", "content-type")}
    made = _made(method, parts._replace(fragment="").geturl(), out.origin.verify, headers, body)
    if made.origin == out.origin:
        return made
    kept = {n: v for n, v in headers.items() if n not in _CREDENTIALS}
    return replace(made, headers=kept, data=_written(method, made.url, kept, body))


def _made(method: str, url: str, verify: str, headers: Mapping[str, str], body: bytes) -> Outgoing:
    parts = urlsplit(url)
    tls = parts.scheme == "https"
    origin = Origin((parts.hostname or "").lower(), parts.port or (443 if tls else 80), tls, verify if tls else "")
    shown = parts._replace(netloc=parts.netloc.rpartition("@")[2]).geturl()
    data = _written(method, url, headers, body)
    return Outgoing(method=method, url=shown, origin=origin, headers=headers, body=body, data=data)


def _written(method: str, url: str, headers: Mapping[str, str], body: bytes) -> bytes:
    parts = urlsplit(url)
    path = quote(parts.path or "/", safe="/%:@!$&'()*+,;=~")
    query = quote(parts.query, safe="/?%:@!$&'()*+,;=~[]")
    lines = [f"{method} {path}{'?' if query else ''}{query} HTTP/1.1"]
    for name, value in headers.items():
        if not _TOKEN.fullmatch(name):
            raise ValueError(f"{name!r} is no name of a header")
        if any(c in value for c in "\r\n\0"):
            raise ValueError(f"header {name} has a line break in it")
        lines.append(f"{name}: {value}")
    return "\r\n".join((*lines, "", "")).encode("utf-8") + body


def _body(arguments: Mapping[str, object]) -> tuple[bytes, str]:
    given = [name for name in ("json", "form", "body") if arguments.get(name) is not None]
    if len(given) > 1:
        raise ValueError(f"{' and '.join(given)} are given: a request has one content")
    match given:
        case ["json"]:
            try:
                text = json.dumps(arguments["json"], ensure_ascii=False, separators=(",", ":"))
            except TypeError as error:
                raise ValueError(f"json: {error}") from None
            return text.encode(), "application/json"
        case ["form"]:
            return urlencode(_texts(arguments["form"])).encode(), "application/x-www-form-urlencoded"
        case ["body"]:
            return str(arguments["body"]).encode(), ""
        case _:
            return b"", ""


def _texts(value: object) -> dict[str, str]:
    pairs: Mapping[Any, Any] = value if isinstance(value, Mapping) else {}
    return {str(k): str(v) for k, v in pairs.items()}
