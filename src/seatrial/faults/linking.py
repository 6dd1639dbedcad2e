"""What the faults of links have in common: ordering an impairment, and seeing through a link and past it."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace

from ..core.errors import NotExercised, PlatformError
from ..core.faults import FaultOrder, Testimony
from ..core.links import HasLinks, HasWaysAround, LinkEnd
from ..core.platforms import Platform
from ..core.quantities import Quantity, format_duration
from ..core.stack import Instance
from .acting import each
from .knocking import Knock, greeting, knock

BESIDE = "a connection of its own through the link, and one past it"
_PATIENCE_NS = 2_000_000_000
_SILENCE_NS = 300_000_000
VISIBLE_NS = 2_000_000  # what is told from the noise of a scheduler at all
_NOISE_NS = 50_000_000  # and what is so at the first look
_AGAIN = 5


class LinkFault:
    """core.faults.Fault for links: an impairment of `KIND` with `arguments`, on each victim. It lasts until it is healed.

    A subclass says how it is seen: `seen(past, end)` looks through the link, when the same knock past it was answered.
    """

    KIND: str

    def __init__(self, order: FaultOrder) -> None:
        self.order = order
        self.arguments: dict[str, object] = self.read(order.arguments)
        self._numbers: dict[str, int] = {}

    def read(self, given: Mapping[str, object]) -> dict[str, object]:
        """The impairment's arguments: those of the step in base units."""
        return {n: v.value if isinstance(v, Quantity) else v for n, v in given.items() if v is not None}

    async def inject(self, platform: Platform, victims: Sequence[Instance]) -> None:
        """All at the same time."""
        links = links_of(platform)

        async def one(victim: Instance) -> None:
            self._numbers[victim.name] = await links.impair(victim, self.KIND, self.arguments)

        await each(one(v) for v in victims)

    async def heal(self, platform: Platform, victims: Sequence[Instance]) -> None:
        """Mend those that were impaired. Raises PlatformError where one had ended by itself."""
        links = links_of(platform)
        await each(self._mend(links, v, self._numbers.pop(v.name, None)) for v in victims)

    @staticmethod
    async def _mend(links: HasLinks, victim: Instance, number: int | None) -> None:
        if number is not None:
            await links.mend(victim, number)
            return
        with contextlib.suppress(PlatformError):
            await links.traffic(victim)  # an order that was given up is mended before this is answered

    async def witness(self, platform: Platform, victim: Instance) -> Testimony:
        """Knock through the link and past it, at the first of its addresses that answers to a knock. Nothing may go around it."""
        testimony = await self._looked(platform, victim)
        if testimony.acted and isinstance(platform, HasWaysAround) and (ways := await platform.around(victim)):
            return replace(testimony, acted=False, detail=f"{'; '.join(ways)}: {testimony.detail}")
        return testimony

    async def _looked(self, platform: Platform, victim: Instance) -> Testimony:
        end = first_end(links_of(platform), victim)
        past = await knock(end.to, self.patience_ns(end))
        if not self.is_there(end, past):
            detail = f"{victim.name}: {address(end)} cannot be told from the service, which is {past.outcome}"
            return Testimony(acted=False, at_ns=time.monotonic_ns(), witness=BESIDE, detail=detail)
        return await self.seen(victim, end, past)

    def is_there(self, end: LinkEnd, past: Knock) -> bool:
        """Whether a knock past the link shows that the service is there, so that a look through it tells something."""
        return past.answered

    def patience_ns(self, end: LinkEnd) -> int:
        """How long an answer to that knock is waited for."""
        return _PATIENCE_NS

    async def seen(self, victim: Instance, end: LinkEnd, past: Knock) -> Testimony:
        """What a look through the link shows, beside one past it."""
        raise NotImplementedError

    def testify(self, victim: Instance, end: LinkEnd, through: Knock, past: Knock, *, acted: bool) -> Testimony:
        """Both knocks as evidence. A silence had begun when the knock did, everything else is known when it was over."""
        at = through.began_ns if through.outcome == "silent" else through.began_ns + through.took_ns
        words = f"{victim.name}: {address(end)} {told(through)}; past the link {told(past)}"
        return Testimony(acted=acted, at_ns=at, witness=BESIDE, detail=words)


def links_of(platform: Platform) -> HasLinks:
    """The platform's links. Raises NotExercised where it has none."""
    if not isinstance(platform, HasLinks):
        raise NotExercised(f"platform {platform.name} has no links")
    return platform


def first_end(links: HasLinks, victim: Instance) -> LinkEnd:
    """The address that a witness knocks at: the first whose protocol has a greeting, else the first. Raises NotExercised without any."""
    found = list(links.ends(victim))
    if not found:
        raise NotExercised(f"{victim.name} has no address to look at")
    return next((e for e in found if greeting(e.to.scheme) is not None), found[0])


async def silence(end: LinkEnd, past: Knock) -> Knock:
    """A knock through the link, given up when it took many times as long as past it."""
    return await knock(end.listens, max(_SILENCE_NS, 20 * past.took_ns))


async def slower(
    end: LinkEnd, past: Knock, least_ns: float, *, say: bytes | None = None, always: bool = True
) -> tuple[Knock, bool]:
    """A knock through the link, and whether it took that much longer than past it. What a busy machine could do as well has to be so a
    few times in a row, and longer than any of as many past it, where it is to be so `always`.
    """
    least_ns, beside = max(least_ns, VISIBLE_NS), past.took_ns
    for again in range(_AGAIN if always and least_ns < _NOISE_NS else 1):
        if again:
            beside = max(beside, (await knock(end.to, _PATIENCE_NS, say=say)).took_ns)
        through = await knock(end.listens, round(beside + 4 * least_ns) + _PATIENCE_NS, say=say)
        if not through.answered or through.took_ns - beside < least_ns:
            return through, False
    return through, True


def address(end: LinkEnd) -> str:
    """Where the link listens."""
    return f"{end.listens.host}:{end.listens.port}"


def told(seen: Knock) -> str:
    """A knock in words."""
    took = format_duration(seen.took_ns)
    words = {"answered": f"answered after {took}", "silent": f"was silent for {took}"}
    return words.get(seen.outcome, f"{seen.outcome} the connection" if seen.outcome != "closed" else "closed it")
