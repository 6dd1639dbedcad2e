"""Kind `caddy`: a reverse proxy with active and passive health checks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from ..core.stack import Blueprint, Description, FileBlueprint, Ground, InstanceBlueprint, Presence, ServicePlan
from .binaries import need
from .making import LOOPBACK, addresses, check, endpoint, environment, located, present, upstreams

_READY = "/.seatrial/proxy-ready"


def expand(plan: ServicePlan, arguments: Mapping[str, object], ground: Ground) -> Sequence[Blueprint]:
    """One blueprint. Nothing is written outside its directory, the machine's trust store least of all.

    Raises UsageError for a `to` that has no such address.
    """
    directory = ground.directory
    to = upstreams(plan, str(arguments["to"]), ground)
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
        files=[FileBlueprint(path=file, content=_caddyfile(site, to, arguments, tls=tls))],
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
            # It accepts before it has a certificate to show. The path is its own: being asked must not reach the service.
            ready=check("http", f"GET {_READY}", "status == 204"),
        )
    ]


def describe(presence: Presence) -> Description:
    """One that something else started. Parameter `ca`: a file with the authority of its certificates."""
    ca = presence.parameters.get("ca", "")
    exports = {**located(present(presence, "http")), "ca": ca}
    return Description(exports=exports, parameters={"ca": ca} if ca else {})


def _caddyfile(site: str, to: Sequence[str], arguments: Mapping[str, object], *, tls: bool) -> str:
    """What could not be sent at all is always tried elsewhere, for lb_try_duration; what was sent, only if it is a GET."""
    proxy = ["lb_policy round_robin", "lb_try_duration 3s", "lb_try_interval 100ms", "fail_duration 1s"]
    if isinstance(health := arguments.get("health"), str):
        proxy += [f"health_uri {health}", "health_interval 500ms", "health_timeout 1s"]
    if arguments.get("retry-writes") is True:
        # A body can be sent again only where it was kept.
        proxy += ["lb_retry_match method GET HEAD POST PUT PATCH DELETE", "request_buffers 1MiB"]
    handlers = ["tls internal"] if tls else []
    if arguments.get("access-log") is True:
        handlers.append("log {\n\t\toutput stdout\n\t\tformat json\n\t}")
    lines = "\n\t".join([f"bind {LOOPBACK}", *handlers, f"respond {_READY} 204"])
    options = "\n\t\t".join(proxy)
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
\t{lines}
\treverse_proxy {" ".join(to)} {{
\t\t{options}
\t\ttransport http {{
\t\t\tdial_timeout 1s
\t\t\tkeepalive 30s
\t\t}}
\t}}
}}
"""
