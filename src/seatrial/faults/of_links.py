"""The faults of links, described. What a packet filter would do is done by a proxy in between: no rights are needed."""

from __future__ import annotations

from collections.abc import Mapping

from ..core.shapes import BANDWIDTH, DURATION, RATIO, SIZE, TEXT, Field, Shape, ShapeKind, choice
from ..core.vocabulary import FaultKind

# https://grpc.github.io/grpc/core/md_doc_statuscodes.html; the place of a code is its number, less one.
CODES = (
    "CANCELLED", "UNKNOWN", "INVALID_ARGUMENT", "DEADLINE_EXCEEDED", "NOT_FOUND", "ALREADY_EXISTS", "PERMISSION_DENIED",
    "RESOURCE_EXHAUSTED", "FAILED_PRECONDITION", "ABORTED", "OUT_OF_RANGE", "UNIMPLEMENTED", "INTERNAL", "UNAVAILABLE", "DATA_LOSS",
    "UNAUTHENTICATED",
)  # fmt: skip
_WAY = Field(shape=choice("to", "from", "both"), default="both", doc="to: requests, from: answers (both).")
_ONE_WAY = Field(shape=choice("to", "from"), required=True, doc="What does not arrive: to: requests, from: answers.")
_SHARE = Field(shape=RATIO, doc="Of the requests (100%).", example="10%")
# What a fault of links and its namesake at an instance have alike.
DELAYED: Mapping[str, Field] = {
    "delay": Field(shape=DURATION, required=True, doc="One way.", example="100ms"),
    "jitter": Field(shape=DURATION, doc="More or less of it (0s)."),
    "distribution": Field(
        shape=choice("uniform", "normal", "pareto"),
        default="uniform",
        doc="Of the jitter: within it; with it as standard deviation; only more, with it as mean and a long tail.",
    ),
}
RATE = Field(shape=BANDWIDTH, required=True, doc="1 MiB/s, 8 Mbit/s.", example="1 MiB/s")
LOST = Field(shape=RATIO, required=True, doc="How much is lost.", example="5%")
_STATUS = Shape(kind=ShapeKind.INTEGER, least=200)
_HTTP: Mapping[str, Field] = {
    "path": Field(shape=TEXT, doc="Of the requests that are hit, with * for anything (all).", example="/api/*"),
    "method": Field(shape=choice("GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS"), doc="Theirs (any)."),
    "share": _SHARE,
}


def _kind(name: str, doc: str, make: str, arguments: Mapping[str, Field], example: str) -> FaultKind:
    return FaultKind(
        name=name,
        doc=doc,
        capability="link",
        make=f"seatrial.faults.{make}",
        arguments=arguments,
        lasting=True,
        on_links=True,
        example=f"{{fault: {name}, at: web -> postgres{example}}}",
    )


_GRPC: Mapping[str, Field] = {
    "path": Field(
        shape=TEXT, doc="Of the calls that are hit, with * for anything (all).", example="/shop.Listings/Get"
    ),
    "share": Field(shape=RATIO, doc="Of the calls (100%).", example="10%"),
}
LINK_FAULTS = (
    _kind(
        "cut",
        "Nothing gets through: new connections are refused, or reset once accepted, and those that are there are reset; or, in a black "
        "hole, all are there and nothing comes.",
        "cut:Cut",
        {"how": Field(shape=choice("refuse", "reset", "black-hole"), default="refuse", doc="refuse")},
        "",
    ),
    _kind(
        "partition",
        "Nothing gets through one way; it arrives when the link is healed, as TCP would send it again.",
        "partition:Partition",
        {"direction": _ONE_WAY},
        ", direction: from",
    ),
    _kind(
        "latency",
        "What is sent takes longer.",
        "latency:Latency",
        {
            **DELAYED,
            "direction": _WAY,
        },
        ", delay: 100ms, jitter: 20ms",
    ),
    _kind(
        "bandwidth",
        "So many bytes a second, of each connection each way.",
        "bandwidth:Bandwidth",
        {"rate": RATE, "direction": _WAY},
        ", rate: 64 KiB/s",
    ),
    _kind(
        "loss",
        "A share of what is written is lost: to a program, a wait for TCP to send it again.",
        "loss:Loss",
        {
            "share": LOST,
            "resent-after": Field(shape=DURATION, doc="And how long that takes at first; doubled each time (200ms)."),
            "direction": _WAY,
        },
        ", share: 5%",
    ),
    _kind(
        "close-after",
        "A connection is over after so many bytes: an answer that breaks off.",
        "close_after:CloseAfter",
        {
            "bytes": Field(shape=SIZE, required=True, doc="Each way.", example="10 KiB"),
            "how": Field(shape=choice("reset", "fin"), default="reset", doc="reset"),
            "direction": _WAY,
        },
        ", bytes: 10 KiB",
    ),
    _kind(
        "slow-close",
        "The end of a connection arrives late.",
        "slow_close:SlowClose",
        {"delay": Field(shape=DURATION, required=True, doc="So late.", example="5s"), "direction": _WAY},
        ", delay: 5s",
    ),
    _kind(
        "half-open",
        "The far side of the connections that are there has gone without a word, as when a machine loses its power; new ones pass.",
        "half_open:HalfOpen",
        {},
        "",
    ),
    _kind(
        "http-status",
        "Requests over HTTP/1.1 have this answer, and never reach the service.",
        "http_answers:HttpFault",
        {"status": Field(shape=_STATUS, required=True, doc="The answer.", example="503"), **_HTTP},
        ", status: 503, share: 10%",
    ),
    _kind(
        "http-delay",
        "Requests over HTTP/1.1 reach the service late.",
        "http_answers:HttpFault",
        {"delay": Field(shape=DURATION, required=True, doc="So late.", example="2s"), **_HTTP},
        ", delay: 2s, path: /api/*",
    ),
    _kind(
        "http-abort",
        "The connection of requests over HTTP/1.1 is reset when they come.",
        "http_answers:HttpAbort",
        _HTTP,
        ", share: 1%",
    ),
    _kind(
        "grpc-status",
        "Calls over gRPC end with this code, and never reach the service.",
        "grpc_answers:GrpcFault",
        {"code": Field(shape=choice(*CODES), required=True, doc="The code.", example="UNAVAILABLE"), **_GRPC},
        ", code: UNAVAILABLE, share: 10%",
    ),
    _kind(
        "grpc-abort",
        "The streams of calls over gRPC are reset, and never reach the service.",
        "grpc_answers:GrpcAbort",
        _GRPC,
        ", share: 1%",
    ),
)
