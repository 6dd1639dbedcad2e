"""A small vocabulary of its own: what the compiler does with descriptors, not what the real ones say."""

from __future__ import annotations

import textwrap
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from seatrial.checkers.metrics import LOAD_EXTRAS, LOAD_METRICS, TAG_METRICS
from seatrial.core.errors import UsageError
from seatrial.core.expressions import Type
from seatrial.core.plan import Plan
from seatrial.core.quantities import Dimension
from seatrial.core.shapes import (
    ANY,
    BANDWIDTH,
    BOOLEAN,
    COUNT,
    DURATION,
    NUMBER,
    RATIO,
    REQUEST,
    TEXT,
    Field,
    Shape,
    choice,
    list_of,
    mapping_of,
    record,
    reference,
    union,
)
from seatrial.core.vocabulary import FaultKind, Model, ServiceKind, Verb, Vocabulary
from seatrial.credentials.jwt import KIND as JWT
from seatrial.probes.split import VERB as SPLIT
from seatrial.spec import compile_spec

METHODS = ("GET", "HEAD", "POST", "PUT", "DELETE")


def check_http(text: str) -> str | None:
    method, _, path = text.partition(" ")
    if not path:
        method, path = "GET", method
    if method not in METHODS:
        return f'unknown method "{method}"; methods: {", ".join(METHODS)}'
    return None if path.startswith(("/", "http://", "https://", "{{")) else f'"{path}" is no path; for example GET /x'


HTTP = Verb(
    name="http",
    doc="A request.",
    what=TEXT,
    observes={
        "status": Type.NUMBER,
        "json": Type.ANY,
        "text": Type.TEXT,
        "headers": Type.map_of(Type.TEXT),
        "latency": Type.DURATION,
    },
    run="tests:none",
    arguments={
        "json": Field(shape=ANY, doc="Sent as JSON."),
        "body": Field(shape=TEXT, doc="Sent as it is."),
        "headers": Field(shape=mapping_of(TEXT), doc="Headers."),
        "query": Field(shape=mapping_of(TEXT), doc="Query."),
        "redirects": Field(shape=BOOLEAN, doc="Follow redirects."),
        "verify": Field(shape=union(BOOLEAN, TEXT), doc="Check the certificate."),
        "times": Field(shape=COUNT, doc="So many requests."),
    },
    default_expect="status < 400",
    example="http: GET /healthz",
    check_what=check_http,
    makes={"op": Type.record({"n": Type.NUMBER})},
    makes_with="times",
    client="http1",
    sent=("json", "body", "headers", "verify"),
)
SQL = Verb(
    name="sql",
    doc="A statement.",
    what=TEXT,
    observes={"rows": Type.list_of(Type.list_of(Type.ANY)), "count": Type.NUMBER},
    run="tests:none",
    arguments={"database": Field(shape=TEXT, doc="Another database.")},
    client="sql",
    sent=("database",),
)
TCP = Verb(
    name="tcp",
    doc="A connection.",
    what=TEXT,
    observes={"accepted": Type.BOOL},
    run="tests:none",
    default_expect="accepted == true",
)
LOG = Verb(
    name="log", doc="Lines of a log.", what=TEXT, observes={"count": Type.NUMBER}, run="tests:none", needs_target=False
)
COMMAND = Verb(
    name="command",
    doc="A command.",
    what=TEXT,
    observes={"exit": Type.NUMBER, "stdout": Type.TEXT},
    run="tests:none",
    arguments={
        "environment": Field(shape=mapping_of(TEXT)),
        "unless": Field(shape=REQUEST, doc="Not where this probe answers."),
        "limits": Field(shape=record({"cpu": Field(shape=NUMBER), "time": Field(shape=DURATION, required=True)})),
    },
    default_expect="exit == 0",
    needs_target=False,
)
PROCESS = ServiceKind(
    name="process",
    doc="A command.",
    arguments={
        "command": Field(shape=union(TEXT, list_of(TEXT, lenient=False)), required=True, doc="What to run."),
        "replicas": Field(shape=COUNT, default=1, doc="Copies."),
        "environment": Field(shape=mapping_of(TEXT), doc="Variables."),
        "ports": Field(shape=union(choice("auto"), COUNT, mapping_of(union(choice("auto"), COUNT))), doc="Ports."),
        "restart": Field(shape=choice("always", "on-failure", "never"), default="always"),
        "unprivileged": Field(shape=BOOLEAN, default=False),
    },
    expand="tests:none",
    exports=("url", "host", "port"),
)
POSTGRES = ServiceKind(
    name="postgres",
    doc="PostgreSQL.",
    arguments={
        "nodes": Field(shape=COUNT, default=1, doc="More than one: under Patroni."),
        "etcd": Field(shape=reference("service"), doc="Elects the primary."),
        "ttl": Field(shape=DURATION, doc="Of the lease."),
    },
    expand="tests:none",
    roles=("primary", "replica"),
    exports=("dsn", "host"),
    companions=("-etcd",),
)
PROXY = ServiceKind(
    name="proxy",
    doc="A reverse proxy.",
    arguments={"to": Field(shape=Shape(kind=TEXT.kind, refers="service"), required=True, doc="What is behind it.")},
    expand="tests:none",
    exports=("url",),
)
_D, _N, _R = Dimension.DURATION, Dimension.NUMBER, Dimension.RATIO
VOCABULARY = Vocabulary(
    verbs={v.name: v for v in (HTTP, SQL, TCP, LOG, COMMAND, SPLIT)},
    faults={
        "kill": FaultKind(name="kill", doc="SIGKILL.", capability="kill", make="tests:none"),
        "pause": FaultKind(name="pause", doc="SIGSTOP.", capability="pause", make="tests:none", lasting=True),
        "slow": FaultKind(
            name="slow",
            doc="Delay.",
            capability="slow",
            make="tests:none",
            arguments={"by": Field(shape=DURATION, required=True, doc="How much.", example="200ms")},
            lasting=True,
        ),
        "latency": FaultKind(
            name="latency",
            doc="Slow ways.",
            capability="link",
            make="tests:none",
            arguments={"delay": Field(shape=DURATION, required=True, doc="How much.", example="100ms")},
            lasting=True,
            on_links=True,
        ),
        "loss": FaultKind(
            name="loss",
            doc="Packets lost.",
            capability="link",
            make="tests:none",
            arguments={
                "share": Field(shape=RATIO, doc="So many."),
                "direction": Field(shape=choice("to", "from"), doc="to"),
            },
            lasting=True,
            on_links=True,
            namesake=FaultKind(
                name="loss",
                doc="Packets lost.",
                capability="network",
                make="tests:none",
                arguments={
                    "direction": Field(shape=choice("in", "out"), doc="in"),
                    "peers": Field(shape=list_of(reference("service")), default=(), doc="Of these."),
                },
                lasting=True,
                holds=False,
            ),
        ),
        "cut": FaultKind(
            name="cut",
            doc="No way.",
            capability="link",
            make="tests:none",
            arguments={
                "how": Field(shape=choice("refuse", "reset"), doc="refuse"),
                "rate": Field(shape=BANDWIDTH, doc="So much."),
            },
            lasting=True,
            on_links=True,
        ),
    },
    kinds={k.name: k for k in (PROCESS, POSTGRES, PROXY)},
    models={
        "set": Model(name="set", doc="Keys.", needs=("read-back",), metrics={"lost": (_N, ""), "doubled": (_N, "")}),
        "counter": Model(
            name="counter",
            doc="Initial less sold.",
            needs=("initial", "read-back"),
            metrics={"drift": (_N, "")},
            arguments={"amount": Field(shape=NUMBER, default=1, doc="Of one operation.")},
        ),
    },
    workload_metrics={
        "recovery": (_D, ""),
        "outage.longest": (_D, ""),
        "outage.total": (_D, ""),
        "latency.p95": (_D, ""),
        "availability": (_R, ""),
        "sent": (_N, ""),
    },
    load_metrics=LOAD_METRICS,
    tag_metrics=TAG_METRICS,
    load_extras=LOAD_EXTRAS,
    credentials={"jwt": JWT},
)


@pytest.fixture(scope="session")
def vocabulary() -> Vocabulary:
    return VOCABULARY


Write = Callable[..., Path]


@pytest.fixture
def write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Write:
    """Writes files into an empty directory, which is the current one; gives the path of the first, relative."""
    monkeypatch.chdir(tmp_path)

    def write(text: str, /, name: str = "seatrial.yaml", **others: str) -> Path:
        for file, content in {name: text, **others}.items():
            path = tmp_path / file.replace("__", "/")
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(textwrap.dedent(content), encoding="utf-8")
        return Path(name)

    return write


@pytest.fixture
def plan_of(write: Write) -> Callable[..., Plan]:
    """Compiles a text."""

    def plan_of(text: str, environment: Mapping[str, str] | None = None, **options: object) -> Plan:
        return compile_spec(write(text), VOCABULARY, environment=environment or {}, **options)  # type: ignore[arg-type]

    return plan_of


@pytest.fixture
def problems_of(plan_of: Callable[..., Plan]) -> Callable[..., list[str]]:
    """The messages of all problems of a text, with line and column."""

    def problems_of(text: str, environment: Mapping[str, str] | None = None, **options: object) -> list[str]:
        try:
            plan_of(text, environment, **options)
        except UsageError as error:
            return [
                f"{p.position.line}:{p.position.column} {p.message}" if p.position else p.message
                for p in error.problems
            ]
        return []

    return problems_of


HEADER = """\
seatrial: 1
stack:
  services:
    web: {command: serve, replicas: 2, ports: auto}
    db: {kind: postgres, nodes: 2}
"""


@pytest.fixture
def header() -> str:
    """A version and a stack of five lines."""
    return HEADER
