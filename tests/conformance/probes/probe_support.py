"""Requests for probes, targets that misbehave, and whether an observation is what its descriptor says."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from seatrial.core.errors import NotExercised
from seatrial.core.expressions import Judgement, Missing, Type
from seatrial.core.expressions.types import Kind
from seatrial.core.links import LinkTraffic, Tried
from seatrial.core.observations import Observation, Probe, ProbeRequest, Reach
from seatrial.core.plan import CheckPlan
from seatrial.core.processes import CommandResult
from seatrial.core.quantities import Quantity
from seatrial.core.stack import Endpoint, Instance, Target, Usage
from seatrial.core.templates import Template
from seatrial.core.vocabulary import load
from seatrial.probes import VERBS

SCHEMES = {"sql": "postgres", "redis": "redis", "http": "http"}


@dataclass
class Nowhere:
    """Surroundings without any capability; files of logs may be given."""

    files: Mapping[str, Path] = field(default_factory=dict)

    async def execute(self, argv: Sequence[str], timeout_ns: int, stdin: str = "") -> CommandResult:
        raise NotExercised("nothing can be run there")

    async def usage(self) -> Usage:
        raise NotExercised("nothing can be measured there")

    async def traffic(self) -> LinkTraffic:
        raise NotExercised("there are no links")

    async def tries(self, link: Target, since_ns: int) -> Sequence[Tried]:
        raise NotExercised("there are no links")

    async def ask(self, check: CheckPlan, values: Mapping[str, object]) -> tuple[Observation, Judgement]:
        raise NotExercised("there is no trial")

    def log_files(self) -> Mapping[str, Path]:
        if not self.files:
            raise NotExercised("there are no logs")
        return self.files

    async def own(self, pid: int, purpose: str) -> None:
        """There is no keeper."""

    def log_mark(self) -> Mapping[str, int]:
        return {}


def endpoint(scheme: str, port: int, name: str = "") -> Endpoint:
    """An address on loopback."""
    return Endpoint(name=name or scheme, scheme=scheme, host="127.0.0.1", port=port)


def request(
    what: object,
    *endpoints: Endpoint,
    timeout_s: float = 5,
    headers: Mapping[str, str] | None = None,
    knows: Mapping[str, str] | None = None,
    instances: Sequence[Instance] = (),
    around: object = None,
    target: str | None = None,
    **arguments: object,
) -> ProbeRequest:
    """One attempt at these endpoints (at `target`; without endpoints at nothing), `knows` its parameters.

    Arguments are named with _ for -.
    """
    name = target if target is not None else ("target" if endpoints else "")
    named = {e.name if n == 0 else f"{e.name}#{n + 1}": e for n, e in enumerate(endpoints)}
    return ProbeRequest(
        what=what,
        arguments={key.replace("_", "-"): argument for key, argument in arguments.items()},
        reach=Reach(name=name, service=name, kind="", endpoints=named, parameters=knows or {}),
        headers=headers or {},
        timeout_ns=round(timeout_s * 1e9),
        around=around or Nowhere(),
        instances=instances,
    )


async def observe(verb: str, made: ProbeRequest) -> Observation:
    """One attempt."""
    probe: Probe = load(VERBS[verb].run)
    return await probe(made)


def aimed(verb: str, port: int, timeout_s: float) -> ProbeRequest:
    """An attempt of a verb that talks to a server, at a port of this machine."""
    match verb:
        case "celery":
            return request("ping", timeout_s=timeout_s, broker=f"redis://127.0.0.1:{port}/0")
        case "dns":
            return request("name.test", timeout_s=timeout_s, server=f"127.0.0.1:{port}")
        case "split":
            asked = Template.parse("GET /{{ user }}")
            return request(asked, endpoint("http", port), timeout_s=timeout_s, backend="text", users=3)
        case "tcp":
            return request("", endpoint("tcp", port), timeout_s=timeout_s, answer=True)
        case "compare":
            return request("items", endpoint("postgres", port), timeout_s=timeout_s, **{"with": "items.csv"})
        case _:
            what = {"http": "GET /", "sql": "select 1", "redis": "PING"}[verb]
            return request(what, endpoint(SCHEMES[verb], port), timeout_s=timeout_s)


def misfits(verb: str, observation: Observation) -> list[str]:
    """What an observation has that its descriptor does not say, or says otherwise. Empty: it fits."""
    types = VERBS[verb].observes
    wrong = [f"{name} is not described" for name in observation.values if name not in types]
    return wrong + [
        f"{name} is {seen!r}, no {types[name]}"
        for name, seen in observation.values.items()
        if name in types and not fits(seen, types[name])
    ]


def fits(seen: object, described: Type) -> bool:
    """Whether a value is of a type; a missing one is of any."""
    if isinstance(seen, Missing) or (seen is None and described.kind is not Kind.RECORD):
        return True
    match described.kind:
        case Kind.ANY:
            return True
        case Kind.BOOL:
            return isinstance(seen, bool)
        case Kind.TEXT:
            return isinstance(seen, str) and (not described.choices or seen in described.choices)
        case Kind.QUANTITY if described == Type.NUMBER:
            return isinstance(seen, int | float) and not isinstance(seen, bool)
        case Kind.QUANTITY:
            return isinstance(seen, Quantity) and seen.dimension is described.dimension
        case Kind.LIST:
            return isinstance(seen, list) and all(fits(item, described.of) for item in seen)
        case Kind.MAP:
            return isinstance(seen, Mapping) and all(fits(item, described.of) for item in seen.values())
        case Kind.RECORD:
            return (
                isinstance(seen, Mapping)
                and seen.keys() <= described.fields.keys()
                and all(fits(item, described.fields[key]) for key, item in seen.items())
            )
    return False


@dataclass
class Server:
    """A TCP and UDP server on one port that answers everything with the same bytes, or with nothing."""

    answer: bytes = b""
    port: int = 0
    spoken_to: asyncio.Event = field(default_factory=asyncio.Event)
    left: asyncio.Event = field(default_factory=asyncio.Event)  # nobody is connected any more
    open: set[asyncio.Transport] = field(default_factory=set)

    async def start(self) -> None:
        """Both on the same port, as nothing else of this machine has it."""
        loop = asyncio.get_running_loop()
        self._tcp = await loop.create_server(lambda: _Stream(self), "127.0.0.1", 0)
        self.port = self._tcp.sockets[0].getsockname()[1]
        self._udp, _ = await loop.create_datagram_endpoint(lambda: _Datagrams(self), ("127.0.0.1", self.port))

    async def close(self) -> None:
        self._tcp.close()
        self._udp.close()
        for transport in tuple(self.open):
            transport.abort()
        await self._tcp.wait_closed()


class _Stream(asyncio.Protocol):
    def __init__(self, server: Server) -> None:
        self._server = server

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport
        self._server.open.add(transport)
        self._server.spoken_to.set()
        self._server.left.clear()
        if self._server.answer:
            transport.write(self._server.answer)

    def data_received(self, data: bytes) -> None:
        if self._server.answer:
            self._transport.write(self._server.answer)

    def connection_lost(self, error: Exception | None) -> None:
        self._server.open.discard(self._transport)
        if not self._server.open:
            self._server.left.set()


class _Datagrams(asyncio.DatagramProtocol):
    def __init__(self, server: Server) -> None:
        self._server = server

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport

    def datagram_received(self, data: bytes, address: tuple[str, int]) -> None:
        self._server.spoken_to.set()
        self._server.left.set()  # a datagram connects nobody
        if self._server.answer:
            self._transport.sendto(self._server.answer, address)
