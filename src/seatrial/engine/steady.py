"""The steady state: what must hold before the first disrupting scenario, and again after each."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace

from ..core.events import StepEnded, StepStarted
from ..core.plan import NamedCheck
from ..core.platforms import Platform, ServiceView
from ..core.quantities import NS_PER_S, Dimension, Quantity
from ..core.results import Evidence, Finding
from ..core.stack import InstanceState
from ..core.verdicts import Verdict
from .checks import Checks, Place
from .journal import Journal
from .ledger import STEADY, Ledger
from .probing import Prober, reach_of

GATE_NS = 60 * NS_PER_S
_POLL_NS = 100_000_000


@dataclass(frozen=True, kw_only=True)
class Gate:
    """What a gate showed."""

    holds: bool
    took_ns: int
    reason: str = ""


class Steady:
    """Waits for the steady state, and judges it: one finding for the stack, one for each check of the spec."""

    def __init__(
        self,
        platform: Platform,
        checks: Checks,
        prober: Prober,
        plan: tuple[NamedCheck, ...],
        journal: Journal,
        ledger: Ledger,
        values: Mapping[str, object],
    ) -> None:
        self._platform = platform
        self._checks = checks
        self._prober = prober
        self._plan = plan
        self._journal = journal
        self._ledger = ledger
        self._values = values
        self.gates: list[tuple[str, Gate]] = []

    async def gate(self, moment: str) -> Gate:
        """Wait until everything holds at once, at most GATE_NS; `moment` says for people when this is."""
        began = time.monotonic_ns()
        deadline = began + GATE_NS
        place = Place(scenario="steady", step=moment)
        self._journal.write(
            StepStarted(scenario="steady", step=moment, title=f"steady state {moment}", deadline_ns=deadline)
        )
        stack_reason = await self._stack(deadline)
        took = time.monotonic_ns() - began
        self._judge(STEADY, moment, stack_reason, began)
        reasons = [stack_reason] if stack_reason else []
        if not stack_reason:
            reasons += await self._spec(deadline, place, moment)
        gate = Gate(holds=not reasons, took_ns=took, reason="; ".join(reasons))
        self.gates.append((moment, gate))
        verdict = Verdict.PASS if gate.holds else Verdict.FAIL
        self._journal.write(
            StepEnded(
                scenario="steady",
                step=moment,
                verdict=verdict,
                took_ns=time.monotonic_ns() - began,
                message=gate.reason,
            )
        )
        return gate

    async def _stack(self, deadline: int) -> str:
        """Empty once every service is whole; else what was missing when the time was over."""
        while True:
            views = await self._platform.survey()
            reason = "; ".join(r for v in views.values() if (r := unready(v)))
            if not reason:
                reason = await self._services(views)
            if not reason or time.monotonic_ns() >= deadline:
                return reason
            await asyncio.sleep(_POLL_NS / NS_PER_S)

    async def _services(self, views: Mapping[str, ServiceView]) -> str:
        checks = [(v, c) for v in views.values() if not v.optional for c in v.steady]

        async def one(view: ServiceView, named: NamedCheck) -> str:
            """It holds when there is one instance at which it does (the primary sees its standby, a sentinel the others)."""
            tries = await asyncio.gather(
                *(self._prober.attempt(named.check, reach_of(view, i), 2 * NS_PER_S) for i in view.instances)
            )
            if any(judgement.truth is True for _, judgement in tries):
                return ""
            reasons = (j.reason or o.message for o, j in tries)
            return f"{view.name}: {named.title}: {' / '.join(dict.fromkeys(reasons))}"

        return "; ".join(r for r in await asyncio.gather(*(one(v, c) for v, c in checks)) if r)

    async def _spec(self, deadline: int, place: Place, moment: str) -> list[str]:
        async def one(named: NamedCheck) -> str:
            began = time.monotonic_ns()
            left = max(_POLL_NS, deadline - time.monotonic_ns())
            result = await self._checks.run(
                replace(named.check, within_ns=named.check.within_ns or left),
                self._values,
                replace(place, finding=f"steady/{named.id}"),
            )
            reason = "" if result.verdict is Verdict.PASS else result.judgement.reason or result.observation.message
            verdict = result.verdict
            self._judge(f"steady/{named.id}", moment, reason, began, verdict, result.evidence, result.measured)
            return f"{named.title}: {reason}" if reason else ""

        return [r for r in await asyncio.gather(*(one(c) for c in self._plan)) if r]

    def _judge(
        self,
        id_: str,
        moment: str,
        reason: str,
        began: int,
        verdict: Verdict | None = None,
        evidence: tuple[Evidence, ...] = (),
        measured: str = "",
    ) -> None:
        planned = self._ledger.planned[id_]
        now = time.monotonic_ns()
        took = Quantity(now - began, Dimension.DURATION)
        self._ledger.judge(
            Finding(
                id=id_,
                scenario="steady",
                claim=planned.claim,
                covers=planned.covers,
                severity=planned.severity,
                verdict=verdict or (Verdict.FAIL if reason else Verdict.PASS),
                measured=measured or (f"not {moment}" if reason else f"{moment} after {took}"),
                bound=f"within {Quantity(GATE_NS, Dimension.DURATION)}",
                reason=f"{moment}: {reason}" if reason else "",
                began_ns=began,
                ended_ns=now,
                evidence=evidence or (Evidence(kind="stack", summary=reason or f"whole {moment}", at_ns=now),),
            )
        )


def unready(view: ServiceView) -> str:
    """What keeps a service from being whole; empty when it is, and of one that may be missing."""
    if view.optional:
        return ""
    bad = [
        f"{i.name} {describe(i.state, i.ready)}" + (f" ({i.detail})" if i.detail else "")
        for i in view.instances
        if not i.ready or i.state is not InstanceState.RUNNING
    ]
    if len(view.instances) < view.wanted:
        bad.append(f"{len(view.instances)} of {view.wanted} instances")
    return f"{view.name}: {', '.join(bad)}" if bad else ""


def describe(state: InstanceState, ready: bool) -> str:
    """An instance's state in a word or two."""
    return f"{state.value}, not ready" if state is InstanceState.RUNNING and not ready else state.value
