"""Where the services of a stack are for programs that seatrial knows nothing of: addresses as client libraries take them."""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import quote

from ..core.errors import SeatrialError
from ..core.platforms import ServiceView
from ..core.stack import LINK, Instance, Target
from .outside import outside
from .probing import Prober

_OWN = "seatrial-"  # what a platform runs of ours


async def addresses_of(prober: Prober, views: Mapping[str, ServiceView]) -> dict[str, dict[str, str]]:
    """By service: what it exports, `url` (with credentials where the service has some), `urls` of all its instances, and of each of its
    endpoints `NAME_url`. Where a service has roles, `url`, `host` and `port` are those of who leads now.
    """
    found = {}
    for name, view in views.items():
        if LINK not in name and not name.startswith(_OWN) and view.instances:
            found[name] = _of(view, await _leader(prober, view))
    return found


async def _leader(prober: Prober, view: ServiceView) -> Instance:
    """Who has the first role, or the first instance."""
    for role in list(view.roles)[:1]:
        try:
            bound = await prober.instances(Target(service=view.name, role=role))
        except SeatrialError:
            break
        if bound:
            return bound[0]
    return view.instances[0]


def _of(view: ServiceView, leader: Instance) -> dict[str, str]:
    values = {n: v for n, v in outside(view).items() if v}
    if not leader.endpoints:
        return values
    first = next(iter(leader.endpoints.values()))
    values |= {"host": first.host, "port": str(first.port)}
    values["url"] = _url(view, leader, values)
    firsts = [next(iter(i.endpoints.values())).url for i in view.instances if i.endpoints]
    values["urls"] = ",".join(firsts)
    return values | {f"{e.name}_url": e.url for e in leader.endpoints.values()}


def _url(view: ServiceView, leader: Instance, values: Mapping[str, str]) -> str:
    """With credentials and what else a client has to know."""
    first = next(iter(leader.endpoints.values()))
    host = f"[{first.host}]" if ":" in first.host else first.host
    password = quote(values.get("password", ""), safe="")
    match view.kind:
        case "postgres" if "user" in values:
            account = quote(values["user"], safe="") + (f":{password}" if password else "")
            return f"postgresql://{account}@{host}:{first.port}/{quote(values.get('database', ''), safe='')}"
        case "redis":
            return f"redis://{f':{password}@' if password else ''}{host}:{first.port}/0"
    return first.url
