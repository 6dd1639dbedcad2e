"""Queueing disciplines: how fast, and how late, packets leave an interface. What comes in is shaped where it leaves for it: at the
interface of this machine that is the other end of the namespace's own.
"""

from __future__ import annotations

import json
import os
import socket
import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from ...core.errors import NotExercised, PlatformError
from . import tools
from .entering import inside
from .orders import Order, handle_of

_BURST_S, _LEAST_BURST = (
    0.002,
    4 << 10,
)  # what may leave at once: little beside what is asked for, and more than a packet
_WAITS_S, _LEAST_WAITING = 0.4, 64 << 10  # and what waits before more is lost
_PACKETS = 100_000  # that netem holds at most
_NLM_REQUEST, _RTM_GETNSID, _NETNSA_NSID, _NETNSA_FD = 1, 90, 1, 3


@dataclass(frozen=True, kw_only=True, slots=True)
class Interface:
    """One that leads out of the namespace. `peer`: the name of its other end on this machine, where it is here."""

    name: str
    peer: str | None


def apply(order: Order, namespace: int, home: int) -> None:
    """Shape what an order says; `namespace` and `home` are descriptors. Raises NotExercised saying what is missing, PlatformError for an
    interface that is shaped already.
    """
    found = interfaces(namespace, home)
    if not found:
        raise NotExercised("no interface leads out of this network namespace: there is nothing to shape")
    alone = next((i.name for i in found if i.peer is None), None)
    if "in" in order.ways and alone is not None:
        raise NotExercised(
            f"what comes in by {alone} is shaped at its other end, which is none of this machine's interfaces"
        )
    for place, device in _places(order, found, namespace, home):
        with inside(place):
            _shape(order, device)


def remove(tag: str, namespace: int, home: int) -> bool:
    """Take away what carries a tag; whether there was anything. Raises PlatformError for what remains."""
    if tools.find("tc") is None:
        return False
    handle, gone = handle_of(tag), False
    for place, devices in _ends(interfaces(namespace, home), namespace, home):
        with inside(place):
            for device in devices:
                if _root(device).get("handle") == handle:
                    status, _, complaint = tools.run(
                        [tools.need("tc"), "qdisc", "del", "dev", device, "root", "handle", handle]
                    )
                    if status != 0:
                        raise PlatformError(f"tc cannot remove {handle} from {device}: {tools.words(complaint)}")
                    gone = True
    return gone


def free_for_netem(order: Order, namespace: int, home: int) -> bool:
    """Whether nothing else shapes the interfaces that an order is about."""
    found = interfaces(namespace, home)
    if not found or ("in" in order.ways and any(i.peer is None for i in found)):
        return False
    for place, device in _places(order, found, namespace, home):
        with inside(place):
            if not _unshaped(_root(device)):
                return False
    return True


def interfaces(namespace: int, home: int) -> Sequence[Interface]:
    """Those that are up, without the loopback."""
    with inside(namespace):
        own, number = _links(), _number_of(home)
    with inside(home):
        here = {link["ifindex"]: link for link in _links()}
    found = []
    for link in own:
        if link["link_type"] == "loopback" or "UP" not in link["flags"]:
            continue
        other = here.get(link.get("link_index", 0))
        is_here = other is not None and number is not None and link.get("link_netnsid") == number
        found.append(Interface(name=str(link["ifname"]), peer=str(other["ifname"]) if is_here and other else None))
    return found


def _ends(found: Sequence[Interface], namespace: int, home: int) -> Iterator[tuple[int, Sequence[str]]]:
    yield namespace, [i.name for i in found]
    yield home, [i.peer for i in found if i.peer is not None]


def _places(order: Order, found: Sequence[Interface], namespace: int, home: int) -> Iterator[tuple[int, str]]:
    """Where, and which device."""
    for way, (place, devices) in zip(("out", "in"), _ends(found, namespace, home), strict=True):
        if way in order.ways:
            yield from ((place, device) for device in devices)


def _shape(order: Order, device: str) -> None:
    root = _root(device)
    if not _unshaped(root):
        raise PlatformError(f"{device} is shaped already, by {root['kind']} {root['handle']}")
    argv = [tools.need("tc"), "qdisc", "add", "dev", device, "root", "handle", order.handle, *_discipline(order)]
    status, _, complaint = tools.run(argv)
    if status != 0:
        raise NotExercised(f"tc cannot shape {device} by {_discipline(order)[0]}: {tools.words(complaint)}")


def _discipline(order: Order) -> Sequence[str]:
    if order.kind == "bandwidth":
        burst = max(_LEAST_BURST, round(order.rate * _BURST_S))
        limit = max(_LEAST_WAITING, round(order.rate * _WAITS_S)) + burst
        return ["tbf", "rate", f"{order.rate * 8}bit", "burst", f"{burst}b", "limit", f"{limit}b"]
    delay = ["netem", "limit", str(_PACKETS), "delay", f"{order.delay_ns // 1000}us"]
    if not order.jitter_ns:
        return delay
    shape = [] if order.distribution == "uniform" else ["distribution", order.distribution]
    return [*delay, f"{order.jitter_ns // 1000}us", *shape]


def _unshaped(root: dict[str, Any]) -> bool:
    """A handle of 0 is what the kernel chose by itself, and will choose again."""
    return bool(root.get("handle", "0:") == "0:")


def _root(device: str) -> dict[str, Any]:
    for each in _asked("tc", "qdisc", "show", "dev", device):
        if each.get("root"):
            return each
    return {}


def _links() -> list[dict[str, Any]]:
    return _asked("ip", "link", "show")


def _asked(program: str, *argv: str) -> list[dict[str, Any]]:
    status, output, complaint = tools.run([tools.need(program), "-j", *argv])
    if status != 0:
        raise PlatformError(f"{program} {' '.join(argv)}: {tools.words(complaint)}")
    found: list[dict[str, Any]] = json.loads(output or "[]")
    return found


def _number_of(other: int) -> int | None:
    """What a namespace is called in the present one (rtnetlink(7), RTM_GETNSID); None for one that it does not know."""
    attribute = struct.pack("=HHi", 8, _NETNSA_FD, other)
    body = struct.pack("=Bxxx", socket.AF_UNSPEC) + attribute
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, socket.NETLINK_ROUTE) as rtnetlink:
        rtnetlink.settimeout(5)
        rtnetlink.send(struct.pack("=IHHII", 16 + len(body), _RTM_GETNSID, _NLM_REQUEST, 1, os.getpid()) + body)
        answer = rtnetlink.recv(4096)
    at = 16 + 4
    while len(answer) >= at + 8:
        length, kind, number = struct.unpack_from("=HHi", answer, at)
        if kind == _NETNSA_NSID:
            return int(number) if number >= 0 else None
        at += max(4, (length + 3) & ~3)
    return None
