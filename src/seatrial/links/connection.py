"""A connection through a link: two sides, and what may lie between them."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct
from typing import TYPE_CHECKING, cast

from .http2 import Http2Answers, Http2Requests
from .impairments.base import Admission
from .impairments.gates import Gate, Request
from .lanes import Lane, Piece, Signal, Stage
from .readers import Requests

if TYPE_CHECKING:
    from .route import Route

_AT_ONCE = struct.pack("ii", 1, 0)  # SO_LINGER: a close is a reset


class Side(asyncio.Protocol):
    """One end. What it receives goes one way: `to` the service from the client's side, `from` it from the service's."""

    __slots__ = ("connection", "lane", "other", "passed", "transport")

    def __init__(self, connection: Connection) -> None:
        self.connection = connection
        self.other: Side
        self.transport: asyncio.Transport | None = None
        self.lane: Lane | None = None
        self.passed = 0  # bytes that the other side was given

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """It is there."""
        self.transport = cast(asyncio.Transport, transport)
        self.connection.made(self)

    def data_received(self, data: bytes) -> None:
        """Passed on at once where nothing is impaired."""
        if self.lane is not None or self.connection.gated or self.other.transport is None:
            self.connection.take(self, data)
        else:
            self.connection.write(self, data)

    def eof_received(self) -> bool:
        """The other direction goes on."""
        self.connection.take(self, Signal.FIN)
        return True

    def connection_lost(self, exc: Exception | None) -> None:
        """It is gone."""
        self.transport = None
        self.connection.lost(self, exc)

    def pause_writing(self) -> None:
        """What it is given is more than it can send: whoever sends it has to wait."""
        if self.other.transport is not None:
            self.other.transport.pause_reading()

    def resume_writing(self) -> None:
        """It can take more."""
        if self.other.transport is not None and not self.other.transport.is_closing():
            self.other.transport.resume_reading()


class Connection:
    """Both sides, from a client's connection on."""

    def __init__(self, route: Route) -> None:
        self.route = route
        self.client, self.service = Side(self), Side(self)
        self.client.other, self.service.other = self.service, self.client
        self.requests: Requests | None = route.reader()
        self._arriving = (
            self.requests
        )  # with gates: what was read of requests that were not passed on yet, or are not to be
        self.gated = False
        self.answers = Http2Answers() if isinstance(self.requests, Http2Requests) else None
        self.reached = self.orphaned = False
        self._early: list[Piece] = []  # what the client sent before the service was reached
        self._over: set[Side] = set()  # sides that have sent all they will
        self._connecting: asyncio.Task[None] | None = None

    # -- its life

    def made(self, side: Side) -> None:
        """A side is there."""
        if side is self.service:
            if self.orphaned and side.transport is not None:
                _reset(side.transport)
                return
            self.reached = True
            if self.requests is None:
                self.route.note()
            early, self._early = self._early, []
            for piece in early:
                self.take(self.client, piece)
            if self.client.transport is not None:
                self.client.transport.resume_reading()
            return
        assert side.transport is not None
        side.transport.pause_reading()  # which some event loops do not do at once
        self.route.begin(self)
        if self.route.admission is not Admission.PASS:
            self.route.note()
        self.admit()

    def admit(self) -> None:
        """As the link is now: on to the service, or not."""
        if self.route.admission >= Admission.RESET:
            self.reset()
        elif self.route.admission is Admission.PASS and self._connecting is None:
            self._connecting = asyncio.create_task(self._reach())

    async def _reach(self) -> None:
        loop = asyncio.get_running_loop()
        self.refit()
        try:
            await loop.create_connection(lambda: self.service, *self.route.to)
        except OSError:
            if not self.orphaned:
                self.route.note()
                self.reset()  # as near as one who has accepted can come to refusing
            return
        if self.client.transport is None and self.service.transport is not None:
            self.service.transport.close()

    def lost(self, side: Side, exc: Exception | None) -> None:
        """A side is gone: the other one hears of it when all that came before has arrived."""
        if side.lane is not None and not self.orphaned:
            side.lane.put(Signal.RESET if exc is not None else Signal.FIN)
        elif not self.orphaned:
            self._end(side.other, reset=exc is not None)
        if side.other.lane is not None:
            side.other.lane.drop()
        if side is self.client and self._connecting is not None and not self.reached:
            self._connecting.cancel()
        if self.client.transport is None and self.service.transport is None:
            self.route.end(self)

    def _end(self, side: Side, *, reset: bool) -> None:
        if side.transport is None:
            return
        if reset:
            _reset(side.transport)
        else:
            side.transport.close()

    def reset(self) -> None:
        """Both sides, now."""
        for side in (self.client, self.service):
            if side.lane is not None:
                side.lane.drop()
            if side.transport is not None:
                _reset(side.transport)
        if self._connecting is not None and not self.reached:
            self._connecting.cancel()

    def orphan(self) -> None:
        """The service's side goes, and the client's hears nothing of it."""
        self.orphaned = True
        for side in (self.client, self.service):
            if side.lane is not None:
                side.lane.drop()
        if self.service.transport is not None:
            _reset(self.service.transport)

    # -- what travels

    def take(self, side: Side, piece: Piece) -> None:
        """What a side has received, while something lies between."""
        if self.orphaned:
            return
        if not self.reached:
            self._early.append(piece)
        elif self.gated and side is self.client and isinstance(piece, bytes):
            self._gate(piece)
        elif side.lane is None:
            self._deliver(side, piece)
        else:
            side.lane.put(piece)

    def _gate(self, data: bytes) -> None:
        """Requests one by one, each as the gates want it."""
        if self._arriving is None:
            return
        now = asyncio.get_running_loop().time()
        for part in self._arriving.pick(data, self._hit):
            if part.hit is not None and (part.hit.abort or part.answer):
                self.route.spoiled += 1
                self.route.note()
            if part.hit is not None and part.hit.abort and not part.answer:
                self.reset()
                return
            if part.answer:
                self._answer(part.answer)
            if part.data:
                self._forward(part.data, now + part.delay)

    def _hit(self, request: Request) -> Gate | None:
        return next((g for g in self.route.gates if g.hits(request)), None)

    def _answer(self, answer: bytes) -> None:
        now = self.answers.put(answer) if self.answers is not None else answer
        if now and self.client.transport is not None:
            self.client.transport.write(now)

    def write(self, side: Side, data: bytes) -> None:
        """To the other side, counted."""
        transport = side.other.transport
        if transport is None:
            return
        side.passed += len(data)
        if side is self.client:
            if self.requests is not None:
                before = self.requests.count
                self.requests.read(data)
                if self.requests.count != before:
                    self.route.note(self.requests.count - before)
            transport.write(data)
        elif self.answers is None:
            transport.write(data)
        else:
            for piece in self.answers.pass_on(data):
                transport.write(piece)

    def _deliver(self, side: Side, piece: Piece) -> None:
        """To the other side, after everything that lay between."""
        if isinstance(piece, bytes):
            self.write(side, piece)
        elif piece is Signal.RESET:
            self._end(side.other, reset=True)
            self._end(side, reset=True)
        elif side.transport is None or side.other in self._over:
            self._end(side.other, reset=False)
            self._end(side, reset=False)
        elif side.other.transport is not None:
            self._over.add(side)
            with contextlib.suppress(OSError, NotImplementedError):
                side.other.transport.write_eof()

    def refit(self) -> None:
        """As the link is impaired now."""
        gates = self.route.gates if self._arriving is not None else ()
        late = any(gate.delay for gate in gates)
        for side, way in ((self.client, "to"), (self.service, "from")):
            stages = [s for i in self.route.impairments.values() if (s := i.stage(way)) is not None]
            needed = bool(stages) or (late and side is self.client)
            if side.lane is not None:
                side.lane.change(stages)
                if side.lane.idle and not needed:
                    side.lane = None
            elif needed:
                side.lane = self._lane(side, stages)
        self._reread(bool(gates))

    def _lane(self, side: Side, stages: list[Stage]) -> Lane:
        def throttle(wait: bool) -> None:
            if side.transport is not None and not side.transport.is_closing():
                if wait:
                    side.transport.pause_reading()
                else:
                    side.transport.resume_reading()

        return Lane(stages, lambda piece: self._deliver(side, piece), throttle)

    def _reread(self, gates: bool) -> None:
        """Requests are counted when they are passed on, and told apart when they arrive: two readers while the two differ."""
        if self._arriving is None or self.requests is None:
            return
        if gates or self._arriving.rewrites:
            if self._arriving is self.requests and (gates or self.client.lane is not None):
                self._arriving = self.requests.fork()
        elif self._arriving is not self.requests:
            rest, self._arriving = self._arriving.unsent(), self.requests
            if rest:
                self._forward(rest)
        self.gated = gates or self._arriving.rewrites

    def _forward(self, data: bytes, not_before: float = 0.0) -> None:
        if self.client.lane is not None:
            self.client.lane.put(data, not_before)
        else:
            self._deliver(self.client, data)


def _reset(transport: asyncio.Transport) -> None:
    connected = transport.get_extra_info("socket")
    if connected is not None:
        with contextlib.suppress(OSError):
            connected.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _AT_ONCE)
    transport.abort()
