"""Kind `etcd`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from ..core.stack import Blueprint, Ground, InstanceBlueprint, ServicePlan
from .binaries import need
from .making import LOOPBACK, addresses, check, endpoint, environment, whole


def expand(plan: ServicePlan, arguments: Mapping[str, object], ground: Ground) -> Sequence[Blueprint]:
    """One blueprint. fsync is off: what is lost when the machine dies is lost with the trial anyway."""
    program, nodes = need("etcd"), whole(arguments, "nodes", 1)
    ports = {n: (ground.port(f"{n} client"), ground.port(f"{n} peer")) for n in range(1, nodes + 1)}
    cluster = ",".join(f"{plan.name}{n}=http://{LOOPBACK}:{peer}" for n, (_, peer) in ports.items())
    instances = []
    for number, (client, peer) in ports.items():
        client_url, peer_url = f"http://{LOOPBACK}:{client}", f"http://{LOOPBACK}:{peer}"
        argv = [
            str(program), "--name", f"{plan.name}{number}", "--data-dir", str(ground.directory / f"{number}"),
            "--listen-client-urls", client_url, "--advertise-client-urls", client_url,
            "--listen-peer-urls", peer_url, "--initial-advertise-peer-urls", peer_url,
            "--initial-cluster", cluster, "--initial-cluster-token", plan.name, "--initial-cluster-state", "new",
            "--unsafe-no-fsync", "--heartbeat-interval", "100", "--election-timeout", "1000", "--log-level", "warn",
        ]  # fmt: skip
        instances.append(
            InstanceBlueprint(
                name=f"{plan.name}#{number}",
                argv=argv,
                directory=ground.directory,
                environment=environment(),
                endpoints={"client": endpoint("client", "http", client), "peer": endpoint("peer", "http", peer)},
            )
        )
    host = ground.host(plan.name)
    hosts = addresses(host, instances)
    first = ports[1][0]
    return [
        Blueprint(
            service=plan.name,
            kind="etcd",
            instances=instances,
            exports={
                "host": host,
                "port": str(first),
                "url": f"http://{host}:{first}",
                "hosts": hosts,
                "addresses": hosts,
            },
            ready=check("http", "GET /health", 'json.health == "true"', endpoint="client"),
        )
    ]
