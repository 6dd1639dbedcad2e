"""Looks at what the instances use, every two seconds, for the time line and for expectations."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Mapping

from ..core.errors import SeatrialError
from ..core.events import UsageSampled
from ..core.expressions import Missing
from ..core.platforms import CanMeasure, Platform
from ..core.stack import InstanceState
from ..core.usage import JudgeUsage, UsageSample
from ..core.workloads import Window
from .journal import Journal

EVERY_S = 2.0
KEPT = 600_000  # a day of fourteen instances


class UsageWatch:
    """Looks while `run` runs; `figures` judges what was seen in a window."""

    def __init__(self, platform: Platform, journal: Journal, judge: JudgeUsage) -> None:
        self._platform = platform
        self._journal = journal
        self._judge = judge
        self._samples: deque[UsageSample] = deque(maxlen=KEPT)

    async def run(self) -> None:
        """Until it is cancelled; a platform that cannot measure is not looked at."""
        platform = self._platform
        if not isinstance(platform, CanMeasure):
            return
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

    def figures(self, from_ns: int, to_ns: int) -> Mapping[str, object] | Missing:
        """Service to its figures in a window."""
        if not isinstance(self._platform, CanMeasure):
            return Missing(f"platform {self._platform.name} does not show what its instances use")
        return self._judge(tuple(self._samples), Window(from_ns=from_ns, to_ns=to_ns))
