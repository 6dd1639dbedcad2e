"""Breaks what checks look at, and hears what they say: green before, red for the right reason, green again.

It follows a trial's scenarios on the same stack. Each window is one fault; all checks that it concerns are asked in it.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from ..core.answers import deaf_conditions, names_counts
from ..core.errors import SeatrialError
from ..core.events import CheckProven, PhaseChanged, Reacted
from ..core.observations import Observation, Seen
from ..core.plan import CheckPlan, Expectation, FaultStep, NamedCheck, Plan, ProbeCall, ProbeStep, calls_in
from ..core.proofs import Heard, Proof, Reaction, State, prove
from ..core.quantities import NS_PER_S
from ..core.stack import LINK, Target
from ..core.verdicts import Verdict
from ..core.vocabulary import Vocabulary
from .checks import Checks, Kept, Place
from .faulting import Faults
from .journal import Journal
from .ledger import Ledger
from .planting import planted
from .probing import NOT_EXERCISED, Prober
from .steady import Steady

SCENARIO = "prove"
NOTICE_NS = 5 * NS_PER_S  # so long a check may take to turn red
ATTEMPT_NS = 2 * NS_PER_S
TOGETHER = 16
FIGURES = ("lost", "doubled", "phantom", "failed", "ok", "due", "unknown", "sent")  # of clients: never negative
_POLL_S = 0.2
_GONE = frozenset(
    {"refused", "reset", "timeout", "closed", "absent", "unreachable"}
)  # errors of a target that is not there
_ELSEWHERE = frozenset({"name", "tls", "spec", "bug", *NOT_EXERCISED})  # and of something else than what was broken


@dataclass(frozen=True, kw_only=True)
class Subject:
    """A check that is to be proven. `own`: the services that it asks; `silent`: what it looks at does not hear it."""

    finding: str
    check: CheckPlan
    notices: tuple[str, ...]
    own: tuple[str, ...]
    silent: bool
    writes: bool

    @property
    def of_a_moment(self) -> bool:
        """Whether it compares with what a fault of its scenario was."""
        return self.check.expect is not None and "fault" in self.check.expect.names


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """What is to be proven: findings (empty: all), and whether every check is asked in every state."""

    findings: frozenset[str] = frozenset()
    matrix: bool = True


@dataclass(kw_only=True)
class _Course:
    """How far it is. `once`: findings that were green in their scenario, and are not so out of it."""

    once: set[str] = field(default_factory=set)
    reactions: list[Reaction] = field(default_factory=list)
    states: list[State] = field(default_factory=list)
    stopped: str = ""


class Proving:
    """Proves the checks of a plan, after its scenarios. `tell` is told what is done next, for people."""

    def __init__(
        self,
        plan: Plan,
        wanted: Wanted,
        *,
        vocabulary: Vocabulary,
        capabilities: frozenset[str],
        checks: Checks,
        faults: Faults,
        steady: Steady,
        journal: Journal,
        prober: Prober,
        ledger: Ledger,
        fingerprints: Mapping[str, str],
        tell: Callable[[str], None] = lambda _: None,
    ) -> None:
        self._plan, self._wanted = plan, wanted
        self._vocabulary, self._capabilities = vocabulary, capabilities
        self._checks, self._faults, self._steady, self._journal = checks, faults, steady, journal
        self._prober, self._ledger = prober, ledger
        self._fingerprints, self._tell = fingerprints, tell
        self.mute: frozenset[str] = frozenset()  # findings that are green when their target does not answer
        self.states: tuple[State, ...] = ()
        self.reactions: tuple[Reaction, ...] = ()

    async def run(self) -> tuple[Proof, ...]:
        """A proof for each check that is wanted. What was broken is healed when this returns or raises."""
        self._journal.write(PhaseChanged(phase="proving"))
        subjects = [s for s in subjects_of(self._plan, self._vocabulary) if self._is_wanted(s.finding)]
        green = [s for s in subjects if self._was_green(s)]
        course = _Course()
        try:
            self._tell(
                f"{len(green)} of {len(subjects)} checks were green; each is asked once more, out of its scenario"
            )
            course.once = await self._once(green)
            for fault, name in windows(green, self._capabilities):
                if course.stopped:
                    break
                await self._window(fault, name, green, course)
            for subject in green:
                if subject.check.call.verb == "log" and not course.stopped:
                    await self._plant(subject, course)
        finally:
            await self._faults.heal_all(SCENARIO, "end of the proof")
        self.states, self.reactions = tuple(course.states), tuple(course.reactions)
        self.mute = frozenset(s.finding for s in green if self._kept(s).result.observation.seen is not Seen.VALUE)
        proofs = [self._proof(s, s in green, course) for s in subjects]
        proofs += [self._of_figures(i, e) for i, e in expectations_of(self._plan) if self._is_wanted(i)]
        for proof in proofs:
            self._journal.write(CheckProven.of(proof))
        return tuple(proofs)

    def _is_wanted(self, finding: str) -> bool:
        return not self._wanted.findings or finding in self._wanted.findings

    def _was_green(self, subject: Subject) -> bool:
        kept = self._checks.kept.get(subject.finding) if self._checks.kept is not None else None
        return kept is not None and kept.result.verdict is Verdict.PASS

    def _kept(self, subject: Subject) -> Kept:
        assert self._checks.kept is not None
        return self._checks.kept[subject.finding]

    # -- a window

    async def _window(self, fault: str, name: str, green: Sequence[Subject], course: _Course) -> None:
        state_id = f"{fault} {name}"
        asked = [s for s in green if must_notice(s, fault, name)]
        others = [s for s in green if s not in asked and not s.writes and not s.silent and s.finding not in course.once]
        beside = others if self._wanted.matrix else []
        self._tell(f"{state_id}: {len(asked)} checks must notice, {len(beside)} are asked beside")
        step = FaultStep(
            id=state_id.replace(LINK, "-").replace(" ", "-"),
            title=state_id,
            fault=fault,
            at=Target(service=name, everywhere=True),
        )
        began = time.monotonic_ns()
        try:
            live = await self._faults.inject(SCENARIO, step)
            witnessed, detail = live.witnessed, "; ".join(t.detail for t in live.testimony)
        except SeatrialError as error:
            witnessed, detail = False, str(error)
        course.states.append(State(id=state_id, fault=fault, at=name, witnessed=witnessed, detail=detail))
        if witnessed:
            found = await self._ask([*((s, True) for s in asked), *((s, False) for s in beside)], state_id, course)
        else:
            why = f"nothing saw it act: {detail}"
            found = [
                Reaction(finding=s.finding, state=state_id, heard=Heard.NOT_ASKED, must=True, reason=why) for s in asked
            ]
        await self._faults.heal_all(SCENARIO, "end of the window")
        unhealed = [
            f.unhealed for f in self._faults.all if f.scenario == SCENARIO and f.unhealed and f.began_ns >= began
        ]
        gate = await self._steady.gate(f"after {state_id}")
        if unhealed or not gate.holds:
            course.stopped = f"the stack was not whole again after {state_id}: {'; '.join(unhealed) or gate.reason}"
        elif witnessed:
            found = await self._green_again(found, {s.finding: s for s in asked if s.finding not in course.once})
        self._record(found, course)

    def _record(self, reactions: Sequence[Reaction], course: _Course) -> None:
        for reaction in reactions:
            self._journal.write(Reacted.of(reaction))
        course.reactions += reactions

    async def _plant(self, subject: Subject, course: _Course) -> None:
        """A line that a check of logs looks for, in copies of the logs that it reads; or none, where it wants some."""
        kept = self._kept(subject)
        wants = bool(kept.seen.get("count"))
        state = State(
            id="nothing is logged" if wants else "a line is logged", fault="plant", at=str(kept.check.call.at)
        )
        if not any(s.id == state.id for s in course.states):
            course.states.append(state)
        async with planted(self._prober, kept.check.call, self._journal.directory, nothing=wants) as why_not:
            if why_not:
                reaction = Reaction(
                    finding=subject.finding, state=state.id, heard=Heard.NOT_ASKED, must=True, reason=why_not
                )
            else:
                reaction = await self._react(subject, state.id, must=True)
        self._tell(f"{subject.finding}: in a copy of its log {state.id}: {reaction.heard}")
        self._record([reaction], course)

    async def _once(self, green: Sequence[Subject]) -> set[str]:
        """Those that cannot be asked again as they were: they write, or what they saw was a moment of their scenario.

        Such is "another one than the victim": who leads when all have been stopped may be the victim again, and nothing is wrong with that.
        """
        limit = asyncio.Semaphore(TOGETHER)

        async def again(subject: Subject) -> bool:
            async with limit:
                return subject.writes or subject.silent or await self._is_green(subject)

        greens = await asyncio.gather(*(again(s) for s in green))
        return {
            s.finding for s, is_green in zip(green, greens, strict=True) if s.writes or s.of_a_moment or not is_green
        }

    async def _is_green(self, subject: Subject) -> bool:
        kept = self._kept(subject)
        check, place = replace(kept.check, within_ns=None, for_ns=None), Place(scenario=SCENARIO, step=subject.finding)
        deadline = time.monotonic_ns() + max(NOTICE_NS, kept.check.within_ns or 0)
        while True:
            result = await self._checks.run(check, kept.values, place, kept.marks, kept.baseline)
            if result.verdict is Verdict.PASS or time.monotonic_ns() > deadline:
                return result.verdict is Verdict.PASS
            await asyncio.sleep(_POLL_S)

    async def _ask(self, asked: Sequence[tuple[Subject, bool]], state: str, course: _Course) -> list[Reaction]:
        limit = asyncio.Semaphore(TOGETHER)

        async def one(subject: Subject, must: bool) -> Reaction:
            async with limit:
                return await self._react(subject, state, must, once=subject.finding in course.once)

        return list(await asyncio.gather(*(one(s, must) for s, must in asked)))

    async def _react(self, subject: Subject, state: str, must: bool, *, once: bool = False) -> Reaction:
        """Ask until it is not green, or was green for as long as it may take to notice; one that need not notice is asked once.

        `once`: it would not be green now if nothing were broken, so that only a target that is gone makes it red for the right reason.
        """
        kept = self._kept(subject)
        check = hurried(kept, self._checks.timeout_ns(kept.check))
        place = Place(scenario=SCENARIO, step=subject.finding)
        began = time.monotonic_ns()
        while True:
            result = await self._checks.run(check, kept.values, place, kept.marks, kept.baseline)
            took = time.monotonic_ns() - began
            if result.verdict is not Verdict.PASS or not must or took >= NOTICE_NS:
                break
            await asyncio.sleep(_POLL_S)
        heard, reason = hear(result.verdict, result.observation, once=once)
        reason = reason or result.judgement.reason or result.observation.message
        return Reaction(finding=subject.finding, state=state, heard=heard, must=must, reason=reason, took_ns=took)

    async def _green_again(self, found: Sequence[Reaction], subjects: Mapping[str, Subject]) -> list[Reaction]:
        """A red that stays when nothing is broken any more was red for another reason. What writes is not asked twice."""

        async def one(reaction: Reaction) -> Reaction:
            subject = subjects.get(reaction.finding)
            if subject is None or reaction.heard is not Heard.RED or subject.writes:
                return reaction
            if await self._is_green(subject):
                return reaction
            return replace(reaction, heard=Heard.UNSURE, reason="it stayed red when all was whole again")

        return list(await asyncio.gather(*(one(r) for r in found)))

    # -- what comes of it

    def _proof(self, subject: Subject, green: bool, course: _Course) -> Proof:
        own = [r for r in course.reactions if r.finding == subject.finding]
        if not green:
            proof = prove(subject.finding, [], [], self._not_green(subject.finding))
        else:
            kept = self._kept(subject)
            if subject.finding in self.mute:
                proof = prove(
                    subject.finding, [], [], "it is green when its target does not answer: a variant has to prove it"
                )
            else:
                proof = prove(subject.finding, own, deaf(kept), course.stopped or self._why_not(subject))
        return replace(proof, fingerprint=self._fingerprints.get(subject.finding, ""))

    def _of_figures(self, finding: str, expectation: Expectation) -> Proof:
        """Of an expectation: whether it listens to the figures that it was judged by. That it hears them a run of clients has to show."""
        figures = (self._ledger.figures or {}).get(finding)
        judged = self._ledger.findings.get(finding)
        if figures is None or judged is None or judged.verdict is not Verdict.PASS:
            return prove(finding, [], [], self._not_green(finding))
        said = [n for n in expectation.condition.names if n not in self._plan.values]
        deaf = deaf_conditions(expectation.condition, figures, said, FIGURES)
        return prove(
            finding, [], [f"any figure satisfies it: {d}" for d in deaf], "its clients have to see something else"
        )

    def _not_green(self, finding: str) -> str:
        judged = self._ledger.findings.get(finding)
        if judged is not None and not judged.exercised:
            return f"it was not exercised: {judged.reason}"
        return "it was not green to begin with"

    def _why_not(self, subject: Subject) -> str:
        if subject.silent and not subject.notices and subject.check.call.verb != "log":
            return f"nothing that it looks at hears it ({subject.check.call.verb}): notices: [...] or a variant"
        if not subject.own and not subject.notices:
            return "it names no service: at: ... or notices: [...]"
        lacking = {"stop", "pause", "link"} - self._capabilities
        return f"this platform cannot {', '.join(sorted(lacking))}" if lacking else "it was asked in no state"


def expectations_of(plan: Plan) -> Iterator[tuple[str, Expectation]]:
    """Every expectation of figures, with its finding."""
    for scenario in plan.scenarios:
        yield from ((f"{scenario.id}/{e.name}", e) for e in scenario.expect)
    yield from ((f"trial/{e.name}", e) for e in plan.expect)


def deaf(kept: Kept) -> list[str]:
    """Conditions of a green check that any answer meets, in words."""
    check = kept.check
    if check.expect is None:
        return []
    counts = ("rows",) if check.call.verb == "sql" and names_counts(str(check.call.what)) else ()
    found = deaf_conditions(check.expect, {**kept.values, **kept.seen}, kept.seen, counts)
    return [f"any answer satisfies it: {d}" for d in found]


def hurried(kept: Kept, timeout_ns: int) -> CheckPlan:
    """One attempt, and not a long one; but so long that it is not late where it was green."""
    seen = kept.result.observation
    enough = max(ATTEMPT_NS, 3 * (seen.ended_ns - seen.started_ns))
    return replace(kept.check, within_ns=None, for_ns=None, timeout_ns=min(timeout_ns, enough))


def hear(
    verdict: Verdict, observation: Observation, *, once: bool = False, ours: Collection[str] = ()
) -> tuple[Heard, str]:
    """A verdict in a state, and why it does not count where it is red for something else. `ours`: errors that were made on purpose.

    A check that could not look because the store that it reads is gone is not green, and says why: red enough.
    """
    if verdict is Verdict.PASS:
        return Heard.GREEN, ""
    if observation.seen is not Seen.VALUE and (observation.error in _GONE or observation.error in ours):
        return Heard.RED, ""
    if verdict is Verdict.INCONCLUSIVE:
        return Heard.UNSURE, ""
    if observation.error in _ELSEWHERE:
        return Heard.UNSURE, f"red for something else ({observation.error}): {observation.message}"
    if once and not _fails(observation):
        return Heard.UNSURE, f"out of its scenario it is red in any case: {observation.message}"
    return Heard.RED, ""


def _fails(observation: Observation) -> bool:
    """Whether an answer says itself that something is broken, whatever was asked."""
    status, code, failed = (observation.values.get(n) for n in ("status", "code", "failed"))
    broken = isinstance(status, int) and status >= 500
    return broken or code in ("UNAVAILABLE", "DEADLINE_EXCEEDED") or (isinstance(failed, int) and failed > 0)


def must_notice(subject: Subject, fault: str, name: str) -> bool:
    """Whether a check exists to notice this. One that writes is not asked where what it sent may be done later."""
    if subject.writes and fault == "pause":
        return False
    return name in subject.notices or (name in subject.own and not subject.silent)


def windows(subjects: Sequence[Subject], capabilities: frozenset[str]) -> Iterator[tuple[str, str]]:
    """The states that some check exists to notice: services stopped and paused, links cut; in the order of their first mention."""
    names = dict.fromkeys(n for s in subjects for n in ((*s.own, *s.notices) if not s.silent else s.notices))
    for name in names:
        faults = ("cut",) if LINK in name else ("stop", "pause")
        for fault in faults:
            needs = "link" if fault == "cut" else fault
            if needs in capabilities and any(must_notice(s, fault, name) for s in subjects):
                yield fault, name


def subjects_of(plan: Plan, vocabulary: Vocabulary) -> Iterator[Subject]:
    """Every check of a plan that is judged, with its finding."""
    for named in plan.steady:
        yield _subject(f"steady/{named.id}", named, vocabulary)
    for step in plan.setup:
        if isinstance(step, ProbeStep) and step.check.expect is not None:
            yield _subject(f"setup/{step.id}", step, vocabulary)
    for scenario in plan.scenarios:
        for step in (*scenario.steps, *scenario.finally_):
            if isinstance(step, ProbeStep) and step.check.expect is not None:
                yield _subject(f"{scenario.id}/{step.id}", step, vocabulary)
        for named in scenario.holds:
            yield _subject(f"{scenario.id}/{named.id}", named, vocabulary)


def _subject(finding: str, part: ProbeStep | NamedCheck, vocabulary: Vocabulary) -> Subject:
    calls = list(calls_in(part.check.call))
    return Subject(
        finding=finding,
        check=part.check,
        notices=part.notices,
        own=tuple(dict.fromkeys(n for c in calls for n in _services(c))),
        silent=not all(vocabulary.verbs[c.verb].asks for c in calls[:1]),
        writes=any(vocabulary.verbs[c.verb].writes(c.what, c.arguments) for c in calls),
    )


def _services(call: ProbeCall) -> Iterator[str]:
    """The services that a call asks. What is counted at a link is asked at its client."""
    targets = [call.at, *(v for v in call.arguments.values() if isinstance(v, Target) and LINK not in v.service)]
    for target in targets:
        if target is not None:
            yield target.service.rpartition(LINK)[2]
