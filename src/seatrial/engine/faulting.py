"""Injects faults, waits for their witnesses, and heals every one of them whatever happens."""

from __future__ import annotations

import asyncio
import math
import time
from dataclasses import dataclass, field

from ..core.errors import NotExercised, SeatrialError
from ..core.events import FaultHealed, FaultInjected, FaultOrdered, FaultWitnessed, Noted
from ..core.faults import Fault, FaultOrder, Testimony
from ..core.plan import FaultStep
from ..core.platforms import Platform
from ..core.quantities import NS_PER_S
from ..core.stack import Instance, InstanceState, Target
from ..core.templates import render
from ..core.vocabulary import Vocabulary, load
from ..core.workloads import FaultSpan
from .journal import Journal
from .probing import Prober

WITNESS_WITHIN_NS = 5 * NS_PER_S
_LOOK_NS = 20_000_000


@dataclass(kw_only=True)
class LiveFault:
    """A fault that acts, or acted, in a scenario."""

    id: str
    scenario: str
    step: str
    kind: str
    lasting: bool
    fault: Fault
    victims: list[Instance]
    hold_ns: int = 0
    untold: bool = False
    began_ns: int = 0
    injected_ns: int = 0
    testimony: list[Testimony] = field(default_factory=list)
    healed_ns: int | None = None
    unhealed: str = ""  # why it could not be healed: it may have ended before, or last on

    @property
    def witnessed(self) -> bool:
        """Whether every victim was seen to be hit."""
        return bool(self.testimony) and all(t.acted for t in self.testimony)

    def span(self) -> FaultSpan:
        """As workloads see it."""
        seen = max((t.at_ns for t in self.testimony if t.acted), default=self.injected_ns)
        return FaultSpan(
            id=self.id,
            scenario=self.scenario,
            began_ns=self.began_ns,
            witnessed_ns=seen,
            healed_ns=self.healed_ns,
            lasting=self.lasting,
            held_ns=self.hold_ns,
        )


class Faults:
    """All faults of a trial."""

    def __init__(self, platform: Platform, vocabulary: Vocabulary, prober: Prober, journal: Journal) -> None:
        self._platform = platform
        self._vocabulary = vocabulary
        self._prober = prober
        self._journal = journal
        self.all: list[LiveFault] = []

    async def victims(self, target: Target) -> list[Instance]:
        """The instances a fault at this target hits now. Raises NotExercised when there is none to hit."""
        running = [i for i in await self._prober.instances(target) if i.state is not InstanceState.DOWN]
        if not running:
            raise NotExercised(f"nothing to break: no running instance answers to {target}")
        if target.everywhere:
            return running
        if target.share is not None:
            return running[: max(1, math.ceil(len(running) * target.share))]
        return running[:1]

    async def inject(self, scenario: str, step: FaultStep) -> LiveFault:
        """Break it and wait for the witness. Raises NotExercised or SeatrialError when it could not be ordered."""
        kind = self._vocabulary.faults[step.fault].hitting(link=step.at.on_link)
        if kind is None:
            raise NotExercised(f"{step.fault} does not hit {'links' if step.at.on_link else 'instances'}")
        if kind.capability not in self._platform.capabilities:
            raise NotExercised(kind.lacking(self._platform.name))
        victims = await self.victims(step.at)
        arguments = render(dict(step.arguments), {}, self._prober.secret)
        fault: Fault = load(kind.make)(
            FaultOrder(hold_ns=step.hold_ns, arguments=arguments if isinstance(arguments, dict) else {})
        )
        live = LiveFault(
            id=f"{scenario}/{step.id}",
            scenario=scenario,
            step=step.id,
            kind=step.fault,
            lasting=kind.lasting,
            fault=fault,
            victims=victims,
            hold_ns=step.hold_ns or 0,
            untold=step.untold,
        )
        self._journal.write(
            FaultOrdered(
                scenario=scenario,
                fault=live.id,
                kind=step.fault,
                target=str(step.at),
                victims=tuple(v.name for v in victims),
                lasting=kind.lasting,
                hold_ns=step.hold_ns,
            )
        )
        self.all.append(live)
        live.began_ns = time.monotonic_ns()
        await fault.inject(self._platform, victims)
        live.injected_ns = time.monotonic_ns()
        self._journal.write(FaultInjected(fault=live.id, began_ns=live.began_ns, ended_ns=live.injected_ns))
        live.testimony = await self._hear(live, step.within_ns or kind.within_ns or WITNESS_WITHIN_NS)
        for testimony in live.testimony:
            self._journal.write(
                FaultWitnessed(
                    fault=live.id,
                    acted=testimony.acted,
                    at_ns=testimony.at_ns,
                    witness=testimony.witness,
                    detail=testimony.detail,
                )
            )
        return live

    async def _hear(self, live: LiveFault, within_ns: int) -> list[Testimony]:
        deadline = time.monotonic_ns() + within_ns

        async def one(victim: Instance) -> Testimony:
            while True:
                testimony = await live.fault.witness(self._platform, victim)
                if testimony.acted or time.monotonic_ns() > deadline:
                    return testimony
                await asyncio.sleep(_LOOK_NS / NS_PER_S)

        return list(await asyncio.gather(*(one(v) for v in live.victims)))

    async def heal(self, live: LiveFault, how: str) -> bool:
        """End a fault; True when that went well. Each is healed once."""
        if live.healed_ns is not None:
            return True
        try:
            await live.fault.heal(self._platform, live.victims)
            ok = True
        except SeatrialError as error:
            live.unhealed = str(error)
            self._journal.write(
                Noted(level="error", message=f"{live.id} could not be healed: {error}", scenario=live.scenario)
            )
            ok = False
        live.healed_ns = time.monotonic_ns()
        self._journal.write(FaultHealed(fault=live.id, at_ns=live.healed_ns, how=how, ok=ok))
        return ok

    async def heal_all(self, scenario: str, how: str) -> bool:
        """Heal what still lives in a scenario, the last one first. Safe against cancellation: a heal that began ends."""
        ok = True
        for live in reversed([f for f in self.all if f.scenario == scenario and f.healed_ns is None]):
            ok = await asyncio.shield(self.heal(live, how)) and ok
        return ok

    def holding_ns(self, scenario: str) -> int:
        """So long victims of a scenario are kept down yet, whose service has to come back without them; 0 where a fault lasts until it is
        healed, for then nothing comes back before.
        """
        lives = [f for f in self.all if f.scenario == scenario and f.healed_ns is None]
        if any(f.lasting for f in lives):
            return 0
        now = time.monotonic_ns()
        return max((f.injected_ns + f.hold_ns - now for f in lives), default=0)

    def spans(self, scenario: str | None = None) -> list[FaultSpan]:
        """Faults that were ordered, as workloads see them; of one scenario or of all."""
        return [f.span() for f in self.all if not f.untold and (scenario is None or f.scenario == scenario)]
