"""Kind `caddy`: a reverse proxy with active and passive health checks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from ..core.stack import Blueprint, FileBlueprint, Ground, InstanceBlueprint, ServicePlan
from .binaries import need
from .making import addresses, check, endpoint, environment


def expand(plan: ServicePlan, arguments: Mapping[str, object], ground: Ground) -> Sequence[Blueprint]:
    """One blueprint. Nothing is written outside its directory, the machine's trust store least of all."""
    directory = ground.directory
    service, _, ordinal = str(arguments["to"]).partition("#")
    upstreams = ground.exports(service)["addresses"].split(",")
    if ordinal:
        upstreams = [upstreams[int(ordinal) - 1]]
    port = ground.port("http")
    tls = arguments.get("tls") == "internal"
    scheme = "https" if tls else "http"
    host = ground.host(plan.name)
    site = (
        ", ".join(dict.fromkeys(f"{scheme}://{h}:{port}" for h in (host, "127.0.0.1", "localhost")))
        if tls
        else f":{port}"
    )
    file = directory / "Caddyfile"
    instance = InstanceBlueprint(
        name=f"{plan.name}#1",
        argv=[str(need("caddy")), "run", "--config", str(file), "--adapter", "caddyfile"],
        directory=directory,
        environment=environment(
            HOME=str(directory), XDG_DATA_HOME=str(directory / "data"), XDG_CONFIG_HOME=str(directory / "config")
        ),
        endpoints={"http": endpoint("http", scheme, port)},
        files=[FileBlueprint(path=file, content=_caddyfile(site, upstreams, arguments.get("health"), tls))],
    )
    authority = directory / "data/caddy/pki/authorities/local/root.crt"
    return [
        Blueprint(
            service=plan.name,
            kind="caddy",
            instances=[instance],
            exports={
                "url": f"{scheme}://{host}:{port}",
                "host": host,
                "port": str(port),
                "addresses": addresses(host, [instance]),
                "ca": str(authority) if tls else "",
            },
            parameters={"ca": str(authority)} if tls else {},
            ready=check("tcp", "", "accepted == true"),
        )
    ]


def _caddyfile(site: str, upstreams: Sequence[str], health: object, tls: bool) -> str:
    """lb_try_duration repeats only what could not be sent at all, and GETs."""
    active = (
        f"\t\thealth_uri {health}\n\t\thealth_interval 500ms\n\t\thealth_timeout 1s\n"
        if isinstance(health, str)
        else ""
    )
    return f"""{{
\tadmin off
\tpersist_config off
\tskip_install_trust
\tauto_https disable_redirects
\tlog {{
\t\toutput stderr
\t\tlevel WARN
\t}}
}}
{site} {{
{chr(9) + "tls internal" if tls else ""}
\treverse_proxy {" ".join(upstreams)} {{
\t\tlb_policy round_robin
\t\tlb_try_duration 3s
\t\tlb_try_interval 100ms
\t\tfail_duration 1s
{active}\t\ttransport http {{
\t\t\tdial_timeout 1s
\t\t\tkeepalive 30s
\t\t}}
\t}}
}}
"""
