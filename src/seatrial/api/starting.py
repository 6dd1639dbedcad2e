"""`seatrial init URL`: looks at a running service and writes a spec that says what was seen, as claims to hold it to."""

from __future__ import annotations

import asyncio
import math
import re
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from ..core.errors import UsageError

_PATHS = ("/healthz", "/health", "/livez", "/readyz", "/ready", "/-/healthy", "/api/health", "/status")
_LOOPBACK = ("127.", "localhost", "[::1]", "::1")


@dataclass(frozen=True, kw_only=True)
class Look:
    """One answer: status and how long it took (ms)."""

    path: str
    status: int
    took_ms: float


async def look(base: str, paths: tuple[str, ...], times: int = 5) -> list[Look]:
    """Ask for each path a few times; the slowest answer counts."""
    import httpx

    found = []
    async with httpx.AsyncClient(base_url=base, trust_env=False, timeout=5, follow_redirects=False) as client:
        for path in paths:
            slowest, status = 0.0, 0
            for _ in range(times):
                began = time.monotonic()
                status = (await client.get(path)).status_code
                slowest = max(slowest, (time.monotonic() - began) * 1000)
                if status >= 400:
                    break
            found.append(Look(path=path, status=status, took_ms=slowest))
    return found


def write_spec(url: str, output: Path) -> int:
    """Probe the service and write the spec. Raises UsageError when the URL is none or nothing answers there."""
    import httpx

    parts = urlsplit(url if "://" in url else f"http://{url}")
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise UsageError.simple(f"{url!r} is no http or https address", "for example http://127.0.0.1:8000/api/items")
    base = f"{parts.scheme}://{parts.netloc}"
    main = parts.path or "/"
    try:
        looks = asyncio.run(look(base, (main, *(p for p in _PATHS if p != main))))
    except httpx.HTTPError as error:
        raise UsageError.simple(
            f"nothing answers at {base}: {error or type(error).__name__}", "start the service, then again"
        ) from None
    answering = [v for v in looks if v.status < 400 or v.path == main]
    output.write_text(_spec(base, parts.hostname, answering), encoding="utf-8")
    sys.stdout.write(
        f"{output}: {len(answering)} checks and a client at 20 requests a second for 30 s\nnext: seatrial run {output}\n"
    )
    return 0


def _spec(base: str, host: str, looks: list[Look]) -> str:
    name = re.sub(r"[^a-z0-9]+", "-", host.lower()).strip("-") or "service"
    allow = (
        ""
        if host.startswith(_LOOPBACK)
        else f"\n    allow: [{host}]                     # not loopback: named on purpose; faults stay forbidden"
    )
    main = looks[0]
    checks = "\n".join(_check(v) for v in looks)
    slow = _round(main.took_ms)
    return f"""# Written by `seatrial init`: what your service did when it was looked at, as claims to hold it to.
seatrial: 1
name: {name}
stack:
  remote:
    services: {{service: {base}}}{allow}

requirements:
  R-1: the service answers as it did when this was written
  R-2: 99 % of requests from a steady client are answered, half of them fast

workloads:
  visitors:                              # a client outside: every operation is recorded
    http: GET {main.path}
    at: service
    rate: 20/s
    timeout: 5s

scenarios:
  answers:
    covers: [R-1]
    steps:
{checks}
  steady-client:
    covers: [R-2]
    throughout: [visitors]
    steps:
      - http: GET {main.path}
        at: service
        expect: status == {main.status}
        for: 30s                         # while the visitors come
    expect:
      available: visitors.availability.overall >= 99%
      fast: visitors.latency.p50 < {slow}
"""


def _check(seen: Look) -> str:
    return f"""      - http: GET {seen.path}
        at: service
        expect: status == {seen.status} and latency < {_round(seen.took_ms)}
        within: 10s
"""


def _round(took_ms: float) -> str:
    """Four times the slowest answer, rounded up to 1, 2 or 5: room for noise, and still a bound."""
    wanted = max(50.0, took_ms * 4)
    scale = 10 ** math.floor(math.log10(wanted))
    steps: Mapping[float, float] = {s: s * scale for s in (1, 2, 5, 10)}
    return f"{next(v for v in steps.values() if v >= wanted):.0f}ms"
