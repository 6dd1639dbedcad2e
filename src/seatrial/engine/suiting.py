"""A trial that runs a suite of tests: twice with nothing broken, then while each service is stopped and paused and each link is cut.

It judges the tests, not the stack: what each said is kept as of a check (see core.suites for what that comes to).
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from ..core.errors import SeatrialError
from ..core.events import CheckProven, Noted, PhaseChanged, Reacted, SuiteBegun, SuitePlanned, SuiteRan
from ..core.plan import FaultStep
from ..core.proofs import Heard, Proof, Proven, Reaction, State
from ..core.quantities import NS_PER_S, format_duration
from ..core.stack import LINK, InstanceState, Target
from ..core.suites import (
    Suite,
    SuiteCourse,
    SuiteRun,
    conclude,
    confirm,
    is_companion,
    limit_of,
    not_steady,
    react,
    state_of,
    unusable,
)
from .addresses import addresses_of
from .faulting import LiveFault
from .trial import Trial

SCENARIO = "prove"
CONTROL_NS = 1800 * NS_PER_S  # for a run with nothing broken, where nobody says how long one takes
_TRIES = 2  # for a suite to be green again when all is whole
_LASTS = {"stop": InstanceState.DOWN, "pause": InstanceState.PAUSED}


class SuiteTrial(Trial):
    """Its scenarios are the runs of a suite, each in a window of its own between two steady states."""

    def __init__(self, *arguments: Any, suite: Suite, course: SuiteCourse, **more: Any) -> None:
        super().__init__(*arguments, **more)
        self._suite, self._course = suite, course
        self._known: tuple[str, ...] = ()  # tests, as the first run reported them
        self._states: dict[str, State] = {}
        self._reactions: dict[str, list[Reaction]] = {}
        self._addresses: Mapping[str, Mapping[str, str]] = {}

    async def _scenarios(self) -> str:
        self.journal.write(PhaseChanged(phase="proving"))
        course, windows = self._course, await self._all_windows()
        patience = course.limit_ns or CONTROL_NS
        first = await self._run("control", patience, len(windows))
        why = unusable(first)
        tests = self._known = tuple(first.cases)
        limit = course.limit_ns or limit_of(first)
        self.journal.write(
            SuitePlanned(
                command=course.command,
                tests=tests,
                windows=tuple(state_of(*w) for w in windows),
                limit_ns=limit,
                notes=course.notes,
            )
        )
        if why:
            return f"the suite cannot be asked: {why}"
        second = await self._run("control, again", patience, len(windows))
        unsteady = {t: reason for t in tests if (reason := not_steady(t, (first, second)))}
        steady = [t for t in tests if t not in unsteady]
        for run in (first, second):
            self._doubt(run)
        reason = "it was interrupted before all windows were gone through"
        try:
            reason = (
                await self._go_through(windows, steady, second, limit)
                if steady
                else "no test is green twice while nothing is broken"
            )
        finally:
            await self.crew.faults.heal_all(SCENARIO, "end of the proof")
            self._conclude(tests, unsteady, reason)
        return reason

    def _doubt(self, run: SuiteRun) -> None:
        """What is to be known of a suite that is not quiet while nothing is broken."""
        if run.ended and run.exit_status and run.cases and all(c.told != "red" for c in run.cases.values()):
            words = f"{run.name}: no test is red, and the command ends with {run.exit_status}"
            self.journal.write(Noted(level="warning", message=words))

    # -- windows

    async def _all_windows(self) -> tuple[tuple[str, str], ...]:
        """Those of the course, and of what services have brought along."""
        wanted, known = self._course.companions, [n for n in self.plan.stack.services if LINK not in n]
        there = [n for n in await self.platform.survey() if LINK not in n and is_companion(n, known)]
        more = [(f, n) for n in there if wanted is None or n in wanted for f in self._course.faults]
        services = [w for w in self._course.windows if LINK not in w[1]]
        return (*services, *more, *(w for w in self._course.windows if LINK in w[1]))

    async def _go_through(
        self, windows: Sequence[tuple[str, str]], tests: Sequence[str], whole: SuiteRun, limit: int
    ) -> str:
        """All windows; why the rest was not gone through, or nothing."""
        held: list[Reaction] = []  # of windows after which it did not run yet
        for number, (fault, place) in enumerate(windows):
            left = len(windows) - number
            found = await self._window(fault, place, tests, whole, limit, left)
            gate = await self._steady.gate(f"after {state_of(fault, place)}")
            unhealed = [f.unhealed for f in self.crew.faults.all if f.unhealed]
            if unhealed or not gate.holds:
                self._record(r if r.heard is not Heard.RED else _unsure(r) for r in (*held, *found))
                return f"the stack was not whole again after {state_of(fault, place)}: {'; '.join(unhealed) or gate.reason}"
            held += found
            seen = self._states[state_of(fault, place)].witnessed
            if (self._course.between and seen) or (left == 1 and any(r.heard is Heard.RED for r in held)):
                whole = await self._whole(state_of(fault, place), tests, left - 1)
                self._record(confirm(held, whole))
                held = []
            elif left == 1:
                self._record(held)
        return ""

    async def _window(
        self, fault: str, place: str, tests: Sequence[str], whole: SuiteRun, limit: int, left: int
    ) -> list[Reaction]:
        """What the tests say while this is broken; it is healed when this returns."""
        state = state_of(fault, place)
        name = state.replace(LINK, "-").replace(" ", "-")
        step = FaultStep(id=name, title=state, fault=fault, at=Target(service=place, everywhere=True))
        live: LiveFault | None = None
        try:
            live = await self.crew.faults.inject(SCENARIO, step)
            witnessed, detail = live.witnessed, "; ".join(t.detail for t in live.testimony)
        except SeatrialError as error:
            witnessed, detail = False, str(error)
        self._states[state] = State(id=state, fault=fault, at=place, witnessed=witnessed, detail=detail)
        if live is None or not witnessed:
            await self.crew.faults.heal_all(SCENARIO, "end of the window")
            why = f"nothing saw it act: {detail}"
            self.journal.write(Noted(level="warning", message=f"{state}: {why}"))
            return [Reaction(finding=t, state=state, heard=Heard.NOT_ASKED, must=False, reason=why) for t in tests]
        run = await self._run(state, limit, left, resolve=False)
        strangers = [t for t in run.cases if t not in self._known and not run.cases[t].setup]
        if strangers:
            words = f"{state}: tests that the first run did not report: {', '.join(strangers[:5])}"
            self.journal.write(Noted(level="warning", message=words + (" ..." if strangers[5:] else "")))
        over = await self._over(fault, live)
        await self.crew.faults.heal_all(SCENARIO, "end of the window")
        found = react(state, tests, run, whole)
        if over:
            self.journal.write(Noted(level="warning", message=f"{state}: {over}"))
            found = [replace(r, heard=Heard.UNSURE, reason=over) if r.heard is not Heard.RED else r for r in found]
        return found

    async def _over(self, fault: str, live: LiveFault) -> str:
        """Whether a fault had ended before the suite did, and why that is known; empty where it acted all the time."""
        lasting = _LASTS.get(fault)
        if lasting is None:
            return ""
        now = {i.name: i for view in (await self.platform.survey()).values() for i in view.instances}
        back = [v.name for v in live.victims if v.name in now and now[v.name].state is not lasting]
        return (
            f"it did not last until the suite had ended: {', '.join(back)} {'run' if back[1:] else 'runs'} again"
            if back
            else ""
        )

    async def _whole(self, state: str, tests: Sequence[str], left: int) -> SuiteRun:
        """A run with nothing broken; a second one, where not all tests are green: of both, what was green once counts."""
        name, patience = f"after {state}", self._course.limit_ns or CONTROL_NS
        run = await self._run(name, patience, left)
        for _ in range(_TRIES - 1):
            lacking = [t for t in tests if t not in run.cases or run.cases[t].told != "green"]
            if not lacking:
                break
            more = await self._run(f"{name}, again", patience, left)
            mended = {t: more.cases[t] for t in lacking if t in more.cases}
            still = [t for t in lacking if t not in mended or mended[t].told != "green"]
            words = f"{name}: not green at once: {', '.join(lacking[:5])}{' ...' if lacking[5:] else ''}"
            words += f"; nor a second time: {', '.join(still[:5])}{' ...' if still[5:] else ''}" if still else ""
            self.journal.write(Noted(level="warning", message=words))
            run = replace(run, cases={**run.cases, **mended}, trouble=more.trouble)
        return run

    # -- one run

    async def _run(self, name: str, limit_ns: int, left: int, *, resolve: bool = True) -> SuiteRun:
        """`resolve`: look up where everything is; what is broken cannot be asked for that."""
        if resolve:
            self._addresses = await addresses_of(self.prober, await self.platform.survey())
        self.journal.write(SuiteBegun(run=name, left=left, deadline_ns=time.monotonic_ns() + limit_ns))
        run = await self._suite.run(name, self._addresses, limit_ns)
        self.journal.write(SuiteRan(run=run.sums()))
        if not run.ended:
            spent = format_duration(run.took_ns, 2)
            words = f"{name}: the suite did not end in {spent} and was killed: what waits in it has no time-out"
            self.journal.write(Noted(level="warning", message=words))
        elif run.trouble:
            self.journal.write(Noted(level="warning", message=f"{name}: {run.trouble}"))
        return run

    # -- what it comes to

    def _record(self, reactions: Any) -> None:
        for reaction in reactions:
            self._reactions.setdefault(reaction.finding, []).append(reaction)
            self.journal.write(Reacted.of(reaction))

    def _conclude(self, tests: Sequence[str], unsteady: Mapping[str, str], reason: str) -> None:
        proofs = []
        for test in tests:
            if test in unsteady:
                proof = Proof(finding=test, outcome=Proven.NOT_PROVABLE, why=unsteady[test])
            else:
                proof = conclude(test, self._reactions.get(test, ()), self._states, reason)
            proofs.append(proof)
            self.journal.write(CheckProven.of(proof))
        self._proofs = tuple(proofs)


def _unsure(reaction: Reaction) -> Reaction:
    """Red, and nobody knows what it would say when all is whole again."""
    return replace(reaction, heard=Heard.UNSURE, reason="red, and the stack was not whole again after it")


__all__ = ["SCENARIO", "SuiteTrial"]
