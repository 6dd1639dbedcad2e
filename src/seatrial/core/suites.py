"""A team's own suite of tests, asked while its stack is broken: what a run said of each test, and what all runs come to.

All times are ns. A place is a service or link; its windows are the states in which it is broken, one after the other.
"""

from __future__ import annotations

import enum
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from .errors import SeatrialError
from .proofs import Heard, Proof, Proven, Reaction, State
from .quantities import NS_PER_S, format_duration

WHOLE = "the suite"  # the one test of a suite of which nothing but its exit status is known
LEAST_NS = 60 * NS_PER_S
MOST_NS = 900 * NS_PER_S
EACH_NS = 15 * NS_PER_S  # a test may wait so long for an answer
SLOWER = 10  # times as long as with nothing broken
_SHOWN = 200  # characters of a suite's own words


class MalformedReport(SeatrialError):  # noqa: N818 - what a file is
    """What a suite wrote is none of what it should be; the message says where and why."""


class Told(enum.StrEnum):
    """What a run said of a test."""

    GREEN = "green"
    RED = "red"
    SKIPPED = "skipped"


@dataclass(frozen=True, kw_only=True, slots=True)
class Case:
    """A test as a run reported it. `words` are its own; `setup`: it was red before it began, in what it is given."""

    test: str
    told: Told
    words: str = ""
    setup: bool = False
    took_ns: int = 0


@dataclass(frozen=True, kw_only=True, slots=True)
class Report:
    """What a file tells. `cut`: why there may be more tests than it tells of."""

    cases: tuple[Case, ...]
    cut: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class SuiteRun:
    """One run of a suite. `ended` False: it was killed when its time was over; `trouble`: why nothing can be read of what it reported."""

    name: str  # "control", "stop web", "after stop web"
    cases: Mapping[str, Case]
    source: str  # JUnit, TAP, exit status
    exit_status: int
    ended: bool
    took_ns: int
    trouble: str = ""
    cut: str = ""
    last: str = ""  # what it said last
    directory: str = ""  # with its output, in the trial's

    def of(self, told: Told) -> list[str]:
        """Tests of which this was said."""
        return [c.test for c in self.cases.values() if c.told is told]

    @property
    def quiet(self) -> bool:
        """Whether nobody who looks at this run would see that something is broken."""
        return self.ended and not self.trouble and self.exit_status == 0 and not self.of(Told.RED)

    def sums(self) -> SuiteSums:
        """For the journal."""
        return SuiteSums(
            name=self.name,
            green=len(self.of(Told.GREEN)),
            red=len(self.of(Told.RED)),
            skipped=len(self.of(Told.SKIPPED)),
            source=self.source,
            exit_status=self.exit_status,
            ended=self.ended,
            took_ns=self.took_ns,
            quiet=self.quiet,
            trouble=self.trouble or self.cut,
            directory=self.directory,
        )


@dataclass(frozen=True, kw_only=True, slots=True)
class SuiteSums:
    """A run in figures. `quiet`: it looked as if nothing were broken."""

    name: str
    green: int
    red: int
    skipped: int
    source: str
    exit_status: int
    ended: bool
    took_ns: int
    quiet: bool
    trouble: str = ""
    directory: str = ""

    def __str__(self) -> str:
        if self.trouble and not self.green + self.red + self.skipped:
            return self.trouble
        told = [f"{n} {word}" for word, n in (("red", self.red), ("green", self.green), ("skipped", self.skipped)) if n]
        ended = () if self.ended else (f"killed after {format_duration(self.took_ns, 2)}",)
        return ", ".join((*told, *ended)) or "no test was reported"


@dataclass(frozen=True, kw_only=True, slots=True)
class SuiteCourse:
    """What is gone through. `between`: the suite runs once more after every window; `limit_ns` 0: made from the control run.

    `companions`: those of services that bring others along (a redis its sentinels) that are broken, too; None: all of them.
    """

    command: str
    windows: tuple[tuple[str, str], ...]  # fault and place
    companions: tuple[str, ...] | None = None
    faults: tuple[str, ...] = ("stop", "pause")  # at them
    between: bool = True
    limit_ns: int = 0
    notes: tuple[str, ...] = ()


class Suite(Protocol):
    """Runs somebody's suite."""

    async def run(self, name: str, addresses: Mapping[str, Mapping[str, str]], limit_ns: int) -> SuiteRun:
        """Once, to its end or until its time is over; nothing of it remains then. `addresses`: values by service and name.

        Raises SeatrialError when it cannot be started at all.
        """
        ...


def state_of(fault: str, place: str) -> str:
    """A window's name: stop web."""
    return f"{fault} {place}"


def is_companion(name: str, services: Iterable[str]) -> bool:
    """Whether a service that no stack file names was brought along by one that it names: redis-sentinel."""
    known = list(services)
    return name not in known and any(name.startswith(f"{s}-") for s in known)


def limit_of(control: SuiteRun) -> int:
    """How long a run may take while something is broken: each test may wait for an answer until its own time is over."""
    return min(MOST_NS, max(LEAST_NS, SLOWER * control.took_ns, EACH_NS * len(control.cases)))


def unusable(control: SuiteRun) -> str:
    """Why a suite cannot be asked at all; empty where it can."""
    if control.trouble:
        return control.trouble
    if not control.ended and not control.cases:
        return f"it did not end in {format_duration(control.took_ns, 2)}, and reported nothing"
    if not control.cases:
        return "it ran no test"
    if not control.of(Told.GREEN):
        first = next(iter(control.cases.values()))
        words = f"{first.test}: {first.told}{f', {first.words}' if first.words else ''}"
        return f"none of its {len(control.cases)} tests is green while nothing is broken ({words})"
    return ""


def hear(test: str, run: SuiteRun) -> tuple[Heard, str]:
    """What a run tells of a test, and in which words."""
    case = run.cases.get(test)
    if case is not None:
        words = f"in its setup: {case.words}" if case.setup else case.words
        return {Told.GREEN: Heard.GREEN, Told.RED: Heard.RED, Told.SKIPPED: Heard.SKIPPED}[case.told], words
    if run.trouble:
        return Heard.UNSURE, f"the suite as a whole broke off: {run.trouble}"
    if not run.ended:
        return Heard.NO_END, f"not reported when the suite was killed after {format_duration(run.took_ns, 2)}"
    container = _container(test, run)
    if container is not None:
        return Heard.RED, f"in its setup: {container.words or 'it could not be collected'}"
    if run.cut or not run.quiet:
        return Heard.NOT_ASKED, run.cut or f"not reported; the suite ended with {run.exit_status}"
    return Heard.SKIPPED, "it was not reported, and the suite calls itself green"


def _container(test: str, run: SuiteRun) -> Case | None:
    """What is red in place of a test: its file or class, which could not be collected."""
    mine = test.partition("::")[0]
    for case in run.cases.values():
        name = case.test.rpartition("::")[2]
        if case.told is Told.RED and case.setup and name and (mine == name or mine.startswith(f"{name}.")):
            return case
    return None


def not_steady(test: str, runs: Sequence[SuiteRun]) -> str:
    """Why a test can show nothing: what it said while nothing was broken, where that is not green each time; else empty."""
    said = [run.cases.get(test) for run in runs]
    words = [c.told.value if c is not None else "not reported" for c in said]
    if set(words) == {Told.GREEN.value}:
        return ""
    own = next((c.words for c in said if c is not None and c.told is not Told.GREEN and c.words), "")
    what = f"{words[0]}" if len(set(words)) == 1 else f"flaky ({', then '.join(words)})"
    return f"{what} while nothing is broken" + (f": {own}" if own else "")


def react(state: str, tests: Iterable[str], run: SuiteRun, before: SuiteRun) -> list[Reaction]:
    """What each test said in a window. One that was not green right before is not asked."""
    found = []
    for test in tests:
        heard, reason = hear(test, run)
        case, was = run.cases.get(test), before.cases.get(test)
        if was is None or was.told is not Told.GREEN:
            heard, reason = Heard.NOT_ASKED, "it was not green right before"
        took = case.took_ns if case is not None else 0
        found.append(Reaction(finding=test, state=state, heard=heard, must=False, reason=reason[:_SHOWN], took_ns=took))
    return found


def confirm(reactions: Iterable[Reaction], after: SuiteRun) -> list[Reaction]:
    """Red counts where the test is green again when all is whole."""
    found = []
    for reaction in reactions:
        case = after.cases.get(reaction.finding)
        if reaction.heard is Heard.RED and (case is None or case.told is not Told.GREEN):
            now = case.told.value if case is not None else "not reported"
            reaction = Reaction(
                finding=reaction.finding,
                state=reaction.state,
                heard=Heard.UNSURE,
                must=False,
                reason=f"red, and {now} when all was whole again",
                took_ns=reaction.took_ns,
            )
        found.append(reaction)
    return found


def conclude(test: str, reactions: Sequence[Reaction], states: Mapping[str, State], why_not: str = "") -> Proof:
    """What a test's reactions come to. `why_not`: why it was asked nowhere.

    It is proven by a place that it notices in every way in which it was broken there. Who is red where a connection is refused, and
    green where it is accepted and nothing is said, hears the port and not the answer. Who is red nowhere is blind, if it was asked in
    every place.
    """
    asked = [r for r in reactions if r.state in states and states[r.state].witnessed]
    places: dict[str, list[Reaction]] = {}
    for reaction in asked:
        places.setdefault(states[reaction.state].at, []).append(reaction)
    red = tuple(r.state for r in asked if r.heard is Heard.RED)
    missing = {p: [r for r in rs if r.heard in (Heard.GREEN, Heard.SKIPPED)] for p, rs in places.items()}
    hit = [p for p, rs in places.items() if any(r.heard is Heard.RED for r in rs)]
    if any(not missing[p] for p in hit):
        return Proof(finding=test, outcome=Proven.PROVEN, by=red, why=_caveat(asked, states))
    if hit:
        missed = [r for p in hit for r in missing[p]]
        why = f"red in {', '.join(red)}, but {_missed(missed)}"
        blind = tuple(r.state for r in missed)
        return Proof(finding=test, outcome=Proven.BLIND, by=red, blind_to=blind, why=why + _ears(red, missed, states))
    missed = [r for rs in missing.values() for r in rs]
    open_ = [p for p, rs in missing.items() if not rs]
    if missed and not open_ and not why_not:
        return Proof(
            finding=test, outcome=Proven.BLIND, blind_to=tuple(r.state for r in missed), why=_everywhere(missed)
        )
    late = [r for r in asked if r.heard is Heard.UNSURE and r.reason.startswith("red, and ")]
    if late:
        return Proof(
            finding=test, outcome=Proven.WRONG_REASON, why="; ".join(f"{r.state}: {r.reason}" for r in late[:3])
        )
    unknown = next((f"{r.state}: {r.reason}" for p in open_ for r in places[p] if r.reason), "it was asked nowhere")
    return Proof(finding=test, outcome=Proven.NOT_PROVABLE, why=why_not or unknown)


def _missed(missed: Sequence[Reaction]) -> str:
    parts = []
    for heard, words in ((Heard.GREEN, "green in"), (Heard.SKIPPED, "skips itself in")):
        states = [r.state for r in missed if r.heard is heard]
        own = next((r.reason for r in missed if r.heard is heard and heard is Heard.SKIPPED and r.reason), "")
        parts += [f"{words} {', '.join(states)}{f' ({own})' if own else ''}"] if states else []
    return ", ".join(parts)


def _everywhere(missed: Sequence[Reaction]) -> str:
    skipped = [r for r in missed if r.heard is Heard.SKIPPED]
    if not skipped:
        where = f"all {len(missed)} states, whatever is broken" if missed[1:] else missed[0].state
        return f"green in {where}"
    own = next((f" ({r.reason})" for r in skipped if r.reason), "")
    rest = ", green in all others" if len(skipped) < len(missed) else ""
    return f"skips itself in {', '.join(r.state for r in skipped)}{own}{rest}"


def _ears(red: Sequence[str], missed: Sequence[Reaction], states: Mapping[str, State]) -> str:
    """What such a pattern means."""
    kinds, deaf = {states[s].fault for s in red}, {states[r.state].fault for r in missed}
    if kinds == {"stop"} and deaf == {"pause"}:
        return ": it hears a refused connection, and not that nobody answers"
    if kinds == {"pause"} and deaf == {"stop"}:
        return ": it hears silence, and not that nobody is there"
    return ""


def _caveat(asked: Sequence[Reaction], states: Mapping[str, State]) -> str:
    """What is to be known of a test that is proven."""
    red = [r for r in asked if r.heard is Heard.RED]
    said = []
    if all(r.reason.startswith("in its setup: ") for r in red):
        said.append("always in its setup: what it says itself was never asked")
    unheard = [
        r
        for r in asked
        if states[r.state].fault == "pause" and r.heard in (Heard.NO_END, Heard.UNSURE, Heard.NOT_ASKED)
    ]
    if unheard and all(states[r.state].fault != "pause" for r in red):
        said.append(f"whether it hears silence is not known: {unheard[0].state}: {unheard[0].reason}")
    return "; ".join(said)
