"""Orders to the engine that have to be undone: one that is on its way when whoever gave it is cancelled comes about all the same."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine

WATCH_S = 10.0  # for an order to come about on a busy machine


class Orders:
    """Those under way, by whom they are for."""

    def __init__(self) -> None:
        self._under_way: dict[str, asyncio.Task[object]] = {}

    async def give(self, whom: str, order: Coroutine[object, object, object]) -> None:
        """Give one. It goes on when we are cancelled; `over` waits for it. Raises what it raises."""
        task = self._under_way[whom] = asyncio.create_task(order)
        try:
            await asyncio.shield(task)
        finally:
            if task.done():
                self._under_way.pop(whom, None)

    async def over(self, whom: str) -> None:
        """None is under way any more, however it went: what it did can be undone."""
        if (task := self._under_way.pop(whom, None)) is not None:
            await asyncio.gather(task, return_exceptions=True)

    async def close(self) -> None:
        """Wait for none; what they do is the remedies' affair, which wait themselves (see removal)."""
        for task in self._under_way.values():
            task.cancel()
        await asyncio.gather(*self._under_way.values(), return_exceptions=True)
        self._under_way.clear()
