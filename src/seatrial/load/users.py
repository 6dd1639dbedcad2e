"""A user whose steps are awaited: what a coroutine asks, and what becomes of each of its requests."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Collection
from typing import Any, Protocol

from ..arrivals.errors import ERRORS
from ..clients.protocol import Client, Failure, Operation, Reply
from .recording import Recorder

TIMEOUT, CLIENT_ERROR, SERVER_ERROR, SCRIPT = (
    ERRORS.index(e) for e in ("timeout", "status-4xx", "status-5xx", "script")
)


class Halted(BaseException):
    """Nothing new begins: ends a script at its next request. Not an Exception, so that no script takes it for a failure."""


class Surroundings(Protocol):
    """What users share."""

    recorder: Recorder
    timeout_ns: int
    accept: Collection[int]

    def tag(self, name: str) -> int:
        """The number of a tag."""
        ...

    def further(self, due: int) -> None:
        """A script asks for more."""
        ...

    def over(self, user: User) -> bool:
        """It asks nothing further."""
        ...


class User:
    """One user, with a client of its own. `number`: from 0, among the users of this generator.

    A request that failed without an answer raises Failure; a script that does not catch it begins anew. An answer that is there is
    returned, whatever its status; from 400 on it counts as failed unless `accept` names it.
    """

    __slots__ = ("_asked", "_due", "_good", "_surroundings", "busy", "client", "connected", "number")

    def __init__(self, number: int, client: Client, surroundings: Surroundings) -> None:
        self.number = number
        self.client = client
        self.connected = self.busy = False
        self._surroundings = surroundings
        self._due = 0
        self._asked = False
        # Due, sent, done and tag of an answer that the script has not left yet.
        self._good: tuple[int, int, int, int] | None = None

    # -- for scripts

    async def ask(self, what: str, *, tag: str = "", accept: Collection[int] = (), **arguments: object) -> Reply:
        """Ask, in the load's protocol: "GET /x", "select 1", "GET key", "package.Service/Method". Raises Failure."""
        return await self.perform(Operation(what, arguments), self._surroundings.tag(tag), accept)

    async def get(self, path: str, **more: Any) -> Reply:
        """GET; `headers`, `tag`, `accept`."""
        return await self.ask(f"GET {path}", **more)

    async def post(self, path: str, **more: Any) -> Reply:
        """POST; `json` or `body`, `headers`, `tag`, `accept`."""
        return await self.ask(f"POST {path}", **more)

    async def put(self, path: str, **more: Any) -> Reply:
        """PUT; as post."""
        return await self.ask(f"PUT {path}", **more)

    async def delete(self, path: str, **more: Any) -> Reply:
        """DELETE; as get."""
        return await self.ask(f"DELETE {path}", **more)

    async def pause(self, seconds: float) -> None:
        """Think."""
        await asyncio.sleep(seconds)
        if self._surroundings.over(self):
            raise Halted

    # -- for the models

    def begin(self, due: int) -> None:
        """Another time through; the first request is due at that moment, 0: when it is asked."""
        self._due, self._asked, self._good = due, False, None

    async def perform(self, operation: Operation, tag: int, accept: Collection[int] = ()) -> Reply:
        """Ask, and count what comes of it. Raises Failure, Halted."""
        around = self._surroundings
        self.settle()
        if self._asked and around.over(self):
            raise Halted
        now = time.monotonic_ns()
        due, self._due = self._due or now, 0
        if self._asked:
            around.further(due)
        self._asked = self.busy = True
        try:
            async with asyncio.timeout(max(0, due + around.timeout_ns - now) / 1e9):
                reply = await self.client.call(operation)
        except TimeoutError:
            await self._lose(TIMEOUT, due, tag)
            raise Failure(TIMEOUT, f"{operation.what[:80]}: no answer in time") from None
        except Failure as failure:
            around.recorder.error(failure.code, due, tag)
            self.connected = not failure.lost
            raise
        except asyncio.CancelledError:
            await self._lose(TIMEOUT, due, tag)
            raise
        except Exception:
            await self._lose(SCRIPT, due, tag)
            raise
        finally:
            self.busy = False
        self.connected = True
        around.recorder.size += reply.size
        if reply.status >= 400 and reply.status not in accept and reply.status not in around.accept:
            around.recorder.error(CLIENT_ERROR if reply.status < 500 else SERVER_ERROR, due, tag)
        else:
            self._good = due, now, time.monotonic_ns(), tag
        return reply

    async def _lose(self, code: int, due: int, tag: int) -> None:
        self._surroundings.recorder.error(code, due, tag)
        self.connected = False
        await self.client.close()

    def settle(self) -> None:
        """The script has gone on from its last answer: that was good."""
        if self._good is None:
            return
        (due, sent, done, tag), self._good = self._good, None
        recorder = self._surroundings.recorder
        recorder.due_at.append(due)
        recorder.sent_at.append(sent)
        recorder.done_at.append(done)
        if recorder.tagged:
            recorder.tags.append(tag)

    def spoil(self, due: int) -> None:
        """The script failed: with it the request whose answer it saw, or, where it asked nothing, one that was never sent."""
        if self._good is not None:
            due, tag, self._good = self._good[0], self._good[3], None
            self._surroundings.recorder.error(SCRIPT, due, tag)
        elif not self._asked:
            self._surroundings.recorder.error(SCRIPT, due)

    @property
    def asked(self) -> bool:
        """Whether anything was asked since it began."""
        return self._asked
