"""Probe `stack`: the stack held to its own file: what it promises, beside what there is. Values of variables are never shown."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from ..core.errors import NotExercised, PlatformError
from ..core.expressions import Type
from ..core.observations import Observation, ProbeRequest, Surroundings, probe_error, target_error, value
from ..core.processes import Restart
from ..core.shapes import ANY, TEXT, Field, choice
from ..core.stack import Actual, After, Declaration, Instance, InstanceState, Limits, Usage, Volume
from ..core.vocabulary import Verb, Wrong

WHAT = ("order", "health", "restart-policy", "limits", "ports", "environment", "volumes")
_MARKER = ".seatrial-marker"
_SHELL = {
    "write": f'printf %s "$2" > "$1/{_MARKER}"',
    "read": f'cat "$1/{_MARKER}"',
    "remove": f'rm -f "$1/{_MARKER}"',
}


def _check(what: object, arguments: Mapping[str, object]) -> Wrong | None:
    """What goes with what."""
    needs = {"restart-policy": "was", "volumes": "marker"}
    for word, key in needs.items():
        if what == word and key not in arguments:
            hint = {
                "was": 'save it before: {process: instances, at: web *, save: {before: instances}}, then was: "{{ before }}"',
                "marker": 'marker: write, and after a restart marker: read, with the same text: "{{ trial.id }}"',
            }[key]
            return Wrong("", f"{word} needs {key}", hint)
        if what != word and key in arguments:
            return Wrong(key, f"{key} goes with {word}")
    return None


VERB = Verb(
    name="stack",
    doc="The stack beside its own file. order: who ran before what it depends on was ready; health: which instances say that they are "
    "not well, asked now by their readiness checks; restart-policy: who was or was not started again after it ended; limits, ports, "
    "environment: what is not as declared; volumes: a marker in each volume that is kept.",
    what=choice(*WHAT),
    observes={
        "checked": Type.NUMBER,
        "differences": Type.list_of(Type.TEXT),
        "undeclared": Type.list_of(Type.TEXT),
        "healthy": Type.NUMBER,
        "instances": Type.NUMBER,
    },
    run="seatrial.probes.stack:run",
    arguments={
        "was": Field(shape=ANY, doc="Of restart-policy: the instances as they were before.", example='"{{ before }}"'),
        "marker": Field(shape=choice(*_SHELL), doc="Of volumes: what is done with the marker."),
        "text": Field(shape=TEXT, doc="Of the marker (seatrial).", example='"{{ trial.id }}"'),
    },
    default_expect="differences == []",
    needs_target=False,
    together=True,
    asks=False,
    check=_check,
    example="{stack: ports, at: web *}",
)


async def run(request: ProbeRequest) -> Observation:
    """One look."""
    what = str(request.what)
    try:
        found = await _LOOKS[what](request)
    except NotExercised as error:
        return probe_error("not-exercised", str(error))
    except PlatformError as error:
        return target_error("absent", str(error))
    checked, differences = found["checked"], found["differences"]
    words = "; ".join(differences) or f"{checked} as declared"
    if what == "health":
        words = f"{found['healthy']} of {found['instances']} say that they are well" + "".join(
            f"; {d}" for d in differences
        )
    return value(found, {"what": what, **found}, words)


def _found(checked: int, differences: Sequence[str], **more: Any) -> dict[str, Any]:
    empty: dict[str, Any] = {"undeclared": [], "healthy": 0, "instances": 0}
    return {**empty, "checked": checked, "differences": list(differences), **more}


# -- what is asked


async def _order(request: ProbeRequest) -> dict[str, Any]:
    declared = request.around.declared()
    pairs = [(d.service, other, after) for d in declared.values() for other, after in d.after.items()]
    if not pairs:
        raise NotExercised("no service of this stack depends on another")
    changes = request.around.changes()
    told = {pair[:2]: disorder(*pair, changes) for pair in pairs}
    unseen = [f"{one} after {other}" for (one, other), word in told.items() if word is None]
    if unseen:
        raise NotExercised(f"not seen to start: {', '.join(unseen)}")
    return _found(len(pairs), [word for word in told.values() if word])


def disorder(service: str, other: str, after: After, changes: Sequence[Instance]) -> str | None:
    """Empty where a service first ran after what it depends on was as it has to be; None where that was not seen."""
    ran = next((n for n, c in enumerate(changes) if c.service == service and _runs(c)), None)
    started = next((n for n, c in enumerate(changes) if c.service == other and _runs(c)), len(changes))
    met = next((n for n, c in enumerate(changes) if c.service == other and _is_met(after, c, n > started)), None)
    if ran is None:
        return None
    if met is None:
        # One that had to be ready and never was cannot have been waited for.
        return None if after is After.COMPLETED else f"{service} ran, and {other} was never {after}"
    if met < ran:
        return ""
    late = (changes[met].since_ns - changes[ran].since_ns) / 1e6
    return f"{service} ran before {other} was {after}" + (f" ({late:.0f} ms)" if late > 0 else "")


def _runs(change: Instance) -> bool:
    return change.state is not InstanceState.DOWN


def _is_met(after: After, change: Instance, has_run: bool) -> bool:
    match after:
        case After.READY:
            return change.ready
        case After.STARTED:
            return _runs(change)
    return has_run and not _runs(change)


async def _health(request: ProbeRequest) -> dict[str, Any]:
    told = await request.around.health()
    if not told:
        raise PlatformError(f"{request.reach.name} has no instances")
    ill = [f"{name} is not well: {words}" for name, (well, words) in told.items() if not well]
    return _found(len(told), ill, healthy=len(told) - len(ill), instances=len(told))


async def _restart_policy(request: ProbeRequest) -> dict[str, Any]:
    declared = request.around.declared()
    was = request.arguments.get("was")
    before = {str(i["name"]): i.get("identity") for i in was if isinstance(i, Mapping)} if isinstance(was, list) else {}
    now = {i.name: i for i in request.instances}
    ended = [n for n, identity in before.items() if n in now and _has_ended(now[n], identity)]
    if not ended:
        return _found(0, [f"nothing has ended of {', '.join(before) or 'what was before'}"])
    differences = [
        word for n in ended if (word := after_crash(now[n], declared[now[n].service].restart, n in before)) != ""
    ]
    return _found(len(ended), differences, instances=len(ended))


def _has_ended(now: Instance, identity: object) -> bool:
    return now.state is InstanceState.DOWN or now.identity != identity


def after_crash(now: Instance, policy: Restart, known: bool = True) -> str:
    """What is wrong with an instance that ended without having been asked to; empty where it is as its policy says."""
    back = now.state is not InstanceState.DOWN
    if policy is Restart.NEVER:
        return f"{now.name} was started again, and its policy is never" if back and known else ""
    return "" if back else f"{now.name} was not started again (restart: {policy}): {now.detail or 'down'}"


async def _limits(request: ProbeRequest) -> dict[str, Any]:
    checked, differences = 0, []
    for name, promise, real in await _pairs(request, "limits", lambda d: bool(list(_set(d.limits)))):
        for what, limit in _set(promise.limits):
            checked += 1
            given = getattr(real.limits, what)
            if given is None or abs(given - limit) > limit * 0.01:
                differences.append(f"{name}: {what} is {_shown(given)}, declared {_shown(limit)}")
    usages = await _usages(request.around)
    declared = request.around.declared()
    differences += [
        w
        for i in request.instances
        if i.name in usages
        for w in over(declared[i.service].limits, usages[i.name], i.name)
    ]
    return _found(checked, differences)


def over(limits: Limits, usage: Usage, name: str) -> list[str]:
    """Which limits are not kept to."""
    found = []
    if limits.memory_bytes is not None and usage.memory_bytes > limits.memory_bytes:
        found.append(f"{name}: uses {_shown(usage.memory_bytes)} of memory, declared {_shown(limits.memory_bytes)}")
    if limits.pids is not None and usage.threads > limits.pids:
        found.append(f"{name}: has {usage.threads} threads, declared at most {limits.pids}")
    return found


async def _usages(around: Surroundings) -> Mapping[str, Usage]:
    try:
        return await around.usages()
    except (NotExercised, PlatformError):
        return {}  # what was set can be told all the same


def _set(limits: Limits) -> Iterator[tuple[str, float]]:
    for name in ("cpus", "memory_bytes", "pids"):
        limit = getattr(limits, name)
        if limit is not None:
            yield name, limit


def _shown(number: float | None) -> str:
    if number is None:
        return "not set"
    return f"{number / 2**20:.0f} MiB" if number >= 2**20 else f"{number:g}"


async def _ports(request: ProbeRequest) -> dict[str, Any]:
    checked, differences, undeclared = 0, [], []
    # An address of this machine; that of a container itself is nothing that was published.
    addresses = {i.name: sorted({e.port for e in i.endpoints.values() if _here(e.host)}) for i in request.instances}
    for name, promise, real in await _pairs(request, "ports", lambda d: bool(d.ports), addresses):
        wanted = {**promise.ports, **{p: p for p in addresses.get(name, ()) if p not in promise.ports.values()}}
        there = set(real.ports) | {p for p in real.ports.values() if p is not None}
        checked += len(wanted)
        for own, host in wanted.items():
            if own not in there and host not in there:
                differences.append(f"{name}: nothing listens on port {own}")
            elif host is not None and real.ports.get(own, host) not in (None, host):
                differences.append(f"{name}: port {own} is at {real.ports[own]} of the host, declared {host}")
        known = set(wanted) | {p for p in wanted.values() if p is not None}
        undeclared += [f"{name}: {own}" for own in real.ports if own not in known and real.ports[own] not in known]
    return _found(checked, differences, undeclared=undeclared)


def _here(host: str) -> bool:
    return host.startswith("127.") or host in ("localhost", "::1")


async def _environment(request: ProbeRequest) -> dict[str, Any]:
    checked, differences = 0, []
    for name, promise, real in await _pairs(request, "environment", lambda d: bool(d.environment)):
        checked += len(promise.environment)
        for variable, wanted in promise.environment.items():
            given = real.environment.get(variable)
            if given != wanted:  # the values are the stack's own business
                differences.append(f"{name}: {variable} is {'not set' if given is None else 'another than declared'}")
    return _found(checked, differences)


async def _volumes(request: ProbeRequest) -> dict[str, Any]:
    act, text = str(request.arguments["marker"]), str(request.arguments.get("text") or "seatrial")
    service = next((i.service for i in request.instances), "")
    kept = _kept(request.around.declared()[service].volumes) if service in request.around.declared() else []
    if not kept:
        raise NotExercised(f"{request.reach.name or 'the stack'} declares no volume that is kept and can be written to")
    differences = []
    for volume in kept:
        argv = ["sh", "-c", _SHELL[act], "sh", volume.target, text]
        answer = await request.around.execute(argv, request.timeout_ns)
        if answer.exit_status != 0:
            differences.append(f"{volume.target}: {answer.stderr.strip()[:200] or f'exit status {answer.exit_status}'}")
        elif act == "read" and answer.stdout.strip() != text:
            differences.append(f"{volume.target}: its marker is another one")
    return _found(len(kept), differences)


def _kept(volumes: Sequence[Volume]) -> list[Volume]:
    return [v for v in volumes if v.kept and not v.read_only]


async def _pairs(
    request: ProbeRequest,
    part: str,
    promises: Callable[[Declaration], bool],
    besides: Mapping[str, Sequence[int]] | None = None,
) -> list[tuple[str, Declaration, Actual]]:
    """Instances that run, of services that promise something of that part, with both. Raises NotExercised where nothing can be told."""
    declared = request.around.declared()
    mine = [i for i in request.instances if i.service in declared]
    mine = [i for i in mine if promises(declared[i.service]) or (besides and besides.get(i.name))]
    whose = request.reach.name or "the stack"
    if not mine:
        raise NotExercised(f"{whose} declares no {part}")
    actual = await request.around.actual()
    silent = [i.name for i in mine if i.name in actual and part not in actual[i.name].reads]
    if silent:
        raise NotExercised(f"the {part} of {', '.join(silent)} cannot be read")
    down = [i.name for i in mine if i.name not in actual]
    if down:
        raise PlatformError(f"{', '.join(down)} does not run")
    return [(i.name, declared[i.service], actual[i.name]) for i in mine]


_LOOKS = {
    "order": _order,
    "health": _health,
    "restart-policy": _restart_policy,
    "limits": _limits,
    "ports": _ports,
    "environment": _environment,
    "volumes": _volumes,
}
