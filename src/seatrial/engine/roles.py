"""Watches who has which role while faults act, for the time line."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator

from ..core.errors import SeatrialError
from ..core.events import RoleChanged
from .journal import Journal
from .probing import Prober

EVERY_S = 1.0


class RoleWatch:
    """Asks each service with roles about once a second; writes what changed."""

    def __init__(self, prober: Prober, journal: Journal) -> None:
        self._prober = prober
        self._journal = journal
        self._known: dict[tuple[str, str], tuple[str, ...]] = {}

    @contextlib.asynccontextmanager
    async def watching(self) -> AsyncIterator[None]:
        """Watch for as long as the block runs, from a first look on."""
        await self._look()
        task = asyncio.create_task(self._go())
        try:
            yield
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
            await self._look()

    async def _go(self) -> None:
        while True:
            await asyncio.sleep(EVERY_S)
            await self._look()

    async def _look(self) -> None:
        if self._prober.platform is None:
            return
        for view in (await self._prober.platform.survey()).values():
            for role in view.roles:
                try:
                    holders = tuple(i.name for i in await self._prober.bind(view.name, role))
                except SeatrialError:
                    continue
                if self._known.get((view.name, role)) != holders:
                    self._known[view.name, role] = holders
                    self._journal.write(RoleChanged(service=view.name, role=role, instances=holders))
