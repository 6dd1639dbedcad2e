"""Kind `redis`: a master with replicas, and Sentinel."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from urllib.parse import quote

from ..core.plan import CheckPlan
from ..core.stack import Blueprint, Description, FileBlueprint, Ground, InstanceBlueprint, Presence, ServicePlan
from .binaries import need
from .making import LOOPBACK, addresses, check, endpoint, environment, located, milliseconds, present, whole

MASTER = "mymaster"
_IN_ORDER = 'reply.role == "master" or reply.master_link_status == "up"'


def expand(plan: ServicePlan, arguments: Mapping[str, object], ground: Ground) -> Sequence[Blueprint]:
    """The data nodes, and the sentinels as a service of their own.

    The servers rewrite their files themselves (who is master), so they are written before the first start only. A sentinel looks
    for replicas every 10 s: it is started when they are connected, so that its first look finds them.
    """
    program = str(need("redis-server"))
    replicas, sentinels = whole(arguments, "replicas", 0), whole(arguments, "sentinels", 0)
    ports = [ground.port(f"{n} redis") for n in range(1, replicas + 2)]
    settings = _settings(arguments)
    instances = [_node(plan.name, program, ground, n, port, ports[0], settings) for n, port in enumerate(ports, 1)]
    host = ground.host(plan.name)
    watchers = _sentinels(plan.name, program, arguments, ground, sentinels, ports[0])
    password = str(arguments.get("password") or "")
    credentials = f":{quote(password, safe='')}@" if password else ""
    sentinel_host = ground.host(f"{plan.name}-sentinel")
    exports = {
        "url": f"redis://{credentials}{host}:{ports[0]}/0",
        "host": host,
        "port": str(ports[0]),
        "addresses": addresses(host, instances),
        "sentinels": addresses(sentinel_host, watchers),
        "master": MASTER if watchers else "",
        "password": password,
    }
    blueprints = [
        Blueprint(
            service=plan.name,
            kind="redis",
            instances=instances,
            exports=exports,
            parameters={"password": password} if password else {},
            secrets=[password] if password else [],
            ready=check("redis", "INFO replication", _IN_ORDER),
            roles=_roles(),
            steady=[_whole_again(replicas)],
        )
    ]
    if watchers:
        known, steady = _sentinels_know(MASTER, replicas, sentinels)
        blueprints.append(
            Blueprint(
                service=f"{plan.name}-sentinel",
                kind="redis",
                instances=watchers,
                exports={"host": sentinel_host, "addresses": exports["sentinels"]},
                ready=known,  # each of them: it takes part in no failover before it does
                steady=[steady],
                after=(plan.name,),
            )
        )
    return blueprints


def describe(presence: Presence) -> Description:
    """Data nodes that something else started, or sentinels (their endpoint is called `sentinel`).

    Parameters: password; `master` as sentinels name it (mymaster), and `replicas` that they have to know of.
    """
    given, count = presence.parameters, len(presence.instances)
    password = given.get("password", "")
    master = given.get("master", MASTER)
    known = {"password": password} if password else {}
    secrets = [password] if password else []
    if any("sentinel" in i for i in presence.instances):
        replicas = int(given["replicas"]) if given.get("replicas", "").isdecimal() else None
        ready, steady = _sentinels_know(master, replicas, count)
        located_at = located(present(presence, "sentinel"))
        exports = {**located_at, "sentinels": located_at.get("addresses", ""), "master": master, "password": password}
        return Description(exports=exports, parameters=known, secrets=secrets, ready=ready, steady=[steady])
    nodes = present(presence, "redis")
    credentials = f":{quote(password, safe='')}@" if password else ""
    exports = {**located(nodes), "sentinels": "", "master": given.get("master", ""), "password": password}
    if nodes:
        exports["url"] = f"redis://{credentials}{nodes[0].host}:{nodes[0].port}/0"
    return Description(
        exports=exports,
        parameters=known,
        secrets=secrets,
        ready=check("redis", "INFO replication", _IN_ORDER),
        roles=_roles(),
        steady=[_whole_again(count - 1)],
    )


def _roles() -> dict[str, CheckPlan]:
    return {
        "master": check("redis", "ROLE", 'reply[0] == "master"'),
        "replica": check("redis", "ROLE", 'reply[0] == "slave"'),
    }


def _whole_again(replicas: int) -> CheckPlan:
    """One is the master, and all the others are online at it."""
    online = " and ".join(f'reply.slave{n}.state == "online"' for n in range(replicas))
    wanted = f'reply.role == "master" and reply.connected_slaves == {replicas}' + (online and f" and {online}")
    return check("redis", "INFO replication", wanted)


def _sentinels_know(master: str, replicas: int | None, sentinels: int) -> tuple[CheckPlan, CheckPlan]:
    """Each other, and the replicas; and, as a whole, a master that is up."""
    known = f'reply["num-other-sentinels"] == {sentinels - 1}'
    if replicas is not None:
        known = f'reply["num-slaves"] == {replicas} and {known}'
    asked = f"SENTINEL MASTER {master}"
    return check("redis", asked, known), check("redis", asked, f'{known} and reply.flags == "master"')


def _settings(arguments: Mapping[str, object]) -> list[str]:
    """The lines that all data nodes have in common: each may be the master one day."""
    lines = [
        f"bind {LOOPBACK}", "daemonize no", "loglevel notice",
        f"appendonly {'no' if arguments.get('persistence') == 'none' else 'yes'}", "appendfsync everysec", 'save ""',
        "repl-diskless-sync yes", "repl-diskless-sync-delay 0", "repl-backlog-size 8mb", "repl-timeout 10",
        "repl-ping-replica-period 1",
    ]  # fmt: skip
    if least := whole(arguments, "min-replicas", 0):
        lines += [f"min-replicas-to-write {least}", "min-replicas-max-lag 2"]
    if password := arguments.get("password"):
        lines += [f"requirepass {_quoted(str(password))}", f"masterauth {_quoted(str(password))}"]
    return lines


def _quoted(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def _node(
    name: str, program: str, ground: Ground, number: int, port: int, master: int, settings: Sequence[str]
) -> InstanceBlueprint:
    directory = ground.directory / f"{number}"
    lines = [f"port {port}", f"dir {_quoted(str(directory))}", *settings]
    if port != master:
        lines.append(f"replicaof {LOOPBACK} {master}")
    file = directory / "redis.conf"
    return InstanceBlueprint(
        name=f"{name}#{number}",
        argv=[program, str(file)],
        directory=directory,
        environment=environment(),
        endpoints={"redis": endpoint("redis", "redis", port)},
        files=[FileBlueprint(path=file, content="\n".join(lines) + "\n")],
        after_ready=(f"{name}#1",) if number > 1 else (),
    )


def _sentinels(
    name: str, program: str, arguments: Mapping[str, object], ground: Ground, count: int, master: int
) -> list[InstanceBlueprint]:
    quorum = whole(arguments, "quorum", count // 2 + 1)
    down, timeout = milliseconds(arguments, "down-after", 1000), milliseconds(arguments, "failover-timeout", 6000)
    instances = []
    for number in range(1, count + 1):
        port = ground.port(f"{number} sentinel")
        directory = ground.directory / f"sentinel-{number}"
        lines = [
            f"port {port}", f"bind {LOOPBACK}", f"dir {_quoted(str(directory))}", "daemonize no",
            f"sentinel monitor {MASTER} {LOOPBACK} {master} {quorum}",
            f"sentinel down-after-milliseconds {MASTER} {down}", f"sentinel failover-timeout {MASTER} {timeout}",
            f"sentinel parallel-syncs {MASTER} 1",
        ]  # fmt: skip
        if password := arguments.get("password"):
            lines.append(f"sentinel auth-pass {MASTER} {_quoted(str(password))}")
        file = directory / "sentinel.conf"
        instances.append(
            InstanceBlueprint(
                name=f"{name}-sentinel#{number}",
                argv=[program, str(file), "--sentinel"],
                directory=directory,
                environment=environment(),
                endpoints={"sentinel": endpoint("sentinel", "redis", port)},
                files=[FileBlueprint(path=file, content="\n".join(lines) + "\n")],
            )
        )
    return instances
