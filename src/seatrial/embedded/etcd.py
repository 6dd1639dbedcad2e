"""Kind `etcd`, and the etcd that a cluster of PostgreSQL brings along."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from ..core.errors import Problem, UsageError
from ..core.plan import CheckPlan
from ..core.stack import Blueprint, Description, Ground, InstanceBlueprint, Presence, ServicePlan
from .binaries import need
from .making import LOOPBACK, addresses, check, endpoint, environment, located, present, whole


def expand(plan: ServicePlan, arguments: Mapping[str, object], ground: Ground) -> Sequence[Blueprint]:
    """One blueprint. Raises UsageError for an even number of nodes."""
    nodes = whole(arguments, "nodes", 1)
    if nodes % 2 == 0:
        raise UsageError(
            Problem(
                message=f"service {plan.name}: {nodes} nodes of etcd bear no more failures than {nodes - 1}",
                position=plan.position,
                hint=f"nodes: {nodes - 1}, or {nodes + 1}",
            )
        )
    return [cluster(plan.name, nodes, ground)]


def cluster(name: str, nodes: int, ground: Ground) -> Blueprint:
    """The service `name`. fsync is off: what is lost when the machine dies is lost with the trial anyway."""
    program = need("etcd")
    ports = {n: (ground.port(f"{n} client"), ground.port(f"{n} peer")) for n in range(1, nodes + 1)}
    members = ",".join(f"{name}{n}=http://{LOOPBACK}:{peer}" for n, (_, peer) in ports.items())
    instances = []
    for number, (client, peer) in ports.items():
        client_url, peer_url = f"http://{LOOPBACK}:{client}", f"http://{LOOPBACK}:{peer}"
        argv = [
            str(program), "--name", f"{name}{number}", "--data-dir", str(ground.directory / f"etcd-{number}"),
            "--listen-client-urls", client_url, "--advertise-client-urls", client_url,
            "--listen-peer-urls", peer_url, "--initial-advertise-peer-urls", peer_url,
            "--initial-cluster", members, "--initial-cluster-token", name, "--initial-cluster-state", "new",
            "--unsafe-no-fsync", "--heartbeat-interval", "100", "--election-timeout", "1000", "--log-level", "warn",
        ]  # fmt: skip
        instances.append(
            InstanceBlueprint(
                name=f"{name}#{number}",
                argv=argv,
                directory=ground.directory,
                environment=environment(),
                endpoints={"client": endpoint("client", "http", client), "peer": endpoint("peer", "http", peer)},
                stop_timeout_ns=3_000_000_000,  # when all end at once, the last waits 7 s for somebody to lead after it
            )
        )
    host = ground.host(name)
    hosts = addresses(host, instances)
    endpoints = [f"http://{address}" for address in hosts.split(",")]
    return Blueprint(
        service=name,
        kind="etcd",
        instances=instances,
        exports={
            "host": host,
            "port": str(ports[1][0]),
            "url": endpoints[0],
            "hosts": hosts,
            "endpoints": ",".join(endpoints),
            "addresses": hosts,
        },
        ready=_healthy(),
    )


def describe(presence: Presence) -> Description:
    """One that something else started."""
    clients = present(presence, "client")
    exports = located(clients)
    exports["hosts"] = exports.get("addresses", "")
    exports["endpoints"] = ",".join(e.url for e in clients)
    return Description(exports=exports, ready=_healthy())


def _healthy() -> CheckPlan:
    return check("http", "GET /health", 'json.health == "true"', endpoint="client")
