"""Asks for many users, some at once; what comes of each goes into a tally. HTTP/1.1 on the connections of the load generators.

As in the probe `http`: no redirects, nothing is sent twice that may have acted, and a kept connection that the server had let go of
before a byte of the answer is no failure of a request that may be repeated.
"""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from itertools import chain, cycle, repeat
from typing import Any, Final, cast

from ..arrivals.errors import ERRORS
from ..clients import connector
from ..clients.http1 import (
    CLOSED,
    EXCESS,
    PROTOCOL,
    Answer,
    Connection,
    Likenesses,
    ReadingConnection,
    Way,
    connect,
)
from ..clients.protocol import Access, Client, Failure, Operation
from ..core.expressions import Expression, Missing
from ..core.observations import Observation, ProbeRequest
from ..core.stack import Endpoint
from ..core.templates import TemplateError, render, text_of
from . import grpc, http
from .aiming import endpoints
from .requesting import REPEATABLE, Outgoing, outgoing
from .splitting import Tally

_CONNECTIONS: Final = 32
_CONNECT_NS: Final = 60_000_000_000  # whoever asks bounds the time
_TEMPLATES: Final = ("json", "form", "body", "headers", "query", "message", "metadata")


class Burst(ABC):
    """All requests of a split. `where`: for the evidence."""

    def __init__(self, request: ProbeRequest, tally: Tally, path: Expression, where: Sequence[str]) -> None:
        self._request, self._tally, self._path = request, tally, path
        self._open = dict.fromkeys(tally.design.users, tally.design.repeat)  # requests of each user that have not ended
        self._turns = chain.from_iterable(repeat(tally.design.users, tally.design.repeat))
        wanted = request.arguments.get("connections")
        self._most = min(wanted if isinstance(wanted, int) else _CONNECTIONS, len(self._open) * tally.design.repeat)
        self.where: Mapping[str, object] = {"asked": where[0] if len(where) == 1 else list(where)}

    @abstractmethod
    async def run(self) -> None:
        """Until each request has ended. Raises ValueError and TemplateError for what cannot be sent."""

    @abstractmethod
    async def close(self) -> None:
        """Close all connections."""

    def give_up(self, word: str) -> None:
        """What has not ended has failed."""
        for user, left in self._open.items():
            for _ in range(left):
                self._tally.lost(user, word)
        self._open.clear()

    def _filled(self, user: str) -> tuple[str, dict[str, object]]:
        """What is asked for a user, and with which arguments. Raises TemplateError."""
        values, given = {"user": user}, self._request.arguments
        return str(render(self._request.what, values)), {n: render(given[n], values) for n in _TEMPLATES if n in given}

    def _lost(self, user: str, word: str) -> None:
        self._tally.lost(user, word)
        self._ended(user)

    def _answered(self, user: str, seen: Mapping[str, object]) -> None:
        """An answer, as the path sees it."""
        found = self._path.value(seen)
        if isinstance(found, Missing):
            self._tally.unknown(user, found.reason)
        elif found is None or found == "":
            self._tally.unknown(user, f"{self._path.source} is empty")
        else:
            self._tally.answered(user, text_of(found, self._path.source))
        self._ended(user)

    def _ended(self, user: str) -> None:
        left = self._open[user] - 1
        if left:
            self._open[user] = left
        else:
            del self._open[user]


# -- HTTP


class _Line(ReadingConnection):
    """A connection, the address that its requests have, the user who is asked for, and whether it has served before."""

    __slots__ = ("base", "out", "used", "user")

    def __init__(self, driver: HttpBurst, base: str) -> None:
        super().__init__(driver)
        self.base, self.user, self.used = base, "", False
        self.out: Outgoing | None = None


class HttpBurst(Burst):
    """clients.http1.Driver: lines that take the next user when they are free."""

    def __init__(self, request: ProbeRequest, tally: Tally, path: Expression, bases: Sequence[str]) -> None:
        super().__init__(request, tally, path, bases)
        verify = request.arguments.get("verify", request.reach.parameters.get("ca") or True)
        trusted = verify if isinstance(verify, bool) else str(verify)
        self.likenesses = Likenesses()
        self._whole = http.split(str(request.what))[1].startswith(("http://", "https://"))
        self._ways = cycle([(base, Way.of(base, verify=trusted)) for base in bases])
        self._accept = frozenset(cast("Sequence[int]", request.arguments.get("accept", ())))
        self._lines: set[_Line] = set()
        self._idle: list[_Line] = []
        self._again: list[str] = []  # users whose kept connection was gone
        self._tasks: set[asyncio.Task[None]] = set()
        self._unsent = len(tally.design.users) * tally.design.repeat
        self._unreachable = 0  # times in a row
        self._done: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    @property
    def answered(self) -> Callable[[Connection, bytes], None]:
        """http1.Driver."""
        return self._answer

    async def run(self) -> None:
        for _ in range(self._most):
            self._connect()
        await self._done

    async def close(self) -> None:
        for task in self._tasks:
            task.cancel()
        for line in tuple(self._lines):
            line.alive = False
            line.close()
        self._lines.clear()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def ready(self, connection: Connection) -> None:
        """http1.Driver: connected."""
        line = cast("_Line", connection)
        line.alive, self._unreachable = True, 0
        self._lines.add(line)
        self._next(line)

    def lost(self, connection: Connection, error: int) -> None:
        """http1.Driver: gone, and what was asked on it with it."""
        line = cast("_Line", connection)
        if not line.alive:
            return
        line.alive = False
        self._lines.discard(line)
        if line in self._idle:
            self._idle.remove(line)
        user, out = line.user, line.out
        if out is not None and line.used and not line.size and out.method in REPEATABLE:
            self._again.append(user)
            self._unsent += 1
        elif out is not None:
            self._lost(user, ERRORS[error])
        self._go_on()

    def _answer(self, connection: Connection, last: bytes) -> None:
        """An answer is whole."""
        line = cast("_Line", connection)
        status, line.status = line.status, 0
        if not line.busy or status == EXCESS:
            line.fail(PROTOCOL)
            return
        answer = line.take(status, last)
        user, line.busy, line.out, line.used, line.size = line.user, False, None, True, 0
        if status >= 400 and status not in self._accept:
            self._lost(user, f"status {status}")
        else:
            self._answered(user, self._seen(answer))
        if line.keep:
            self._next(line)
        else:
            line.fail(CLOSED)

    def _seen(self, answer: Answer) -> Mapping[str, object]:
        """What the path begins with, and nothing else."""
        match self._path.names[0]:
            case "headers":
                return {"headers": answer.headers}
            case "status":
                return {"status": answer.status}
        text = answer.body.decode(errors="replace")
        return {"text": text} if self._path.names[0] == "text" else {"json": http.json_of(text)}

    def _next(self, line: _Line) -> None:
        user = self._again.pop() if self._again else next(self._turns, None)
        if user is None:
            self._idle.append(line)
            self._go_on()
            return
        self._unsent -= 1
        try:
            what, arguments = self._filled(user)
            headers = cast("Mapping[str, object]", arguments.get("headers") or {})
            arguments["headers"] = {"accept-encoding": "identity", **headers}
            method, path = http.split(what)
            url = path if self._whole else line.base + path
            out = outgoing(replace(self._request, arguments=arguments), method or "GET", url)
        except (ValueError, TemplateError) as error:
            if not self._done.done():
                self._done.set_exception(error)
            return
        line.user, line.out, line.busy, line.bodiless = user, out, True, out.method == "HEAD"
        line.write(out.data)

    def _go_on(self) -> None:
        """End, or have as many lines as there is work for."""
        if self._done.done():
            return
        if not self._open:
            self._done.set_result(None)
            return
        while self._again and self._idle:
            self._next(self._idle.pop())
        if self._unsent and len(self._lines) + len(self._tasks) < self._most:
            self._connect()

    def _connect(self) -> None:
        task = asyncio.get_running_loop().create_task(self._line())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _line(self) -> None:
        base, way = next(self._ways)
        error = await connect(way, _Line(self, base), _CONNECT_NS)
        if not error or self._done.done():
            return
        self._unreachable += 1
        if self._unreachable > self._most and not self._tally.assigned:
            self.give_up(ERRORS[error])  # nobody is there: no need to find out for each user
            self._unsent = 0
        else:
            user = self._again.pop() if self._again else next(self._turns, None)
            if user is not None:
                self._unsent -= 1
                self._lost(user, ERRORS[error])
        asyncio.get_running_loop().call_soon(self._go_on)


def over_http(request: ProbeRequest, tally: Tally, path: Expression) -> Burst | Observation:
    """At all ways in, in turn. Raises ValueError for no address, OSError for certificates that cannot be read."""
    _, text = http.split(str(request.what))
    if text.startswith(("http://", "https://")):
        authority = text.partition("://")[2].partition("/")[0]
        return HttpBurst(request, tally, path, [f"{text.partition('://')[0]}://{authority}"])
    found = endpoints(request, ("http", "https"), request.arguments.get("endpoint"))
    return found if isinstance(found, Observation) else HttpBurst(request, tally, path, [http.base(e) for e in found])


# -- gRPC


class GrpcBurst(Burst):
    """Clients with a channel each, who take the next user when they are free."""

    def __init__(self, request: ProbeRequest, tally: Tally, path: Expression, found: Sequence[Endpoint]) -> None:
        super().__init__(request, tally, path, [e.url for e in found])
        urls = tuple(e.url for e in found)
        make = connector("grpc")(Access(urls=urls, parameters=request.reach.parameters, headers=request.headers))
        self._clients: list[Client] = [make() for _ in range(self._most)]
        self._asking: list[asyncio.Future[None]] = []

    async def run(self) -> None:
        self._asking = [asyncio.ensure_future(self._ask(client)) for client in self._clients]
        await asyncio.gather(*self._asking)

    async def close(self) -> None:
        for task in self._asking:
            task.cancel()
        await asyncio.gather(*self._asking, return_exceptions=True)
        for client in self._clients:
            await client.close()

    async def _ask(self, client: Client) -> None:
        for user in self._turns:
            what, arguments = self._filled(user)
            descriptors = {n: v for n, v in self._request.arguments.items() if n == "descriptors"}
            try:
                reply = await client.call(Operation(what, {**arguments, **descriptors}))
            except Failure as failure:
                if failure.word in ("message", "descriptors"):
                    raise ValueError(str(failure)) from failure
                self._lost(user, failure.word or ERRORS[failure.code])
                continue
            self._answered(user, {"message": reply.value, "metadata": reply.headers})


def over_grpc(request: ProbeRequest, tally: Tally, path: Expression) -> Burst | Observation:
    """At all ways in, in turn. Raises ImportError, saying what to install."""
    found: Any = endpoints(request, grpc.VERB.schemes)
    return found if isinstance(found, Observation) else GrpcBurst(request, tally, path, found)
