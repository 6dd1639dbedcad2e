"""Who is ready: watched from the start of an instance until the end of the stack.

Readiness belongs to a run of a process: a new process, a pause or a release makes it void, and it is asked for again until
it holds. While an instance is ready nothing is asked: whether it goes on being ready is for the checks of the spec.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

from ..core.errors import SeatrialError
from ..core.observations import Reach
from ..core.plan import CheckPlan
from ..core.platforms import Prober
from ..core.quantities import NS_PER_S
from .expansion import describe
from .inspection import CONNECT_NS, accepts_connection
from .instances import Copy

EVERY_NS = 80_000_000
ATTEMPT_NS = 2 * NS_PER_S
SETTLED_NS = NS_PER_S  # what only has to run must do so for this long: what crashes at once is not ready


async def watch(copy: Copy, prober: Prober, ready: Callable[[Copy], None]) -> None:
    """Ask for readiness whenever a run has not shown it yet, and call `ready` when it does; until cancelled."""
    while True:
        copy.stirred.clear()
        run = copy.run
        if run is None or copy.ready:
            await copy.stirred.wait()
            continue
        if copy.host is not None and not copy.host.ready:
            await asyncio.sleep(EVERY_NS / NS_PER_S)  # a thousand of them would only keep it from getting ready
            continue
        began_ns = time.monotonic_ns()
        holds, copy.last_seen = await attempt(copy, prober)
        if holds and copy.run == run:
            copy.ready_run = run
            copy.first_ready.set()
            ready(copy)
        elif not holds:
            # A check that takes long (a command) is not to take the processor from what it waits for.
            took_ns = time.monotonic_ns() - began_ns
            await asyncio.sleep(max(_every(copy.part.ready), min(took_ns, NS_PER_S)) / NS_PER_S)


async def attempt(copy: Copy, prober: Prober) -> tuple[bool, str]:
    """Ask one instance once: whether it is ready, and what was seen.

    Without a check of its own an instance is ready when all its endpoints accept connections; without endpoints, when
    it has run for a second.
    """
    check = copy.part.ready
    if check is not None:
        return await ask(check, copy.reach, prober)
    if not copy.blueprint.endpoints:
        run = copy.run
        settled = run is not None and time.monotonic_ns() - run[1] >= SETTLED_NS
        return settled, "" if settled else "has just started"
    for endpoint in copy.blueprint.endpoints.values():
        if not await accepts_connection(endpoint, CONNECT_NS):
            return False, f"{endpoint.host}:{endpoint.port} does not accept connections"
    return True, ""


async def ask(check: CheckPlan, reach: Reach, prober: Prober) -> tuple[bool, str]:
    """One attempt of a check at one instance: whether it holds, and what was seen."""
    try:
        observation, judgement = await prober.attempt(check, reach, check.timeout_ns or ATTEMPT_NS)
    except SeatrialError as error:
        return False, str(error)
    return judgement.truth is True, judgement.reason or observation.message


def waited_for(copy: Copy) -> str:
    """What readiness means for an instance, for people."""
    if copy.part.ready is not None:
        return describe(copy.part.ready)
    addresses = ", ".join(f"{e.host}:{e.port}" for e in copy.blueprint.endpoints.values())
    return f"connections to {addresses}" if addresses else "its process to go on running"


def _every(check: CheckPlan | None) -> int:
    return (check.every_ns if check is not None else None) or EVERY_NS
