"""Runs a workload's worker over a schedule of 25 operations."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

from seatrial.arrivals.records import read
from seatrial.core.workloads import Sealed
from seatrial.workloads.process import WorkloadProcess

OPERATIONS = 25
SCHEDULE = {"steps": [[50, 500_000_000]]}


async def run(settings: Mapping[str, Any]) -> tuple[Any, Sealed]:
    """(records, what was sealed), when all operations have ended."""
    worker = await WorkloadProcess.start(settings)
    async with asyncio.timeout(30):
        while len(records := read(worker.file)) < OPERATIONS or not records["done"].all():  # noqa: ASYNC110 - another process's doing
            await asyncio.sleep(0.02)
    sealed = await worker.stop()
    assert sealed.valid
    return read(sealed.file), sealed
