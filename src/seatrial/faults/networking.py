"""What the faults at an instance's network have in common: ordering an impairment, and sounding that network before, and while it acts."""

from __future__ import annotations

import statistics
import time
from collections.abc import Mapping, Sequence

from ..core.errors import NotExercised
from ..core.faults import FaultOrder, Testimony
from ..core.networks import CanSoundNetworks, Means, Sound, Sounding
from ..core.platforms import CanImpairNetworks, Platform
from ..core.quantities import Quantity, format_duration
from ..core.stack import Instance, InstanceState
from .acting import each

SOUNDED = "packets of its own to the instance, and what it was like before"
VISIBLE_NS = 2_000_000  # what is told from the noise of a scheduler at all
SILENCE_NS = 300_000_000


class NetworkFault:
    """core.faults.Fault for networks of instances: an impairment of `KIND` with `arguments`, at each victim. It lasts until it is healed.

    A subclass says how it is seen: `measured` sends something, before it begins and while it acts; `seen` compares.
    """

    KIND: str

    def __init__(self, order: FaultOrder) -> None:
        self.arguments: dict[str, object] = self.read(order.arguments)
        self._numbers: dict[str, int] = {}
        self._before: dict[str, Sequence[Sounding]] = {}

    def read(self, given: Mapping[str, object]) -> dict[str, object]:
        """The impairment's arguments: those of the step in base units."""
        return {n: v.value if isinstance(v, Quantity) else v for n, v in given.items() if v is not None}

    @property
    def ways(self) -> int:
        """How many ways it acts on."""
        return 2 if (self.arguments.get("direction") or "both") == "both" else 1

    async def inject(self, platform: Platform, victims: Sequence[Instance]) -> None:
        """All at the same time, after a look at what their networks are like."""
        networks = networks_of(platform)

        async def one(victim: Instance) -> None:
            self._before[victim.name] = await self.measured(platform, victim)
            self._numbers[victim.name] = await networks.impair_network(victim, self.KIND, self.arguments)

        await each(one(v) for v in victims)

    async def heal(self, platform: Platform, victims: Sequence[Instance]) -> None:
        """Mend those that were impaired. Raises PlatformError where one had ended by itself."""
        networks = networks_of(platform)
        numbers = {v.name: self._numbers.pop(v.name, None) for v in victims}
        await each(networks.mend_network(v, n) for v in victims if (n := numbers[v.name]) is not None)

    async def witness(self, platform: Platform, victim: Instance) -> Testimony:
        """Sound the network as before."""
        networks_of(platform)
        before = self._before.get(victim.name)
        if before is None:
            before = [Sounding(outcome="silent", began_ns=0, took_ns=0)]
        if not any(s.back for s in before):
            detail = f"{victim.name}: nothing came back from there before ({told(before)}): what is done to it cannot be seen"
            return self.testify(before, detail, acted=False)
        return await self.seen(platform, victim, before, await self.measured(platform, victim))

    async def measured(self, platform: Platform, victim: Instance) -> Sequence[Sounding]:
        """What comes back from there."""
        raise NotImplementedError

    async def seen(
        self, platform: Platform, victim: Instance, before: Sequence[Sounding], now: Sequence[Sounding]
    ) -> Testimony:
        """What that shows beside what it was like before."""
        raise NotImplementedError

    def testify(self, seen: Sequence[Sounding], detail: str, *, acted: bool) -> Testimony:
        """A silence had begun when something was sent into it, everything else is known when it was over."""
        ends = [s.began_ns + (s.took_ns if s.back else 0) for s in seen]
        return Testimony(acted=acted, at_ns=max(ends, default=0) or time.monotonic_ns(), witness=SOUNDED, detail=detail)

    async def origin(self, platform: Platform) -> Instance | None:
        """Where what is sent comes from: one of the peers, where it is about some alone; else this machine (None)."""
        peers = self.arguments.get("peers")
        if not peers or not isinstance(peers, list | tuple):
            return None
        views = await platform.survey()
        found = [i for p in peers if p in views for i in views[p].instances if i.state is not InstanceState.DOWN]
        if not found:
            raise NotExercised(f"none of {', '.join(map(str, peers))} runs: there is nobody to be kept from")
        return found[0]

    async def connections(
        self, platform: Platform, victim: Instance, count: int, patience_ns: int
    ) -> Sequence[Sounding]:
        """The first packets of so many connections from there."""
        sound = Sound(means=Means.CONNECT, count=count, patience_ns=patience_ns)
        return await sounder(platform).sound(victim, sound, await self.origin(platform))


def networks_of(platform: Platform) -> CanImpairNetworks:
    """Raises NotExercised for a platform whose instances have no networks of their own."""
    if not isinstance(platform, CanImpairNetworks) or not isinstance(platform, CanSoundNetworks):
        raise NotExercised(f"platform {platform.name} cannot impair the network of an instance")
    impairing: CanImpairNetworks = platform
    return impairing


def sounder(platform: Platform) -> CanSoundNetworks:
    """Raises NotExercised where one cannot look."""
    if not isinstance(platform, CanSoundNetworks):
        raise NotExercised(f"platform {platform.name} has no witness of networks")
    return platform


def took(seen: Sequence[Sounding]) -> int | None:
    """The median of what came back, ns."""
    times = [s.took_ns for s in seen if s.back]
    return round(statistics.median(times)) if times else None


def told(seen: Sequence[Sounding]) -> str:
    """Soundings in words."""
    back, median = sum(s.back for s in seen), took(seen)
    others = sorted({s.outcome for s in seen if not s.back})
    words = f"{back} of {len(seen)} came back" + (f", after {format_duration(median)}" if median is not None else "")
    return words + (f", others {', '.join(others)}" if others else "")
