"""What a service exports, with addresses that work from outside the stack (here), where its names mean nothing."""

from __future__ import annotations

import re
from collections.abc import Mapping

from ..core.platforms import ServiceView

_HOST = re.compile(r"\bhost=(\S+)")
_ADDRESSES = ("url", "addresses", "hosts", "endpoints", "sentinels")


def outside(view: ServiceView) -> dict[str, str]:
    """The exports, with the endpoints' own addresses in place of names."""
    firsts = [next(iter(i.endpoints.values())) for i in view.instances if i.endpoints]
    if not firsts:
        return dict(view.exports)
    hosts = ",".join(e.host for e in firsts)
    named = re.compile(rf"(?<![\w.-]){re.escape(view.name)}(-[\w.-]+)?(?=:\d)")  # its own name, or a companion's
    mine: Mapping[str, str] = {
        "host": firsts[0].host,
        "hosts": hosts,
        "dsn": _HOST.sub(f"host={hosts}", view.exports.get("dsn", "")),
        **{n: named.sub(firsts[0].host, v) for n, v in view.exports.items() if n in _ADDRESSES and ":" in v},
    }
    return {name: mine.get(name, value) for name, value in view.exports.items()}
