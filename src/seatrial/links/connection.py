"""A connection through a link: two sides, and what may lie between them."""

from __future__ import annotations

import asyncio
import contextlib
import enum
import socket
import struct
from collections import deque
from collections.abc import Iterable
from typing import TYPE_CHECKING, cast

from .answers import Given, Http1Answers, Turn
from .http2 import Http2Answers, Http2Requests
from .impairments.base import Admission
from .impairments.gates import Fate, Request, fate_of
from .lanes import Lane, Piece, Signal, Stage
from .readers import Requests

if TYPE_CHECKING:
    from .route import Number, Route

_AT_ONCE = struct.pack("ii", 1, 0)  # SO_LINGER: a close is a reset


class Wait(enum.Flag):
    """Why what a side sends is not read for now."""

    UNREACHED = enum.auto()  # there is nobody to pass it on to yet
    FULL = enum.auto()  # the other side is given more than it can send
    HELD = enum.auto()  # too much waits in between


class Side(asyncio.Protocol):
    """One end. What it receives goes one way: `to` the service from the client's side, `from` it from the service's."""

    __slots__ = ("connection", "lane", "other", "passed", "stages", "transport", "waits")

    def __init__(self, connection: Connection) -> None:
        self.connection = connection
        self.other: Side
        self.transport: asyncio.Transport | None = None
        self.lane: Lane | None = None
        self.stages: dict[Number, Stage] = {}  # of what it sends, by the number of the impairment
        self.passed = 0  # bytes that the other side was given
        self.waits = Wait(0)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """It is there."""
        self.transport = cast(asyncio.Transport, transport)
        self.connection.made(self)

    def wait(self, why: Wait, waits: bool) -> None:
        """Do not read what it sends, or read it again when there is no other reason not to."""
        before, self.waits = self.waits, self.waits | why if waits else self.waits & ~why
        if self.transport is None or self.transport.is_closing() or bool(before) is bool(self.waits):
            return
        if waits:
            self.transport.pause_reading()
        else:
            self.transport.resume_reading()

    def data_received(self, data: bytes) -> None:
        """Passed on at once where nothing is impaired."""
        if self.lane is not None or self.other.transport is None or self.connection.between:
            self.connection.take(self, data)
        else:
            self.connection.write(self, data)

    def eof_received(self) -> bool:
        """The other direction goes on, where there is one."""
        self.connection.take(self, Signal.FIN)
        return not self.connection.orphaned

    def connection_lost(self, exc: Exception | None) -> None:
        """It is gone."""
        self.transport = None
        self.connection.lost(self, exc)

    def pause_writing(self) -> None:
        """What it is given is more than it can send: whoever sends it has to wait."""
        self.other.wait(Wait.FULL, True)

    def resume_writing(self) -> None:
        """It can take more."""
        self.other.wait(Wait.FULL, False)


class Connection:
    """Both sides, from a client's connection on."""

    def __init__(self, route: Route) -> None:
        self.route = route
        self.client, self.service = Side(self), Side(self)
        self.client.other, self.service.other = self.service, self.client
        self.requests: Requests | None = route.reader()
        self._arriving = self.requests  # apart from it, where what arrives is not, or not yet, what is passed on
        self.gated = False  # requests are told apart as they arrive
        self.answers: Http1Answers | Http2Answers | None = (
            Http2Answers() if isinstance(self.requests, Http2Requests) else None
        )
        self.between = self.answers is not None  # what comes is not passed on as it is
        self._own: deque[tuple[int, int]] = deque()  # what of that which goes to the client is the link's own: from, to
        self._carried = 0  # bytes that the client was given
        self._ending = False  # by a reset that has its turn yet to come
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
            self.client.wait(Wait.UNREACHED, False)
            return
        side.wait(Wait.UNREACHED, True)  # which some event loops do not do at once
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
        if side is self.service:
            self._give(self.answers.rest() if isinstance(self.answers, Http1Answers) else ())
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
        gone, self.service.transport = self.service.transport, None
        if gone is not None:
            _reset(gone)

    # -- what travels

    def take(self, side: Side, piece: Piece) -> None:
        """What a side has received, while something lies between."""
        if self.orphaned:
            return
        if not self.reached:
            self._early.append(piece)
        elif side is self.service:
            self._come_back(piece)
        elif self._ending:
            return
        elif self._arriving is None:
            self._pass(side, piece)
        elif not isinstance(piece, bytes):
            self._let_go()
            self._pass(side, piece)
        elif self.gated:
            self._gate(piece)
        else:
            if self._arriving is not self.requests:
                self._arriving.read(piece)
            self._pass(side, piece)

    def _pass(self, side: Side, piece: Piece, not_before: float = 0.0) -> None:
        if side.lane is not None:
            side.lane.put(piece, not_before)
        else:
            self._deliver(side, piece)

    def _let_go(self) -> None:
        """The beginning of a request whose rest will not be waited for."""
        if self._arriving is not None and self._arriving is not self.requests and (rest := self._arriving.unsent()):
            self._arriving.sent()
            self._pass(self.client, rest)

    def _come_back(self, piece: Piece) -> None:
        """What the service has sent, with the link's own between."""
        if self.answers is None:
            self._pass(self.service, piece)
        elif isinstance(piece, bytes):
            self._give(self.answers.pass_on(piece))
        else:
            self._give(self.answers.rest() if isinstance(self.answers, Http1Answers) else ())
            self._pass(self.service, piece)

    def _give(self, given: Iterable[Given]) -> None:
        """To the client, by the way that everything takes that comes back."""
        for piece, own in given:
            if self.service.lane is None and piece is Signal.RESET:
                self.reset()
                return
            if own and isinstance(piece, bytes):
                ahead = self._carried + (self.service.lane.held if self.service.lane is not None else 0)
                self._own.append((ahead, ahead + len(piece)))
            self._pass(self.service, piece)
        if not self.gated and self.answers is not None and not self.answers.busy:
            self.answers, self.between = None, False

    def _gate(self, data: bytes) -> None:
        """Requests one by one, each as the gates want it."""
        loop = asyncio.get_running_loop()
        for part in self._arriving.pick(data, self._decide) if self._arriving is not None else ():
            not_before = loop.time() + part.delay if part.delay else 0.0
            keeps = part.fate is not None and part.fate.keeps
            if part.fate is not None and keeps:
                self.route.kept += 1
                self.route.note(part.fate.deadline_ns)
            if keeps or part.answer:
                self._answer(part.answer or Signal.RESET, not_before)
                if not part.answer:
                    self._ending = True
                    return
            elif part.head is not None and isinstance(self.answers, Http1Answers):
                self.answers.asked(part.head)
            if part.data:
                self._pass(self.client, part.data, not_before)
        if not self.route.gates and self._arriving is not None and not self._arriving.busy:
            self.refit()  # the last one that was hit is over, and what hit it, too

    def _decide(self, request: Request) -> Fate | None:
        return fate_of(request, self.route.gates)

    def _answer(self, answer: Piece, not_before: float) -> None:
        """The link's own, in its turn, and not before its time."""
        if isinstance(self.answers, Http2Answers):
            self._give(self.answers.put(answer) if isinstance(answer, bytes) else ())
        elif self.answers is not None:
            turn = self.answers.reserve()
            if not_before:
                asyncio.get_running_loop().call_at(not_before, self._fill, self.answers, turn, answer)
            else:
                self._fill(self.answers, turn, answer)

    def _fill(self, answers: Http1Answers, turn: Turn, answer: Piece) -> None:
        if self.client.transport is not None and not self.orphaned:
            self._give(answers.fill(turn, answer))

    def write(self, side: Side, data: bytes) -> None:
        """To the other side, counted; nothing follows an end."""
        transport = side.other.transport
        if transport is None or transport.is_closing() or side in self._over:
            return
        if side is self.client:
            side.passed += len(data)
            if self.requests is not None:
                for deadline_ns in self.requests.read(data):
                    self.route.note(deadline_ns)
        else:
            side.passed += len(data) - self._own_of(len(data))
        transport.write(data)

    def _own_of(self, size: int) -> int:
        """How much of the next bytes to the client is the link's own."""
        begin, own = self._carried, 0
        self._carried += size
        while self._own and self._own[0][0] < self._carried:
            first, end = self._own[0]
            own += min(end, self._carried) - max(first, begin)
            if end > self._carried:
                break
            self._own.popleft()
        return own

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
        self.gated = bool(gates) or (self._arriving is not None and self._arriving.busy)
        if self.gated and self.answers is None:
            self.answers = Http1Answers()
        elif not self.gated and self.answers is not None and not self.answers.busy:
            self.answers = None
        self.between = self.answers is not None
        if not self.gated:
            self._let_go()
        for side, way in ((self.client, "to"), (self.service, "from")):
            # A stage remembers what has passed, and stays when other impairments come and go.
            found = {n: side.stages.get(n) or i.stage(way) for n, i in self.route.impairments.items()}
            side.stages = {number: stage for number, stage in found.items() if stage is not None}
            late = side is self.client and any(gate.delay for gate in gates)
            if side.lane is not None:
                side.lane.change(list(side.stages.values()), at_once=not late)
                if side.lane.idle and not late:
                    side.lane = None
            elif side.stages or late:
                side.lane = self._lane(side, list(side.stages.values()))
        # Requests are counted when they are passed on, and told apart when they arrive: two readers while the two differ.
        if self.client.lane is None and not self.gated:
            self._arriving = self.requests
        elif self._arriving is self.requests and self.requests is not None:
            self._arriving = self.requests.fork()

    def _lane(self, side: Side, stages: list[Stage]) -> Lane:
        return Lane(stages, lambda piece: self._deliver(side, piece), lambda waits: side.wait(Wait.HELD, waits))


def _reset(transport: asyncio.Transport) -> None:
    connected = transport.get_extra_info("socket")
    if connected is not None:
        with contextlib.suppress(OSError):
            connected.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _AT_ONCE)
    transport.abort()
