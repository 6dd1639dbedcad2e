"""A project as ``docker compose config`` shows it, in our words: what each service promises, and what `x-seatrial` says of it."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from ...core.compose import EXTENSION
from ...core.errors import UsageError
from ...core.processes import Restart
from ...core.stack import After, Declaration, Limits, Volume

_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_AFTER = {
    "service_started": After.STARTED,
    "service_healthy": After.READY,
    "service_completed_successfully": After.COMPLETED,
}
_RESTART = {"always": Restart.ALWAYS, "unless-stopped": Restart.ALWAYS, "on-failure": Restart.ON_FAILURE}
_DURATION = re.compile(r"(?P<number>[0-9.]+)(?P<unit>h|ms|us|ns|m|s)")
_UNITS = {"h": 3600.0, "m": 60.0, "s": 1.0, "ms": 1e-3, "us": 1e-6, "ns": 1e-9}
_STOP_S = 10.0


@dataclass(frozen=True, kw_only=True, slots=True)
class Port:
    """An endpoint's port inside the container."""

    number: int
    scheme: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Service:
    """A service of the project.

    `part_of`: the service of the stack that its containers are instances of, its own name or that of several together.
    `job`: it ends, and others wait for that. `settings`: `x-seatrial` as it stands there. `endpoints` in order.
    """

    name: str
    part_of: str
    kind: str
    declaration: Declaration
    endpoints: Mapping[str, Port]
    parameters: Mapping[str, str]
    settings: Mapping[str, Any]
    job: bool
    optional: bool
    built: bool
    image: str
    host_network: bool
    stop_s: float
    mounts: Mapping[str, str] = field(default_factory=dict)  # directories of this machine to where they are in it


@dataclass(frozen=True, kw_only=True, slots=True)
class Config:
    """The project. `content` is what Compose printed, as data (`$$` is one `$`)."""

    name: str
    services: Mapping[str, Service]
    content: Mapping[str, Any]
    settings: Mapping[str, Any] = field(default_factory=dict)  # `x-seatrial` of the file as a whole

    def members(self) -> Mapping[str, Sequence[Service]]:
        """Services of the stack to the project's services whose containers are their instances; jobs are none."""
        found: dict[str, list[Service]] = {}
        for service in self.services.values():
            if not service.job:
                found.setdefault(service.part_of, []).append(service)
        return found


def parse(text: str) -> Config:
    """What Compose printed. Raises UsageError for what is no project at all."""
    content = _plain(yaml.load(text, Loader=_LOADER))  # noqa: S506 - a safe one
    services = content.get("services") if isinstance(content, dict) else None
    if not isinstance(services, dict) or not services:
        raise UsageError.simple("this project has no services", "is a profile missing? profiles: [...]")
    jobs = set(_waited_for_the_end_of(services))
    return Config(
        name=str(content.get("name") or ""),
        services={name: _service(name, each or {}, jobs, _files(content)) for name, each in services.items()},
        content=content,
        settings=_mapping(content.get(EXTENSION)),
    )


def duration_s(text: object, default_s: float) -> float:
    """A duration of Compose (``1m30s``) in seconds."""
    found = [float(m["number"]) * _UNITS[m["unit"]] for m in _DURATION.finditer(str(text or ""))]
    return sum(found) if found else default_s


def _plain(tree: Any) -> Any:
    """Compose prints ``$`` as ``$$``, so that its output can be its input."""
    if isinstance(tree, str):
        return tree.replace("$$", "$")
    if isinstance(tree, dict):
        return {str(key): _plain(value) for key, value in tree.items()}
    return [_plain(value) for value in tree] if isinstance(tree, list) else tree


def _mapping(tree: object) -> dict[str, Any]:
    return dict(tree) if isinstance(tree, dict) else {}


def _waited_for_the_end_of(services: Mapping[str, Any]) -> Iterator[str]:
    for each in services.values():
        for name, how in _mapping(_mapping(each).get("depends_on")).items():
            if _mapping(how).get("condition") == "service_completed_successfully":
                yield name


def _service(name: str, each: Mapping[str, Any], jobs: set[str], files: Mapping[str, Path]) -> Service:
    settings = _mapping(each.get(EXTENSION))
    image = str(each.get("image") or "")
    ports = list(_ports(each))
    kind = str(settings.get("kind") or guess_kind(image))
    given = settings.get("endpoints")
    return Service(
        name=name,
        part_of=str(settings.get("service") or name),
        kind=kind,
        declaration=_declaration(name, each),
        endpoints=_endpoints(given) if given is not None else guess_endpoints(kind, ports),
        parameters={**_from_environment(kind, each, files), **_texts(settings.get("parameters"))},
        settings=settings,
        job=name in jobs or settings.get("job") is True,
        optional=settings.get("optional") is True,
        built=each.get("build") is not None,
        image=image,
        host_network=each.get("network_mode") == "host",
        stop_s=duration_s(each.get("stop_grace_period"), _STOP_S),
        mounts={
            str(v["source"]): str(v["target"])
            for v in map(_mapping, each.get("volumes") or [])
            if v.get("type") == "bind" and "source" in v
        },
    )


_VARIABLES = {  # of the usual images
    "postgres": {"user": "POSTGRES_USER", "password": "POSTGRES_PASSWORD", "dbname": "POSTGRES_DB"},
    "redis": {"password": "REDIS_PASSWORD"},
}


def _files(content: Mapping[str, Any]) -> dict[str, Path]:
    """Secrets of the project that are files here, by where containers see them."""
    found = {name: _mapping(each).get("file") for name, each in _mapping(content.get("secrets")).items()}
    return {f"/run/secrets/{name}": Path(str(file)) for name, file in found.items() if file}


def _from_environment(kind: str, each: Mapping[str, Any], files: Mapping[str, Path]) -> dict[str, str]:
    """Parameters that the service's own variables tell, where `x-seatrial` does not: themselves, or a secret's file (`..._FILE`)."""
    environment = _mapping(each.get("environment"))
    found: dict[str, str] = {}
    for name, variable in _VARIABLES.get(kind, {}).items():
        if value := environment.get(variable):
            found[name] = str(value)
        elif (file := files.get(str(environment.get(f"{variable}_FILE")))) is not None:
            with contextlib.suppress(OSError, UnicodeDecodeError):
                found[name] = file.read_text("utf-8").rstrip("\r\n")
    return found


def _texts(given: object) -> dict[str, str]:
    """Values as text; true and false as YAML has them."""
    return {k: str(v).lower() if isinstance(v, bool) else str(v) for k, v in _mapping(given).items() if v is not None}


def _declaration(name: str, each: Mapping[str, Any]) -> Declaration:
    deploy = _mapping(each.get("deploy"))
    after = _mapping(each.get("depends_on"))
    health = _mapping(each.get("healthcheck"))
    return Declaration(
        service=name,
        replicas=_whole(deploy.get("replicas", each.get("scale")), 1),
        restart=_restart(each, deploy),
        after={other: _AFTER.get(str(_mapping(how).get("condition")), After.STARTED) for other, how in after.items()},
        health=bool(health) and health.get("disable") is not True and health.get("test") not in (["NONE"], "NONE"),
        ports={_whole(p.get("target"), 0): _published(p) for p in map(_mapping, each.get("ports") or [])},
        environment={k: str(v) for k, v in _mapping(each.get("environment")).items() if v is not None},
        limits=_limits(each, _mapping(_mapping(deploy.get("resources")).get("limits"))),
        volumes=tuple(_volumes(each)),
    )


def _restart(each: Mapping[str, Any], deploy: Mapping[str, Any]) -> Restart:
    text = str(each.get("restart") or "")
    if not text and "restart_policy" in deploy:
        word = str(_mapping(deploy["restart_policy"]).get("condition") or "any")
        return {"none": Restart.NEVER, "on-failure": Restart.ON_FAILURE}.get(word, Restart.ALWAYS)
    return _RESTART.get(text.partition(":")[0], Restart.NEVER)


def _limits(each: Mapping[str, Any], limits: Mapping[str, Any]) -> Limits:
    cpus = limits.get("cpus", each.get("cpus"))
    memory = limits.get("memory", each.get("mem_limit"))
    pids = _whole(limits.get("pids", each.get("pids_limit")), 0)
    return Limits(
        cpus=float(cpus) if cpus else None,
        memory_bytes=_whole(memory, 0) or None,
        pids=pids if pids > 0 else None,
    )


def _volumes(each: Mapping[str, Any]) -> Iterator[Volume]:
    for volume in map(_mapping, each.get("volumes") or []):
        yield Volume(
            target=str(volume.get("target")),
            source=str(volume.get("source") or ""),
            read_only=volume.get("read_only") is True,
            kept=volume.get("type") in ("volume", "bind"),
        )
    for target in each.get("tmpfs") or []:
        yield Volume(target=str(target).partition(":")[0], kept=False)


def _published(port: Mapping[str, Any]) -> int | None:
    """The host's port; None for one that the engine chooses, and for a range."""
    text = str(port.get("published") or "")
    return int(text) if text.isdecimal() and text != "0" else None


def _ports(each: Mapping[str, Any]) -> Iterator[int]:
    """Its own ports, published ones first."""
    found = [_whole(p.get("target"), 0) for p in map(_mapping, each.get("ports") or []) if p.get("protocol") != "udp"]
    found += [_whole(str(p).partition("/")[0], 0) for p in each.get("expose") or [] if not str(p).endswith("/udp")]
    return iter(dict.fromkeys(p for p in found if p))


def _whole(value: object, default: int) -> int:
    try:
        return int(str(value))
    except ValueError:
        return default


def _endpoints(given: object) -> dict[str, Port]:
    """As `x-seatrial` has them: name to port, or to {port, scheme}."""
    found = {}
    for name, each in _mapping(given).items():
        details = each if isinstance(each, dict) else {"port": each}
        number = _whole(details.get("port"), 0)
        found[name] = Port(number=number, scheme=str(details.get("scheme") or scheme_of(name, number)))
    return found


# -- what is not said is guessed: by the image's name, and by what usually listens at a port

_IMAGES = (
    ("postgres", ("postgres", "postgresql", "patroni", "spilo", "timescaledb", "postgis")),
    ("redis", ("redis", "valkey", "keydb", "redis-sentinel")),
    ("etcd", ("etcd",)),
    ("caddy", ("caddy",)),
)
_KNOWN = {
    5432: ("postgres", "postgres"), 6379: ("redis", "redis"), 26379: ("sentinel", "redis"), 2379: ("client", "http"),
    2380: ("peer", "http"), 8008: ("api", "http"), 443: ("https", "https"), 8443: ("https", "https"), 50051: ("grpc", "grpc"),
    5672: ("amqp", "amqp"), 3306: ("mysql", "tcp"), 27017: ("mongo", "tcp"), 9092: ("kafka", "tcp"), 11211: ("memcached", "tcp"),
    25: ("smtp", "smtp"), 389: ("ldap", "ldap"), 53: ("dns", "dns"), 22: ("ssh", "tcp"), 5433: ("postgres", "postgres"),
}  # fmt: skip
_USUAL = {
    "postgres": {"postgres": Port(number=5432, scheme="postgres")},
    "redis": {"redis": Port(number=6379, scheme="redis")},
    "etcd": {"client": Port(number=2379, scheme="http")},
    "caddy": {"http": Port(number=80, scheme="http")},
}
_SCHEMES = frozenset({"http", "https", "tcp", "redis", "postgres", "amqp", "grpc", "ws", "wss", "smtp", "ldap", "dns"})


def guess_kind(image: str) -> str:
    """postgres, redis, etcd, caddy by the image's name; else process."""
    last = image.partition("@")[0].rsplit("/", 1)[-1].partition(":")[0].lower()
    for kind, names in _IMAGES:
        if last in names:
            return kind
    return "process"


def guess_endpoints(kind: str, ports: Sequence[int]) -> dict[str, Port]:
    """By what usually listens at a port: a port that is not known is http's."""
    found: dict[str, Port] = {}
    for number in ports:
        name, scheme = _KNOWN.get(number, ("http", "http"))
        found[name if name not in found else f"{name}-{number}"] = Port(number=number, scheme=scheme)
    if found or kind not in _USUAL:
        return found
    return dict(_USUAL[kind])


def scheme_of(name: str, number: int) -> str:
    """What an endpoint's name says of its protocol, else its port."""
    if name in _SCHEMES:
        return name
    return _KNOWN[number][1] if number in _KNOWN else {"sentinel": "redis", "client": "http"}.get(name, "tcp")


def inside(service: Service, directory: Path, given: object) -> str | None:
    """Where a directory of this machine is in the service's containers: as `x-seatrial` says, or because it is mounted. None: nowhere."""
    if isinstance(said := service.settings.get("directory", given), str):
        return said
    return next((target for source, target in service.mounts.items() if Path(source) == directory), None)
