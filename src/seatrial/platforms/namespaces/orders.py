"""What is to be done in a namespace, as it is handed to the process that does it."""

from __future__ import annotations

import dataclasses
import hashlib
import ipaddress
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ...core.errors import NotExercised

WAYS = ("in", "out")
KINDS = ("partition", "loss", "bandwidth", "latency", "dns", "lead")
_MOST_NAME = 24  # a chain has at most 28 characters, and two of a tag differ in their ends


@dataclass(frozen=True, kw_only=True, slots=True)
class Lead:
    """What goes to an address and port is led to another."""

    address: str
    port: int
    to: str
    to_port: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Order:
    """An impairment. `namespace` is a number, `pid` leads to it; `tag` is in the name of whatever is made, `comment` names the trial.

    `addresses`: only what comes from them and goes to them (empty: all). `rate` in bytes a second, `share` of packets, `queue`: the number
    of that which a reader of ours serves (0: none, netem does it).
    """

    namespace: int
    pid: int
    tag: str
    comment: str
    kind: str
    ways: tuple[str, ...] = WAYS
    addresses: tuple[str, ...] = ()
    share: float = 1.0
    rate: int = 0
    delay_ns: int = 0
    jitter_ns: int = 0
    distribution: str = "uniform"
    how: str = "drop"
    queue: int = 0
    leads: tuple[Lead, ...] = ()

    @property
    def chains(self) -> Mapping[str, str]:
        """By way."""
        return {way: f"{self.tag}-{way}" for way in WAYS}

    @property
    def handle(self) -> str:
        """Of a queueing discipline, as tc says it."""
        return handle_of(self.tag)

    def of_family(self, family: int) -> tuple[str, ...]:
        """The addresses of IPv4 or IPv6."""
        return tuple(a for a in self.addresses if ipaddress.ip_address(a).version == family)

    def text(self) -> str:
        """What `read` reads."""
        return json.dumps(dataclasses.asdict(self))


def handle_of(tag: str) -> str:
    """The handle of what carries that tag: 5000: to 5fff:, which nobody is given by himself (those begin at 8000:)."""
    return f"5{hashlib.sha256(tag.encode()).hexdigest()[:3]}:"


def read(text: str) -> Order:
    """As `Order.text` has it. Raises ValueError, TypeError."""
    found = json.loads(text)
    found["leads"] = tuple(Lead(**each) for each in found["leads"])
    for name in ("ways", "addresses"):
        found[name] = tuple(found[name])
    return Order(**found)


def order(
    kind: str,
    arguments: Mapping[str, object],
    *,
    namespace: int,
    pid: int,
    tag: str,
    comment: str,
    addresses: Sequence[str] = (),
) -> Order:
    """From the arguments of an impairment: direction (in, out, both), share, rate, delay_ns, jitter_ns, distribution, how.

    Raises NotExercised for a kind that is not known here, ValueError for arguments that are none of these.
    """
    if kind not in KINDS:
        raise NotExercised(
            f"{kind} is nothing that can be done to the network of a process; there are {', '.join(KINDS)}"
        )
    if len(tag) > _MOST_NAME:
        raise ValueError(f"the tag {tag} is longer than {_MOST_NAME} characters")
    direction = str(arguments.get("direction") or "both")
    if direction not in (*WAYS, "both"):
        raise ValueError(f"{direction} is no direction: in, out or both")
    share = _number(arguments, "share", 1.0)
    if not 0 < share <= 1:
        raise ValueError("share is more than 0% and at most 100%")
    rate = round(_number(arguments, "rate", 0))
    if kind == "bandwidth" and rate < 1:
        raise ValueError("rate is at least 1 byte a second")
    return Order(
        namespace=namespace,
        pid=pid,
        tag=tag,
        comment="".join(c if c.isalnum() or c in " ._-" else "-" for c in comment)[:100],
        kind=kind,
        ways=WAYS if direction == "both" else (direction,),
        addresses=tuple(str(ipaddress.ip_address(a)) for a in addresses),
        share=share,
        rate=rate,
        delay_ns=round(_number(arguments, "delay_ns", 0)),
        jitter_ns=round(_number(arguments, "jitter_ns", 0)),
        distribution=str(arguments.get("distribution") or "uniform"),
        how=str(arguments.get("how") or "drop"),
    )


def _number(arguments: Mapping[str, object], name: str, default: float) -> float:
    value = arguments.get(name)
    if value is None:
        return default
    if isinstance(value, bool) or not isinstance(value, int | float) or value < 0:
        raise ValueError(f"{name} is a number and not negative, and not {value!r}")
    return float(value)
