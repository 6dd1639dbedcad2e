"""Asks a check in states that it has to notice, in the midst of its scenario, with all that the scenario has led to.

What is a moment of its scenario (a breaker that has just opened, a listing that is gone a step later) cannot be asked afterwards. Here it
is asked where it stands: broken, asked until it is red, mended; and asked as it is written right before or after, which is the control.
"""

from __future__ import annotations

import asyncio
import time
from dataclasses import replace
from typing import TYPE_CHECKING

from ..core.errors import SeatrialError
from ..core.events import Reacted
from ..core.observations import Seen
from ..core.plan import CheckPlan, CounterState, CounterStep
from ..core.proofs import Heard
from ..core.results import Evidence, Finding
from ..core.verdicts import Verdict
from .checks import CheckResult, Place
from .proving import NOTICE_NS, hear

if TYPE_CHECKING:
    from .scenario import ScenarioRun

_POLL_S = 0.2
_VERDICTS = {Heard.RED: Verdict.FAIL, Heard.GREEN: Verdict.PASS}


async def counter(run: ScenarioRun, step: CounterStep) -> tuple[Verdict, str, int]:
    """One step: FAIL as soon as the check was red in a state for the right reason, PASS where it was green in one and red in none,
    INCONCLUSIVE where nothing could be told. All is mended when it returns or raises.
    """
    began, heard, words = time.monotonic_ns(), Heard.NOT_ASKED, list[str]()
    evidence: list[Evidence] = []
    for state in step.states:
        now, reason, seen = await _in(run, step, state)
        run.crew.journal.write(
            Reacted(
                finding=f"{run.plan.id}/{step.of}",
                state=state.id,
                heard=now.value,
                must=True,
                reason=reason,
                took_ns=time.monotonic_ns() - began,
            )
        )
        words.append(f"{state.id}: {now}{f' ({reason})' if reason else ''}")
        evidence += seen
        if now is Heard.GREEN or heard is not Heard.GREEN:
            heard = now
        if now is Heard.RED:
            heard = now
            break
    verdict, message = _VERDICTS.get(heard, Verdict.INCONCLUSIVE), "; ".join(words)
    planned = run.crew.ledger.planned[f"{run.plan.id}/{step.id}"]
    run.crew.ledger.judge(
        Finding(
            id=planned.id,
            scenario=run.plan.id,
            claim=planned.claim,
            verdict=verdict,
            severity=step.severity,
            measured=message,
            bound="red",
            reason="" if verdict is Verdict.PASS else message,
            began_ns=began,
            ended_ns=time.monotonic_ns(),
            evidence=tuple(evidence),
        )
    )
    return verdict, message, len(words)


async def _in(run: ScenarioRun, step: CounterStep, state: CounterState) -> tuple[Heard, str, tuple[Evidence, ...]]:
    """What the check says in one state, and why; what was broken for it is mended."""
    crew, live = run.crew, None
    try:
        if state.fault is not None:
            live = await crew.faults.inject(run.plan.id, state.fault)
            if not live.witnessed:
                return Heard.NOT_ASKED, f"nothing saw it act: {'; '.join(t.detail for t in live.testimony)}", ()
        if state.first is not None:
            await crew.checks.run(CheckPlan(call=state.first), run.values.all(), _place(run, step))
        result = await _ask(run, step, state)
        heard, reason = hear(result.verdict, result.observation, ours=state.errors)
        if heard is Heard.UNSURE and _nothing_came(state, result):
            heard = Heard.RED
        return heard, reason or result.judgement.reason or result.observation.message, result.evidence
    except SeatrialError as error:
        return Heard.NOT_ASKED, str(error), ()
    finally:
        if state.fault is not None:
            await _mend(run, state)


def _nothing_came(state: CounterState, result: CheckResult) -> bool:
    """Whether a check has seen nothing of what it asks for, since its own way is cut. It says so, and is not green: red enough."""
    at, fault = state.check.call.at, state.fault
    cut = fault is not None and fault.fault == "cut" and at is not None and at.service == fault.at.service
    return cut and result.observation.seen is Seen.VALUE and result.judgement.truth is None


async def _ask(run: ScenarioRun, step: CounterStep, state: CounterState) -> CheckResult:
    """Once and again until it is not green any more, or was green for as long as it may take to notice. Its own deadline is for
    things to become well.
    """
    checks = run.crew.checks
    check = replace(state.check, within_ns=None, for_ns=None)
    baseline = checks.counting.baseline(run.plan.id, step.of, check)
    began = time.monotonic_ns()
    with checks.turned() if state.turned else checks.as_it_is():
        while True:
            result = await checks.run(check, run.values.all(), _place(run, step), run.marks, baseline)
            noticed = result.verdict is not Verdict.PASS or state.fault is None  # what is said is heard at once
            if noticed or time.monotonic_ns() - began >= NOTICE_NS:
                return result
            await asyncio.sleep(_POLL_S)


async def _mend(run: ScenarioRun, state: CounterState) -> None:
    """Heal, and wait until the stack is whole, so that the scenario finds it as it was."""
    faults = run.crew.faults
    for live in reversed(faults.all):
        if state.fault is not None and live.scenario == run.plan.id and live.step == state.fault.id:
            await asyncio.shield(faults.heal(live, "asked"))
    if state.fault is not None and not state.fault.at.on_link:
        await run.crew.steady.gate(f"after {state.id}")


def _place(run: ScenarioRun, step: CounterStep) -> Place:
    return Place(scenario=run.plan.id, step=step.id)
