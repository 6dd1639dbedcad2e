"""A look at a container by other means than acting on it: /proc, the freezer, and a connection that wants an answer."""

from __future__ import annotations

import time

from ...core import procfs
from ...core.platforms import Sighting
from ...core.processes import ProcessId
from ...core.stack import Endpoint, Instance
from ..inspection import CONNECT_NS, identity_of, process_of
from .engine import Engine
from .knocking import answers
from .usage import frozen


async def look(instance: Instance, current: ProcessId | None) -> Sighting:
    """At the first process of a container on this machine: `instance` as it was, `current` where to look if that one has gone."""
    known = process_of(instance.identity) if instance.identity else None
    endpoint = next(iter(instance.endpoints.values()), None)
    accepts = await _answers(endpoint)
    alive = next((p for p in (known, current) if p is not None and procfs.is_alive(p)), None)
    stopped = False
    if alive is None:
        what = f"pid {known.pid} has gone" if known is not None else "has no process"
    else:
        word = frozen(alive.pid)
        states = [procfs.state(p) for p in procfs.descendants([alive])]
        shown = "".join(sorted(s for s in states if s))
        stopped = word is True or (bool(shown) and set(shown) <= {"T", "t", "Z"} and set(shown) != {"Z"})
        what = f"pid {alive.pid} exists, processes in state {shown}" + (", frozen" if word else "")
        if known is not None and alive != known:
            what = f"pid {known.pid} has gone, pid {alive.pid} runs in its place"
    return _sighting(alive is not None, identity_of(alive) if alive else None, stopped, accepts, what, endpoint)


async def ask(instance: Instance, container: str, engine: Engine) -> Sighting:
    """The same on another machine: its engine is the only one who can look."""
    endpoint = next(iter(instance.endpoints.values()), None)
    accepts = await _answers(endpoint)
    details = await engine.get(f"/containers/{container}/json") if container else {}
    state = details.get("State") or {}
    alive = state.get("Status") in ("running", "paused")
    identity = f"container {container[:12]} started {state.get('StartedAt')}" if alive else None
    what = f"its engine says {state.get('Status') or 'nothing'}"
    return _sighting(alive, identity, state.get("Paused") is True, accepts, what, endpoint)


async def _answers(endpoint: Endpoint | None) -> bool | None:
    return await answers(endpoint, CONNECT_NS) if endpoint is not None else None


def _sighting(
    alive: bool, identity: str | None, stopped: bool, accepts: bool | None, what: str, endpoint: Endpoint | None
) -> Sighting:
    said = (
        "" if endpoint is None else f"; {endpoint.host}:{endpoint.port} {'answers' if accepts else 'does not answer'}"
    )
    return Sighting(
        at_ns=time.monotonic_ns(),
        alive=alive,
        identity=identity,
        stopped=stopped,
        accepts=accepts,
        detail=what + said,
    )
