"""`stack-health`: one line that stands for ordinary scenarios, which hold the stack to what its own file promises.

Done on nodes, before anything is read, like `foreach`: what comes of it is read, planned, selected and judged like everything else,
and its mistakes are shown at the line. What it makes no scenario of is in `left_out`, with the reason.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from ..core.expressions import did_you_mean
from ..core.expressions.problems import listing
from ..core.links import KIND as LINK_KIND
from ..core.plan import CheckPlan
from ..core.shapes import DURATION, TEXT, Field, choice, list_of, mapping_of, record, union
from ..core.stack import ServicePlan, StackPlan
from .health_steps import FAULTS, LABEL, PATTERN, Making, after_stop, before_its_time, fault, markers, restarted
from .keys import SEVERITY, SOME_TIME
from .nodes import Entry, Node, Scalar, Sequence
from .nodes import Mapping as MappingNode
from .reading import BAD, Bad, Place, Reader, ServiceInfo

KEY = "stack-health"
CHECKS = (
    "order",
    "early-start",
    "health",
    "faults",
    "restart-policy",
    "limits",
    "ports",
    "environment",
    "volumes",
    "logs",
)
LOGS = record(
    {
        "errors": Field(shape=TEXT, default=PATTERN, doc="What an error looks like, as a regular expression."),
        "ignore": Field(shape=list_of(TEXT), default=(), doc="Lines that match one of these are none."),
    },
    doc="logs",
)
_TITLES = {
    "ports": "its ports are as declared",
    "environment": "its environment is as declared",
    "limits": "its limits are as declared, and kept to",
    "logs": "no errors in its log that no fault explains",
}
_UNEXPLAINED = {"since": "start", "unexplained": True, "expect": "count == 0"}
SETTINGS: Mapping[str, Field] = {
    "checks": Field(shape=list_of(choice("all", *CHECKS)), default=("all",), doc="Which of them (all)."),
    "services": Field(shape=list_of(TEXT), default=("all",), doc="Which services (all)."),
    "except": Field(
        shape=list_of(TEXT),
        default=(),
        doc="Services or scenarios that are left out, by the names that `seatrial plan` shows.",
        example="[worker, stack-kill-web]",
    ),
    "faults": Field(
        shape=list_of(choice(*FAULTS)), default=FAULTS, doc="Of faults: which (kill, stop, pause, restart)."
    ),
    "clients": Field(
        shape=list_of(TEXT),
        default=(),
        doc="Workloads that go on meanwhile (one for each service that no other depends on, made of its `ready`).",
        example="[sales]",
    ),
    "rate": Field(shape=TEXT, default="5/s", doc="Of the clients that are made."),
    "hold": Field(shape=SOME_TIME, doc="How long stop and pause last (3s).", example="5s"),
    "recovery": Field(
        shape=DURATION, doc="In which all is well again: instances, health, clients (60s).", example="30s"
    ),
    "tell": Field(shape=DURATION, doc="In which a service says that its dependency is down (30s).", example="10s"),
    "logs": Field(shape=LOGS, doc="What errors in logs are.", example="{ignore: [DeprecationWarning]}"),
    "severity": Field(shape=SEVERITY, doc="Of all its findings (blocking)."),
    "covers": Field(
        shape=union(list_of(TEXT), mapping_of(list_of(TEXT))),
        doc="Requirements that this shows: of all, or by check.",
        example="{order: K2-11, health: K2-12}",
    ),
}


@dataclass(frozen=True, kw_only=True)
class _Service:
    plan: ServicePlan
    info: ServiceInfo

    @property
    def victim(self) -> str:
        """What a fault hits: whoever leads, where somebody does, else the first."""
        return f"{self.plan.name}/{self.info.roles[0]}" if self.info.roles else f"{self.plan.name}#1"


class StackHealth:
    """Writes it out. `left_out`: what no scenario is made of, and why."""

    def __init__(self, reader: Reader, stack: StackPlan) -> None:
        self._reader = reader
        self._stack = stack
        self._services = {
            n: _Service(plan=p, info=reader.known.services[n])
            for n, p in stack.services.items()
            if p.kind != LINK_KIND and n in reader.known.services
        }
        self._except: dict[str, Node] = {}
        self._used: set[str] = set()
        self._ids: list[str] = []
        self._without: dict[str, list[str]] = {}  # a reason to what it leaves out

    @property
    def left_out(self) -> list[str]:
        """What no scenario is made of, and why."""
        return [f"{', '.join(what)}: {why}" for why, what in self._without.items()]

    def _leave_out(self, what: str, why: str) -> None:
        self._without.setdefault(why, []).append(what)

    def spec(self, root: MappingNode) -> MappingNode:
        """The spec with its scenarios, and the clients that these need."""
        given = root.entries.get(KEY)
        if given is None:
            return root
        rest = replace(root, entries={n: e for n, e in root.entries.items() if n != KEY})
        settings = self._settings(given.value)
        if settings is None or not self._known_clients(given.value, settings, root.get("workloads")):
            return rest
        chosen = self._chosen(given.value, settings)
        making = Making(
            names=frozenset(CHECKS if "all" in settings["checks"] else settings["checks"]),
            faults=tuple(settings["faults"]),
            hold=str(settings["hold"] or "3s"),
            recovery=str(settings["recovery"] or "60s"),
            tell=str(settings["tell"] or "30s"),
            platform=self._stack.platform,
        )
        clients, workloads = self._clients(settings, making)
        scenarios = dict(self._scenarios(chosen, making, clients, settings))
        others = rest.get("scenarios")
        before = [
            *(others.entries if isinstance(others, MappingNode) else ()),
            *(n for n in scenarios if not _is_log(n)),
        ]
        scenarios |= {n: {**s, "after": before} for n, s in scenarios.items() if _is_log(n) and before}
        self._unused()
        place = given.key
        rest = self._with(rest, "workloads", {n: _node(w, place) for n, w in workloads.items()}, place)
        made = {n: _node(self._dressed(s, settings), place) for n, s in scenarios.items()}
        if not made and not self._reader.problems:
            self._reader.wrong(given.value, f"{KEY} makes no scenario here", "; ".join(self.left_out[:3]))
        return self._with(rest, "scenarios", made, place)

    # -- settings

    def _settings(self, node: Node) -> dict[str, Any] | None:
        """`all`, a list of checks, or a mapping."""
        found: dict[str, Any] | Bad
        if isinstance(node, MappingNode):
            place = Place(literal=True)
            covers = node.get("covers")
            found = self._reader.fields(node, SETTINGS, place, what=KEY)
            if isinstance(covers, MappingNode):
                for key, _ in covers:
                    if key.text not in CHECKS:
                        self._reader.unknown(key, "check", key.text, dict.fromkeys(CHECKS))
        else:
            read = self._reader.read(node, SETTINGS["checks"].shape, Place(literal=True))
            found = {n: f.default for n, f in SETTINGS.items()} | {"checks": read}
        if isinstance(found, Bad) or BAD in [x for x in found.values() if isinstance(x, Bad)]:
            return None
        items = node.get("except") if isinstance(node, MappingNode) else None
        nodes = items.items if isinstance(items, Sequence) else [items] if items is not None else []
        self._except = {i.text: i for i in nodes if isinstance(i, Scalar)}
        return found

    def _chosen(self, node: Node, settings: Mapping[str, Any]) -> dict[str, _Service]:
        if "all" in settings["services"]:
            return {n: s for n, s in self._services.items() if not self._excluded(n) and not self._may_be_missing(s)}
        wanted = node.get("services") if isinstance(node, MappingNode) else None
        for name in settings["services"]:
            if name not in self._services:
                self._reader.unknown(wanted or node, "service", name, self._services)
        return {n: s for n, s in self._services.items() if n in settings["services"] and not self._excluded(n)}

    def _known_clients(self, node: Node, settings: Mapping[str, Any], workloads: Node | None) -> bool:
        known = dict(workloads.entries) if isinstance(workloads, MappingNode) else {}
        place = node.get("clients") if isinstance(node, MappingNode) else None
        items = place.items if isinstance(place, Sequence) else [place] if place is not None else []
        unknown = [i for i in items if isinstance(i, Scalar) and i.text not in known]
        for item in unknown:
            self._reader.unknown(item, "workload", item.text, known)
        return not unknown

    def _may_be_missing(self, service: _Service) -> bool:
        if service.plan.optional:
            self._leave_out(service.plan.name, "optional (services: names it all the same)")
        return service.plan.optional

    def _excluded(self, name: str) -> bool:
        self._ids.append(name)
        if name in self._except:
            self._used.add(name)
            self._leave_out(name, "excepted")
            return True
        return False

    def _unused(self) -> None:
        for name, node in self._except.items():
            if name not in self._used:
                hint = f"names: {listing(self._ids, 12)}. {did_you_mean(name, self._ids)}".rstrip()
                self._reader.wrong(node, f"{KEY} has no {name}", hint)

    def _clients(self, settings: Mapping[str, Any], making: Making) -> tuple[tuple[str, ...], dict[str, Any]]:
        """Who goes on meanwhile: those that are named, or some that are made."""
        if settings["clients"] or "faults" not in making.names:
            return tuple(settings["clients"]), {}
        made = {f"stack-client-{n}": r for n, r in entries(self._stack).items()}
        for request in made.values():
            request |= {"rate": settings["rate"], "timeout": "5s", "title": f"clients of {request['at']}"}
        if not made:
            self.left_out.append(
                "clients: none could be made of a service's ready check; clients: [...] names workloads"
            )
        return tuple(made), made

    # -- scenarios

    def _scenarios(
        self, chosen: Mapping[str, _Service], making: Making, clients: tuple[str, ...], settings: Mapping[str, Any]
    ) -> Iterator[tuple[str, dict[str, Any]]]:
        names = making.names
        needed = {n for n, s in self._services.items() if not s.plan.optional}
        pairs = [(s, d) for s in chosen.values() for d in s.plan.after if d in needed]
        if "order" in names:
            if pairs:
                yield from self._one("stack-order", {"title": "services start after what they depend on",
                    "steps": [{"stack": "order", "id": "order"}], "check": "order"})  # fmt: skip
            else:
                self._leave_out("order", "no service depends on another")
        for check in ("ports", "environment", "limits"):
            if check in names:
                yield from self._each(check, chosen)
        if "early-start" in names:
            for service in {s.plan.name: s for s, _ in pairs}.values():
                needs = [d for s, d in pairs if s is service]
                yield from self._one(
                    f"stack-early-{service.plan.name}", before_its_time(service.plan.name, needs, making)
                )
        if "health" in names:
            for service, other in pairs:
                yield from self._told(service, other, making)
        yield from self._broken(chosen, making, clients)
        if "volumes" in names:
            for name, service in chosen.items():
                yield from self._kept(name, service, making)
        if "logs" in names:
            logs = settings["logs"] or {"errors": PATTERN, "ignore": ()}
            yield from self._each("logs", chosen, {"log": logs["errors"], "ignore": list(logs["ignore"])})

    def _one(self, id_: str, scenario: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
        if not self._excluded(id_):
            yield id_, scenario

    def _each(
        self, check: str, chosen: Mapping[str, _Service], log: Mapping[str, Any] | None = None
    ) -> Iterator[tuple[str, dict[str, Any]]]:
        """A scenario with one step for each service: what is wrong with one leaves the others to be looked at."""
        for name, service in chosen.items():
            why = self._nothing_of(check, service)
            if why:
                self._leave_out(f"{check} of {name}", why)
                continue
            look: dict[str, Any] = {"stack": check} if log is None else {**log, **_UNEXPLAINED}
            found = {
                "title": f"{name}: {_TITLES[check]}",
                "steps": [{**look, "at": f"{name} *", "id": check}],
                "check": check,
            }
            yield from self._one(f"stack-{check}-{name}", found)

    def _nothing_of(self, check: str, service: _Service) -> str:
        """Why there is nothing to hold it to, as far as its stack file tells."""
        plan = service.plan
        if plan.promises is not None:
            return "" if check in (*plan.promises, "logs") else "it declares none"
        if self._stack.platform != "local":
            return ""
        if check == "limits":
            return "local processes have none"
        if check == "ports" and plan.kind == "process" and not plan.arguments.get("ports"):
            return "it declares none"
        if check == "environment" and not plan.arguments.get("environment"):
            return "it declares none" if plan.kind == "process" else f"that is the business of its kind, {plan.kind}"
        return ""

    def _told(self, service: _Service, other: str, making: Making) -> Iterator[tuple[str, dict[str, Any]]]:
        name, ready = service.plan.name, service.plan.ready
        if self._stack.platform == "local" or (ready is None and service.plan.promises is not None):
            own = service.plan.kind == "process"
            none = "it has no readiness check" if own else f"its readiness is that of its kind, {service.plan.kind}"
            why = none if ready is None and "health" not in (service.plan.promises or ()) else ""
            why = "its readiness is read from its log, which says nothing of now" if _of_log(ready) else why
            if why:
                self._leave_out(f"health of {name} without {other}", why)
                return
        yield from self._one(f"stack-{name}-without-{other}", after_stop(name, other, making))

    def _broken(
        self, chosen: Mapping[str, _Service], making: Making, clients: tuple[str, ...]
    ) -> Iterator[tuple[str, dict[str, Any]]]:
        """Each fault at each service; a restart policy alone is shown by a kill without clients."""
        if "faults" not in making.names and "restart-policy" not in making.names:
            return
        faults = making.faults if "faults" in making.names else ()
        for name, service in chosen.items():
            if "kill" not in faults and "restart-policy" in making.names:
                yield from self._one(f"stack-crash-{name}", restarted(name, service.victim, making))
            for kind in faults:
                yield from self._one(f"stack-{kind}-{name}", fault(kind, name, service.victim, clients, making))

    def _kept(self, name: str, service: _Service, making: Making) -> Iterator[tuple[str, dict[str, Any]]]:
        found = markers(name, service.plan, making)
        if isinstance(found, str):
            self._leave_out(f"volumes of {name}", found)
            return
        yield from self._one(f"stack-volumes-{name}", found)

    # -- nodes

    def _dressed(self, scenario: dict[str, Any], settings: Mapping[str, Any]) -> dict[str, Any]:
        """With labels, severity and what it covers."""
        check = str(scenario["check"])
        covers = settings["covers"]
        covers = covers.get(check, ()) if isinstance(covers, Mapping) else covers
        found = {n: v for n, v in scenario.items() if n != "check"} | {"labels": [LABEL, f"stack-{check}"]}
        if covers:
            found["covers"] = list(covers)
        if settings["severity"]:
            found["severity"] = settings["severity"]
        return found

    def _with(self, root: MappingNode, part: str, more: Mapping[str, Node], place: Scalar) -> MappingNode:
        """Further entries of a part, made where there is none."""
        if not more:
            return root
        there = root.get(part)
        if there is not None and not isinstance(there, MappingNode):
            return root  # whoever reads it says what is wrong with it
        entries = dict(there.entries) if there is not None else {}
        for name, node in more.items():
            if name in entries:
                self._reader.wrong(entries[name].key, f"{name} is made by {KEY}, too", "give this one another name")
            entries[name] = Entry(key=_text(name, place), value=node)
        source: dict[str, Any] = {"source": place.source, "line": place.line, "column": place.column}
        mapping = replace(there, entries=entries) if there is not None else MappingNode(entries=entries, **source)
        key = root.entries[part].key if part in root.entries else _text(part, place)
        return replace(root, entries={**root.entries, part: Entry(key=key, value=mapping)})


def written_out(reader: Reader, root: MappingNode, stack: StackPlan) -> tuple[MappingNode, tuple[str, ...]]:
    """A spec with what `stack-health` stands for, and what that leaves out."""
    health = StackHealth(reader, stack)
    written = health.spec(root)
    return written, tuple(health.left_out)


def entries(stack: StackPlan) -> dict[str, dict[str, Any]]:
    """Services by which clients come in, with what these would ask: those on which none depends that can itself be asked."""
    plans = [p for p in stack.services.values() if p.kind != LINK_KIND and not p.optional]
    asked = {p.name: r for p in plans if (r := request_of(p, stack)) is not None}
    behind = {d for n in asked for d in stack.services[n].after}
    behind |= {d for link in behind if link in stack.services for d in _end_of(stack.services[link])}
    return {n: r for n, r in asked.items() if n not in behind} or asked


def _end_of(plan: ServicePlan) -> tuple[str, ...]:
    return (str(plan.arguments["to"]),) if plan.kind == LINK_KIND else ()


def request_of(plan: ServicePlan, stack: StackPlan) -> dict[str, Any] | None:
    """A small request that a service answers, as a probe; None where none can be derived. Of a proxy it is that of the service behind."""
    call = plan.ready.call if plan.ready is not None else None
    if call is not None and call.verb in ("http", "sql", "redis") and isinstance(call.what, str) and call.at is None:
        return {call.verb: call.what, "at": plan.name}
    if plan.kind == "process" and "http" in plan.ports:
        return {"http": "GET /", "at": plan.name}
    match plan.kind:
        case "caddy":
            health, to = plan.arguments.get("health"), str(plan.arguments.get("to")).partition("#")[0]
            behind = request_of(stack.services[to], stack) if to in stack.services and to != plan.name else None
            asked = behind.get("http") if behind is not None else None
            return {"http": asked or f"GET {health if isinstance(health, str) else '/'}", "at": plan.name}
        case "postgres":
            return {"sql": "select 1", "at": plan.name}
        case "redis":
            return {"redis": "PING", "at": plan.name}
        case "opensearch":
            return {"http": "GET /_cluster/health", "at": plan.name}
    return None


def _is_log(id_: str) -> bool:
    """Of what is looked at when all else is over."""
    return id_.startswith("stack-logs-")


def _of_log(ready: CheckPlan | None) -> bool:
    return ready is not None and ready.call.verb == "log"


def _text(text: str, place: Node) -> Scalar:
    return Scalar(
        source=place.source,
        line=place.line,
        column=place.column,
        length=place.length,
        text=text,
        plain=False,
        exact=False,
    )


def _node(value: object, place: Scalar) -> Node:
    """A value as nodes that stand at a place; None is nothing at all."""
    where: dict[str, Any] = {"source": place.source, "line": place.line, "column": place.column, "length": place.length}
    if isinstance(value, Mapping):
        entries = {
            str(n): Entry(key=_text(str(n), place), value=_node(v, place)) for n, v in value.items() if v is not None
        }
        return MappingNode(entries=entries, **where)
    if isinstance(value, list | tuple):
        return Sequence(items=[_node(v, place) for v in value], **where)
    if isinstance(value, bool | int | float):
        return Scalar(text=str(value).lower(), plain=True, exact=False, **where)
    return _text(str(value), place)


__all__ = ["CHECKS", "KEY", "SETTINGS", "entries", "request_of", "written_out"]
