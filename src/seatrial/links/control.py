"""The other end of the proxy's control: who orders impairments, and asks what passed."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import json
from collections.abc import Mapping
from typing import Any

from ..core.errors import PlatformError
from .proxy import BEAT_S

_ANSWER_S = 10.0


class LinkControl:
    """One connection, opened when it is first needed, and anew after the proxy was started anew. What it ordered ends with it."""

    def __init__(self, address: tuple[str, int], token: str) -> None:
        self._address = address
        self._token = token
        self._numbers = itertools.count(1)
        self._writer: asyncio.StreamWriter | None = None
        self._waiting: dict[int, asyncio.Future[Any]] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._opening = asyncio.Lock()

    async def ask(self, what: str, **details: object) -> Any:
        """What the proxy answers. Raises PlatformError where it cannot be reached or does not want to."""
        return await self._ask(next(self._numbers), what, details)

    async def _ask(self, number: int, what: str, details: Mapping[str, object]) -> Any:
        await self._open()
        answer: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self._waiting[number] = answer
        try:
            async with asyncio.timeout(_ANSWER_S):
                self._say({"id": number, "do": what, **details})
                return await answer
        except TimeoutError:
            raise PlatformError(f"the fault proxy did not answer within {_ANSWER_S:g}s") from None
        finally:
            self._waiting.pop(number, None)

    async def impair(self, link: str, kind: str, arguments: Mapping[str, object]) -> int:
        """Begin an impairment; its number. Given up before it is answered, it is mended: nobody else knows that there is one."""
        number = next(self._numbers)
        try:
            await self._ask(
                number, "impair", {"link": link, "kind": kind, "arguments": dict(arguments), "number": number}
            )
        except BaseException:
            with contextlib.suppress(PlatformError):
                self._say({"id": 0, "do": "mend", "number": number})
            raise
        return number

    async def close(self) -> None:
        """End it, and with it all that it ordered."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._gone("it was closed")

    async def _open(self) -> None:
        async with self._opening:
            if self._writer is not None:
                return
            try:
                reader, writer = await asyncio.open_connection(*self._address)
            except OSError as error:
                raise PlatformError(f"the fault proxy cannot be reached: {error}") from error
            writer.write(self._token.encode() + b"\n")
            self._writer = writer
            for work in (self._listen(reader), self._beat(writer)):
                task = asyncio.create_task(work)
                self._tasks.add(task)
                task.add_done_callback(self._tasks.discard)

    def _say(self, message: Mapping[str, object]) -> None:
        if self._writer is None or self._writer.is_closing():
            raise PlatformError("the fault proxy has gone")
        self._writer.write(json.dumps(message).encode() + b"\n")

    async def _listen(self, reader: asyncio.StreamReader) -> None:
        with contextlib.suppress(OSError, ValueError):
            while line := await reader.readline():
                said = json.loads(line)
                answer = self._waiting.get(said["id"])
                if answer is None or answer.done():
                    continue
                if "error" in said:
                    answer.set_exception(PlatformError(said["error"]))
                else:
                    answer.set_result(said["result"])
        self._gone("the fault proxy has gone")

    async def _beat(self, writer: asyncio.StreamWriter) -> None:
        while writer is self._writer:
            await asyncio.sleep(BEAT_S)
            with contextlib.suppress(PlatformError):
                self._say({"id": 0, "do": "beat"})

    def _gone(self, why: str) -> None:
        writer, self._writer = self._writer, None
        if writer is not None:
            writer.close()
        for answer in self._waiting.values():
            if not answer.done():
                answer.set_exception(PlatformError(why))
