"""What a service exports, with addresses that work from outside the stack (here), where its names mean nothing."""

from __future__ import annotations

import re
from collections.abc import Mapping

from ..core.platforms import ServiceView

_HOST = re.compile(r"\bhost=(\S+)")


def outside(view: ServiceView) -> dict[str, str]:
    """The exports, with the endpoints' own addresses in place of names."""
    firsts = [next(iter(i.endpoints.values())) for i in view.instances if i.endpoints]
    if not firsts:
        return dict(view.exports)
    hosts = ",".join(e.host for e in firsts)
    mine: Mapping[str, str] = {
        "host": firsts[0].host,
        "hosts": hosts,
        "url": firsts[0].url + ("/0" if firsts[0].scheme == "redis" else ""),
        "addresses": ",".join(f"{e.host}:{e.port}" for e in firsts),
        "dsn": _HOST.sub(f"host={hosts}", view.exports.get("dsn", "")),
    }
    return {name: mine.get(name, value) for name, value in view.exports.items()}
