"""What of all this works on this machine: tried in a namespace that is nobody's and ends with the process."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from ...core.errors import NotExercised, PlatformError
from . import filters, tools
from .entering import leave_for_a_new_one
from .orders import Order, order

_WITHIN_S = 30.0
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


def told() -> Sequence[tuple[str, bool, str]]:
    """The same for people: what, whether it works, and why not or what it is for. In a process of its own."""
    done = subprocess.run(
        [sys.executable, "-P", "-m", __package__, "try"], capture_output=True, text=True, timeout=_WITHIN_S, check=False
    )
    if done.returncode != 0:
        why = (done.stderr.strip().splitlines() or ["it does not say why"])[-1]
        return [("network namespaces", False, f"{why}: faults at the network of a container are not exercised")]
    found: Mapping[str, str] = json.loads(done.stdout)
    of_rules = [why for what, why in found.items() if what not in ("netem", "bandwidth", "latency") and why]
    of_delay = found["netem"] and found["latency"]
    by = "netem" if not found["netem"] else "a queue that seatrial reads (no netem in this kernel)"
    return [
        ("network namespaces", True, "entered: faults at the network of a container"),
        ("iptables", not of_rules, "; ".join(of_rules) or "partition, loss, dns-failure, links between containers"),
        ("tc", not found["bandwidth"], found["bandwidth"] or "bandwidth of a container"),
        ("delay of packets", not of_delay, f"{found['netem']}; {found['latency']}" if of_delay else f"by {by}"),
    ]
