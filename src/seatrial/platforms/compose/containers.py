"""An instance of a project: a container, what is known of it from events and inspection, and how it is shown."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ...core import procfs
from ...core.observations import Reach
from ...core.plan import CheckPlan
from ...core.processes import ProcessId
from ...core.stack import Endpoint, Instance, InstanceState
from ..inspection import identity_of
from .clock import EngineClock, from_rfc3339
from .config import Service
from .events import Event
from .places import cgroup_of

Run = tuple[str, str]  # a container since when (its StartedAt)
_UP = ("running", "paused")
_STARTED = "started"  # an event said so, and nobody has looked yet
_EVERYWHERE = ("", "0.0.0.0", "::")  # noqa: S104 - what the engine says, not where anything of ours listens


@dataclass(frozen=True, kw_only=True, slots=True)
class Role:
    """What all instances of a service have in common, as its kind describes it."""

    name: str
    kind: str
    ready: CheckPlan | None = None
    parameters: Mapping[str, str] = field(default_factory=dict)


@dataclass(kw_only=True, eq=False)
class Container:
    """One instance. `details` is the last inspection; `status` the engine's word, kept up to date by events.

    `ours`: starts that were ordered here, and are no restarts of its own. `held`: what was done to it on purpose, for people.
    """

    role: Role
    service: Service
    number: int
    ordinal: int
    output: Path
    local: bool  # its engine is on this machine
    host: str  # where published ports are
    id: str = ""
    status: str = ""
    details: Mapping[str, Any] = field(default_factory=dict)
    process: ProcessId | None = None
    endpoints: dict[str, Endpoint] = field(default_factory=dict)
    health: str = ""
    exit_status: int | None = None
    out_of_memory: bool = False
    restarts: int = 0
    since_ns: int = 0
    ours: int = 0
    held: str = ""
    ready_run: Run | None = None
    last_seen: str = ""
    shown: Instance | None = None
    stirred: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def name(self) -> str:
        """service#1"""
        return f"{self.role.name}#{self.ordinal}"

    @property
    def run(self) -> Run | None:
        """The present run, if it runs."""
        return (self.id, self.started_at) if self.status == "running" and self.id else None

    @property
    def started_at(self) -> str:
        """As the engine has it; empty for one that was never inspected."""
        return str((self.details.get("State") or {}).get("StartedAt") or "")

    @property
    def ready(self) -> bool:
        """Whether the present run was seen to be ready, and its health check has not failed since."""
        return self.run is not None and self.run == self.ready_run and self.health != "unhealthy"

    @property
    def reach(self) -> Reach:
        """What a probe is pointed at."""
        return Reach(
            name=self.name,
            service=self.role.name,
            kind=self.role.kind,
            endpoints=self.endpoints,
            parameters=self.role.parameters,
            instance=self.instance(),
        )

    @property
    def identity(self) -> str | None:
        """Another with every start: pid and start time where they can be seen, else the container and when it was started."""
        if self.status not in _UP:
            return None
        if self.process is not None:
            return identity_of(self.process)
        return f"container {self.id[:12]} started {self.started_at}" if self.id else None

    def inside(self) -> dict[str, Endpoint]:
        """Its endpoints at its own address, which only this machine and its neighbours reach; empty where it has none."""
        address = "127.0.0.1" if self.service.host_network else own_address(self.details)
        return {
            name: Endpoint(name=name, scheme=port.scheme, host=address, port=port.number)
            for name, port in self.service.endpoints.items()
            if address
        }

    def instance(self) -> Instance:
        """As the platform shows it now."""
        return Instance(
            name=self.name,
            service=self.role.name,
            ordinal=self.ordinal,
            state=self._state(),
            ready=self.ready,
            endpoints=dict(self.endpoints),
            identity=self.identity,
            restarts=self.restarts,
            since_ns=self.since_ns,
            detail=self.detail(),
        )

    def detail(self) -> str:
        """Why it is not ready, as far as known; empty for one that is."""
        if self.status == "paused":
            return "paused"
        if self.status == "running":
            return (
                "" if self.ready else self.last_seen or ("its health check has not passed yet" if self.health else "")
            )
        if not self.id:
            return "not created"
        ended = "" if self.exit_status is None else f"ended with exit status {self.exit_status}"
        oom = "out of memory" if self.out_of_memory else ""
        return "; ".join(filter(None, (self.held, ended, oom))) or self.status or "not started"

    # -- what is learnt

    def inspected(self, details: Mapping[str, Any], clock: EngineClock) -> None:
        """Take over an inspection: everything but the moments that events tell better."""
        state = details.get("State") or {}
        before, known = self.started_at, "running" if self.status == _STARTED else self.status
        self.id = str(details.get("Id") or "")
        self.details = details
        status = str(state.get("Status") or "")
        if status != known or (before and before != self.started_at) or not self.since_ns:
            stamp = from_rfc3339(
                str(state.get("StartedAt" if status in _UP else "FinishedAt") or "0001-01-01T00:00:00Z")
            )
            if stamp:
                self.since_ns = clock.moment(stamp).ns
        self.status = status
        self.health = str((state.get("Health") or {}).get("Status") or "")
        if status not in _UP and status != "created":
            self.exit_status = int(state.get("ExitCode") or 0)
        self.out_of_memory = state.get("OOMKilled") is True
        self._look_at_process(int(state.get("Pid") or 0))
        self._resolve()

    def happened(self, event: Event) -> None:
        """Take over an event; an inspection follows where it tells more."""
        match event.action:
            case "create":
                self.id, self.status, self.exit_status = event.container, "created", None
            case "start":
                if self.ours:
                    self.ours -= 1
                else:
                    self.restarts += 1
                self.id, self.status, self.since_ns, self.held = event.container, _STARTED, event.at.ns, ""
                self.exit_status, self.out_of_memory, self.process, self.last_seen = None, False, None, ""
                self.details, self.health = {}, ""
            case "die":
                self.status, self.since_ns, self.exit_status, self.process = (
                    "exited",
                    event.at.ns,
                    event.exit_status,
                    None,
                )
            case "oom":
                self.out_of_memory = True
            case "pause":
                self.status, self.since_ns = "paused", event.at.ns
            case "unpause":
                self.status, self.since_ns, self.ready_run = "running", event.at.ns, None
            case "health_status":
                self.health = event.health
            case "destroy":
                self.id, self.status, self.process, self.since_ns = "", "", None, event.at.ns

    def _look_at_process(self, pid: int) -> None:
        """Its first process, where it is one of this machine: its control group says so."""
        self.process = None
        if self.local and pid and self.id in (cgroup_of(pid) or ""):
            self.process = procfs.identify(pid)

    def _resolve(self) -> None:
        """Published ports as they are now; else, on this machine, its own address. What is down keeps those that it had."""
        if self.status not in _UP:
            return
        published = (self.details.get("NetworkSettings") or {}).get("Ports") or {}
        inside = self.inside()
        for name, port in self.service.endpoints.items():
            bindings = published.get(f"{port.number}/tcp") or []
            if bindings:
                ip = str(bindings[0].get("HostIp") or "")
                host = self.host if ip in _EVERYWHERE else ip
                self.endpoints[name] = Endpoint(
                    name=name, scheme=port.scheme, host=host, port=int(bindings[0]["HostPort"])
                )
            elif self.local and name in inside:
                self.endpoints[name] = inside[name]

    def _state(self) -> InstanceState:
        if self.status == "paused":
            return InstanceState.PAUSED
        if self.status != "running":
            return InstanceState.DOWN
        return InstanceState.RUNNING if self.run == self.ready_run else InstanceState.STARTING


def own_address(details: Mapping[str, Any]) -> str:
    """Its address in one of its networks; empty for one that is in none."""
    networks = (details.get("NetworkSettings") or {}).get("Networks") or {}
    for network in networks.values():
        if network and network.get("IPAddress"):
            return str(network["IPAddress"])
    return ""
