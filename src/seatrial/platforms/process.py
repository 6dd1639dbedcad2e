"""Kind `process`: a service that is a command, in as many copies as wanted."""

from __future__ import annotations

import os
import shutil
import signal
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from ..core.errors import NotExercised, Problem, UsageError
from ..core.processes import Restart
from ..core.quantities import NS_PER_S, Quantity
from ..core.stack import Blueprint, Endpoint, InstanceBlueprint, ServicePlan
from .ground import LocalGround
from .instances import search_path
from .ports import LOOPBACK
from .rendering import Command, parse_command, render_command, render_mapping, render_text

# What a port's name says of its protocol.
_SCHEMES = frozenset(
    {"http", "https", "tcp", "redis", "postgres", "amqp", "grpc", "mqtt", "nats", "ws", "wss", "ftp", "smtp", "ldap"}
)


@dataclass(frozen=True, kw_only=True, slots=True)
class _Port:
    name: str
    number: int | None  # None: allocated
    scheme: str


def expand(plan: ServicePlan, _: Mapping[str, object], ground: LocalGround) -> Sequence[Blueprint]:
    """One blueprint, from the arguments as declared: a command is split before values are put in.

    Raises UsageError for arguments that contradict each other, PlatformError for a port in use, NotExercised for an optional one whose
    program is not here.
    """
    _there(plan)
    arguments = plan.arguments
    replicas = arguments.get("replicas")
    count = replicas if isinstance(replicas, int) else 1
    ports = _ports(arguments.get("ports"))
    fixed = next((p for p in ports if p.number is not None), None)
    if fixed is not None and count > 1:
        raise UsageError(
            Problem(
                message=f"service {plan.name}: {count} replicas cannot all listen on port {fixed.number} ({fixed.name})",
                position=plan.position,
                hint=f"write `{fixed.name}: auto`, and {{{{ instance.port.{fixed.name} }}}} in the command",
            )
        )
    prepare = _commands(arguments.get("prepare"))
    instances = []
    for ordinal in range(1, count + 1):
        endpoints = {port.name: _endpoint(port, ordinal, ground) for port in ports}
        instances.append(_instance(plan, ground, ordinal, endpoints, prepare if ordinal == 1 else []))
    return [
        Blueprint(
            service=plan.name, kind="process", instances=instances, exports=_exports(plan.name, instances, ground)
        )
    ]


def _there(plan: ServicePlan) -> None:
    """What may be missing is missed before it is started."""
    program = parse_command(plan.arguments["command"])[:1]
    name = program[0] if plan.optional and program and isinstance(program[0], str) else ""
    if name and "/" not in name and shutil.which(name, path=search_path()) is None:
        raise NotExercised(f"the program {name} is not on PATH")


def _instance(
    plan: ServicePlan,
    ground: LocalGround,
    ordinal: int,
    endpoints: Mapping[str, Endpoint],
    prepare: Sequence[Command],
) -> InstanceBlueprint:
    arguments = plan.arguments
    name = f"{plan.name}#{ordinal}"
    numbers = {label: endpoint.port for label, endpoint in endpoints.items()}
    values = {"instance": {"name": name, "ordinal": ordinal, "port": numbers}, "port": numbers}
    directory = ground.stack_directory / render_text(arguments.get("directory", ""), ground, values)
    log = arguments.get("log")
    each = _commands(arguments.get("prepare-each"))
    return InstanceBlueprint(
        name=name,
        argv=_runnable(render_command(parse_command(arguments["command"]), ground, values), plan),
        directory=directory,
        environment=render_mapping(arguments.get("environment"), ground, values),
        endpoints=endpoints,
        prepare=[_runnable(render_command(command, ground, values), plan) for command in (*prepare, *each)],
        unprivileged=arguments.get("unprivileged") is True,
        restart=Restart(str(arguments.get("restart") or "always")),
        stop_signal=signal.Signals[f"SIG{arguments.get('stop-signal') or 'TERM'}"],
        stop_timeout_ns=_duration(arguments.get("stop-timeout"), 10 * NS_PER_S),
        backoff_ns=_duration(arguments.get("backoff"), NS_PER_S // 5),
        backoff_max_ns=_duration(arguments.get("backoff-max"), 5 * NS_PER_S),
        log=directory / render_text(log, ground, values) if log is not None else None,
    )


def _ports(declared: object) -> list[_Port]:
    if declared is None:
        return []
    ports = declared if isinstance(declared, Mapping) else {"http": declared}
    found = []
    for name, port in ports.items():
        details: Mapping[str, object] = port if isinstance(port, Mapping) else {"port": port}
        number = details.get("port")
        scheme = str(details.get("scheme") or (name if name in _SCHEMES else "tcp"))
        found.append(_Port(name=name, number=number if isinstance(number, int) else None, scheme=scheme))
    return found


def _endpoint(port: _Port, ordinal: int, ground: LocalGround) -> Endpoint:
    label = f"{ordinal} {port.name}"
    number = ground.port(label) if port.number is None else ground.take_port(label, port.number)
    return Endpoint(name=port.name, scheme=port.scheme, host=LOOPBACK, port=number)


def _exports(service: str, instances: Sequence[InstanceBlueprint], ground: LocalGround) -> dict[str, str]:
    host = ground.host(service)
    exports = {"host": host}
    firsts = [next(iter(instance.endpoints.values())) for instance in instances if instance.endpoints]
    if firsts:
        exports["port"] = str(firsts[0].port)
        exports["url"] = f"{firsts[0].scheme}://{host}:{firsts[0].port}"
        exports["addresses"] = ",".join(f"{host}:{endpoint.port}" for endpoint in firsts)
    return exports


def _commands(declared: object) -> list[Command]:
    """A list of commands, each a line or a list of words; one alone counts as a list of one."""
    if declared is None:
        return []
    return (
        [parse_command(one) for one in declared] if isinstance(declared, (list, tuple)) else [parse_command(declared)]
    )


def _runnable(argv: list[str], plan: ServicePlan) -> list[str]:
    if not argv:
        raise UsageError(Problem(message=f"service {plan.name} has an empty command", position=plan.position))
    interpreter = Path(sys.executable)
    if argv[0] in ("python", "python3") and not os.access(interpreter.parent / argv[0], os.X_OK):
        argv[0] = str(interpreter)
    return argv


def _duration(value: object, default_ns: int) -> int:
    return round(value.value) if isinstance(value, Quantity) else default_ns
