"""The output of each container, kept in the trial's directory: one file for each instance, over all its restarts."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing
from pathlib import Path

from ...core.errors import PlatformError
from .clock import from_rfc3339, stamp
from .engine import Engine

_HEAD = 8


class Demultiplexer:
    """Frames of the engine's streams: a byte for the stream (1 output, 2 errors), three of nothing, four of length, the content."""

    def __init__(self) -> None:
        self._rest = b""

    def feed(self, part: bytes) -> list[tuple[int, bytes]]:
        """The frames that are whole by now."""
        self._rest += part
        found = []
        while len(self._rest) >= _HEAD:
            length = int.from_bytes(self._rest[4:_HEAD], "big")
            if len(self._rest) < _HEAD + length:
                break
            found.append((self._rest[0], self._rest[_HEAD : _HEAD + length]))
            self._rest = self._rest[_HEAD + length :]
        return found


class LogKeeper:
    """Follows the log of one instance's container and appends it to a file."""

    def __init__(self, engine: Engine, path: Path) -> None:
        self._engine = engine
        self._path = path
        self._last = ""  # the engine's time stamp of the last line that was kept
        self._task: asyncio.Task[None] | None = None

    @property
    def followed(self) -> bool:
        """Whether anything was ever followed."""
        return self._task is not None

    def begin_anew(self) -> None:
        """What is kept of an earlier visit is in what the engine shows from the start."""
        self._path.unlink(missing_ok=True)

    def follow(self, container: str, *, terminal: bool) -> None:
        """A container has started: what it says from where we are on."""
        self._task = asyncio.create_task(self._keep(container, terminal, self._task))

    async def close(self) -> None:
        """Keep no more; what the engine has sent is written."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def settle(self, within_s: float) -> None:
        """Let what was said so far arrive."""
        if self._task is not None:
            await asyncio.wait({self._task}, timeout=within_s)

    async def finish(self, within_s: float) -> None:
        """Let what has ended be read to its end."""
        if self._task is not None:
            await asyncio.wait({self._task}, timeout=within_s)
        await self.close()

    async def _keep(self, container: str, terminal: bool, before: asyncio.Task[None] | None) -> None:
        if before is not None:
            before.cancel()  # it may wait for ever for a container that was removed
            await asyncio.gather(before, return_exceptions=True)
        self._path.parent.mkdir(parents=True, exist_ok=True)
        kept = self._last
        try:
            with self._path.open("ab", buffering=0) as file:
                async with aclosing(self._lines(container, terminal)) as lines:
                    async for line in lines:
                        when_bytes, _, text = line.partition(b" ")
                        when = when_bytes.decode("ascii", "replace")
                        if when <= kept:
                            continue  # before the restart
                        self._last = when
                        file.write(text)
        except PlatformError as error:
            with self._path.open("ab") as file:
                file.write(f"[seatrial: the engine shows no more of this log: {error}]\n".encode())

    async def _lines(self, container: str, terminal: bool) -> AsyncGenerator[bytes]:
        query: dict[str, object] = {"stdout": 1, "stderr": 1, "follow": 1, "timestamps": 1}
        if self._last:
            query["since"] = stamp(from_rfc3339(self._last))
        frames = Demultiplexer()
        rest: dict[int, bytes] = {}
        async with aclosing(self._engine.stream(f"/containers/{container}/logs", **query)) as parts:
            async for part in parts:
                for stream, content in [(1, part)] if terminal else frames.feed(part):
                    *whole, rest[stream] = (rest.get(stream, b"") + content).split(b"\n")
                    for line in whole:
                        yield line + b"\n"
        for left in rest.values():
            if left:
                yield left
