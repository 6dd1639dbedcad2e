"""The system under trial: planned services, blueprints of their instances, and instances as they run."""

from __future__ import annotations

import enum
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from .processes import Restart

if TYPE_CHECKING:
    from .compose import ComposeProject
    from .errors import Position
    from .plan import CheckPlan


LINK = " -> "  # in the name of a link: ``web -> postgres``


@dataclass(frozen=True, kw_only=True, slots=True)
class Target:
    """What `at:` names. Exactly one of role, ordinal, everywhere, share refines the service; none means any one instance.

    ``web`` (any one), ``postgres/primary`` (a role), ``web#2`` (an instance), ``web *`` (all), ``web 50%`` (a share). A link,
    ``web -> postgres``, is a service of that name with an instance for each that it leads to.
    """

    service: str
    role: str | None = None
    ordinal: int | None = None
    everywhere: bool = False
    share: float | None = None
    position: Position | None = None

    @property
    def on_link(self) -> bool:
        """Whether it is a link, or a part of one."""
        return LINK in self.service

    def __str__(self) -> str:
        if self.role:
            return f"{self.service}/{self.role}"
        if self.ordinal is not None:
            return f"{self.service}#{self.ordinal}"
        if self.share is not None:
            return f"{self.service} {self.share:.0%}"
        return f"{self.service} *" if self.everywhere and not self.on_link else self.service


@dataclass(frozen=True, kw_only=True, slots=True)
class Endpoint:
    """An address as seen from outside. `name` tells several ports of one instance apart (`http`, `admin`)."""

    name: str
    scheme: str  # http, https, tcp, postgres, redis ...
    host: str
    port: int

    @property
    def url(self) -> str:
        """scheme://host:port"""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{self.scheme}://{host}:{self.port}"


@dataclass(frozen=True, kw_only=True, slots=True)
class ServicePlan:
    """A service as the stack file declares it. `arguments` are those of its kind (`process` where none is given)."""

    name: str
    kind: str
    arguments: Mapping[str, object]  # validated by the kind's shapes; strings may be Templates
    after: tuple[str, ...] = ()  # declared ones and those that its templates refer to
    ready: CheckPlan | None = None  # overrides the kind's own
    roles: Mapping[str, CheckPlan] = field(default_factory=dict)  # likewise
    paths: tuple[
        str, ...
    ] = ()  # patterns of files, relative to the stack's directory, that it is made of; none: unknown
    promises: tuple[str, ...] | None = None  # limits, ports, environment, volumes, health; None: its arguments say it
    ports: tuple[str, ...] = ()  # names of its endpoints, where its arguments do not say them
    optional: bool = False  # it may be missing: who depends on it does not wait for it
    position: Position | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class RemoteEndpoint:
    """An endpoint of a stack that runs elsewhere."""

    service: str
    url: str


@dataclass(frozen=True, kw_only=True, slots=True)
class StackPlan:
    """The whole stack as declared. For platform `remote`, services have endpoints and nothing to start."""

    name: str
    platform: str  # local, remote, compose
    services: Mapping[str, ServicePlan]
    directory: Path  # that relative paths of the stack file start from
    allow: tuple[str, ...] = ()  # hosts beyond loopback that may be addressed
    allow_faults: tuple[str, ...] = ()  # and those that may be harmed
    compose: ComposeProject | None = None
    without: Mapping[str, str] = field(default_factory=dict)  # services that are spoken of, and why this stack has none


@dataclass(frozen=True, kw_only=True, slots=True)
class FileBlueprint:
    """A file that an instance needs before it starts."""

    path: Path
    content: str
    mode: int = 0o600


@dataclass(frozen=True, kw_only=True, slots=True)
class InstanceBlueprint:
    """How one instance is started. Commands of `prepare` run before its first start, in order, in its surroundings."""

    name: str  # service#1
    argv: Sequence[str]  # empty where it lives in the process of another, `within`
    directory: Path
    environment: Mapping[str, str]
    endpoints: Mapping[str, Endpoint]
    files: Sequence[FileBlueprint] = ()
    prepare: Sequence[Sequence[str]] = ()
    unprivileged: bool = False
    restart: Restart = Restart.ALWAYS
    stop_signal: int = 15
    stop_timeout_ns: int = 10_000_000_000
    after_ready: tuple[str, ...] = ()  # instances of the same service that must be ready before this one starts
    backoff_ns: int = 200_000_000  # before the first restart in a row; doubled with each
    backoff_max_ns: int = 5_000_000_000
    log: Path | None = None  # a log that it writes itself, where that tells more than its output
    within: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class Blueprint:
    """A service made concrete.

    `exports` are the values that templates of other services may use (`{{ postgres.dsn }}`); `parameters` what probes
    need beside an endpoint (user, password, dbname, master name); `roles` and `ready` are checks run at an instance.
    `steady` must hold for the service as a whole (a standby streams, all sentinels agree): a check at any instance.
    """

    service: str
    kind: str
    instances: Sequence[InstanceBlueprint]
    exports: Mapping[str, str]
    parameters: Mapping[str, str] = field(default_factory=dict)
    secrets: Sequence[str] = ()
    ready: CheckPlan | None = None
    roles: Mapping[str, CheckPlan] = field(default_factory=dict)
    steady: Sequence[CheckPlan] = ()
    after: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True, slots=True)
class Presence:
    """A service that something else started: the endpoints of each of its instances, and what is known of it."""

    service: str
    instances: Sequence[Mapping[str, Endpoint]]
    parameters: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True, slots=True)
class Description:
    """What its kind says of such a service; as in a Blueprint. Exports are for who is outside, as the endpoints are."""

    exports: Mapping[str, str]
    parameters: Mapping[str, str] = field(default_factory=dict)
    secrets: Sequence[str] = ()
    ready: CheckPlan | None = None
    roles: Mapping[str, CheckPlan] = field(default_factory=dict)
    steady: Sequence[CheckPlan] = ()


class Ground(Protocol):
    """What a platform offers to a kind that makes a service concrete."""

    @property
    def directory(self) -> Path:
        """Of the service; made, private, short enough for configuration files."""
        ...

    def port(self, label: str) -> int:
        """A port that is this trial's alone, the same for the same label."""
        ...

    def host(self, service: str) -> str:
        """The name under which other services reach it: its own name where names resolve, else 127.0.0.1."""
        ...

    def secret(self, label: str) -> str:
        """A password made for this trial, the same for the same label; known to the redactor."""
        ...

    def exports(self, service: str) -> Mapping[str, str]:
        """What a service made before this one exports."""
        ...


class InstanceState(enum.StrEnum):
    """An instance as its platform sees it."""

    STARTING = "starting"
    RUNNING = "running"
    PAUSED = "paused"
    DOWN = "down"


@dataclass(frozen=True, kw_only=True, slots=True)
class Instance:
    """One running copy, now. `identity` changes with every start (pid and start time, container id)."""

    name: str  # service#1
    service: str
    ordinal: int
    state: InstanceState
    ready: bool
    endpoints: Mapping[str, Endpoint]
    identity: str | None
    restarts: int
    since_ns: int
    detail: str = ""  # why it is down, as far as known


@dataclass(frozen=True, kw_only=True, slots=True)
class Usage:
    """What an instance uses, all its processes together."""

    cpu_seconds: float
    memory_bytes: int
    descriptors: int
    threads: int
    processes: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Limits:
    """What an instance may use at most; None: not limited."""

    cpus: float | None = None
    memory_bytes: int | None = None
    pids: int | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Volume:
    """Storage of an instance. `kept`: outlives its container."""

    target: str
    source: str = ""
    read_only: bool = False
    kept: bool = True


class After(enum.StrEnum):
    """What must be true of a dependency before its dependant starts."""

    STARTED = "started"
    READY = "ready"
    COMPLETED = "completed"


@dataclass(frozen=True, kw_only=True, slots=True)
class Declaration:
    """What a stack file promises of a service. `ports`: its own port to that of the host (None: allocated)."""

    service: str
    replicas: int
    restart: Restart
    after: Mapping[str, After] = field(default_factory=dict)
    health: bool = False  # it says itself whether it is well
    ports: Mapping[int, int | None] = field(default_factory=dict)
    environment: Mapping[str, str] = field(default_factory=dict)
    limits: Limits = field(default_factory=Limits)
    volumes: Sequence[Volume] = ()


@dataclass(frozen=True, kw_only=True, slots=True)
class Actual:
    """The same of one running instance. `reads`: what of it could be read at all (environment, limits, ports, volumes)."""

    reads: frozenset[str]
    environment: Mapping[str, str] = field(default_factory=dict)
    limits: Limits = field(default_factory=Limits)
    ports: Mapping[int, int | None] = field(default_factory=dict)
    volumes: Sequence[Volume] = ()
