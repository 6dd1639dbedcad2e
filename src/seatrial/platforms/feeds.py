"""News of instances for whoever listens."""

from __future__ import annotations

import asyncio
import weakref
from collections.abc import AsyncIterator

from ..core.stack import Instance


class Feeds:
    """Hands every published instance to every listener; a listener that is forgotten is dropped."""

    def __init__(self) -> None:
        self._queues: weakref.WeakSet[asyncio.Queue[Instance | None]] = weakref.WeakSet()

    def listen(self) -> AsyncIterator[Instance]:
        """What is published from this call on, until `close`."""
        queue: asyncio.Queue[Instance | None] = asyncio.Queue()
        self._queues.add(queue)
        return _drain(queue)

    def publish(self, instance: Instance) -> None:
        """Tell all listeners."""
        for queue in self._queues:
            queue.put_nowait(instance)

    def close(self) -> None:
        """No more news: the listeners' iterations end."""
        for queue in self._queues:
            queue.put_nowait(None)


async def _drain(queue: asyncio.Queue[Instance | None]) -> AsyncIterator[Instance]:
    while (instance := await queue.get()) is not None:
        yield instance
