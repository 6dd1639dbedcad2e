"""Who is ready: its health check has passed, where it has one, and its `ready` check, where it has one; else it answers.

Asked for after each start until it holds; while an instance is ready nothing is asked (but its health check goes on).
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Callable

from ...core.platforms import Prober
from ...core.quantities import NS_PER_S
from ..expansion import describe
from ..inspection import CONNECT_NS
from ..readiness import EVERY_NS, SETTLED_NS, ask
from .containers import Container
from .knocking import answers


async def watch(container: Container, prober: Prober, ready: Callable[[Container], None]) -> None:
    """Ask whenever a run has not shown that it is ready, and call `ready` when it does; until cancelled."""
    while True:
        container.stirred.clear()
        run = container.run
        if run is None or container.ready:
            await container.stirred.wait()
            continue
        began_ns = time.monotonic_ns()
        holds, container.last_seen = await attempt(container, prober)
        if holds and container.run == run:
            container.ready_run = run
            ready(container)
        elif not holds:
            took_ns = min(time.monotonic_ns() - began_ns, NS_PER_S)
            check = container.role.ready
            every_ns = (check.every_ns if check is not None else None) or EVERY_NS
            with contextlib.suppress(TimeoutError):  # what its engine tells of it is no reason to wait
                async with asyncio.timeout(max(every_ns, took_ns) / NS_PER_S):
                    await container.stirred.wait()


async def attempt(container: Container, prober: Prober) -> tuple[bool, str]:
    """Ask one instance once: whether it is ready, and what was seen."""
    if container.service.declaration.health and container.health != "healthy":
        return False, f"its health check says {container.health or 'nothing yet'}"
    check = container.role.ready
    if check is not None:
        return await ask(check, container.reach, prober)
    if container.service.declaration.health:
        return True, ""
    endpoints = container.inside() if container.local else container.endpoints
    if not endpoints:
        settled = time.monotonic_ns() - container.since_ns >= SETTLED_NS
        return settled, "" if settled else "has just started"
    for endpoint in endpoints.values():
        if not await answers(endpoint, CONNECT_NS):
            return False, f"{endpoint.host}:{endpoint.port} does not answer"
    return True, ""


def waited_for(container: Container) -> str:
    """What readiness means for an instance, for people."""
    words = ["its health check"] if container.service.declaration.health else []
    words += [describe(container.role.ready)] if container.role.ready is not None else []
    if not words and container.service.endpoints:
        words = ["answers at " + ", ".join(f"{n} ({p.number})" for n, p in container.service.endpoints.items())]
    return " and ".join(words) or "its process to go on running"
