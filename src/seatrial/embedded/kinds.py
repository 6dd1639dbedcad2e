"""The embedded kinds, described."""

from __future__ import annotations

from ..core.shapes import BOOLEAN, COUNT, DURATION, INTEGER, SIZE, TEXT, Field, Shape, choice, mapping_of, reference
from ..core.vocabulary import ServiceKind

_NONE_OR_MORE = Shape(kind=INTEGER.kind, least=0)
_WITHIN = Field(shape=DURATION, doc="How long until all of it is ready (default 60s).")

ETCD = ServiceKind(
    name="etcd",
    doc="etcd: one node, or a cluster.",
    arguments={"nodes": Field(shape=COUNT, default=1, doc="1, 3 or 5."), "start-within": _WITHIN},
    expand="seatrial.embedded.etcd:expand",
    describe="seatrial.embedded.etcd:describe",
    exports=("host", "port", "url", "hosts", "endpoints", "addresses"),
    extra="embedded",
    example="{kind: etcd}",
)

POSTGRES = ServiceKind(
    name="postgres",
    doc="PostgreSQL: one node, or several under Patroni, with automatic failover.",
    arguments={
        "nodes": Field(shape=COUNT, default=1, doc="More than one: under Patroni."),
        "etcd": Field(
            shape=reference("service"),
            doc="The etcd that elects the primary of several nodes (one of its own, NAME-etcd).",
            example="etcd",
        ),
        "synchronous": Field(
            shape=BOOLEAN, default=True, doc="An acknowledged commit is on a standby, too (several nodes)."
        ),
        "database": Field(shape=TEXT, default="app", doc="Made for the application."),
        "user": Field(shape=TEXT, default="app", doc="Its owner."),
        "password": Field(shape=TEXT, doc="Of the user (made for each trial)."),
        "max-connections": Field(shape=COUNT, default=100),
        "parameters": Field(shape=mapping_of(TEXT), default={}, doc="Server parameters."),
        "ttl": Field(shape=DURATION, doc="How long a dead primary keeps its lease (20s, which is Patroni's least)."),
        "start-within": _WITHIN,
    },
    expand="seatrial.embedded.postgres:expand",
    describe="seatrial.embedded.postgres:describe",
    roles=("primary", "replica"),
    exports=("dsn", "host", "port", "hosts", "ports", "user", "password", "database", "addresses"),
    companions=("-etcd",),
    extra="embedded",
    example="{kind: postgres, nodes: 2}",
)

REDIS = ServiceKind(
    name="redis",
    doc="Redis: a master, with replicas, and Sentinel to fail over (the service NAME-sentinel).",
    arguments={
        "replicas": Field(shape=_NONE_OR_MORE, default=0, doc="Beside the master."),
        "sentinels": Field(shape=_NONE_OR_MORE, default=0, doc="An odd number, to have a majority."),
        "quorum": Field(shape=COUNT, doc="Sentinels that must agree that the master is down (the majority)."),
        "password": Field(shape=TEXT, doc="Of every data node (none)."),
        "min-replicas": Field(
            shape=_NONE_OR_MORE, default=0, doc="The master refuses writes with fewer replicas connected."
        ),
        "persistence": Field(shape=choice("aof", "none"), default="aof", doc="aof: survives a restart."),
        "down-after": Field(shape=DURATION, doc="Silence after which a sentinel takes the master for down (1s)."),
        "failover-timeout": Field(shape=DURATION, doc="Sentinel's failover-timeout (6s)."),
        "start-within": _WITHIN,
    },
    expand="seatrial.embedded.redis:expand",
    describe="seatrial.embedded.redis:describe",
    roles=("master", "replica"),
    exports=("url", "host", "port", "addresses", "sentinels", "master", "password"),
    companions=("-sentinel",),
    extra="embedded",
    example="{kind: redis, replicas: 2, sentinels: 3}",
)

CADDY = ServiceKind(
    name="caddy",
    doc="Caddy as a reverse proxy. What is not a GET is sent to one instance only, unless `retry-writes`.",
    arguments={
        "to": Field(
            shape=Shape(kind=TEXT.kind, refers="service"),
            required=True,
            doc="The service behind it, or one instance.",
            example="web",
        ),
        "health": Field(shape=TEXT, doc="Path that it asks each instance for, twice a second.", example="/livez"),
        "retry-writes": Field(
            shape=BOOLEAN,
            default=False,
            doc="Also send a write again when its instance dies over it: it may happen twice, unless it is idempotent.",
        ),
        "access-log": Field(shape=BOOLEAN, default=False, doc="Each request as a line of JSON in its log."),
        "tls": Field(
            shape=choice("none", "internal"), default="none", doc="internal: certificates of an authority of its own."
        ),
        "start-within": _WITHIN,
    },
    expand="seatrial.embedded.caddy:expand",
    describe="seatrial.embedded.caddy:describe",
    exports=("url", "host", "port", "addresses", "ca"),
    extra="embedded",
    example="{kind: caddy, to: web, health: /livez}",
)

OPENSEARCH = ServiceKind(
    name="opensearch",
    doc="OpenSearch, a search engine: one node, without its security plugin. It needs Java, and comes in no wheel "
    "(scripts/install-opensearch): say `optional: true` where the rest can do without it.",
    arguments={
        "heap": Field(shape=SIZE, doc="Of its Java machine (256 MiB).", example="512 MiB"),
        "start-within": _WITHIN,
    },
    expand="seatrial.embedded.opensearch:expand",
    describe="seatrial.embedded.opensearch:describe",
    lacks="seatrial.embedded.opensearch:lacks",
    exports=("url", "host", "port", "addresses"),
    example="{kind: opensearch, optional: true}",
)

KINDS = (ETCD, POSTGRES, REDIS, CADDY, OPENSEARCH)
