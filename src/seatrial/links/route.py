"""A route: one address of a link, the address behind it, and the connections between them."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass

from .connection import Connection
from .impairments.base import Admission, Impairment
from .impairments.gates import Gate
from .readers import READERS, Requests

_BACKLOG = 4096
_TRIES = 100_000  # whose times are kept
Number = tuple[int, int]  # of an impairment: who ordered it, and the number that it was given there


@dataclass(frozen=True, kw_only=True, slots=True)
class RouteOrder:
    """What a route is to be: `link` (the instance that it belongs to), host and port of both ends, the scheme of what travels."""

    link: str
    listen: tuple[str, int]
    to: tuple[str, int]
    scheme: str


class Route:
    """Listens, and counts what went through it."""

    def __init__(self, order: RouteOrder) -> None:
        self.link, self.to = order.link, order.to
        self._listen = order.listen
        self._scheme = order.scheme
        self._read: type[Requests] | None = READERS.get(order.scheme)
        self._server: asyncio.Server | None = None
        self._adjusting = asyncio.Lock()
        self._closed = False
        self.impairments: dict[Number, Impairment] = {}
        self.gates: Sequence[Gate] = ()
        self.admission = Admission.PASS
        self.kept = 0  # requests that a gate has hit, and kept from the service
        # When, and by what deadline (ns): requests that were passed on or kept, connections that carried none.
        self.tried: deque[tuple[int, int | None]] = deque(maxlen=_TRIES)
        self.connections: set[Connection] = set()
        self._accepted = self._reached = self._requests = self._to = self._from = 0  # of connections that are over

    @property
    def listens(self) -> tuple[str, int]:
        """Where."""
        return self._listen

    def reader(self) -> Requests | None:
        """For the requests of one connection; None where nothing is known of the protocol."""
        return self._read() if self._read is not None else None

    async def listen(self) -> None:
        """From now on. Raises OSError for an address that is taken."""
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(
            lambda: Connection(self).client, *self._listen, reuse_address=True, backlog=_BACKLOG
        )

    def close(self) -> None:
        """No more, and nobody is left."""
        self._closed = True
        if self._server is not None:
            self._server.close()
        for connection in list(self.connections):
            connection.reset()

    def note(self, deadline_ns: int | None = None) -> None:
        """Something was tried, now; `deadline_ns` is how long its caller waits for it, where it says so."""
        self.tried.append((time.monotonic_ns(), deadline_ns))

    def begin(self, connection: Connection) -> None:
        """A client is there."""
        self._accepted += 1
        self.connections.add(connection)

    def end(self, connection: Connection) -> None:
        """Both sides are gone."""
        if connection not in self.connections:
            return
        self.connections.discard(connection)
        self._reached += connection.reached
        self._requests += connection.requests.count if connection.requests is not None else 0
        self._to += connection.client.passed
        self._from += connection.service.passed

    async def impair(self, number: Number, impairment: Impairment) -> None:
        """Begin one. Raises ValueError for one that cannot act on what travels here."""
        if isinstance(impairment, Gate) and (self._read is None or impairment.PROTOCOL != self._read.NAME):
            needed = f"{impairment.NAME} needs requests over {impairment.PROTOCOL} without TLS"
            raise ValueError(f"{needed}, and this link carries {self._scheme}")
        self.impairments[number] = impairment
        await self._adjust()
        impairment.strike(self.connections)

    async def mend(self, number: Number) -> None:
        """End one."""
        impairment = self.impairments.pop(number, None)
        if impairment is not None:
            impairment.lift(self.connections)
            await self._adjust()

    async def _adjust(self) -> None:
        async with self._adjusting:  # for listening takes time, and others may order meanwhile
            await self._fit()

    async def _fit(self) -> None:
        present = list(self.impairments.values())
        self.admission = max((i.admission for i in present), default=Admission.PASS)
        self.gates = [i for i in present if isinstance(i, Gate)]
        if self.admission is Admission.REFUSE and self._server is not None:
            server, self._server = self._server, None
            server.close()
        elif self.admission is not Admission.REFUSE and self._server is None and not self._closed:
            await self.listen()
        for connection in list(self.connections):
            connection.refit()
            connection.admit()

    def traffic(self) -> dict[str, int | None]:
        """As core.links.LinkTraffic."""
        open_ = list(self.connections)
        readers = [c.requests for c in open_ if c.requests is not None]
        reached = self._reached + sum(c.reached for c in open_)
        lanes = [s.lane for c in open_ for s in (c.client, c.service) if s.lane is not None]
        return {
            "connections": self._accepted,
            "turned_away": self._accepted - reached,
            "reached": reached,
            "open": len(open_),
            "requests": None if self._read is None else self._requests + sum(r.count for r in readers),
            "bytes_to": self._to + sum(c.client.passed for c in open_),
            "bytes_from": self._from + sum(c.service.passed for c in open_),
            "held": sum(lane.held for lane in lanes),
            "kept": None if self._read is None else self.kept,
        }
