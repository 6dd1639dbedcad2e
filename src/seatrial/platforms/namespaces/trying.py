"""What of all this works on this machine: tried in a namespace that is nobody's and ends with the process."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from ...core.errors import NotExercised, PlatformError
from . import filters, tools
from .entering import leave_for_a_new_one
from .orders import Order, order

_ORDERS: Mapping[str, Mapping[str, object]] = {
    "partition": {},
    "loss": {"share": 0.1},
    "latency": {"delay_ns": 1_000_000},
    "dns drop": {"how": "drop"},
    "dns refuse": {"how": "refuse"},
}


def tried() -> dict[str, str]:
    """By what was tried, why it does not work; empty where it does. Raises NotExercised without the right to try anything."""
    leave_for_a_new_one()
    tools.run([tools.need("ip"), "link", "set", "lo", "up"])
    found = {what: _filtered(_order(what)) for what in _ORDERS}
    found["netem"] = _shaped(["netem", "delay", "1ms"])
    found["bandwidth"] = _shaped(["tbf", "rate", "8mbit", "burst", "4kb", "limit", "64kb"])
    return found


def _order(what: str) -> Order:
    return order(
        what.split()[0],
        _ORDERS[what],
        namespace=0,
        pid=os.getpid(),
        tag=f"try-{what.replace(' ', '-')}",
        comment="tried",
    )


def _filtered(one: Order) -> str:
    try:
        filters.apply(one)
        filters.remove(one.tag)
    except (NotExercised, PlatformError) as error:
        return str(error)
    if one.kind == "latency" and not Path("/proc/thread-self/net/netfilter/nfnetlink_queue").exists():
        return "the kernel has no nfnetlink_queue"
    return ""


def _shaped(discipline: list[str]) -> str:
    try:
        tc = tools.need("tc")
    except NotExercised as error:
        return str(error)
    status, _, complaint = tools.run([tc, "qdisc", "add", "dev", "lo", "root", *discipline])
    if status == 0:
        tools.run([tc, "qdisc", "del", "dev", "lo", "root"])
    return "" if status == 0 else f"tc cannot add {discipline[0]}: {tools.words(complaint)}"
