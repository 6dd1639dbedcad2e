"""The faults at the network of an instance, described. They need a platform whose instances have networks of their own, and root on it."""

from __future__ import annotations

from collections.abc import Mapping

from ..core.networks import DISCONNECT, NETWORK
from ..core.shapes import TEXT, Field, choice, list_of, reference
from ..core.vocabulary import FaultKind
from .of_links import DELAYED, LOST, RATE

_WAY = Field(
    shape=choice("in", "out", "both"),
    default="both",
    doc="in: what it is sent, out: what it sends (both, each for itself).",
)
_PEERS = Field(
    shape=list_of(reference("service")),
    default=(),
    doc="Only what comes from these services and goes to them (all).",
    example="postgres",
)
_LACKS = "impair the network of an instance: where instances have none of their own, hit a link (at: web -> postgres)"


def _kind(name: str, doc: str, make: str, arguments: Mapping[str, Field], example: str = "") -> FaultKind:
    return FaultKind(
        name=name,
        doc=doc,
        capability=NETWORK,
        make=f"seatrial.faults.{make}",
        arguments=arguments,
        lasting=True,
        holds=False,
        lacks=_LACKS,
        example=f"{{fault: {name}, at: web#1{example}}}",
    )


_NETWORK_KINDS = (
    _kind(
        "partition",
        "Nothing reaches an instance, nothing leaves it, or neither.",
        "network_partition:NetworkPartition",
        {"direction": _WAY, "peers": _PEERS},
        ", peers: [postgres]",
    ),
    _kind(
        "latency",
        "What an instance sends and is sent takes longer.",
        "network_latency:NetworkLatency",
        {
            **DELAYED,
            "direction": _WAY,
            "peers": _PEERS,
        },
        ", delay: 100ms, jitter: 10ms",
    ),
    _kind(
        "bandwidth",
        "An instance sends and is sent so many bytes a second, all its connections together.",
        "network_bandwidth:NetworkBandwidth",
        {"rate": RATE, "direction": _WAY},
        ", rate: 64 KiB/s",
    ),
    _kind(
        "loss",
        "A share of an instance's packets is lost.",
        "network_loss:NetworkLoss",
        {
            "share": LOST,
            "direction": _WAY,
            "peers": _PEERS,
        },
        ", share: 5%",
    ),
)
NAMESAKES: Mapping[str, FaultKind] = {kind.name: kind for kind in _NETWORK_KINDS}  # of faults at links
NETWORK_FAULTS = (
    _kind(
        "dns-failure",
        "An instance finds nobody by name: what it asks of name servers is lost, or refused.",
        "dns_failure:DnsFailure",
        {"how": Field(shape=choice("drop", "refuse"), default="drop", doc="drop")},
    ),
    FaultKind(
        name="disconnect",
        doc="An instance is taken off a network by the engine it runs in, and put back with its names.",
        capability=DISCONNECT,
        make="seatrial.faults.disconnect:Disconnect",
        arguments={"network": Field(shape=TEXT, doc="Which, where there are several (all).", example="backend")},
        lasting=True,
        holds=False,
        lacks="disconnect an instance from a network: an engine of containers can",
        example="{fault: disconnect, at: web#1}",
    ),
)
