"""What makes a figure of clients bad: what is to be done on their way to the service, so that an expectation has to turn red.

late       percentiles and the longest answer: what they ask comes later than the bound, and earlier than they give up
failing    errors, served, failed, ok, rate, availability: most of what they ask is answered with an error
gone       outages, recovery, the last failure: nothing is answered for longer than the bound
unwritten  lost, drift: what they write is acknowledged on the way, and never reaches the service
"""

from __future__ import annotations

import enum
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from ..core.answers import conditions, held_against, put
from ..core.expressions import Expression, Type
from ..core.expressions.syntax import Node, Path, unparse, walk
from ..core.load_plans import LoadPlan, steps_of
from ..core.plan import FaultStep, ProbeCall, WorkloadPlan
from ..core.quantities import NS_PER_S, Dimension, Quantity, format_duration
from ..core.stack import Target
from ..core.templates import Template
from ..core.verdicts import Severity

SHARE = 0.6  # of the requests that fail
ACKNOWLEDGED_NS = 4 * NS_PER_S
BRIEF_NS = 3 * NS_PER_S
_METHODS = frozenset({"GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS"})


class Harm(enum.StrEnum):
    """What is done to clients."""

    LATE = "late"
    FAILING = "failing"
    GONE = "gone"
    UNWRITTEN = "unwritten"
    UNTOLD = "failing outside of faults"

    @property
    def word(self) -> str:
        """For ids."""
        return self.value.replace(" ", "-")


@dataclass(frozen=True, kw_only=True, slots=True)
class Figure:
    """A figure that a condition holds against a bound: of which client, what harms it, and the bound in base units (0: none).

    `paths`: its own, and those of the others in the condition that the same harm shows in.
    """

    client: str
    paths: tuple[str, ...]
    harm: Harm
    bound: float


@dataclass(frozen=True, kw_only=True, slots=True)
class Client:
    """A workload or a load, as far as it matters on its way: where to, what of HTTP it sends, after how long it gives up."""

    name: str
    at: Target | None
    protocol: str
    calls: tuple[ProbeCall, ...]
    timeout_ns: int

    @classmethod
    def of(cls, plan: WorkloadPlan | LoadPlan) -> Client:
        """Of either."""
        if isinstance(plan, WorkloadPlan):
            protocol = "http1" if plan.call.verb == "http" else plan.call.verb
            return cls(
                name=plan.name, at=plan.call.at, protocol=protocol, calls=(plan.call,), timeout_ns=plan.timeout_ns
            )
        calls = [r.call for r in plan.requests]
        calls += [s.call for s in steps_of(plan.flows.kinds) if s.call is not None] if plan.flows is not None else []
        at = plan.at or next((c.at for c in calls if c.at is not None), None)
        return cls(name=plan.name, at=at, protocol=plan.protocol, calls=tuple(calls), timeout_ns=plan.timeout_ns)


def figure_of(condition: Expression, clients: Mapping[str, Client], values: Mapping[str, object]) -> Figure | str:
    """The first figure in a condition that can be made bad, or why there is none."""
    why = f"nothing that is known makes {condition.source} turn red: a variant has to"
    for tree in conditions(condition.tree):
        for path in (p for p in walk(tree) if isinstance(p, Path)):
            if path.root not in clients:
                continue
            keys = [str(p.key) for p in path.parts]
            harm = harm_of(keys)
            bound = max(_bounds(tree, path, values), default=0.0)
            if harm is None:
                why = f"{unparse(path)}: no harm is known that shows there: a variant has to"
            elif not _falls(tree, path, harm, bound, values):
                why = f"{unparse(tree)}: it wants more of it, and not less: a variant has to"
            elif harm is Harm.LATE and bound >= clients[path.root].timeout_ns:
                waits = format_duration(clients[path.root].timeout_ns)
                why = f"{unparse(tree)}: {path.root} gives up after {waits}, so that no answer can be as late as that"
            else:
                paths = _harmed(condition.tree, path.root, harm)
                return Figure(client=path.root, paths=paths, harm=harm, bound=bound)
    return why


def _harmed(tree: Node, client: str, harm: Harm) -> tuple[str, ...]:
    paths = (p for p in walk(tree) if isinstance(p, Path) and p.root == client)
    return tuple(dict.fromkeys(unparse(p) for p in paths if harm_of([str(x.key) for x in p.parts]) is harm))


def harm_of(keys: Sequence[str]) -> Harm | None:
    """What harms a figure by its name; None where nothing is known that does."""
    if not keys or keys[0] in ("lag", "cpu", "change") or {"before", "after"} & set(keys):
        return None
    last = keys[-1]
    if keys[0] == "outage" or last in ("recovery", "stable", "last_failure"):
        return Harm.GONE
    if last in ("p50", "p90", "p95", "p99", "p999", "max"):
        return Harm.LATE
    if last == "outside_faults":
        return Harm.UNTOLD
    if last in ("errors", "served", "failed", "unknown", "rate", "overall", "ok"):
        return Harm.FAILING
    return Harm.UNWRITTEN if last in ("lost", "drift") else None


def _bounds(tree: Node, path: Path, values: Mapping[str, object]) -> Iterator[float]:
    for bound in held_against(tree, path, values):
        if isinstance(bound, Quantity):
            yield float(bound.value)
        elif isinstance(bound, int | float) and not isinstance(bound, bool):
            yield float(bound)


def _falls(tree: Node, path: Path, harm: Harm, bound: float, values: Mapping[str, object]) -> bool:
    """Whether the harm makes a condition false: a duration far above its bound, a share or a count that is bad."""
    last = str(path.parts[-1].key)
    bad: object
    if harm in (Harm.LATE, Harm.GONE):
        bad = Quantity(2 * bound + NS_PER_S, Dimension.DURATION)
    elif last == "rate":
        bad = Quantity(0.0, Dimension.RATE)
    elif last in ("served", "overall", "outside_faults"):
        bad = Quantity(0.0, Dimension.RATIO)
    elif last == "errors":
        bad = Quantity(1.0, Dimension.RATIO)
    else:
        bad = 0 if last == "ok" else bound + 1_000_000
    one = Expression(unparse(tree), tree, Type.BOOL)
    changed = {**values, path.root: put(values.get(path.root), [p.key for p in path.parts], bad)}
    return one.evaluate(changed).truth is False


# -- what is done


def faults_for(client: Client, way: Target, figures: Sequence[Figure]) -> tuple[list[FaultStep], list[FaultStep]]:
    """Faults on a client's way, at the begin of a scenario and at its end, for all of its figures that are asked for there."""
    first, last = list[FaultStep](), list[FaultStep]()
    by_harm: dict[Harm, float] = {}
    for figure in figures:
        by_harm[figure.harm] = max(by_harm.get(figure.harm, 0.0), figure.bound)
    for harm, bound in by_harm.items():
        step = _fault(client, way, harm, bound)
        if step is not None:
            (first if harm in (Harm.LATE, Harm.FAILING, Harm.UNTOLD) else last).append(step)
    return first, last


def _fault(client: Client, way: Target, harm: Harm, bound: float) -> FaultStep | None:
    """One of them; None where the protocol has none."""
    http = client.protocol in ("http1", "http2") and not any(_elsewhere(c) for c in client.calls)
    only = _only(client.calls) if http else {}
    some = {"share": Quantity(SHARE, Dimension.RATIO)}
    whole = replace(way, role=None, ordinal=None, everywhere=True)
    match harm:
        case Harm.LATE:
            late = min(1.4 * bound + 50e6, (bound + client.timeout_ns) / 2)
            delay = Quantity(late, Dimension.DURATION)
            kind, arguments = (
                ("http-delay", {"delay": delay, **only}) if http else ("latency", {"delay": delay, "direction": "to"})
            )
            return _step(client, whole, harm, kind, arguments, words=f"answers {delay} later")
        case Harm.FAILING if http:
            return _step(client, whole, harm, "http-status", {"status": 503, **some, **only}, words="60% fail")
        case Harm.FAILING if client.protocol == "grpc":
            return _step(client, whole, harm, "grpc-status", {"code": "UNAVAILABLE", **some}, words="60% fail")
        case Harm.UNTOLD if http:
            step = _step(client, whole, harm, "http-status", {"status": 503, **only}, BRIEF_NS, words="all fail for 3s")
            return replace(step, untold=True)
        case Harm.UNWRITTEN if http:
            given = {"status": 201, **some, **only}
            return _step(
                client, whole, harm, "http-status", given, ACKNOWLEDGED_NS, words="60% acknowledged, not written"
            )
        case Harm.GONE:
            lasts = int(max(1.3 * bound, bound + 2 * NS_PER_S))
            kind, arguments = ("http-status", {"status": 503, **only}) if http else ("cut", {})
            return _step(client, whole, harm, kind, arguments, lasts, words=f"gone for {format_duration(lasts)}")
        case Harm.FAILING | Harm.UNTOLD:
            return _step(client, whole, harm, "cut", {}, BRIEF_NS, words="cut for 3s")
    return None


def _step(
    client: Client,
    way: Target,
    harm: Harm,
    kind: str,
    arguments: Mapping[str, object],
    for_ns: int | None = None,
    *,
    words: str,
) -> FaultStep:
    return FaultStep(
        id=f"{harm.word}--{client.name}",
        title=f"{client.name}: {words}",
        severity=Severity.WARNING,
        fault=kind,
        at=way,
        arguments=arguments,
        for_ns=for_ns,
    )


def _elsewhere(call: ProbeCall) -> bool:
    return isinstance(call.what, str) and "://" in call.what


def _only(calls: Sequence[ProbeCall]) -> dict[str, object]:
    """What of HTTP these calls are: the method and the path, where there is one; what is filled in may be anything."""
    asked = [_method_and_path(c) for c in calls]
    methods, paths = {m for m, _ in asked}, {p for _, p in asked}
    found: dict[str, object] = {}
    if len(methods) == 1 and methods <= _METHODS:
        found["method"] = next(iter(methods))
    if len(paths) == 1 and "*" not in (paths - {""}):
        found["path"] = next(iter(paths))
    return found


def _method_and_path(call: ProbeCall) -> tuple[str, str]:
    what = call.what
    text = what if isinstance(what, str) else ""
    if isinstance(what, Template):
        text = "".join(p if isinstance(p, str) else "*" for p in what.pieces)
    method, _, path = text.partition(" ") if text[:1] != "/" and " " in text else ("GET", "", text)
    return method, path.partition("?")[0]
