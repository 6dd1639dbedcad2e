"""A look at a container by other means than acting on it: /proc, the freezer, and a connection that wants an answer."""

from __future__ import annotations

import time

from ...core import procfs
from ...core.platforms import Sighting
from ...core.processes import ProcessId
from ...core.stack import Endpoint, Instance
from ..inspection import CONNECT_NS, identity_of, process_of
from .engine import Engine
from .knocking import knock
from .usage import frozen


async def look(instance: Instance, current: ProcessId | None) -> Sighting:
    """At the first process of a container on this machine: `instance` as it was, `current` where to look if that one has gone."""
    known = process_of(instance.identity) if instance.identity else None
    endpoint = next(iter(instance.endpoints.values()), None)
    knocked = await knock(endpoint, CONNECT_NS) if endpoint is not None else None
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
    return _sighting(alive is not None, identity_of(alive) if alive else None, stopped, knocked, what, endpoint)


async def ask(instance: Instance, container: str, engine: Engine) -> Sighting:
    """The same on another machine: its engine is the only one who can look."""
    endpoint = next(iter(instance.endpoints.values()), None)
    knocked = await knock(endpoint, CONNECT_NS) if endpoint is not None else None
    details = await engine.get(f"/containers/{container}/json") if container else {}
    state = details.get("State") or {}
    alive = state.get("Status") in ("running", "paused")
    identity = f"container {container[:12]} started {state.get('StartedAt')}" if alive else None
    what = f"its engine says {state.get('Status') or 'nothing'}"
    return _sighting(alive, identity, state.get("Paused") is True, knocked, what, endpoint)


def _sighting(
    alive: bool,
    identity: str | None,
    stopped: bool,
    knocked: tuple[bool, bool] | None,
    what: str,
    endpoint: Endpoint | None,
) -> Sighting:
    accepts, answered = knocked if knocked is not None else (None, None)
    said = ""
    if endpoint is not None:
        does = (
            "answers"
            if answered
            else "accepts connections, and does not answer"
            if accepts
            else "does not accept connections"
        )
        said = f"; {endpoint.host}:{endpoint.port} {does}"
    return Sighting(
        at_ns=time.monotonic_ns(),
        alive=alive,
        identity=identity,
        stopped=stopped,
        accepts=accepts,
        answers=answered,
        detail=what + said,
    )
