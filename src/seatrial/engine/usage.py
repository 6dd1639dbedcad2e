"""Looks at what the instances use, for the time line and for expectations: every two seconds, at their ports and pools each second."""

from __future__ import annotations

import asyncio
import time
from collections import Counter, deque
from collections.abc import Mapping

from ..core.errors import SeatrialError
from ..core.events import SocketsSampled, UsageSampled
from ..core.expressions import Missing
from ..core.platforms import CanMeasure, CanSeeSockets, Platform
from ..core.stack import InstanceState
from ..core.usage import JudgeUsage, Looks, PoolSample, SocketSample, UsageSample
from ..core.workloads import Window
from .journal import Journal
from .pools import PoolWatch

EVERY_S = 2.0
OFTEN_S = 1.0
KEPT = 600_000  # a day of fourteen instances


class UsageWatch:
    """Looks while `run` runs; `figures` judges what was seen in a window."""

    def __init__(self, platform: Platform, journal: Journal, judge: JudgeUsage, pools: PoolWatch) -> None:
        self._platform = platform
        self._journal = journal
        self._judge = judge
        self._pools = pools
        self._samples: deque[UsageSample] = deque(maxlen=KEPT)
        self._sockets: deque[SocketSample] = deque(maxlen=KEPT)
        self._pool_samples: deque[PoolSample] = deque(maxlen=KEPT)

    async def run(self) -> None:
        """Until it is cancelled; a platform that cannot measure is not looked at."""
        platform = self._platform
        async with asyncio.TaskGroup() as group:
            if isinstance(platform, CanMeasure):
                group.create_task(self._measure(platform))
            if isinstance(platform, CanSeeSockets):
                group.create_task(self._count(platform))
            if self._pools.services:
                group.create_task(self._ask())

    async def _measure(self, platform: CanMeasure) -> None:
        while True:
            await self._look(platform)
            await asyncio.sleep(EVERY_S)

    async def _look(self, platform: CanMeasure) -> None:
        seen: dict[str, tuple[float, float, float, float]] = {}
        for view in (await self._platform.survey()).values():
            for instance in view.instances:
                if instance.state is InstanceState.DOWN:
                    continue
                try:
                    usage = await platform.usage(instance)
                except SeatrialError:
                    continue  # it went away between the two looks
                await asyncio.sleep(0)  # a look takes milliseconds: others come first
                self._samples.append(
                    UsageSample(
                        at_ns=time.monotonic_ns(),
                        instance=instance.name,
                        service=view.name,
                        identity=instance.identity,
                        usage=usage,
                    )
                )
                seen[instance.name] = (
                    round(usage.cpu_seconds, 2),
                    usage.memory_bytes,
                    usage.descriptors,
                    usage.threads,
                )
        if seen:
            self._journal.write(UsageSampled(at_ns=time.monotonic_ns(), instances=seen))

    async def _count(self, platform: CanSeeSockets) -> None:
        while True:
            seen = await platform.sockets()
            now = time.monotonic_ns()
            connections, backlog = Counter[str](), Counter[str]()
            for name, (established, waiting) in seen.items():
                connections[name.partition("#")[0]] += established
                backlog[name.partition("#")[0]] += waiting
            for service, count in connections.items():
                self._sockets.append(
                    SocketSample(at_ns=now, service=service, connections=count, backlog=backlog[service])
                )
            if seen:
                self._journal.write(SocketsSampled(at_ns=now, instances=seen))
            await asyncio.sleep(OFTEN_S)

    async def _ask(self) -> None:
        while True:
            self._pool_samples += await self._pools.look()
            await asyncio.sleep(OFTEN_S)

    def figures(self, from_ns: int, to_ns: int) -> Mapping[str, object] | Missing:
        """Service to its figures in a window."""
        if not isinstance(self._platform, CanMeasure):
            return Missing(f"platform {self._platform.name} does not show what its instances use")
        looks = Looks(usage=tuple(self._samples), sockets=tuple(self._sockets), pools=tuple(self._pool_samples))
        return self._judge(looks, Window(from_ns=from_ns, to_ns=to_ns))
